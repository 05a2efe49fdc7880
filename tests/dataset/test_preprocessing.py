"""Each step against numbers worked out by hand, and all of them in a row."""

from dataclasses import replace

import numpy as np
import pytest

from har.dataset.person_tracking import track_persons
from har.dataset.preprocessing import (
    divide_by_scale,
    fix_length,
    hide_joints,
    keep_persons,
    preprocess,
    subtract_centre,
)
from har.errors import UserError
from har.params import Preprocess
from har.skeleton import LAYOUTS
from tests.dataset.test_person_tracking import crowd, person

COCO = LAYOUTS["coco17"]
ORDER = {name: joint for joint, name in enumerate(COCO.joints)}


def test_joints_below_the_score_are_zeroed_wholly():
    poses = person(5, 5)[None]
    poses[0, 1, 3, 2] = 0.04
    poses[0, 1, 4, 2] = np.float32(0.05)  # just enough
    hidden = hide_joints(poses, 0.05)
    assert not hidden[0, 1, 3].any()
    hidden[0, 1, 3] = poses[0, 1, 3]
    assert np.array_equal(hidden, poses)


def test_persons_are_cut_or_filled():
    poses = np.stack([person(0, 0), person(50, 0), person(90, 0)])
    assert np.array_equal(keep_persons(poses, 2), poses[:2])
    filled = keep_persons(poses[:1], 3)
    assert np.array_equal(filled[0], poses[0])
    assert filled.shape[0] == 3 and filled.dtype == np.float32
    assert not filled[1:].any()


def test_length_is_cut_padded_or_looped():
    poses = person(0, 0, frames=3)[None]
    assert np.array_equal(fix_length(poses, 2, "zeros"), poses[:, :2])
    padded = fix_length(poses, 5, "zeros")
    assert np.array_equal(padded[:, :3], poses)
    assert not padded[:, 3:].any()
    assert np.array_equal(fix_length(poses, 7, "loop"), poses[:, [0, 1, 2, 0, 1, 2, 0]])


def test_centres():
    poses = person(-30, -40)[None]
    poses[0, 0, ORDER["left_hip"]] = 0  # no mid-hip in frame 0
    poses[0, 1, 2] = 0  # a missing joint stays missing
    nose = subtract_centre(poses, "first_joint", COCO)
    assert np.array_equal(nose[..., :2], poses[..., :2] - poses[:, :, :1, :2])
    hips = subtract_centre(poses, "mid_hip", COCO)
    assert np.array_equal(hips[0, 0], poses[0, 0])
    middle = (poses[0, 1, ORDER["left_hip"], :2] + poses[0, 1, ORDER["right_hip"], :2]) / 2
    assert np.allclose(hips[0, 1, 5, :2], poses[0, 1, 5, :2] - middle)
    assert not hips[0, 1, 2].any()
    assert np.array_equal(subtract_centre(poses, "none", COCO), poses)


def test_scales():
    poses = person(3, 4)[None]
    by_image = divide_by_scale(poses, "image", (256, 340), COCO)
    assert np.allclose(by_image[0, 1, 4], [poses[0, 1, 4, 0] / 340, poses[0, 1, 4, 1] / 256, 0.9])
    shoulder, hip = ORDER["left_shoulder"], ORDER["left_hip"]
    lengths = [np.hypot(*(poses[0, t, shoulder, :2] - poses[0, t, hip, :2])) for t in range(3)]
    by_trunk = divide_by_scale(poses, "trunk", (256, 340), COCO)
    assert np.allclose(by_trunk[..., :2], poses[..., :2] / sorted(lengths)[1])
    assert np.array_equal(divide_by_scale(poses * 0, "trunk", (256, 340), COCO), poses * 0)
    tiny = poses * np.float32([1e-3, 1e-3, 1])
    shrunk = divide_by_scale(tiny, "trunk", (256, 340), COCO)
    assert np.allclose(shrunk, by_trunk, rtol=1e-4)
    poses[..., hip, :] = poses[..., shoulder, :]  # no trunk to measure by
    assert np.array_equal(divide_by_scale(poses, "trunk", (256, 340), COCO), poses)


