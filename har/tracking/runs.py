"""What MLflow is told: the only file that imports it.

MLflow is a viewer, git and DVC are the record: whatever MLflow misses can be sent again from the
files of the last `dvc repro` (`record`), and nothing MLflow does can fail a training. A run is
found by the hash of its model file, never by a run id: ids would make outputs irreproducible.

MLflow takes over a second to import, so every function imports it when it needs it.
"""

import hashlib
import json
import logging
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from filelock import FileLock

from har.clips import Clip
from har.dataset.prepared import read_prepared
from har.dataset.sequences import Sequences, read_sequences
from har.errors import UserError
from har.files import read_csv, read_json
from har.params import Params, Tracking, project_folder

NAMES = ("baseline", "improved")
CHAMPION = "champion"
REMEDY = "python -m har sync-mlflow"

# A server that is away must not hold up a training; MLflow's own defaults wait for minutes.
BRIEF = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
}
_SECONDS_FOR_A_LOCKED_DATABASE = 5
_SECONDS_FOR_A_NEW_DATABASE = 60
# Otherwise MLflow shows its pages for language models.
_EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}
_METRICS_AT_ONCE = 1000
_LOOKS_AT_THE_CHAMPION = 10
_LONGEST_PARAMETER = 6000
# What a machine that only serves the model has to install.
_SERVING_PACKAGES = (
    "mlflow", "torch", "numpy", "pandas", "scipy", "scikit-learn", "safetensors", "pydantic",
    "pyyaml", "filelock",
)  # fmt: skip


@dataclass(frozen=True)
class DataDescription:
    """What a model was trained on, for MLflow's dataset column.

    Attributes:
        name: the source, as in params.yaml.
        data_hash: sha256 of the features.
        shape: of the features, frames first.
        clips: number of clips of each subset.
    """

    name: str
    data_hash: str
    shape: tuple[int, ...] = ()
    clips: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """A trained model, what its training was like, and how it did.

    Attributes:
        name: baseline or improved.
        checkpoint: the model file.
        params: nested settings, as for `training_run`.
        data: what it was trained on.
        history: a row of numbers per epoch, with the column `epoch`.
        val: figures of the kept weights on the val part; `accuracy` chooses the champion.
        metrics: metric name -> figure on held-out clips.
        files: figures and tables to show beside them.
        example: a clip that shows what the served model takes.
    """

    name: str
    checkpoint: Path
    params: Mapping[str, Any]
    data: DataDescription
    history: Sequence[Mapping[str, float]]
    val: Mapping[str, float]
    metrics: Mapping[str, float] = field(default_factory=dict)
    files: Sequence[Path] = ()
    example: Clip | None = None


def file_hash(path: Path) -> str:
    """Md5 of a file, as dvc.lock has it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def model_params(params: Params, name: str) -> dict[str, Any]:
    """The settings that made a model, named alike for both so that they share MLflow's columns."""
    content = params.model_dump()
    shared = {key: content[key] for key in ("seed", "threads", "prepare", "split", "preprocess")}
    own = content["baseline"] if name == "baseline" else content
    return shared | {"model": own["model"], "train": own["train"]}


