"""Arithmetic on joints: centres, body size, normalised coordinates, distances of joint pairs.

Functions take any leading dimensions and treat each person of each window alone, so that neither
the order nor the number of persons matters. No division is by zero: a window without a seen joint
gives zeros.
"""

import functools

import torch
from torch import Tensor

from har.skeleton import Layout

# Heads, arms and legs swing, while shoulders and hips mark the place of the body. Other joints have
# a small weight, so that a close-up without a torso has a centre too.
OTHER_JOINTS_WEIGHT = 0.05


def centre_weights(layout: Layout) -> Tensor:
    """Weight (V,) of each joint in the centre of a frame."""
    weights = torch.full((len(layout.joints),), OTHER_JOINTS_WEIGHT)
    weights[list(layout.shoulders + layout.hips)] = 1.0
    return weights


def frame_centres(coordinates: Tensor, seen: Tensor, layout: Layout) -> Tensor:
    """Weighted mean of a person's seen joints in each frame.

    Args:
        coordinates: (..., T, V, C).
        seen: (..., T, V) bool.
        layout: names shoulders and hips.

    Returns:
        (..., T, C), zeros in frames without a seen joint.
    """
    weights = seen * centre_weights(layout).to(coordinates.device)
    total = weights.sum(-1, keepdim=True)
    return (coordinates * weights[..., None]).sum(-2) / torch.where(total > 0, total, 1.0)


def body_size(coordinates: Tensor, seen: Tensor, centres: Tensor) -> Tensor:
    """Root mean square distance of the seen joints to their frame's centre, over the window.

    Args:
        coordinates: (..., T, V, C).
        seen: (..., T, V) bool.
        centres: (..., T, C) of `frame_centres`.

    Returns:
        (...,), 1 where there is no extent (no joint or a single one).
    """
    squares = (coordinates - centres[..., None, :]).square().sum(-1) * seen
    number = seen.sum((-2, -1))
    mean = squares.sum((-2, -1)) / number.clamp(min=1)
    return torch.where(mean > 1e-6, mean, 1.0).sqrt()


def normalise(coordinates: Tensor, seen: Tensor, layout: Layout) -> Tensor:
    """Coordinates relative to the window's centre, in body sizes, 0 where unseen.

    The whole window shares one centre, so that a walk across the picture stays a walk.

    Args:
        coordinates: (..., T, V, C).
        seen: (..., T, V) bool.
        layout: names shoulders and hips.

    Returns:
        (..., T, V, C) dimensionless.
    """
    centres = frame_centres(coordinates, seen, layout)
    present = seen.any(-1).to(coordinates.dtype)[..., None]
    number = present.sum(-2, keepdim=True).clamp(min=1)
    centre = (centres * present).sum(-2, keepdim=True) / number
    size = body_size(coordinates, seen, centres)[..., None, None, None]
    return (coordinates - centre[..., None, :]) / size * seen[..., None]


def joint_distances(x: Tensor, mask: Tensor, pairs: Tensor) -> Tensor:
    """Distances of joint pairs, 0 where either joint is unseen.

    Args:
        x: (B, V, C, T) coordinates.
        mask: (B, V, 1, T), 1 where seen, 0 elsewhere.
        pairs: (2, P) joint indices.

    Returns:
        (B, P, T).
    """
    first, second = pairs[0], pairs[1]
    # In place, since these are the largest arrays of all, and nothing in them is learnt.
    squares = (
        channel.index_select(1, first).sub_(channel.index_select(1, second)).square_()
        for channel in x.unbind(2)
    )
    gap = functools.reduce(Tensor.add_, squares).sqrt_()
    seen = mask.squeeze(2)
    return gap.mul_(seen.index_select(1, first)).mul_(seen.index_select(1, second))
