"""What both train stages do: read features, train, write the checkpoint and its history."""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from har.dataset.sequences import Sequences, data_hash, read_sequences
from har.evaluation.calibration import fit_temperature
from har.files import write_csv
from har.models.checkpoint import Checkpoint, save_checkpoint
from har.params import Params, Preprocess, load_params, project_folder
from har.recognition.recognizer import class_probabilities
from har.skeleton import layout_of_setting
from har.tracking.runs import file_hash, training_run
from har.training.devices import Devices, run_on_devices
from har.training.resuming import fingerprint, load_state, save_state
from har.training.trainer import HISTORY_COLUMNS, Epoch, count_parameters, train_model
from stages import FEATURES, MODELS, UNFINISHED
from stages.record import describe_training


def train(name: str) -> None:
    """Train the `baseline` or the `improved` model, on as many devices as its settings say.

    Raises:
        UserError: params.yaml or the features are wrong, or training can't go on.
    """
    params = load_params()
    settings = params.baseline.train if name == "baseline" else params.train
    run_on_devices(settings, partial(_train, name, params))


def _train(name: str, params: Params, devices: Devices) -> None:
    own = params.baseline if name == "baseline" else params
    model_settings, settings = own.model, own.train
    torch.set_num_threads(params.threads)
    features = read_sequences(FEATURES)
    layout = layout_of_setting(features.settings["layout"], str(FEATURES))
    training, val = features.subset("train"), features.subset("val")
    hashed = data_hash(FEATURES)

    def say(text: str) -> None:
        if devices.first:
            tqdm.write(text)  # above the progress bar, where there is one

    say(
        f"{name}: {model_settings.arch}, {len(training)} train and {len(val)} val clips "
        f"of {len(features.settings['classes'])} classes, seed {params.seed}, "
        f"{params.threads} threads"
    )
    # Everything that decides the weights: a state is only taken up by the same computation.
    of = fingerprint(
        name, params.seed, params.threads, devices.number, hashed, own.model.model_dump(),
        settings.model_dump(),
    )  # fmt: skip

    def report(epoch: Epoch) -> None:
        run.log_epoch(epoch.as_row())
        say(
            f"epoch {epoch.epoch:3d}  loss {epoch.train_loss:.3f} / {epoch.val_loss:.3f}  "
            f"accuracy {epoch.train_accuracy:.3f} / {epoch.val_accuracy:.3f}  "
            f"macro-F1 {epoch.train_macro_f1:.3f} / {epoch.val_macro_f1:.3f}  (train / val)"
        )

    def fit(
        part: str, clips: Sequences, val: Sequences, report: Callable[[Epoch], None]
    ) -> tuple[nn.Module, list[Epoch]]:
        path = UNFINISHED / f"{name}_{part}.pt"
        state = load_state(path, of) if settings.resume and devices.first else None
        state = devices.gather(state)[0]  # the others may be on another machine
        if state:
            say(f"going on after epoch {state['reached']['epoch']}, where a training was ended")
        keep = partial(save_state, path, of) if settings.resume else None
        return train_model(
            clips, val, model_settings, settings, layout, params.seed, report, devices, state, keep
        )

    tracking = params.tracking.model_copy(
        update={"enabled": params.tracking.enabled and devices.first}
    )
    described = describe_training(name, params, hashed, features)
    path = MODELS / f"{name}.safetensors"
    with training_run(described, tracking, project_folder()) as run:
        model, history = fit("val", training, val, report)
        probabilities = class_probabilities(model, val, model_settings)
        if settings.refit:
            both, none = features.subset("train", "val"), features.subset()
            say(f"val is measured: training again on all {len(both)} train and val clips")
            model, _ = fit("refit", both, none, lambda entry: None)
        if not devices.first:
            return
        log_probabilities = np.log(np.maximum(probabilities, 1e-12))
        checkpoint = Checkpoint(
            weights=model.state_dict(),
            model=model_settings,
            preprocess=Preprocess.model_validate(features.settings["preprocess"]),
            layout=layout,
            classes=features.settings["classes"],
            temperature=fit_temperature(val.labels, log_probabilities),
            data_hash=hashed,
            val={"accuracy": float((probabilities.argmax(1) == val.labels).mean())},
        )
        save_checkpoint(path, checkpoint)
        write_csv(
            MODELS / f"{name}_history.csv", [entry.as_row() for entry in history], HISTORY_COLUMNS
        )
        run.finish(file_hash(path), checkpoint.val)
    for part in ("val", "refit"):
        (UNFINISHED / f"{name}_{part}.pt").unlink(missing_ok=True)
    say(
        f"{count_parameters(model)} parameters, val accuracy {checkpoint.val['accuracy']:.3f}, "
        f"written to {path}"
    )
