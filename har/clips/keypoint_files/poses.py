"""Clips from the persons of single frames: frame numbers, person slots, pixels, layouts, bounds."""

import json
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from har.clips import UNLABELLED, Clip
from har.clips.annotations import group_of
from har.clips.limits import MOST_JSON, MOST_NUMBERS, TOO_FAR
from har.clips.safe_pickle import shown
from har.errors import UserError
from har.skeleton import LAYOUTS, Layout, plain_name

_MOST_POSES = 2**22  # of one source
_SAME_NAMES = 0.8  # share of joints with a layout's names in its order
_OWN_LAYOUT = "convert it with --layout LAYOUT.yaml, which names the joints (docs/formats.md)"
_MOST_EMPTY = 10  # most frames, as a multiple of those that the file has
_SHARE = -0.5, 1.5  # range of shares of the image; joints can be guessed outside of it

# Layouts by a tool's number of joints; the first joints of whole bodies are kept.
_BODIES = {len(layout.joints): layout.name for layout in reversed(LAYOUTS.values())} | {
    133: "wholebody23",
    136: "halpe26",
}


class NobodyError(UserError):
    """A file without a person; among many files, this is only worth a note."""


@dataclass(frozen=True)
class Source:
    """The file or folder that is being read.

    Attributes:
        path: named in messages.
        image_size: (height, width) that the user gives, or None.
        layout: the user's layout, or None to recognise it.
        notes: collects what was odd, recognised or assumed.
    """

    path: Path
    image_size: tuple[int, int] | None = None
    layout: Layout | None = None
    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Add a note unless it is already there."""
        if text not in self.notes:
            self.notes.append(text)

    def wrong(self, text: str) -> UserError:
        """Returns an error whose message begins with the path."""
        return UserError(f"{self.path}: {text}")


@dataclass(frozen=True)
class Pose:
    """One person in one frame.

    Attributes:
        frame: number of the frame, or its image's name.
        joints: (V, 3) x, y and score; (V, 4) in 3D.
        person: the tool's track id, None where it tracks nobody.
    """

    frame: int | str
    joints: np.ndarray
    person: int | str | None = None


def read_bytes(path: Path, most: int = MOST_JSON) -> bytes:
    """Read a file of limited size.

    Raises:
        UserError: it can't be read, or is larger than `most` bytes.
    """
    try:
        if not path.is_file():  # reading a pipe would block
            raise UserError(f"{path} is not a file")
        if path.stat().st_size > most:
            raise UserError(
                f"{path} has more than {most // 2**20} MB: cut it into files of one clip"
            )
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from None


def read_json(path: Path) -> Any:
    """Read JSON, or JSON lines as a list.

    Raises:
        UserError: the file is too large or not JSON.
    """
    raw = read_bytes(path)
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        try:
            return [json.loads(line) for line in raw.splitlines() if line.strip()]
        except (ValueError, RecursionError):
            reason = shown(str(error) or type(error).__name__)
            raise UserError(
                f"{path} is damaged or not a .json file ({reason}): make it again"
            ) from None


def joints_of(source: Source, numbers: Any, what: str, channels: int = 3) -> np.ndarray:
    """Joints (V, channels) of a flat list such as x1, y1, score1, x2, ...; null becomes NaN."""
    array = numbers_of(source, numbers, what)
    if array.ndim == 2 and array.shape[1] == channels:
        return array
    if array.ndim != 1 or not array.size or array.size % channels:
        raise source.wrong(
            f"{what} has {array.size} numbers: needs {channels} for each joint, in one list"
        )
    return array.reshape(-1, channels)


def numbers_of(source: Source, values: Any, what: str) -> np.ndarray:
    """An array of nested lists of numbers; null becomes NaN."""
    try:
        if isinstance(values, str):
            raise TypeError
        return np.array(values, dtype=np.float64)
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise source.wrong(f"{what} must be lists of numbers, not {shown(values)}") from None


def track_of(value: Any) -> int | str | None:
    """Read a track id: a number, a list of one, or text; None for negative numbers."""
    while isinstance(value, list) and value:
        value = value[0]
    if isinstance(value, str):
        return value[:100] or None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return int(value) if value >= 0 else None


def recordings_of(names: Iterable[int | str]) -> dict[str, dict[int | str, int]]:
    """Sort frames into recordings: images whose names differ only in the number at the end.

    Returns:
        For each recording's name (empty for bare numbers), frame name -> number of the frame.
    """
    recordings: dict[str, dict[int | str, int]] = defaultdict(dict)
    unnumbered: dict[str, list[str]] = defaultdict(list)
    for name in dict.fromkeys(names):
        if isinstance(name, int):
            recordings[""][name] = name
            continue
        folder, _, file = name.replace("\\", "/").rpartition("/")
        stem = re.sub(r"\.[A-Za-z][A-Za-z0-9]{0,4}$", "", file)
        match = re.fullmatch(r"(.*?)(\d{1,15})(?:_keypoints|_pose)?", stem, re.DOTALL)
        prefix = f"{folder}/{match[1]}" if folder and match else match[1] if match else folder
        if match:
            recordings[prefix.strip("/_-. ")][name] = int(match[2])
        else:
            unnumbered[prefix].append(name)
    for prefix, files in unnumbered.items():
        numbered = recordings[prefix.strip("/_-. ")]
        first = max(numbered.values(), default=-1) + 1
        numbered |= {name: first + place for place, name in enumerate(sorted(files))}
    return dict(recordings)


def places_of(source: Source, numbers: Sequence[int]) -> dict[int, int]:
    """The position of each frame number in its clip; frames missing from the file stay empty.

    A clip begins with frame 0 or 1, or later where the first number exceeds the number of frames.
    Numbers with a common step are consecutive frames. Where nearly all frames would be empty, the
    present ones are consecutive.
    """
    ordered = sorted(set(numbers))
    step = math.gcd(*(b - a for a, b in pairwise(ordered))) or 1
    first = ordered[0]
    if step > 1:
        source.note(f"frames are numbered in steps of {step}: give the frames per second of these")
    elif 1 < first <= len(ordered):
        first = 0
    if first > 1:
        source.note(f"begins with frame {first}, which is taken for the clip's first")
    if (ordered[-1] - first) // step >= _MOST_EMPTY * len(ordered) + _MOST_EMPTY:
        source.note("most frame numbers are missing: those present are taken as consecutive")
        return {number: place for place, number in enumerate(ordered)}
    return {number: (number - first) // step for number in ordered}


def clip_of_poses(
    source: Source,
    clip_id: str,
    poses: Sequence[Pose],
    places: dict[int | str, int],
    *,
    names: Sequence[str] | None = None,
    image_size: tuple[int, int] = (0, 0),
    shares: bool | None = None,
    label: int = UNLABELLED,
) -> tuple[Clip, Layout]:
    """Make a clip of the persons found in its frames.

    A joint is missing where its score is not above 0, where a coordinate is null, NaN or too
    large, and at (0, 0). Persons with track ids keep their slot; others fill the slots in each
    frame's order.

    Args:
        source: the file or folder; its image size is used where `image_size` is unknown.
        clip_id: the clip's name.
        poses: persons, of any frames in any order.
        places: position of every frame in the clip, also of those without a person.
        names: of the joints, where the file gives them.
        image_size: (height, width), (0, 0) is unknown.
        shares: whether coordinates are shares of the image; None to judge by the numbers.
        label: index of its class.

    Raises:
        UserError: numbers of joints differ or fit no layout, nobody is there, the image size is
            needed and unknown, or the clip is too large.
    """
    if not poses:
        raise NobodyError(f"{source.path} has no person in any frame")
    shapes = {pose.joints.shape for pose in poses}
    if len(shapes) > 1:
        counts = " and ".join(str(shape[0]) for shape in sorted(shapes)[:2])
        raise source.wrong(f"{_of(clip_id)}has persons of {counts} joints: needs one skeleton")
    layout, kept = layout_of_joints(source, poses[0].joints.shape[0], names)
    frames = max(places.values()) + 1
    slots = _slots(source, clip_id, poses)
    persons = max(slots) + 1
    channels = poses[0].joints.shape[1]
    if persons * frames * len(kept) * channels > MOST_NUMBERS:
        raise source.wrong(
            f"{_of(clip_id)}has {frames} frames and {persons} persons: too many for one clip, cut "
            "it into several"
        )
    if layout.dimensions != channels - 1:
        raise source.wrong(
            f"{_of(clip_id)}has {channels - 1} coordinates per joint, but layout {layout.name} has "
            f"{layout.dimensions}"
        )
    array = np.zeros((persons, frames, len(kept), channels))
    for pose, slot in zip(poses, slots, strict=True):
        missing = np.zeros((1, channels))  # at index -1
        array[slot, places[pose.frame]] = np.concatenate([pose.joints, missing])[kept]
    size = image_size if all(image_size) else source.image_size or (0, 0)
    points, scores = cleaned(source, array)
    if channels == 3:
        points = in_pixels(source, points, scores, size, shares)
    return Clip(clip_id, label, points, scores, size, group_of(clip_id)), layout


def cleaned(source: Source, array: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Split (..., C + 1) into points (..., C) and scores 0..1, zeros where a joint is unseen."""
    points, scores = array[..., :-1], array[..., -1]
    with np.errstate(invalid="ignore"):
        seen = (np.abs(points) < TOO_FAR).all(axis=-1) & (points != 0).any(axis=-1) & (scores > 0)
    if scores[seen].max(initial=0) > 1:
        source.note("scores above 1 are clipped")
    scores = np.where(seen, np.minimum(scores, 1), 0).astype(np.float32)
    return np.where(seen[..., None], points, 0).astype(np.float32), scores


