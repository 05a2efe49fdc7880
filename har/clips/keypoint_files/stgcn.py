"""ST-GCN's files: Kinetics-skeleton JSON, one file for each clip, and arrays of many clips."""

from pathlib import Path
from typing import Any

import numpy as np

from har.clips import UNLABELLED, Clip, safe_pickle
from har.clips.annotations import group_of
from har.clips.axes import recognise
from har.clips.keypoint_files.poses import (
    NobodyError,
    Pose,
    Source,
    cleaned,
    clip_name,
    clip_of_poses,
    in_pixels,
    numbers_of,
    places_of,
    track_of,
)
from har.clips.limits import MOST_CLASSES
from har.errors import UserError
from har.skeleton import LAYOUTS, Layout

_KINETICS_IMAGE = (256, 340)  # height and width of the videos that the set was extracted from
_LOOKED_AT = 64  # clips


def is_kinetics(content: Any) -> bool:
    """Whether JSON is a clip of Kinetics-skeleton."""
    return (
        isinstance(content, dict)
        and isinstance(content.get("data"), list)
        and all(isinstance(frame, dict) and "skeleton" in frame for frame in content["data"])
    )


def kinetics(source: Source, content: dict[str, Any]) -> tuple[Clip, Layout, str | None]:
    """A clip of Kinetics-skeleton: frames with `pose` (x1, y1, x2, ...) and `score` of 18 joints.

    Returns:
        The clip without label, its layout, and the class name or None.

    Raises:
        UserError: a frame or person is malformed.
    """
    poses, frames = [], []
    for place, frame in enumerate(content["data"]):
        number = frame.get("frame_index", place)
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < 2**53:
            raise source.wrong(f"frame {place} has no whole number as its `frame_index`")
        frames.append(number)
        persons = frame["skeleton"]
        if not isinstance(persons, list):
            raise source.wrong(f"frame {place} needs a list `skeleton`")
        for person in persons:
            if not isinstance(person, dict) or not {"pose", "score"} <= person.keys():
                raise source.wrong(f"frame {place} needs `pose` and `score` of each person")
            points = numbers_of(source, person["pose"], f"frame {place}: `pose`")
            scores = numbers_of(source, person["score"], f"frame {place}: `score`")
            if scores.ndim != 1 or not scores.size or points.shape != (2 * len(scores),):
                raise source.wrong(f"frame {place} needs two numbers in `pose` for each in `score`")
            joints = np.concatenate([points.reshape(-1, 2), scores[:, None]], axis=-1)
            poses.append(Pose(number, joints, track_of(person.get("person_id"))))
    if not poses:
        raise NobodyError(f"{source.path} has no person in any frame")
    place_of = places_of(source, frames)
    places: dict[int | str, int] = dict(place_of.items())
    size = source.image_size or _KINETICS_IMAGE
    if source.image_size is None:
        source.note("Kinetics-skeleton has no image size: its videos' 340x256 is assumed")
    name = clip_name(source, "", True)
    clip, layout = clip_of_poses(source, name, poses, places, image_size=size)
    label = content.get("label", content.get("label_index"))
    return clip, layout, None if label is None or isinstance(label, list | dict) else str(label)


def is_array_of_clips(source: Source, array: np.ndarray) -> bool:
    """Whether an array is ST-GCN's (N, C, T, V, M) rather than an own (N, M, T, V, C).

    It is where a pickle of labels lies beside it or the last axis can't be coordinates; otherwise
    the numbers decide.
    """
    joints = {len(layout.joints) for layout in LAYOUTS.values()}
    shape = array.shape
    if len(shape) != 5 or shape[1] != 3 or shape[3] not in joints or shape[4] > shape[2]:
        return False
    if shape[4] not in (2, 3) or _label_file(source.path):
        return True
    try:
        return recognise(np.asarray(array[:_LOOKED_AT], np.float32))[0] == "nctvm"
    except UserError:  # the reader of own arrays asks for --axes
        return False


