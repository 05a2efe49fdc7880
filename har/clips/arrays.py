"""Clips from arrays or nested lists: the one place where these are checked and normalised."""

from typing import Any

import numpy as np

from har.clips.axes import check_axes, recognise, reorder, sizes
from har.clips.clip import UNLABELLED, Clip
from har.clips.limits import MOST_NUMBERS, TOO_FAR
from har.clips.notes import Notes
from har.clips.safe_pickle import shown
from har.errors import UserError
from har.skeleton import LAYOUTS

_LARGEST_IMAGE = 2**31  # pixels
_HIGHEST_SCORE = 1.5
_METRES = 10  # coordinates above are pixels
_SHARES = 3  # coordinates as shares of the image stay below: joints outside are guessed near it
_OUTSIDE = 0.5  # of the image, below 0
_DEEPEST = 6  # nesting of lists
_FAR = 3  # coordinates more image sizes beyond the image get a note


def make_clip(
    clip_id: str,
    keypoints: Any,
    scores: Any = None,
    image_size: Any = None,
    dimensions: int | None = None,
    *,
    label: int = UNLABELLED,
    group: str = "",
    fps: float = 0.0,
    frames: int | None = None,
    axes: str = "",
    notes: Notes | None = None,
) -> Clip:
    """Make a clip from arrays or nested lists of any file.

    A joint is missing where its score is 0, where a coordinate is null, NaN, infinite or too large
    to compute with, and, without scores, where all its coordinates are 0. Coordinates that are
    shares of the image (0..1) become pixels where the image size is known. Arrays that need no
    change are not copied.

    Args:
        clip_id: its name, also in messages.
        keypoints: (M, T, V, C) or (T, V, C) pixels, or in the order `axes`; the last number per
            joint may be its score.
        scores: (M, T, V) or (T, V), 0..1, in the same order.
        image_size: (height, width) in pixels; None, NaN and 0 are unknown.
        dimensions: 2 or 3 coordinates per joint; None recognises it by the layouts and the numbers.
        label: index of its class.
        group: empty for the clip's own id.
        fps: frames per second; 0 is unknown.
        frames: number of frames, where it is known besides the array.
        axes: order of the axes, see har.clips.axes; empty recognises it.
        notes: collects what was odd, recognised or assumed.

    Raises:
        UserError: names the clip and what is wrong.
    """
    notes = Notes() if notes is None else notes
    where = f"clip {shown(clip_id)}"
    array = numbers(keypoints, f"{where} needs numbers as its keypoints")
    values = None if scores is None else numbers(scores, f"{where} needs numbers as its scores")
    if values is not None and not values.ndim and np.isnan(values):
        values = None  # how a table marks a missing value
    try:
        if axes:
            check_axes(axes)
            if len(axes) != array.ndim:
                raise UserError(f"keypoints of shape {array.shape} do not have the axes {axes}")
        else:
            axes, note = recognise(array, frames, values is not None)
            if note:
                notes.add(note, clip_id, f": {sizes(array.shape, axes)}")
    except UserError as error:
        raise UserError(f"{where}: {error}") from None
    clips = reorder(array, axes)
    if len(clips) > 1:
        raise UserError(f"{where} is an array of {len(clips)} clips: give it in a file of its own")
    points = clips[0]
    if values is not None:
        values = _scores_in_order(values, array, axes, points.shape[:3], where)
    points, values = _split_off_scores(points, values, dimensions, where, clip_id, notes)
    size = _size(image_size, where)

    points = _native_floats(points)
    seen = None  # of all joints
    lowest, highest = _range(points)
    if not (lowest >= -TOO_FAR and highest <= TOO_FAR):  # true of NaN too
        notes.add("NaN, infinite or huge coordinates: these joints count as missing", clip_id)
        with np.errstate(invalid="ignore"):
            seen = (np.abs(points) <= np.float32(TOO_FAR)).all(axis=-1)
        points = np.where(seen[..., None], points, points.dtype.type(0))
        lowest, highest = _range(points)
    if points.shape[3] == 2:
        points = _in_pixels(points, lowest, highest, size, clip_id, notes)
    if values is None:
        values = np.any(points, axis=-1)
        notes.add("no scores: 0 for a joint at (0, 0), 1 for all others", clip_id)
    values = _checked_scores(_native_floats(values, points.dtype), clip_id, notes)
    if seen is not None:
        values = values * seen
    if not values.any():
        notes.add("no joint was seen in the whole clip", clip_id)
    return Clip(clip_id, label, points, values, size, group or clip_id, fps)


