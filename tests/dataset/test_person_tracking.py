"""Tracking against the Hungarian method in every frame, and persons laid into slots by hand."""

from itertools import combinations

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from har.dataset import person_tracking
from har.dataset.person_tracking import PersonSlots, _Seen, _Tracks, track_persons


def person(x, y, frames=3, size=10.0, score=0.9):
    """A person (T, 17, 3) standing at (x, y), joints spread over `size` pixels, moving right."""
    pose = np.zeros((frames, 17, 3), np.float32)
    pose[..., 0] = x + np.linspace(0, size, 17) + np.arange(frames)[:, None]
    pose[..., 1] = y + np.linspace(0, size, 17) ** 2 / size
    pose[..., 2] = score
    return pose


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


def test_of_a_single_frame_the_most_prominent_person_comes_first():
    small, large = person(200, 100, 1, size=10), person(100, 100, 1, size=30)
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
    for start in generator.integers(0, frames, seed % 4):
        clip[:, start : start + frames // 8] = 0  # nobody
    for frame in np.flatnonzero(generator.random(frames) < generator.choice([0, 0.1, 1])):
        clip[:, frame] = generator.permutation(clip[:, frame])
    return clip


def followed_frame_by_frame(poses, most):
    """Track numbers (M, T): the Hungarian method in every frame, joint by joint.

    At most `most` detections are followed, and as many tracks remembered.
    """
    sightings, numbers, begun = {}, np.full(poses.shape[:2], -1), 0
    for frame in range(poses.shape[1]):
        slots = [slot for slot in range(len(poses)) if poses[slot, frame, :, 2].any()][:most]
        known = list(sightings)
        cost = np.full((len(slots), len(known)), 1e6)
        for row, slot in enumerate(slots):
            for column, number in enumerate(known):
                now, then = poses[slot, frame], sightings[number][0]
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
                numbers[slots[row], frame] = known[column]
        for slot in slots:
            if numbers[slot, frame] < 0:
                numbers[slot, frame] = begun
                begun += 1
            sightings[numbers[slot, frame]] = poses[slot, frame], frame
        for forgotten in sorted(sightings, key=lambda n: -sightings[n][1])[most:]:
            del sightings[forgotten]
    return numbers


@pytest.mark.parametrize("seed", range(30))
def test_frames_followed_many_at_a_time_are_those_followed_one_by_one(seed, monkeypatch):
    poses, most = crowd(seed), 128
    if seed % 2:  # a few frames at a time, few tracks
        most = 3
        monkeypatch.setattr(person_tracking, "_MOST_TRACKS", most)
        monkeypatch.setattr(person_tracking, "_PAIRS_AT_ONCE", 200)
    expected = followed_frame_by_frame(poses, most)
    frames, slots = np.nonzero(expected.T >= 0)
    found = _Tracks(_Seen.of(poses[slots, frames]), frames).numbers
    np.testing.assert_array_equal(found, expected[slots, frames])


def test_frames_without_a_choice_need_no_hungarian_method(monkeypatch):
    """Two people change slots in every frame, and a third one is away for two of them."""
    calls = []

    def assign(cost):
        calls.append(cost)
        return linear_sum_assignment(cost)

    monkeypatch.setattr("scipy.optimize.linear_sum_assignment", assign)
    sizes = (30, 20, 10)
    people = np.stack([person(100 * n, 0, 100, size=size) for n, size in enumerate(sizes)])
    people[2, 50:52] = 0
    clip = people.copy()
    clip[:2, ::2] = clip[1::-1, ::2].copy()
    assert np.array_equal(track_persons(clip), people)
    assert [cost.shape for cost in calls] == [(3, 3)]  # where the third one is back


@pytest.mark.parametrize("poses", [np.zeros((3, 4, 17, 3), np.float32), person(1, 1)[None]])
def test_tracking_leaves_single_and_empty_clips_alone(poses):
    assert np.array_equal(track_persons(poses), poses[:1])


def test_frame_by_frame_persons_are_followed_as_in_the_whole_clip():
    people = np.stack([person(90 * n, 40 * n, 60, size=30 - 5 * n) for n in range(3)])
    generator = np.random.default_rng(0)
    shuffled = people.copy()
    for frame in range(1, 60):
        shuffled[:, frame] = people[generator.permutation(3), frame]
        shuffled[generator.integers(3), frame] = 0
    slots, laid = PersonSlots(3, patience=10.0), np.zeros_like(people)
    for frame in range(60):
        found = slots.place(shuffled[:, frame], frame / 25)
        assert (found >= 0).tolist() == shuffled[:, frame, :, 2].any(1).tolist()
        laid[found[found >= 0], frame] = shuffled[found >= 0, frame]
    assert np.array_equal(laid, track_persons(shuffled))


def test_a_slot_is_free_when_nobody_was_seen_in_it_for_long_enough():
    first, second, third = (person(500 * n, 0, 1)[0] for n in range(3))
    slots = PersonSlots(2, patience=1.0)
    assert slots.place(np.stack([first, second]), 0.0).tolist() == [0, 1]
    assert slots.place(np.stack([third, second]), 0.9).tolist() == [-1, 1]  # one too many
    assert slots.place(np.stack([second, third]), 1.0).tolist() == [1, 0]
    assert slots.place(first[None], 1.5).tolist() == [-1]
    assert slots.place(np.zeros((0, 17, 3)), 1.6).tolist() == []
    assert slots.place(np.stack([0 * first, first]), 9.0).tolist() == [-1, 0]
