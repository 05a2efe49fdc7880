"""From a clip as a detector left it to the arrays that a model is trained on.

Functions take and return poses (M, T, V, C + 1): persons, frames, joints, coordinates and score.
A missing joint is all zeros.
"""

import numpy as np

from har.clips import USUAL_FPS
from har.dataset.person_tracking import track_persons
from har.errors import UserError
from har.params import Preprocess
from har.skeleton import Layout

_MOST_FRAMES = 2**20  # of a clip whose file tells a wrong rate


def preprocess(
    poses: np.ndarray,
    image_size: tuple[int, int],
    settings: Preprocess,
    layout: Layout,
    fps: float = 0.0,
) -> np.ndarray:
    """Apply the `preprocess` section of params.yaml to one clip.

    Args:
        poses: (M, T, V, C + 1), pixels and scores.
        image_size: height and width in pixels.
        settings: which persons, joints, centre, scale and length.
        layout: the layout of the joints.
        fps: frames per second, 0 where unknown. Where `settings.frames` fixes the length, clips of
            another rate than 25 are brought to that first: the length is one in seconds.

    Returns:
        (settings.persons, T', V, C + 1) float32; T' is T unless `settings.frames` fixes it.
    """
    poses = poses.astype(np.float32, copy=False)
    if settings.hide_below > 0:
        poses = hide_joints(poses, settings.hide_below)
    if settings.tracking:
        poses = track_persons(poses)
    poses = keep_persons(poses, settings.persons)
    if settings.frames:
        poses = at_usual_rate(poses, fps)
        poses = fix_length(poses, settings.frames, settings.fill)
    poses = subtract_centre(poses, settings.center, layout)
    return divide_by_scale(poses, settings.scale, image_size, layout)


def hide_joints(poses: np.ndarray, below: float) -> np.ndarray:
    """Set joints whose score is less than `below` to zero, coordinates and score."""
    return poses * (poses[..., -1:] >= below)


def keep_persons(poses: np.ndarray, persons: int) -> np.ndarray:
    """Keep the first `persons` slots, adding empty ones where there are fewer."""
    kept = poses[:persons]
    if len(kept) == persons:
        return kept
    empty = np.zeros((persons - len(kept), *poses.shape[1:]), poses.dtype)
    return np.concatenate([kept, empty])


def at_usual_rate(poses: np.ndarray, fps: float) -> np.ndarray:
    """Drop or repeat frames so that there are 25 per second; unknown (0) counts as 25."""
    if fps in (0, USUAL_FPS):
        return poses
    length = poses.shape[1]
    number = min(max(round(length * USUAL_FPS / fps), 1), _MOST_FRAMES)
    index = (np.arange(number) * (fps / USUAL_FPS)).round().astype(int)
    return poses[:, index.clip(max=length - 1)]


def fix_length(poses: np.ndarray, frames: int, fill: str) -> np.ndarray:
    """Cut a clip to its first `frames` frames, or lengthen it with zeros or by repeating it."""
    length = poses.shape[1]
    if fill == "loop":
        return poses[:, np.arange(frames) % length]
    return np.pad(poses[:, :frames], [(0, 0), (0, max(frames - length, 0)), (0, 0), (0, 0)])


def subtract_centre(poses: np.ndarray, center: str, layout: Layout) -> np.ndarray:
    """Move every frame's origin to a joint or a mid-point; 'none' leaves the image's corner.

    'first_joint' subtracts joint 0 from all joints, seen or not, as the pytorch reference does.
    'mid_hip' subtracts the middle of the hips from the seen joints of frames that show both.
    """
    if center == "none":
        return poses
    moved = poses.copy()
    if center == "first_joint":
        moved[..., :-1] -= poses[..., :1, :-1]
        return moved
    if not layout.hips:
        raise UserError(
            f"layout {layout.name} names no hips: set preprocess.center to none or first_joint"
        )
    hips = poses[:, :, list(layout.hips)]  # (M, T, 2, C + 1)
    both = np.all(hips[..., -1] > 0, axis=2)
    shown = both[..., None, None] & (poses[..., -1:] > 0)
    moved[..., :-1] -= np.where(shown, hips[..., :-1].mean(axis=2, keepdims=True), 0)
    return moved


def divide_by_scale(
    poses: np.ndarray, scale: str, image_size: tuple[int, int], layout: Layout
) -> np.ndarray:
    """Divide coordinates by the image's size or by the length of the trunk.

    'image' divides x by the width and y by the height. 'trunk' divides each person by the median
    over frames of the distance between left shoulder and left hip (by 1 where that is at most
    1e-6), as the pytorch reference does. 'none' leaves pixels.
    """
    scaled = poses.copy()
    if scale == "image":
        height, width = image_size
        scaled[..., 0] /= width
        scaled[..., 1] /= height
    elif scale == "trunk":
        if not layout.shoulders or not layout.hips:
            raise UserError(
                f"layout {layout.name} names no shoulders or no hips: set preprocess.scale to none"
            )
        shoulder, hip = layout.shoulders[0], layout.hips[0]
        trunk = np.linalg.norm(poses[:, :, shoulder, :-1] - poses[:, :, hip, :-1], axis=-1)
        length = np.median(trunk, axis=1)
        scaled[..., :-1] /= np.where(length > 1e-6, length, 1)[:, None, None, None]
    return scaled
