"""Evaluate both models on held-out clips: metrics, intervals, test of the difference, plots."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from har.dataset.prepared import Prepared, read_prepared
from har.dataset.sequences import Sequences, data_hash, read_sequences
from har.errors import UserError, user_errors_end_the_program
from har.evaluation import metrics
from har.evaluation.calibration import apply_temperature
from har.evaluation.conformal import prediction_sets
from har.files import read_csv, read_json, write_atomically, write_csv, write_json
from har.models import build
from har.models.checkpoint import load_checkpoint
from har.models.inference import log_probabilities
from har.params import Evaluate, load_params
from har.recognition.recognizer import Recognizer
from har.training.trainer import HISTORY_COLUMNS, count_parameters
from stages import FEATURES, METRICS, MODELS, NAMES, PLOTS, PREDICTIONS, PREPARED, dvc_plots
from stages.record import record
from stages.summary import audit_line, table


def main() -> None:
    """Read features and both models, write metrics and plots."""
    params = load_params()
    torch.set_num_threads(params.threads)
    features = read_sequences(FEATURES)
    prepared = read_prepared(PREPARED)
    held_out = features.subset(params.evaluate.subset)
    if not len(held_out):
        raise UserError(
            f"there are no {params.evaluate.subset} clips: set evaluate.subset to val, or give "
            "split.test_fraction a share"
        )
    models = {name: load_fitting(MODELS / f"{name}.safetensors", features) for name in NAMES}
    histories = {name: read_history(MODELS / f"{name}_history.csv") for name in NAMES}
    raw, calibrated = {}, {}
    for name, found in models.items():
        answers = log_probabilities(found.model, held_out, found.checkpoint.model.windows)
        raw[name] = np.exp(answers)
        calibrated[name] = apply_temperature(answers, found.checkpoint.temperature)

    audit = read_json(METRICS / "split.json")
    evaluation = measure(models, held_out, raw, calibrated, params.evaluate, params.seed)
    evaluation["leak"] = audit[params.evaluate.subset]
    classes = features.settings["classes"]
    per_class = {
        name: metrics.per_class(held_out.labels, calibrated[name], classes) for name in NAMES
    }
    write_json(METRICS / "headline.json", headline(evaluation))
    write_json(METRICS / "evaluation.json", evaluation)
    write_json(METRICS / "per_class.json", per_class)
    write_predictions(held_out, calibrated, classes)
    write_plots(held_out, prepared, raw, calibrated, per_class, histories, classes)
    record(params)
    print(table(evaluation, params.evaluate.subset))
    print(audit_line(audit))


def load_fitting(path: Path, features: Sequences) -> Recognizer:
    """Load a checkpoint that was trained on these features.

    Raises:
        UserError: the checkpoint is for other classes, joints or clips.
    """
    checkpoint = load_checkpoint(path)
    for key, trained_for in (
        ("classes", checkpoint.classes),
        ("layout", checkpoint.layout.setting),
    ):
        if features.settings[key] != trained_for:
            raise UserError(
                f"{path} was trained for the {key} {trained_for}, {FEATURES} has "
                f"{features.settings[key]}: run `dvc repro`"
            )
    if checkpoint.data_hash != data_hash(FEATURES):
        raise UserError(f"{path} was trained on other features than {FEATURES}: run `dvc repro`")
    return Recognizer.of(checkpoint)


def read_history(path: Path) -> list[dict[str, str]]:
    """Read the figures of a training's epochs, numbers as text.

    Raises:
        UserError: the file is missing or damaged.
    """
    rows = read_csv(path, HISTORY_COLUMNS)
    for row in rows:
        for column in HISTORY_COLUMNS:
            try:
                float(row[column])
            except ValueError as error:
                raise UserError(f"{path}: {error}; remove it and run `dvc repro`") from None
    return rows


def measure(
    models: dict[str, Recognizer],
    held_out: Sequences,
    raw: dict[str, np.ndarray],
    calibrated: dict[str, np.ndarray],
    settings: Evaluate,
    seed: int,
) -> dict[str, Any]:
    """Metrics of both models, before and after temperature scaling, and of their difference."""
    labels, groups = held_out.labels, held_out.groups
    options: dict[str, Any] = {"resamples": settings.resamples, "seed": seed}
    found: dict[str, Any] = {}
    for name, recognizer in models.items():
        checkpoint = recognizer.checkpoint
        before = metrics.evaluate(labels, raw[name], groups, **options)
        found[name] = metrics.evaluate(
            labels, calibrated[name], groups, top_k=(settings.top_k,), **options
        ) | {
            **_sets(checkpoint.val_scores, labels, calibrated[name]),
            "raw_log_loss": before["log_loss"],
            "raw_calibration_error": before["calibration_error"],
            "temperature": checkpoint.temperature,
            "val_accuracy": checkpoint.val["accuracy"],
            # Of the network in training: the recogniser's batch normalisations are folded.
            "parameters": count_parameters(
                build(checkpoint.model, len(checkpoint.classes), checkpoint.layout)
            ),
        }
    found["difference"] = metrics.compare(
        labels, calibrated["baseline"], calibrated["improved"], groups, **options
    )
    return found


def headline(evaluation: dict[str, Any]) -> dict[str, float]:
    """The few figures that DVC prints, under names that leave room for them in 80 columns.

    Accuracy of the improved model, its 95 % interval over groups and its macro-F1, the accuracy of
    the baseline, and the number of held-out clips whose group has a clip in training.
    """
    improved = evaluation["improved"]
    found = {
        "accuracy": improved["accuracy"],
        "low": improved["accuracy_low"],
        "high": improved["accuracy_high"],
        "macro_f1": improved["macro_f1"],
        "baseline": evaluation["baseline"]["accuracy"],
        "leaks": evaluation["leak"]["leaking"],
    }
    return {name: round(figure, 4) for name, figure in found.items()}


def _sets(scores: list[float], labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """How often sets of classes that are promised to hold 90 % do, and how large they are."""
    inside = prediction_sets(scores, probabilities, 0.9)
    return {
        "coverage_90": float(inside[np.arange(len(labels)), labels].mean()),
        "set_size_90": float(inside.sum(axis=1).mean()),
    }


def write_predictions(
    held_out: Sequences, probabilities: dict[str, np.ndarray], classes: list[str]
) -> None:
    """Write one row per held-out clip: class, predictions and their probabilities."""
    rows = []
    for index, clip in enumerate(held_out.ids):
        row = {
            "id": clip,
            "group": held_out.groups[index],
            "class": classes[held_out.labels[index]],
        }
        for name in NAMES:
            row[name] = classes[probabilities[name][index].argmax()]
            row[f"{name}_probability"] = float(probabilities[name][index].max())
        rows.append(row)
    write_csv(PREDICTIONS, rows, list(rows[0]))


def write_plots(
    held_out: Sequences,
    prepared: Prepared,
    raw: dict[str, np.ndarray],
    calibrated: dict[str, np.ndarray],
    per_class: dict[str, Any],
    histories: dict[str, list[dict[str, str]]],
    classes: list[str],
) -> None:
    """Write the tables that DVC plots, and the pictures."""
    # Matplotlib takes a while to import: errors come first.
    from har.figures import charts, skeletons, style

    labels, layout = held_out.labels, held_out.layout
    rows = {row.id: row for row in prepared.rows}

    def samples(indices: np.ndarray) -> list[skeletons.Sample]:
        ids = [str(clip) for clip in held_out.ids[indices]]
        return [
            skeletons.Sample(clip, rows[clip].label, prepared.poses(rows[clip])) for clip in ids
        ]

    calibration = {
        name: {
            "before": metrics.calibration_bins(labels, raw[name]),
            "after": metrics.calibration_bins(labels, calibrated[name]),
        }
        for name in NAMES
    }
    write_csv(
        PLOTS / "per_class.csv",
        dvc_plots.per_class_rows(per_class),
        dvc_plots.PER_CLASS_COLUMNS,
    )
    write_csv(
        PLOTS / "reliability.csv",
        dvc_plots.reliability_rows(calibration),
        dvc_plots.RELIABILITY_COLUMNS,
    )
    pictures = {}
    for name in NAMES:
        confusion = metrics.confusion(labels, calibrated[name])
        confusion_rows = dvc_plots.confusion_rows(confusion, classes)
        columns = dvc_plots.CONFUSION_COLUMNS
        write_csv(PLOTS / f"confusion_{name}.csv", confusion_rows, columns)
        write_csv(PLOTS / f"history_{name}.csv", histories[name], HISTORY_COLUMNS)
        pictures[f"confusion_{name}"] = charts.confusion_matrix(confusion, classes, name)
    curves = {
        name: {key: [float(row[key]) for row in history] for key in HISTORY_COLUMNS}
        for name, history in histories.items()
    }
    pictures["curves"] = charts.training_curves(curves)
    pictures["per_class"] = charts.per_class_f1(per_class)
    pictures["reliability"] = charts.reliability(calibration)

    improved = calibrated["improved"]
    # The first held-out clip of each class: none is picked by hand.
    first = np.array([np.flatnonzero(labels == label)[0] for label in np.unique(labels)])
    worst = skeletons.worst_mistakes(labels, improved)
    pictures["examples"] = skeletons.predicted_examples(
        samples(first), improved[first], classes, layout
    )
    pictures["mistakes"] = skeletons.mistakes_gallery(
        samples(worst), improved[worst], classes, layout
    )
    for name, figure in pictures.items():
        with write_atomically(PLOTS / f"{name}.png") as file:
            file.write(style.png(figure))


if __name__ == "__main__":
    with user_errors_end_the_program():
        main()
