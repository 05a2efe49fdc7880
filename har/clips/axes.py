"""The order of an array's axes: as the user gives it, else recognised by shape and movement.

Orders are written in letters: n clips, m persons, t frames, v joints, c channels (coordinates and
perhaps a score). This project's is mtvc, or tvc of one person; per-frame results stacked are tmvc;
ST-GCN's is nctvm. A recognised order is noted; an ambiguous one is refused.
"""

import itertools

import numpy as np

from har.errors import UserError
from har.skeleton import LAYOUTS

_LETTERS = {"n": "clips", "m": "persons", "t": "frames", "v": "joints", "c": "channels"}
_ORDERS = ("tvc", "mtvc", "ntvc", "nmtvc")  # and their permutations
_CHANNELS = (2, 3, 4)  # coordinates and perhaps a score
_MANY = 3  # a clip never has this many times more persons than frames
_CLEAR = 2  # steps along the axis of time are smaller by this factor
_METRES = 10  # no body has all its pixels below this
_CLIPS_LOOKED_AT = 64
_FRAMES_LOOKED_AT = 300
_DOUBTFUL = (
    "the order of the axes is taken for mtvc, but the movement looks like frames first: if so, "
    "give --axes tmvc"
)


def check_axes(axes: str) -> None:
    """Check an order of axes.

    Raises:
        UserError: letters are unknown, missing or repeated.
    """
    if sorted(axes) not in [sorted(order) for order in _ORDERS]:
        raise UserError(
            f"axes {axes!r}: write t (frames), v (joints) and c (channels), and m (persons) and n "
            "(clips) where there are such axes, in the order of the array, such as tmvc"
        )


def reorder(array: np.ndarray, axes: str) -> np.ndarray:
    """Bring an array in the order `axes` into the order nmtvc, with persons and clips at least 1.

    Without c in `axes`, an array without channels, such as scores, into nmtv.
    """
    wanted = [letter for letter in "nmtvc" if letter in axes]
    array = array.transpose([axes.index(letter) for letter in wanted])
    if "m" not in axes:
        array = np.expand_dims(array, wanted.index("t"))
    return array if "n" in axes else array[None]


def recognise(
    points: np.ndarray, frames: int | None = None, scored: bool = False
) -> tuple[str, str]:
    """Recognise the order of the axes of keypoints.

    Args:
        points: three to five axes; joints that were not seen may be 0 or not finite.
        frames: number of frames, where the file gives it besides the array.
        scored: whether scores are in a separate array.

    Returns:
        The letters, and a note where the order is unusual or doubtful.

    Raises:
        UserError: the shape fits no order, or several.
    """
    shape = points.shape
    if points.ndim not in (3, 4, 5) or 0 in shape:
        raise UserError(
            f"keypoints of shape {shape}: give (persons, frames, joints, 2) or (frames, joints, 2)"
        )
    standard = "nmtvc"[5 - points.ndim :]
    others = _other_orders(shape, standard)
    known = shape[-2] in _numbers_of_joints()
    if shape[-1] in _CHANNELS and (known or not others or scored):
        if points.ndim == 3:
            return standard, ""
        clips = points[None] if points.ndim == 4 else points
        if not scored and _channels_first(clips[:_CLIPS_LOOKED_AT], shape):
            axes = standard.replace("mtvc", "ctvm")
            return axes, _taken(axes)
        axes, note = _persons_or_frames(clips[0], frames)
        return standard.replace("mtvc", axes), note
    if len(others) != 1 or shape[-1] in _CHANNELS:
        candidates = others + [standard] * (shape[-1] in _CHANNELS)
        several = f" ({' or '.join(candidates)})" if candidates else ""
        raise UserError(
            f"the order of axes can't be recognised in keypoints of shape {shape}{several}: give "
            f"it with --axes, such as --axes {(candidates or [standard])[0]}"
        )
    return others[0], _taken(others[0])


def sizes(shape: tuple[int, ...], axes: str) -> str:
    """A shape in words, such as 60 frames, 2 persons, 17 joints, 3 channels."""
    return ", ".join(f"{size} {_LETTERS[letter]}" for letter, size in zip(axes, shape, strict=True))


