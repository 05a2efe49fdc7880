"""JSON that lists the persons of many frames: COCO, AlphaPose, MMPose, and lists of frames."""

from typing import Any, TypeGuard

import numpy as np

from har.clips import Clip
from har.clips.keypoint_files.frame_files import is_frame, poses_of_frame
from har.clips.keypoint_files.poses import (
    Pose,
    Source,
    clip_name,
    clip_of_poses,
    joints_of,
    places_of,
    recordings_of,
    track_of,
)
from har.skeleton import Layout

_PARTS = ("keypoints", "foot_kpts")  # the body of COCO-WholeBody, whose parts come apart
_MOST_PLACES = 2**22  # frames of one file
_TRACKS = ("track_id", "idx", "instance_id", "person_id")


def clips_of_recordings(
    source: Source,
    poses: list[Pose],
    frames: list[int | str],
    sizes: dict[int | str, tuple[int, int]] | None = None,
    **options: Any,
) -> list[tuple[Clip, Layout]]:
    """Make one clip for each recording; frames are sorted into recordings by their names.

    Args:
        source: what is being read.
        poses: persons of all frames.
        frames: names of all frames, in order.
        sizes: (height, width) of images.
        options: see `clip_of_poses`.

    Raises:
        UserError: nobody is in any frame, or see `clip_of_poses`.
    """
    if len(frames) > _MOST_PLACES:
        raise source.wrong(f"has {len(frames)} frames: too many")
    recordings = recordings_of(frames)
    if len(recordings) > 1 and all(len(numbers) == 1 for numbers in recordings.values()):
        order = {name: place for place, name in enumerate(sorted(frames, key=str))}
        recordings = {"": order}
        source.note("image names are not numbered: they are taken for frames in alphabetical order")
    recording_of = {name: key for key, numbers in recordings.items() for name in numbers}
    persons: dict[str, list[Pose]] = {key: [] for key in recordings}
    for pose in poses:
        persons[recording_of[pose.frame]].append(pose)
    clips = []
    for key, numbers in recordings.items():
        if not persons[key] and len(recordings) > 1:
            source.note(f"{clip_name(source, key, False)} has no person in any frame: left out")
            continue
        place = places_of(source, list(numbers.values()))
        places = {name: place[number] for name, number in numbers.items()}
        size = next((sizes[name] for name in numbers if name in sizes), (0, 0)) if sizes else (0, 0)
        name = clip_name(source, key, len(recordings) == 1)
        clips.append(clip_of_poses(source, name, persons[key], places, image_size=size, **options))
    return clips


def is_results(content: Any) -> bool:
    """Whether JSON is a list of persons that name their image."""
    return (
        isinstance(content, list)
        and bool(content)
        and all(
            isinstance(person, dict) and "image_id" in person and "keypoints" in person
            for person in content
        )
    )


def results(source: Source, content: list[dict[str, Any]]) -> list[tuple[Clip, Layout]]:
    """COCO results and AlphaPose's own form: persons with `image_id`, `keypoints`, perhaps `idx`.

    Raises:
        UserError: a person is malformed.
    """
    poses = []
    for number, person in enumerate(content):
        frame = _image(source, person["image_id"], f"person {number}")
        poses.append(_pose(source, person, frame, f"person {number}"))
    return clips_of_recordings(source, poses, [pose.frame for pose in poses])


def is_coco(content: Any) -> bool:
    """Whether JSON is a COCO annotation file."""
    return isinstance(content, dict) and all(
        isinstance(content.get(key), list) for key in ("images", "annotations")
    )


def coco(source: Source, content: dict[str, Any]) -> list[tuple[Clip, Layout]]:
    """A COCO keypoints annotation file: `images`, `annotations`, perhaps names in `categories`.

    A joint's third number is 0 (not labelled), 1 (labelled, hidden) or 2; labelled ones count as
    seen. Joints whose names are those of no known layout are arranged as COCO-17's where possible.

    Raises:
        UserError: an image or annotation is malformed.
    """
    images: dict[int | str, int | str] = {}
    sizes: dict[int | str, tuple[int, int]] = {}
    for number, image in enumerate(content["images"]):
        if not isinstance(image, dict) or "id" not in image:
            raise source.wrong(f"image {number} needs an `id`")
        key = _image(source, image["id"], f"image {number}")
        name = image.get("file_name")
        images[key] = name if isinstance(name, str) and name else key
        height, width = image.get("height"), image.get("width")
        if _is_side(height) and _is_side(width):
            sizes[images[key]] = int(height), int(width)
    poses = []
    for number, person in enumerate(content["annotations"]):
        if not isinstance(person, dict):
            raise source.wrong(f"annotation {number} is not an object")
        if not person.get("keypoints") or person.get("num_keypoints") == 0:
            continue  # a box, or a crowd
        frame = _image(source, person.get("image_id"), f"annotation {number}")
        if frame not in images:
            raise source.wrong(f"annotation {number} is of image {frame}, none of `images`")
        poses.append(_pose(source, person, images[frame], f"annotation {number}"))
    if all(np.isin(pose.joints[:, 2], (0, 1, 2)).all() for pose in poses):
        poses = [
            Pose(pose.frame, np.minimum(pose.joints, [np.inf, np.inf, 1]), pose.person)
            for pose in poses
        ]
        source.note("labelled joints have the score 1, hidden ones too")
    names = _category_names(content.get("categories"))
    frames = list(dict.fromkeys(images.values()))
    return clips_of_recordings(source, poses, frames, sizes, names=names)


