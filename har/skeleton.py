"""Keypoint layouts: joint names, bones and left/right pairs; a user's own is read from YAML."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from har.errors import UserError
from har.params import load_yaml

_MOST_JOINTS = 500
_LONGEST_NAME = 100  # characters
_KEYS = ("name", "joints", "bones", "pairs", "shoulders", "hips", "dimensions")
_SIDES = {"l": "left", "left": "left", "r": "right", "right": "right"}
_MIDDLES = {  # joints that are the middle of two others in layouts that lack them
    "neck": ("left_shoulder", "right_shoulder"),
    "mid_hip": ("left_hip", "right_hip"),
}


@dataclass(frozen=True)
class Layout:
    """The joints of a skeleton.

    Attributes:
        name: as in params.yaml.
        joints: joint names, in the order of the arrays' joint axis.
        parents: `parents[j]` is the joint at the other end of joint j's bone, j itself at a root.
        pairs: (left, right) joints that a mirror image exchanges.
        shoulders: left and right shoulder; empty where the layout has none.
        hips: left and right hip; empty where the layout has none.
        dimensions: coordinates per joint, 2 for pixels, 3 for depth cameras.
    """

    name: str
    joints: tuple[str, ...]
    parents: tuple[int, ...]
    pairs: tuple[tuple[int, int], ...]
    shoulders: tuple[int, ...]
    hips: tuple[int, ...]
    dimensions: int = 2

    @property
    def flip(self) -> np.ndarray:
        """Index (V,) that exchanges left and right joints."""
        index = np.arange(len(self.joints))
        for left, right in self.pairs:
            index[left], index[right] = right, left
        return index

    @property
    def bones(self) -> list[tuple[int, int]]:
        """(joint, parent) of every joint that is not a root."""
        return [(j, parent) for j, parent in enumerate(self.parents) if j != parent]

    @property
    def setting(self) -> str | dict[str, Any]:
        """The layout in settings: the name of a known one, the definition of a user's own."""
        if LAYOUTS.get(self.name) == self:
            return self.name
        return {
            "name": self.name,
            "joints": list(self.joints),
            "bones": [[self.joints[joint], self.joints[parent]] for joint, parent in self.bones],
            "pairs": [[self.joints[left], self.joints[right]] for left, right in self.pairs],
            "shoulders": [self.joints[joint] for joint in self.shoulders],
            "hips": [self.joints[joint] for joint in self.hips],
            "dimensions": self.dimensions,
        }


def _layout(name: str, table: str, dimensions: int = 2) -> Layout:
    """Read `joint:parent` words; pairs, shoulders and hips are found by their names."""
    words = [word.split(":") for word in table.split()]
    joints = tuple(joint for joint, _ in words)
    index = {joint: j for j, joint in enumerate(joints)}
    return Layout(
        name=name,
        joints=joints,
        parents=tuple(index[parent] for _, parent in words),
        pairs=tuple(
            (index[joint], index[joint.replace("left_", "right_")])
            for joint in joints
            if joint.startswith("left_")
        ),
        shoulders=(index["left_shoulder"], index["right_shoulder"]),
        hips=(index["left_hip"], index["right_hip"]),
        dimensions=dimensions,
    )


_COCO17 = """
    nose:nose left_eye:nose right_eye:nose left_ear:left_eye right_ear:right_eye
    left_shoulder:nose right_shoulder:nose left_elbow:left_shoulder right_elbow:right_shoulder
    left_wrist:left_elbow right_wrist:right_elbow left_hip:left_shoulder right_hip:right_shoulder
    left_knee:left_hip right_knee:right_hip left_ankle:left_knee right_ankle:right_knee
"""
_NTU25 = """
    spine_base:spine_base spine_middle:spine_base neck:spine_shoulder head:neck
    left_shoulder:spine_shoulder left_elbow:left_shoulder left_wrist:left_elbow
    left_hand:left_wrist right_shoulder:spine_shoulder right_elbow:right_shoulder
    right_wrist:right_elbow right_hand:right_wrist left_hip:spine_base left_knee:left_hip
    left_ankle:left_knee left_foot:left_ankle right_hip:spine_base right_knee:right_hip
    right_ankle:right_knee right_foot:right_ankle spine_shoulder:spine_middle
    left_hand_tip:left_hand left_thumb:left_wrist right_hand_tip:right_hand
    right_thumb:right_wrist
"""

