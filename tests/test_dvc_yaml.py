"""The contract between dvc.yaml and the code: DVC reruns a stage when what it runs changes."""

import ast
from pathlib import Path

import pytest

from har.params import load_params, load_yaml

ROOT = Path(__file__).parents[1]
STAGES = load_yaml(ROOT / "dvc.yaml")["stages"]


def module_file(name: str) -> Path | None:
    """The project's file of a module, or None for another library's."""
    for path in (ROOT.joinpath(*name.split(".")), ROOT.joinpath(*name.split(".")) / "__init__"):
        if path.with_suffix(".py").is_file():
            return path.with_suffix(".py")
    return None


def imported_files(path: Path, found: set[Path]) -> set[Path]:
    """All files of the project that running `path` can import, also from inside functions."""
    found.add(path)
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            parents = [name.rsplit(".", up)[0] for up in range(name.count(".") + 1)]
            for file in filter(None, map(module_file, parents)):
                if file not in found:
                    imported_files(file, found)
    return found


@pytest.mark.parametrize("name", STAGES)
def test_every_imported_module_is_a_dependency(name):
    script = ROOT / "stages" / f"{name}.py"
    assert STAGES[name]["cmd"] == f"python -m stages.{name}"
    deps = [ROOT / dep for dep in STAGES[name]["deps"]]
    # An empty package file decides nothing.
    imported = imported_files(script, set()) - {ROOT / "har/__init__.py"}
    missing = [
        str(file.relative_to(ROOT))
        for file in imported
        if not any(file == dep or dep in file.parents for dep in deps)
    ]
    assert not missing
    code = {dep for dep in deps if dep.suffix == ".py"}
    assert code <= imported, "a dependency that the stage does not import"


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
