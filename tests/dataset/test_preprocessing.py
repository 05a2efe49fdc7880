from itertools import combinations

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from har.dataset.person_tracking import _assign_tracks, _body_sizes, track_persons
from har.dataset.preprocessing import (
    divide_by_scale,
    fix_length,
    hide_joints,
    keep_persons,
    preprocess,
    subtract_centre,
)
from har.params import Preprocess
from har.skeleton import LAYOUTS

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


def test_tracking_undoes_swapped_slots():
    large, small = person(-100, -100, 40, size=30), person(0, -100, 40, size=10)
    shuffled = np.stack([large, small])
    for frame in np.random.default_rng(0).choice(40, 20, replace=False):
        shuffled[:, frame] = shuffled[::-1, frame].copy()
    assert np.array_equal(track_persons(shuffled), [large, small])


def test_tracking_puts_the_most_prominent_person_first():
    small, large = person(200, 100, 9, size=10), person(100, 100, 9, size=30)
    assert np.array_equal(track_persons(np.stack([small, large])), [large, small])


def test_an_early_slot_counts_twice_the_next_one():
    for ratio, large_first in ((1.9, False), (2.1, True)):
        small, large = person(200, 100, 9, size=10), person(100, 100, 9, size=10 * ratio)
        expected = [large, small] if large_first else [small, large]
        assert np.array_equal(track_persons(np.stack([small, large])), expected)


def test_who_shows_more_joints_is_more_prominent():
    few, all_joints = person(200, 100, 9, size=10), person(100, 100, 9, size=10)
    few[:, np.delete(np.arange(17), [0, 8, 16])] = 0
    assert np.array_equal(track_persons(np.stack([few, all_joints])), [all_joints, few])


def test_tracks_that_fit_no_slot_are_left_out():
    """Each two of six persons meet in one frame, so that each would need a slot of its own."""
    people = [person(200 * n, 0, 1, size=60 - 5 * n)[0] for n in range(7)]
    meetings = list(combinations(range(6), 2))
    clip = np.zeros((2, len(meetings) + 1, 17, 3), np.float32)
    for frame, (first, second) in enumerate(meetings):
        clip[:, frame] = people[first], people[second]
    clip[0, -1] = people[6]  # alone: the first slot is free then
    tracked = track_persons(clip)
    assert len(tracked) == 4  # twice as many as detections in a frame
    for slot in range(4):
        expected = np.zeros_like(clip[0])
        for frame, meeting in enumerate(meetings):
            if slot in meeting:
                expected[frame] = people[slot]
        if slot == 0:
            expected[-1] = people[6]
        assert np.array_equal(tracked[slot], expected)


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


def crowd(seed):
    """Up to five people (5, T, 17, 3) who walk, jump, come, go and change slots.

    Of every third crowd hardly a joint is seen.
    """
    generator = np.random.default_rng(seed)
    frames = int(generator.integers(2, 150))
    unseen = 0.9 if seed % 3 == 2 else 0.1
    clip = np.zeros((5, frames, 17, 3), np.float32)
    for number in range(generator.integers(1, 6)):
        one = person(*generator.uniform(0, 60, 2), frames, size=generator.uniform(5, 30))
        steps = generator.normal(0, generator.choice([0.1, 2]), (frames, 2))
        steps[generator.random(frames) < 0.02] *= 50
        one[..., :2] += steps.cumsum(0)[:, None]
        one[generator.random(one.shape[:2]) < unseen] = 0
        gone = generator.integers(0, frames, (3, 2))
        for start, end in gone[: generator.integers(4)]:
            one[start:end] = 0
        clip[number] = one
    for frame in np.flatnonzero(generator.random(frames) < generator.choice([0, 0.1, 1])):
        clip[:, frame] = generator.permutation(clip[:, frame])
    return clip


def followed_frame_by_frame(poses):
    """Track numbers (M, T): the Hungarian method in every frame, joint by joint."""
    sightings, numbers = [], np.full(poses.shape[:2], -1)
    for frame in range(poses.shape[1]):
        slots = [slot for slot in range(len(poses)) if poses[slot, frame, :, 2].any()]
        cost = np.full((len(slots), len(sightings)), 1e6)
        for row, slot in enumerate(slots):
            for column, then in enumerate(sightings):
                now = poses[slot, frame]
                both = (now[:, 2] > 0) & (then[:, 2] > 0)
                if both.any():
                    gap = np.linalg.norm(now[both, :2] - then[both, :2], axis=1).mean()
                    size = max(
                        np.sqrt(one[one[:, 2] > 0, :2].var(axis=0).sum()) for one in (now, then)
                    )
                    if gap <= max(size, 1e-3):
                        cost[row, column] = gap / max(size, 1e-3)
        for row, column in zip(*linear_sum_assignment(cost), strict=True):
            if cost[row, column] < 1e6:
                numbers[slots[row], frame] = column
        for slot in slots:
            if numbers[slot, frame] < 0:
                numbers[slot, frame] = len(sightings)
                sightings.append(None)
            sightings[numbers[slot, frame]] = poses[slot, frame]
    return numbers


@pytest.mark.parametrize("seed", range(30))
def test_frames_followed_many_at_a_time_are_those_followed_one_by_one(seed):
    poses = crowd(seed)
    seen = poses[..., 2] > 0
    found = _assign_tracks(poses, seen, seen.any(2), _body_sizes(poses, seen))
    np.testing.assert_array_equal(found, followed_frame_by_frame(poses))


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
    poses = person(-3, -4)[None]
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


def test_steps_follow_one_another():
    poses = crowd(0).astype(np.float16)
    poses[..., 2] *= np.random.default_rng(0).random(poses.shape[:3]) > 0.1
    poses[0, :, 3] *= np.float16(0.5)
    before = poses.copy()
    settings = Preprocess(
        persons=3,
        tracking=True,
        hide_below=0.5,
        center="mid_hip",
        scale="image",
        frames=50,
        fill="loop",
    )
    found = preprocess(poses, (240, 320), settings, COCO)
    kept = keep_persons(track_persons(hide_joints(poses.astype(np.float32), 0.5)), 3)
    centred = subtract_centre(fix_length(kept, 50, "loop"), "mid_hip", COCO)
    expected = divide_by_scale(centred, "image", (240, 320), COCO)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(poses, before)

    changes = {"tracking": False, "hide_below": 0.0, "center": "none", "scale": "none", "frames": 0}
    nothing = settings.model_copy(update=changes)
    np.testing.assert_array_equal(preprocess(poses, (0, 0), nothing, COCO), poses[:3])


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
        persons=1, tracking=False, hide_below=0.0, center="first_joint", scale="trunk",
        frames=64, fill="loop",
    )  # fmt: skip
    poses = np.concatenate([clip.keypoints, clip.scores[..., None]], axis=-1)
    found = preprocess(poses, clip.image_size, settings, COCO)
    assert found.shape == (1, 64, 17, 3)
    np.testing.assert_allclose(found[0, ..., :2], expected, rtol=1e-5, atol=1e-6)
