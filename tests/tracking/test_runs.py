import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from har.clips import Clip
from har.errors import UserError
from har.files import write_csv, write_json
from har.models import build
from har.models.checkpoint import Checkpoint, save_checkpoint
from har.params import load_params
from har.skeleton import LAYOUTS
from har.tracking import runs as tracking

ROOT = Path(__file__).parents[2]
PARAMS = load_params(ROOT / "params.yaml")
SETTINGS = PARAMS.tracking
DATA = tracking.DataDescription("simulated", "ab" * 32, (900, 2, 17, 3), {"train": 70, "val": 15})
HISTORY = [
    {"epoch": epoch, "train_loss": 1 / epoch, "val_loss": 1.5 / epoch, "val_accuracy": epoch / 4}
    for epoch in (1, 2, 3)
]


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory):
    """MLflow takes seconds to make one: tests copy it."""
    folder = tmp_path_factory.mktemp("empty")
    tracking._Store(SETTINGS.model_copy(update={"experiment": "other"}), folder)
    return folder / "mlflow.db"


@pytest.fixture
def project(tmp_path, empty_database, monkeypatch):
    tmp_path = tmp_path / "my project"
    tmp_path.mkdir()
    for name in ("MLFLOW_TRACKING_URI", "DVC_ROOT", "DVC_STAGE", "DVC_EXP_NAME", *tracking.BRIEF):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    shutil.copy(empty_database, tmp_path)
    return tmp_path


def write_model(path, seed):
    """A checkpoint of an untrained network."""
    torch.manual_seed(seed)
    settings = PARAMS.model.model_copy(update={"width": 8, "layers": 1})
    classes = ["Clap", "Jump", "Wave"]
    network = build(settings, len(classes), LAYOUTS["coco17"])
    save_checkpoint(
        path,
        Checkpoint(
            network.state_dict(), settings, PARAMS.preprocess, "coco17", classes, 1.0, "ab" * 32,
            {"accuracy": 0.75},
        ),
    )  # fmt: skip
    return path


def result_of(path, **changes):
    keypoints = np.full((1, 9, 17, 2), 100.0, np.float32)
    clip = Clip("c", 0, keypoints, np.ones((1, 9, 17), np.float32), (240, 320), "g")
    params = tracking.model_params(PARAMS, "improved")
    result = tracking.Result(
        "improved",
        path,
        params,
        DATA,
        HISTORY,
        {"accuracy": 0.75},
        {"test/accuracy": 0.7},
        (),
        clip,
    )
    return replace(result, **changes)


def train(project, model_hash="123", history=HISTORY, **options):
    params = tracking.model_params(PARAMS, "improved")
    with tracking.training_run("improved", SETTINGS, params, DATA, project, **options) as run:
        for row in history:
            run.log_epoch(row)
        run.finish(model_hash, {"accuracy": 0.75})


def runs_of(where):
    """All runs, the latest first, read by a client of its own."""
    from mlflow import MlflowClient

    uri = where if isinstance(where, str) else f"sqlite:///{where}/mlflow.db"
    client = MlflowClient(uri, uri)
    experiment = client.get_experiment_by_name(SETTINGS.experiment)
    return client, client.search_runs([experiment.experiment_id]) if experiment else []


def curve(client, run, name):
    return [
        (metric.step, metric.value) for metric in client.get_metric_history(run.info.run_id, name)
    ]


def test_a_training_is_recorded_with_what_made_it(project, monkeypatch):
    monkeypatch.setenv("DVC_EXP_NAME", "sunny-day")
    monkeypatch.setenv("DVC_EXP_BASELINE_REV", "f" * 40)
    train(project)

    client, (run,) = runs_of(project)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "improved · sunny-day"
    assert run.info.artifact_uri.startswith((project / "mlruns").as_uri())
    assert run.data.params["model.width"] == str(PARAMS.model.width)
    assert run.data.params["train.augmentation.flip"] == str(PARAMS.train.augmentation.flip)
    assert curve(client, run, "epoch/val_loss") == [(1, 1.5), (2, 0.75), (3, 0.5)]
    assert run.data.metrics["val/accuracy"] == 0.75
    assert {
        "dvc.stage": "train_improved",
        "dvc.exp_name": "sunny-day",
        "dvc.baseline_rev": "f" * 40,
        "dvc.data_hash": DATA.data_hash,
        "dvc.model_md5": "123",
    }.items() <= run.data.tags.items()
    (data,) = run.inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest) == ("simulated", DATA.data_hash[:8])
    assert json.loads(data.dataset.profile)["train"] == 70


