"""Training a network: batches, figures of each epoch, the weights that are kept."""

import copy
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from har.dataset.augmentation import training_batch
from har.dataset.sequences import Sequences
from har.errors import UserError
from har.evaluation.metrics import macro_f1
from har.models import build
from har.models.inference import log_probabilities
from har.params import Model, Train
from har.training.devices import ALONE, Devices
from har.training.optimizers import make_optimizer

_MOST_ENTRIES = 15  # of the history, where the length is given in batches


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


HISTORY_COLUMNS = tuple(column.name for column in fields(Epoch))


class Trainer:
    """One training of one network.

    Attributes:
        settings: batches, optimiser, schedule, the weights to keep.
        devices: this process's place, where several share each batch.
        network: the network in training, on this process's device.
        optimizer: changes its weights.
        schedule: of the learning rate, or None.
        generator: draws batches, windows and augmentation. Dropout draws from torch's global
            state, which a step replaces by this training's own and restores afterwards.
        epoch: number of the epoch.
        batches: number of batches so far.
        history: figures so far.
    """

    def __init__(
        self,
        train: Sequences,
        val: Sequences,
        model: Model,
        settings: Train,
        seed: int,
        devices: Devices = ALONE,
        start: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Build the network, with initial weights by the seed.

        Args:
            train: clips to learn from.
            val: clips to choose the epoch by; without any, the last weights are kept.
            model: which network, and the windows it sees.
            settings: batches, optimiser, schedule, the weights to keep.
            seed: of weights, batches, augmentation and dropout.
            devices: this process's place, where several share each batch.
            start: weights that the network starts with, a pre-trained encoder's or all; they
                learn at `settings.encoder_lr` of the learning rate.

        Raises:
            UserError: there are too few clips to train on.
        """
        if not len(train):
            raise UserError("there are no train clips: see data/split.csv and the split section")
        if len(train) < devices.number:
            raise UserError(f"there are {len(train)} train clips, fewer than devices")
        self.settings, self.devices = settings, devices
        self.epoch, self.batches = 0, 0
        self.history: list[Epoch] = []
        self._model_settings, self._val = model, val
        self._layout = train.layout
        device = devices.device
        self._frames, self._offsets, self._lengths, self._labels, self._fps = (
            torch.from_numpy(array).to(device)
            for array in (train.x, train.offsets, train.lengths, train.labels, train.fps)
        )
        with _global_state_restored(device):
            torch.manual_seed(seed)
            self.network = build(model, len(train.settings["classes"]), self._layout).to(device)
            if start:
                self.network.load_state_dict(start, strict=False)
            self._parallel = devices.parallel(self.network)
            if devices.rank:
                torch.manual_seed(seed + devices.rank)  # other clips, another dropout
            self._random = _random_state(device)
        self.generator = torch.Generator(device).manual_seed(seed)
        self.optimizer = make_optimizer(self.network, settings, start or ())
        self._least = max(2, devices.number)
        per_epoch = len(_batches(len(train), settings.batch_size, self._least, torch.Generator()))
        self.steps = max(settings.iterations, settings.epochs * per_epoch)
        self.schedule: torch.optim.lr_scheduler.OneCycleLR | None = None
        if settings.schedule == "onecycle":
            self.schedule = torch.optim.lr_scheduler.OneCycleLR(
                self.optimizer, [group["lr"] for group in self.optimizer.param_groups], self.steps
            )
        # With few clips, a number of batches can be hundreds of epochs: not all are measured.
        self._every = self.steps // _MOST_ENTRIES if settings.iterations else 1
        self._waiting: list[Tensor] = []  # batches of this epoch
        self._loss = 0.0  # since the last entry of the history, as are labels and guesses
        self._truth: list[Tensor] = []
        self._guesses: list[Tensor] = []
        self._rate = settings.lr
        self._best, self._since_best = -np.inf, 0
        self._best_weights: dict[str, Tensor] = {}

    @property
    def finished(self) -> bool:
        """Whether all batches are done, or the best epoch is too long ago."""
        patience = self.settings.patience
        return self.batches >= self.steps or 0 < patience <= self._since_best

    @property
    def due(self) -> bool:
        """Whether it is time to validate: at the end of an epoch, if enough batches have passed."""
        enough = not self._waiting and len(self._truth) >= self._every
        return enough or self.batches == self.steps

    def epochs(self) -> Iterator[Epoch]:
        """Train to the end; yields each entry of the history."""
        quiet = None if self.devices.first else True  # None: a bar on a terminal only
        with tqdm(
            total=self.steps, initial=self.batches, unit="batch", leave=False, disable=quiet
        ) as progress:
            while not self.finished:
                self.step()
                progress.update()
                if self.due:
                    yield self.validate()

    def step(self) -> None:
        """Learn from one batch.

        Raises:
            UserError: the loss of an epoch is no longer a number.
        """
        device, number = self.devices.device, len(self._labels)
        if not self._waiting:
            size = self.settings.batch_size
            self._waiting = _batches(number, size, self._least, self.generator)
            self.epoch += 1
        index = self._waiting.pop(0)
        # All processes draw the same batch and take their shares of it.
        batch = self.devices.share(
            training_batch(
                self._frames,
                self._offsets[index],
                self._lengths[index],
                self._layout,
                self._model_settings.windows,
                self.settings.augmentation,
                self.generator,
                self._fps[index],
            )
        )
        labels = self._labels[self.devices.share(index)]
        bfloat16 = self.settings.precision == "bfloat16"
        self._parallel.train()
        with _global_state_restored(device):
            _set_random_state(device, self._random)
            with torch.autocast(device.type, torch.bfloat16, bfloat16):
                found = self._parallel(batch)
            self._random = _random_state(device)
        # A network may have several classifiers, each of which has to learn by itself.
        heads = found if found.ndim == 3 else found[None]
        loss = torch.stack(
            [cross_entropy(head, labels, self.settings.label_smoothing) for head in heads]
        ).sum()
        self.optimizer.zero_grad(set_to_none=True)
        # Processes' gradients are averaged: a process with fewer clips must weigh less.
        (loss * (len(labels) * self.devices.number / len(index))).backward()
        self._rate = self.optimizer.param_groups[0]["lr"]
        self.optimizer.step()
        if self.schedule:
            self.schedule.step()
        self.batches += 1
        self._loss += loss.item() / len(heads) * len(labels)
        self._truth.append(labels)
        self._guesses.append(heads.detach().mean(0).argmax(1))
        ended = not self._waiting or self.batches == self.steps
        if ended and not np.isfinite(self._loss):
            raise UserError(
                f"the training loss is {self._loss}: lower the learning rate (train.lr)"
            )

    def validate(self) -> Epoch:
        """Measure on val, add to the history, and keep the weights if they are the best."""
        entry = Epoch(self.epoch, **self._train_figures(), **self._val_figures(), lr=self._rate)
        self._loss, self._truth, self._guesses = 0.0, [], []
        self.history.append(entry)
        keep = self.settings.keep
        if keep != "last" and len(self._val):
            figure = getattr(entry, keep) * (-1 if keep == "val_loss" else 1)
            self._since_best += 1
            if figure > self._best:
                self._best, self._since_best = figure, 0
                self._best_weights = copy.deepcopy(self.network.state_dict())
        return entry

    def trained(self) -> nn.Module:
        """The network with the weights that are kept, on the CPU and in evaluation mode."""
        if self._best_weights:
            self.network.load_state_dict(self._best_weights)
        return self.network.cpu().eval()

    def state_dict(self) -> dict[str, Any]:
        """All that changes in a training, as tensors, numbers and lists.

        Call it right after `validate`; where several processes train, in all of them.
        """
        return {
            "epoch": self.epoch,
            "batches": self.batches,
            "history": [entry.as_row() for entry in self.history],
            "best": self._best,
            "best_weights": self._best_weights,
            "since_best": self._since_best,
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict() if self.schedule else {},
            "generator": self.generator.get_state(),
            "random": self.devices.gather(self._random),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume a training of the same arguments; its weights will be those of an unbroken one."""
        self.epoch, self.batches = state["epoch"], state["batches"]
        self.history = [Epoch(**row) for row in state["history"]]
        self._best, self._since_best = state["best"], state["since_best"]
        self._best_weights = state["best_weights"]
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.schedule:
            self.schedule.load_state_dict(state["schedule"])
        self.generator.set_state(state["generator"])
        self._random = state["random"][self.devices.rank]

    def _train_figures(self) -> dict[str, float]:
        shares = self.devices.gather(
            (self._loss, torch.cat(self._truth).cpu(), torch.cat(self._guesses).cpu())
        )
        losses, truth, guesses = zip(*shares, strict=True)
        labels, guessed = torch.cat(truth).numpy(), torch.cat(guesses).numpy()
        loss = sum(losses) / len(labels)
        return {"train_loss": loss, **_figures("train", labels, guessed)}

    def _val_figures(self) -> dict[str, float]:
        val, number = self._val, self.devices.number
        if not len(val):
            return {"val_loss": np.nan, "val_accuracy": np.nan, "val_macro_f1": np.nan}
        mine = val.take(self.devices.share(np.arange(len(val))))
        found = np.empty((len(val), len(val.settings["classes"])), np.float32)
        shares = log_probabilities(self.network, mine, self._model_settings.windows)
        for rank, share in enumerate(self.devices.gather(shares)):
            found[rank::number] = share
        loss = float(-found[np.arange(len(val)), val.labels].mean())
        return {"val_loss": loss, **_figures("val", val.labels, found.argmax(1))}


def refit_settings(settings: Train) -> Train:
    """Settings of the training that goes on with val: shorter, all weights at the same rate."""
    return settings.model_copy(
        update={
            "iterations": math.ceil(settings.refit_share * settings.iterations),
            "epochs": math.ceil(settings.refit_share * settings.epochs),
            "encoder_lr": 1.0,
        }
    )


def cross_entropy(log_probabilities: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    """Mean cross-entropy with label smoothing: a share of each label is spread over all classes.

    torch.nn.CrossEntropyLoss takes logits; networks return log-probabilities.

    Args:
        log_probabilities: (N, K).
        labels: (N,) classes.
        smoothing: the share, 0 for none.
    """
    label_loss = nn.functional.nll_loss(log_probabilities, labels)
    all_loss = -log_probabilities.sum(1).mean()
    return (1 - smoothing) * label_loss + smoothing / log_probabilities.shape[1] * all_loss


def count_parameters(network: nn.Module) -> int:
    """Number of trainable weights."""
    return sum(weight.numel() for weight in network.parameters() if weight.requires_grad)


def _figures(subset: str, labels: np.ndarray, guessed: np.ndarray) -> dict[str, float]:
    accuracy = float((labels == guessed).mean())
    return {f"{subset}_accuracy": accuracy, f"{subset}_macro_f1": macro_f1(labels, guessed)}


def _batches(number: int, size: int, least: int, generator: torch.Generator) -> list[Tensor]:
    """Clip indices of an epoch in random order; a last batch of fewer than `least` is left out.

    Batch normalisation needs two clips, and every device needs one.
    """
    order = torch.randperm(number, generator=generator, device=generator.device)
    return [index for index in order.split(size) if len(index) >= min(least, number)]


@contextmanager
def _global_state_restored(device: torch.device) -> Iterator[None]:
    """Restore the state of torch's global generators at the end."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        yield


def _random_state(device: torch.device) -> Tensor:
    """State of the generator that dropout draws from."""
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()


def _set_random_state(device: torch.device, state: Tensor) -> None:
    if device.type == "cuda":
        torch.cuda.set_rng_state(state.cpu(), device)
    else:
        torch.set_rng_state(state)
