"""Layouts: a user's own as YAML, its way through settings, and joints arranged by their names."""

import json

import numpy as np
import pytest

from har.errors import UserError
from har.skeleton import LAYOUTS, find_layout, layout_of_setting, map_joints, plain_name

OWN = """
joints: [snout, LEar, REar, neck, tail]
bones: [[tail, neck], [neck, snout], [snout, LEar], [REar, snout]]
"""


def own_layout(folder, text=OWN):
    (folder / "mouse.yaml").write_text(text)
    return find_layout("mouse.yaml", folder)


def test_every_layout_is_a_tree_with_mirrored_bones():
    for layout in LAYOUTS.values():
        for joint in range(len(layout.joints)):
            seen = {joint}
            while layout.parents[joint] not in seen:
                joint = layout.parents[joint]
                seen.add(joint)
            assert layout.parents[joint] == joint  # a root, no circle
        names = [name.replace("left", "right") for name in layout.joints]
        flipped = [layout.joints[j].replace("left", "right") for j in layout.flip]
        assert flipped == names and len(set(layout.flip.tolist())) == len(names)


def test_own_layout(tmp_path):
    layout = own_layout(tmp_path)
    assert (layout.name, layout.dimensions) == ("mouse", 2)
    assert layout.parents == (0, 0, 0, 0, 3)  # away from the first joint, however bones are written
    assert layout.pairs == ((1, 2),) and layout.shoulders == layout.hips == ()
    again = json.loads(json.dumps(layout.setting))
    assert layout_of_setting(again, "a checkpoint") == layout
    assert layout_of_setting(LAYOUTS["halpe26"].setting, "a checkpoint") == LAYOUTS["halpe26"]
    named = own_layout(tmp_path, OWN + "shoulders: [LEar, REar]\nhips: [neck, tail]\npairs: []\n")
    assert (named.shoulders, named.hips, named.pairs) == ((1, 2), (3, 4), ())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no layout"),
        ("joints: [a, a]\nbones: []", "different names"),
        ("joints: 3", "different names"),
        ("joints: [a, b]\nbones: [[a, c]]", "'c', none of `joints`"),
        ("joints: [a, b]\nbones: [a]", "no pair of joints"),
        ("joints: [a, b, c]\nbones: [[a, b], [b, c], [c, a]]", "closes a circle"),
        ("joints: [a, b]\nbones: [[a, b], [b, a]]", "closes a circle"),
        ("joints: [a, b]\nedges: []", "unknown key 'edges'"),
        ("name: coco17\njoints: [a, b]", "none of coco17"),
        ("joints: [a, b]\nhips: [a]", "`hips` must be two"),
        ("joints: [a, b]\ndimensions: 4", "must be 2 or 3"),
        ("joints: [a, b", "not readable YAML"),
    ],
)
def test_wrong_layouts_are_refused(tmp_path, text, message):
    with pytest.raises(UserError, match=message) as refused:
        own_layout(tmp_path, text)
    assert "mouse.yaml" in str(refused.value)


def test_unknown_names_are_refused(tmp_path):
    with pytest.raises(UserError, match="unknown layout 'coco'; known: coco17"):
        find_layout("coco")
    with pytest.raises(UserError, match=r"none\.yaml not found"):
        find_layout("none.yaml", tmp_path)


def test_names_in_one_spelling():
    for name in ("LKnee", "knee_l", "Left-Knee", "leftKnee", "left_knee", "L_Knee", "Knee Left"):
        assert plain_name(name) == "left_knee"
    assert plain_name("RBigToe") == "right_big_toe" and plain_name("MidHip") == "mid_hip"


def test_joints_are_arranged_by_name():
    source, target = LAYOUTS["coco17"], LAYOUTS["openpose25"]
    generator = np.random.default_rng(0)
    points = generator.uniform(10, 90, (2, 3, 17, 2)).astype(np.float32)
    scores = generator.uniform(0.1, 1, (2, 3, 17)).astype(np.float32)
    scores[0, 0, source.joints.index("left_hip")] = 0
    arranged, found, missing = map_joints(points, scores, source.joints, target)
    assert arranged.shape == (2, 3, 25, 2)
    for name in source.joints:
        here, there = source.joints.index(name), target.joints.index(name)
        expected = points[:, :, here] * (scores[:, :, here, None] > 0)
        np.testing.assert_array_equal(arranged[:, :, there], expected)
        np.testing.assert_array_equal(found[:, :, there], scores[:, :, here])
    left, right = source.joints.index("left_shoulder"), source.joints.index("right_shoulder")
    np.testing.assert_allclose(arranged[:, :, 1], (points[:, :, left] + points[:, :, right]) / 2)
    np.testing.assert_array_equal(found[..., 1], np.minimum(scores[..., left], scores[..., right]))
    hip = target.joints.index("mid_hip")
    assert found[0, 0, hip] == 0 and not arranged[0, 0, hip].any() and found[1, 0, hip] > 0
    assert missing == [name for name in target.joints if "toe" in name or "heel" in name]
    assert not found[..., target.joints.index("left_heel")].any()
