"""Peers with an equal budget of tuning: twelve settings each, chosen inside the training clips.

`python -m benchmarks.tuning --kth path/to/kth.pkl --penn path/to/penn.pkl --models minirocket,lstm`
chooses each model's settings by group-wise cross-validation over the official train and val clips
(accuracy, then log loss), trains it on all of them for each seed, and measures it on the official
test clips. MiniRocket's cross-validation is its own: every group is left out in closed form.
Networks are tuned with shorter trainings (`--tune-batches`, LITEMV with `--tune-epochs`). aeon's
classifiers run in an environment of their own (`make tuning`).

Probabilities are the models' own, without a temperature. Seconds are those of the processor, one
thread. Rows are kept in a file and not computed again.
"""

import argparse
import itertools
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.model_selection import StratifiedGroupKFold

from benchmarks.experiments import markdown, recipe, spread, with_overrides
from benchmarks.pretraining import NAMES, fitted, sequences_of
from har.dataset.augmentation import mirrored
from har.dataset.sequences import Sequences
from har.dataset.windows import test_windows
from har.errors import UserError, user_errors_end_the_program
from har.evaluation.metrics import calibration_error, macro_f1
from har.geometry import normalise
from har.models.inference import log_probabilities
from har.models.persons import prominence
from har.params import Params, load_params
from har.training.closed_form import fit_closed_form

PYTHON = Path(".venv-peers/bin/python")
SEED = 0  # of tuning

# Twelve settings of each: all combinations.
GRIDS: dict[str, dict[str, tuple[Any, ...]]] = {
    "default": {
        "train.lr": (0.002, 0.004, 0.008),
        "train.encoder_lr": (0.25, 0.5),
        "model.dropout": (0.3, 0.5),
    },
    "lstm": {
        "train.lr": (0.001, 0.002, 0.004),
        "model.width": (64, 128),
        "model.dropout": (0.3, 0.5),
    },
    "ddnet": {
        "train.lr": (0.001, 0.002, 0.004),
        "model.windows.frames": (32, 64),
        "model.dropout": (0.3, 0.5),
    },
    "stgcn_slim": {
        "train.lr": (0.001, 0.002, 0.004),
        "model.width": (12, 16),
        "model.dropout": (0.0, 0.3),
    },
    "stgcn_full": {
        "train.lr": (0.001, 0.002, 0.004),
        "train.weight_decay": (0.01, 0.05),
        "model.dropout": (0.0, 0.3),
    },
    "minirocket": {
        "model.width": (30, 60),
        "model.windows.frames": (32, 64, 128),
        "train.augmentation.flip": (0.0, 0.5),
    },
    "multirocket_hydra": {
        "n_groups": (32, 64),
        "frames": (32, 64, 128),
        "mirrored": (False, True),
    },
    "litemv": {
        "n_filters": (16, 32),
        "kernel_size": (10, 20, 40),
        "mirrored": (False, True),
    },
}
AEON = ("multirocket_hydra", "litemv")


@dataclass(frozen=True)
class Answer:
    """Probabilities (N, K) of clips, and seconds of the processor to train and to answer."""

    probabilities: np.ndarray
    training: float
    answering: float


def by_ours(
    overrides: tuple[str, ...], params: Params, train: Sequences, asked: Sequences, seed: int
) -> Answer:
    """A network of this project."""
    settings = with_overrides(params, overrides)
    start = time.process_time()
    network = fitted(train, settings, seed)
    trained = time.process_time()
    found = log_probabilities(network, asked, settings.model.windows)
    return Answer(np.exp(found), trained - start, time.process_time() - trained)


