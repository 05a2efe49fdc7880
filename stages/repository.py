"""Checks of the git repository for DVC. It is not a stage; `make` calls it first."""

import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

from har.errors import UserError, user_errors_end_the_program

_LOCAL_SETTINGS = Path(".dvc/config.local")
_SYSTEM_CACHE = Path("/var/tmp/dvc")  # noqa: S108 - where DVC on Linux remembers files' hashes


def git(*arguments: str) -> str:
    """Returns what a git command prints.

    Raises:
        UserError: it failed, with git's reason, or there is no git.
    """
    # Untranslated, since reasons are compared.
    environment = os.environ | {"LC_ALL": "C"}
    try:
        done = subprocess.run(
            ["git", *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            env=environment,
            check=False,
        )
    except FileNotFoundError:
        raise UserError("git not found: install it") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UserError(f"git {arguments[0]} failed: {error}") from None
    if done.returncode:
        raise UserError(f"git {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout.strip()


def in_repository() -> bool:
    """Whether the working folder lies in a git repository.

    Raises:
        UserError: git refuses, for instance in a folder that belongs to another user.
    """
    try:
        git("rev-parse", "--git-dir")
    except UserError as error:
        folder = Path.cwd()
        if "not a git repository (or any" in str(error):
            return False
        if any((parent / ".git").exists() for parent in (folder, *folder.parents)):
            raise
        return False  # there is no git
    return True


def check_history() -> None:
    """Check that DVC can keep experiments of temporary copies here.

    Raises:
        UserError: there is no repository, git fails, the clone is shallow, or its path is another
            one when read as an address. In the last two, DVC drops experiments silently.
    """
    if not in_repository():
        raise UserError(
            "DVC keeps experiments in git, but this folder is not in a repository: clone it"
        )
    if git("rev-parse", "--is-shallow-repository") == "true":
        raise UserError(
            "this is a shallow clone, in which DVC loses experiments: run `git fetch --unshallow`"
        )
    folder = Path.cwd().as_posix()
    if unquote(urlsplit(f"file://{folder}").path) != folder:  # DVC does not escape it
        raise UserError(
            f"DVC loses experiments below {folder}, since a #, a ? or a % with two digits is part "
            "of its path: move the project to another folder"
        )


def prepare_dvc() -> None:
    """Configure DVC where it would fail otherwise, and print a note.

    That is where nothing outside the project may be written, and where there is no repository, as
    in an exported tree.
    """
    _keep_hashes_inside()
    settings = _LOCAL_SETTINGS.read_text() if _LOCAL_SETTINGS.is_file() else ""
    if re.search(r"no_scm\s*=\s*true", settings, re.IGNORECASE):
        if Path(".git").exists():
            _note(
                f"DVC ignores git here, by core.no_scm in {_LOCAL_SETTINGS}; "
                "`dvc config --local --unset core.no_scm` ends that"
            )
        return
    try:
        found = in_repository()
    except UserError as error:
        _note(f"{error} (the pipeline runs without git, experiments do not)")
        return
    if not found:
        _configure("core.no_scm", "true")
        _note(f"no git repository here: core.no_scm is now set in {_LOCAL_SETTINGS}")


def _keep_hashes_inside() -> None:
    """Move DVC's memory of files' hashes into the project where its own place is read-only."""
    settings = _LOCAL_SETTINGS.read_text() if _LOCAL_SETTINGS.is_file() else ""
    if "DVC_SITE_CACHE_DIR" in os.environ or "site_cache_dir" in settings:
        return
    present = next(path for path in (_SYSTEM_CACHE, *_SYSTEM_CACHE.parents) if path.exists())
    if sys.platform == "linux" and not os.access(present, os.W_OK):
        inside = Path(".dvc/tmp/site").absolute()
        _configure("core.site_cache_dir", str(inside))
        _note(f"{present} is read-only: core.site_cache_dir is now set in {_LOCAL_SETTINGS}")


def _configure(key: str, value: str) -> None:
    command = [sys.executable, "-m", "dvc", "config", "--quiet", "--local", key, value]
    subprocess.run(command, check=True)


def _note(text: str) -> None:
    print(f"note: {text}", file=sys.stderr)


def main() -> None:
    """Prepare DVC; with `--experiments`, also check that it can keep experiments."""
    prepare_dvc()
    if "--experiments" in sys.argv[1:]:
        check_history()


if __name__ == "__main__":
    with user_errors_end_the_program():
        main()
