"""Keypoint layouts as data: joint names, bones and left/right pairs."""

from dataclasses import dataclass

import numpy as np

from har.errors import UserError


@dataclass(frozen=True)
class Layout:
    """The joints of a skeleton.

    Attributes:
        name: what params.yaml calls it.
        joints: joint names, in the order of the arrays' joint axis.
        parents: `parents[j]` is the joint at the other end of joint j's bone, j itself at a root.
        pairs: (left, right) joints that change places in a mirror image.
        shoulders: left and right shoulder.
        hips: left and right hip.
        dimensions: coordinates per joint, 2 for pixels, 3 for depth cameras.
    """

    name: str
    joints: tuple[str, ...]
    parents: tuple[int, ...]
    pairs: tuple[tuple[int, int], ...]
    shoulders: tuple[int, int]
    hips: tuple[int, int]
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


def _layout(
    name: str, table: str, shoulders: tuple[str, str], hips: tuple[str, str], dimensions: int = 2
) -> Layout:
    """Read `joint:parent` words; left/right pairs are found by their names."""
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
        shoulders=(index[shoulders[0]], index[shoulders[1]]),
        hips=(index[hips[0]], index[hips[1]]),
        dimensions=dimensions,
    )


_SIDES = ("left_shoulder", "right_shoulder"), ("left_hip", "right_hip")

LAYOUTS = {
    layout.name: layout
    for layout in (
        _layout(
            "coco17",
            """nose:nose left_eye:nose right_eye:nose left_ear:left_eye right_ear:right_eye
            left_shoulder:nose right_shoulder:nose left_elbow:left_shoulder
            right_elbow:right_shoulder left_wrist:left_elbow right_wrist:right_elbow
            left_hip:left_shoulder right_hip:right_shoulder left_knee:left_hip
            right_knee:right_hip left_ankle:left_knee right_ankle:right_knee""",
            *_SIDES,
        ),
        _layout(
            "openpose18",
            """nose:neck neck:neck right_shoulder:neck right_elbow:right_shoulder
            right_wrist:right_elbow left_shoulder:neck left_elbow:left_shoulder
            left_wrist:left_elbow right_hip:neck right_knee:right_hip right_ankle:right_knee
            left_hip:neck left_knee:left_hip left_ankle:left_knee right_eye:nose left_eye:nose
            right_ear:right_eye left_ear:left_eye""",
            *_SIDES,
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
            *_SIDES,
        ),
        _layout(
            "ntu25",
            """spine_base:spine_base spine_middle:spine_base neck:spine_shoulder head:neck
            left_shoulder:spine_shoulder left_elbow:left_shoulder left_wrist:left_elbow
            left_hand:left_wrist right_shoulder:spine_shoulder right_elbow:right_shoulder
            right_wrist:right_elbow right_hand:right_wrist left_hip:spine_base left_knee:left_hip
            left_ankle:left_knee left_foot:left_ankle right_hip:spine_base right_knee:right_hip
            right_ankle:right_knee right_foot:right_ankle spine_shoulder:spine_middle
            left_hand_tip:left_hand left_thumb:left_wrist right_hand_tip:right_hand
            right_thumb:right_wrist""",
            *_SIDES,
            dimensions=3,
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
