"""One training loop for every network: batches, early stopping, the weights that are kept."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import torch
from sklearn.metrics import accuracy_score, f1_score
from torch import Tensor, nn
from tqdm import tqdm

from har.augment import augment, training_windows
from har.errors import UserError
from har.keras import KerasAdam
from har.models import build
from har.params import Model, Train
from har.predict import class_probabilities, whole_clips
from har.skeleton import Layout
from har.store import Features

_MOST_REPORTS = 30


@dataclass(frozen=True)
class Epoch:
    """Figures since the last entry; those of train are of augmented batches, with dropout."""

    epoch: int
    train_loss: float
    val_loss: float
    train_accuracy: float
    val_accuracy: float
    train_macro_f1: float
    val_macro_f1: float
    lr: float

    def as_row(self) -> dict[str, Any]:
        """Column names and figures."""
        return asdict(self)


HISTORY_COLUMNS = tuple(field.name for field in fields(Epoch))


def train_model(
    train: Features,
    val: Features,
    model_settings: Model,
    settings: Train,
    layout: Layout,
    seed: int,
    report: Callable[[Epoch], None] = lambda entry: None,
) -> tuple[nn.Module, list[Epoch]]:
    """Build a network and train it.

    Args:
        train: clips to learn from.
        val: clips to choose the epoch by; without any, the last weights are kept.
        model_settings: which network, and the windows it sees.
        settings: batches, optimiser, schedule, which weights are kept.
        layout: the meaning of the joints.
        seed: of weights, batches, augmentation and dropout.
        report: called after each entry of the history.

    Returns:
        The network in evaluation mode with the kept weights, and the history.

    Raises:
        UserError: there is nothing to train on, or the loss is no longer a number.
    """
    if not len(train):
        raise UserError("the train part has no clips: see data/split.csv and the split section")
    # torch draws initial weights and dropout from its global state: ours is put back afterwards.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build(model_settings, len(train.settings["classes"]), layout)
        return _fit(model, train, val, model_settings, settings, layout, seed, report)


def _fit(
    model: nn.Module, train: Features, val: Features, model_settings: Model, settings: Train,
    layout: Layout, seed: int, report: Callable[[Epoch], None],
) -> tuple[nn.Module, list[Epoch]]:  # fmt: skip
    generator = torch.Generator().manual_seed(seed)
    frames = torch.from_numpy(train.x)
    offsets, lengths = torch.from_numpy(train.offsets), torch.from_numpy(train.lengths)
    labels = torch.from_numpy(train.labels)

    per_epoch = len(list(_batches(len(train), settings.batch_size, torch.Generator())))
    steps = max(settings.iterations, settings.epochs * per_epoch)
    # A least number of batches can mean hundreds of epochs of a few clips: not all are measured.
    report_every = steps // _MOST_REPORTS if settings.iterations else 1
    optimizer = _optimizer(model, settings)
    schedule = None
    if settings.schedule == "onecycle":
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.lr, steps)
    criterion = nn.CrossEntropyLoss(label_smoothing=settings.label_smoothing)
    autocast = torch.autocast("cpu", torch.bfloat16, enabled=settings.precision == "bfloat16")

    def batch(index: Tensor) -> Tensor:
        if model_settings.whole_clips:
            return whole_clips(frames, offsets[index], lengths[index])
        windows = training_windows(
            frames, offsets[index], lengths[index], model_settings.windows, generator
        )
        return augment(windows, layout, settings.augmentation, generator)

    history: list[Epoch] = []
    best: tuple[float, dict[str, Tensor]] | None = None
    epoch = done = since_best = 0
    progress = tqdm(total=steps, unit="batch", leave=False, disable=None)  # on a terminal only
    losses, truth, guesses = 0.0, [], []
    while done < steps:
        model.train()
        epoch += 1
        for index in _batches(len(train), settings.batch_size, generator):
            rate = optimizer.param_groups[0]["lr"]
            with autocast:
                logits = model(batch(index)).float()
            # A network may have several classifiers, each of which has to learn by itself.
            heads = logits if logits.ndim == 3 else logits[None]
            loss = torch.stack([criterion(head, labels[index]) for head in heads]).sum()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            if schedule:
                schedule.step()
            losses += loss.item() / len(heads) * len(index)
            truth.append(labels[index])
            guesses.append(heads.detach().log_softmax(2).mean(0).argmax(1))
            done += 1
            progress.update()
            if done == steps:
                break
        if not np.isfinite(losses):
            raise UserError(f"the training loss is {losses}: lower the learning rate (train.lr)")
        if len(truth) < report_every and done < steps:
            continue
        learnt = _figures(torch.cat(truth).numpy(), torch.cat(guesses).numpy())
        entry = Epoch(
            epoch,
            train_loss=losses / sum(map(len, truth)),
            train_accuracy=learnt["accuracy"],
            train_macro_f1=learnt["macro_f1"],
            lr=rate,
            **_val_figures(model, val, model_settings),
        )
        losses, truth, guesses = 0.0, [], []
        history.append(entry)
        report(entry)

        if settings.keep == "last" or not len(val):
            continue
        figure = -entry.val_loss if settings.keep == "val_loss" else getattr(entry, settings.keep)
        if best is None or figure > best[0]:
            best, since_best = (figure, copy.deepcopy(model.state_dict())), 0
            continue
        since_best += 1
        if settings.patience and since_best >= settings.patience:
            break
    progress.close()
    if best:
        model.load_state_dict(best[1])
    return model.eval(), history


def _figures(labels: np.ndarray, guessed: np.ndarray) -> dict[str, float]:
    return {
        "accuracy": float(accuracy_score(labels, guessed)),
        "macro_f1": float(f1_score(labels, guessed, average="macro", zero_division=0)),
    }


def _val_figures(model: nn.Module, val: Features, settings: Model) -> dict[str, float]:
    if not len(val):
        return {"val_loss": np.nan, "val_accuracy": np.nan, "val_macro_f1": np.nan}
    probabilities = class_probabilities(model, val, settings)
    chosen = probabilities[np.arange(len(val)), val.labels]
    found = _figures(val.labels, probabilities.argmax(1))
    loss = float(-np.log(np.maximum(chosen, 1e-12)).mean())
    return {"val_loss": loss, **{f"val_{name}": figure for name, figure in found.items()}}


def _batches(number: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Clip indices of one epoch in random order; a last batch of one is left out.

    Batch normalisation has no statistics of a single clip.
    """
    for index in torch.randperm(number, generator=generator).split(size):
        if len(index) > 1 or number == 1:
            yield index


def _optimizer(model: nn.Module, settings: Train) -> torch.optim.Optimizer:
    """Adam with L2 on every weight, AdamW that decays matrices only, or Adam as Keras has it."""
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    if settings.optimizer == "keras_adam":
        return KerasAdam(weights, settings.lr, settings.epsilon)
    if settings.optimizer == "adam":
        return torch.optim.Adam(
            weights, settings.lr, eps=settings.epsilon, weight_decay=settings.weight_decay
        )
    matrices = [weight for weight in weights if weight.ndim > 1]
    vectors = [weight for weight in weights if weight.ndim <= 1]
    return torch.optim.AdamW(
        [
            {"params": matrices, "weight_decay": settings.weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ],
        settings.lr,
        eps=settings.epsilon,
    )


def count_parameters(model: nn.Module) -> int:
    """Number of trainable weights."""
    return sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
