"""The clip of a video: the persons of every frame, followed through it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from tqdm import tqdm

from har.clips import UNLABELLED, Clip, ClipSet
from har.clips.annotations import group_of
from har.errors import UserError
from har.video.decoding import open_video
from har.video.estimators import Estimator

# Takes poses (M, T, V, C + 1) in the detector's order; returns them with one slot per person.
Follow = Callable[[np.ndarray], np.ndarray]

_SEEN = 0.2  # least score of a joint that counts for the size of a person
_MOST_FRAMES = 1_000_000  # nine hours; an endless stream would fill the memory


def extract(
    source: str | Path,
    estimate: Estimator,
    follow: Follow,
    persons: int = 2,
    least_size: float = 0.05,
    threads: int | None = None,
    progress: bool = False,
) -> ClipSet:
    """Extract the skeletons of a video as one unlabelled clip.

    Args:
        source: a path or a stream's address.
        estimate: the pose estimator.
        follow: puts the detections of one person into one slot, the most prominent person first.
        persons: most slots to keep.
        least_size: smaller persons are left out: the longer side of a person's box, as a share of
            the picture's shorter side.
        threads: for decoding.
        progress: show a bar on a terminal.

    Returns:
        One clip: keypoints (M, T, V, 2) float16 in pixels of the upright picture, 1 <= M <=
        persons, zeros where a person was not found; and notes on oddities.

    Raises:
        UserError: the video can't be read.
    """
    # All in one buffer: small arrays kept between freed frames would leave holes in the memory.
    found, counts, joints = bytearray(), [], 0
    with open_video(source, threads) as video:
        smallest = least_size * min(video.size) * video.scale
        frames = tqdm(
            video.frames, total=video.expected, unit="frame", disable=None if progress else True
        )
        for poses in estimate(frames):
            large = poses[_sizes(poses) >= smallest]
            found += large.astype(np.float32).tobytes()
            counts.append(len(large))
            joints = poses.shape[1]
            if len(counts) > _MOST_FRAMES:
                raise UserError(
                    f"{source} has more than {_MOST_FRAMES:,} frames: cut it into several"
                )
    notes = []
    if video.skipped:
        notes.append(f"{source} is damaged: {video.skipped} pieces were skipped")
    if not any(counts):
        notes.append(f"{source}: nobody was seen")
    persons_found = np.frombuffer(found, np.float32).reshape(-1, joints, 3)
    frame = np.repeat(np.arange(len(counts)), counts)
    slot = np.arange(len(frame)) - np.repeat(np.cumsum(counts) - counts, counts)
    poses = np.zeros((max(1, *counts), len(counts), joints, 3), np.float32)
    poses[slot, frame] = persons_found
    poses = follow(poses)[:persons]
    keypoints = (poses[..., :2] / video.scale).astype(np.float16)
    scores = poses[..., 2].astype(np.float16)
    name = name_of(source)
    clip = Clip(name, UNLABELLED, keypoints, scores, video.size, group_of(name), video.fps)
    return ClipSet([clip], [], notes=notes)


def name_of(source: str | Path) -> str:
    """The id of a video's clip: its file name without the suffix."""
    stem = Path(str(source)).stem
    return stem if stem and stem.isprintable() else "video"


def _sizes(poses: np.ndarray) -> np.ndarray:
    """The longer side (P,) of the box around the seen joints of poses (P, V, 3)."""
    seen = poses[..., 2:] >= _SEEN
    low = np.where(seen, poses[..., :2], np.inf).min(axis=1, initial=np.inf)
    high = np.where(seen, poses[..., :2], -np.inf).max(axis=1, initial=-np.inf)
    return np.maximum(high - low, 0).max(axis=1, initial=0)