def test_both_models_have_the_same_parameter_names():
    baseline, improved = (tracking.model_params(PARAMS, name) for name in tracking.NAMES)
    assert tracking.flatten(baseline).keys() == tracking.flatten(improved).keys()
    assert baseline["model"]["arch"] == PARAMS.baseline.model.arch


def test_commit_and_uncommitted_changes_are_told(project):
    def git(*arguments):
        who = ["-c", "user.name=a", "-c", "user.email=a@b"]
        return subprocess.check_output(["git", *who, *arguments], text=True).strip()

    git("init", "-q")
    Path("params.yaml").write_text("a: 1\n")
    git("add", "params.yaml")
    git("commit", "-qm", "x")
    Path("metrics.json").write_text("{}")  # an output is no change of the code
    clean = tracking._tags("improved")
    Path("params.yaml").write_text("a: 2\n")
    dirty = tracking._tags("improved")
    assert clean["mlflow.source.git.commit"] == git("rev-parse", "HEAD")
    assert (clean["mlflow.source.git.dirty"], dirty["mlflow.source.git.dirty"]) == ("False", "True")


@pytest.mark.parametrize(
    ("error", "status"), [(UserError, "FAILED"), (KeyboardInterrupt, "KILLED")]
)
def test_a_failed_training_is_marked_and_still_fails(project, error, status):
    with (
        pytest.raises(error),
        tracking.training_run("improved", SETTINGS, {}, DATA, project) as run,
    ):
        run.log_epoch(HISTORY[0])
        raise error("the loss is no number")
    _, (run,) = runs_of(project)
    assert run.info.status == status
    assert "dvc.model_md5" not in run.data.tags


def test_an_experiment_in_a_temporary_copy_arrives_in_the_project(project, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(project))
    copy = project / "a copy"
    copy.mkdir()
    monkeypatch.chdir(copy)
    train(None)
    assert len(runs_of(project)[1]) == 1
    assert not list(copy.iterdir())