def array_of_clips(source: Source, array: np.ndarray) -> tuple[list[Clip], Layout, list[str]]:
    """Clips of (N, 3, T, V, M): x, y, score, or x, y, z of the Kinect's 25 joints.

    The third number decides which: scores lie within 0..1. Kinetics' x and y are shares of the
    image minus one half. Empty persons, and empty frames at the end, are left out. Labels and clip
    names come from the pickle (names, labels) beside the array: NAME_label.pkl for NAME_data.npy.

    Returns:
        The clips, their layout, and the class names.

    Raises:
        UserError: the pickle is of another kind, or the numbers fit no layout.
    """
    names, labels = _labels(source, len(array))
    some = np.asarray(array[:_LOOKED_AT], np.float32)
    with np.errstate(invalid="ignore"):
        flat = not ((some[:, 2] < 0) | (some[:, 2] > 1)).any()
        shifted = flat and bool((some[:, :2] < 0).any())  # the image's middle is the origin
    layout = source.layout or next(
        (
            found
            for found in LAYOUTS.values()
            if (len(found.joints), found.dimensions) == (array.shape[3], 3 - flat)
        ),
        None,
    )
    if layout is None or (len(layout.joints), layout.dimensions) != (array.shape[3], 3 - flat):
        kind = "x, y, score" if flat else "x, y, z"
        raise source.wrong(f"has {array.shape[3]} joints of {kind}, which fits no layout")
    clips = []
    for number, (name, label) in enumerate(zip(names, labels, strict=True)):
        values = np.nan_to_num(np.array(array[number], np.float32)).transpose(3, 1, 2, 0)
        persons = values.any(axis=(1, 2, 3))
        frames = np.flatnonzero(values.any(axis=(0, 2, 3)))
        if not frames.size:
            source.note("clips without a person are left out")
            continue
        values = values[persons, : frames[-1] + 1]  # (M, T, V, C)
        size = (0, 0)
        if flat:
            values[..., :2] += 0.5 * shifted
            points, scores = cleaned(source, values)
            size = source.image_size or (_KINETICS_IMAGE if shifted else size)
            points = in_pixels(source, points, scores, size)
        else:
            seen = np.any(values, axis=-1, keepdims=True)
            points, scores = cleaned(source, np.concatenate([values, seen], axis=-1))
        clips.append(Clip(name, label, points, scores, size, group_of(name)))
    if not clips:
        raise NobodyError(f"{source.path} has no person in any clip")
    if shifted and source.image_size is None:
        source.note("Kinetics-skeleton has no image size: its videos' 340x256 is assumed")
    classes = [str(label) for label in range(max(labels) + 1)]
    return clips, layout, classes


def _labels(source: Source, clips: int) -> tuple[list[str], list[int]]:
    """Names and labels of the pickle beside the array, else numbered names without labels."""
    path = _label_file(source.path)
    if path is None:
        source.note("no pickle NAME_label.pkl beside the array: its clips have no labels")
        stem = clip_name(source, "", True)
        return [f"{stem}_{number:05d}" for number in range(clips)], [UNLABELLED] * clips
    content = safe_pickle.load(path)
    if not isinstance(content, tuple | list) or len(content) != 2:
        raise source.wrong(f"{path.name} beside it needs (clip names, labels)")
    names, labels = (list(part) if np.ndim(part) == 1 else [] for part in content)
    if len(names) != clips or len(labels) != clips:
        raise source.wrong(f"has {clips} clips, but {path.name} beside it has {len(labels)} labels")
    texts = [Path(name).stem if isinstance(name, str) else "" for name in names]
    if not all(text and text.isprintable() for text in texts) or len(set(texts)) < clips:
        raise source.wrong(f"{path.name} needs unique clip names")
    if not all(
        isinstance(label, int | np.integer) and 0 <= label < MOST_CLASSES for label in labels
    ):
        raise source.wrong(f"{path.name} needs labels from 0 to {MOST_CLASSES - 1}")
    return texts, [int(label) for label in labels]


def _label_file(path: Path) -> Path | None:
    stem = path.stem.split("_data")[0]
    for name in (f"{stem}_label.pkl", f"{path.stem}_label.pkl", f"{path.stem}.pkl"):
        if path.with_name(name).is_file():
            return path.with_name(name)
    return None
