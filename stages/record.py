"""Record the pipeline's run in MLflow. It is not a stage and affects no output of one.

The train stages use its descriptions of trainings, `evaluate` ends with it, and
`python -m har sync-mlflow` runs it to send what MLflow missed.
"""

import os
import sys
from pathlib import Path
from typing import Any

from har.clips import Clip
from har.dataset.prepared import read_prepared
from har.dataset.sequences import Sequences, read_sequences
from har.errors import UserError, user_errors_end_the_program
from har.files import read_csv, read_json
from har.models.checkpoint import load_checkpoint
from har.params import Params, load_params, project_folder
from har.tracking.results import Result, record_results
from har.tracking.runs import DataDescription, Training, flatten, prefixed
from stages import FEATURES, METRICS, MODELS, NAMES, PLOTS, PREPARED
from stages.repository import git

# With uncommitted changes in these, a run's commit does not identify its code.
_CODE = ("har", "stages", "params.yaml", "dvc.yaml")


def describe_training(
    name: str, params: Params, data_hash: str, features: Sequences | None
) -> Training:
    """Describe the training of `baseline` or `improved`.

    Args:
        name: of the model.
        params: the settings.
        data_hash: sha256 of the features.
        features: to count their clips; None where they are missing.
    """
    source = params.prepare.source
    if features:
        clips = {subset: len(features.subset(subset)) for subset in ("train", "val", "test")}
        data = DataDescription(source, data_hash, str(FEATURES), features.x.shape, clips)
    else:
        data = DataDescription(source, data_hash, str(FEATURES))
    tags = code_tags(name)
    commit = tags.get("mlflow.source.git.commit", "no commit")[:9]
    run_name = f"{name} · {tags.get('dvc.exp_name', commit)}"
    return Training(name, run_name, model_params(params, name), data, tags)


def model_params(params: Params, name: str) -> dict[str, Any]:
    """Settings of a model, with the same names for both so that they share MLflow's columns."""
    content = params.model_dump()
    shared = {key: content[key] for key in ("seed", "threads", "prepare", "split", "preprocess")}
    own = content["baseline"] if name == "baseline" else content
    return shared | {"model": own["model"], "train": own["train"]}


def code_tags(name: str) -> dict[str, str]:
    """MLflow tags that link a training to its stage, its DVC experiment and its commit."""
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
    # A folder without its own .git may lie in another repository.
    if Path(".git").exists():
        try:
            tags["mlflow.source.git.commit"] = git("rev-parse", "HEAD")
            # Without locks, git writes nothing where it only looks.
            changes = git("--no-optional-locks", "status", "--porcelain", "--", *_CODE)
        except UserError as error:
            print(f"warning: the commit is not sent to MLflow: {error}", file=sys.stderr)
        else:
            tags["mlflow.source.git.dirty"] = str(bool(changes))
    return tags


def read_results(params: Params) -> list[Result]:
    """Collect the stages' outputs for MLflow.

    Raises:
        UserError: a model or its history is missing or damaged.
    """
    try:
        features = read_sequences(FEATURES)
    except UserError:  # models from DVC's cache don't need them
        features = None
    evaluation = METRICS / "evaluation.json"
    figures = read_json(evaluation) if evaluation.is_file() else {}
    files = [path for path in (evaluation, METRICS / "per_class.json") if path.is_file()]
    files += sorted(PLOTS.rglob("*.png"))
    example = _shortest_clip()
    results = []
    for name in NAMES:
        path = MODELS / f"{name}.safetensors"
        checkpoint = load_checkpoint(path)
        metrics = prefixed(params.evaluate.subset, flatten(figures.get(name, {}), "/"))
        if name == "improved":
            metrics |= prefixed("vs_baseline", flatten(figures.get("difference", {}), "/"))
        training = describe_training(name, params, checkpoint.data_hash, features)
        history = _read_history(MODELS / f"{name}_history.csv")
        results.append(Result(training, path, history, checkpoint.val, metrics, files, example))
    return results


def _read_history(path: Path) -> list[dict[str, float]]:
    try:
        return [
            {key: float(value) for key, value in row.items() if value}
            for row in read_csv(path, ["epoch"])
        ]
    except ValueError as error:
        raise UserError(f"{path} holds values that are not numbers: {error}") from None


def _shortest_clip() -> Clip | None:
    """The shortest prepared clip, as example input of a model."""
    try:
        clips = read_prepared(PREPARED)
    except UserError:
        return None
    row = min(clips.rows, key=lambda row: row.frames * row.persons)
    poses = clips.poses(row)
    size = (row.height, row.width)
    return Clip(row.id, row.label, poses[..., :-1], poses[..., -1], size, row.group)


def record(params: Params) -> bool:
    """Send the results of the last `dvc repro`; errors of MLflow become one warning.

    Runs that MLflow lacks are rebuilt from the files; others are completed.

    Returns:
        Whether everything arrived, or tracking is off.

    Raises:
        UserError: no model is there, or a file is damaged.
    """
    if not params.tracking.enabled:
        return True
    return record_results(params.tracking, read_results(params), project_folder())


def main() -> None:
    """Send the results of the last `dvc repro`.

    Raises:
        UserError: tracking is off, no model is there, or a file is damaged.
    """
    params = load_params()
    if not params.tracking.enabled:
        raise UserError("tracking.enabled is false in params.yaml, so nothing is sent: set it true")
    if not record(params):
        sys.exit(1)


if __name__ == "__main__":
    with user_errors_end_the_program():
        main()