def _numbers_of_joints() -> set[int]:
    return {len(layout.joints) for layout in LAYOUTS.values()}


def _other_orders(shape: tuple[int, ...], standard: str) -> list[str]:
    """Orders with a known number of joints, 2 to 4 channels, no more persons than frames."""
    joints = _numbers_of_joints()
    found = []
    for order in itertools.permutations(standard.removeprefix("n")):
        axes = standard[: len(standard) - len(order)] + "".join(order)
        size = dict(zip(axes, shape, strict=True))
        usual = axes in (standard, standard.replace("mt", "tm"))
        plausible = size["c"] in _CHANNELS and size["v"] in joints and size.get("m", 1) <= size["t"]
        if plausible and not usual:
            found.append(axes)
    return found


def _taken(axes: str) -> str:
    return f"the order of the axes is taken for {axes}: --axes gives another"


def _persons_or_frames(points: np.ndarray, frames: int | None) -> tuple[str, str]:
    """Tell mtvc from tmvc by the number of frames, the shape and the movement of (A, B, V, C)."""
    a, b = points.shape[:2]
    if frames == a != b:
        return "tmvc", _taken("tmvc")
    if frames == b or (frames is not None and a <= b):
        return "mtvc", ""
    first, second, size = _steps(points[:_FRAMES_LOOKED_AT, :_FRAMES_LOOKED_AT])
    if b > 1 and np.isfinite(first + second):
        frames_first, persons_first = first * _CLEAR < second, max(second * _CLEAR, size) < first
    else:  # only the body's size to compare with
        frames_first, persons_first = first * _CLEAR < size, first > size
    if a <= b:
        doubtful = a > 1 and b > 1 and frames_first
        return "mtvc", _DOUBTFUL * doubtful
    if persons_first and np.isfinite(first):
        return "mtvc", _taken("mtvc")
    if frames_first or a >= _MANY * b:
        return "tmvc", _taken("tmvc")
    raise UserError(
        f"keypoints of shape {points.shape} have more persons than frames: give --axes tmvc if "
        "frames come first, --axes mtvc if persons do"
    )


def _steps(points: np.ndarray) -> tuple[float, float, float]:
    """Median step of a joint along the first and the second axis, and a body's size.

    Infinite where nobody is seen twice.
    """
    places = np.asarray(points[..., :2], np.float64)
    places = np.where((places != 0).any(-1, keepdims=True) & (np.abs(places) < 1e9), places, np.nan)
    medians = []
    for axis in (0, 1):
        steps = np.abs(np.diff(places, axis=axis)).sum(-1)
        steps = steps[np.isfinite(steps)]
        medians.append(float(np.median(steps)) if steps.size else np.inf)
    seen = places[np.isfinite(places).all(-1).any(-1)]
    extents = np.nanmax(seen, axis=-2) - np.nanmin(seen, axis=-2) if len(seen) else np.zeros((1, 2))
    return medians[0], medians[1], float(np.median(extents.max(-1)))


def _channels_first(points: np.ndarray, shape: tuple[int, ...]) -> bool:
    """Whether (N, A, T, V, B) is ctvm (x, y and score of B persons) rather than mtvc.

    Raises:
        UserError: it could be both.
    """
    channels, persons = points.shape[1], points.shape[4]
    if channels not in (2, 3) or persons != 2:
        return False  # the last axis of mtvc holds 2 coordinates
    if points[..., 0].any() and not points[..., 1].any():
        return True  # read as mtvc, all y would be 0; read as ctvm, one person is there
    if channels == 2:
        return False
    last, others = points[:, 2], points[:, :2]
    with np.errstate(invalid="ignore"):
        scores = bool(last.any() and (last >= 0).all() and (last <= 1).all())
        low, high = np.nanmin(others), np.nanmax(np.abs(others))
    if scores and (high > 2 or low < 0):
        return True
    if high < _METRES and last.any():
        axes = "nctvm"[5 - len(shape) :], "nmtvc"[5 - len(shape) :]
        raise UserError(
            f"keypoints of shape {shape} can be x, y and score of 2 persons, or 3 persons of x and "
            f"y: give --axes {axes[0]} or --axes {axes[1]}"
        )
    return False
