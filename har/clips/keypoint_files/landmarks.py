"""Landmarks of MediaPipe (33) and MoveNet (17): objects with x and y, arrays, and CSV.

MediaPipe's x and y are shares of the image, z is relative to the hips and is left out, and
`visibility` is the score. MoveNet's arrays are y, x, score; TensorFlow.js gives both as objects
`{x, y, score, name}` in pixels.
"""

import csv
import io
import re
from collections import defaultdict
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from har.clips.keypoint_files.poses import Pose, Source, numbers_of, read_bytes

_MEDIAPIPE, _MOVENET = 33, 17
_LISTS = ("landmarks", "poseLandmarks", "pose_landmarks", "landmark", "keypoints", "poses")
_FRAMES = ("frames", "results", "poses", "data")
_SCORES = ("visibility", "score", "confidence", "visible", "v", "c", "presence")
_FRAME_COLUMNS = ("frame", "frame_id", "frame_number", "frame_idx", "frame_index", "image")
_LANDMARK_COLUMNS = (
    "landmark",
    "landmark_id",
    "landmark_index",
    "landmark_name",
    "joint",
    "id",
    "index",
    "keypoint",
)
_MOST_FRAMES = 2**22
_PIXELS = 10  # coordinates above are not shares of the image
_MOST_NEGATIVE = 0.25  # share of MediaPipe's coordinates; in its world landmarks, half are
_CLEAR = 2  # a trunk extends this many times further along y than along x


def are_landmarks(value: Any) -> bool:
    """Whether a JSON value is a list of objects with x and y: the joints of a person."""
    return (
        isinstance(value, list)
        and len(value) > 4
        and all(
            isinstance(joint, dict)
            and ({"x", "y"} <= joint.keys() or isinstance(joint.get("position"), dict))
            for joint in value
        )
    )


def landmark_joints(source: Source, joints: list[dict[str, Any]], where: str) -> np.ndarray:
    """Joints (V, 3) of objects with x, y and perhaps a score."""
    rows = []
    for joint in joints:
        place = joint.get("position", joint)
        score = next((joint[key] for key in _SCORES if joint.get(key) is not None), 1.0)
        rows.append([place.get("x"), place.get("y"), score])
    return numbers_of(source, rows, where)


def persons_of_frame(value: Any, depth: int = 4) -> list[list[dict[str, Any]]] | None:
    """The persons of one frame in any nesting; None where it is not a frame of landmarks."""
    if are_landmarks(value):
        return [value]
    if isinstance(value, dict):
        key = next((key for key in _LISTS if key in value), None)
        return persons_of_frame(value[key], depth - 1) if key and depth else None
    if value is None or value == []:
        return []  # nobody was seen
    if not isinstance(value, list) or not depth:
        return None
    persons = []
    for wrapped in value:
        found = persons_of_frame(wrapped, depth - 1)
        if not found or len(found) > 1:
            return None
        persons += found
    return persons


def poses_of_json(source: Source, content: Any) -> tuple[list[Pose], int] | None:
    """The persons in JSON with frames of landmarks, and the number of frames; None for other JSON.

    A frame is a result of MediaPipe's web demo (`landmarks`, one list for each person), of the
    older one (`poseLandmarks`), or of TensorFlow.js (objects with `keypoints`).
    """
    frames = content
    if isinstance(content, dict):
        key = next((key for key in _FRAMES if isinstance(content.get(key), list)), None)
        frames = content[key] if key else [content]
        if not key and all(name.isdecimal() and len(name) < 10 for name in content):
            frames = [{"frame": int(name), "poses": frame} for name, frame in content.items()]
    if are_landmarks(frames):
        frames = [frames]
    if not isinstance(frames, list):
        return None
    poses, last = [], -1
    for place, frame in enumerate(frames):
        persons = persons_of_frame(frame)
        if persons is None:
            return None
        numbers = [frame.get(name) for name in _FRAME_COLUMNS] if isinstance(frame, dict) else []
        number = next((found for found in numbers if _is_number(found)), place)
        last = max(last, number)
        for joints in persons:
            poses.append(Pose(number, landmark_joints(source, joints, f"frame {number}")))
    return (poses, last + 1) if poses else None


