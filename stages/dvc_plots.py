"""Rows of the CSV files that DVC plots with the templates in .dvc/plots.

The templates keep the order in which classes first appear, so every class appears, in label
order, before anything else: DVC's own confusion template sorts by alphabet and leaves out classes
that were never predicted.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

CONFUSION_COLUMNS = ("actual", "predicted", "clips", "share")
PER_CLASS_COLUMNS = ("class", "model", "precision", "recall", "f1", "support")
RELIABILITY_COLUMNS = ("model", "temperature", "confidence", "accuracy", "clips")


def confusion_rows(table: np.ndarray, classes: Sequence[str]) -> Iterator[dict[str, str | float]]:
    """Cells of a (K, K) table of clips: the diagonal, then all others that are not empty."""
    total = np.maximum(table.sum(axis=1), 1)
    cells = [(k, k) for k in range(len(classes))]
    cells += [(int(row), int(column)) for row, column in np.argwhere(table) if row != column]
    for row, column in cells:
        yield {
            "actual": classes[row],
            "predicted": classes[column],
            "clips": int(table[row, column]),
            "share": float(table[row, column] / total[row]),
        }


def per_class_rows(
    models: Mapping[str, Mapping[str, Mapping[str, float]]],
) -> Iterator[dict[str, str | float]]:
    """One row per class and model, from the results of `metrics.per_class` by model name."""
    for name in next(iter(models.values())):
        for model, figures in models.items():
            yield {"class": name, "model": model, **figures[name]}


def reliability_rows(
    models: Mapping[str, Mapping[str, Sequence[Mapping[str, float]]]],
) -> Iterator[dict[str, str | float]]:
    """One row per bin, from the results of `metrics.calibration_bins` by model and kind."""
    for model, kinds in models.items():
        for kind, bins in kinds.items():
            for row in bins:
                chosen = {key: row[key] for key in ("confidence", "accuracy", "clips")}
                yield {"model": model, "temperature": kind, **chosen}