def tracking_uri(project: Path) -> str:
    """MLFLOW_TRACKING_URI, else `mlflow.db` of the project.

    A relative path means the project, so that experiments in temporary copies find it too.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"
    if relative := re.fullmatch(r"sqlite:///(?!/)(.+)", uri):
        return f"sqlite:///{project / relative[1]}"
    return uri


def _database(uri: str) -> Path | None:
    """The file behind an SQLite address."""
    return Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:////") else None


def _make_database(path: Path) -> None:
    """Make an empty database; it takes its name when it is whole.

    MLflow needs seconds for its tables, and a process killed in between would leave a database
    that it refuses for ever.
    """
    from mlflow import MlflowClient

    part = path.with_name(f"{path.name}.part")
    journal = path.with_name(f"{path.name}.part-journal")
    journal.unlink(missing_ok=True)
    part.write_bytes(b"")  # also fails at once where MLflow would try for minutes
    try:
        MlflowClient(f"sqlite:///{part}").search_experiments(max_results=1)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
        journal.unlink(missing_ok=True)


class _Store:
    """An open MLflow store and the experiment in it."""

    def __init__(self, settings: Tracking, project: Path) -> None:
        self.uri = tracking_uri(project)
        self.database = _database(self.uri)
        _be_brief()
        from mlflow import MlflowClient

        _silence()
        with self.lock():
            if self.database and not (self.database.exists() and self.database.stat().st_size):
                _make_database(self.database)
            self.check()
            self.client = MlflowClient(self.uri, os.environ.get("MLFLOW_REGISTRY_URI") or self.uri)
            self.experiment_id = self._experiment(settings.experiment)

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

    def _experiment(self, name: str) -> str:
        experiment = self.client.get_experiment_by_name(name)
        if experiment is None:
            # MLflow's default is relative to the working folder, for experiments a temporary one.
            folder = (self.database.parent / "mlruns").as_uri() if self.database else None
            try:
                return self.client.create_experiment(name, folder, tags=_EXPERIMENT_TAGS)
            except Exception:
                # On a server, another machine may have been faster.
                experiment = self.client.get_experiment_by_name(name)
                if experiment is None:
                    raise
        if experiment.lifecycle_stage != "active":
            raise RuntimeError(f"experiment {name} was deleted there: restore or rename it")
        return experiment.experiment_id

    def find(self, model_hash: str) -> Any:
        """The latest run of a model file, or None."""
        found = self.client.search_runs(
            [self.experiment_id],
            f"tags.`dvc.model_md5` = '{model_hash}'",
            max_results=1,
            order_by=["attributes.start_time DESC"],
        )
        return found[0] if found else None

    def create(
        self, name: str, params: Mapping[str, Any], data: DataDescription, tags: Mapping[str, str]
    ) -> str:
        """Start a run with everything known before training."""
        from mlflow.entities import DatasetInput, InputTag, Param

        about = _tags(name)
        short = about.get("mlflow.source.git.commit", "no commit")[:9]
        run = self.client.create_run(
            self.experiment_id,
            run_name=f"{name} · {about.get('dvc.exp_name', short)}",
            tags=about | {"dvc.data_hash": data.data_hash, **tags},
        )
        run_id = run.info.run_id
        # 100 are what MLflow takes at once.
        flat = [
            Param(_allowed(key), str(value)[:_LONGEST_PARAMETER])
            for key, value in flatten(params).items()
        ]
        for start in range(0, len(flat), 100):
            self.client.log_batch(run_id, params=flat[start : start + 100])
        context = InputTag("mlflow.data.context", "training")
        self.client.log_inputs(run_id, [DatasetInput(_dataset(data), [context])])
        return run_id

    def log(
        self, run_id: str, metrics: Mapping[str, Any], step: int = 0, at: int = 0,
        model_id: str | None = None,
    ) -> None:  # fmt: skip
        """Add figures to a run, and to a model of it; what is no number is left out."""
        from mlflow.entities import Metric

        at = at or _now()
        numbers = [
            Metric(_allowed(key), float(value), at, step, model_id=model_id)
            for key, value in metrics.items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        ]
        for start in range(0, len(numbers), _METRICS_AT_ONCE):
            self.client.log_batch(run_id, metrics=numbers[start : start + _METRICS_AT_ONCE])


class TrainingRun:
    """The MLflow run of a training. Nothing here raises because of MLflow.

    What can't be sent is kept and tried once more at the end, so a server may be away for a while.
    """

    def __init__(
        self, name: str, settings: Tracking, params: Mapping[str, Any], data: DataDescription,
        project: Path,
    ) -> None:  # fmt: skip
        """Start the run; use `training_run`, which also ends it."""
        self._name, self._settings, self._project = name, settings, project
        self._params, self._data = params, data
        self._store: _Store | None = None
        self._run_id = ""
        self._waiting: list[tuple[Mapping[str, Any], int, int]] = []
        self._tags: dict[str, str] = {}
        self._lost = False
        self._try(self._send)

    def log_epoch(self, row: Mapping[str, Any]) -> None:
        """Send one epoch's figures; `epoch` is the step."""
        self._waiting.append((*_figures_and_step(row), _now()))
        if not self._lost:
            self._try(self._send)

    def finish(self, model_hash: str, val: Mapping[str, float]) -> None:
        """Say which file came out (`file_hash`) and what its weights do on the val part."""
        self._tags["dvc.model_md5"] = model_hash
        self._waiting.append(({f"val/{key}": value for key, value in val.items()}, 0, _now()))

    def end(self, status: str) -> None:
        """Send what is left and close the run as FINISHED, FAILED or KILLED."""
        self._try(lambda: self._send(status))

    def _send(self, status: str = "") -> None:
        if not self._settings.enabled:
            return
        self._store = self._store or _Store(self._settings, self._project)
        self._store.check()
        self._run_id = self._run_id or self._store.create(self._name, self._params, self._data, {})
        while self._waiting:
            self._store.log(self._run_id, *self._waiting[0])
            del self._waiting[0]
        if status:
            # The hash comes last: a run that can be found by it is complete.
            for key, value in self._tags.items():
                self._store.client.set_tag(self._run_id, key, value)
            self._store.client.set_terminated(self._run_id, status)

    def _try(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:
            if not self._lost:
                _warn(tracking_uri(self._project), error)
            self._lost = True


@contextmanager
def training_run(
    name: str,
    settings: Tracking,
    params: Mapping[str, Any],
    data: DataDescription,
    project: Path | None = None,
) -> Iterator[TrainingRun]:
    """Record a training as an MLflow run; MLflow's own troubles end as one warning.

    Args:
        name: baseline or improved.
        settings: where to.
        params: nested settings (`model_params`).
        data: what it is trained on.
        project: whose `mlflow.db` it is where no server is set; by default this one's.
    """
    run = TrainingRun(name, settings, params, data, _resolved(project))
    try:
        yield run
    except BaseException as error:
        run.end("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
        raise
    run.end("FINISHED")


def record(params: Params, folder: Path = Path(), project: Path | None = None) -> bool:
    """Tell MLflow what the last `dvc repro` made: the end of `evaluate`, and `sync-mlflow`.

    Runs that MLflow never got are rebuilt from the files; those it has are completed.

    Args:
        params: the settings of that run.
        folder: holds `models/`, `metrics/`, `plots/` and `data/`.
        project: as for `training_run`.

    Returns:
        Whether everything arrived (or tracking is off).

    Raises:
        UserError: no model is there, or a file is damaged.
    """
    if not params.tracking.enabled:
        return True
    return record_results(params.tracking, read_results(params, folder), project)


def read_results(params: Params, folder: Path = Path()) -> list[Result]:
    """Gather from the stages' outputs what MLflow shows.

    Raises:
        UserError: a model or its history is missing or damaged.
    """
    from har.models.checkpoint import load_checkpoint

    try:
        features = read_sequences(folder / "data/features")
    except UserError:  # models from DVC's cache don't need them
        features = None
    evaluation = folder / "metrics/evaluation.json"
    figures = read_json(evaluation) if evaluation.is_file() else {}
    shared = [path for path in (evaluation, folder / "metrics/per_class.json") if path.is_file()]
    shared += sorted((folder / "plots").rglob("*.png"))
    example = _example(folder / "data/prepared")
    results = []
    for name in NAMES:
        path = folder / f"models/{name}.safetensors"
        checkpoint = load_checkpoint(path)
        metrics = flatten({params.evaluate.subset: figures.get(name, {})}, "/")
        if name == "improved":
            metrics |= flatten({"vs_baseline": figures.get("difference", {})}, "/")
        history = _read_history(folder / f"models/{name}_history.csv")
        if features:
            data = describe_data(params.prepare.source, features, checkpoint.data_hash)
        else:
            data = DataDescription(params.prepare.source, checkpoint.data_hash)
        results.append(
            Result(
                name, path, model_params(params, name), data, history, checkpoint.val, metrics,
                shared, example,
            )
        )  # fmt: skip
    return results


def _read_history(path: Path) -> list[dict[str, float]]:
    try:
        return [
            {key: float(value) for key, value in row.items() if value}
            for row in read_csv(path, ["epoch"])
        ]
    except ValueError as error:
        raise UserError(f"{path} holds something else than numbers: {error}") from None


def describe_data(source: str, features: Sequences, data_hash: str) -> DataDescription:
    """Describe features, named by their source, for MLflow's dataset column."""
    clips = {name: len(features.subset(name)) for name in ("train", "val", "test")}
    return DataDescription(source, data_hash, features.x.shape, clips)


def record_results(
    settings: Tracking, results: Sequence[Result], project: Path | None = None
) -> bool:
    """Complete or rebuild the runs of trained models and register the better one by val.

    Returns:
        Whether everything arrived; where not, a warning was written.
    """
    if not settings.enabled:
        return True
    project = _resolved(project)
    try:
        store = _Store(settings, project)
        logged = {result.name: _record(store, result) for result in results}
        # On equal terms the later one wins.
        best = max(reversed(results), key=lambda result: result.val["accuracy"])
        with store.lock():
            _register(store, settings.registered_model, best, *logged[best.name])
    except Exception as error:
        _warn(tracking_uri(project), error)
        return False
    return True


def _record(store: _Store, result: Result) -> tuple[str, str]:
    """Run id and model id of a result, after completing its run."""
    model_hash = file_hash(result.checkpoint)
    if run := store.find(model_hash):
        run_id, tags = run.info.run_id, run.data.tags
    else:
        run_id, tags = _rebuild(store, result, model_hash), {}
    content = hashlib.md5(json.dumps(result.metrics, sort_keys=True).encode())
    for path in result.files:
        content.update(path.read_bytes())
    if tags.get("results_md5") == content.hexdigest():
        return run_id, tags["model_id"]
    model_id = tags.get("model_id") or _log_model(store, run_id, result)
    store.log(run_id, result.metrics, model_id=model_id)
    for path in result.files:
        kind = "figures" if path.suffix == ".png" else "metrics"
        store.client.log_artifact(run_id, str(path), kind)
    for key, value in {"model_id": model_id, "results_md5": content.hexdigest()}.items():
        store.client.set_tag(run_id, key, value)
    return run_id, model_id


def _rebuild(store: _Store, result: Result, model_hash: str) -> str:
    """A run from a history on disk: the training ran elsewhere, or MLflow was away."""
    run_id = store.create(result.name, result.params, result.data, {"rebuilt": "from its history"})
    for row in result.history:
        store.log(run_id, *_figures_and_step(row))
    store.log(run_id, {f"val/{key}": value for key, value in result.val.items()})
    store.client.set_tag(run_id, "dvc.model_md5", model_hash)
    store.client.set_terminated(run_id, "FINISHED")
    return run_id


def _log_model(store: _Store, run_id: str, result: Result) -> str:
    """Save the model as MLflow serves it (see har/served_model.py)."""
    from mlflow import pyfunc
    from mlflow.entities import LoggedModelOutput
    from mlflow.models import Model, ModelSignature
    from mlflow.types.schema import AnyType, Array, ColSpec, DataType, Map, Schema

    # MLflow checks nested lists number by number, minutes for a long clip: ours are of any type,
    # and har.tracking.served_model does the checking.
    inputs = Schema([
        ColSpec(AnyType(), "keypoints"),
        ColSpec(Array(DataType.long), "image_size"),
        ColSpec(AnyType(), "scores", required=False),
    ])  # fmt: skip
    outputs = Schema([
        ColSpec(DataType.string, "class"),
        ColSpec(DataType.double, "probability"),
        ColSpec(Map(DataType.double), "probabilities"),
    ])  # fmt: skip
    logged = store.client.create_logged_model(store.experiment_id, result.name, run_id)
    with tempfile.TemporaryDirectory() as scratch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # advice to developers
        folder = Path(scratch) / "model"
        pyfunc.save_model(
            folder,
            loader_module="har.tracking.served_model",
            data_path=str(result.checkpoint),
            code_paths=[str(Path(__file__).parent)],
            mlflow_model=Model(run_id=run_id, model_id=logged.model_id),
            signature=ModelSignature(inputs, outputs),
            input_example=[request_of_clip(result.example)] if result.example else None,
            pip_requirements=[_requirement(name) for name in _SERVING_PACKAGES],
        )
        store.client.log_model_artifacts(logged.model_id, str(folder))
    store.client.finalize_logged_model(logged.model_id, "READY")
    store.client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, 0)])
    return logged.model_id