def _is_number(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST_FRAMES


def are_shares(source: Source, poses: list[Pose]) -> bool | None:
    """Whether coordinates are shares of the image, as MediaPipe's are; None: judge by the numbers.

    Raises:
        UserError: they are MediaPipe's world landmarks, in metres around the hips.
    """
    points = np.concatenate([pose.joints[:, :2] for pose in poses])
    points = points[np.isfinite(points).all(-1)]
    if len(poses[0].joints) != _MEDIAPIPE or (len(points) and np.abs(points).max() > _PIXELS):
        return None
    if len(points) and (points < 0).mean() > _MOST_NEGATIVE:
        raise source.wrong("has world landmarks, in metres: give the landmarks of the image (0..1)")
    return True


def poses_of_array(source: Source, array: np.ndarray) -> tuple[list[Pose], int] | None:
    """The persons of all frames of MediaPipe's or MoveNet's array; None for other arrays.

    MediaPipe: (T, 33, 3 to 5), (T, M, 33, 3 to 5) or (T, 99, 132 or 165), x, y, z, visibility and
    presence. MoveNet: (T, 1, 1, 17, 3), (T, 1, 17, 3) or (T, 17, 3), y, x, score, and (T, 1, 6, 56)
    or (T, 6, 56) of six persons.

    Raises:
        UserError: (T, 17, 3) shares of an image could be x, y or y, x.
    """
    shape = array.shape
    if len(shape) == 4 and shape[0] < shape[1]:
        return None  # persons come first: own keypoints
    if len(shape) in (3, 4) and shape[-2] == _MEDIAPIPE and shape[-1] in (3, 4, 5):
        return _poses(_mediapipe(source, array.reshape(shape[0], -1, *shape[-2:])))
    if len(shape) == 2 and shape[1] in (99, 132, 165):
        return _poses(_mediapipe(source, array.reshape(shape[0], 1, _MEDIAPIPE, -1)))
    if shape[-1:] == (56,) and len(shape) in (3, 4) and shape[-2] == 6:
        people = array.reshape(-1, 6, 56)
        joints = people[..., :51].reshape(-1, 6, _MOVENET, 3)[..., [1, 0, 2]]
        joints = np.where(people[..., -1, None, None] > 0, joints, 0)
        source.note("taken for MoveNet's six persons: y, x and score as shares of the image")
        return _poses(joints)
    if shape[-2:] != (_MOVENET, 3) or len(shape) not in (3, 4, 5):
        return None
    if len(shape) > 3 and set(shape[1:-2]) != {1}:
        return None
    rows = array.reshape(-1, _MOVENET, 3)
    if not np.isfinite(rows).all() or rows.min() < 0 or rows.max() > 1 or not (rows % 1).any():
        return None
    y_first = True if len(shape) == 5 else _y_first(source, rows)
    if not y_first:
        return None
    source.note("taken for MoveNet's: y, x and score as shares of the image")
    return _poses(rows[:, None, :, [1, 0, 2]])


def _mediapipe(source: Source, array: np.ndarray) -> np.ndarray:
    """Joints (T, M, 33, 3) of x, y, z, visibility, presence."""
    last = array[..., 2]
    if array.shape[-1] == 3:
        seen = last[np.isfinite(last)]
        if seen.size and seen.min() >= 0 and seen.max() <= 1:
            source.note("the third number of each landmark is taken for its visibility")
            return array
        source.note("landmarks are x, y and z without visibility: all count as seen")
        return np.concatenate([array[..., :2], np.ones_like(array[..., :1])], axis=-1)
    return array[..., [0, 1, 3]]


def _poses(joints: np.ndarray) -> tuple[list[Pose], int]:
    """One pose for each frame and person of (T, M, V, 3) that shows a joint."""
    shown = (joints[..., :2] != 0).any((-1, -2)) & np.isfinite(joints[..., :2]).any((-1, -2))
    poses = [
        Pose(int(frame), np.asarray(joints[frame, person], np.float64))
        for frame, person in np.argwhere(shown)
    ]
    return poses, len(joints)


def _y_first(source: Source, rows: np.ndarray) -> bool:
    """Whether the first number of (F, 17, 3) is y: bodies are long along y, heads above hips."""
    middle = rows[:, [11, 12], :2].mean(axis=1) - rows[:, [5, 6], :2].mean(axis=1)
    along_first, along_second = np.median(middle, axis=0)
    if along_first > _CLEAR * abs(along_second):
        return True
    if along_second > _CLEAR * abs(along_first):
        return False
    raise source.wrong(
        "shares of the image, and the bodies don't show whether y or x comes first: give MoveNet's "
        "own shape (frames, 1, 1, 17, 3) for y, x, score, or pixels (frames, 17, 3) for x, y, score"
    )


def poses_of_csv(source: Source, path: Path) -> tuple[list[Pose], int] | None:
    """The persons of a CSV of landmarks; None for other tables.

    Wide: a row for each frame, with columns such as x1, y1, z1, v1 or nose_x, nose_y, nose_z,
    nose_visibility. Long: a row for each landmark, with columns frame, landmark, x, y, and perhaps
    visibility or score.

    Raises:
        UserError: a field is not a number.
    """
    text = read_bytes(path).decode("utf-8-sig", "replace")
    try:
        rows = list(csv.reader(io.StringIO(text)))
    except csv.Error:
        return None
    rows = [row for row in rows if row]
    if len(rows) < 2:
        return None
    header = [name.strip().lower() for name in rows[0]]
    if {"x", "y"} <= set(header):
        return _long(source, header, rows[1:])
    columns: dict[str, dict[str, int]] = {}
    for column, name in enumerate(header):
        axis, part = _axis_and_joint(name)
        if axis:
            columns.setdefault(part, {})[axis] = column
    joints = [found for found in columns.values() if {"x", "y"} <= found.keys()]
    if len(joints) < 5:
        return None
    wanted = [(joint["x"], joint["y"], joint.get("score")) for joint in joints]
    frames = next((header.index(name) for name in _FRAME_COLUMNS if name in header), None)
    poses = []
    for place, row in enumerate(rows[1:]):
        body = [[_number(source, row, c) if c is not None else 1.0 for c in j] for j in wanted]
        number = place if frames is None else _frame(source, row, frames)
        joints_found = np.array(body)
        if np.isfinite(joints_found[:, :2]).any():
            poses.append(Pose(number, joints_found))
    return poses, len(rows) - 1


def _axis_and_joint(name: str) -> tuple[str, str]:
    """Axis and joint of a column such as x1, 1_x, nose.x, x_nose or nose_visibility."""
    words = "visibility|confidence|likelihood|score|x|y|v|c"
    match = re.fullmatch(rf"(?:({words})[_.\s-]?(\d+|[_.\s-][\w\s-]+)|(.+?)[_.\s-]({words}))", name)
    if not match:
        return "", ""
    axis, joint = (match[1], match[2]) if match[1] else (match[4], match[3])
    return axis if axis in ("x", "y") else "score", joint.strip("_.- ")


def _long(
    source: Source, header: list[str], rows: list[list[str]]
) -> tuple[list[Pose], int] | None:
    frame = next((header.index(name) for name in _FRAME_COLUMNS if name in header), None)
    landmark = next((header.index(name) for name in _LANDMARK_COLUMNS if name in header), None)
    if frame is None or landmark is None:
        return None
    x, y = header.index("x"), header.index("y")
    score = next((header.index(name) for name in _SCORES if name in header), None)
    found: dict[int, dict[str, list[float]]] = defaultdict(dict)
    for row in rows:
        values = [_number(source, row, x), _number(source, row, y)]
        values.append(1.0 if score is None else _number(source, row, score))
        name = row[landmark] if landmark < len(row) else ""
        body = found[_frame(source, row, frame)]
        if name in body:
            raise source.wrong(f"frame {row[frame]} has landmark {name[:40]!r} twice")
        body[name] = values
    names = list(dict.fromkeys(name for body in found.values() for name in body))
    if all(name.strip().isdecimal() for name in names):
        names.sort(key=int)
    nothing = [np.nan, np.nan, 0.0]
    return [
        Pose(number, np.array([body.get(name, nothing) for name in names]))
        for number, body in found.items()
    ], len(found)


def _number(source: Source, row: list[str], column: int) -> float:
    text = row[column].strip() if column < len(row) else ""
    try:
        return float(text) if text else np.nan
    except ValueError:
        raise source.wrong(f"{text[:40]!r} stands where a number is needed") from None


def _frame(source: Source, row: list[str], column: int) -> int:
    number = _number(source, row, column)
    if not 0 <= number < 2**53:
        raise source.wrong(f"{number} is not a frame number")
    return int(number)
