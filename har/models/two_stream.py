"""The default network: one temporal convolution stream for posture, one for motion."""

import torch
from torch import Tensor, nn

from har.models.features import PoseFeatures
from har.models.persons import by_prominence
from har.skeleton import Layout


def over_time(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """A convolution over the frames of (B, inputs, 1, T), as many frames out as in by `stride`.

    Two-dimensional, since only such convolutions can have channels last in memory, which is a fifth
    faster here.
    """
    return nn.Conv2d(
        inputs, outputs, (1, kernel), (1, stride), padding=(0, kernel // 2), bias=False
    )


class ResidualBlock(nn.Module):
    """Two convolutions over time and a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        """Make a block from `inputs` to `outputs` channels."""
        super().__init__()
        self.body = nn.Sequential(
            over_time(inputs, outputs, 5, stride),
            nn.BatchNorm2d(outputs),
            nn.SiLU(),
            nn.Dropout2d(0.1),
            over_time(outputs, outputs, 3),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut: nn.Module = nn.Identity()
        if inputs != outputs or stride != 1:
            self.shortcut = nn.Sequential(
                over_time(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        """From (B, inputs, 1, T) to (B, outputs, 1, T / stride)."""
        return nn.functional.silu(self.body(x) + self.shortcut(x))


class Stream(nn.Sequential):
    """A stack of residual blocks that halves the frames and widens by half a width each time.

    `stride` is that of the stem, the first convolution: with 2 all others have half the frames.
    """

    def __init__(self, inputs: int, width: int, layers: int, stride: int) -> None:
        """Make a stream of `layers` blocks; `outputs` is the width of the last one."""
        widths = [width] + [width + width // 2 * layer for layer in range(layers)]
        super().__init__(
            nn.BatchNorm2d(inputs),
            nn.Conv2d(inputs, width, (1, 2 * stride - 1), (1, stride), padding=(0, stride - 1)),
            *(
                ResidualBlock(widths[layer], widths[layer + 1], 1 if layer == 0 else 2)
                for layer in range(layers)
            ),
        )
        self.outputs = widths[-1]


class TwoStream(nn.Module):
    """Posture and motion streams, pooled over time by mean, maximum and deviation.

    Three classifiers read posture, motion, and both. Each has a loss of its own, which keeps either
    stream from relying on the other; their log-probabilities are averaged. Each person is
    classified alone.
    """

    def __init__(
        self,
        layout: Layout,
        classes: int,
        width: int,
        layers: int,
        dropout: float,
        stem_stride: int,
    ) -> None:
        """Make the network for a layout and a number of classes."""
        super().__init__()
        self.features = PoseFeatures(layout)
        self.posture = Stream(self.features.posture_channels, width, layers, stem_stride)
        self.motion = Stream(self.features.motion_channels, width, layers, stem_stride)
        self.dropout = nn.Dropout(dropout)
        self.sizes = [3 * self.posture.outputs, 3 * self.motion.outputs]
        self.classifiers = nn.ModuleList(
            nn.Linear(size, classes) for size in (sum(self.sizes), *self.sizes)
        )

    def encode(self, windows: Tensor) -> Tensor:
        """Summarise persons' windows (B, T, V, C+1) as (B, H), posture first."""
        posture, motion = self.features(windows)
        summaries = []
        for stream, features in ((self.posture, posture), (self.motion, motion)):
            x = features.unsqueeze(2).contiguous(memory_format=torch.channels_last)
            x = stream(x).squeeze(2)
            mean = x.mean(-1)
            deviation = ((x - mean[..., None]).square().mean(-1) + 1e-5).sqrt()
            summaries += [mean, x.amax(-1), deviation]
        return torch.cat(summaries, -1)

    def answer(self, windows: Tensor) -> Tensor:
        """Log-probabilities (3, B, classes) by each classifier of persons' windows."""
        summary = self.encode(windows)
        inputs = (summary, *summary.split(self.sizes, -1))
        logits = torch.stack(
            [
                classifier(self.dropout(own))
                for classifier, own in zip(self.classifiers, inputs, strict=True)
            ]
        )
        return logits.float().log_softmax(-1)

    def forward(self, windows: Tensor) -> Tensor:
        """From raw windows (N, M, T, V, C+1) to log-probabilities.

        Returns:
            In evaluation (N, classes), their normalised mean over the classifiers; in training
            (3, N, classes), those of each classifier.
        """
        each = by_prominence(windows, self.answer, self.features.layout)
        # The probabilities of a mean of log-probabilities don't add up to 1.
        return (each if self.training else each.mean(0)).log_softmax(-1)
