"""The networks. Each takes a batch of windows and returns logits."""

from torch import nn

from har.models.ddnet import DDNet
from har.models.lstm import FixedLstm, WindowLstm
from har.models.stgcn import STGCN
from har.models.two_stream import TwoStream
from har.params import Model
from har.skeleton import Layout


def build(settings: Model, classes: int, layout: Layout) -> nn.Module:
    """Make an untrained network.

    All of them take (N, M, T, V, C+1) raw windows (coordinates in any unit and score, zeros where
    missing), except an LSTM with `lstm` keras or pytorch, which takes the fixed arrays
    (N, 1, T, V, C) of its reference. They return logits (N, classes).
    """
    width, layers, dropout = settings.width, settings.layers, settings.dropout
    match settings.arch:
        case "two_stream":
            return TwoStream(layout, classes, width, layers, dropout)
        case "ddnet":
            return DDNet(layout, classes, width, dropout)
        case "stgcn":
            return STGCN(layout, classes, width, layers, dropout)
    if settings.lstm == "window":
        return WindowLstm(layout, classes, width, layers, dropout, settings.batch_norm)
    keras = settings.lstm == "keras"
    return FixedLstm(layout, classes, width, layers, dropout, settings.batch_norm, keras)
