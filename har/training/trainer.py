"""One training loop for every network: batches, early stopping, the weights that are kept."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from har.dataset.augmentation import augment
from har.dataset.sequences import Sequences
from har.dataset.windows import training_windows
from har.errors import UserError
from har.evaluation.metrics import macro_f1
from har.models import build
from har.models.keras_parity import KerasAdam
from har.params import Model, Train
from har.recognition.recognizer import class_probabilities, whole_clips
from har.skeleton import Layout
from har.training.devices import ALONE, Devices

_MOST_REPORTS = 30

# Tensors, numbers and lists: what `keep_state` is given and a later `train_model` goes on from.
State = dict[str, Any]


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


@dataclass
class _Reached:
    """How far a training is: what changes besides the weights, optimiser and random numbers."""

    epoch: int = 0
    batches: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    best: float = -np.inf
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    since_best: int = 0

    def judge(self, entry: Epoch, keep: str, model: nn.Module) -> None:
        """Keep the weights if they are the best so far by `keep`, a figure of val."""
        figure = getattr(entry, keep) * (-1 if keep == "val_loss" else 1)
        self.since_best += 1
        if figure > self.best:
            self.best, self.since_best = figure, 0
            self.best_weights = copy.deepcopy(model.state_dict())


HISTORY_COLUMNS = tuple(column.name for column in fields(Epoch))


def train_model(
    train: Sequences,
    val: Sequences,
    model_settings: Model,
    settings: Train,
    layout: Layout,
    seed: int,
    report: Callable[[Epoch], None] = lambda entry: None,
    devices: Devices = ALONE,
    state: State | None = None,
    keep_state: Callable[[State], None] | None = None,
) -> tuple[nn.Module, list[Epoch]]:
    """Build a network and train it.

    Args:
        train: clips to learn from.
        val: clips to choose the epoch by; without any, the last weights are kept.
        model_settings: which network, and the windows it sees.
        settings: batches, optimiser, schedule, which weights are kept.
        layout: the meaning of the joints.
        seed: of weights, batches, augmentation and dropout.
        report: called after each entry of the history, also those of `state`.
        devices: this process's place, where several share each batch.
        state: of a training with the same arguments that did not come to its end.
        keep_state: called by the first process after each entry of the history; going on from
            what it is given leads to the same weights.

    Returns:
        The network on the CPU, in evaluation mode with the kept weights, and the history.

    Raises:
        UserError: there is nothing to train on, or the loss is no longer a number.
    """
    if not len(train):
        raise UserError("the train part has no clips: see data/split.csv and the split section")
    if len(train) < devices.number:
        raise UserError(f"the train part has {len(train)} clips, fewer than there are devices")
    # torch draws initial weights and dropout from its global state: ours is put back afterwards.
    with torch.random.fork_rng([devices.device] if devices.device.type == "cuda" else []):
        torch.manual_seed(seed)
        model = build(model_settings, len(train.settings["classes"]), layout)
        history = _fit(
            model, train, val, model_settings, settings, layout, seed, report, devices, state,
            keep_state,
        )  # fmt: skip
        return model.cpu().eval(), history


def _fit(
    model: nn.Module, train: Sequences, val: Sequences, model_settings: Model, settings: Train,
    layout: Layout, seed: int, report: Callable[[Epoch], None], devices: Devices,
    state: State | None, keep_state: Callable[[State], None] | None,
) -> list[Epoch]:  # fmt: skip
    device = devices.device
    generator = torch.Generator(device).manual_seed(seed)
    frames = torch.from_numpy(train.x).to(device)
    offsets, lengths, labels = (
        torch.from_numpy(array).to(device) for array in (train.offsets, train.lengths, train.labels)
    )

    least = max(2, devices.number)
    per_epoch = len(list(_batches(len(train), settings.batch_size, least, torch.Generator())))
    steps = max(settings.iterations, settings.epochs * per_epoch)
    # A least number of batches can mean hundreds of epochs of a few clips: not all are measured.
    report_every = steps // _MOST_REPORTS if settings.iterations else 1
    parallel = devices.parallel(model.to(device))
    optimizer = make_optimizer(model, settings)
    schedule = None
    if settings.schedule == "onecycle":
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.lr, steps)
    criterion = nn.CrossEntropyLoss(label_smoothing=settings.label_smoothing)
    autocast = torch.autocast(device.type, torch.bfloat16, settings.precision == "bfloat16")
    if devices.rank:
        torch.manual_seed(seed + devices.rank)  # other clips, another dropout

    def batch(index: Tensor) -> Tensor:
        """This process's clips of a batch, as all processes draw them."""
        if model_settings.whole_clips:
            mine = devices.share(index)
            return whole_clips(frames, offsets[mine], lengths[mine])
        windows = training_windows(
            frames, offsets[index], lengths[index], model_settings.windows, generator
        )
        return devices.share(augment(windows, layout, settings.augmentation, generator))

    reached = _Reached()
    stateful = [part for part in (model, optimizer, schedule) if part]
    if state:
        reached = _Reached(**state["reached"])
        for part, kept in zip(stateful, state["stateful"], strict=True):
            part.load_state_dict(kept)
        generator.set_state(state["generator"])
        _set_random_state(device, state["random"][devices.rank])
        for row in reached.history:
            report(Epoch(**row))
    progress = tqdm(  # on a terminal only
        total=steps, initial=reached.batches, unit="batch", leave=False,
        disable=None if devices.first else True,
    )  # fmt: skip
    losses, truth, guesses = 0.0, [], []
    while reached.batches < steps and not (
        settings.patience and reached.since_best >= settings.patience
    ):
        parallel.train()
        reached.epoch += 1
        for index in _batches(len(train), settings.batch_size, least, generator):
            rate = optimizer.param_groups[0]["lr"]
            wanted = labels[devices.share(index)]
            with autocast:
                logits = parallel(batch(index)).float()
            # A network may have several classifiers, each of which has to learn by itself.
            heads = logits if logits.ndim == 3 else logits[None]
            loss = torch.stack([criterion(head, wanted) for head in heads]).sum()
            optimizer.zero_grad(set_to_none=True)
            # Processes' gradients are averaged: a process with fewer clips must weigh less.
            (loss * (len(wanted) * devices.number / len(index))).backward()
            optimizer.step()
            if schedule:
                schedule.step()
            losses += loss.item() / len(heads) * len(wanted)
            truth.append(wanted)
            guesses.append(heads.detach().log_softmax(2).mean(0).argmax(1))
            reached.batches += 1
            progress.update()
            if reached.batches == steps:
                break
        if not np.isfinite(losses):
            raise UserError(f"the training loss is {losses}: lower the learning rate (train.lr)")
        if len(truth) < report_every and reached.batches < steps:
            continue
        entry = Epoch(
            reached.epoch,
            **_train_figures(losses, torch.cat(truth), torch.cat(guesses), devices),
            **_val_figures(model, val, model_settings, devices),
            lr=rate,
        )
        losses, truth, guesses = 0.0, [], []
        reached.history.append(entry.as_row())
        report(entry)

        if settings.keep != "last" and len(val):
            reached.judge(entry, settings.keep, model)
        if keep_state:
            random = devices.gather(_random_state(device))
            if devices.first:
                keep_state(
                    {
                        "reached": vars(reached),
                        "stateful": [part.state_dict() for part in stateful],
                        "generator": generator.get_state(),
                        "random": random,
                    }
                )
    progress.close()
    if reached.best_weights:
        model.load_state_dict(reached.best_weights)
    return [Epoch(**row) for row in reached.history]