def numbers(value: Any, complaint: str) -> np.ndarray:
    """An array or nested lists as an array of numbers; null becomes NaN.

    Raises:
        UserError: it is neither; the message begins with `complaint`.
    """
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
        return value
    try:
        if isinstance(value, str | bytes) or getattr(value, "dtype", np.dtype("O")).kind in "US":
            raise TypeError
        if isinstance(value, list | tuple) and _leaves(value, _DEEPEST, {}) > MOST_NUMBERS:
            raise ValueError
        return np.array(value, dtype=np.float64)
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise UserError(
            f"{complaint}, an array or nested lists of one depth, but has {shown(value)}"
        ) from None


def _leaves(value: Any, depth: int, known: dict[int, int]) -> int:
    """Numbers in nested lists, one list in many places counted in each of them.

    Raises:
        ValueError: they are nested deeper than `depth`.
    """
    if not isinstance(value, list | tuple):
        return 1
    if not depth:
        raise ValueError
    if id(value) not in known:
        known[id(value)] = sum(_leaves(part, depth - 1, known) for part in value)
    return known[id(value)]


def _scores_in_order(
    values: np.ndarray, array: np.ndarray, axes: str, shape: tuple[int, ...], where: str
) -> np.ndarray:
    """Scores (M, T, V) from values in the keypoints' order of axes, perhaps without persons."""
    given = values
    if values.ndim == array.ndim and values.shape[-1] == 1:
        values = values[..., 0]
    if values.ndim == len(axes) - 1:
        values = reorder(values, axes.replace("c", ""))[0]
    elif values.ndim == 2:
        values = values[None]
    if values.shape != shape:
        raise UserError(
            f"{where} has scores of shape {given.shape} and keypoints of shape {array.shape}: give "
            "one score per joint"
        )
    return values