def is_alphapose_by_image(content: Any) -> bool:
    """Whether JSON maps image names to frames, as AlphaPose's other forms do."""
    return (
        isinstance(content, dict)
        and bool(content)
        and all(
            is_frame(value) or (isinstance(value, list) and not value) for value in content.values()
        )
        and any(is_frame(value) for value in content.values())
    )


def alphapose_by_image(source: Source, content: dict[str, Any]) -> list[tuple[Clip, Layout]]:
    """AlphaPose's forms `cmu` and `open` (bodies or people of each image), and PoseFlow's."""
    poses: list[Pose] = []
    for name, frame in content.items():
        poses += poses_of_frame(source, frame, name) if frame else []
    return clips_of_recordings(source, poses, list(content))


def is_mmpose(content: Any) -> bool:
    """Whether JSON is MMPose's output for a video."""
    if isinstance(content, dict):
        return isinstance(content.get("instance_info", content.get("predictions")), list)
    return (
        isinstance(content, list)
        and bool(content)
        and all(isinstance(frame, dict) and "instances" in frame for frame in content)
    )


def mmpose(source: Source, content: Any) -> list[tuple[Clip, Layout]]:
    """MMPose's predictions: `instance_info` and `meta_info` of its demos, or the inferencer's list.

    Raises:
        UserError: a frame or person is malformed.
    """
    names = None
    frames = content
    if isinstance(content, dict):
        frames = content.get("instance_info", content.get("predictions"))
        names = _joint_names(content.get("meta_info"))
    if is_frame(frames):  # one image
        frames = [{"frame_id": 0, "instances": frames}]
    elif all(isinstance(frame, list) for frame in frames):
        frames = [{"instances": frame} for frame in frames]
    poses: list[Pose] = []
    numbers: list[int | str] = []
    for place, frame in enumerate(frames):
        if not isinstance(frame, dict) or not isinstance(frame.get("instances"), list):
            raise source.wrong(f"frame {place} needs a list `instances`")
        number = frame.get("frame_id", place)
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < 2**53:
            raise source.wrong(f"frame {place} has no whole number as its `frame_id`")
        numbers.append(number)
        if frame["instances"]:
            poses += poses_of_frame(source, frame["instances"], number)
    return clips_of_recordings(source, poses, numbers, names=names)


def are_frames(content: Any) -> bool:
    """Whether JSON is a list of frames in a pose tool's form for single frames."""
    return (
        isinstance(content, list)
        and all(frame == [] or is_frame(frame) for frame in content)
        and any(content)
    )


def side_by_side(source: Source, content: list[Any]) -> list[tuple[Clip, Layout]]:
    """Clips of a list of frames in a pose tool's form for single frames."""
    poses: list[Pose] = []
    for number, frame in enumerate(content):
        poses += poses_of_frame(source, frame, number) if frame else []
    return clips_of_recordings(source, poses, list(range(len(content))))


def _pose(source: Source, person: dict[str, Any], frame: int | str, where: str) -> Pose:
    parts = [joints_of(source, person[part], where) for part in _PARTS if person.get(part)]
    if not parts:
        raise source.wrong(f"{where} has no keypoints")
    tracks = (track_of(person.get(key)) for key in _TRACKS)
    track = next((found for found in tracks if found is not None), None)
    return Pose(frame, np.concatenate(parts), track)


def _image(source: Source, value: Any, where: str) -> int | str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | str) or not str(value):
        raise source.wrong(f"{where} needs the number or name of its image in `image_id`")
    if isinstance(value, int) and not 0 <= value < 2**53:
        raise source.wrong(f"{where} has image {value}: needs a number from 0")
    return value[:500] if isinstance(value, str) else value


def _is_side(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and 0 < value < 2**31


def _category_names(categories: Any) -> list[str] | None:
    """Joint names of the first category that has some."""
    for category in categories if isinstance(categories, list) else []:
        names = category.get("keypoints") if isinstance(category, dict) else None
        if isinstance(names, list) and names and all(isinstance(name, str) for name in names):
            return names
    return None


def _joint_names(meta: Any) -> list[str] | None:
    """Joint names in MMPose's `meta_info`: keypoint_id2name."""
    names = meta.get("keypoint_id2name") if isinstance(meta, dict) else None
    if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
        return None
    return list(names.values())
