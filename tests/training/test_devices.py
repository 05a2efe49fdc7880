"""Several processes on a CPU, as several devices would work."""

import json
import os
import re
import subprocess
import sys
import time
from functools import partial

import numpy as np
import psutil
import pytest
import torch

import har.training.trainer
from har.errors import UserError
from har.models import build
from har.training.devices import Devices, run_on_devices
from har.training.trainer import Trainer
from tests.training.test_trainer import MODEL, TRAIN, made_sequences

TWO_STREAM = MODEL.model_copy(update={"arch": "two_stream", "layers": 2, "dropout": 0.0})
# 17 train clips in batches of 8: one of the two processes gets the larger half of the last batch.
SETTINGS = TRAIN.model_copy(update={"batch_size": 8, "epochs": 5, "lr": 0.002})


def without_dropout(*arguments):
    model = build(*arguments)
    for module in model.modules():
        if isinstance(module, torch.nn.modules.dropout._DropoutNd):
            module.p = 0.0
    return model


def train_and_write(folder, model_settings, devices):
    # Each process draws a dropout of its own: the comparison is about everything else.
    har.training.trainer.build = without_dropout
    sequences = made_sequences(26)
    train, val = sequences.subset("train"), sequences.subset("val")
    trainer = Trainer(train, val, model_settings, SETTINGS, 3, devices)
    rows = [entry.as_row() for entry in trainer.epochs()]
    model = trainer.trained()
    (folder / f"{devices.rank}_of_{devices.number}.json").write_text(json.dumps(rows))
    torch.save(model.state_dict(), folder / f"{devices.rank}_of_{devices.number}.pt")


@pytest.mark.slow
@pytest.mark.parametrize("model_settings", [TWO_STREAM, MODEL], ids=["two_stream", "lstm"])
def test_two_processes_learn_what_one_does(tmp_path, monkeypatch, model_settings):
    monkeypatch.setattr(har.training.trainer, "build", without_dropout)
    for number in (1, 2):
        settings = SETTINGS.model_copy(update={"devices": number})
        run_on_devices(settings, partial(train_and_write, tmp_path, model_settings))
    one, two, other = (
        json.loads((tmp_path / f"{name}.json").read_text())
        for name in ("0_of_1", "0_of_2", "1_of_2")
    )
    assert two == other
    for row, same in zip(one, two, strict=True):
        assert row == pytest.approx(same, rel=1e-3, abs=1e-5)
    weights = [torch.load(tmp_path / f"0_of_{number}.pt") for number in (1, 2)]
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, rtol=1e-2, atol=1e-3, msg=name)


def test_shares_hold_each_clip_once():
    for clips in (0, 1, 2, 7):
        shares = [
            Devices(torch.device("cpu"), rank, 3).share(np.arange(clips)) for rank in (0, 1, 2)
        ]
        assert sorted(np.concatenate(shares)) == list(range(clips))


def test_devices_that_are_not_there_are_refused():
    settings = SETTINGS.model_copy(update={"accelerator": "cuda", "devices": 8})
    with pytest.raises(UserError, match="fewer devices"):
        run_on_devices(settings, print)
    with pytest.raises(UserError, match="NODE_RANK"):
        run_on_devices(SETTINGS.model_copy(update={"nodes": 2}), print)


@pytest.mark.slow
def test_only_one_process_writes_and_logs(project):
    from mlflow.tracking import MlflowClient

    for stage in ("prepare", "split", "preprocess"):
        project.stage(stage)
    project.set({"train": {"devices": 2}, "tracking": {"enabled": True}})
    said = project.stage("train_improved")
    assert said.count("written to") == 1
    assert len(re.findall(r"epoch +1 ", said)) == 1
    client = MlflowClient(f"sqlite:///{project.folder / 'mlflow.db'}")
    (experiment,) = [e for e in client.search_experiments() if e.name == "skeleton-actions"]
    assert len(client.search_runs([experiment.experiment_id])) == 1


@pytest.mark.slow
def test_processes_listen_here_only_and_a_dead_one_ends_the_training(project):
    for stage in ("prepare", "split", "preprocess"):
        project.stage(stage)
    long = {"devices": 2, "iterations": 0, "epochs": 100000, "resume": False}
    project.set({"train": long, "tracking": {"enabled": False}})
    command = [sys.executable, "-m", "stages.train_improved"]
    running = subprocess.Popen(
        command,
        cwd=project.folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    for line in running.stdout:
        if re.match(r"epoch +2 ", line):
            break
    descendants = psutil.Process(running.pid).children(recursive=True)
    for process in (psutil.Process(running.pid), *descendants):
        sockets = [found for found in process.net_connections("inet") if found.status == "LISTEN"]
        assert {found.laddr.ip for found in sockets} <= {"127.0.0.1"}
    _, worker = [p for p in descendants if any("spawn_main" in word for word in p.cmdline())]
    worker.kill()
    before = time.monotonic()
    _, errors = running.communicate(timeout=120)
    assert time.monotonic() - before < 60
    assert running.returncode == 2
    assert re.search("training process [01] ended with SIGKILL", errors)
    assert [path.name for path in (project.folder / "models").rglob("*.*")] == [
        "everyday.safetensors"
    ]
    _, alive = psutil.wait_procs(descendants, timeout=10)
    assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]