def request_of_clip(clip: Clip) -> dict[str, Any]:
    """A clip in the form that the served model takes."""
    return {
        "keypoints": clip.keypoints.astype(float).round(1).tolist(),
        "scores": clip.scores.astype(float).round(2).tolist(),
        "image_size": list(clip.image_size),
    }


def _register(store: _Store, name: str, result: Result, run_id: str, model_id: str) -> None:
    """Register a model and let the best by val of those with the same data be champion."""
    from mlflow.exceptions import MlflowException

    client, model_hash = store.client, file_hash(result.checkpoint)
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    versions = client.search_model_versions(f"name = '{name}'")
    version = next((v for v in versions if v.tags.get("dvc.model_md5") == model_hash), None)
    if version is None:
        tags = {
            "model": result.name,
            "dvc.model_md5": model_hash,
            "dvc.data_hash": result.data.data_hash,
            "val_accuracy": str(result.val["accuracy"]),
        }
        with _as_default(store.uri):
            version = client.create_model_version(
                name, f"models:/{model_id}", run_id, tags, model_id=model_id
            )
    _crown(client, name, version, result.data.data_hash)


def _crown(client: Any, name: str, version: Any, data_hash: str) -> None:
    """Make the best version by val on this data champion; on equal terms the later one.

    On a server others register at the same moment and no lock keeps them apart: whoever writes the
    alias looks again, so the last one to write has seen them all.
    """
    from mlflow.exceptions import MlflowException

    for _ in range(_LOOKS_AT_THE_CHAMPION):
        found = client.search_model_versions(f"name = '{name}'")
        rivals = [version, *(v for v in found if v.tags.get("dvc.data_hash") == data_hash)]
        best = max(rivals, key=lambda v: (float(v.tags["val_accuracy"]), int(v.version)))
        # A search leaves the aliases out.
        if str(client.get_registered_model(name).aliases.get(CHAMPION)) == str(best.version):
            return
        with suppress(MlflowException):  # two that give a first alias collide
            client.set_registered_model_alias(name, CHAMPION, best.version)
    raise RuntimeError(f"{name}@{CHAMPION} could not be set")


