"""Evaluate: both models on held-out clips, with intervals and the test of their difference."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from har.checkpoint import load_checkpoint
from har.errors import UserError, user_errors_end_the_program
from har.files import read_json, write_json
from har.metrics import apply_temperature, compare, evaluate, per_class
from har.params import load_params
from har.predict import Recognizer, class_probabilities
from har.store import Features, data_hash, read_features
from har.training import count_parameters
from stages import FEATURES, METRICS, MODELS
from stages.split import audit_line

NAMES = ("baseline", "improved")


def load_fitting(path: Path, features: Features) -> Recognizer:
    """Load a checkpoint that was trained for the classes of these features.

    Raises:
        UserError: the checkpoint is for other classes or joints.
    """
    checkpoint = load_checkpoint(path)
    for key, wanted in (("classes", checkpoint.classes), ("layout", checkpoint.layout)):
        if features.settings[key] != wanted:
            raise UserError(
                f"{path} was trained for the {key} {wanted}, {FEATURES} has "
                f"{features.settings[key]}: run `dvc repro`"
            )
    if checkpoint.data_hash != data_hash(FEATURES):
        raise UserError(f"{path} was trained on other features than {FEATURES}: run `dvc repro`")
    return Recognizer.of(checkpoint)


def main() -> None:
    """Read features and both models, write metrics and plots."""
    params = load_params()
    torch.set_num_threads(params.threads)
    features = read_features(FEATURES)
    classes = features.settings["classes"]
    held_out = features.subset(params.evaluate.subset)
    if not len(held_out):
        raise UserError(
            f"the {params.evaluate.subset} part has no clips: set evaluate.subset to val, or give "
            "split.test_fraction a share"
        )
    models = {name: load_fitting(MODELS / f"{name}.safetensors", features) for name in NAMES}
    raw, calibrated = {}, {}
    for name, recognizer in models.items():
        raw[name] = class_probabilities(recognizer.model, held_out, recognizer.checkpoint.model)
        calibrated[name] = apply_temperature(
            np.log(np.maximum(raw[name], 1e-12)), recognizer.checkpoint.temperature
        )

    figures: dict[str, Any] = {}
    top_k, seed = (params.evaluate.top_k,), params.seed
    resamples = params.evaluate.resamples
    for name, recognizer in models.items():
        found, before = (
            evaluate(
                held_out.labels, probabilities[name], held_out.groups,
                top_k=top_k, resamples=resamples, seed=seed,
            )
            for probabilities in (calibrated, raw)
        )  # fmt: skip
        figures[name] = found | {
            "log_loss_uncalibrated": before["log_loss"],
            "calibration_error_uncalibrated": before["calibration_error"],
            "temperature": recognizer.checkpoint.temperature,
            "val_accuracy": recognizer.checkpoint.val["accuracy"],
            "parameters": count_parameters(recognizer.model),
        }
    figures["difference"] = compare(
        held_out.labels,
        calibrated["baseline"],
        calibrated["improved"],
        held_out.groups,
        resamples=resamples,
        seed=seed,
    )
    audit = read_json(METRICS / "split.json")
    figures["leak"] = audit[params.evaluate.subset]
    write_json(METRICS / "evaluation.json", figures)
    write_json(
        METRICS / "per_class.json",
        {name: per_class(held_out.labels, calibrated[name], classes) for name in NAMES},
    )
    print(summary(figures, params.evaluate.subset))
    print(audit_line(audit))


def summary(figures: dict[str, Any], subset: str) -> str:
    """The small table that ends a run."""
    lines = [f"{'':10}{'accuracy':>10}{'95 % interval':>17}{'macro-F1':>10}{'parameters':>12}"]
    for name in NAMES:
        found = figures[name]
        interval = f"{found['accuracy_low']:.3f} - {found['accuracy_high']:.3f}"
        lines.append(
            f"{name:10}{found['accuracy']:10.3f}{interval:>17}{found['macro_f1']:10.3f}"
            f"{found['parameters']:12,}"
        )
    difference = figures["difference"]
    lines.append(
        f"{figures['improved']['clips']} {subset} clips of {figures['improved']['groups']} groups; "
        f"difference {difference['accuracy']:+.3f} ({difference['accuracy_low']:+.3f} to "
        f"{difference['accuracy_high']:+.3f}), McNemar p = {difference['p_value']:.3g}"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    with user_errors_end_the_program():
        main()
