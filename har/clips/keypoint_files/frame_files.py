"""Files of single frames as pose tools write them: OpenPose, AlphaPose, MMPose, Ultralytics.

Each file, JSON or text, is a frame; a folder of them is a recording, or several with different
file names.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from har.clips.keypoint_files.landmarks import are_landmarks, landmark_joints
from har.clips.keypoint_files.poses import (
    Pose,
    Source,
    joints_of,
    numbers_of,
    read_bytes,
    read_json,
    track_of,
)
from har.clips.limits import MOST_BYTES

_BOX = 5  # class, x, y, width, height precede the joints of an Ultralytics label


def is_frame(content: Any) -> bool:
    """Whether the content of a JSON file is a single frame of a pose tool."""
    if isinstance(content, dict):
        return any(isinstance(content.get(key), list) for key in ("people", "bodies"))
    return (
        isinstance(content, list)
        and bool(content)
        and all(
            isinstance(person, dict)
            and isinstance(person.get("keypoints"), list | dict)
            and not {"image_id", "frame_dir"} & person.keys()
            for person in content
        )
    )


def poses_of_frame(source: Source, content: Any, frame: int | str) -> list[Pose]:
    """The persons of one frame.

    OpenPose: `people` with `pose_keypoints_2d` (`pose_keypoints` in old versions) and `person_id`;
    AlphaPose: `bodies` with `joints`; MMPose: `keypoints` and `keypoint_scores`; Ultralytics:
    `keypoints` with lists `x`, `y`, `visible`, and `track_id`; TensorFlow.js: `keypoints` of
    objects with `x`, `y`, `score`.

    Raises:
        UserError: names what is wrong.
    """
    persons = content
    if isinstance(content, dict):
        persons = content.get("people", content.get("bodies"))
    poses = []
    for person in persons:
        if not isinstance(person, dict):
            raise source.wrong(f"frame {frame} needs an object for each person")
        joints = _joints_of_person(source, person, f"frame {frame}")
        ids = [person.get(key) for key in ("person_id", "track_id", "id", "idx")]
        person_id = next((track for value in ids if (track := track_of(value)) is not None), None)
        if joints is not None:
            poses.append(Pose(frame, joints, person_id))
    return poses


def _joints_of_person(source: Source, person: dict[str, Any], where: str) -> np.ndarray | None:
    """Joints (V, 3) of a person, or None for one without a body."""
    for key in ("pose_keypoints_2d", "pose_keypoints", "joints"):
        if key in person:
            return joints_of(source, person[key], f"{where}: `{key}`") if person[key] else None
    keypoints = person.get("keypoints")
    if isinstance(keypoints, dict):  # Ultralytics
        x, y = (numbers_of(source, keypoints.get(axis), f"{where}: {axis}") for axis in "xy")
        visible = keypoints.get("visible")
        scores = np.ones_like(x) if visible is None else numbers_of(source, visible, f"{where}")
        if x.ndim != 1 or not x.size or x.shape != y.shape or x.shape != scores.shape:
            raise source.wrong(f"{where} needs lists `x`, `y` and `visible` of one length")
        return np.stack([x, y, scores], axis=-1)
    if not keypoints:
        return None
    if are_landmarks(keypoints):
        return landmark_joints(source, keypoints, where)
    points = numbers_of(source, keypoints, f"{where}: `keypoints`")
    if points.ndim == 1 and "keypoint_scores" not in person:
        return joints_of(source, keypoints, f"{where}: `keypoints`")
    scores = person.get("keypoint_scores", np.ones(len(points)))
    scores = numbers_of(source, scores, f"{where}: `keypoint_scores`")
    if points.ndim != 2 or points.shape[1] not in (2, 3) or scores.shape != points.shape[:1]:
        raise source.wrong(
            f"{where} has keypoints of shape {points.shape} and scores of {scores.shape}: needs "
            "(joints, 2) and (joints,)"
        )
    if points.shape[1] == 3 and "keypoint_scores" not in person:
        return points
    if points.shape[1] == 3:
        raise source.wrong(f"{where} has 3D keypoints, for which this form has no layout")
    return np.concatenate([points, scores[:, None]], axis=-1)


def poses_of_labels(source: Source, path: Path, raw: bytes) -> list[Pose]:
    """The persons of an Ultralytics label file: class, box, joints, [confidence], [track id].

    Raises:
        UserError: a line is malformed.
    """
    poses = []
    for line, text in enumerate(raw.splitlines(), 1):
        try:
            numbers = [float(word) for word in text.split()]
        except ValueError:
            numbers = []
        if not numbers and not text.strip():
            continue
        joints, channels = _joints_of_label(source, len(numbers) - _BOX)
        if not joints:
            found = f"{len(numbers)} numbers" if numbers else "no numbers"
            raise source.wrong(
                f"{path.name}, line {line} has {found}: needs a class, a box and x, y (and a "
                "score) of every joint, as save_txt of a pose model writes them"
            )
        body = np.array(numbers[_BOX : _BOX + joints * channels]).reshape(joints, channels)
        if channels == 2:
            body = np.concatenate([body, np.ones((joints, 1))], axis=-1)
        rest = numbers[_BOX + joints * channels :]
        # The last number is a track id where it is whole: a confidence has decimals.
        tracked = bool(rest) and rest[-1].is_integer() and (len(rest) == 2 or rest[-1] != 1)
        poses.append(Pose(path.name, body, track_of(rest[-1]) if tracked else None))
    return poses


def _joints_of_label(source: Source, numbers: int) -> tuple[int, int]:
    """Joints and numbers per joint of a label, (0, 0) if none fit.

    Up to two numbers may follow the joints.
    """
    counts = [len(source.layout.joints)] if source.layout else [17, 26, 33, 133, 136, 23, 18, 25]
    for joints in counts:
        for channels in (3, 2):
            if 0 <= numbers - joints * channels <= 2:
                return joints, channels
    return 0, 0


def is_label(raw: bytes) -> bool:
    """Whether the first line may be an Ultralytics label of a pose."""
    words = raw.split(b"\n", 1)[0].split()
    try:
        return len(words) > _BOX + 2 * 5 and all(float(word) is not None for word in words)
    except ValueError:
        return False


def poses_of_folder(
    source: Source, files: Sequence[Path], labels: bool
) -> tuple[list[Pose], list[str]]:
    """All persons of a folder's frames, and the names of all frames.

    Raises:
        UserError: the folder is too large, or a file is damaged or of another kind.
    """
    if sum(path.stat().st_size for path in files) > MOST_BYTES:
        raise source.wrong(
            f"its files have more than {MOST_BYTES // 2**20} MB: make several folders"
        )
    poses: list[Pose] = []
    for path in files:
        if labels:
            poses += poses_of_labels(source, path, read_bytes(path))
            continue
        content = read_json(path)
        if not is_frame(content) and content != []:
            raise source.wrong(f"{path.name} is not a frame like the other files: remove it")
        poses += poses_of_frame(source, content, path.name)
    return poses, [path.name for path in files]