def refused_request(reason: str) -> Exception:
    """What a served model raises for the server to answer 400 with this reason."""
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE

    return MlflowException(reason, INVALID_PARAMETER_VALUE)


def failed_request(reason: str) -> Exception:
    """What a served model raises for the server to answer 500 without a traceback."""
    from mlflow.exceptions import MlflowException

    return MlflowException(reason)


def model_folder(uri: str, project: Path | None = None) -> Path:
    """A registered model on this disk, downloaded where it has to be.

    Raises:
        UserError: there is no such model, or MLflow can't be reached.
    """
    store = tracking_uri(_resolved(project))
    try:
        database = _database(store)
        if database and not database.is_file():
            raise FileNotFoundError("there is no such file yet")
        _be_brief()
        from mlflow.artifacts import download_artifacts

        _silence()
        with _as_default(store):
            return Path(download_artifacts(uri))
    except Exception as error:
        raise UserError(
            f"cannot get {uri} from MLflow at {_shown(store)}: {_reason(error)}; "
            f"`dvc repro` registers a model, {REMEDY} one that was missed"
        ) from None


def scoring_app(folder: Path) -> Any:
    """MLflow's scoring server (an ASGI application) of a model folder."""
    from mlflow.pyfunc import load_model, scoring_server

    return scoring_server.init(load_model(str(folder)))


