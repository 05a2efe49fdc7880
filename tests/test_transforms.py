import numpy as np
import pytest

from har.params import Preprocess
from har.skeleton import LAYOUTS
from har.transforms import (
    divide_by_scale,
    fix_length,
    hide_joints,
    keep_persons,
    preprocess,
    subtract_centre,
    track_persons,
)

COCO = LAYOUTS["coco17"]
ORDER = {name: joint for joint, name in enumerate(COCO.joints)}


def person(x, y, frames=3, size=10.0, score=0.9):
    """A person (T, 17, 3) standing at (x, y), joints spread over `size` pixels, moving right."""
    pose = np.zeros((frames, 17, 3), np.float32)
    pose[..., 0] = x + np.linspace(0, size, 17) + np.arange(frames)[:, None]
    pose[..., 1] = y + np.linspace(0, size, 17) ** 2 / size
    pose[..., 2] = score
    return pose


def test_joints_below_the_score_are_zeroed_wholly():
    poses = person(5, 5)[None]
    poses[0, 1, 3, 2] = 0.04
    hidden = hide_joints(poses, 0.05)
    assert not hidden[0, 1, 3].any()
    hidden[0, 1, 3] = poses[0, 1, 3]
    assert np.array_equal(hidden, poses)


def test_persons_are_cut_or_filled():
    poses = np.stack([person(0, 0), person(50, 0), person(90, 0)])
    assert np.array_equal(keep_persons(poses, 2), poses[:2])
    filled = keep_persons(poses[:1], 3)
    assert np.array_equal(filled[0], poses[0])
    assert filled.shape[0] == 3
    assert not filled[1:].any()


def test_tracking_undoes_swapped_slots():
    large, small = person(100, 100, 40, size=30), person(200, 100, 40, size=10)
    shuffled = np.stack([large, small])
    for frame in np.random.default_rng(0).choice(40, 20, replace=False):
        shuffled[:, frame] = shuffled[::-1, frame].copy()
    assert np.array_equal(track_persons(shuffled), [large, small])


def test_tracking_puts_the_most_prominent_person_first():
    small, large = person(200, 100, 9, size=10), person(100, 100, 9, size=30)
    assert np.array_equal(track_persons(np.stack([small, large])), [large, small])


def test_tracking_follows_a_person_through_missed_frames():
    large, small = person(100, 100, 9, size=30), person(200, 100, 9, size=10)
    clip = np.stack([large, small])
    clip[:, 4] = [small[4], np.zeros((17, 3))]  # the large one is missed in frame 4
    tracked = track_persons(clip)
    expected = np.stack([large, small])
    expected[0, 4] = 0
    assert np.array_equal(tracked, expected)


def test_who_comes_when_another_has_left_shares_the_slot():
    first, later = person(100, 100, 6, size=30), person(200, 20, 6, size=20)
    first[3:], later[:3] = 0, 0
    clip = np.stack([first + later, np.zeros_like(first)])
    clip[1, 2] = person(280, 20, 6, size=5)[2]
    assert np.array_equal(track_persons(clip)[0], first + later)


@pytest.mark.parametrize("poses", [np.zeros((3, 4, 17, 3), np.float32), person(1, 1)[None]])
def test_tracking_leaves_single_and_empty_clips_alone(poses):
    assert np.array_equal(track_persons(poses), poses[:1])


def test_length_is_cut_padded_or_looped():
    poses = person(0, 0, frames=3)[None]
    assert np.array_equal(fix_length(poses, 2, "zeros"), poses[:, :2])
    padded = fix_length(poses, 5, "zeros")
    assert np.array_equal(padded[:, :3], poses)
    assert not padded[:, 3:].any()
    assert np.array_equal(fix_length(poses, 7, "loop"), poses[:, [0, 1, 2, 0, 1, 2, 0]])


def test_centres():
    poses = person(3, 4)[None]
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


def test_input_of_the_pytorch_reference_on_a_genuine_clip(real_data):
    """The array that the reference's description fixes, computed here without the library."""
    from har.annotations import read_pickle

    clips = read_pickle(real_data / "ucf101_six_clips.pkl").clips
    clip = next(clip for clip in clips if clip.id == "v_ApplyEyeMakeup_g01_c01")
    data = clip.keypoints[0].astype(np.float32)
    frames = [data[t % len(data)] - data[t % len(data)][0] for t in range(64)]
    trunk = np.median([np.linalg.norm(frame[5] - frame[11]) for frame in frames])
    expected = np.stack(frames) / (trunk if trunk > 1e-6 else 1)

    settings = Preprocess(
        persons=1, tracking=False, hide_below=0.0, center="first_joint", scale="trunk",
        frames=64, fill="loop",
    )  # fmt: skip
    poses = np.concatenate([clip.keypoints, clip.scores[..., None]], axis=-1)
    found = preprocess(poses, clip.image_size, settings, COCO)
    assert found.shape == (1, 64, 17, 3)
    np.testing.assert_allclose(found[0, ..., :2], expected, rtol=1e-5, atol=1e-6)
