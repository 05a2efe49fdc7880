"""LSTM classifiers: those of both reference systems, and one on the default network's inputs."""

import torch
from torch import Tensor, nn

from har.models.features import PoseFeatures
from har.models.keras_lstm import keras_start, pack_steps, quick_dropout
from har.models.persons import over_persons
from har.skeleton import Layout

# Clips of like length in one go: little is computed beyond their ends, and they fit the cache.
_CLIPS_TOGETHER = 16


class LstmClassifier(nn.Module):
    """An LSTM with dropout and a linear classifier, as in all of these networks."""

    def __init__(
        self,
        inputs: int,
        classes: int,
        width: int,
        layers: int,
        dropout: float,
        batch_norm: bool,
    ) -> None:
        """Make the layers for a number of input channels and of classes."""
        super().__init__()
        between = dropout if layers > 1 else 0.0
        self.lstm = nn.LSTM(inputs, width, layers, batch_first=True, dropout=between)
        self.norm = nn.BatchNorm1d(width) if batch_norm else nn.Identity()
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(width, classes)

    def classify(self, state: Tensor) -> Tensor:
        """From last states (N, width) to log-probabilities (N, classes)."""
        logits = self.classifier(self.dropout(self.norm(state)))
        return logits.float().log_softmax(-1)


class PytorchLstm(LstmClassifier):
    """The pytorch reference's LSTM, which reads the coordinates of person slot 0 as they are.

    The reference's baseline has neither dropout nor batch normalisation, its improved model both:
    where there is dropout, batch normalisation comes before it.
    """

    def __init__(
        self, layout: Layout, classes: int, width: int, layers: int, dropout: float
    ) -> None:
        """Make the network for a layout and a number of classes."""
        inputs = len(layout.joints) * layout.dimensions
        super().__init__(inputs, classes, width, layers, dropout, batch_norm=dropout > 0)

    def forward(self, windows: Tensor) -> Tensor:
        """From preprocessed windows (N, M, T, V, C+1) to log-probabilities (N, classes)."""
        return self.classify(self.lstm(_steps(windows))[0][:, -1])


class KerasLstm(LstmClassifier):
    """The keras reference's LSTM, which reads the coordinates of person slot 0 as they are.

    One bias vector per gate, all-zero steps are skipped, dropout after every layer, no batch
    normalisation.
    """

    def __init__(
        self, layout: Layout, classes: int, width: int, layers: int, dropout: float
    ) -> None:
        """Make the network for a layout and a number of classes."""
        inputs = len(layout.joints) * layout.dimensions
        super().__init__(inputs, classes, width, layers, dropout, batch_norm=False)
        self.apply(keras_start)

    def forward(self, windows: Tensor) -> Tensor:
        """From preprocessed windows (N, M, T, V, C+1) to log-probabilities (N, classes)."""
        return self.classify(self._after_valid_steps(_steps(windows)))

    def _after_valid_steps(self, x: Tensor) -> Tensor:
        """State (N, width) after the last unmasked step of (N, T, D)."""
        x, number = pack_steps(x)
        if torch.compiler.is_exporting():  # a graph's shapes are fixed
            return self._after(x, number)
        order = number.argsort(descending=True)
        found = [
            self._after(x[clips, : max(int(number[clips[0]]), 1)], number[clips])
            for clips in order.split(_CLIPS_TOGETHER)
        ]
        return torch.cat(found)[order.argsort()]

    def _after(self, x: Tensor, number: Tensor) -> Tensor:
        """State (N, width) after the first `number` (N,) steps of (N, T, D)."""
        states = self._states(x)
        last = (number - 1).clamp(min=0)[:, None, None].expand(-1, 1, states.shape[2])
        # With masked steps only, the state stays the initial one, zero.
        return states.gather(1, last)[:, 0] * (number > 0)[:, None]

    def _states(self, x: Tensor) -> Tensor:
        """The last layer's states (N, T, width); nn.LSTM itself draws its dropout slowly."""
        if not (self.training and self.lstm.dropout):
            return self.lstm(x)[0]
        start = x.new_zeros(1, len(x), self.lstm.hidden_size)
        for layer, weights in enumerate(self.lstm.all_weights):
            if layer:
                x = quick_dropout(x, self.lstm.dropout)
            x = torch.lstm(x, (start, start), [*weights], True, 1, 0.0, True, False, True)[0]
        return x


class WindowLstm(LstmClassifier):
    """An LSTM on the default network's windows and features, to compare with.

    Where there is dropout, batch normalisation comes before it.
    """

    def __init__(
        self, layout: Layout, classes: int, width: int, layers: int, dropout: float
    ) -> None:
        """Make the network for a layout and a number of classes."""
        features = PoseFeatures(layout)
        inputs = features.posture_channels + features.motion_channels
        super().__init__(inputs, classes, width, layers, dropout, batch_norm=dropout > 0)
        self.features = features

    def encode(self, windows: Tensor) -> Tensor:
        """Last state (B, width) of persons' windows (B, T, V, C+1)."""
        x = torch.cat(self.features(windows), 1).transpose(1, 2)
        return self.lstm(x)[0][:, -1]

    def forward(self, windows: Tensor) -> Tensor:
        """From raw windows (N, M, T, V, C+1) to log-probabilities (N, classes)."""
        return self.classify(over_persons(windows, self.encode))


def _steps(windows: Tensor) -> Tensor:
    """Coordinates of person slot 0, a vector per frame (N, T, V C), from (N, M, T, V, C+1)."""
    return windows[:, 0, ..., :-1].flatten(2)
