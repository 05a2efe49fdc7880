"""Naming actions while they happen, on frames whose poses and times are made up."""

import threading

import numpy as np
import pytest

from har.clips import UNLABELLED, Clip
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
    return list(watch(frames, estimate, tiny(), **settings))


@pytest.fixture(scope="module")
def walker():
    """Poses (T, 1, V, 3) of four seconds at 25 frames a second."""
    clip = random_clip(0, persons=1, frames=100)
    return np.concatenate([clip.keypoints, clip.scores[..., None]], axis=-1)[0][:, None]


def answer_about(frames):
    """What the model says of poses (T, V, 3)."""
    last = frames[None]
    clip = Clip("x", UNLABELLED, last[..., :2], last[..., 2], PICTURE.shape[:2], "x")
    return tiny().predict(clip)


def test_the_last_seconds_are_named_again_and_again(walker):
    answers = watched(walker, 10 + np.arange(100) / 25)
    assert [answer.time for answer in answers] == [2, 3, 4]
    assert [answer.rate for answer in answers] == pytest.approx([25] * 3)
    assert [answer.delay for answer in answers] == pytest.approx([88.04, 87.04, 86.04])
    np.testing.assert_allclose(answers[-1].probabilities, answer_about(walker[50:, 0]), rtol=1e-4)


def test_a_stream_that_ends_is_named_to_its_end(walker):
    answers = watched(walker[:30], np.arange(30) / 25)
    assert [answer.time for answer in answers] == [1.2]
    np.testing.assert_allclose(answers[0].probabilities, answer_about(walker[:30, 0]), rtol=1e-4)


def test_a_slow_camera_looks_the_same_to_the_network(walker):
    """At half the rate poses are shown twice, so that movements keep their speed."""
    slow = watched(walker[::2], np.arange(50) / 12.5)[-1]
    assert slow.rate == pytest.approx(12.5)
    nearest = np.repeat(np.arange(24, 50), 2)[1:-1] * 2  # the second one of a pair is halfway
    assert slow.time == pytest.approx(99 / 25)
    expected = answer_about(walker[nearest, 0])
    np.testing.assert_allclose(slow.probabilities, expected, atol=0.02)


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
