import socket
import sqlite3
import subprocess
import sys
import time

import pytest

from har.tracking import store
from tests.tracking.examples import ROOT, SETTINGS, curve, free_port, one_warning, runs_of, train


def test_the_users_tracking_uri_wins_and_may_be_relative(project, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///other.db")
    assert store.tracking_uri(project) == f"sqlite:///{project}/other.db"
    for uri in ("sqlite:////elsewhere/m.db", "http://somewhere:5000"):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        assert store.tracking_uri(project) == uri


def test_a_folder_of_any_name_takes_a_database(project):
    folder = project / 'it\'s a "q" #1 100%25 what?x=1 & $HOME'
    folder.mkdir()
    opened = store.Store(SETTINGS, folder)
    assert opened.database == folder / "mlflow.db" and opened.database.is_file()
    assert [path for path in project.iterdir() if path.name.startswith("mlruns")] == []
    experiment = opened.client.get_experiment(opened.experiment_id)
    assert experiment.artifact_location == (folder / "mlruns").as_uri()


def test_no_stray_folder_is_made_beside_one_of_an_odd_name(project):
    folder = project / "two (1) & [three], $4 = ünf"
    folder.mkdir()
    assert store.Store(SETTINGS, folder).database == folder / "mlflow.db"
    assert (folder / "mlflow.db").is_file()
    assert [path for path in project.iterdir() if path.is_dir()] == [folder]


def test_what_is_escaped_in_an_address_is_not_in_the_files_name(project, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///100%25.db?timeout=3")
    found = store.database_file(store.tracking_uri(project))
    assert found == project / "100%.db"


def test_a_database_of_a_folder_that_was_moved_is_told(project):
    train(project)
    moved = project.with_name("moved")
    project.rename(moved)
    with pytest.raises(RuntimeError, match=r"my project, which is gone: remove mlflow.db"):
        store.Store(SETTINGS, moved)
    (moved / "mlflow.db").unlink()  # the remedy, in a folder of which MLflow has nothing in memory
    store.Store(SETTINGS, moved.rename(project.with_name("again")))


def test_reasons_keep_the_cause_and_the_remedy():
    known = (
        "Detected out-of-date database schema (found version 1, but expected 2). Take a backup of "
        "your database, then run 'mlflow db upgrade <database_uri>' to migrate it."
    )
    assert store.reason(RuntimeError(known)) == known
    long = store.reason(RuntimeError("begin " + "x" * 5000 + " remedy"))
    assert long.startswith("begin") and long.endswith("remedy") and len(long) < 1000
    unreachable = (
        "API request failed: HTTPSConnectionPool(host='h', port=1): Max retries exceeded with url: "
        "/api (Caused by SSLError(SSLCertVerificationError(1, 'certificate verify failed')))"
    )
    assert "certificate verify failed" in store.reason(RuntimeError(unreachable))
    refused = "permission refused for me:secret@host at http://me:secret@host"
    assert store.reason(RuntimeError(refused)).endswith("at http://host")


def test_no_server_costs_a_warning_and_little_time(project, capfd, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:secret@127.0.0.1:{free_port()}")
    start = time.monotonic()
    train(project)
    assert time.monotonic() - start < 15
    warning = one_warning(capfd)
    assert "no answer" in warning and "secret" not in warning


def test_a_server_that_hangs_is_given_up(project, capfd, monkeypatch):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{listener.getsockname()[1]}")
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")  # ours gives way to the user's
        start = time.monotonic()
        train(project)
        assert time.monotonic() - start < 15
    assert "no answer" in one_warning(capfd)


@pytest.mark.parametrize("obstacle", ["folder", "file"])
def test_a_place_that_takes_no_database_costs_a_warning(project, capfd, obstacle):
    if obstacle == "folder":
        place = project / "new"
        (place / "mlflow.db").mkdir(parents=True)
    else:
        place = project / "mlflow.db"  # a file where a folder should be
    start = time.monotonic()
    train(place)
    assert time.monotonic() - start < 5
    one_warning(capfd)


def test_a_locked_database_is_given_up_early(project, monkeypatch):
    monkeypatch.setattr(store, "_SECONDS_FOR_A_LOCKED_DATABASE", 0.2)
    holder = sqlite3.connect(project / "mlflow.db")
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        store.Store(SETTINGS, project)
    holder.close()
    assert store.Store(SETTINGS, project).experiment_id


@pytest.mark.slow
def test_four_first_trainings_at_once_all_arrive(tmp_path):
    code = (
        "import sys; from pathlib import Path; from dataclasses import replace\n"
        "from tests.tracking.examples import train\n"
        "train(Path(sys.argv[1]), sys.argv[2])\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    trainings = [
        subprocess.Popen([*command, str(number)], stderr=subprocess.PIPE, cwd=ROOT)
        for number in range(4)
    ]
    errors = [training.communicate()[1] for training in trainings]
    assert errors == [b""] * 4
    assert [training.returncode for training in trainings] == [0] * 4
    client, runs = runs_of(tmp_path)
    assert {run.data.tags["dvc.model_md5"] for run in runs} == set("0123")
    assert all(len(curve(client, run, "epoch/train_loss")) == 3 for run in runs)
