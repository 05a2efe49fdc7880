"""The real estimator on real pictures; a clip against the skeletons that OpenMMLab published."""

import os
from pathlib import Path

import numpy as np
import pytest

from benchmarks.poses import agreement
from har.clips.annotations import read_pickle
from har.clips.sources import choose
from har.dataset.person_tracking import track_persons
from har.video import estimators, weights
from har.video.extraction import extract
from tests.video.make_videos import write_video

pytest.importorskip("av", reason="PyAV is an optional extra: make video")
CLIP = "v_ApplyEyeMakeup_g01_c01"
MODELS = weights.cache_folder()


def test_agreement_on_a_clip_moved_by_a_known_way(tiny_pickle):
    """A tenth of each person's size to the right, every fourth frame lost."""
    from dataclasses import replace

    published = read_pickle(tiny_pickle).clips[0]
    published = replace(
        published,
        keypoints=published.keypoints.astype(np.float32),
        scores=np.ones_like(published.scores),
    )
    moved, scores = published.keypoints.copy(), published.scores.copy()
    moved[0, ..., 0] += 0.1 * np.ptp(moved[0], axis=1).max(axis=1)[:, None]
    scores[:, ::4] = 0
    found = agreement(replace(published, keypoints=moved, scores=scores), published)
    frames = moved.shape[1]
    assert (found.counted == frames).all() and (found.found == frames - -(-frames // 4)).all()
    # Of two persons the nearer one is taken, which may be the other one.
    np.testing.assert_allclose(found.distance, 0.1, rtol=1e-3)
    assert found.overall == pytest.approx(0.1, rel=1e-3)


needs_weights = pytest.mark.skipif(
    not all((MODELS / name).exists() for name in (weights.DETECTOR, weights.REFINER)),
    reason="needs MoveNet's weights in the cache: run `python -m har extract` once",
)


@needs_weights
def test_a_person_walks_through_the_picture(tmp_path):
    """scikit-image's astronaut on a grey wall, from the left to the right."""
    data = pytest.importorskip("skimage.data", reason="needs scikit-image for a person")
    person = data.astronaut()[:400:2, :450:2][:, :, :3]  # 200 x 225 pixels
    frames = []
    for step in range(0, 80, 8):
        frame = np.full((240, 320, 3), 120, np.uint8)
        frame[40:, step : step + 225] = person
        frames.append(frame)
    path = write_video(tmp_path / "astronaut.avi", frames)
    (clip,) = extract(path, estimators.load(MODELS, threads=1), track_persons).clips
    nose, left_eye, right_eye, left_shoulder, right_shoulder = 0, 1, 2, 5, 6
    assert len(clip.keypoints) == 1
    assert (clip.scores[0][:, [nose, left_eye, right_eye, left_shoulder]] > 0.4).all()
    # The nose is at (225, 130) of the astronaut's own picture, in every frame 8 pixels further.
    expected = np.stack([112 + 8 * np.arange(10), np.full(10, 40 + 65)], axis=1)
    assert np.abs(clip.keypoints[0, :, nose] - expected).max() < 10
    assert (clip.keypoints[0, :, left_shoulder, 0] > clip.keypoints[0, :, right_shoulder, 0]).all()


@pytest.mark.slow
@pytest.mark.skipif("REAL_DATA_DIR" not in os.environ, reason="needs REAL_DATA_DIR")
@needs_weights
def test_a_close_up_agrees_with_the_published_skeletons():
    folder = Path(os.environ["REAL_DATA_DIR"])
    published = choose(read_pickle(folder / "ucf101_six_clips.pkl"), CLIP, folder)
    estimate = estimators.load(MODELS, threads=1)
    (clip,) = extract(folder / f"{CLIP}.avi", estimate, track_persons).clips
    assert clip.keypoints.shape[1] == 164 and clip.image_size == (240, 320)
    found = agreement(clip, published)
    # Figures in docs/video.md; most of this clip shows a face and a hand.
    assert found.found.sum() / found.counted.sum() > 0.88
    assert np.nanmedian(found.distance[:5]) < 0.06 and found.overall < 0.08
