"""What the networks see, joint by joint and frame by frame."""

from itertools import combinations

import numpy as np
import torch

from har.geometry import normalise
from har.models.ddnet import DDNet
from har.models.features import PoseFeatures
from tests.tiny import FOUR_JOINTS, four_joints


def positions_and_seen(windows):
    seen = windows[..., -1] > 0
    return normalise(windows[..., :-1], seen, FOUR_JOINTS).numpy(), seen.numpy()


def difference(x, seen, one, other):
    """From joint `other` to joint `one`, each (person, frame, joint); 0 where one is missing."""
    return (x[one] - x[other]) * (seen[one] and seen[other])


def distances(x, seen, person, t):
    pairs = combinations([(person, t, j) for j in range(4)], 2)
    return [np.linalg.norm(difference(x, seen, *pair)) for pair in pairs]


def motion(x, seen, person, t, before):
    """Change (8,) of each joint from frame `before` to frame `t`; 0 without such a frame."""
    if not 0 <= before <= t < x.shape[1]:
        return np.zeros(8)
    joints = [difference(x, seen, (person, t, j), (person, before, j)) for j in range(4)]
    return np.concatenate(joints)


def test_postures_and_motion_are_those_of_plain_loops():
    windows = four_joints(frames=6)
    features = PoseFeatures(FOUR_JOINTS)
    posture, moving = features(windows)
    assert not features.state_dict()  # nothing that a checkpoint would have to carry
    assert posture.shape == (2, features.posture_channels, 6)
    assert moving.shape == (2, features.motion_channels, 6)
    x, seen = positions_and_seen(windows)
    for person, t in np.ndindex(2, 6):
        ends = enumerate(FOUR_JOINTS.parents)
        bones = [difference(x, seen, (person, t, j), (person, t, parent)) for j, parent in ends]
        expected = [*x[person, t].flat, *np.ravel(bones), *distances(x, seen, person, t)]
        np.testing.assert_allclose(posture[person, :, t], expected, atol=1e-6)
        slow, fast = (motion(x, seen, person, t, t - lag) for lag in (1, 4))
        expected = [*4 * slow, *2 * fast]
        np.testing.assert_allclose(moving[person, :, t], expected, atol=1e-6)


def test_scores_tell_seen_from_unseen_and_nothing_else():
    windows = four_joints(frames=6)
    surer = windows.clone()
    surer[..., -1] = (windows[..., -1] > 0).float()
    features = PoseFeatures(FOUR_JOINTS)
    for found, expected in zip(features(surer), features(windows), strict=True):
        torch.testing.assert_close(found, expected)


def test_ddnet_sees_distances_and_motion_from_frame_to_frame_and_over_two():
    network, given = DDNet(FOUR_JOINTS, classes=3, width=4, dropout=0.0).eval(), {}
    for name in ("distances", "slow", "fast"):
        branch = getattr(network, name)
        branch.register_forward_pre_hook(lambda _, x, name=name: given.update({name: x[0]}))
    windows = four_joints(frames=8)
    with torch.no_grad():
        network.encode(windows)
    x, seen = positions_and_seen(windows)
    assert [given[name].shape[-1] for name in ("distances", "slow", "fast")] == [8, 8, 4]
    for person, t in np.ndindex(2, 8):
        found = given["distances"][person, :, t]
        np.testing.assert_allclose(found, distances(x, seen, person, t), atol=1e-6)
        found = given["slow"][person, :, t]
        np.testing.assert_allclose(found, motion(x, seen, person, t + 1, t), atol=1e-6)
        if t % 2 == 0:
            found = given["fast"][person, :, t // 2]
            np.testing.assert_allclose(found, motion(x, seen, person, t + 2, t), atol=1e-6)
