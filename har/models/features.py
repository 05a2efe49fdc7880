"""What the networks see of a window: normalised joints, bones, motion and joint distances.

All functions take any leading dimensions and treat each person of each window alone, so that
neither the order nor the number of persons matters. Nothing is ever divided by zero: a window
without a single seen joint gives zeros.
"""

import torch
from torch import Tensor, nn

from har.skeleton import Layout

# Heads, arms and legs swing; shoulders and hips say where the body is. The rest counts a little,
# so that a close-up without a torso has a centre too.
OTHER_JOINTS_WEIGHT = 0.05
# Motion is a small fraction of the body size: these bring it to the scale of the positions.
VELOCITIES = ((1, 4.0), (4, 2.0))


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

    The centre is one for the whole window, so that a walk across the picture stays one.

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
    gap = (x.index_select(1, first) - x.index_select(1, second)).square().sum(2).sqrt()
    return gap * (mask.index_select(1, first) * mask.index_select(1, second)).squeeze(2)


class PoseFeatures(nn.Module):
    """Features of a raw window, split into what a posture is and how it moves.

    Joint-pair distances follow DD-Net (Yang et al. 2019, 'Make skeleton-based action recognition
    model smaller, faster and better'). The score tells seen from unseen and nothing else: its
    values mean different things in different data sets.
    """

    def __init__(self, layout: Layout) -> None:
        """Prepare the joint indices of a layout."""
        super().__init__()
        self.layout = layout
        joints = len(layout.joints)
        self.pairs: Tensor
        self.parents: Tensor
        pairs = torch.triu_indices(joints, joints, 1)
        self.register_buffer("pairs", pairs, persistent=False)
        self.register_buffer("parents", torch.tensor(layout.parents), persistent=False)
        coordinates = joints * layout.dimensions
        self.posture_channels = 2 * coordinates + pairs.shape[1]
        self.motion_channels = len(VELOCITIES) * coordinates

    def forward(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        """Make the features of each person's window.

        Args:
            windows: (B, T, V, C+1) coordinates in any unit and score.

        Returns:
            posture (B, posture_channels, T): positions, bones and joint-pair distances;
            motion (B, motion_channels, T): velocities over one and over four frames.
        """
        seen = windows[..., -1] > 0
        position = normalise(windows[..., :-1], seen, self.layout)
        # Time goes last, as the convolutions want it; it also makes the many pairs 15 times faster.
        x = position.permute(0, 2, 3, 1).contiguous()
        mask = seen.transpose(1, 2).unsqueeze(2).to(x.dtype).contiguous()

        bones = (x - x.index_select(1, self.parents)) * mask * mask.index_select(1, self.parents)
        posture = (x.flatten(1, 2), bones.flatten(1, 2), joint_distances(x, mask, self.pairs))
        motion = []
        for lag, factor in VELOCITIES:
            both = mask[..., lag:] * mask[..., :-lag]
            change = (x[..., lag:] - x[..., :-lag]) * both * factor
            motion.append(nn.functional.pad(change.flatten(1, 2), (lag, 0)))
        return torch.cat(posture, 1), torch.cat(motion, 1)