LAYOUTS = {
    layout.name: layout
    for layout in (
        _layout("coco17", _COCO17),
        _layout(
            "openpose18",
            """nose:neck neck:neck right_shoulder:neck right_elbow:right_shoulder
            right_wrist:right_elbow left_shoulder:neck left_elbow:left_shoulder
            left_wrist:left_elbow right_hip:neck right_knee:right_hip right_ankle:right_knee
            left_hip:neck left_knee:left_hip left_ankle:left_knee right_eye:nose left_eye:nose
            right_ear:right_eye left_ear:left_eye""",
        ),
        _layout(
            "openpose25",
            """nose:neck neck:neck right_shoulder:neck right_elbow:right_shoulder
            right_wrist:right_elbow left_shoulder:neck left_elbow:left_shoulder
            left_wrist:left_elbow mid_hip:neck right_hip:mid_hip right_knee:right_hip
            right_ankle:right_knee left_hip:mid_hip left_knee:left_hip left_ankle:left_knee
            right_eye:nose left_eye:nose right_ear:right_eye left_ear:left_eye
            left_big_toe:left_ankle left_small_toe:left_big_toe left_heel:left_ankle
            right_big_toe:right_ankle right_small_toe:right_big_toe right_heel:right_ankle""",
        ),
        _layout("ntu25", _NTU25, dimensions=3),
        _layout("ntu25_2d", _NTU25),
        _layout(
            "mediapipe33",
            """nose:nose left_eye_inner:nose left_eye:left_eye_inner left_eye_outer:left_eye
            right_eye_inner:nose right_eye:right_eye_inner right_eye_outer:right_eye
            left_ear:left_eye_outer right_ear:right_eye_outer left_mouth:nose right_mouth:nose
            left_shoulder:nose right_shoulder:nose left_elbow:left_shoulder
            right_elbow:right_shoulder left_wrist:left_elbow right_wrist:right_elbow
            left_pinky:left_wrist right_pinky:right_wrist left_index:left_wrist
            right_index:right_wrist left_thumb:left_wrist right_thumb:right_wrist
            left_hip:left_shoulder right_hip:right_shoulder left_knee:left_hip
            right_knee:right_hip left_ankle:left_knee right_ankle:right_knee left_heel:left_ankle
            right_heel:right_ankle left_foot_index:left_heel right_foot_index:right_heel""",
        ),
        _layout(
            "halpe26",
            """nose:neck left_eye:nose right_eye:nose left_ear:left_eye right_ear:right_eye
            left_shoulder:neck right_shoulder:neck left_elbow:left_shoulder
            right_elbow:right_shoulder left_wrist:left_elbow right_wrist:right_elbow
            left_hip:mid_hip right_hip:mid_hip left_knee:left_hip right_knee:right_hip
            left_ankle:left_knee right_ankle:right_knee head:nose neck:neck mid_hip:neck
            left_big_toe:left_ankle right_big_toe:right_ankle left_small_toe:left_big_toe
            right_small_toe:right_big_toe left_heel:left_ankle right_heel:right_ankle""",
        ),
        _layout(
            "wholebody23",
            f"""{_COCO17} left_big_toe:left_ankle left_small_toe:left_big_toe left_heel:left_ankle
            right_big_toe:right_ankle right_small_toe:right_big_toe right_heel:right_ankle""",
        ),
    )
}


def check_layout(layout: Layout, keypoints: np.ndarray, source: str) -> None:
    """Refuse keypoints (..., V, C) that do not have the layout's joints and coordinates.

    Raises:
        UserError: names the source, what it has, and the layouts that fit.
    """
    joints, dimensions = keypoints.shape[-2:]
    if (joints, dimensions) == (len(layout.joints), layout.dimensions):
        return
    fitting = [
        other.name
        for other in LAYOUTS.values()
        if (joints, dimensions) == (len(other.joints), other.dimensions)
    ]
    remedy = f"set prepare.layout to {' or '.join(fitting)}" if fitting else "no layout here fits"
    raise UserError(
        f"{source} has {joints} joints with {dimensions} coordinates, "
        f"but layout {layout.name} has {len(layout.joints)} with {layout.dimensions}: {remedy}"
    )


