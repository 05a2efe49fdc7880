"""MiniRocket: 84 fixed kernels and a linear classifier (Dempster, Schmidt and Webb, KDD 2021).

There is no gradient descent: `har.training.closed_form` chooses the biases and solves for the
classifier.
"""

from itertools import combinations

import numpy as np
import torch
from torch import Tensor, nn

from har.geometry import normalise
from har.models.persons import over_persons
from har.skeleton import Layout

TAPS = 9  # of a kernel
KERNELS = tuple(combinations(range(TAPS), 3))  # where a kernel's weight is 2; elsewhere it is -1
_MOST_DILATIONS = 32
_MOST_CHANNELS = 9  # that a kernel reads


class MiniRocket(nn.Module):
    """The share of frames in which each kernel's response is above each of its biases.

    Each kernel at each dilation reads a random few of the coordinates. Half of them see zeros
    beyond the ends of a window, the others stay inside.
    """

    def __init__(self, layout: Layout, classes: int, width: int, frames: int) -> None:
        """Make the network for windows of `frames` frames, at least 9; 84 `width` features."""
        super().__init__()
        self.layout = layout
        self.dilations, self.counts = dilations(frames, width)
        kernels = torch.full((len(KERNELS), 1, TAPS), -1.0)
        kernels.scatter_(2, torch.tensor(KERNELS)[:, None], 2.0)
        self.kernels: Tensor
        self.channels: Tensor
        self.biases: Tensor
        inputs = len(layout.joints) * layout.dimensions
        self.register_buffer("kernels", kernels, persistent=False)
        self.register_buffer("channels", _some_channels(len(self.dilations), inputs))
        self.register_buffer("biases", torch.randn(len(KERNELS), width))
        self.classifier = nn.Linear(len(KERNELS) * width, classes)

    @torch.no_grad()
    def choose_biases(self, windows: Tensor, generator: torch.Generator) -> None:
        """Take biases from responses to random windows.

        Args:
            windows: (B, T, V, C+1) of persons to learn from.
            generator: draws the windows.
        """
        # A sequence that fills the interval evenly, however many terms are taken.
        golden = (np.sqrt(5) + 1) / 2
        quantiles = torch.arange(1, self.biases.numel() + 1, dtype=torch.float64) * golden % 1
        start = 0
        biases = []
        for index, count in enumerate(self.counts):
            drawn = torch.randint(len(windows), (len(KERNELS),), generator=generator)
            responses = self._responses(self._series(windows[drawn]), index)
            own = responses[range(len(KERNELS)), range(len(KERNELS))]
            stop = start + len(KERNELS) * count
            levels = quantiles[start:stop].view(len(KERNELS), count).float()
            biases.append(
                torch.stack([torch.quantile(x, q) for x, q in zip(own, levels, strict=True)])
            )
            start = stop
        self.biases.copy_(torch.cat(biases, 1))

    def encode(self, windows: Tensor) -> Tensor:
        """Summarise persons' windows (B, T, V, C+1) as (B, 84 width) shares of frames."""
        series = self._series(windows)
        found = []
        for index, biases in enumerate(self.biases.split(self.counts, 1)):
            responses = self._responses(series, index)
            margin = self.dilations[index] * (TAPS // 2)
            first = index % 2
            padded = shares_above(responses[:, first::2], biases[first::2])
            inside = shares_above(
                responses[:, 1 - first :: 2, margin:-margin], biases[1 - first :: 2]
            )
            turns = (inside, padded) if first else (padded, inside)
            found.append(torch.stack(turns, 2).flatten(1, 2))
        return torch.cat(found, -1).flatten(1)

    def forward(self, windows: Tensor) -> Tensor:
        """From raw windows (N, M, T, V, C+1) to log-probabilities (N, classes)."""
        return self.classifier(over_persons(windows, self.encode)).log_softmax(-1)

    def _series(self, windows: Tensor) -> Tensor:
        """Normalised coordinates of joints (B, V C, T)."""
        position = normalise(windows[..., :-1], windows[..., -1] > 0, self.layout)
        return position.flatten(2).transpose(1, 2)

    def _responses(self, series: Tensor, index: int) -> Tensor:
        """Responses (B, 84, T) of all kernels at one dilation."""
        dilation = self.dilations[index]
        mixed = self.channels[index] @ series
        return nn.functional.conv1d(
            mixed,
            self.kernels,
            padding=dilation * (TAPS // 2),
            dilation=dilation,
            groups=len(KERNELS),
        )


def _some_channels(rows: int, inputs: int) -> Tensor:
    """For each kernel the coordinates that it reads (rows, 84, inputs): 1 to 9, few more often."""
    numbers = (
        2 ** (np.log2(min(inputs, _MOST_CHANNELS) + 1) * torch.rand(rows, len(KERNELS)))
    ).long()
    ranks = torch.rand(rows, len(KERNELS), inputs).argsort(-1)
    return (ranks < numbers[..., None]).float()


def shares_above(responses: Tensor, biases: Tensor) -> Tensor:
    """Share (B, k, F) of the frames of responses (B, k, T) that are above biases (k, F)."""
    return (responses[:, :, None] - biases[..., None]).gt_(0).mean(-1)


def dilations(frames: int, features: int) -> tuple[list[int], list[int]]:
    """Dilations up to a window's length, and how many of a kernel's features each gets."""
    tried = min(features, _MOST_DILATIONS)
    exponents = np.linspace(0, np.log2((frames - 1) / (TAPS - 1)), tried)
    found, counts = np.unique((2**exponents).astype(int), return_counts=True)
    shares = counts * features // tried
    shares[: features - shares.sum()] += 1
    return found.tolist(), shares.tolist()
