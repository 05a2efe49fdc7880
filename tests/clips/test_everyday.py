"""Everyday movements: every class, its repeatability, and what its mechanics promise."""

import numpy as np
import pytest

from har.clips.annotations import read_pickle, write_pickle
from har.clips.simulate import everyday
from har.clips.simulate.everyday import ACTIONS, CLASSES
from har.clips.simulate.everyday_clips import simulate_everyday
from har.clips.simulate.kinematics import ANKLE, joints, path, sample_bodies, standing
from har.clips.simulate.programs import sample_programs
from har.clips.simulate.scene import Scene
from har.skeleton import LAYOUTS

GROOMING = ("makeup", "lipstick", "blow", "teeth", "massage", "hair")


def moved(name: str, number: int = 40, seconds: float = 6.0, frames: int = 240):
    """Joints (N, T, 17, 3) of one class before anybody films them, with the motion."""
    generator = np.random.default_rng(5)
    bodies = sample_bodies(generator, number)
    motion = standing(number, frames)
    times = np.broadcast_to(np.linspace(0, seconds, frames, dtype=np.float32), (number, frames))
    ACTIONS[name].move(motion, Scene(generator, bodies, times, np.full((number, 1), seconds)))
    return joints(bodies, motion), motion


@pytest.fixture(scope="module")
def windows():
    return everyday.draw(400, np.random.default_rng(3), frames=32, persons=2)


def test_windows_have_the_shapes_and_nothing_that_is_no_number(windows):
    assert windows.poses.shape == (400, 2, 32, 17, 3) and windows.poses.dtype == np.float32
    assert windows.truth.shape == (400, 32, 17, 3) and windows.view.shape == (400, 32)
    for array in (windows.poses, windows.truth, windows.view):
        assert np.isfinite(array).all()
    assert set(windows.labels) == set(range(len(CLASSES)))


def test_a_missing_joint_is_all_zeros_and_scores_lie_in_0_to_1(windows):
    score = windows.poses[..., 2]
    assert score.min() == 0 and score.max() <= 1 and 0.5 < (score[:, 0] > 0).mean() < 0.95
    assert not windows.poses[score == 0].any()


def test_seen_joints_lie_near_the_truth(windows):
    seen = windows.poses[:, 0, ..., 2] > 0.5
    away = np.linalg.norm(windows.poses[:, 0, ..., :2] - windows.truth[..., :2], axis=-1)
    height = np.ptp(windows.truth[..., 1], axis=(1, 2))[:, None, None]
    assert np.median((away / height)[seen]) < 0.02


def test_movenet_scores_low_and_says_where_unseen_joints_might_be():
    """docs/simulated.md has the figures of the real one."""

    def poses_and_inside(*shares):
        drawn = everyday.draw(1500, np.random.default_rng(2), 32, shares=shares)
        places, size = drawn.truth[..., :2], drawn.image_size[:, None, None]
        inside = ((places > 0) & (places < size)).all(-1)
        return drawn.poses[:, 0], inside, size

    poses, inside, size = poses_and_inside(0, 1, 0)
    score = poses[..., 2]
    there = score.any(-1)
    low, middle, high = np.quantile(score[there & inside.all(-1)], (0.1, 0.5, 0.9))
    assert low < 0.3 and 0.5 < middle < 0.7 and 0.75 < high < 0.85
    outside = there[..., None] & ~inside
    assert np.median(score[outside]) < 0.15 and (score[outside] > 0).mean() > 0.6
    told = (poses[..., :2] / size)[outside & (score > 0)]
    assert ((told > -0.1) & (told < 1.1)).all(-1).mean() > 0.99
    hips = inside[..., 11:13].any(-1)
    assert there[~hips].mean() < 0.96 < there[hips].mean()

    poses, inside, _ = poses_and_inside(1, 0, 0)
    assert np.median(poses[..., 2][inside & (poses[..., 2] > 0)]) > 0.8
    assert not poses[~inside].any()


def test_the_generator_decides_everything(windows):
    again = everyday.draw(400, np.random.default_rng(3), frames=32, persons=2)
    other = everyday.draw(400, np.random.default_rng(4), frames=32, persons=2)
    assert np.array_equal(again.poses, windows.poses)
    assert np.array_equal(again.labels, windows.labels)
    assert not np.array_equal(other.poses, windows.poses)


def test_programs_are_classes_of_their_own():
    generator = np.random.default_rng(1)
    few = sample_programs(generator, 5)
    windows = everyday.draw(60, generator, 16, classes=("walking",), programs=few)
    assert set(windows.labels) == set(range(6)) and np.isfinite(windows.poses).all()
    assert len(everyday.draw(8, generator, 16, (), programs=few[np.arange(2)]).labels) == 8


