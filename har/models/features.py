"""Inputs of the networks: normalised joints, bones, motion and joint distances of a window."""

from itertools import combinations

import torch
from torch import Tensor, nn

from har.geometry import joint_distances, normalise
from har.skeleton import Layout

# Motion is a small fraction of the body size: these bring it to the scale of the positions.
VELOCITIES = ((1, 4.0), (4, 2.0))


class PoseFeatures(nn.Module):
    """Features of a raw window: posture, and its motion.

    Joint-pair distances follow DD-Net (Yang et al. 2019, 'Make skeleton-based action recognition
    model smaller, faster and better'). Of the score only the sign
    is used: its values mean different things in different data sets.
    """

    def __init__(self, layout: Layout) -> None:
        """Prepare the joint indices of a layout."""
        super().__init__()
        self.layout = layout
        joints = len(layout.joints)
        self.pairs: Tensor
        self.parents: Tensor
        # torch.triu_indices would, for a network without memory, import a second of packages.
        pairs = torch.tensor([*combinations(range(joints), 2)], dtype=torch.long)
        pairs = pairs.reshape(-1, 2).T.contiguous()
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
