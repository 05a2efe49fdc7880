"""The order of the rooms: a module of har/ imports from its own room and those before it only."""

import ast
from pathlib import Path

import pytest

HAR = Path(__file__).parents[1] / "har"
ROOMS = (
    "ground",
    "clips",
    "video",
    "dataset",
    "models",
    "evaluation",
    "training",
    "recognition",
    "tracking",
    "figures",
    "studio",
    "__main__",
)


def room(parts: tuple[str, ...]) -> int:
    """Place of a module in the order, given the parts of its name after `har`."""
    return ROOMS.index(parts[0]) if parts and parts[0] in ROOMS else 0


def imported(path: Path) -> set[str]:
    """Names that a module imports, also from inside functions; `from a import b` gives a.b."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} has a relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


def test_every_folder_is_a_room():
    folders = {path.parent.name for path in HAR.glob("*/__init__.py")}
    assert folders <= set(ROOMS)


@pytest.mark.parametrize("path", sorted(HAR.rglob("*.py")), ids=str)
def test_a_module_imports_only_from_the_rooms_before_it(path):
    own = room(path.relative_to(HAR).with_suffix("").parts)
    names = [name.split(".") for name in imported(path)]
    later = [name for name in names if name[0] == "har" and room(tuple(name[1:])) > own]
    assert not later
    assert not [name for name in names if name[0] in ("stages", "tools", "benchmarks", "dvc")]
