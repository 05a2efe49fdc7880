"""Dependency lists of dvc.yaml: the project's files that each stage's script can import.

`python -m tools.dependencies` (`make deps`) writes them; a test checks them by the same function.
"""

import ast
from pathlib import Path

from ruamel.yaml import YAML

from har.files import write_atomically

# MLflow only shows runs and affects no output, so code that records makes no stage stale.
_AFFECTS_NO_OUTPUT = ("har/tracking/", "stages/record.py")

_TRAIN_STAGES = ("train_baseline", "train_improved")


# A pipeline, and the folder of its stages' scripts.
PIPELINES = {Path("dvc.yaml"): "stages", Path("pretraining/dvc.yaml"): "pretraining"}


def imported_files(script: Path, root: Path) -> set[Path]:
    """All files of the project that running a script can import, also from inside functions.

    Args:
        script: the file that runs.
        root: the project's folder.

    Returns:
        Paths relative to `root`, without empty package files and code that only records in MLflow.
    """
    found: set[Path] = set()
    waiting = [script]
    while waiting:
        path = waiting.pop()
        relative = path.relative_to(root)
        if relative in found or relative.as_posix().startswith(_AFFECTS_NO_OUTPUT):
            continue
        found.add(relative)
        for name in _imported_names(ast.parse(path.read_text(encoding="utf-8"))):
            parents = [name.rsplit(".", up)[0] for up in range(name.count(".") + 1)]
            waiting += filter(None, (_module_file(parent, root) for parent in parents))
    return {path for path in found if _has_code(root / path)}


def _has_code(path: Path) -> bool:
    """Whether a file holds more than a docstring."""
    return any(not isinstance(node, ast.Expr) for node in ast.parse(path.read_text()).body)


def _imported_names(tree: ast.Module) -> list[str]:
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    return names


def _module_file(name: str, root: Path) -> Path | None:
    """The project's file of a module, or None for another library's."""
    stem = root.joinpath(*name.split("."))
    for path in (stem.with_suffix(".py"), stem / "__init__.py"):
        if path.is_file():
            return path
    return None


def dependencies(stage: str, listed: list[str], root: Path, folder: str = "stages") -> list[str]:
    """A stage's dependencies: its code in alphabetical order, then the data it already lists.

    The two train stages share a list, which names both scripts.
    """
    scripts = _TRAIN_STAGES if stage in _TRAIN_STAGES else (stage,)
    code = set().union(*(imported_files(root / folder / f"{name}.py", root) for name in scripts))
    data = [path for path in listed if not path.endswith(".py")]
    return sorted(path.as_posix() for path in code) + data


def main() -> None:
    """Write the dependency lists of both pipelines."""
    yaml = YAML()
    yaml.width = 1000
    yaml.indent(mapping=2, sequence=2, offset=0)
    for path, folder in PIPELINES.items():
        stages = (content := yaml.load(path))["stages"]
        for name, stage in stages.items():
            # In place, so that a list shared by two stages keeps its anchor.
            stage["deps"][:] = dependencies(name, list(stage["deps"]), Path(), folder)
        with write_atomically(path) as file:
            yaml.dump(content, file)


if __name__ == "__main__":
    main()
