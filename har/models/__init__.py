"""The networks. Each takes a batch of windows and returns logits."""

from itertools import pairwise

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

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


def fold_batch_norms(model: nn.Module) -> nn.Module:
    """Put every batch normalisation that follows a convolution into the convolution's weights.

    In place, of a network in evaluation mode: the same answers up to rounding, a twelfth faster for
    a single clip. It can't be trained any further.
    """
    for part in model.modules():
        if not isinstance(part, nn.Sequential):
            continue
        for number, (first, second) in enumerate(pairwise(list(part))):
            if isinstance(first, nn.Conv1d | nn.Conv2d) and isinstance(
                second, nn.BatchNorm1d | nn.BatchNorm2d
            ):
                part[number] = fuse_conv_bn_eval(first, second)
                part[number + 1] = nn.Identity()
    return model
