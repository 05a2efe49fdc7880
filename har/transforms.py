"""From a clip as a detector left it to the arrays that a model is trained on.

All functions take and give `poses`, an array (M, T, V, C + 1): persons, frames, joints,
coordinates followed by the score. A missing joint is all zeros.
"""

import numpy as np

from har.params import Preprocess
from har.skeleton import Layout

# A detection further than this from where a person was last seen (in body sizes) is somebody else.
_SAME_PERSON_WITHIN = 1.0
# Detections of one frame that are followed, and tracks that are remembered (those unseen for
# longest are given up): keeps time and memory in proportion to the clip, however it flickers.
_MOST_TRACKS = 128


def preprocess(
    poses: np.ndarray, image_size: tuple[int, int], settings: Preprocess, layout: Layout
) -> np.ndarray:
    """Apply the `preprocess` section of params.yaml to one clip.

    Args:
        poses: (M, T, V, C + 1), pixels and scores.
        image_size: height and width in pixels.
        settings: which persons, joints, centre, scale and length.
        layout: the meaning of the joints.

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
        poses = fix_length(poses, settings.frames, settings.fill)
    poses = subtract_centre(poses, settings.center, layout)
    return divide_by_scale(poses, settings.scale, image_size, layout)


def hide_joints(poses: np.ndarray, below: float) -> np.ndarray:
    """Set joints whose score is less than `below` to zero, coordinates and score."""
    return poses * (poses[..., -1:] >= below)


def keep_persons(poses: np.ndarray, persons: int) -> np.ndarray:
    """Keep the first `persons` slots, adding empty ones where there are fewer."""
    kept = poses[:persons]
    missing = persons - len(kept)
    return np.pad(kept, [(0, missing), (0, 0), (0, 0), (0, 0)]) if missing else kept


def track_persons(poses: np.ndarray) -> np.ndarray:
    """Follow persons through frames whose slots are in the detector's order, not a person's.

    Each frame's detections are assigned to the tracks seen so far (Hungarian method on the mean
    distance of joints seen in both, in body sizes); a detection far from every track starts a new
    one. Tracks are then ranked by how much of a body they show, for how long, how large and in
    how early a slot, and laid into person slots: a track goes to the first of at most 2 M slots
    that is empty during its frames, or is left out where there is none.

    Args:
        poses: (M, T, V, C + 1).

    Returns:
        (M', T, V, C + 1), the most prominent person first. A single slot is returned unchanged.
    """
    if len(poses) == 1:
        return poses
    seen = np.greater(poses[..., -1], 0)  # (M, T, V)
    present = seen.any(axis=2)
    if not present[1:].any():
        return poses[:1]
    sizes = _body_sizes(poses, seen)  # (M, T)
    assigned = _assign_tracks(poses, seen, present, sizes)  # (M, T) track of each detection
    # Detectors list the surest person first: the slot says more than the size of a bystander.
    shown = seen.sum(axis=2) * sizes * 0.5 ** np.arange(len(poses))[:, None]
    persons, frames = np.nonzero(assigned >= 0)
    numbers = assigned[persons, frames]
    prominence = np.zeros(numbers.max() + 1)
    np.add.at(prominence, numbers, shown[persons, frames])
    by_track = np.argsort(numbers, kind="stable")
    detections = np.split(by_track, np.cumsum(np.bincount(numbers))[:-1])
    slots: list[np.ndarray] = []
    taken: list[np.ndarray] = []
    for track in np.argsort(-prominence, kind="stable"):
        who, here = persons[detections[track]], frames[detections[track]]
        slot = next((s for s, used in enumerate(taken) if not used[here].any()), len(slots))
        if slot == 2 * len(poses):
            continue
        if slot == len(slots):
            slots.append(np.zeros_like(poses[0]))
            taken.append(np.zeros(poses.shape[1], bool))
        slots[slot][here] = poses[who, here]
        taken[slot][here] = True
    return np.stack(slots)


def _body_sizes(poses: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Root mean square distance (M, T) of the seen joints to their centre, at least 1e-3."""
    count = np.maximum(seen.sum(axis=2), 1)[..., None]
    places = poses[..., :-1] * seen[..., None]
    centre = places.sum(axis=2) / count
    offsets = (places - centre[:, :, None]) * seen[..., None]
    return np.maximum(np.sqrt((offsets**2).sum(axis=(2, 3)) / count[..., 0]), 1e-3)


def _assign_tracks(
    poses: np.ndarray, seen: np.ndarray, present: np.ndarray, sizes: np.ndarray
) -> np.ndarray:
    """The track number (M, T) of each detection, -1 where a slot is empty or one too many."""
    # Imported where needed: the train stages read this module, and scipy's optimisers take a while.
    from scipy.optimize import linear_sum_assignment

    assigned = np.full(present.shape, -1)
    places = poses[..., :-1]
    last_places = np.zeros((0, *places.shape[2:]), places.dtype)
    last_seen = np.zeros((0, seen.shape[2]), bool)
    last_sizes = np.zeros(0)
    numbers = np.zeros(0, int)  # of the tracks that are remembered
    last_frames = np.zeros(0, int)
    begun = 0
    for frame in range(poses.shape[1]):
        slots = np.flatnonzero(present[:, frame])[:_MOST_TRACKS]
        if not len(slots):
            continue
        here, visible, size = places[slots, frame], seen[slots, frame], sizes[slots, frame]
        tracks = np.full(len(slots), -1)
        if len(last_places):
            shared = visible[:, None] & last_seen[None]  # (detections, tracks, V)
            distance = np.linalg.norm(here[:, None] - last_places[None], axis=-1)
            cost = (distance * shared).sum(-1) / np.maximum(shared.sum(-1), 1)
            cost /= np.maximum(size[:, None], last_sizes[None])
            cost[~shared.any(-1)] = np.inf
            near = cost <= _SAME_PERSON_WITHIN
            rows, columns = linear_sum_assignment(np.where(near, cost, 1e6))
            matched = near[rows, columns]
            tracks[rows[matched]] = columns[matched]
        new = tracks < 0
        if count := int(new.sum()):
            grown = len(last_places) + count
            tracks[new] = np.arange(len(last_places), grown)
            last_places = np.resize(last_places, (grown, *last_places.shape[1:]))
            last_seen = np.resize(last_seen, (grown, last_seen.shape[1]))
            last_sizes, last_frames = np.resize(last_sizes, grown), np.resize(last_frames, grown)
            numbers = np.concatenate([numbers, np.arange(begun, begun + count)])
            begun += count
        last_places[tracks], last_seen[tracks], last_sizes[tracks] = here, visible, size
        last_frames[tracks] = frame
        assigned[slots, frame] = numbers[tracks]
        if len(numbers) > _MOST_TRACKS:
            kept = np.sort(np.argsort(-last_frames, kind="stable")[:_MOST_TRACKS])
            last_places, last_seen = last_places[kept], last_seen[kept]
            last_sizes, last_frames, numbers = last_sizes[kept], last_frames[kept], numbers[kept]
    return assigned


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
    hips = poses[:, :, list(layout.hips)]  # (M, T, 2, C + 1)
    both = np.all(hips[..., -1] > 0, axis=2)
    shown = both[..., None, None] & (poses[..., -1:] > 0)
    moved[..., :-1] -= np.where(shown, hips[..., :-1].mean(axis=2, keepdims=True), 0)
    return moved


def divide_by_scale(
    poses: np.ndarray, scale: str, image_size: tuple[int, int], layout: Layout
) -> np.ndarray:
    """Make coordinates free of pixels: by the image's size or by the length of the trunk.

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
        shoulder, hip = layout.shoulders[0], layout.hips[0]
        trunk = np.linalg.norm(poses[:, :, shoulder, :-1] - poses[:, :, hip, :-1], axis=-1)
        length = np.median(trunk, axis=1)
        scaled[..., :-1] /= np.where(length > 1e-6, length, 1)[:, None, None, None]
    return scaled
