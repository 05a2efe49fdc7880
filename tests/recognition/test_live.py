"""Naming actions while they happen, on frames whose poses and times are made up."""

import threading

import numpy as np
import pytest

from har.clips import UNLABELLED, Clip
from har.dataset.person_tracking import track_persons
from har.recognition.live import newest, watch
from tests.tiny import random_clip, tiny

PICTURE = np.zeros((256, 340, 3), np.uint8)


def watched(poses, times, **options):
    """Answers about poses (T, P, V, 3) that arrive at times."""

    def estimate(pictures):
        for _, some in zip(pictures, poses, strict=False):
            yield some

    frames = ((time, PICTURE) for time in times)
    settings = {"window": 2.0, "every": 1.0, "clock": lambda: 100.0} | options
    return list(watch(frames, estimate, track_persons, tiny(), **settings))


@pytest.fixture(scope="module")
def walker():
    """Poses (T, 1, V, 3) of four seconds at 25 frames a second."""
    clip = random_clip(0, persons=1, frames=101)
    return np.concatenate([clip.keypoints, clip.scores[..., None]], axis=-1)[0][:, None]


def test_the_last_seconds_are_named_again_and_again(walker):
    times = np.arange(101) / 25
    answers = watched(walker, 10 + times)
    np.testing.assert_allclose([answer.time for answer in answers], [1, 2, 3, 4], atol=0.05)
    assert [answer.rate for answer in answers] == pytest.approx([25] * 4)
    assert [answer.delay for answer in answers] == pytest.approx([89, 88, 87, 86], abs=0.05)
    last = walker[50:101, 0][None]  # two seconds and the frame they begin with
    clip = Clip("x", UNLABELLED, last[..., :2], last[..., 2], PICTURE.shape[:2], "x")
    np.testing.assert_allclose(answers[-1].probabilities, tiny().predict(clip), rtol=1e-4)


def test_a_slow_camera_looks_the_same_to_the_network(walker):
    """At half the rate every pose is shown twice, so that movements keep their speed."""
    slow = watched(walker[::2], np.arange(51) / 12.5)[-1]
    assert slow.rate == pytest.approx(12.5)
    frames = walker[50:101:2, 0]
    index = np.abs(np.arange(26)[:, None] / 12.5 - np.arange(51) / 25 - 1e-9).argmin(axis=0)
    clip = Clip(
        "x",
        UNLABELLED,
        frames[index][None, ..., :2],
        frames[index][None, ..., 2],
        PICTURE.shape[:2],
        "x",
    )
    np.testing.assert_allclose(slow.probabilities, tiny().predict(clip), atol=0.02)


def test_nobody_is_told():
    nobody = np.zeros((60, 0, 17, 3), np.float32)
    assert [answer.probabilities for answer in watched(nobody, np.arange(60) / 25)] == [None, None]


def test_what_came_while_the_consumer_was_busy_is_dropped():
    given = threading.Event()

    def source():
        yield "first"
        started.wait(10)
        yield from range(100)
        given.set()

    started = threading.Event()
    items = newest(source())
    assert next(items) == "first"
    started.set()
    given.wait(10)
    assert list(items) == [99]


def test_an_error_of_the_source_reaches_the_consumer():
    def source():
        yield 1
        raise ValueError("unplugged")

    with pytest.raises(ValueError, match="unplugged"):
        list(newest(source()))
