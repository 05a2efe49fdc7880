"""Whether probabilities can be believed: log loss and calibration error by the temperature, and
how often sets of classes that are promised to hold 90 % do.

`python -m benchmarks.calibration --kth path/to/kth.pkl --penn path/to/penn.pkl` trains as the
stage does: on train, to fit the temperature on val, then on with train and val, to answer test
clips. The splits:

- `official`: the file's own; of the simulated set the default group split;
- `folds`: KTH's persons and the simulated set's groups in four folds, every ordered pair of them
  as val and test: twelve splits of unseen groups.

Rows are kept in a file and not computed again.
"""

import argparse
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.model_selection import StratifiedGroupKFold
from torch import nn

from benchmarks.ablation import preprocessed
from benchmarks.experiments import markdown, with_overrides
from benchmarks.pretraining import fitted, sequences_of
from har.clips.simulate import simulate
from har.clips.sources import choose_classes
from har.dataset.sequences import Sequences
from har.dataset.splits import group_split
from har.errors import user_errors_end_the_program
from har.evaluation.calibration import apply_temperature, fit_temperature
from har.evaluation.conformal import prediction_sets, val_scores
from har.evaluation.metrics import calibration_error
from har.models.inference import log_probabilities
from har.params import Params, load_params

NAMES = {"kth": "KTH", "penn": "Penn Action", "simulated": "simulated"}
FOLDS = 4


def read(source: str, params: Params) -> tuple[Sequences, np.ndarray]:
    """All clips, and their subsets (N,) by the official split or the default group split."""
    if source != "simulated":
        return sequences_of(source, params)
    found = choose_classes(simulate(params.prepare.seed), [])
    clips, split = preprocessed(found.clips, found.classes, params), params.split
    return clips, group_split(
        clips.labels, clips.groups, split.val_fraction, split.test_fraction, split.seed
    )


def measured(
    clips: Sequences, splits: Iterator[np.ndarray], params: Params, seed: int
) -> Iterator[dict[str, Any]]:
    """Figures of each split, given as the subset (N,) of every clip."""
    trained: dict[bytes, nn.Module] = {}

    def network(keep: np.ndarray) -> nn.Module:
        """Trained on some clips."""
        if keep.tobytes() not in trained:
            trained[keep.tobytes()] = fitted(clips.take(keep), params, seed)
        return trained[keep.tobytes()]

    for subsets in splits:
        train, val, test = (subsets == name for name in ("train", "val", "test"))
        first = network(train)
        refit = fitted(clips.take(train | val), params, seed, first)
        before, found = (log_probabilities(n, clips, params.model.windows) for n in (first, refit))
        groups = clips.groups[val]
        temperature = fit_temperature(clips.labels[val], before[val], groups)
        raw, scaled = (apply_temperature(found[test], t) for t in (1.0, temperature))
        labels = clips.labels[test]
        scores = val_scores(clips.labels[val], apply_temperature(before[val], temperature), seed)
        sets = prediction_sets(scores, scaled, 0.9)
        inside = sets[np.arange(len(labels)), labels]
        of_groups = [
            inside[clips.groups[test] == group].mean() for group in np.unique(clips.groups[test])
        ]
        yield {
            "groups": len(np.unique(groups)),
            "temperature": temperature,
            "accuracy": float((raw.argmax(1) == labels).mean()),
            "raw_loss": log_loss(labels, raw),
            "loss": log_loss(labels, scaled),
            "raw_error": calibration_error(labels, raw),
            "error": calibration_error(labels, scaled),
            "coverage": float(inside.mean()),
            "coverage_of_groups": float(np.mean(of_groups)),
            "coverage_of_worst": float(np.min(of_groups)),
            "set_size": float(sets.sum(axis=1).mean()),
        }


def log_loss(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean of -log of the true class's probability."""
    return float(-np.log(probabilities[np.arange(len(labels)), labels]).mean())


def pairs_of_folds(clips: Sequences, seed: int) -> Iterator[np.ndarray]:
    """Subsets (N,) for every ordered pair of folds of groups, one val and one test."""
    fold = np.empty(len(clips), int)
    cut = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    for number, (_, own) in enumerate(cut.split(clips.labels, clips.labels, clips.groups)):
        fold[own] = number
    for val, test in itertools.permutations(range(FOLDS), 2):
        yield np.select([fold == val, fold == test], ["val", "test"], "train")


def table(rows: list[dict[str, Any]]) -> str:
    """A row for each data set and kind of split: means over its splits."""
    lines = []
    for name, kind in dict.fromkeys((row["data"], row["kind"]) for row in rows):
        some = [row for row in rows if (row["data"], row["kind"]) == (name, kind)]

        def mean(key: str, some: list[dict[str, Any]] = some) -> float:
            return float(np.mean([row[key] for row in some]))

        gains = [row["loss"] - row["raw_loss"] for row in some]
        found = [row["temperature"] for row in some]
        lines.append(
            [
                f"{NAMES[name]}, {kind}",
                str(len(some)),
                f"{mean('groups'):.0f}",
                f"{min(found):.2f} - {max(found):.2f}",
                f"{mean('accuracy'):.3f}",
                f"{mean('raw_loss'):.3f}",
                f"{mean('loss'):.3f}",
                f"{np.mean(gains):+.3f}",
                f"{max(gains):+.3f}",
                f"{mean('raw_error'):.3f}",
                f"{mean('error'):.3f}",
                f"{mean('coverage'):.3f}",
                f"{mean('coverage_of_groups'):.3f}",
                f"{mean('coverage_of_worst'):.3f}",
                f"{mean('set_size'):.2f}",
            ]
        )
    columns = [
        "data, splits",
        "splits",
        "val groups",
        "temperature",
        "accuracy",
        "log loss, raw",
        "scaled",
        "mean change",
        "worst change",
        "calibration error, raw",
        "scaled",
        "coverage of 90 % sets",
        "mean of groups",
        "lowest group",
        "classes in a set",
    ]
    return markdown(columns, lines)


def main() -> None:
    """Compute what is missing and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calibration", description=__doc__)
    parser.add_argument("--kth", help="the pickle of KTH's skeletons")
    parser.add_argument("--penn", help="the pickle of Penn Action's")
    parser.add_argument("--kinds", default="official,folds")
    parser.add_argument("--seed", type=int, default=1, help="of trainings and folds (default: 1)")
    parser.add_argument("--rows", default="calibration.jsonl", help="file of the rows done")
    parser.add_argument("-S", "--set-param", action="append", default=[], metavar="KEY=VALUE")
    arguments = parser.parse_args()
    params = with_overrides(load_params(), tuple(arguments.set_param))
    torch.set_num_threads(params.threads)
    path = Path(arguments.rows)
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    done = {(row["data"], row["kind"]) for row in rows}
    sources = {"kth": arguments.kth, "penn": arguments.penn, "simulated": "simulated"}
    for name, source in sources.items():
        kinds = [kind for kind in arguments.kinds.split(",") if (name, kind) not in done]
        if name == "penn":  # its clips have no groups
            kinds = [kind for kind in kinds if kind != "folds"]
        if not source or not kinds:
            continue
        clips, subsets = read(source, params)
        for kind in kinds:
            splits = iter([subsets]) if kind == "official" else pairs_of_folds(clips, 1)
            own = [
                {"data": name, "kind": kind, **found}
                for found in measured(clips, splits, params, arguments.seed)
            ]
            rows += own
            with path.open("a") as file:
                file.writelines(json.dumps(row) + "\n" for row in own)
    print(table(rows))


if __name__ == "__main__":
    with user_errors_end_the_program():
        main()
