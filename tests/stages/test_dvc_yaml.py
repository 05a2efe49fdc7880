"""The contract between dvc.yaml and the code: DVC reruns a stage when what it runs changes."""

import re
from pathlib import Path

import pytest

from har.params import load_params, load_yaml
from tools.dependencies import dependencies, imported_files

ROOT = Path(__file__).parents[2]
STAGES = load_yaml(ROOT / "dvc.yaml")["stages"]


@pytest.mark.parametrize("name", STAGES)
def test_dependencies_are_what_a_stage_imports(name):
    """What `make deps` writes."""
    assert STAGES[name]["cmd"] == f"python -m stages.{name}"
    listed = STAGES[name]["deps"]
    assert listed == dependencies(name, listed, ROOT)


@pytest.mark.parametrize("name", STAGES)
def test_what_tells_mlflow_makes_no_stage_stale(name):
    """It decides no output, so a comma there must retrain nothing."""
    told = [ROOT / "stages/record.py", *(ROOT / "har/tracking").glob("*.py")]
    assert not {str(path.relative_to(ROOT)) for path in told} & set(STAGES[name]["deps"])


def test_only_its_own_room_imports_mlflow():
    imports = re.compile(r"^\s*(from|import) mlflow\b", re.MULTILINE)
    files = [path for room in ("har", "stages") for path in (ROOT / room).rglob("*.py")]
    importing = {path.parent for path in files if imports.search(path.read_text())}
    assert importing == {ROOT / "har/tracking"}


def test_a_module_imported_inside_a_function_is_a_dependency(tmp_path):
    files = {
        "stages/a.py": "import os\ndef f():\n    from har.b import c\n",
        "har/__init__.py": '"""Nothing."""',
        "har/b.py": "from har import d",
        "har/d.py": "x = 1",
        "har/e.py": "x = 1",
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    found = imported_files(tmp_path / "stages/a.py", tmp_path)
    assert sorted(map(str, found)) == ["har/b.py", "har/d.py", "stages/a.py"]


@pytest.mark.parametrize("name", STAGES)
def test_every_parameter_exists(name):
    """`tracking` is left out on purpose: it decides what MLflow is told, and no output."""
    params = load_params(ROOT / "params.yaml").model_dump()
    for key in STAGES[name]["params"]:
        section = params
        for part in key.split("."):
            section = section[part]


def test_dependencies_are_made_by_a_stage_or_are_files():
    made = {
        next(iter(out)) if isinstance(out, dict) else out
        for stage in STAGES.values()
        for out in stage["outs"]
    }
    for stage in STAGES.values():
        for dep in stage["deps"]:
            assert dep in made or (ROOT / dep).exists(), dep


def test_train_stages_can_be_restored_from_the_run_cache():
    """One uncached output switches DVC's run cache off for its stage."""
    for name in ("train_baseline", "train_improved"):
        assert all(isinstance(out, str) for out in STAGES[name]["outs"])
