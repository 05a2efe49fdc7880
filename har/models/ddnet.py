"""DD-Net: joint-pair distances and motion at two speeds (Yang et al. 2019, arXiv 1907.09658)."""

import torch
from torch import Tensor, nn

from har.geometry import joint_distances, normalise
from har.models.persons import over_persons
from har.skeleton import Layout


def convolution(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    """Convolution over time, batch norm, leaky ReLU."""
    return nn.Sequential(
        nn.Conv1d(inputs, outputs, kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm1d(outputs),
        nn.LeakyReLU(0.2),
    )


def embedding(inputs: int, width: int, halve: bool) -> nn.Sequential:
    """The convolutions of one branch, before the branches are joined."""
    return nn.Sequential(
        convolution(inputs, 2 * width, 1),
        nn.Dropout1d(0.1),
        convolution(2 * width, width, 3),
        nn.Dropout1d(0.1),
        convolution(width, width, 1),
        nn.MaxPool1d(2) if halve else nn.Identity(),
        nn.Dropout1d(0.1),
    )


class DDNet(nn.Module):
    """DD-Net with the paper's layers; a window has an even number of frames, 32 in the paper.

    Unlike the paper's, coordinates are centred and in body sizes, as for every network here.
    """

    def __init__(self, layout: Layout, classes: int, width: int, dropout: float) -> None:
        """Make the network; the paper's widths are 64, 32 and 16."""
        super().__init__()
        self.layout = layout
        joints = len(layout.joints)
        self.pairs: Tensor
        pairs = torch.triu_indices(joints, joints, 1)
        self.register_buffer("pairs", pairs, persistent=False)
        coordinates = joints * layout.dimensions
        self.distances = embedding(pairs.shape[1], width, halve=True)
        self.slow = embedding(coordinates, width, halve=True)
        self.fast = embedding(coordinates, width, halve=False)
        self.body = nn.Sequential(
            convolution(3 * width, 2 * width, 3),
            convolution(2 * width, 2 * width, 3),
            nn.MaxPool1d(2),
            nn.Dropout1d(0.1),
            convolution(2 * width, 4 * width, 3),
            convolution(4 * width, 4 * width, 3),
            nn.MaxPool1d(2),
            nn.Dropout1d(0.1),
            convolution(4 * width, 8 * width, 3),
            convolution(8 * width, 8 * width, 3),
            nn.Dropout1d(0.1),
        )
        hidden = 128
        self.head = nn.Sequential(
            nn.Linear(8 * width, hidden, bias=False),
            nn.BatchNorm1d(hidden),
            nn.LeakyReLU(0.2),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden, bias=False),
            nn.BatchNorm1d(hidden),
            nn.LeakyReLU(0.2),
            nn.Dropout(dropout),
            nn.Linear(hidden, classes),
        )

    def encode(self, windows: Tensor) -> Tensor:
        """Summarise persons' windows (B, T, V, C+1) as (B, 8 width)."""
        seen = windows[..., -1] > 0
        position = normalise(windows[..., :-1], seen, self.layout)
        x = position.permute(0, 2, 3, 1).contiguous()
        mask = seen.transpose(1, 2).unsqueeze(2).to(x.dtype).contiguous()

        def motion(step: int) -> Tensor:
            at, visible = x[..., ::step], mask[..., ::step]
            change = (at[..., 1:] - at[..., :-1]) * visible[..., 1:] * visible[..., :-1]
            return nn.functional.pad(change.flatten(1, 2), (0, 1))

        branches = (
            self.distances(joint_distances(x, mask, self.pairs)),
            self.slow(motion(1)),
            self.fast(motion(2)),
        )
        return self.body(torch.cat(branches, 1)).amax(-1)

    def forward(self, windows: Tensor) -> Tensor:
        """From raw windows (N, M, T, V, C+1) to log-probabilities (N, classes)."""
        return self.head(over_persons(windows, self.encode)).float().log_softmax(-1)
