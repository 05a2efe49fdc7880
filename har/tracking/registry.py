"""MLflow's model registry: log a model, register it, promote the champion, find it again."""

import os
import tempfile
import warnings
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import har
from har.clips import Clip
from har.errors import UserError
from har.tracking.runs import DATA_HASH_TAG, MODEL_HASH_TAG
from har.tracking.store import (
    REMEDY,
    Store,
    database_file,
    default_store,
    limit_waiting,
    reason,
    silence_mlflow,
    tracking_uri,
    without_password,
)

CHAMPION = "champion"
SERVER_CODE = "code/har/tracking/server.py"
_SOURCE = "models:/"  # of a version, before the id of its logged model
_VAL_ACCURACY_TAG = "val_accuracy"
_PROMOTION_ATTEMPTS = 10
# Packages that a machine needs to serve the model.
_SERVING_PACKAGES = (
    *("mlflow", "torch", "safetensors", "numpy", "scipy", "scikit-learn"),
    *("pandas", "pydantic", "pyyaml", "filelock"),
)


@dataclass(frozen=True)
class LoggedModel:
    """A logged model that may become champion.

    Attributes:
        name: baseline or improved.
        run_id: of its training.
        model_id: of the model.
        model_hash: md5 of the model file.
        data_hash: sha256 of its features; only accuracies on the same data are compared.
        val_accuracy: chooses the champion.
    """

    name: str
    run_id: str
    model_id: str
    model_hash: str
    data_hash: str
    val_accuracy: float


def log_model(store: Store, run_id: str, name: str, checkpoint: Path, example: Clip | None) -> str:
    """Log a model in MLflow's form for serving (har/tracking/served_model.py); returns its id."""
    from mlflow import pyfunc
    from mlflow.entities import LoggedModelOutput
    from mlflow.models import Model, ModelSignature
    from mlflow.types.schema import AnyType, ColSpec, DataType, Map, Schema

    # MLflow checks nested lists number by number, minutes for a long clip: ours are of any type and
    # checked by har.tracking.served_model.
    inputs = [
        ColSpec(AnyType(), "keypoints"),
        ColSpec(AnyType(), "image_size", required=False),
        ColSpec(AnyType(), "scores", required=False),
    ]
    outputs = [
        ColSpec(DataType.string, "class"),
        ColSpec(DataType.double, "probability"),
        ColSpec(Map(DataType.double), "probabilities"),
    ]
    logged = store.client.create_logged_model(store.experiment_id, name, run_id)
    with tempfile.TemporaryDirectory() as scratch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # advice to developers
        folder = Path(scratch) / "model"
        pyfunc.save_model(
            folder,
            loader_module="har.tracking.served_model",
            data_path=str(checkpoint),
            code_paths=[os.path.dirname(har.__file__)],
            mlflow_model=Model(run_id=run_id, model_id=logged.model_id),
            signature=ModelSignature(Schema(inputs), Schema(outputs)),
            input_example=[request_of_clip(example)] if example else None,
            pip_requirements=[_requirement(package) for package in _SERVING_PACKAGES],
        )
        store.client.log_model_artifacts(logged.model_id, str(folder))
    store.client.finalize_logged_model(logged.model_id, "READY")
    store.client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, 0)])
    return logged.model_id


def can_be_served(store: Store, model_id: str) -> bool:
    """Whether a logged model has its files and the code that serves them."""
    from mlflow.exceptions import MlflowException

    if not model_id:
        return False
    try:
        store.client.get_logged_model(model_id)  # a deleted model still has files
        found = {
            file.path
            for folder in ("", "data", str(Path(SERVER_CODE).parent))
            for file in store.client.list_logged_model_artifacts(model_id, folder)
        }
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return False
        raise
    needed = {"MLmodel", SERVER_CODE}
    return needed <= found and any(path.startswith("data/") for path in found)


def request_of_clip(clip: Clip) -> dict[str, Any]:
    """A clip in the form that the served model takes."""
    return {
        "keypoints": clip.keypoints.astype(float).round(1).tolist(),
        "scores": clip.scores.astype(float).round(2).tolist(),
        "image_size": list(clip.image_size),
    }


def register(store: Store, registered_model: str, model: LoggedModel) -> None:
    """Register a model once, and promote the best model on the same data by val accuracy."""
    from mlflow.exceptions import MlflowException

    client = store.client
    try:
        client.create_registered_model(registered_model)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    versions = client.search_model_versions(f"name = '{registered_model}'")
    version = next((v for v in versions if _model_id(v) == model.model_id), None)
    if version is None:
        tags = {
            "model": model.name,
            MODEL_HASH_TAG: model.model_hash,
            DATA_HASH_TAG: model.data_hash,
            _VAL_ACCURACY_TAG: str(model.val_accuracy),
        }
        with default_store(store.uri):
            version = client.create_model_version(
                registered_model,
                _SOURCE + model.model_id,
                model.run_id,
                tags,
                model_id=model.model_id,
            )
    _promote_best(store, registered_model, version, model.data_hash)


def _promote_best(store: Store, name: str, version: Any, data_hash: str) -> None:
    """Promote the version with the best val accuracy on this data; of equals, the later one.

    Versions without files are skipped. On a server others may register at the same moment without
    a lock: each process checks again after it has set the alias, so the last one has seen them all.
    """
    from mlflow.exceptions import MlflowException

    client = store.client
    for _ in range(_PROMOTION_ATTEMPTS):
        found = client.search_model_versions(f"name = '{name}'")
        rivals = [v for v in found if v.tags.get(DATA_HASH_TAG) == data_hash]
        rivals.sort(key=lambda v: (float(v.tags[_VAL_ACCURACY_TAG]), int(v.version)), reverse=True)
        best = next((v for v in rivals if can_be_served(store, _model_id(v))), version)
        # A search does not return aliases.
        if str(client.get_registered_model(name).aliases.get(CHAMPION)) == str(best.version):
            return
        with suppress(MlflowException):  # two first aliases at once collide
            client.set_registered_model_alias(name, CHAMPION, best.version)
    raise RuntimeError(f"{name}@{CHAMPION} could not be set")


def _model_id(version: Any) -> str:
    """The id of a version's logged model."""
    return version.source.removeprefix(_SOURCE)


def model_folder(uri: str, project: Path) -> Path:
    """The folder of a registered model on this disk, downloaded if necessary.

    Raises:
        UserError: there is no such model, or MLflow can't be reached.
    """
    store = tracking_uri(project)
    try:
        database = database_file(store)
        if database and not database.is_file():
            raise FileNotFoundError("there is no such file yet")
        limit_waiting()
        from mlflow.artifacts import download_artifacts

        silence_mlflow()
        with default_store(store):
            return Path(download_artifacts(uri))
    except Exception as error:
        raise UserError(
            f"cannot get {uri} from MLflow at {without_password(store)}: {reason(error)}; "
            f"`{REMEDY}` registers the better model of the last `dvc repro`"
        ) from None


def _requirement(package: str) -> str:
    version = metadata.version(package).partition("+")[0]  # torch's +cpu is not on PyPI
    return f"{package}=={version}"
