import sys

import numpy as np
import pytest

from har.errors import UserError
from har.evaluation.doubts import doubts, near_duplicates


def test_the_least_likely_label_is_doubted_first():
    pytest.importorskip("cleanlab", reason="cleanlab is not installed (requirements-audit.lock)")
    probabilities = np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.2, 0.3, 0.5], [0.5, 0.4, 0.1]])
    found = doubts(np.array([0, 0, 2, 1]), probabilities)
    assert [doubt.clip for doubt in found] == [1, 3, 2, 0]
    assert [doubt.suggestion for doubt in found] == [1, 0, 1, 1]
    # The margin -0.5 to 0.5, brought to 0 to 1.
    assert [doubt.quality for doubt in found] == pytest.approx([0.25, 0.45, 0.6, 0.75])
    assert (found[0].label_probability, found[0].suggestion_probability) == (0.1, 0.6)
    np.testing.assert_allclose(probabilities.sum(1), 1)


def test_near_duplicates_are_the_pairs_far_nearer_than_others():
    features = np.random.default_rng(0).normal(0, 1, (50, 8))
    features[7] = features[3] + 1e-3
    features[20] = features[40]
    found = near_duplicates(features)
    assert [pair[:2] for pair in found] == [(20, 40), (3, 7)]
    gaps = np.linalg.norm(features[:, None] - features, axis=2) + 1e9 * np.eye(50)
    expected = gaps[3, 7] / np.median(gaps.min(1))
    assert found[0][2] == 0 and found[1][2] == pytest.approx(expected)
    assert near_duplicates(features[:2]) == []


def test_without_cleanlab_it_is_told_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "cleanlab.rank", None)
    with pytest.raises(UserError, match=r"pip install .*requirements-audit\.lock"):
        doubts(np.array([0, 1]), np.eye(2))
