"""From a video to a clip, with networks that stand in for the estimators."""

import numpy as np
import pytest

from har.clips import UNLABELLED
from har.dataset.person_tracking import track_persons
from har.video.extraction import extract
from tests.video.make_videos import write_video
from tests.video.stand_ins import JOINTS, frame_with_spots

pytest.importorskip("av", reason="PyAV is an optional extra: make video")


def video(folder, frames=6, size=(96, 128), name="walk.mp4", **options):
    black = [np.zeros((*size, 3), np.uint8)] * frames
    return write_video(folder / name, black, **options)


def person(x, y, side=40.0, score=0.8):
    """A pose (V, 3) whose joints lie on the diagonal of a square around (x, y)."""
    steps = np.linspace(-side / 2, side / 2, JOINTS)
    return np.stack([x + steps, y + steps, np.full(JOINTS, score)], axis=1).astype(np.float32)


def finds(*per_frame):
    """An estimator that finds what is told, frame by frame."""

    def estimate(frames):
        for _, found in zip(frames, per_frame, strict=True):
            yield np.array(found, np.float32).reshape(-1, JOINTS, 3)

    return estimate


def test_a_clip_is_what_was_found(tmp_path):
    found = [[person(40 + n, 50)] for n in range(6)]
    clips = extract(video(tmp_path), finds(*found), track_persons)
    (clip,) = clips.clips
    assert (clip.id, clip.label, clip.image_size, clip.fps) == ("walk", UNLABELLED, (96, 128), 25)
    assert clip.keypoints.shape == (1, 6, JOINTS, 2) and clip.keypoints.dtype == np.float16
    expected = np.array(found, np.float32)[:, 0]
    np.testing.assert_allclose(clip.keypoints[0], expected[..., :2], rtol=1e-3)
    np.testing.assert_allclose(clip.scores[0], expected[..., 2], rtol=1e-3)
    assert clips.notes == []


def test_a_person_keeps_a_slot_and_missed_frames_are_zeros(tmp_path):
    left, right = person(30, 50), person(100, 50, side=50)
    found = [left, right], [right, left], [right], [], [left, right], [right, left]
    (clip,) = extract(video(tmp_path), finds(*found), track_persons).clips
    assert clip.keypoints.shape[:2] == (2, 6)
    seen = clip.scores.any(axis=2)
    assert seen.tolist() == [
        [True, True, True, False, True, True],
        [True, True, False, False, True, True],
    ]
    centres = clip.keypoints.astype(float).mean(axis=2)
    np.testing.assert_allclose(centres[0, seen[0], 0], 100, atol=0.1)
    np.testing.assert_allclose(centres[1, seen[1], 0], 30, atol=0.1)
    assert not clip.keypoints[~seen].any()


def test_only_so_many_and_large_enough_persons_are_kept(tmp_path):
    crowd = [person(60, 50, side=60), person(20, 50), person(100, 50), person(110, 20, side=3)]
    path, found = video(tmp_path), finds(*[crowd] * 6)
    assert len(extract(path, found, track_persons, persons=9).clips[0].keypoints) == 3
    assert len(extract(path, found, track_persons, persons=9, least_size=0).clips[0].keypoints) == 4
    (clip,) = extract(path, found, track_persons, persons=1).clips
    np.testing.assert_allclose(clip.keypoints[0].astype(float).mean((0, 1)), (60, 50), atol=0.1)


def test_nobody_gives_an_empty_clip_and_a_note(tmp_path):
    clips = extract(video(tmp_path), finds(*[[]] * 6), track_persons)
    assert clips.clips[0].keypoints.shape == (1, 6, JOINTS, 2)
    assert not clips.clips[0].scores.any()
    assert clips.notes == [f"{tmp_path / 'walk.mp4'}: nobody was seen"]


def test_pixels_are_those_of_the_video_also_where_it_was_shrunk(tmp_path):
    path = video(tmp_path, frames=2, size=(1440, 2560))
    (clip,) = extract(path, finds([person(640, 360, 200)], []), track_persons).clips
    np.testing.assert_allclose(clip.keypoints[0, 0].astype(float).mean(0), (1280, 720), rtol=1e-3)


def test_a_group_is_told_by_names_like_ucf101s(tmp_path):
    path = video(tmp_path, name="v_JumpRope_g07_c03.avi", frames=1)
    (clip,) = extract(path, finds([person(40, 50)]), track_persons).clips
    assert (clip.id, clip.group) == ("v_JumpRope_g07_c03", "JumpRope_g07")


def test_frames_reach_the_estimator_in_order(tmp_path):
    frames = [frame_with_spots((96, 128), (20 + 5 * n, 48), side=16) for n in range(6)]
    brightest = []

    def estimate(given):
        for frame in given:
            brightest.append(np.nonzero(frame[..., 0] > 128)[1].mean())
            yield np.zeros((0, JOINTS, 3), np.float32)

    extract(write_video(tmp_path / "a.mp4", frames), estimate, track_persons)
    np.testing.assert_allclose(brightest, 19.5 + 5 * np.arange(6), atol=1)
