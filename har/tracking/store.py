"""Open an MLflow store: its address, its database, the experiment in it."""

import logging
import os
import re
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from filelock import FileLock

from har.params import Tracking

REMEDY = "python -m har sync-mlflow"

# A server that is away must not hold up a training; MLflow's own defaults wait for minutes.
WAITING_LIMITS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
}
_SECONDS_FOR_A_LOCKED_DATABASE = 5
_SECONDS_FOR_A_NEW_DATABASE = 60
_LONGEST_REASON = 600  # characters
# Otherwise MLflow shows its pages for language models.
_EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}


def tracking_uri(project: Path) -> str:
    """MLFLOW_TRACKING_URI, else `mlflow.db` of the project.

    A relative path means the project, so that experiments in temporary copies find it too.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"
    if relative := re.fullmatch(r"sqlite:///(?!/)(.+)", uri):
        return f"{sqlite_uri(project.resolve())}/{relative[1]}"
    return uri


def sqlite_uri(path: Path) -> str:
    """The address of an absolute path; in addresses, `?` and `%` have a meaning of their own."""
    return f"sqlite:///{quote(str(path), safe=' +/')}"


def database_file(uri: str) -> Path | None:
    """The file behind an SQLite address, None for other addresses."""
    if not uri.startswith("sqlite:////"):
        return None
    return Path(unquote(uri.removeprefix("sqlite:///").partition("?")[0]))


class Store:
    """An open MLflow store and the experiment in it.

    Attributes:
        uri: its address.
        database: its file, None on a server.
        client: MLflow's client of it.
        experiment_id: of the experiment that the settings name.
    """

    def __init__(self, settings: Tracking, project: Path) -> None:
        """Open the store of `tracking_uri`; make its database and experiment where needed.

        Raises:
            Exception: whatever MLflow or SQLite raise when it can't be opened or written.
        """
        self.uri = tracking_uri(project)
        self.database = database_file(self.uri)
        limit_waiting()
        from mlflow import MlflowClient

        silence_mlflow()
        with self.lock():
            if self.database and not (self.database.exists() and self.database.stat().st_size):
                _make_database(self.database)
            self.check()
            self.client = MlflowClient(self.uri, os.environ.get("MLFLOW_REGISTRY_URI") or self.uri)
            self.experiment_id = self._open_experiment(settings.experiment)

    def lock(self) -> AbstractContextManager[Any]:
        """One process at a time: two that create the tables of a new database break each other."""
        if self.database is None:
            return nullcontext()
        return FileLock(f"{self.database}.lock", timeout=_SECONDS_FOR_A_NEW_DATABASE)

    def check(self) -> None:
        """Raise at once where a database can't be written; MLflow would try for minutes."""
        if self.database is None:
            return
        connection = sqlite3.connect(self.database, _SECONDS_FOR_A_LOCKED_DATABASE)
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
        finally:
            connection.close()

    def _open_experiment(self, name: str) -> str:
        """The id of an experiment, which is created where there is none."""
        experiment = self.client.get_experiment_by_name(name)
        if experiment is None:
            # MLflow's default is relative to the working folder, for experiments a temporary one.
            folder = _artifacts_uri(self.database) if self.database else None
            try:
                return self.client.create_experiment(name, folder, tags=_EXPERIMENT_TAGS)
            except Exception:
                # On a server, another machine may have been faster.
                experiment = self.client.get_experiment_by_name(name)
                if experiment is None:
                    raise
        if experiment.lifecycle_stage != "active":
            raise RuntimeError(f"experiment {name} was deleted there: restore or rename it")
        if self.database:
            _check_not_moved(self.database, experiment.artifact_location)
        return experiment.experiment_id


def _artifacts_uri(database: Path) -> str:
    """Where MLflow keeps files beside a database."""
    return (database.parent / "mlruns").as_uri()


def _check_not_moved(database: Path, artifacts: str) -> None:
    """Addresses in a database are absolute: files would go where the project was before."""
    if artifacts.startswith("file://") and artifacts != _artifacts_uri(database):
        folder = Path(unquote(artifacts.removeprefix("file://")))
        if not folder.parent.exists():
            raise RuntimeError(
                f"{database} was made in {folder.parent}, which is gone: remove {database.name}, "
                "and it is made anew"
            )


def _make_database(path: Path) -> None:
    """Make an empty database; it takes its name when it is whole.

    MLflow needs seconds for its tables, and a process killed in between would leave a database
    that it refuses for ever.
    """
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    part = path.with_name(f"{path.name}.part")
    journal = path.with_name(f"{path.name}.part-journal")
    journal.unlink(missing_ok=True)
    part.write_bytes(b"")  # also fails at once where MLflow would try for minutes
    try:
        # Not by MLflow's client, which writes the working folder into it, quotation marks and all.
        SqlAlchemyStore(sqlite_uri(part), _artifacts_uri(path)).engine.dispose()
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
        journal.unlink(missing_ok=True)


@contextmanager
def default_store(uri: str) -> Iterator[None]:
    """Make a store MLflow's default for functions that take no address."""
    import mlflow

    before = os.environ.get("MLFLOW_TRACKING_URI")
    mlflow.set_tracking_uri(uri)  # sets the variable, too
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before or "")
        os.environ.pop("MLFLOW_TRACKING_URI", None)
        if before is not None:
            os.environ["MLFLOW_TRACKING_URI"] = before


def limit_waiting() -> None:
    """Bound MLflow's waiting, unless the user did; it reads these before every request."""
    for name, value in WAITING_LIMITS.items():
        os.environ.setdefault(name, value)


def silence_mlflow() -> None:
    """MLflow prints tracebacks of errors that it also raises; ours is one line."""
    if not os.environ.get("MLFLOW_LOGGING_LEVEL"):
        logging.getLogger("mlflow").setLevel(logging.CRITICAL)
        logging.getLogger("urllib3.connectionpool").setLevel(logging.CRITICAL)


def warn(uri: str, error: Exception) -> None:
    """Say on standard error, in one line, that MLflow did not take a run."""
    print(
        f"warning: MLflow at {without_password(uri)} did not take this run ({reason(error)}); "
        f"no result is lost, send it later: {REMEDY}",
        file=sys.stderr,
    )


def without_password(text: str) -> str:
    """An address, or a text with addresses, without the passwords they may hold."""
    return re.sub(r"//[^/@]+@", "//", text)


def reason(error: Exception) -> str:
    """What went wrong, in one line without passwords, with what MLflow says to do about it."""
    text = " ".join(str(error).split()) or type(error).__name__
    text = text.partition(" [SQL: ")[0]  # SQLAlchemy repeats the statement
    _, unreachable, cause = text.partition("Max retries exceeded")
    if unreachable:
        text = f"no answer: {cause.partition('Caused by ')[2].strip('() ') or text}"
    if "invalid interpolation syntax" in text:
        text = (
            "MLflow can't run from an environment whose path holds a %: make it elsewhere, and "
            f"link it as .venv; {text}"
        )
    return shortened(without_password(text), _LONGEST_REASON)


def shortened(text: str, most: int) -> str:
    """A text without its middle where it is too long: remedies stand at the end."""
    return text if len(text) <= most else f"{text[: most // 2]} ... {text[-most // 2 :]}"
