"""Streams against the clips that their windows are, cut and put together by hand."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from har.errors import UserError
from har.recognition.streaming import SlidingWindow, Stream
from har.recognition.timeline import cut, windows
from tests.tiny import KERAS, random_clip, tiny


def streamed(stream, clip, times=None):
    """All answers about a clip's frames."""
    found = []
    for frame in range(clip.keypoints.shape[1]):
        time = None if times is None else times[frame]
        found.append(stream.add(clip.keypoints[:, frame], clip.scores[:, frame], time))
    return [answer for answer in [*found, stream.end()] if answer]


def spans(frames, window, stride):
    """Start and end of what a sliding window cuts of so many frames."""
    sliding = SlidingWindow(window, stride, 25, -1)
    found = [sliding.add(number, number / 25) for number in range(frames)] + [sliding.end()]
    for stretch in filter(None, found):
        assert stretch.frames == [*range(stretch.start, stretch.start + len(stretch.frames))]
    return [(s.start, s.start + len(s.frames)) for s in found if s]


def test_windows_leave_no_frame_out():
    assert spans(10, 4, 3) == [(0, 4), (3, 7), (6, 10)]
    assert spans(11, 4, 3) == [(0, 4), (3, 7), (6, 10), (7, 11)]
    assert spans(3, 4, 3) == [(0, 3)]
    assert spans(4, 4, 9) == [(0, 4)]
    assert spans(20, 4, 9) == [(0, 4), (9, 13), (16, 20)]
    assert spans(0, 4, 9) == []


@pytest.mark.parametrize("fps", [0.0, 60.0])
@pytest.mark.parametrize("kind", ["default", "keras"])
def test_a_stream_answers_as_the_timeline_of_the_same_clip(kind, fps):
    recognizer = tiny() if kind == "default" else tiny({"arch": "keras_lstm"}, KERAS)
    clip = replace(random_clip(persons=3, frames=70), fps=fps)
    stream = Stream(recognizer, 30, 12, fps, image_size=clip.image_size)
    found, expected = streamed(stream, clip), list(windows(recognizer, clip, 30, 12))
    assert [(a.start, a.end) for a in found] == [(a.start, a.end) for a in expected]
    assert len(found) == 5
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-6)


def test_each_person_answers_as_alone_though_the_detector_changes_their_order():
    recognizer, clip = tiny(), random_clip(frames=60)
    order = np.random.default_rng(0).permuted(np.tile(np.arange(2), (60, 1)), axis=1).T
    shuffled = replace(
        clip,
        keypoints=np.take_along_axis(clip.keypoints, order[:, :, None, None], 0),
        scores=np.take_along_axis(clip.scores, order[:, :, None], 0),
    )
    for answer in streamed(Stream(recognizer, 20, 20, per_person=True), shuffled):
        for slot, who in enumerate(order[:, 0]):
            person = replace(clip, keypoints=clip.keypoints[[who]], scores=clip.scores[[who]])
            alone = recognizer.predict(cut(person, answer.start, answer.end))
            np.testing.assert_allclose(answer.persons[slot], alone, atol=1e-6)
        assert list(answer.persons) == [0, 1]


def test_a_model_that_follows_nobody_gets_persons_in_their_slots_if_asked():
    recognizer, clip = tiny(preprocess={"tracking": False}), random_clip(frames=20)
    swapped = [clip.keypoints.copy(), clip.scores.copy()]
    for array in swapped:
        array[:, 10:] = array[::-1, 10:].copy()
    changed = replace(clip, keypoints=swapped[0], scores=swapped[1])
    (found,) = streamed(Stream(recognizer, 20, 20, follow=True), changed)
    np.testing.assert_allclose(found.probabilities, recognizer.predict(clip), atol=1e-6)
    (found,) = streamed(Stream(recognizer, 20, 20), changed)
    np.testing.assert_allclose(found.probabilities, recognizer.predict(changed), atol=1e-6)


def test_frames_take_the_place_that_is_nearest_in_time():
    sliding = SlidingWindow(8, 8, 10.0, "nobody")
    for name, time in [("a", 5.0), ("b", 5.01), ("c", 5.11), ("d", 5.09), ("e", 5.4)]:
        if name != "d":
            assert sliding.add(name, time) is None
    with pytest.raises(UserError, match=r"time is 5\.09 s, after one at 5\.4 s"):
        sliding.add("d", 5.09)
    assert sliding.end().frames == ["a", "c", "c", "e", "e"]
    stretch = sliding.add("f", 7.0)  # places 5 to 9 are near e, 15 on near f
    assert stretch.start == 13 and stretch.frames == ["nobody"] * 2 + ["f"] * 6
    assert sliding.add("g", 1e9).frames == ["nobody"] * 2 + ["g"] * 6
    for wrong in (np.nan, np.inf, 1e300):
        with pytest.raises(UserError, match="give seconds"):
            sliding.add("h", wrong)


def test_a_fast_camera_keeps_the_nearest_frame():
    sliding = SlidingWindow(3, 3, 10.0, "")
    times = [0, 0.03, 0.06, 0.09, 0.12, 0.15, 0.18, 0.21]
    found = [sliding.add(time, time) for time in times]
    assert [stretch.start for stretch in found if stretch] == [0]
    assert sliding.end() is None
    assert list(sliding._frames) == [0, 0.09, 0.21]


def test_nobody_is_no_answer_and_nothing_is_nothing():
    stream = Stream(tiny(), 10, 10, per_person=True)
    assert stream.end() is None
    found = [stream.add([]) for _ in range(10)][-1]
    assert (found.start, found.end, found.probabilities, found.persons) == (0, 10, None, {})
    assert stream.end() is None


def test_memory_does_not_grow():
    stream, frame = Stream(tiny(), 50, 10**9), random_clip(persons=4, frames=1)
    tracemalloc.start()
    try:
        for number in range(600):
            stream.add(frame.keypoints[:, 0], frame.scores[:, 0])
            if number == 100:
                early, _ = tracemalloc.get_traced_memory()
        late, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert late - early < 200_000  # 500 frames of four persons take 400 kB


@pytest.mark.parametrize(
    ("keypoints", "scores", "reason"),
    [
        (np.ones((17, 2)), None, r"shape \(17, 2\): give persons, the 17 joints of coco17"),
        (np.ones((1, 25, 2)), None, "17 joints of coco17"),
        (np.ones((1, 17, 2)), np.ones((2, 17)), "one score per joint"),
        (np.ones((1, 17, 5)), None, "5 numbers per joint"),
        ("hello", None, "needs numbers"),
        ([[[1, 2], [3]]], None, "needs numbers"),
    ],
)
def test_wrong_frames_are_refused_and_leave_the_stream_as_it_was(keypoints, scores, reason):
    stream, clip = Stream(tiny(), 10, 10), random_clip(frames=10)
    with pytest.raises(UserError, match=reason):
        stream.add(keypoints, scores)
    (found,) = streamed(stream, clip)
    np.testing.assert_allclose(found.probabilities, tiny().predict(clip), atol=1e-6)


def test_wrong_lengths_are_refused():
    for window, stride, fps in ((0, 1, 25), (1, 0, 25), (1, 1, -1), (1, 1, np.nan)):
        with pytest.raises(UserError, match="whole numbers"):
            Stream(tiny(), window, stride, fps)
