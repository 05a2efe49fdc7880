"""Many experiments through DVC's queue, and their results as arrays; trainings without DVC."""

import csv
import hashlib
import io
import json
import re
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dvc.api
import numpy as np
from torch import nn

from har.dataset.sequences import Sequences
from har.errors import UserError
from har.params import Model, Params, Train, parse_yaml
from har.training.closed_form import fit_closed_form
from har.training.devices import ALONE, Devices
from har.training.trainer import Trainer
from stages.repository import check_history

_SECONDS_BETWEEN_LOOKS = 3


@dataclass(frozen=True)
class Experiment:
    """An experiment's name in tables and its `-S` overrides."""

    label: str
    overrides: tuple[str, ...]

    @property
    def name(self) -> str:
        """DVC's name for it: the label and a digest of the overrides."""
        label = re.sub(r"[^A-Za-z0-9._-]+", "-", self.label)  # characters of a git reference
        return f"{label}-{hashlib.sha256(repr(self.overrides).encode()).hexdigest()[:8]}"


def trained(
    train: Sequences,
    val: Sequences,
    model: Model,
    settings: Train,
    seed: int,
    devices: Devices = ALONE,
) -> nn.Module:
    """Train a network to the end, without resuming; arguments as for `Trainer`."""
    if model.arch == "minirocket":
        return fit_closed_form(train, val, model, settings, seed)[0]
    trainer = Trainer(train, val, model, settings, seed, devices)
    for _ in trainer.epochs():
        pass
    return trainer.trained()


@dataclass(frozen=True)
class Outcome:
    """Results of an experiment's `evaluate`.

    Attributes:
        evaluation: content of metrics/evaluation.json.
        predictions: rows of data/predictions.csv.
    """

    evaluation: dict[str, Any]
    predictions: list[dict[str, str]]


def override(key: str, value: str) -> str:
    """A `-S` override for a text with any characters.

    In a DVC override (Hydra's grammar) and in YAML alike, text in double quotes stands for itself.
    """
    plain = re.fullmatch(r"[A-Za-z/._][A-Za-z0-9/._ -]*", value)
    return f"{key}={value if plain else json.dumps(value, ensure_ascii=False)}"


def recipe(name: str) -> tuple[str, ...]:
    """The overrides of recipes/NAME.txt.

    Raises:
        UserError: there is no such recipe.
    """
    path = Path("recipes") / f"{name}.txt"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in Path("recipes").glob("*.txt")))
        raise UserError(f"{path} not found; recipes are {known}")
    lines = path.read_text(encoding="utf-8").splitlines()
    return tuple(line for line in lines if line and not line.startswith("#"))


def with_overrides(params: Params, overrides: tuple[str, ...]) -> Params:
    """The settings that `dvc exp run -S` would make of these overrides."""
    content = params.model_dump()
    for line in overrides:
        key, value = line.split("=", 1)
        *path, last = key.split(".")
        section = content
        for part in path:
            section = section[part]
        section[last] = parse_yaml(value)
    return Params.model_validate(content)


def run(experiments: list[Experiment], workers: int = 1) -> dict[str, Outcome]:
    """Queue experiments, wait for them, read their results.

    An experiment whose name exists at this commit is not run again, so an
    interrupted study is resumed.

    Raises:
        UserError: an experiment failed, or DVC could not keep it here.
    """
    check_history()
    there = set(_dvc("exp", "list", "--name-only").split())
    missing = [experiment for experiment in experiments if experiment.name not in there]
    for experiment in missing:
        overrides = [word for item in experiment.overrides for word in ("--set-param", item)]
        _dvc("exp", "run", "--queue", "--name", experiment.name, *overrides)
    if missing:
        _wait({experiment.name for experiment in missing}, workers)
        there = set(_dvc("exp", "list", "--name-only").split())
    for experiment in missing:
        if experiment.name not in there:
            logs = f"dvc queue logs {shlex.quote(experiment.name)}"
            raise UserError(f"DVC did not keep the experiment {experiment.name}: see `{logs}`")
    return {experiment.name: _outcome(experiment.name) for experiment in experiments}


def _wait(names: set[str], workers: int) -> None:
    _start(workers)
    finished = 0
    while True:
        rows = [line.split() for line in _dvc("queue", "status").splitlines()]
        states = {row[1]: row[-1] for row in rows if len(row) > 2 and row[1] in names}
        failed = [name for name, state in states.items() if state == "Failed"]
        if failed:
            logs = f"dvc queue logs {shlex.quote(failed[0])}"
            raise UserError(f"{failed[0]} failed: see `{logs}`")
        done = sum(state == "Success" for state in states.values())
        if done != finished:
            finished = done
            print(f"{done} of {len(names)} experiments done", file=sys.stderr, flush=True)
        if done == len(names):
            return
        if "Running" not in states.values():
            # A worker that has been stopped before takes one task and ends: start another.
            _start(workers)
        time.sleep(_SECONDS_BETWEEN_LOOKS)


def _start(workers: int) -> None:
    # A worker keeps its starter's pipes open: reading them would wait until it ends.
    command = [sys.executable, "-m", "dvc", "queue", "start", "--jobs", str(workers)]
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)


def _outcome(name: str) -> Outcome:
    text = dvc.api.read("data/predictions.csv", rev=name, encoding="utf-8")
    metrics = dvc.api.metrics_show("metrics/evaluation.json", rev=name)
    return Outcome(metrics, list(csv.DictReader(io.StringIO(text))))


def _dvc(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise UserError(f"dvc {' '.join(arguments[:2])}: {done.stderr.strip()}")
    return done.stdout


def spread(values: list[float], digits: int = 3) -> str:
    """`mean ± standard deviation` of several figures, or the one there is."""
    mean = f"{np.mean(values):.{digits}f}"
    return mean if len(values) < 2 else f"{mean} ± {np.std(values, ddof=1):.{digits}f}"


def markdown(columns: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown; all columns but the first are numbers."""
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
