"""The map of clips."""

import numpy as np
import pytest

from har.errors import UserError
from har.recognition.clip_map import principal_components
from tests.tiny import random_clip, tiny


def test_the_map_keeps_as_much_of_the_distances_as_two_numbers_can():
    recognizer, clips = tiny(), [random_clip(seed, 1, 20 + seed) for seed in range(8)]
    found = recognizer.directions(clips).astype(float)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=2e-3)
    places = principal_components(recognizer, clips)
    centred = found - found.mean(axis=0)
    left, sizes, _ = np.linalg.svd(centred)
    np.testing.assert_allclose(np.abs(places), np.abs(left[:, :2] * sizes[:2]), atol=1e-4)


def test_two_clips_make_no_map():
    with pytest.raises(UserError, match="three or more"):
        principal_components(tiny(), [random_clip(0), random_clip(1)])
