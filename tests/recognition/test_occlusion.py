"""Occlusion: what an answer loses is what the model says about the clip without it."""

import numpy as np
import pytest

from har.recognition.occlusion import body_parts, occlude
from har.skeleton import LAYOUTS
from tests.tiny import random_clip, tiny


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_every_joint_is_of_one_part(layout):
    joints = [joint for part in body_parts(LAYOUTS[layout]).values() for joint in part]
    assert sorted(joints) == list(range(len(LAYOUTS[layout].joints)))


def test_parts_of_coco17():
    names = LAYOUTS["coco17"].joints
    parts = {
        part: [names[j] for j in joints] for part, joints in body_parts(LAYOUTS["coco17"]).items()
    }
    assert parts["left arm"] == ["left_shoulder", "left_elbow", "left_wrist"]
    assert parts["right leg"] == ["right_hip", "right_knee", "right_ankle"]
    assert len(parts["head"]) == 5 and len(parts) == 5


def test_what_is_left_is_the_answer_about_a_clip_without_the_joints():
    recognizer, clip = tiny(), random_clip(persons=1, frames=25)
    found = occlude(recognizer, clip, stretches=4)
    whole = recognizer.predict(clip)
    assert found.label == whole.argmax() and found.whole == pytest.approx(whole.max())

    def without(joints, frames):
        points, scores = clip.keypoints.copy(), clip.scores.copy()
        for frame in frames:
            for joint in joints:
                points[0, frame, joint] = scores[0, frame, joint] = 0
        return recognizer.predict_arrays(points, scores, clip.image_size)[found.label]

    assert found.parts["left leg"] == pytest.approx(without([11, 13, 15], range(25)), abs=1e-6)
    assert found.joints[9] == pytest.approx(without([9], range(25)), abs=1e-6)
    assert [stretch[:2] for stretch in found.stretches] == [(0, 7), (7, 14), (14, 21), (21, 25)]
    assert found.stretches[3][2] == pytest.approx(without(range(17), range(21, 25)), abs=1e-6)


def test_nothing_is_left_of_an_answer_without_anybody():
    clip = random_clip(persons=1, frames=20)
    clip.scores[:, 5:] = 0
    clip.keypoints[:, 5:] = 0
    found = occlude(tiny(), clip, stretches=4)
    assert found.stretches[0] == (0, 5, 0.0) and np.all(found.joints > 0)