@pytest.mark.parametrize("scale", ["image", "trunk"])
def test_steps_follow_one_another(scale):
    poses = crowd(0).astype(np.float16)
    poses[..., 2] *= np.random.default_rng(0).random(poses.shape[:3]) > 0.1
    poses[0, :, 3] *= np.float16(0.5)
    before = poses.copy()
    settings = Preprocess(
        persons=3,
        tracking=True,
        hide_below=0.5,
        center="mid_hip",
        scale=scale,
        frames=200,
        fill="loop",
    )
    found = preprocess(poses, (240, 320), settings, COCO)
    kept = keep_persons(track_persons(hide_joints(poses.astype(np.float32), 0.5)), 3)
    centred = subtract_centre(fix_length(kept, 200, "loop"), "mid_hip", COCO)
    expected = divide_by_scale(centred, scale, (240, 320), COCO)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(poses, before)

    changes = {"tracking": False, "hide_below": 0.0, "center": "none", "scale": "none", "frames": 0}
    nothing = settings.model_copy(update=changes)
    np.testing.assert_array_equal(preprocess(poses, (0, 0), nothing, COCO), poses[:3])


def test_fixed_lengths_are_of_clips_with_25_frames_per_second():
    poses = np.arange(1.0, 9)[None, :, None, None] * np.ones((1, 8, 17, 3))
    settings = Preprocess(
        persons=1, tracking=False, hide_below=0, center="none", scale="none", frames=6, fill="loop"
    )
    for fps, expected in (
        (0, [1, 2, 3, 4, 5, 6]),
        (25, [1, 2, 3, 4, 5, 6]),
        (50, [1, 3, 5, 7, 1, 3]),
        (12.5, [1, 1, 2, 3, 3, 3]),
    ):
        found = preprocess(poses, (240, 320), settings, COCO, fps)
        assert found[0, :, 0, 0].tolist() == expected, fps
    varying = settings.model_copy(update={"frames": 0})
    assert preprocess(poses, (240, 320), varying, COCO, 50).shape[1] == 8  # windows are cut later


@pytest.mark.parametrize("joints", ["hips", "shoulders"])
def test_a_layout_without_the_joints_that_are_needed_is_refused(joints):
    poses, bare = person(0, 0)[None], replace(COCO, name="bare", **{joints: ()})
    with pytest.raises(
        UserError, match=r"bare names no shoulders or no hips: set preprocess.scale"
    ):
        divide_by_scale(poses, "trunk", (256, 340), bare)
    if joints == "hips":
        with pytest.raises(UserError, match="bare names no hips: set preprocess"):
            subtract_centre(poses, "mid_hip", bare)


def test_input_of_the_pytorch_reference_on_a_genuine_clip(real_data):
    """The array that the reference's description fixes, computed here without the library."""
    from har.clips.annotations import read_pickle

    clips = read_pickle(real_data / "ucf101_six_clips.pkl").clips
    clip = next(clip for clip in clips if clip.id == "v_ApplyEyeMakeup_g01_c01")
    data = clip.keypoints[0].astype(np.float32)
    frames = [data[t % len(data)] - data[t % len(data)][0] for t in range(64)]
    trunk = np.median([np.linalg.norm(frame[5] - frame[11]) for frame in frames])
    expected = np.stack(frames) / (trunk if trunk > 1e-6 else 1)

    settings = Preprocess(
        persons=1,
        tracking=False,
        hide_below=0.0,
        center="first_joint",
        scale="trunk",
        frames=64,
        fill="loop",
    )
    poses = np.concatenate([clip.keypoints, clip.scores[..., None]], axis=-1)
    found = preprocess(poses, clip.image_size, settings, COCO)
    assert found.shape == (1, 64, 17, 3)
    np.testing.assert_allclose(found[0, ..., :2], expected, rtol=1e-5, atol=1e-6)
