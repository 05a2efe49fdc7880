"""What both train stages do: read features, train, write the checkpoint and its history."""

import numpy as np
import torch
from tqdm import tqdm

from har.checkpoint import Checkpoint, save_checkpoint
from har.files import write_csv
from har.metrics import fit_temperature
from har.params import Preprocess, load_params
from har.predict import class_probabilities
from har.skeleton import LAYOUTS
from har.store import data_hash, read_features
from har.tracking import describe_data, file_hash, model_params, training_run
from har.training import HISTORY_COLUMNS, Epoch, count_parameters, train_model
from stages import FEATURES, MODELS


def train(name: str) -> None:
    """Train the `baseline` or the `improved` model.

    Raises:
        UserError: params.yaml or the features are wrong, or training can't go on.
    """
    params = load_params()
    model_settings, settings = (
        (params.baseline.model, params.baseline.train)
        if name == "baseline"
        else (params.model, params.train)
    )
    torch.set_num_threads(params.threads)
    features = read_features(FEATURES)
    layout = LAYOUTS[features.settings["layout"]]
    training, val = features.subset("train"), features.subset("val")
    print(
        f"{name}: {model_settings.arch}, {len(training)} train and {len(val)} val clips "
        f"of {len(features.settings['classes'])} classes, seed {params.seed}, "
        f"{params.threads} threads"
    )

    hashed = data_hash(FEATURES)
    data = describe_data(params.prepare.source, features, hashed)
    path = MODELS / f"{name}.safetensors"
    with training_run(name, params.tracking, model_params(params, name), data) as run:

        def report(epoch: Epoch) -> None:
            run.log_epoch(epoch.as_row())
            tqdm.write(  # above the progress bar, where there is one
                f"epoch {epoch.epoch:3d}  loss {epoch.train_loss:.3f} / {epoch.val_loss:.3f}  "
                f"accuracy {epoch.train_accuracy:.3f} / {epoch.val_accuracy:.3f}  "
                f"macro-F1 {epoch.train_macro_f1:.3f} / {epoch.val_macro_f1:.3f}  (train / val)"
            )

        model, history = train_model(
            training, val, model_settings, settings, layout, params.seed, report
        )
        probabilities = class_probabilities(model, val, model_settings)
        log_probabilities = np.log(np.maximum(probabilities, 1e-12))
        if settings.refit:
            both, none = features.subset("train", "val"), features.subset()
            print(f"val is measured: training again on all {len(both)} train and val clips")
            model, _ = train_model(both, none, model_settings, settings, layout, params.seed)
        checkpoint = Checkpoint(
            weights=model.state_dict(),
            model=model_settings,
            preprocess=Preprocess.model_validate(features.settings["preprocess"]),
            layout=layout.name,
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
    print(
        f"{count_parameters(model)} parameters, val accuracy {checkpoint.val['accuracy']:.3f}, "
        f"written to {path}"
    )
