"""Where DVC can't work, or would lose experiments, it is said before anything is trained."""

import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

from har.errors import UserError
from stages import repository
from tests.conftest import ROOT


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with DVC's settings, in no repository."""
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config").write_text("[core]\n    analytics = false\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return tmp_path


def git(*arguments):
    subprocess.run(["git", *arguments], check=True, capture_output=True)


def commit(text):
    Path("file").write_text(text)
    git("add", "file")
    git("commit", "-qm", text)


def settings():
    """Content of DVC's settings of this checkout."""
    path = Path(".dvc/config.local")
    return path.read_text() if path.exists() else ""


def prepare(*arguments):
    """Exit status and standard error of what `make` runs first."""
    command = [sys.executable, "-m", "stages.repository", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode, done.stderr


def test_dvc_is_told_where_there_is_no_repository_and_so_is_the_user(folder):
    status, errors = prepare()
    assert status == 0 and "no git repository" in errors and ".dvc/config.local" in errors
    assert "no_scm = true" in settings()
    assert prepare() == (0, "")  # once
    git("init", "-q")
    status, errors = prepare()
    assert status == 0 and "dvc config --local --unset core.no_scm" in errors
    assert "no_scm = true" in settings()


def test_dvc_writes_into_the_project_where_it_may_write_nowhere_else(folder, monkeypatch, capsys):
    git("init", "-q")
    monkeypatch.delenv("DVC_SITE_CACHE_DIR", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    may_write = []
    monkeypatch.setattr(repository.os, "access", lambda path, mode: path in may_write)
    monkeypatch.setattr(repository, "_SYSTEM_CACHE", folder / "system/dvc")
    repository.prepare_dvc()
    assert f"site_cache_dir = {folder}/.dvc/tmp/site\n" in settings()
    assert f"{folder} is read-only" in capsys.readouterr().err
    repository.prepare_dvc()
    assert capsys.readouterr().err == ""  # once
    Path(".dvc/config.local").unlink()
    may_write.append(folder)
    repository.prepare_dvc()
    assert settings() == ""


def test_nothing_is_told_in_a_repository(folder):
    git("init", "-q")
    assert prepare() == (0, "")
    assert settings() == ""


def test_another_users_checkout_is_no_missing_repository(folder, monkeypatch):
    git("init", "-q")
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # git's own tests use it
    for arguments, expected in (((), 0), (("--experiments",), 2)):
        status, errors = prepare(*arguments)
        assert status == expected and "Traceback" not in errors
        assert "dubious ownership" in errors and "git config --global --add safe." in errors
    assert settings() == ""


def test_without_git_a_repository_is_still_one(folder, monkeypatch):
    monkeypatch.setenv("PATH", str(folder))
    assert not repository.in_repository()
    (folder / ".git").mkdir()
    with pytest.raises(UserError, match="git not found: install it"):
        repository.in_repository()


def test_a_broken_link_to_a_repository_is_told(folder):
    (folder / ".git").write_text("gitdir: /moved/away\n")
    with pytest.raises(UserError, match=r"not a git repository: .*/moved/away"):
        repository.in_repository()


def test_a_shallow_clone_is_told_with_the_remedy_that_works(folder, monkeypatch):
    git("init", "-q")
    commit("one")
    commit("two")
    repository.check_history()
    git("clone", "-q", "--depth=1", folder.as_uri(), "shallow")
    monkeypatch.chdir("shallow")
    with pytest.raises(UserError, match="`git fetch --unshallow`"):
        repository.check_history()
    assert prepare("--experiments")[0] == 2
    git("fetch", "--unshallow")
    repository.check_history()


@pytest.mark.parametrize(
    ("name", "kept"),
    [("a b", True), ("it's 100%", True), ("#1", False), ("what?", False), ("100%25", False)],
)
def test_a_folder_in_which_dvc_loses_experiments_is_told(folder, monkeypatch, name, kept):
    (folder / name).mkdir()
    monkeypatch.chdir(folder / name)
    git("init", "-q")
    with nullcontext() if kept else pytest.raises(UserError, match="move the project"):
        repository.check_history()


def test_experiments_without_a_repository_are_refused(folder):
    with pytest.raises(UserError, match="not in a repository"):
        repository.check_history()


def test_a_folder_of_any_name_can_make(tmp_path):
    """Spaces, quotation marks, and what means something in addresses, in make and in shells."""
    odd = tmp_path / 'it\'s a "new" #1 100% folder? $(x) & co'
    (odd / ".dvc").mkdir(parents=True)
    (odd / ".venv").symlink_to(Path(sys.prefix))
    for name in ("Makefile", "requirements.lock", "requirements-video.lock", "stages", "har"):
        (odd / name).symlink_to(ROOT / name)

    def make(*arguments):
        command = ["make", "--no-print-directory", "--old-file=.venv/installed", *arguments]
        run = subprocess.run(command, cwd=odd, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        return run.stdout

    make("dvc-ready")
    assert "no_scm = true" in (odd / ".dvc/config.local").read_text()
    for target in ("repro", "test", "check", "ui", "plots", "serve", "experiment", "help"):
        assert str(odd) not in make("--dry-run", target, "RECIPE=keras")
