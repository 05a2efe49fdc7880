"""Trainings and results to record, and what MLflow then holds."""

import socket
from dataclasses import replace
from pathlib import Path

import numpy as np

from har.clips import Clip
from har.models.checkpoint import save_checkpoint
from har.params import load_params
from har.tracking.results import Result
from har.tracking.runs import DataDescription, Training, training_run
from har.tracking.store import REMEDY
from tests.tiny import tiny_checkpoint

ROOT = Path(__file__).parents[2]
SETTINGS = load_params(ROOT / "params.yaml").tracking
CHAMPION = f"models:/{SETTINGS.registered_model}@champion"
DATA = DataDescription(
    "simulated", "ab" * 32, "data/features", (900, 2, 17, 3), {"train": 70, "val": 15}
)
TRAINING = Training(
    "improved", "improved · sunny-day", {"seed": 7, "model": {"width": 8}}, DATA, {"dvc.stage": "s"}
)
HISTORY = [
    {"epoch": epoch, "train_loss": 1 / epoch, "val_loss": 1.5 / epoch, "val_accuracy": epoch / 4}
    for epoch in (1, 2, 3)
]


def write_model(path, seed):
    """A checkpoint of an untrained network."""
    save_checkpoint(path, tiny_checkpoint(seed=seed))
    return path


def result_of(path, data=DATA, **changes):
    """A result on held-out clips, by default of an improved model."""
    keypoints = np.full((1, 9, 17, 2), 100.0, np.float32)
    clip = Clip("c", 0, keypoints, np.ones((1, 9, 17), np.float32), (240, 320), "g")
    training = replace(TRAINING, data=data)
    val, metrics = {"accuracy": 0.75}, {"test/accuracy": 0.7}
    return replace(Result(training, path, HISTORY, val, metrics, (), clip), **changes)


def train(project, model_hash="123"):
    """Record a training of three epochs."""
    with training_run(TRAINING, SETTINGS, project) as run:
        for row in HISTORY:
            run.log_epoch(row)
        run.finish(model_hash, {"accuracy": 0.75})


def runs_of(where):
    """All runs, the latest first, read by a client of its own."""
    from mlflow import MlflowClient

    uri = where if isinstance(where, str) else f"sqlite:///{where}/mlflow.db"
    client = MlflowClient(uri, uri)
    experiment = client.get_experiment_by_name(SETTINGS.experiment)
    return client, client.search_runs([experiment.experiment_id]) if experiment else []


def champion_of(where):
    """The registry's version with the alias `champion`."""
    client, _ = runs_of(where)
    return client.get_model_version_by_alias(SETTINGS.registered_model, "champion")


def curve(client, run, name):
    """Steps and values of a metric."""
    return [
        (metric.step, metric.value) for metric in client.get_metric_history(run.info.run_id, name)
    ]


def one_warning(capfd):
    """Standard error, which must be one line with the remedy."""
    error = capfd.readouterr().err
    assert error.count("\n") == 1 and REMEDY in error, error
    return error


def free_port():
    """A TCP port where nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
