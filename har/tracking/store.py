"""Open an MLflow store: its address, its database, its experiment."""

import logging
import os
import re
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from filelock import FileLock

from har.params import Tracking

REMEDY = "python -m har sync-mlflow"

# A server that is down must not hold up a training; MLflow's own defaults wait for minutes.
WAITING_LIMITS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
}
_SECONDS_FOR_A_LOCKED_DATABASE = 5
_SECONDS_FOR_A_NEW_DATABASE = 60
_LONGEST_REASON = 600  # characters
# Without this tag, MLflow shows its pages for language models.
_EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}


def tracking_uri(project: Path) -> str:
    """MLFLOW_TRACKING_URI, else `mlflow.db` of the project.

    Relative paths start at the project, so that experiments in temporary copies use its store.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"
    if relative := re.fullmatch(r"sqlite:///(?!/)(.+)", uri):
        return f"{sqlite_uri(project.resolve())}/{relative[1]}"
    return uri


def sqlite_uri(path: Path) -> str:
    """The address of an absolute path.

    In addresses, `?`, `#` and `%` have a meaning of their own. Everything else stays as it is:
    MLflow makes the folder of the address as it stands, which would be a stray one.
    """
    return "sqlite:///" + re.sub("[?#%]", lambda found: f"%{ord(found[0]):02X}", str(path))


def database_file(uri: str) -> Path | None:
    """The file behind an SQLite address, None for other addresses."""
    if not uri.startswith("sqlite:////"):
        return None
    return Path(unquote(uri.removeprefix("sqlite:///").partition("?")[0]))


class Store:
    """An open MLflow store and the experiment in it.

    Attributes:
        uri: its address.
        database: its file, None for a server.
        client: MLflow's client of it.
        experiment_id: of the experiment that the settings name.
    """

    def __init__(self, settings: Tracking, project: Path) -> None:
        """Open the store of `tracking_uri`; its database and experiment are created if needed.

        Raises:
            Exception: any error of MLflow or SQLite on opening or writing it.
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
        """A lock, since two processes that create the tables of a database break each other's."""
        if self.database is None:
            return nullcontext()
        return FileLock(f"{self.database}.lock", timeout=_SECONDS_FOR_A_NEW_DATABASE)

    def check(self) -> None:
        """Raise at once if the database can't be written, which MLflow would try for minutes."""
        if self.database is None:
            return
        connection = sqlite3.connect(self.database, _SECONDS_FOR_A_LOCKED_DATABASE)
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
        finally:
            connection.close()

    def _open_experiment(self, name: str) -> str:
        """The id of an experiment, which is created if needed."""
        experiment = self.client.get_experiment_by_name(name)
        if experiment is None:
            # MLflow's default is relative to the working folder, a temporary one in experiments.
            folder = _artifacts_uri(self.database) if self.database else None
            try:
                return self.client.create_experiment(name, folder, tags=_EXPERIMENT_TAGS)
            except Exception:
                # On a server, another machine may have created it meanwhile.
                experiment = self.client.get_experiment_by_name(name)
                if experiment is None:
                    raise
        if experiment.lifecycle_stage != "active":
            raise RuntimeError(f"experiment {name} was deleted there: restore or rename it")
        if self.database:
            _check_not_moved(self.database, experiment.artifact_location)
        return experiment.experiment_id


def _artifacts_uri(database: Path) -> str:
    """Address of MLflow's files beside a database."""
    return (database.parent / "mlruns").as_uri()


def _check_not_moved(database: Path, artifacts: str) -> None:
    """Raise if the project has moved: a database has absolute paths for files."""
    if artifacts.startswith("file://") and artifacts != _artifacts_uri(database):
        folder = Path(unquote(artifacts.removeprefix("file://")))
        if not folder.parent.exists():
            raise RuntimeError(
                f"{database} was made in {folder.parent}, which is gone: remove {database.name}, "
                "and a new one is made"
            )


def _make_database(path: Path) -> None:
    """Make a database atomically.

    MLflow needs seconds for its tables, and a process killed in between would leave a database
    that MLflow refuses forever.
    """
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    part = path.with_name(f"{path.name}.part")
    journal = path.with_name(f"{path.name}.part-journal")
    journal.unlink(missing_ok=True)
    part.write_bytes(b"")  # also fails at once where MLflow would try for minutes
    try:
        # MLflow's client would write the working folder into it.
        SqlAlchemyStore(sqlite_uri(part), _artifacts_uri(path)).engine.dispose()
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
        journal.unlink(missing_ok=True)


@contextmanager
def default_store(uri: str) -> Iterator[None]:
    """Make a store MLflow's default, for functions that take no address."""
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
    """Limit MLflow's waiting unless the user has; it reads these variables for each request."""
    for name, value in WAITING_LIMITS.items():
        os.environ.setdefault(name, value)


def silence_mlflow() -> None:
    """Stop MLflow from printing tracebacks of errors that it also raises."""
    if not os.environ.get("MLFLOW_LOGGING_LEVEL"):
        logging.getLogger("mlflow").setLevel(logging.CRITICAL)
        logging.getLogger("urllib3.connectionpool").setLevel(logging.CRITICAL)


def warn(uri: str, error: Exception) -> None:
    """Print one line on standard error: MLflow did not take a run."""
    print(
        f"warning: MLflow at {without_password(uri)} did not take this run ({reason(error)}); "
        f"no result is lost, send it later: {REMEDY}",
        file=sys.stderr,
    )


def without_password(text: str) -> str:
    """A text with addresses, without passwords in them."""
    return re.sub(r"//[^/@]+@", "//", text)


def reason(error: Exception) -> str:
    """An error in one line without passwords, with MLflow's own advice."""
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
    """A text of limited length, without its middle: remedies stand at the end."""
    return text if len(text) <= most else f"{text[: most // 2]} ... {text[-most // 2 :]}"
