"""Log-probabilities and summaries of preprocessed clips by a trained network."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from har.dataset.sequences import Sequences
from har.dataset.windows import test_windows
from har.models.persons import prominence
from har.models.two_stream import TwoStream
from har.params import Windows

_CLIPS_AT_ONCE = 32  # so many fit the cache


@torch.inference_mode()
def log_probabilities(network: nn.Module, clips: Sequences, settings: Windows) -> np.ndarray:
    """Log-probabilities of preprocessed clips.

    A clip's probabilities are the normalised geometric mean of those of its windows.

    Args:
        network: takes windows (N, M, T, V, C+1), returns log-probabilities (N, K); it is put into
            evaluation mode.
        clips: the clips.
        settings: how windows are cut.

    Returns:
        (N, K) float32.
    """
    if network.training:  # eval() visits every layer, which a single clip notices
        network.eval()
    # An ONNX network holds its weights elsewhere.
    device = next((weight.device for weight in network.parameters()), torch.device("cpu"))
    if not len(clips):
        return np.empty((0, len(clips.settings["classes"])), np.float32)
    found = []
    for windows in _windows(clips, settings):
        each = network(windows.flatten(0, 1).to(device)).unflatten(0, windows.shape[:2])
        found.append(each.mean(1).log_softmax(1))
    return torch.cat(found).cpu().numpy()


@torch.inference_mode()
def summaries(network: TwoStream, clips: Sequences, settings: Windows) -> Tensor:
    """The encoder's summary (N, W, H) of the most prominent person of each clip's windows.

    The network is put into evaluation mode.
    """
    network.eval()
    found = []
    for windows in _windows(clips, settings):
        each = windows.flatten(0, 1)
        seen = (each[..., -1] > 0).flatten(2).any(2)
        who = prominence(each, clips.layout).masked_fill(~seen, -1).argmax(1)
        own = network.encode(each[torch.arange(len(each)), who])
        found.append(own.unflatten(0, windows.shape[:2]))
    return torch.cat(found).clone()  # usable outside of inference mode


def _windows(clips: Sequences, settings: Windows) -> Iterator[Tensor]:
    """Test windows (n, W, M, T, V, C+1) of some clips after the others."""
    frames, offsets, lengths, fps = map(
        torch.from_numpy, (clips.x, clips.offsets, clips.lengths, clips.fps)
    )
    for start in range(0, len(clips), _CLIPS_AT_ONCE):
        some = slice(start, start + _CLIPS_AT_ONCE)
        yield test_windows(frames, offsets[some], lengths[some], settings, fps[some])
