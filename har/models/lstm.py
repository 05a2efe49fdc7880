"""LSTM classifiers: those of both reference systems, and one on the default network's inputs."""

import torch
from torch import Tensor, nn

from har.models.features import PoseFeatures
from har.models.keras_parity import keras_start, pack_steps, quick_dropout
from har.models.persons import over_persons
from har.skeleton import Layout

# Of like length: little is computed beyond a clip's end, and what is in work fits the cache.
_CLIPS_TOGETHER = 16


class FixedLstm(nn.Module):
    """The reference systems' LSTM on fixed arrays: person slot 0, coordinates only.

    keras: one bias vector per gate, all-zero steps skipped, dropout after every layer.
    pytorch: torch's LSTM, every step counts, dropout before the classifier.
    """

    def __init__(
        self,
        layout: Layout,
        classes: int,
        width: int,
        layers: int,
        dropout: float,
        batch_norm: bool,
        keras: bool,
    ) -> None:
        """Make the network, the keras reference's or the pytorch reference's."""
        super().__init__()
        self.masked = keras
        inputs = len(layout.joints) * layout.dimensions
        between = dropout if layers > 1 else 0.0
        self.lstm = nn.LSTM(inputs, width, layers, batch_first=True, dropout=between)
        self.norm = nn.BatchNorm1d(width) if batch_norm else nn.Identity()
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(width, classes)
        if keras:
            self.apply(keras_start)

    def forward(self, arrays: Tensor) -> Tensor:
        """From fixed arrays (N, M, T, V, C), of which person 0 counts, to logits (N, classes)."""
        x = arrays[:, 0].flatten(2)
        state = self._after_valid_steps(x) if self.masked else self.lstm(x)[0][:, -1]
        return self.classifier(self.dropout(self.norm(state)))

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
        # Nothing but masked steps leaves the initial state, zero.
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


class WindowLstm(nn.Module):
    """A peer: an LSTM with the default network's windows and features."""

    def __init__(
        self,
        layout: Layout,
        classes: int,
        width: int,
        layers: int,
        dropout: float,
        batch_norm: bool,
    ) -> None:
        """Make the network for a layout and a number of classes."""
        super().__init__()
        self.features = PoseFeatures(layout)
        inputs = self.features.posture_channels + self.features.motion_channels
        between = dropout if layers > 1 else 0.0
        self.lstm = nn.LSTM(inputs, width, layers, batch_first=True, dropout=between)
        self.norm = nn.BatchNorm1d(width) if batch_norm else nn.Identity()
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(width, classes)

    def encode(self, windows: Tensor) -> Tensor:
        """Last state (B, width) of persons' windows (B, T, V, C+1)."""
        x = torch.cat(self.features(windows), 1).transpose(1, 2)
        return self.lstm(x)[0][:, -1]

    def forward(self, windows: Tensor) -> Tensor:
        """From raw windows (N, M, T, V, C+1) to logits (N, classes)."""
        state = over_persons(windows, self.encode)
        return self.classifier(self.dropout(self.norm(state)))
