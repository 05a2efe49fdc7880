"""The real estimator on a real clip, against the skeletons that OpenMMLab published of it."""

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

pytest.importorskip("av", reason="PyAV is an optional extra: make video")
CLIP = "v_ApplyEyeMakeup_g01_c01"
MODELS = weights.cache_folder()


def test_agreement_on_a_clip_moved_by_a_known_way(tiny_pickle):
    """A tenth of each person's size to the right, every fourth frame lost."""
    from dataclasses import replace

    published = read_pickle(tiny_pickle).clips[0]
    published = replace(
        published, keypoints=published.keypoints.astype(np.float32),
        scores=np.ones_like(published.scores),
    )  # fmt: skip
    moved, scores = published.keypoints.copy(), published.scores.copy()
    moved[0, ..., 0] += 0.1 * np.ptp(moved[0], axis=1).max(axis=1)[:, None]
    scores[:, ::4] = 0
    found = agreement(replace(published, keypoints=moved, scores=scores), published)
    frames = moved.shape[1]
    assert (found.counted == frames).all() and (found.found == frames - -(-frames // 4)).all()
    # Of two persons the nearer one is taken, which may be the other one.
    np.testing.assert_allclose(found.distance, 0.1, rtol=1e-3)
    assert found.overall == pytest.approx(0.1, rel=1e-3)


@pytest.mark.slow
@pytest.mark.skipif("REAL_DATA_DIR" not in os.environ, reason="needs REAL_DATA_DIR")
@pytest.mark.skipif(
    not all((MODELS / name).exists() for name in (weights.DETECTOR, weights.REFINER)),
    reason="needs MoveNet's weights in the cache: run `python -m har extract` once",
)
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
