import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from ruamel.yaml import YAML

from har.params import load_yaml

ROOT = Path(__file__).parents[1]
# Nothing of a test reports home, asks for updates, or writes to the user's MLflow.
os.environ.update(
    MLFLOW_DISABLE_TELEMETRY="true",
    DVC_NO_ANALYTICS="true",
    PYTHONDONTWRITEBYTECODE="1",
    OMP_NUM_THREADS="1",  # as many processes run as there are cores
    **{f"GIT_{who}_NAME": "a test" for who in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{who}_EMAIL": "test@localhost" for who in ("AUTHOR", "COMMITTER")},
)
os.environ.pop("MLFLOW_TRACKING_URI", None)
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def real_data():
    """The folder of real measuring data, which the project does without."""
    folder = os.environ.get("REAL_DATA_DIR")
    if not folder or not Path(folder).is_dir():
        pytest.skip("REAL_DATA_DIR does not name the folder of real data")
    return Path(folder)


TINY_NETWORK = {"width": 8, "windows": {"frames": 16, "test_windows": 2}}
TINY_TRAINING = {"iterations": 24, "epochs": 0, "batch_size": 16}
TINY = {
    "threads": 1,
    "prepare": {"source": "tiny.pkl", "classes": []},
    "evaluate": {"resamples": 200},
    "baseline": {"model": TINY_NETWORK, "train": TINY_TRAINING},
    "model": TINY_NETWORK,
    "train": TINY_TRAINING,
}


def merged(base, changes):
    """Nested settings with some of them changed."""
    return base | {
        key: merged(base[key], value) if isinstance(value, dict) else value
        for key, value in changes.items()
    }


@pytest.fixture(scope="session")
def tiny_pickle(tmp_path_factory):
    """A small simulated set in the published format: 3 classes, 8 groups each, 2 clips a group."""
    from har.clips.annotations import write_pickle
    from har.clips.simulate import simulate

    classes = ("ApplyEyeMakeup", "BlowDryHair", "HeadMassage")
    path = tmp_path_factory.mktemp("data") / "tiny.pkl"
    write_pickle(path, simulate(3, classes, range(1, 9), clips=2, frames=40))
    return path


class Project:
    """A copy of the project in a folder of its own, to run stages and DVC in."""

    def __init__(self, folder):
        self.folder = folder

    def run(self, *command, status=0):
        """Run a command in the project; its output, after checking its exit status."""
        # `python` of dvc.yaml is the one that runs the tests.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=os.environ | {"PATH": path},
            text=True,
            capture_output=True,
            timeout=300,
        )
        assert done.returncode == status, done.stdout + done.stderr
        self.errors = done.stderr
        return done.stdout

    def dvc(self, *arguments, status=0):
        """Run DVC."""
        return self.run("dvc", *arguments, status=status)

    def stage(self, name, status=0):
        """Run a stage as DVC does."""
        return self.run("python", "-m", f"stages.{name}", status=status)

    def set(self, changes):
        """Change params.yaml."""
        path = self.folder / "params.yaml"
        YAML().dump(merged(load_yaml(path), changes), path)


def copy_project(folder, tiny_pickle):
    """Copy code and settings, and make the settings tiny."""
    for name in ("har", "stages", ".dvc/plots"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    (folder / "models").mkdir()
    for name in (
        "dvc.yaml",
        "params.yaml",
        "models/everyday.safetensors",
        ".gitignore",
        ".dvcignore",
        ".dvc/config",
    ):
        shutil.copy(ROOT / name, folder / name)
    shutil.copy(tiny_pickle, folder / "tiny.pkl")
    project = Project(folder)
    project.set(TINY)
    return project


@pytest.fixture
def project(tmp_path, tiny_pickle):
    """The project with tiny settings, not a repository."""
    return copy_project(tmp_path, tiny_pickle)


@pytest.fixture(scope="session")
def repository(tmp_path_factory, tiny_pickle):
    """The project as a git and DVC repository after one `dvc repro`; tests must not harm it.

    Where tests run in several processes, one of them makes it and all have a copy of their own.
    """
    base = tmp_path_factory.getbasetemp()
    made = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "after one repro"
    with FileLock(f"{made}.lock"):
        if not made.exists():
            making = tmp_path_factory.mktemp("making")
            run_once(copy_project(making, tiny_pickle))
            making.rename(made)
    folder = tmp_path_factory.mktemp("repository") / "project"
    # MLflow's database names its folder.
    shutil.copytree(made, folder, symlinks=True, ignore=shutil.ignore_patterns("mlflow*", "mlruns"))
    return Project(folder)


def run_once(project):
    """Make a repository of the project, run the pipeline, commit both."""
    with (project.folder / ".gitignore").open("a") as file:
        file.write("/tiny.pkl\n")
    project.run("git", "init", "--quiet", "--initial-branch=main")
    project.run("git", "add", "--all")
    project.run("git", "commit", "--quiet", "--message=code")
    project.dvc("repro")
    project.run("git", "add", "--all")
    project.run("git", "commit", "--quiet", "--message=first run")
