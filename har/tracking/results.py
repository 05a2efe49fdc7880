"""Complete or rebuild the MLflow runs of trained models, and register the better one."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from har.clips import Clip
from har.params import Tracking
from har.tracking.registry import LoggedModel, can_be_served, log_model, register
from har.tracking.runs import (
    MODEL_HASH_TAG,
    Training,
    create_run,
    epoch_figures,
    file_hash,
    find_run,
    log_metrics,
    prefixed,
)
from har.tracking.store import Store, tracking_uri, warn


@dataclass(frozen=True)
class Result:
    """A trained model with its history and its figures.

    Attributes:
        training: what was known beforehand.
        checkpoint: the model file.
        history: a row of numbers per epoch, with the column `epoch`.
        val: figures of the kept weights on the val subset; `accuracy` chooses the champion.
        metrics: metric name -> figure on held-out clips.
        files: figures and tables to log with them.
        example: a clip as example input of the served model.
    """

    training: Training
    checkpoint: Path
    history: Sequence[Mapping[str, float]]
    val: Mapping[str, float]
    metrics: Mapping[str, float] = field(default_factory=dict)
    files: Sequence[Path] = ()
    example: Clip | None = None


def record_results(settings: Tracking, results: Sequence[Result], project: Path) -> bool:
    """Complete or rebuild the runs of trained models and register the better one by val.

    Returns:
        Whether everything arrived or tracking is off; if not, a warning was printed.
    """
    if not settings.enabled:
        return True
    try:
        store = Store(settings, project)
        models = [_record(store, result) for result in results]
        # Of equals, the later one wins.
        best = max(reversed(models), key=lambda model: model.val_accuracy)
        with store.lock():
            register(store, settings.registered_model, best)
    except Exception as error:
        warn(tracking_uri(project), error)
        return False
    return True


def _record(store: Store, result: Result) -> LoggedModel:
    """Complete the run of a result; returns its logged model."""
    model_hash = file_hash(result.checkpoint)
    if run := find_run(store, model_hash):
        run_id, tags = run.info.run_id, run.data.tags
    else:
        run_id, tags = _rebuild(store, result, model_hash), {}
    model_id = tags.get("model_id", "")
    digest = hashlib.md5(json.dumps(result.metrics, sort_keys=True).encode())
    for path in result.files:
        digest.update(path.read_bytes())
    recorded = tags.get("results_md5") == digest.hexdigest()
    if not can_be_served(store, model_id):  # its files may have been removed
        model_id = log_model(store, run_id, result.training.name, result.checkpoint, result.example)
        recorded = False
    if not recorded:
        log_metrics(store, run_id, result.metrics, model_id=model_id)
        for path in result.files:
            kind = "figures" if path.suffix == ".png" else "metrics"
            store.client.log_artifact(run_id, str(path), kind)
        for key, value in {"model_id": model_id, "results_md5": digest.hexdigest()}.items():
            store.client.set_tag(run_id, key, value)
    return LoggedModel(
        result.training.name,
        run_id,
        model_id,
        model_hash,
        result.training.data.data_hash,
        result.val["accuracy"],
    )


def _rebuild(store: Store, result: Result, model_hash: str) -> str:
    """Make a run from a history on disk: the training ran elsewhere, or MLflow was down."""
    run_id = create_run(store, result.training, {"rebuilt": "from its history"})
    for row in result.history:
        log_metrics(store, run_id, *epoch_figures(row))
    log_metrics(store, run_id, prefixed("val", result.val))
    store.client.set_tag(run_id, MODEL_HASH_TAG, model_hash)
    store.client.set_terminated(run_id, "FINISHED")
    return run_id
