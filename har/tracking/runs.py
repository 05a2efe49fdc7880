"""Record a training as an MLflow run: its settings, its data, its curves."""

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from har.params import Tracking
from har.tracking.store import Store, tracking_uri, warn

MODEL_HASH_TAG = "dvc.model_md5"
DATA_HASH_TAG = "dvc.data_hash"
# MLflow's limits of one request and of one value.
_METRICS_AT_ONCE = 1000
_PARAMS_AT_ONCE = 100
_LONGEST_PARAMETER = 6000


@dataclass(frozen=True)
class DataDescription:
    """The training data of a model, for MLflow's dataset column.

    Attributes:
        name: the source, as in params.yaml.
        data_hash: sha256 of the features.
        uri: where the features lie.
        shape: of the features, frames first.
        clips: number of clips of each subset.
    """

    name: str
    data_hash: str
    uri: str = ""
    shape: tuple[int, ...] = ()
    clips: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Training:
    """What is known of a training before it starts.

    Attributes:
        name: of its model.
        run_name: shown by MLflow.
        params: nested settings.
        data: the training data.
        tags: link it to the code and the experiment.
    """

    name: str
    run_name: str
    params: Mapping[str, Any]
    data: DataDescription
    tags: Mapping[str, str] = field(default_factory=dict)


class TrainingRun:
    """The MLflow run of a training; its methods never raise MLflow's errors.

    Figures that can't be sent are kept and sent again at the end, so a server may be down for a
    while.
    """

    def __init__(self, training: Training, settings: Tracking, project: Path) -> None:
        """Start the run; use `training_run`, which also ends it."""
        self._training, self._settings, self._project = training, settings, project
        self._store: Store | None = None
        self._run_id = ""
        self._waiting: list[tuple[Mapping[str, Any], int, int]] = []
        self._tags: dict[str, str] = {}
        self._lost = False
        self._try(self._send)

    def log_epoch(self, row: Mapping[str, Any]) -> None:
        """Send one epoch's figures; `epoch` is the step."""
        self._waiting.append((*epoch_figures(row), _now()))
        if not self._lost:
            self._try(self._send)

    def finish(self, model_hash: str, val: Mapping[str, float]) -> None:
        """Add the md5 of the model file, and the val figures of its weights."""
        self._tags[MODEL_HASH_TAG] = model_hash
        self._waiting.append((prefixed("val", val), 0, _now()))

    def end(self, status: str) -> None:
        """Send what is left and close the run as FINISHED, FAILED or KILLED."""
        self._try(lambda: self._send(status))

    def _send(self, status: str = "") -> None:
        if not self._settings.enabled:
            return
        self._store = self._store or Store(self._settings, self._project)
        self._store.check()
        self._run_id = self._run_id or create_run(self._store, self._training)
        while self._waiting:
            log_metrics(self._store, self._run_id, *self._waiting[0])
            del self._waiting[0]
        if status:
            # The hash comes last, so that a run that is found by it is complete.
            for key, value in self._tags.items():
                self._store.client.set_tag(self._run_id, key, value)
            self._store.client.set_terminated(self._run_id, status)

    def _try(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:
            if not self._lost:
                warn(tracking_uri(self._project), error)
            self._lost = True


@contextmanager
def training_run(training: Training, settings: Tracking, project: Path) -> Iterator[TrainingRun]:
    """Record a training as an MLflow run; MLflow's errors become one warning.

    Args:
        training: what is known before it starts.
        settings: names of experiment and model.
        project: folder of `mlflow.db`, used where no server is set.
    """
    run = TrainingRun(training, settings, project)
    try:
        yield run
    except BaseException as error:
        run.end("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
        raise
    run.end("FINISHED")


def file_hash(path: Path) -> str:
    """Md5 of a file, as in dvc.lock."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def find_run(store: Store, model_hash: str) -> Any:
    """The latest run of a model file, None where there is none."""
    found = store.client.search_runs(
        [store.experiment_id],
        f"tags.`{MODEL_HASH_TAG}` = '{model_hash}'",
        max_results=1,
        order_by=["attributes.start_time DESC"],
    )
    return found[0] if found else None


def create_run(store: Store, training: Training, tags: Mapping[str, str] | None = None) -> str:
    """Start a run with everything known before training; returns its id."""
    from mlflow.entities import DatasetInput, InputTag, Param

    run = store.client.create_run(
        store.experiment_id,
        run_name=training.run_name,
        tags={**training.tags, DATA_HASH_TAG: training.data.data_hash, **(tags or {})},
    )
    run_id = run.info.run_id
    params = [
        Param(_allowed(key), str(value)[:_LONGEST_PARAMETER])
        for key, value in flatten(training.params).items()
    ]
    for start in range(0, len(params), _PARAMS_AT_ONCE):
        store.client.log_batch(run_id, params=params[start : start + _PARAMS_AT_ONCE])
    context = InputTag("mlflow.data.context", "training")
    store.client.log_inputs(run_id, [DatasetInput(_dataset(training.data), [context])])
    return run_id


def log_metrics(
    store: Store,
    run_id: str,
    metrics: Mapping[str, Any],
    step: int = 0,
    milliseconds: int = 0,
    model_id: str | None = None,
) -> None:
    """Add figures to a run, and to a model of it; values that are not numbers are left out.

    Args:
        store: of the run.
        run_id: of the run.
        metrics: name -> figure.
        step: the epoch.
        milliseconds: time of measurement since 1970; 0 for now.
        model_id: of the logged model that was measured.
    """
    from mlflow.entities import Metric

    numbers = [
        Metric(_allowed(key), float(value), milliseconds or _now(), step, model_id=model_id)
        for key, value in metrics.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    ]
    for start in range(0, len(numbers), _METRICS_AT_ONCE):
        store.client.log_batch(run_id, metrics=numbers[start : start + _METRICS_AT_ONCE])


def epoch_figures(row: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
    """An epoch's figures, under names that MLflow draws first, and its number."""
    figures = {key: value for key, value in row.items() if key != "epoch"}
    return prefixed("epoch", figures), int(row["epoch"])


def prefixed(prefix: str, metrics: Mapping[str, Any]) -> dict[str, Any]:
    """`{"accuracy": 0.7}` -> `{"val/accuracy": 0.7}`."""
    return {f"{prefix}/{key}": value for key, value in metrics.items()}


def flatten(nested: Mapping[str, Any], separator: str = ".", prefix: str = "") -> dict[str, Any]:
    """`{"model": {"width": 64}}` -> `{"model.width": 64}`."""
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, separator, f"{prefix}{key}{separator}")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _now() -> int:
    return int(time.time() * 1000)


def _allowed(key: str) -> str:
    """Replace characters that MLflow does not allow in names."""
    return re.sub(r"[^\w.\-/ ]", "_", key)[:250]


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
        source=json.dumps({"uri": data.uri}),
        schema=json.dumps({"mlflow_tensorspec": {"features": json.dumps([spec]), "targets": None}}),
        profile=json.dumps({"features_shape": data.shape, **data.clips}),
    )
