"""Both train stages: read features, train, write the checkpoint and its history."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

from har.dataset.sequences import Sequences, data_hash, read_sequences
from har.evaluation.calibration import apply_temperature, fit_temperature
from har.evaluation.conformal import val_scores
from har.files import write_csv
from har.models import build
from har.models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from har.models.encoder import encoder_of, fits
from har.models.inference import log_probabilities
from har.models.novelty import directions, distances, remember
from har.models.two_stream import TwoStream
from har.params import Model, Params, Preprocess, Train, load_params, project_folder
from har.tracking.runs import file_hash, training_run
from har.training.closed_form import fit_closed_form
from har.training.devices import Devices, run_on_devices
from har.training.resuming import fingerprint, load_state, save_state
from har.training.trainer import (
    HISTORY_COLUMNS,
    Epoch,
    Trainer,
    count_parameters,
    refit_settings,
)
from stages import EVERYDAY, FEATURES, MODELS, PLOTS, UNFINISHED
from stages.record import describe_training


def train(name: str) -> None:
    """Train the `baseline` or the `improved` model, on the devices of its settings.

    Raises:
        UserError: params.yaml or the features are wrong, or training fails.
    """
    params = load_params()
    settings = params.baseline.train if name == "baseline" else params.train
    run_on_devices(settings, partial(_train, name, params))


def _train(name: str, params: Params, devices: Devices) -> None:
    own = params.baseline if name == "baseline" else params
    torch.set_num_threads(params.threads)
    sequences = read_sequences(FEATURES)
    training, val = sequences.subset("train"), sequences.subset("val")
    classes, hashed = sequences.settings["classes"], data_hash(FEATURES)
    say = tqdm.write if devices.first else _say_nothing  # above the progress bar
    say(
        f"{name}: {own.model.arch}, {len(training)} train and {len(val)} val clips "
        f"of {len(classes)} classes, seed {params.seed}, {params.threads} threads"
    )
    encoder = _encoder(own.model, sequences, say)
    # Everything that determines the weights: only the same computation is resumed.
    key = fingerprint(
        name,
        params.seed,
        params.threads,
        devices.number,
        hashed,
        file_hash(EVERYDAY) if encoder else "",
        own.model.model_dump(),
        own.train.model_dump(),
    )

    # `dvc plots show` draws a training while it runs. `evaluate` writes the same file, as its
    # output: an uncached output of this stage would switch off DVC's run cache for it.
    shown: list[dict[str, Any]] = []

    def report(entry: Epoch) -> None:
        run.log_epoch(entry.as_row())
        if devices.first:
            shown.append(entry.as_row())
            write_csv(PLOTS / f"history_{name}.csv", shown, HISTORY_COLUMNS)
        say(
            f"epoch {entry.epoch:3d}  loss {entry.train_loss:.3f} / {entry.val_loss:.3f}  "
            f"accuracy {entry.train_accuracy:.3f} / {entry.val_accuracy:.3f}  "
            f"macro-F1 {entry.train_macro_f1:.3f} / {entry.val_macro_f1:.3f}  (train / val)"
        )

    def learn(
        clips: Sequences,
        val: Sequences,
        settings: Train,
        start: dict[str, torch.Tensor] | None,
        unfinished: Path,
        report: Callable[[Epoch], None],
    ) -> tuple[nn.Module, list[Epoch]]:
        if own.model.arch == "minirocket":
            network, entry = fit_closed_form(clips, val, own.model, settings, params.seed)
            report(entry)
            return network, [entry]
        trainer = Trainer(clips, val, own.model, settings, params.seed, devices, start)
        _fit(trainer, unfinished, key, report, say)
        return trainer.trained(), trainer.history

    enabled = params.tracking.enabled and devices.first
    tracking = params.tracking.model_copy(update={"enabled": enabled})
    described = describe_training(name, params, hashed, sequences)
    path = MODELS / f"{name}.safetensors"
    unfinished = [UNFINISHED / f"{name}_{stage}.pt" for stage in ("val", "refit")]
    with training_run(described, tracking, project_folder()) as run:
        network, history = learn(training, val, own.train, encoder, unfinished[0], report)
        answers = log_probabilities(network, val, own.model.windows)
        if isinstance(network, TwoStream):
            seen, unseen = (
                directions(network, some, own.model.windows) for some in (training, val)
            )
            apart = distances(unseen, seen)
        learnt = training
        if own.train.refit:
            learnt, none = sequences.subset("train", "val"), sequences.subset()
            say(f"val is measured; training on with all {len(learnt)} train and val clips")
            settings, start = refit_settings(own.train), network.state_dict()
            network, _ = learn(learnt, none, settings, start, unfinished[1], _say_nothing)
        if not devices.first:
            return
        known = None
        if isinstance(network, TwoStream):
            seen = directions(network, learnt, own.model.windows)
            known = remember(seen, apart, val.groups, params.seed)
        temperature = fit_temperature(val.labels, answers, val.groups)
        checkpoint = Checkpoint(
            weights=network.state_dict(),
            model=own.model,
            preprocess=Preprocess.model_validate(sequences.settings["preprocess"]),
            layout=sequences.layout,
            classes=classes,
            temperature=temperature,
            data_hash=hashed,
            val={"accuracy": float((answers.argmax(1) == val.labels).mean())},
            known=known,
            val_scores=val_scores(val.labels, apply_temperature(answers, temperature), params.seed),
        )
        save_checkpoint(path, checkpoint)
        write_csv(
            MODELS / f"{name}_history.csv", [entry.as_row() for entry in history], HISTORY_COLUMNS
        )
        run.finish(file_hash(path), checkpoint.val)
    for state in unfinished:
        state.unlink(missing_ok=True)
    say(
        f"{count_parameters(network)} parameters, val accuracy {checkpoint.val['accuracy']:.3f}, "
        f"written to {path}"
    )


def _encoder(
    model: Model, sequences: Sequences, say: Callable[[str], None]
) -> dict[str, torch.Tensor] | None:
    """The pre-trained encoder of `model.pretrained`, None where it does not fit the network."""
    if model.pretrained == "none":
        return None
    pretrained = load_checkpoint(EVERYDAY)
    encoder = encoder_of(pretrained.weights)
    if sequences.layout == pretrained.layout and fits(encoder, build(model, 1, sequences.layout)):
        say(f"starting from the encoder of {EVERYDAY}, which learnt motion in simulation")
        return encoder
    say(f"note: {EVERYDAY} does not fit this network or layout: starting from random weights")
    return None


def _fit(
    trainer: Trainer,
    unfinished: Path,
    key: str,
    report: Callable[[Epoch], None],
    say: Callable[[str], None],
) -> None:
    """Train to the end, resuming a killed training of the same key."""
    devices, resume = trainer.devices, trainer.settings.resume
    state = load_state(unfinished, key) if resume and devices.first else None
    if state := devices.gather(state)[0]:  # the other processes may be on another machine
        trainer.load_state_dict(state)
        say(f"resuming after epoch {trainer.epoch}")
    for entry in trainer.history:
        report(entry)
    for entry in trainer.epochs():
        report(entry)
        if resume:
            state = trainer.state_dict()
            if devices.first:
                save_state(unfinished, key, state)


def _say_nothing(_: object) -> None:
    pass
