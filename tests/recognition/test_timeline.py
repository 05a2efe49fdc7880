"""Timelines: what is told of a clip's windows."""

import numpy as np
import pytest

from har.recognition.streaming import Window
from har.recognition.timeline import actions


def test_actions_of_a_timeline_change_between_the_middles_of_windows():
    walk, run = np.array([0.8, 0.2]), np.array([0.4, 0.6])
    found = actions(
        [Window(0, 10, walk), Window(4, 14, 0.5 * walk), Window(8, 18, None), Window(12, 22, run)],
        22,
    )
    assert [(a.start, a.end, a.label) for a in found] == [(0, 11, 0), (11, 15, None), (15, 22, 1)]
    assert [a.probability for a in found] == [pytest.approx(0.6), None, pytest.approx(0.6)]


def test_unknown_stretches_stand_for_themselves():
    walk = np.array([0.8, 0.2])
    found = actions([Window(0, 4, walk), Window(4, 8, walk, True), Window(8, 12, None)], 12)
    assert [(a.start, a.end) for a in found] == [(0, 4), (4, 8), (8, 12)]
    assert [(a.label, a.unknown) for a in found] == [(0, False), (None, True), (None, False)]
