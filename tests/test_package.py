"""`pip install .` gives the library and the command `har`."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of a copy of the project, since a build leaves files behind."""
    pytest.importorskip("setuptools", minversion="77")
    folder = tmp_path_factory.mktemp("package")
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("har", "stages"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for name in ("pyproject.toml", "LICENSE"):
        shutil.copy(ROOT / name, folder / name)
    pip("wheel", "--no-build-isolation", "--wheel-dir", folder, folder)
    (path,) = folder.glob("*.whl")
    return path


def pip(command, *arguments):
    words = [sys.executable, "-m", "pip", command, "--quiet", "--no-deps", *arguments]
    subprocess.run(words, check=True)


def test_the_wheel_holds_the_library_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    files = (path for path in (ROOT / "har").rglob("*") if path.is_file())
    assert packed == {
        path.relative_to(ROOT).as_posix() for path in files if "__pycache__" not in path.parts
    }


def test_the_installed_command_runs_anywhere(wheel, tmp_path):
    pip("install", "--target", tmp_path / "installed", wheel)
    commands = (["-m", "har"], [str(tmp_path / "installed/bin/har")])
    for command in commands:
        done = subprocess.run(
            [sys.executable, *command, "--help"],
            cwd=tmp_path,
            env={"PYTHONPATH": str(tmp_path / "installed")},
            capture_output=True,
            text=True,
            check=True,
        )
        assert "predict" in done.stdout
