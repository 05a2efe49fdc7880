"""The networks. Each takes a batch of windows and returns log-probabilities."""

from itertools import pairwise

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from har.models.ddnet import DDNet
from har.models.lstm import KerasLstm, PytorchLstm, WindowLstm
from har.models.minirocket import MiniRocket
from har.models.stgcn import STGCN
from har.models.two_stream import TwoStream
from har.params import Model
from har.skeleton import Layout


def build(settings: Model, classes: int, layout: Layout) -> nn.Module:
    """Make an untrained network.

    All of them take windows (N, M, T, V, C+1), coordinates and score, zeros where missing, and
    return log-probabilities (N, classes). Coordinates may have any unit, except for the reference
    systems' `keras_lstm` and `pytorch_lstm`, which take them as `preprocess` scaled them.
    """
    width, layers, dropout = settings.width, settings.layers, settings.dropout
    match settings.arch:
        case "two_stream":
            return TwoStream(layout, classes, width, layers, dropout, settings.stem_stride)
        case "ddnet":
            return DDNet(layout, classes, width, dropout)
        case "stgcn":
            return STGCN(layout, classes, width, layers, dropout)
        case "minirocket":
            return MiniRocket(layout, classes, width, settings.windows.frames)
        case "lstm":
            return WindowLstm(layout, classes, width, layers, dropout)
        case "keras_lstm":
            return KerasLstm(layout, classes, width, layers, dropout)
        case "pytorch_lstm":
            return PytorchLstm(layout, classes, width, layers, dropout)


def fold_batch_norms(model: nn.Module) -> nn.Module:
    """Fold each batch normalisation after a convolution into the convolution's weights.

    Changes a network in evaluation mode in place. Its answers stay the same up to rounding and take
    a twelfth less time for a single clip; it can't be trained any further. The default network's
    weights are laid out as its convolutions want them, which else costs a copy of them every time.
    """
    for module in model.modules():
        if not isinstance(module, nn.Sequential):
            continue
        for number, (first, second) in enumerate(pairwise(list(module))):
            if isinstance(first, nn.Conv1d | nn.Conv2d) and isinstance(
                second, nn.BatchNorm1d | nn.BatchNorm2d
            ):
                module[number] = fuse_conv_bn_eval(first, second)
                module[number + 1] = nn.Identity()
    if isinstance(model, TwoStream):
        for weight in model.parameters():
            if weight.ndim == 4:
                weight.data = weight.data.contiguous(memory_format=torch.channels_last)
    return model