def _random_state(device: torch.device) -> Tensor:
    """State of the generator that dropout draws from."""
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()


def _set_random_state(device: torch.device, state: Tensor) -> None:
    if device.type == "cuda":
        torch.cuda.set_rng_state(state.cpu(), device)
    else:
        torch.set_rng_state(state)


def _figures(labels: np.ndarray, guessed: np.ndarray) -> dict[str, float]:
    accuracy = float((labels == guessed).mean())
    return {"accuracy": accuracy, "macro_f1": macro_f1(labels, guessed)}


def _train_figures(
    losses: float, truth: Tensor, guesses: Tensor, devices: Devices
) -> dict[str, float]:
    parts = devices.gather((losses, truth.cpu(), guesses.cpu()))
    losses_of, truth_of, guesses_of = zip(*parts, strict=True)
    found = _figures(torch.cat(truth_of).numpy(), torch.cat(guesses_of).numpy())
    loss = sum(losses_of) / sum(map(len, truth_of))
    return {"train_loss": loss, **{f"train_{name}": figure for name, figure in found.items()}}


def _val_figures(
    model: nn.Module, val: Sequences, settings: Model, devices: Devices
) -> dict[str, float]:
    if not len(val):
        return {"val_loss": np.nan, "val_accuracy": np.nan, "val_macro_f1": np.nan}
    mine = val.take(devices.share(np.arange(len(val))))
    probabilities = np.empty((len(val), len(val.settings["classes"])), np.float32)
    for rank, part in enumerate(devices.gather(class_probabilities(model, mine, settings))):
        probabilities[rank :: devices.number] = part
    chosen = probabilities[np.arange(len(val)), val.labels]
    found = _figures(val.labels, probabilities.argmax(1))
    loss = float(-np.log(np.maximum(chosen, 1e-12)).mean())
    return {"val_loss": loss, **{f"val_{name}": figure for name, figure in found.items()}}


def _batches(number: int, size: int, least: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Clip indices of one epoch in random order; a last batch of fewer than `least` is left out.

    Batch normalisation has no statistics of a single clip, and every device needs one.
    """
    order = torch.randperm(number, generator=generator, device=generator.device)
    for index in order.split(size):
        if len(index) >= min(least, number):
            yield index


def make_optimizer(model: nn.Module, settings: Train) -> torch.optim.Optimizer:
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
