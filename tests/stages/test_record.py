"""What MLflow is told of the pipeline's outputs, commit and experiment."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from har.files import write_csv, write_json
from har.models.checkpoint import save_checkpoint
from har.params import load_params
from har.tracking.runs import flatten
from stages import NAMES, record
from tests.tiny import tiny_checkpoint

PARAMS = load_params(Path(__file__).parents[2] / "params.yaml")
EPOCHS = [{"epoch": number, "train_loss": 1 / number} for number in (1, 2, 4)]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty working folder, as outside of DVC."""
    monkeypatch.chdir(tmp_path)
    for name in ("DVC_ROOT", "DVC_EXP_NAME", "DVC_EXP_BASELINE_REV"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_both_models_have_the_same_parameter_names():
    baseline, improved = (record.model_params(PARAMS, name) for name in NAMES)
    assert flatten(baseline).keys() == flatten(improved).keys()
    assert baseline["model"] == PARAMS.baseline.model.model_dump()


def test_commit_and_uncommitted_changes_are_told(folder):
    def git(*arguments):
        return subprocess.check_output(["git", *arguments], text=True).strip()

    git("init", "-q")
    Path("params.yaml").write_text("a: 1\n")
    git("add", "params.yaml")
    git("commit", "-qm", "x")
    Path("metrics.json").write_text("{}")  # an output is no change of the code
    clean = record.code_tags("improved")
    Path("params.yaml").write_text("a: 2\n")
    dirty = record.code_tags("improved")
    assert clean["mlflow.source.git.commit"] == git("rev-parse", "HEAD")
    assert (clean["mlflow.source.git.dirty"], dirty["mlflow.source.git.dirty"]) == ("False", "True")
    named = record.describe_training("improved", PARAMS, "ab", None).run_name
    assert named == f"improved · {git('rev-parse', 'HEAD')[:9]}"


def test_a_training_is_named_after_its_experiment(folder, monkeypatch):
    monkeypatch.setenv("DVC_EXP_NAME", "sunny-day")
    monkeypatch.setenv("DVC_EXP_BASELINE_REV", "f" * 40)
    training = record.describe_training("baseline", PARAMS, "ab", None)
    assert training.run_name == "baseline · sunny-day"
    assert training.data.name == PARAMS.prepare.source and training.data.data_hash == "ab"
    assert training.tags["dvc.stage"] == "train_baseline"
    assert training.tags["dvc.baseline_rev"] == "f" * 40


def test_the_outputs_of_the_stages_are_all_it_takes(folder):
    for seed, name in enumerate(NAMES):
        checkpoint = replace(tiny_checkpoint(seed=seed), val={"accuracy": 0.25})
        save_checkpoint(f"models/{name}.safetensors", checkpoint)
        write_csv(f"models/{name}_history.csv", EPOCHS, list(EPOCHS[0]))
    found = {name: {"accuracy": 0.5 + seed / 10} for seed, name in enumerate(NAMES)}
    write_json("metrics/evaluation.json", found | {"difference": {"accuracy": 0.1, "note": "x"}})
    Path("plots").mkdir()
    Path("plots/confusion.png").write_bytes(b"picture")
    baseline, improved = record.read_results(PARAMS)
    assert improved.metrics == {
        "test/accuracy": 0.6,
        "vs_baseline/accuracy": 0.1,
        "vs_baseline/note": "x",
    }
    assert baseline.metrics == {"test/accuracy": 0.5}
    assert baseline.history == EPOCHS and baseline.val == {"accuracy": 0.25}
    assert {path.name for path in baseline.files} == {"evaluation.json", "confusion.png"}


def test_results_of_an_experiment_in_a_temporary_copy_go_to_the_project(folder, monkeypatch):
    project = folder / "project"
    monkeypatch.setenv("DVC_ROOT", str(project))
    sent = []
    monkeypatch.setattr(record, "read_results", lambda params: ["results"])
    monkeypatch.setattr(record, "record_results", lambda *arguments: sent.append(arguments))
    record.record(PARAMS)
    assert sent == [(PARAMS.tracking, ["results"], project)]
    off = PARAMS.tracking.model_copy(update={"enabled": False})
    assert record.record(PARAMS.model_copy(update={"tracking": off})) and len(sent) == 1
