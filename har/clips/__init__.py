"""Clips of skeletons: what every source gives and every user of the library holds."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from har.errors import UserError
from har.skeleton import Layout

UNLABELLED = -1
_LARGEST_IMAGE = 100_000  # pixels


@dataclass(frozen=True)
class Clip:
    """One clip.

    Attributes:
        id: unique name within its set.
        label: index into the set's classes, UNLABELLED where the file gives none.
        keypoints: (M, T, V, C) float16 or float32, pixels (3D: the file's unit), finite.
        scores: (M, T, V) of the same type, 0..1; 0 is a missing joint.
        image_size: (height, width) in pixels; (0, 0) is unknown.
        group: clips of one group are cut from one video or show one person.
        fps: frames per second; 0 is unknown.
    """

    id: str
    label: int
    keypoints: np.ndarray
    scores: np.ndarray
    image_size: tuple[int, int]
    group: str
    fps: float = 0.0


@dataclass(frozen=True)
class ClipSet:
    """Clips with their class names.

    Attributes:
        clips: in the file's order.
        classes: name of label i; may name classes without clips.
        subsets: official subset name -> clip ids, of clips in the set only.
        notes: one line for each kind of thing that was odd, dropped or assumed.
        layout: of the joints, None where the file does not tell it.
    """

    clips: list[Clip]
    classes: list[str]
    subsets: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    layout: Layout | None = None


def make_clip(
    clip_id: str,
    keypoints: Any,
    scores: Any = None,
    image_size: Any = None,
    dimensions: int = 2,
) -> Clip:
    """Make an unlabelled clip of a user's arrays or nested lists.

    A joint counts as missing where its score is 0, where a coordinate is NaN, infinite or null,
    and, without scores, where all its coordinates are 0.

    Args:
        clip_id: its name, also in messages.
        keypoints: (M, T, V, C) or (T, V, C) pixels; with one number more in the last axis than
            `dimensions`, that is the score.
        scores: (M, T, V) or (T, V), 0..1.
        image_size: (height, width) in pixels, if known.
        dimensions: C.

    Raises:
        UserError: names the clip and what is wrong.
    """
    points = _numbers(keypoints, clip_id, "keypoints")
    points = points[None] if points.ndim == 3 else points
    if points.ndim != 4 or 0 in points.shape:
        raise UserError(
            f"{clip_id} has keypoints of shape {points.shape}: give (persons, frames, joints, "
            f"{dimensions}) or (frames, joints, {dimensions}), at least one of each"
        )
    if points.shape[3] == dimensions + 1 and scores is None:
        points, scores = points[..., :-1], points[..., -1]
    if points.shape[3] != dimensions:
        raise UserError(
            f"{clip_id} has {points.shape[3]} numbers per joint: give {dimensions} coordinates, "
            f"and the score after them or in `scores`"
        )
    with np.errstate(over="ignore", invalid="ignore"):  # what is too large becomes infinite
        points = points.astype(np.float32, copy=False)
    seen = np.isfinite(points).all(axis=-1)
    points = np.where(seen[..., None], points, np.float32(0))
    if scores is None:
        values = points.any(axis=-1).astype(np.float32)
    else:
        values = _numbers(scores, clip_id, "scores")
        values = values[None] if values.ndim == 2 else values
        if values.shape != points.shape[:3]:
            raise UserError(
                f"{clip_id} has scores of shape {values.shape}, keypoints of {points.shape}: give "
                "one score per joint"
            )
        values = np.nan_to_num(values, nan=0, posinf=1, neginf=0).clip(0, 1).astype(np.float32)
    size = (0, 0) if image_size is None else _size(image_size, clip_id)
    return Clip(clip_id, UNLABELLED, points, values * seen, size, clip_id)


def _numbers(value: Any, clip_id: str, what: str) -> np.ndarray:
    """An array or nested lists as an array of floats; null becomes NaN."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
        return value if value.dtype.kind == "f" else value.astype(np.float32)
    try:
        return np.array(value, dtype=np.float64)
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise UserError(
            f"{clip_id}: {what} must be nested lists of numbers, all of one depth of one length"
        ) from None


def _size(value: Any, clip_id: str) -> tuple[int, int]:
    sides = _numbers(value, clip_id, "image_size")
    if sides.shape != (2,) or not ((sides >= 1) & (sides <= _LARGEST_IMAGE)).all():
        raise UserError(f"{clip_id}: image_size must be (height, width) in pixels")
    return int(sides[0]), int(sides[1])