def find_layout(name: str, base: str | Path = ".") -> Layout:
    """The layout of a name, or of a user's YAML file (docs/formats.md shows one).

    Args:
        name: a name of LAYOUTS, or a path that ends in .yaml or .yml.
        base: what a relative path is relative to.

    Raises:
        UserError: there is none, or the file is no layout.
    """
    if name in LAYOUTS:
        return LAYOUTS[name]
    path = Path(base, name).expanduser()
    if path.suffix not in (".yaml", ".yml"):
        raise UserError(
            f"unknown layout {name[:_LONGEST_NAME]!r}; known: {', '.join(LAYOUTS)}; "
            "a layout of your own is a .yaml file"
        )
    try:
        is_there = path.is_file()
    except (OSError, ValueError):  # a name too long, or with a NUL
        is_there = False
    if not is_there:
        raise UserError(f"{path} not found: give the path of a layout's YAML file")
    content = load_yaml(path)
    if isinstance(content, dict):
        content = {"name": path.stem} | content
    return define_layout(content, str(path))


def layout_of_setting(setting: str | dict[str, Any], source: str) -> Layout:
    """The layout that `Layout.setting` wrote; `source` names the file in messages.

    Raises:
        UserError: an unknown name, or a wrong definition.
    """
    if isinstance(setting, dict):
        return define_layout(setting, source)
    if not isinstance(setting, str) or setting not in LAYOUTS:
        found = str(setting)[:40]
        raise UserError(f"{source}: unknown layout {found!r}; known: {', '.join(LAYOUTS)}")
    return LAYOUTS[setting]


def define_layout(definition: Any, source: str) -> Layout:
    """A user's layout.

    Args:
        definition: `name`, `joints` (names in the arrays' order), `bones` (pairs of names that
            form one or several trees), and perhaps `pairs` (left, right), `shoulders`, `hips` and
            `dimensions`. Where `pairs`, `shoulders` or `hips` are missing, they are
            found by their names (left_knee and right_knee, LKnee and RKnee).
        source: the file, for messages.

    Raises:
        UserError: names the file, the key and what is wrong.
    """
    if not isinstance(definition, dict):
        raise UserError(f"{source} is no layout: it needs `joints` and `bones`")
    if unknown := [key for key in definition if key not in _KEYS]:
        raise UserError(
            f"{source}: unknown key {str(unknown[0])[:40]!r}; known: {', '.join(_KEYS)}"
        )
    name, joints = definition.get("name"), definition.get("joints")
    if not _is_name(name) or name in LAYOUTS:
        raise UserError(f"{source}: `name` must be text, and none of {', '.join(LAYOUTS)}")
    if (
        not isinstance(joints, list)
        or not 0 < len(joints) <= _MOST_JOINTS
        or not all(map(_is_name, joints))
        or len(set(joints)) < len(joints)
    ):
        raise UserError(
            f"{source}: `joints` must be a list of different names, at most {_MOST_JOINTS}"
        )
    dimensions = definition.get("dimensions", 2)
    if dimensions not in (2, 3) or isinstance(dimensions, bool):
        raise UserError(f"{source}: `dimensions` must be 2 or 3")
    index = {joint: j for j, joint in enumerate(joints)}

    def numbers(key: str, default: list[list[str]]) -> list[tuple[int, int]]:
        names = definition.get(key, default)
        if not isinstance(names, list):
            raise UserError(f"{source}: `{key}` must be a list of pairs of joints")
        for pair in names:
            if not isinstance(pair, list) or len(pair) != 2 or pair[0] == pair[1]:
                raise UserError(f"{source}: `{key}` has {str(pair)[:60]}, no pair of joints")
            if stranger := [str(joint) for joint in pair if str(joint) not in index]:
                raise UserError(f"{source}: `{key}` has {stranger[0][:60]!r}, none of `joints`")
        return [(index[str(first)], index[str(second)]) for first, second in names]

    plain = {plain_name(joint): joint for joint in joints}
    sided = {
        left: right
        for word, left in plain.items()
        if word.startswith("left_") and (right := plain.get(f"right_{word[5:]}"))
    }
    pairs = numbers("pairs", [[left, right] for left, right in sided.items()])
    if len({joint for pair in pairs for joint in pair}) < 2 * len(pairs):
        raise UserError(f"{source}: `pairs` has a joint twice")

    def pair_of(key: str, word: str) -> tuple[int, ...]:
        left = plain.get(f"left_{word}")
        default = [left, sided[left]] if left in sided else []
        names = definition.get(key, default)
        if names == []:
            return ()
        if not isinstance(names, list) or len(names) != 2 or {*map(str, names)} - index.keys():
            raise UserError(f"{source}: `{key}` must be two of `joints`, left and right")
        return index[names[0]], index[names[1]]

    parents = _parents(numbers("bones", []), joints, source)
    return Layout(
        name,
        tuple(joints),
        parents,
        tuple(pairs),
        pair_of("shoulders", "shoulder"),
        pair_of("hips", "hip"),
        dimensions,
    )


