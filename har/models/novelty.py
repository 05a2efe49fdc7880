"""Clips of unknown classes, recognised by their distance from a network's training clips."""

import math

import numpy as np
from torch import Tensor

from har.dataset.sequences import Sequences
from har.errors import UserError
from har.models.checkpoint import Known
from har.models.inference import summaries
from har.models.two_stream import TwoStream
from har.params import Windows

KEPT = 0.95  # share of a group's clips of known classes that count as known, in as many groups
MOST = 2000  # clips that a checkpoint remembers


def directions(network: TwoStream, clips: Sequences, settings: Windows) -> np.ndarray:
    """Summaries (N, H) of clips as `directions_of` makes them."""
    return directions_of(summaries(network, clips, settings))


def directions_of(found: Tensor) -> np.ndarray:
    """Mean over windows of summaries (N, W, H), of unit length (N, H), float16."""
    mean = found.mean(1)
    return (mean / mean.norm(dim=1, keepdim=True).clamp(min=1e-9)).half().numpy()


def distances(found: np.ndarray, known: np.ndarray) -> np.ndarray:
    """1 - cosine (N,) of each direction (N, H) and the nearest of the known ones (K, H).

    Source: Sun et al., Out-of-distribution detection with deep nearest neighbors, ICML 2022.

    Raises:
        UserError: they are of another network.
    """
    if found.shape[1] != known.shape[1]:
        raise UserError(
            f"the model remembers clips by {known.shape[1]} numbers, its network gives "
            f"{found.shape[1]}: it was put together from two"
        )
    return 1 - (found.astype(np.float32) @ known.astype(np.float32).T).max(axis=1)


def remember(learnt: np.ndarray, unseen: np.ndarray, groups: np.ndarray, seed: int) -> Known:
    """The part of a checkpoint that recognises unknown clips.

    The threshold keeps a share `KEPT` of the clips in a share `KEPT` of the val groups: of the
    groups, and not only of their clips, since those of one person are alike and new clips show
    others.

    Args:
        learnt: directions (N, H) of the clips that the network learnt from.
        unseen: distances (V,) of val clips, at least one, from those that a network learnt from
            which did not know them.
        groups: (V,) group of each val clip.
        seed: of the choice among more than `MOST` clips.
    """
    farthest = _kept([_kept(unseen[groups == group]) for group in np.unique(groups)])
    if len(learnt) > MOST:
        chosen = np.random.default_rng(seed).choice(len(learnt), MOST, replace=False)
        learnt = learnt[np.sort(chosen)]
    return Known(learnt, farthest)


def _kept(values: np.ndarray | list[float]) -> float:
    """The least of the values that a new one exceeds with probability of at most 1 - `KEPT`.

    The largest where there are too few to tell.
    """
    place = math.ceil(KEPT * (len(values) + 1)) - 1
    return float(np.sort(values)[min(place, len(values) - 1)])
