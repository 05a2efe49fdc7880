"""Models, figures and settings as other programs and people get them: docs/dvc.md."""

import hashlib
import json
import re
import shutil
from pathlib import Path

import pytest

from har.files import read_json
from har.params import load_yaml
from stages.evaluate import headline
from tests.conftest import ROOT, Project

PAGE = (ROOT / "docs/dvc.md").read_text(encoding="utf-8")


def block(kind, containing):
    """The code block of the page that holds a text."""
    (found,) = [
        text for text in re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL) if containing in text
    ]
    return found


@pytest.fixture(scope="module")
def published(repository, tmp_path_factory):
    """A clone of the repository after its run, with a version of its model, and its DVC remote."""
    folder = tmp_path_factory.mktemp("published")
    repository.run("git", "clone", "--quiet", ".", str(folder / "clone"))
    clone = Project(folder / "clone")
    shutil.copytree(repository.folder / ".dvc/cache", clone.folder / ".dvc/cache")
    clone.dvc("remote", "add", "--default", "store", str(folder / "remote"))
    clone.run("git", "commit", "--quiet", "--all", "--message=remote")
    clone.dvc("checkout")
    clone.dvc("push")
    for line in block("", "gto register").splitlines():
        if line.startswith("gto"):
            clone.run(*line.partition("#")[0].split())
    return clone


@pytest.mark.slow
def test_a_model_is_got_by_name_and_version_or_stage(published, tmp_path):
    lock = load_yaml(published.folder / "dvc.lock")["stages"]["train_improved"]["outs"]
    (expected,) = [out["md5"] for out in lock if out["path"] == "models/improved.safetensors"]
    for number, line in enumerate(block("", "artifacts get").splitlines()):
        _, _, _, _, *options = line.split()
        path = tmp_path / f"{number}.safetensors"
        address = str(published.folder)
        published.dvc("artifacts", "get", address, *options, "--force", "--out", str(path))
        assert hashlib.md5(path.read_bytes()).hexdigest() == expected


@pytest.mark.slow
def test_the_documented_lines_of_python(published, monkeypatch):
    monkeypatch.chdir(published.folder)
    found = {}
    exec(block("python", "dvc.api"), found)
    assert found["settings"] == load_yaml("params.yaml")
    assert found["figures"] == read_json("metrics/headline.json")
    assert {"workspace", "main"} <= {row["rev"] for row in found["experiments"]}
    assert found["model"]["path"] == "models/improved.safetensors"
    assert found["weights"] == Path("models/improved.safetensors").read_bytes()


@pytest.mark.slow
def test_figures_fit_a_terminal_of_80_columns(published):
    evaluation = read_json(published.folder / "metrics/evaluation.json")
    assert headline(evaluation) == read_json(published.folder / "metrics/headline.json")
    shown = published.dvc("metrics", "show").splitlines()
    assert shown[0].split() == ["Path", *sorted(headline(evaluation))]
    assert max(map(len, shown)) <= 80
    changed = published.folder / "metrics/evaluation.json"
    before = changed.read_text()
    changed.write_text(json.dumps(evaluation | {"leak": {"clips": -1}}))
    try:
        said = published.dvc("metrics", "diff", "--targets", "metrics/evaluation.json")
    finally:
        changed.write_text(before)
    assert "leak.clips" in said and "-1" in said


def test_headline_by_hand():
    found = headline(
        {
            "improved": {
                "accuracy": 0.123456,
                "accuracy_low": 0.1,
                "accuracy_high": 0.2,
                "macro_f1": 2 / 3,
            },
            "baseline": {"accuracy": 0.05},
            "leak": {"leaking": 7},
        }
    )
    assert found == {
        "accuracy": 0.1235,
        "low": 0.1,
        "high": 0.2,
        "macro_f1": 0.6667,
        "baseline": 0.05,
        "leaks": 7,
    }


def test_both_models_are_artifacts():
    dvc = load_yaml(ROOT / "dvc.yaml")
    for name, artifact in dvc["artifacts"].items():
        assert artifact["path"] in dvc["stages"][f"train_{name}"]["outs"]
        assert artifact["type"] == "model" and artifact["desc"] and artifact["labels"]