def test_the_clip_set_is_a_published_set_of_separate_people(tmp_path):
    made = simulate_everyday(2, ("walking", "squats"), (1, 17, 24), clips=1, frames=20)
    assert [clip.id for clip in made.clips[:2]] == ["walking_p01_c01", "walking_p17_c01"]
    assert {clip.label for clip in made.clips} == {CLASSES.index(c) for c in ("walking", "squats")}
    for clip in made.clips:
        persons, frames, joint_count, _ = clip.keypoints.shape
        assert persons in (1, 2) and 12 <= frames <= 20 and joint_count == 17
        assert np.isfinite(clip.keypoints).all() and clip.scores.max() <= 1
        assert clip.scores.any(axis=(1, 2))[0]
    assert [len(made.subsets[name]) for name in ("train", "val", "test")] == [2, 2, 2]
    write_pickle(tmp_path / "set.pkl", made)
    assert read_pickle(tmp_path / "set.pkl").classes == list(CLASSES)


def test_a_part_of_the_clip_set_holds_the_clips_of_the_whole():
    whole = simulate_everyday(7, ("boxing", "typing"), (3, 4), clips=2)
    part = simulate_everyday(7, ("typing",), (4,), clips=1)
    same = next(clip for clip in whole.clips if clip.id == part.clips[0].id)
    assert np.array_equal(same.keypoints, part.clips[0].keypoints)
    other = simulate_everyday(8, ("typing",), (4,), clips=1).clips[0]
    assert (
        other.keypoints.shape != same.keypoints.shape or (other.keypoints != same.keypoints).any()
    )


@pytest.mark.parametrize("name", CLASSES)
def test_bones_keep_their_length_and_people_stay_above_the_ground(name):
    points, motion = moved(name, 12, 3.0, 60)
    assert np.isfinite(points).all() and np.isfinite(motion.heading).all()
    for start, end in ((5, 7), (7, 9), (11, 13), (13, 15)):
        length = np.linalg.norm(points[:, :, start] - points[:, :, end], axis=-1)
        assert np.ptp(length, axis=1).max() < 1e-3
    assert points[..., 1].min() > -0.1 or name == "none"


def test_no_grooming_action_is_in_the_catalogue():
    assert not [name for name in CLASSES if any(word in name.lower() for word in GROOMING)]


def test_feet_of_squats_stay_where_they_are():
    points, _ = moved("squats")
    feet = points[:, :, 15:17]
    assert np.ptp(feet, axis=1).max() < 0.02
    assert np.abs(feet[..., 1] - ANKLE).max() < 0.02
    hips = points[:, :, 11, 1]
    assert (np.ptp(hips, axis=1) > 0.25).all()


def test_the_lowest_foot_of_a_walk_is_on_the_ground():
    points, _ = moved("walking")
    assert np.allclose(points[:, :, 15:17, 1].min(-1), ANKLE, atol=1e-4)


def test_walkers_take_as_many_steps_as_walkers_do_and_runners_more():
    rates = {}
    for name in ("walking", "jogging", "running"):
        points, _ = moved(name, 60, 6.0, 360)
        apart = (points[:, :, 15] - points[:, :, 16])[..., 2]
        crossings = (np.diff(np.sign(apart), axis=1) != 0).sum(1)
        rates[name] = np.median(crossings) / 6
    assert 1.5 < rates["walking"] < 2.2  # Winter: 101 to 122 steps a minute
    assert rates["walking"] < rates["jogging"] < rates["running"]


def test_a_mirrored_body_is_the_mirror_image():
    generator = np.random.default_rng(0)
    bodies = sample_bodies(generator, 5)
    motion = standing(5, 8)
    motion.arms[:] = generator.normal(0, 1, motion.arms.shape)
    motion.legs[:] = generator.normal(0, 0.5, motion.legs.shape)
    motion.leg_mode[:] = 2
    motion.spine[..., 0] = generator.normal(0, 0.4, (5, 8))
    points = joints(bodies, motion)
    motion.arms, motion.legs = motion.arms[:, :, ::-1], motion.legs[:, :, ::-1]
    mirrored = joints(bodies, motion)
    flipped = points[:, :, LAYOUTS["coco17"].flip] * (-1, 1, 1)
    assert np.allclose(mirrored, flipped, atol=1e-5)


def test_a_path_stands_at_its_values():
    seconds = np.linspace(-1, 3, 9)[None]
    values = path(seconds, (0, 1, 2), (5, np.array([[1.0]]), 2))
    assert values[0, [0, 2, 4, 6, 8]] == pytest.approx([5, 5, 1, 2, 2])
    assert values[0, 3] == pytest.approx(3)  # half-way at half of the time