def in_pixels(
    source: Source,
    points: np.ndarray,
    scores: np.ndarray,
    size: tuple[int, int],
    shares: bool | None = None,
) -> np.ndarray:
    """Points (..., 2) in pixels, converted where they are shares of the image (0..1).

    Raises:
        UserError: they are shares of an image of unknown size.
    """
    seen = points[scores > 0]
    if shares is None:
        shares = bool(seen.size and seen.min() >= _SHARE[0] and seen.max() <= _SHARE[1])
        if shares:
            source.note("coordinates are shares of the image (0..1): made pixels")
    if not shares:
        return points
    if not all(size):
        raise UserError(
            f"{source.path} has coordinates as shares of the image (0..1), whose size is unknown: "
            f"convert it with --image-size WIDTHxHEIGHT, such as 1280x720"
        )
    return points * np.array(size[::-1], np.float32)


def layout_of_joints(
    source: Source, joints: int, names: Sequence[str] | None = None
) -> tuple[Layout, list[int]]:
    """Find the layout for a number of joints and perhaps their names.

    Names decide where they are given: they are a layout's, or its joints are picked by name.

    Returns:
        The layout, and for each of its joints the index of the file's, -1 where the file has none.

    Raises:
        UserError: no layout has that many, or the user's has another number.
    """
    wanted = source.layout or (LAYOUTS[_BODIES[joints]] if joints in _BODIES else None)
    if names and len(names) == joints:
        return _layout_of_names(source, names, wanted)
    if wanted is None:
        known = ", ".join(f"{name} ({len(layout.joints)})" for name, layout in LAYOUTS.items())
        raise source.wrong(
            f"has {joints} joints, which fits no layout; known are {known}: {_OWN_LAYOUT}"
        )
    usual = LAYOUTS[_BODIES[joints]] if joints in _BODIES else wanted
    if len(wanted.joints) not in (joints, len(usual.joints)):
        raise source.wrong(
            f"has {joints} joints, but layout {wanted.name} has {len(wanted.joints)}"
        )
    if len(wanted.joints) < joints:
        source.note(f"of {joints} joints, the first {len(wanted.joints)} are kept: {wanted.name}")
    return wanted, list(range(len(wanted.joints)))


