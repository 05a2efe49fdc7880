"""Centres, sizes and distances against plain loops and numbers worked out by hand."""

import numpy as np
import pytest
import torch

from har.geometry import body_size, centre_weights, frame_centres, joint_distances, normalise
from har.skeleton import LAYOUTS
from tests.tiny import FOUR_JOINTS, four_joints

WEIGHTS = (1, 1, 0.05, 0.05)  # shoulder, hip, knees


def normalised(window):
    """One person's window (T, V, C + 1), joint by joint: coordinates (T, V, C)."""
    centres, squares = {}, []
    for t, frame in enumerate(window):
        seen = [j for j, joint in enumerate(frame) if joint[-1] > 0]
        if seen:
            total = sum(WEIGHTS[j] for j in seen)
            centres[t] = sum(WEIGHTS[j] * frame[j, :-1] for j in seen) / total
        squares += [((frame[j, :-1] - centres[t]) ** 2).sum() for j in seen]
    centre, size = sum(centres.values()) / len(centres), np.sqrt(np.mean(squares))
    expected = np.zeros_like(window[..., :-1])
    for t, j in np.argwhere(window[..., -1] > 0):
        expected[t, j] = (window[t, j, :-1] - centre) / size
    return expected


@pytest.mark.parametrize("seed", range(5))
def test_normalised_coordinates_are_those_of_plain_loops(seed):
    windows = four_joints(frames=3, people=3, seed=seed)
    windows[0, 1] = 0  # a frame without a joint has no say in the window's centre
    windows[1, 1:] = 0
    found = normalise(windows[..., :-1], windows[..., -1] > 0, FOUR_JOINTS)
    expected = [normalised(window) for window in windows.double().numpy()]
    np.testing.assert_allclose(found, np.stack(expected), atol=1e-5)


def test_shoulders_and_hips_make_the_centre():
    weights = centre_weights(LAYOUTS["coco17"])
    torso = [5, 6, 11, 12]
    assert weights[torso].tolist() == [1, 1, 1, 1]
    others = np.delete(weights.numpy(), torso)
    assert others == pytest.approx(np.full(13, 0.05))

    # The shoulder at 0, the hip at (0, 4), one knee at (10, 0), the other unseen.
    frame = torch.tensor([[[0.0, 0], [0, 4], [10, 0], [99, 99]]])
    seen = torch.tensor([[True, True, True, False]])
    centre = frame_centres(frame, seen, FOUR_JOINTS)
    torch.testing.assert_close(centre, torch.tensor([[0.5 / 2.05, 4 / 2.05]]))
    assert frame_centres(frame, seen & False, FOUR_JOINTS).tolist() == [[0, 0]]


def test_size_is_the_root_mean_square_distance_of_seen_joints():
    frames = torch.tensor([[[3.0, 4], [0, 0], [99, 99]], [[0, 1], [0, 3], [1, 1]]])
    seen = torch.tensor([[True, True, False], [True, False, True]])
    centres = torch.tensor([[0.0, 0], [0, 1]])
    # Squares of the seen ones: 25 and 0, 0 and 1.
    assert body_size(frames, seen, centres).item() == pytest.approx((26 / 4) ** 0.5)
    assert body_size(frames, seen & False, centres) == 1
    assert body_size(frames[1:, :1], seen[1:, :1], centres[1:]) == 1  # no extent
    assert body_size(frames[:1, :1], seen[:1, :1], centres[:1]) == 5


def test_tiny_bodies_are_measured_and_points_are_not():
    seen = torch.ones(1, 2, dtype=torch.bool)
    for extent, size in ((0.01, 0.01), (1e-4, 1.0)):
        frame = torch.tensor([[[extent, 0], [-extent, 0]]])
        assert body_size(frame, seen, torch.zeros(1, 2)).item() == pytest.approx(size)


def test_distances_of_pairs():
    x = torch.tensor([[0.0, 0], [3, 4], [3, 0]])[None, ..., None].repeat(1, 1, 1, 3)  # (B, V, C, T)
    mask = torch.ones(1, 3, 1, 3)
    mask[0, 2, 0, 1] = 0
    mask[0, 0, 0, 2] = 0
    pairs = torch.tensor([[0, 0, 1], [1, 2, 2]])
    expected = torch.tensor([[5.0, 5, 0], [3, 0, 0], [4, 0, 4]])
    torch.testing.assert_close(joint_distances(x, mask, pairs)[0], expected)