def test_the_users_tracking_uri_wins_and_may_be_relative(project, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///other.db")
    assert tracking.tracking_uri(project) == f"sqlite:///{project}/other.db"
    for uri in ("sqlite:////elsewhere/m.db", "http://somewhere:5000"):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        assert tracking.tracking_uri(project) == uri


def test_switched_off_it_does_not_even_import_mlflow(project):
    code = (
        "import sys; from har.tracking import runs as t; from har.params import Tracking\n"
        "s = Tracking(enabled=False, experiment='e', registered_model='m')\n"
        "with t.training_run('baseline', s, {}, t.DataDescription('d', 'h')) as run:\n"
        "    run.log_epoch({'epoch': 1}); run.finish('h', {})\n"
        "assert t.record_results(s, []) and 'mlflow' not in sys.modules\n"
    )
    Path("mlflow.db").unlink()
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONPATH": ROOT})
    assert not list(project.iterdir())


def test_evaluation_joins_the_training_found_by_its_model(project):
    path, figure = write_model(project / "improved.safetensors", 0), project / "curves.png"
    figure.write_bytes(b"picture")
    train(project, "of another model")
    train(project, tracking.file_hash(path))
    result = result_of(path, files=(figure,))
    assert tracking.record_results(SETTINGS, [result], project)
    assert tracking.record_results(SETTINGS, [result], project)  # sent again: nothing is doubled
    assert tracking.record_results(SETTINGS, [replace(result, metrics={"test/f1": 0.6})], project)

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


def test_a_run_that_mlflow_never_had_is_rebuilt_from_its_history(project, monkeypatch):
    monkeypatch.setenv("DVC_STAGE", "evaluate")
    path = write_model(project / "improved.safetensors", 0)
    assert tracking.record_results(SETTINGS, [result_of(path)], project)
    client, (run,) = runs_of(project)
    assert run.info.status == "FINISHED"
    assert run.data.tags["rebuilt"] == "from its history"
    assert run.data.tags["dvc.stage"] == "train_improved"
    assert curve(client, run, "epoch/val_accuracy") == [(1, 0.25), (2, 0.5), (3, 0.75)]
    assert run.data.metrics["val/accuracy"] == 0.75 and run.data.metrics["test/accuracy"] == 0.7
    assert run.data.params["seed"] == str(PARAMS.seed)


def test_the_champion_is_the_best_by_val_on_the_same_data(project):
    paths = [write_model(project / f"{seed}.safetensors", seed) for seed in range(4)]

    def champion(number, accuracy, data=DATA, beside=None):
        result = result_of(paths[number], val={"accuracy": accuracy}, data=data)
        assert tracking.record_results(SETTINGS, [*(beside or []), result], project)
        client, _ = runs_of(project)
        found = client.get_model_version_by_alias(SETTINGS.registered_model, "champion")
        return found.tags["dvc.model_md5"]

    hashes = [tracking.file_hash(path) for path in paths]
    better = result_of(paths[0], name="baseline", val={"accuracy": 0.8})
    assert champion(1, 0.7, beside=[better]) == hashes[0]
    assert champion(2, 0.79) == hashes[0]
    assert champion(3, 0.8) == hashes[3]
    elsewhere = replace(DATA, data_hash="other")
    assert champion(2, 0.3, data=elsewhere) == hashes[2]


def test_two_machines_that_register_at_once_leave_the_better_champion(project, monkeypatch):
    from mlflow import MlflowClient

    set_alias = MlflowClient.set_registered_model_alias
    worse, better = (write_model(project / f"{seed}.safetensors", seed) for seed in range(2))

    def late(client, *arguments):
        monkeypatch.setattr(MlflowClient, "set_registered_model_alias", set_alias)
        beside = result_of(better, val={"accuracy": 0.9})
        assert tracking.record_results(SETTINGS, [beside], project)
        set_alias(client, *arguments)

    monkeypatch.setattr(MlflowClient, "set_registered_model_alias", late)
    monkeypatch.setattr(tracking._Store, "lock", lambda store: nullcontext())  # as on a server
    assert tracking.record_results(SETTINGS, [result_of(worse, val={"accuracy": 0.5})], project)
    client, _ = runs_of(project)
    champion = client.get_model_version_by_alias(SETTINGS.registered_model, "champion")
    assert champion.tags["dvc.model_md5"] == tracking.file_hash(better)


def test_the_outputs_of_the_stages_are_all_it_takes(project):
    (project / "models").mkdir()
    for seed, name in enumerate(tracking.NAMES):
        write_model(project / f"models/{name}.safetensors", seed)
        write_csv(project / f"models/{name}_history.csv", HISTORY, list(HISTORY[0]))
    found = {name: {"accuracy": 0.5 + seed / 10} for seed, name in enumerate(tracking.NAMES)}
    write_json(
        project / "metrics/evaluation.json", found | {"difference": {"accuracy": 0.1, "note": "x"}}
    )
    (project / "plots").mkdir()
    (project / "plots/confusion.png").write_bytes(b"picture")
    assert tracking.record(PARAMS)
    client, runs = runs_of(project)
    improved, baseline = sorted(runs, key=lambda run: run.info.run_name, reverse=True)
    assert improved.data.metrics["test/accuracy"] == 0.6
    assert improved.data.metrics["vs_baseline/accuracy"] == 0.1
    assert baseline.data.metrics["test/accuracy"] == 0.5
    assert len(curve(client, baseline, "epoch/train_loss")) == 3
    assert client.list_artifacts(baseline.info.run_id, "figures")


def one_warning(capfd):
    error = capfd.readouterr().err
    assert error.count("\n") == 1 and tracking.REMEDY in error, error
    return error


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def test_no_server_costs_a_warning_and_little_time(project, capfd, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:secret@127.0.0.1:{free_port()}")
    start = time.monotonic()
    train(project)
    assert time.monotonic() - start < 15
    warning = one_warning(capfd)
    assert "no answer" in warning and "secret" not in warning
    path = write_model(project / "improved.safetensors", 0)
    assert not tracking.record_results(SETTINGS, [result_of(path)], project)
    one_warning(capfd)


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


def test_a_locked_database_costs_a_warning_and_is_completed_later(project, capfd, monkeypatch):
    monkeypatch.setattr(tracking, "_SECONDS_FOR_A_LOCKED_DATABASE", 0.2)
    path = write_model(project / "improved.safetensors", 0)
    holder = sqlite3.connect(project / "mlflow.db")
    holder.execute("BEGIN EXCLUSIVE")
    train(project, tracking.file_hash(path))
    assert "locked" in one_warning(capfd)
    holder.close()
    assert tracking.record_results(SETTINGS, [result_of(path)], project)
    client, (run,) = runs_of(project)
    assert len(curve(client, run, "epoch/val_loss")) == 3


def test_a_database_locked_for_a_while_loses_nothing(project, capfd, monkeypatch):
    monkeypatch.setattr(tracking, "_SECONDS_FOR_A_LOCKED_DATABASE", 0.2)
    with tracking.training_run("improved", SETTINGS, {}, DATA, project) as run:
        run.log_epoch(HISTORY[0])
        holder = sqlite3.connect(project / "mlflow.db")
        holder.execute("BEGIN EXCLUSIVE")
        run.log_epoch(HISTORY[1])
        holder.close()
        run.log_epoch(HISTORY[2])
    one_warning(capfd)
    client, (run,) = runs_of(project)
    assert run.info.status == "FINISHED"
    assert curve(client, run, "epoch/val_loss") == [(1, 1.5), (2, 0.75), (3, 0.5)]


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


@pytest.mark.slow
def test_four_first_trainings_at_once_all_arrive(tmp_path):
    code = (
        "import sys; from pathlib import Path; from har.tracking import runs as t\n"
        "from har.params import Tracking\n"
        f"s = Tracking(enabled=True, experiment={SETTINGS.experiment!r}, registered_model='m')\n"
        "data = t.DataDescription('d', 'h')\n"
        "with t.training_run('baseline', s, {'a': 1}, data, Path(sys.argv[1])) as run:\n"
        "    for epoch in (1, 2, 3): run.log_epoch({'epoch': epoch, 'train_loss': 1 / epoch})\n"
        "    run.finish(sys.argv[2], {})\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    environment.pop("MLFLOW_TRACKING_URI", None)
    command = [sys.executable, "-c", code, str(tmp_path)]
    trainings = [
        subprocess.Popen([*command, str(number)], stderr=subprocess.PIPE, env=environment)
        for number in range(4)
    ]
    errors = [training.communicate()[1] for training in trainings]
    assert errors == [b""] * 4
    assert [training.returncode for training in trainings] == [0] * 4
    client, runs = runs_of(tmp_path)
    assert {run.data.tags["dvc.model_md5"] for run in runs} == set("0123")
    assert all(len(curve(client, run, "epoch/train_loss")) == 3 for run in runs)


@pytest.mark.slow
def test_a_real_server_gets_what_it_missed(project, empty_database, capfd, monkeypatch):
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    path = write_model(project / "improved.safetensors", 0)
    figure = project / "curves.png"
    figure.write_bytes(b"picture")
    result = result_of(path, files=(figure,))
    train(project, tracking.file_hash(path))
    one_warning(capfd)

    store = project / "server"
    store.mkdir()
    shutil.copy(empty_database, store)
    command = [
        sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{store}/mlflow.db",
        "--artifacts-destination", str(store / "artifacts"),
    ]  # fmt: skip
    environment = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
    log = (store / "log.txt").open("wb")
    server = subprocess.Popen(
        command, cwd=store, env=environment, stdout=log, stderr=log, start_new_session=True
    )
    try:
        wait_for_port(port, server)
        assert tracking.record_results(SETTINGS, [result], project)
        train(project, "live")
        client, (live, rebuilt) = runs_of(uri)
        assert len(curve(client, rebuilt, "epoch/val_loss")) == 3
        assert len(curve(client, live, "epoch/val_loss")) == 3
        assert client.list_artifacts(rebuilt.info.run_id, "figures")
        folder = tracking.model_folder(f"models:/{SETTINGS.registered_model}@champion", project)
        assert (folder / "data/improved.safetensors").read_bytes() == path.read_bytes()
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


def test_a_model_that_is_not_there_is_told_in_one_line(project):
    with pytest.raises(UserError, match="cannot get models:/nothing@champion"):
        tracking.model_folder("models:/nothing@champion", project)
