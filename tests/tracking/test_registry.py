import shutil
from contextlib import nullcontext
from dataclasses import replace

import pytest

from har.errors import UserError
from har.tracking.registry import SERVER_CODE, model_folder
from har.tracking.results import record_results
from har.tracking.runs import file_hash
from har.tracking.store import Store
from tests.tracking.examples import (
    CHAMPION,
    DATA,
    SETTINGS,
    champion_of,
    result_of,
    runs_of,
    write_model,
)


def test_the_champion_is_the_best_by_val_on_the_same_data(project):
    paths = [write_model(project / f"{seed}.safetensors", seed) for seed in range(4)]
    hashes = [file_hash(path) for path in paths]

    def champion(number, accuracy, data=DATA, beside=()):
        result = result_of(paths[number], val={"accuracy": accuracy}, data=data)
        assert record_results(SETTINGS, [*beside, result], project)
        return champion_of(project).tags["dvc.model_md5"]

    better = result_of(paths[0], val={"accuracy": 0.8})
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
        assert record_results(SETTINGS, [beside], project)
        set_alias(client, *arguments)

    monkeypatch.setattr(MlflowClient, "set_registered_model_alias", late)
    monkeypatch.setattr(Store, "lock", lambda store: nullcontext())  # as on a server
    assert record_results(SETTINGS, [result_of(worse, val={"accuracy": 0.5})], project)
    assert champion_of(project).tags["dvc.model_md5"] == file_hash(better)


def test_a_model_is_logged_with_the_code_to_serve_it(project):
    path = write_model(project / "improved.safetensors", 0)
    assert record_results(SETTINGS, [result_of(path)], project)
    folder = model_folder(CHAMPION, project)
    assert (folder / "data/improved.safetensors").read_bytes() == path.read_bytes()
    assert (folder / "code/har/tracking/server.py").is_file()
    assert (folder / "code/har/recognition/recognizer.py").is_file()


@pytest.mark.parametrize("lost", ["all", "code", "data", "MLmodel"])
def test_a_champion_whose_files_are_gone_is_repaired(project, lost):
    path = write_model(project / "improved.safetensors", 0)
    assert record_results(SETTINGS, [result_of(path)], project)
    folder = model_folder(CHAMPION, project)
    if lost == "all":
        shutil.rmtree(project / "mlruns")
        with pytest.raises(UserError, match="har sync-mlflow` registers"):
            model_folder(CHAMPION, project)
    elif lost == "MLmodel":
        (folder / lost).unlink()
    else:
        shutil.rmtree(folder / lost)
    assert record_results(SETTINGS, [result_of(path)], project)
    repaired = model_folder(CHAMPION, project)
    assert (repaired / "data/improved.safetensors").read_bytes() == path.read_bytes()
    assert (repaired / "MLmodel").is_file() and (repaired / SERVER_CODE).is_file()
    _, (run,) = runs_of(project)
    assert run.data.metrics["test/accuracy"] == 0.7


def test_a_better_model_whose_files_are_gone_is_no_champion(project):
    worse, better = (write_model(project / f"{seed}.safetensors", seed) for seed in range(2))
    assert record_results(SETTINGS, [result_of(better, val={"accuracy": 0.9})], project)
    shutil.rmtree(project / "mlruns")
    assert record_results(SETTINGS, [result_of(worse, val={"accuracy": 0.5})], project)
    assert champion_of(project).tags["dvc.model_md5"] == file_hash(worse)


def test_a_champion_that_was_deleted_is_registered_again(project):
    path = write_model(project / "improved.safetensors", 0)
    assert record_results(SETTINGS, [result_of(path)], project)
    client, _ = runs_of(project)
    client.delete_logged_model(champion_of(project).source.removeprefix("models:/"))
    client.delete_registered_model(SETTINGS.registered_model)
    assert record_results(SETTINGS, [result_of(path)], project)
    assert model_folder(CHAMPION, project).is_dir()


def test_a_model_that_is_not_there_is_told_in_one_line(project):
    with pytest.raises(UserError, match="cannot get models:/nothing@champion"):
        model_folder("models:/nothing@champion", project)
