import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from har.tracking import store
from har.tracking.registry import model_folder
from har.tracking.results import record_results
from har.tracking.runs import file_hash
from tests.tracking.examples import (
    CHAMPION,
    SETTINGS,
    TRAINING,
    curve,
    free_port,
    one_warning,
    result_of,
    runs_of,
    train,
    write_model,
)


def test_results_join_the_training_found_by_its_model(project):
    path, figure = write_model(project / "improved.safetensors", 0), project / "curves.png"
    figure.write_bytes(b"picture")
    train(project, "of another model")
    train(project, file_hash(path))
    result = result_of(path, files=(figure,))
    assert record_results(SETTINGS, [result], project)
    assert record_results(SETTINGS, [result], project)  # sent again: nothing is doubled
    assert record_results(SETTINGS, [replace(result, metrics={"test/f1": 0.6})], project)

    client, (run, other) = runs_of(project)
    assert run.info.status == "FINISHED"
    assert curve(client, run, "test/accuracy") == [(0, 0.7)]
    assert run.data.metrics["test/f1"] == 0.6
    assert "rebuilt" not in run.data.tags and "test/accuracy" not in other.data.metrics
    figures = client.list_artifacts(run.info.run_id, "figures")
    assert [item.path for item in figures] == ["figures/curves.png"]
    (version,) = client.search_model_versions(f"name = '{SETTINGS.registered_model}'")
    assert version.run_id == run.info.run_id
    (output,) = run.outputs.model_outputs
    model = client.get_logged_model(output.model_id)
    assert {metric.key for metric in model.metrics} == {"test/accuracy", "test/f1"}


def test_a_run_that_mlflow_never_had_is_rebuilt_from_its_history(project):
    path = write_model(project / "improved.safetensors", 0)
    assert record_results(SETTINGS, [result_of(path)], project)
    client, (run,) = runs_of(project)
    assert run.info.status == "FINISHED"
    assert run.data.tags["rebuilt"] == "from its history"
    assert run.data.tags["dvc.stage"] == TRAINING.tags["dvc.stage"]
    assert curve(client, run, "epoch/val_accuracy") == [(1, 0.25), (2, 0.5), (3, 0.75)]
    assert run.data.metrics["val/accuracy"] == 0.75 and run.data.metrics["test/accuracy"] == 0.7
    assert run.data.params["seed"] == "7"


def test_results_for_a_server_that_is_away_cost_a_warning(project, capfd, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")
    path = write_model(project / "improved.safetensors", 0)
    assert not record_results(SETTINGS, [result_of(path)], project)
    one_warning(capfd)


def test_a_training_that_met_a_locked_database_is_completed_later(project, capfd, monkeypatch):
    monkeypatch.setattr(store, "_SECONDS_FOR_A_LOCKED_DATABASE", 0.2)
    path = write_model(project / "improved.safetensors", 0)
    holder = sqlite3.connect(project / "mlflow.db")
    holder.execute("BEGIN EXCLUSIVE")
    train(project, file_hash(path))
    assert "locked" in one_warning(capfd)
    holder.close()
    assert record_results(SETTINGS, [result_of(path)], project)
    client, (run,) = runs_of(project)
    assert len(curve(client, run, "epoch/val_loss")) == 3


@pytest.mark.slow
def test_a_real_server_gets_what_it_missed(project, empty_database, capfd, monkeypatch):
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    path = write_model(project / "improved.safetensors", 0)
    figure = project / "curves.png"
    figure.write_bytes(b"picture")
    result = result_of(path, files=(figure,))
    train(project, file_hash(path))
    one_warning(capfd)

    folder = project / "server"
    folder.mkdir()
    shutil.copy(empty_database, folder)
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", f"sqlite:///{folder}/mlflow.db"),
        *("--artifacts-destination", str(folder / "artifacts")),
    ]
    environment = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
    log = (folder / "log.txt").open("wb")
    server = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
    )
    try:
        wait_for_port(port, server)
        assert record_results(SETTINGS, [result], project)
        train(project, "live")
        client, (live, rebuilt) = runs_of(uri)
        assert len(curve(client, rebuilt, "epoch/val_loss")) == 3
        assert len(curve(client, live, "epoch/val_loss")) == 3
        assert client.list_artifacts(rebuilt.info.run_id, "figures")
        downloaded = model_folder(CHAMPION, project)
        assert (downloaded / "data/improved.safetensors").read_bytes() == path.read_bytes()
    finally:
        os.killpg(server.pid, 15)
        server.wait(30)
        log.close()


def wait_for_port(port, process, seconds=90):
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise AssertionError(f"no server on port {port}")