def by_aeon(
    settings: dict[str, Any], params: Params, train: Sequences, asked: Sequences, seed: int
) -> Answer:
    """A classifier of aeon, on normalised joints of the most prominent person."""
    if not PYTHON.exists():
        raise UserError(f"{PYTHON} not found: make tuning sets it up")
    settings = dict(settings)
    frames, mirror = settings.pop("frames", 64), settings.pop("mirrored")
    windows = params.model.windows.model_copy(update={"frames": frames})
    x = series(train, windows, mirror)
    labels = np.tile(train.labels, 2 if mirror else 1)
    one = dict.fromkeys(("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
    one |= {f"TF_NUM_{where}OP_THREADS": "1" for where in ("INTRA", "INTER")}
    with tempfile.TemporaryDirectory() as folder:
        given, found = Path(folder) / "given.npz", Path(folder) / "found.npz"
        classes = len(train.settings["classes"])
        np.savez(given, x=x, y=labels, asked=series(asked, windows, False), classes=classes)
        text = json.dumps(settings | {"random_state": seed})
        script = Path(__file__).with_name("aeon_peer.py").resolve()
        subprocess.run(
            [PYTHON.absolute(), script, given, found, text],
            env=os.environ | one | {"TF_CPP_MIN_LOG_LEVEL": "3"},
            cwd=folder,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        arrays = np.load(found)
        return Answer(arrays["probabilities"], *arrays["seconds"].tolist())


def series(clips: Sequences, windows: Any, mirror: bool) -> np.ndarray:
    """Normalised joints (N, V C, T) of each clip's middle window, perhaps with mirror images."""
    frames, offsets, lengths, fps = map(
        torch.from_numpy, (clips.x, clips.offsets, clips.lengths, clips.fps)
    )
    whole = test_windows(frames, offsets, lengths, windows, fps)[:, 0]
    parts = [whole, mirrored(whole, clips.layout)] if mirror else [whole]
    found = []
    for part in parts:
        people = part[torch.arange(len(part)), prominence(part, clips.layout).argmax(1)]
        position = normalise(people[..., :-1], people[..., -1] > 0, clips.layout)
        found.append(position.flatten(2).transpose(1, 2))
    return torch.cat(found).numpy()


def figures(labels: np.ndarray, answer: Answer) -> dict[str, float]:
    """What the table tells of an answer; a classifier without probabilities has no log loss."""
    probabilities, rows = answer.probabilities, np.arange(len(labels))
    guessed = probabilities.argmax(1)
    found = {
        "accuracy": float((guessed == labels).mean()),
        "macro_f1": macro_f1(labels, guessed),
        "training": answer.training,
        "clips_per_second": len(labels) / answer.answering,
    }
    if not np.isin(probabilities, (0.0, 1.0)).all():
        found["log_loss"] = float(-np.log(probabilities[rows, labels].clip(1e-15)).mean())
        found["calibration_error"] = calibration_error(labels, probabilities)
    return found


def main() -> None:
    """Compute what is missing and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tuning", description=__doc__)
    parser.add_argument("--kth", help="the pickle of KTH's skeletons")
    parser.add_argument("--penn", help="the pickle of Penn Action's")
    parser.add_argument("--models", default=",".join(GRIDS))
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--settings", type=int, default=12, help="0: the recipe as it stands")
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--only-folds", type=int, default=3, help="of them, how many are measured")
    parser.add_argument("--tune-batches", type=int, default=150, help="of a network's training")
    parser.add_argument("--epochs", type=int, default=1500, help="of LITEMV")
    parser.add_argument("--tune-epochs", type=int, default=1500, help="of LITEMV's tuning")
    parser.add_argument("-S", "--set-param", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--rows", default="tuning.jsonl", help="file of the rows done")
    arguments = parser.parse_args()
    params = with_overrides(load_params(), tuple(arguments.set_param))
    torch.set_num_threads(1)
    path = Path(arguments.rows)
    lines = path.read_text().splitlines() if path.exists() else []
    done = {json.dumps(row["what"]): row for row in map(json.loads, lines)}

    def row(what: list[Any], compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        key = json.dumps(what)
        if key not in done:
            done[key] = {"what": what, **compute()}
            with path.open("a") as file:
                file.write(json.dumps(done[key]) + "\n")
        return done[key]

    table = []
    for data in NAMES:
        source = getattr(arguments, data)
        if not source:
            continue
        clips, subsets = sequences_of(source, params)
        learnt, held_out = clips.take(subsets != "test"), clips.take(subsets == "test")
        for name in arguments.models.split(","):
            study = Study(name, params, arguments)
            chosen = study.tuned(data, learnt, row) if arguments.settings else {}
            found = [
                row(
                    [data, name, "test", chosen, int(seed), arguments.set_param, arguments.epochs],
                    partial(study.measured, chosen, learnt, held_out, int(seed)),
                )
                for seed in arguments.seeds.split(",")
            ]
            table.append([f"{NAMES[data]}, {name}", *cells(found), told(chosen)])
    print(
        markdown(
            [
                "data, model",
                "accuracy",
                "macro-F1",
                "log loss",
                "calibration error",
                "training, s",
                "clips/s",
                "chosen",
            ],
            table,
        )
    )


@dataclass(frozen=True)
class Study:
    """One model, the settings of all, and the budget."""

    name: str
    params: Params
    budget: argparse.Namespace

    def answer(
        self,
        chosen: dict[str, Any],
        train: Sequences,
        asked: Sequences,
        seed: int,
        tuning: bool = False,
    ) -> Answer:
        """Train with some settings, shorter while tuning, and ask."""
        if self.name in AEON:
            settings = {"name": self.name, "mirrored": True, **chosen}
            if self.name == "litemv":
                epochs = self.budget.tune_epochs if tuning else self.budget.epochs
                settings |= {"n_epochs": epochs}
            return by_aeon(settings, self.params, train, asked, seed)
        overrides = [f"{key}={value}" for key, value in chosen.items()]
        if tuning:
            overrides += [f"train.iterations={self.budget.tune_batches}", "train.epochs=0"]
        own = ()
        if self.name != "default":
            own = (*recipe(self.name), "model.pretrained=none")
        return by_ours((*own, *overrides), self.params, train, asked, seed)

    def measured(
        self, chosen: dict[str, Any], train: Sequences, asked: Sequences, seed: int
    ) -> dict[str, float]:
        """Figures of a whole training on other clips."""
        return figures(asked.labels, self.answer(chosen, train, asked, seed))

    def tuned(self, data: str, clips: Sequences, row: Callable[..., dict]) -> dict[str, Any]:
        """The settings with the best accuracy on left-out groups, of equal ones the log loss."""
        grid = GRIDS[self.name]
        settings = [
            dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())
        ]
        budget = self.budget
        limits = [budget.folds, budget.only_folds, budget.tune_batches, budget.tune_epochs]
        scores = []
        for one in settings[: budget.settings]:
            found = row(
                [data, self.name, "tuning", one, limits, budget.set_param],
                partial(self.left_out, one, clips),
            )
            scores.append((found["accuracy"], -found.get("log_loss", 0.0)))
        return settings[max(range(len(scores)), key=scores.__getitem__)]

    def left_out(self, chosen: dict[str, Any], clips: Sequences) -> dict[str, float]:
        """Figures on groups that were left out."""
        if self.name == "minirocket":
            own = recipe(self.name)
            overrides = (*own, *(f"{key}={value}" for key, value in chosen.items()))
            settings = with_overrides(self.params, overrides)
            none = clips.take(np.arange(0))
            _, entry = fit_closed_form(clips, none, settings.model, settings.train, SEED)
            return {"accuracy": entry.train_accuracy, "log_loss": entry.train_loss}
        groups = np.where(clips.groups == "", clips.ids, clips.groups)
        cut = StratifiedGroupKFold(self.budget.folds, shuffle=True, random_state=SEED)
        folds = list(cut.split(clips.labels, clips.labels, groups))[: self.budget.only_folds]
        found = []
        for train, others in folds:
            asked = clips.take(others)
            answer = self.answer(chosen, clips.take(train), asked, SEED, tuning=True)
            found.append(figures(asked.labels, answer))
        return {key: float(np.mean([each[key] for each in found])) for key in found[0]}


def cells(rows: list[dict[str, Any]]) -> list[str]:
    """Columns of the table, over seeds."""
    kinds = {
        "accuracy": 3,
        "macro_f1": 3,
        "log_loss": 3,
        "calibration_error": 3,
        "training": 1,
        "clips_per_second": 0,
    }
    return [
        spread([row[kind] for row in rows], digits) if kind in rows[0] else "none"
        for kind, digits in kinds.items()
    ]


def told(chosen: dict[str, Any]) -> str:
    """The chosen settings in a cell."""
    return ", ".join(f"{key.split('.')[-1]} {value}" for key, value in chosen.items()) or "recipe"


if __name__ == "__main__":
    with user_errors_end_the_program():
        main()