def _split_off_scores(
    points: np.ndarray,
    values: np.ndarray | None,
    dimensions: int | None,
    where: str,
    clip_id: str,
    notes: Notes,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Split (M, T, V, C) into coordinates and scores, if the last number per joint is the score."""
    channels = points.shape[3]
    flat = {2} == _dimensions(points.shape[2])
    if channels not in (2, 3, 4) or (channels == 4 and dimensions is None and flat):
        raise UserError(f"{where} has {channels} numbers per joint: give 2 or 3, and a score")
    if dimensions is None:
        dimensions = 2 if channels == 3 and _looks_scored(points) else min(channels, 3)
    if channels == dimensions:
        return points, values
    last = points[..., -1]
    if channels != dimensions + 1 or not _are_scores(last):
        low, high = _range(_native_floats(last))
        raise UserError(
            f"{where} has {channels} numbers per joint, the last of them {low:.3g} to {high:.3g}: "
            f"give {dimensions} coordinates, and a score 0..1 after them or in an array of its own"
        )
    coordinates = "x, y" if dimensions == 2 else "x, y, z"
    if values is None:
        notes.add(f"{channels} numbers per joint are taken for {coordinates} and score", clip_id)
        return points[..., :-1], last
    notes.add(
        f"{channels} numbers per joint are taken for {coordinates} and score, and there are scores "
        "apart: those apart are taken",
        clip_id,
    )
    return points[..., :-1], values


def _are_scores(last: np.ndarray) -> bool:
    """Whether numbers lie in the range of scores; a heatmap's peak can be a little above 1."""
    with np.errstate(invalid="ignore"):
        return not bool(((last < 0) | (last > _HIGHEST_SCORE)).any())


def _dimensions(joints: int) -> set[int]:
    """Numbers of coordinates of the layouts with this number of joints."""
    return {layout.dimensions for layout in LAYOUTS.values() if len(layout.joints) == joints}


def _looks_scored(points: np.ndarray) -> bool:
    """Whether three numbers per joint are x, y and score, and not x, y and z."""
    if not _are_scores(points[..., 2]):
        return False
    dimensions = _dimensions(points.shape[2])
    if 3 not in dimensions:
        return True
    if dimensions == {3}:
        return False
    flat = points[..., :2]
    with np.errstate(invalid="ignore"):
        pixels = bool((np.abs(flat) > _METRES).any())
        shares = bool((flat >= 0).all() and (flat <= 1).all() and (flat % 1).any())
    return pixels or shares


def _size(value: Any, where: str) -> tuple[int, int]:
    """(height, width) of two numbers, (0, 0) where they are unknown."""
    if value is None:
        return 0, 0
    complaint = (
        f"{where} has {shown(value)} as its image size: give (height, width) in pixels, or leave "
        "it out"
    )
    if isinstance(value, str | bytes):
        raise UserError(complaint)
    try:
        sides = np.array(value, dtype=np.float64)
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise UserError(complaint) from None
    if np.isnan(sides).all():
        return 0, 0
    sides = sides[:2] if sides.shape in [(2,), (3,)] else np.array(-1)  # a picture has channels
    if not ((sides >= 0) & (sides <= _LARGEST_IMAGE)).all():
        raise UserError(complaint)
    return (0, 0) if 0 in sides else (round(sides[0]), round(sides[1]))


def _native_floats(array: np.ndarray, dtype: np.dtype | None = None) -> np.ndarray:
    """C-contiguous and native: float16 where it was, to keep large sets small, else float32."""
    if dtype is None:
        half = array.dtype.kind == "f" and array.dtype.itemsize == 2
        dtype = np.dtype(np.float16 if half else np.float32)
    if array.dtype == dtype and array.flags.c_contiguous:
        return array
    with np.errstate(over="ignore"):  # too large becomes infinite, and is reported later
        return np.ascontiguousarray(array, dtype)


def _range(array: np.ndarray) -> tuple[float, float]:
    """Lowest and highest value (0 as the lowest if none is negative), NaN where there is one."""
    if array.dtype == np.float16:  # halves without a sign bit are in the order of integers: faster
        top = array.view(np.uint16).max()
        if top < 0x8000:
            return 0.0, float(top.view(np.float16))
    with np.errstate(invalid="ignore"):
        return float(array.min()), float(array.max())


def _in_pixels(
    points: np.ndarray,
    lowest: float,
    highest: float,
    size: tuple[int, int],
    clip_id: str,
    notes: Notes,
) -> np.ndarray:
    """Points (M, T, V, 2) in pixels, converted from shares of the image; oddities are noted."""
    far = max(-lowest, highest)
    if not far:
        return points
    if far <= _SHARES and (points % 1).any():  # no body is that small in pixels
        if lowest < -_OUTSIDE:
            what = "coordinates around 0, which are not pixels: kept"
        elif 0 in size:
            what = (
                "coordinates are shares of the image (0..1), whose size is unknown: bodies are "
                "stretched; --image-size WIDTHxHEIGHT makes pixels of them"
            )
        else:
            what = "coordinates are shares of the image (0..1): made pixels"
            points = points.astype(np.float32) * np.array(size[::-1], np.float32)
        notes.add(what, clip_id, f": {lowest:.3g} to {highest:.3g}")
    elif 0 not in size and far > (1 + _FAR) * max(size):
        notes.add(
            f"coordinates more than {_FAR} image sizes away: kept",
            clip_id,
            f": {far:.0f} px in an image of {max(size)}",
        )
    return points


def _checked_scores(values: np.ndarray, clip_id: str, notes: Notes) -> np.ndarray:
    """Scores within 0..1; those that are not finite become 0."""
    lowest, highest = _range(values)
    if not np.isfinite(lowest + highest):
        notes.add("NaN or infinite scores: these joints count as missing", clip_id)
        values = np.where(np.isfinite(values), values, values.dtype.type(0))
        lowest, highest = _range(values)
    if lowest < 0 or highest > 1:
        notes.add("scores outside 0..1: clipped", clip_id, f": {lowest:.3g} to {highest:.3g}")
        values = values.clip(0, 1)
    return values