def _parents(bones: list[tuple[int, int]], joints: Sequence[str], source: str) -> tuple[int, ...]:
    """Each joint's neighbour towards the first joint of its tree, itself for that one."""
    neighbours: list[list[int]] = [[] for _ in joints]
    for first, second in bones:
        neighbours[first].append(second)
        neighbours[second].append(first)
    parents = [-1] * len(joints)
    for root in range(len(joints)):
        if parents[root] >= 0:
            continue
        parents[root] = root
        waiting = [root]
        for joint in waiting:
            for other in neighbours[joint]:
                if parents[other] < 0:
                    parents[other] = joint
                    waiting.append(other)
    tree = {(min(pair), max(pair)) for pair in enumerate(parents)}
    seen = set()
    for pair in bones:
        bone = min(pair), max(pair)
        if bone not in tree or bone in seen:
            names = " to ".join(joints[joint] for joint in pair)
            raise UserError(f"{source}: the bone from {names} closes a circle: leave it out")
        seen.add(bone)
    return tuple(parents)


def _is_name(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_NAME and value.isprintable()


def plain_name(joint: str) -> str:
    """A joint's name in one spelling: LKnee, knee_l and Left-Knee are left_knee."""
    words = [word.lower() for word in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])", joint)]
    sides = [_SIDES[word] for word in words if word in _SIDES]
    return "_".join(sides[:1] + [word for word in words if word not in _SIDES])


def map_joints(
    keypoints: np.ndarray, scores: np.ndarray, joints: Sequence[str], target: Layout
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Arrange joints for another layout, by their names.

    A neck or a middle of the hips that only the target has is the middle of both shoulders or
    hips, with the lower of their scores.

    Args:
        keypoints: (..., V, C).
        scores: (..., V).
        joints: names of the V joints, compared by `plain_name`.
        target: the layout to arrange for.

    Returns:
        Keypoints (..., V', C) and scores (..., V') of the target's joints, and the names of those
        that are not among `joints`; their keypoints and scores are 0.
    """
    index = {plain_name(joint): j for j, joint in enumerate(joints)}
    shape = (*scores.shape[:-1], len(target.joints))
    points = np.zeros((*shape, keypoints.shape[-1]), keypoints.dtype)
    found = np.zeros(shape, scores.dtype)
    missing = []
    for number, joint in enumerate(target.joints):
        name = plain_name(joint)
        if name in index:
            sources = [index[name]]
        elif name in _MIDDLES and all(side in index for side in _MIDDLES[name]):
            sources = [index[side] for side in _MIDDLES[name]]
        else:
            missing.append(joint)
            continue
        found[..., number] = scores[..., sources].min(axis=-1)
        middle = keypoints[..., sources, :].mean(axis=-2, dtype=np.float32)
        points[..., number, :] = middle * (found[..., number] > 0)[..., None]
    return points, found, missing