def _layout_of_names(
    source: Source, names: Sequence[str], usual: Layout | None
) -> tuple[Layout, list[int]]:
    """Like layout_of_joints, by names; `usual` is the likely layout."""
    plain = [plain_name(name) for name in names]
    index = {name: joint for joint, name in enumerate(plain)}
    layouts = [usual] if usual else []
    for layout in layouts if source.layout else [*layouts, *LAYOUTS.values()]:
        own = [plain_name(joint) for joint in layout.joints]
        same = sum(a == b for a, b in zip(own, plain, strict=False))
        if same >= _SAME_NAMES * len(own):  # one tool's mid_hip is another's hip
            if len(own) < len(names):
                source.note(f"of {len(names)} joints, those of {layout.name} are kept")
            return layout, list(range(len(own)))
    layout = source.layout or LAYOUTS["coco17"]
    own = [plain_name(joint) for joint in layout.joints]
    found = [index.get(name, -1) for name in own]
    missing = [joint for joint, place in zip(layout.joints, found, strict=True) if place < 0]
    least = 1 if source.layout else 0.5 * len(own)
    if len(own) - len(missing) < least:
        raise source.wrong(
            f"has joints named {', '.join(names[:6])}{', ...' if len(names) > 6 else ''}, and "
            f"{'layout ' + layout.name if source.layout else 'no layout'} has these: "
            f"{_OWN_LAYOUT}"
        )
    unseen = f"; {', '.join(missing)} count as unseen" if missing else ""
    source.note(f"joints are arranged for {layout.name} by their names{unseen}")
    return layout, found


def _slots(source: Source, clip_id: str, poses: Sequence[Pose]) -> list[int]:
    """The person slot of each pose."""
    if len(poses) > _MOST_POSES:
        raise source.wrong(f"{_of(clip_id)}has {len(poses)} persons: too many for one clip")
    tracked = {(pose.frame, pose.person) for pose in poses}
    if all(pose.person is not None for pose in poses) and len(tracked) == len(poses):
        numbers: dict[Any, int] = {}
        return [numbers.setdefault(pose.person, len(numbers)) for pose in poses]
    if any(pose.person is not None for pose in poses):
        source.note("track ids are missing or repeated within a frame: they are ignored")
    taken: dict[int | str, int] = defaultdict(int)
    slots = []
    for pose in poses:
        slots.append(taken[pose.frame])
        taken[pose.frame] += 1
    return slots


def _of(clip_id: str) -> str:
    return f"clip {shown(clip_id)} " if clip_id else ""


def clip_name(source: Source, recording: str, alone: bool) -> str:
    """A clip's name: the file's where it has one recording, else the recording's."""
    folder = source.path.resolve()
    folder = folder.parent if folder.name == "labels" else folder  # Ultralytics' name
    stem = source.path.stem if source.path.is_file() else folder.name
    name = stem if alone or not recording else recording
    return "".join(c if c.isprintable() else "_" for c in name)[:200] or "clip"
