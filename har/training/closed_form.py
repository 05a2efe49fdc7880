"""Networks that are solved for, not trained: MiniRocket's kernels and its linear classifier."""

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from torch import Tensor

from har.dataset.augmentation import mirrored
from har.dataset.sequences import Sequences
from har.dataset.windows import test_windows
from har.errors import UserError
from har.evaluation.metrics import macro_f1
from har.models import build
from har.models.inference import log_probabilities
from har.models.minirocket import MiniRocket
from har.models.persons import over_persons
from har.params import Model, Train
from har.training.ridge import Ridge, fit_ridge
from har.training.trainer import Epoch

_WINDOWS_AT_ONCE = 16  # their comparisons fit the cache
_SCALES = (0.1, 100.0)


def fit_closed_form(
    train: Sequences, val: Sequences, model: Model, settings: Train, seed: int
) -> tuple[MiniRocket, Epoch]:
    """Solve for a network's weights.

    It learns from the windows that a clip is tested on, and from their mirror images where
    `settings.augmentation.flip` is above 0. Ridge scores become logits by one factor, which has the
    lowest log loss on the scores of left-out groups.

    Args:
        train: clips to learn from.
        val: clips to measure on; there may be none.
        model: which network, and the windows it sees.
        settings: all but the mirror images is for networks that are trained.
        seed: of the coordinates that kernels read, and of the windows that biases come from.

    Returns:
        The network, in evaluation mode, and its figures; those of train are of left-out groups.

    Raises:
        UserError: the clips are of one group, or nobody is seen in them.
    """
    network, _, solution, scale = _solve(train, model, settings.augmentation.flip > 0, seed)
    weights = torch.from_numpy(solution.weights.T * scale).float()
    network.classifier.weight.data = weights
    network.classifier.bias.data = torch.from_numpy(solution.intercepts * scale).float()
    figures: dict[str, float] = {}
    for subset, clips, found in (
        ("train", train, _of_clips(solution.held_out * scale, len(train), model)),
        ("val", val, log_probabilities(network, val, model.windows)),
    ):
        labels, guessed = clips.labels, found.argmax(1)
        some = len(clips) > 0
        loss = -found[np.arange(len(clips)), labels].mean() if some else np.nan
        figures[f"{subset}_loss"] = float(loss)
        figures[f"{subset}_accuracy"] = float((labels == guessed).mean()) if some else np.nan
        figures[f"{subset}_macro_f1"] = macro_f1(labels, guessed) if some else np.nan
    return network.eval(), Epoch(epoch=1, lr=0.0, **figures)


def left_out_answers(clips: Sequences, model: Model, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Predict each clip by a network that was fitted without the clip's group.

    Args:
        clips: at least two groups; a clip of unknown group is a group of its own.
        model: settings of a network that is solved for.
        seed: as for `fit_closed_form`.

    Returns:
        Log-probabilities (N, K); features (N, F) of each clip's middle window.

    Raises:
        UserError: the clips are of one group, or nobody is seen in them.
    """
    _, features, solution, scale = _solve(clips, model, True, seed)
    middle = features[: len(clips) * model.windows.test_windows : model.windows.test_windows]
    return _of_clips(solution.held_out * scale, len(clips), model), middle


def _solve(
    clips: Sequences, model: Model, mirror: bool, seed: int
) -> tuple[MiniRocket, np.ndarray, Ridge, float]:
    """An unfinished network, features of windows, the classifier, and its scores' factor."""
    alone = [f"clip {number}" for number in range(len(clips))]
    groups = np.where(clips.groups == "", alone, clips.groups)
    if len(np.unique(groups)) < 2:
        raise UserError("the clips to learn from are of one group: two are needed at least")
    generator = torch.Generator().manual_seed(seed)
    classes = len(clips.settings["classes"])
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        network = build(model, classes, clips.layout)
    assert isinstance(network, MiniRocket)
    frames, offsets, lengths, fps = map(
        torch.from_numpy, (clips.x, clips.offsets, clips.lengths, clips.fps)
    )
    windows = test_windows(frames, offsets, lengths, model.windows, fps).flatten(0, 1)
    people = windows.flatten(0, 1)
    present = (people[..., -1] > 0).flatten(1).any(1)
    if not present.any():
        raise UserError("nobody is seen in the clips to learn from: see preprocess.hide_below")
    network.choose_biases(people[present], generator)
    some = [windows, mirrored(windows, clips.layout)] if mirror else [windows]
    features = np.concatenate([_features(network, each) for each in some])
    each = model.windows.test_windows
    labels, groups = (
        np.tile(np.repeat(column, each), len(some)) for column in (clips.labels, groups)
    )
    solution = fit_ridge(features, labels, classes, groups)
    return network, features, solution, factor(labels, solution.held_out)


@torch.inference_mode()
def _features(network: MiniRocket, windows: Tensor) -> np.ndarray:
    parts = windows.split(_WINDOWS_AT_ONCE)
    return torch.cat([over_persons(part, network.encode) for part in parts]).numpy()


def factor(labels: np.ndarray, scores: np.ndarray) -> float:
    """The factor that makes scores (N, K) logits with the lowest log loss."""
    rows = np.arange(len(labels))
    best = minimize_scalar(
        lambda log_factor: -log_softmax(scores * np.exp(log_factor), 1)[rows, labels].mean(),
        bounds=np.log(_SCALES),
        method="bounded",
    )
    return float(np.exp(best.x))


def _of_clips(logits: np.ndarray, number: int, model: Model) -> np.ndarray:
    """Log-probabilities of clips from logits of their windows, the mirrored ones left out."""
    each = model.windows.test_windows
    answers = log_softmax(logits[: number * each], 1).reshape(number, each, -1)
    return log_softmax(answers.mean(1), 1)