def flatten(nested: Mapping[str, Any], separator: str = ".", prefix: str = "") -> dict[str, Any]:
    """`{"model": {"width": 64}}` -> `{"model.width": 64}`."""
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, separator, f"{prefix}{key}{separator}")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _figures_and_step(row: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
    """An epoch's figures, named so that MLflow draws the curves before all else."""
    return {f"epoch/{key}": row[key] for key in row if key != "epoch"}, int(row["epoch"])


def _resolved(project: Path | None) -> Path:
    return (project or project_folder()).resolve()


def _now() -> int:
    return int(time.time() * 1000)


def _allowed(key: str) -> str:
    """MLflow takes letters, digits and some punctuation in names."""
    return re.sub(r"[^\w.\-/ ]", "_", key)[:250]


def _requirement(package: str) -> str:
    version = metadata.version(package).partition("+")[0]  # torch's +cpu is not on PyPI
    return f"{package}=={version}"


def _dataset(data: DataDescription) -> Any:
    from mlflow.entities import Dataset

    spec = {
        "type": "tensor",
        "tensor-spec": {"dtype": "float32", "shape": [-1, *data.shape[1:]]},
    }
    return Dataset(
        name=data.name,
        digest=data.data_hash[:8] or "unknown",
        source_type="local",
        source=json.dumps({"uri": "data/features"}),
        schema=json.dumps({"mlflow_tensorspec": {"features": json.dumps([spec]), "targets": None}}),
        profile=json.dumps({"features_shape": data.shape, **data.clips}),
    )


def _tags(name: str) -> dict[str, str]:
    """What ties a run to git and DVC."""
    stage = f"train_{name}"  # also where `evaluate` rebuilds the run
    tags = {
        "dvc.stage": stage,
        "mlflow.source.name": f"stages/{stage}.py",
        "mlflow.source.type": "LOCAL",
    }
    for tag, variable in (
        ("dvc.exp_name", "DVC_EXP_NAME"),
        ("dvc.baseline_rev", "DVC_EXP_BASELINE_REV"),
        ("mlflow.user", "USER"),
    ):
        if value := os.environ.get(variable):
            tags[tag] = value
    # Without a .git of its own, the folder may lie in somebody else's repository.
    if Path(".git").exists() and (commit := _git("rev-parse", "HEAD")):
        changed = _git("status", "--porcelain", "--", "har", "stages", "params.yaml", "dvc.yaml")
        tags["mlflow.source.git.commit"] = commit
        tags["mlflow.source.git.dirty"] = str(bool(changed))
    return tags


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _example(prepared: Path) -> Clip | None:
    """The shortest prepared clip."""
    try:
        clips = read_prepared(prepared)
    except UserError:
        return None
    row = min(clips.rows, key=lambda row: row.frames * row.persons)
    poses = clips.poses(row)
    size = (row.height, row.width)
    return Clip(row.id, row.label, poses[..., :-1], poses[..., -1], size, row.group)


@contextmanager
def _as_default(uri: str) -> Iterator[None]:
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


def _be_brief() -> None:
    """Bound MLflow's waiting, unless the user did; it reads these before every request."""
    for name, value in BRIEF.items():
        os.environ.setdefault(name, value)


def _silence() -> None:
    """MLflow prints tracebacks of errors that it also raises; ours is one line."""
    if not os.environ.get("MLFLOW_LOGGING_LEVEL"):
        logging.getLogger("mlflow").setLevel(logging.CRITICAL)
        logging.getLogger("urllib3.connectionpool").setLevel(logging.CRITICAL)


def _warn(uri: str, error: Exception) -> None:
    print(
        f"warning: MLflow at {_shown(uri)} did not take this run ({_reason(error)}); "
        f"no result is lost, send it later: {REMEDY}",
        file=sys.stderr,
    )


def _shown(uri: str) -> str:
    """An address without the password it may hold."""
    return re.sub(r"//[^/@]+@", "//", uri)


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    if "refused" in text or "Max retries" in text or "timed out" in text.lower():
        return "no answer"
    return _shown(text)[:200]
