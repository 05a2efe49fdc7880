"""A safetensors file that carries its own settings, classes and transforms."""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from har.clips.limits import MOST_CLASSES
from har.errors import UserError
from har.files import write_atomically
from har.params import LEAST_FRAMES, Model, Preprocess, Section, describe
from har.skeleton import Layout, layout_of_setting

_FORMAT = "har-2"
_OLD_FORMAT = "har-1"  # with the keys arch, lstm and batch_norm, which are one key now
_KNOWN = "known.directions"  # beside the network's weights
# Bounds beyond any sensible network: a file from elsewhere must not ask for any amount of memory.
_MOST_POSES = 100_000  # persons x frames that a network looks at for one clip

_Kind = TypeVar("_Kind", bound=Section)


@dataclass(frozen=True)
class Known:
    """What a network learnt from.

    Attributes:
        directions: (N, H) float16, the clips' summaries at unit length.
        farthest: a clip farther than this from the nearest of them, 0 to 2, is of no known class.
    """

    directions: np.ndarray
    farthest: float


@dataclass(frozen=True)
class Checkpoint:
    """Everything it takes to use a trained network.

    Attributes:
        weights: state dictionary of the network.
        model: the network's settings and the windows it sees.
        preprocess: preprocessing of clips.
        layout: the keypoint layout; files hold the definition of a user's own.
        classes: class names in label order.
        temperature: divides log-probabilities; fitted on val clips.
        data_hash: sha256 of the features it was trained on.
        val: figures on val clips.
        known: what tells clips of none of the classes; without it every clip gets a name.
        val_scores: har.evaluation.conformal.val_scores, for prediction sets; empty without any.
    """

    weights: dict[str, torch.Tensor]
    model: Model
    preprocess: Preprocess
    layout: Layout
    classes: list[str]
    temperature: float
    data_hash: str
    val: dict[str, Any]
    known: Known | None = None
    val_scores: list[float] = field(default_factory=list)


def save_checkpoint(path: str | Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; the same content gives the same bytes."""
    weights = {name: tensor.contiguous() for name, tensor in checkpoint.weights.items()}
    if checkpoint.known:
        weights[_KNOWN] = torch.from_numpy(checkpoint.known.directions)
    content = save(weights, {"har": settings_text(checkpoint)})
    with write_atomically(path) as file:
        file.write(content)


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint; nothing of the file is ever executed.

    Raises:
        UserError: the file is missing, damaged, or something else.
    """
    try:
        with open(path, "rb"):  # safetensors reports any unreadable file as missing
            pass
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get("har", "{}")
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise UserError(f"{path} not found: run `dvc repro` to train a model") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(f"{path} is not a readable checkpoint: {error}") from None
    return checkpoint_of_settings(path, text, weights)


def settings_text(checkpoint: Checkpoint) -> str:
    """All of a checkpoint but its weights, as the JSON text in its file."""
    about = {
        "format": _FORMAT,
        "model": checkpoint.model.model_dump(),
        "preprocess": checkpoint.preprocess.model_dump(),
        "layout": checkpoint.layout.setting,
        "classes": checkpoint.classes,
        "temperature": checkpoint.temperature,
        "data_hash": checkpoint.data_hash,
        "val": checkpoint.val,
    }
    if checkpoint.known:
        about["farthest_known"] = checkpoint.known.farthest
    if checkpoint.val_scores:
        about["val_scores"] = checkpoint.val_scores
    return json.dumps(about, ensure_ascii=False)


def checkpoint_of_settings(
    path: str | Path, text: str, weights: dict[str, torch.Tensor]
) -> Checkpoint:
    """Make a checkpoint of weights and the `settings_text` of a file.

    An ONNX file gives no weights, and so nothing that tells unknown clips.

    Raises:
        UserError: the settings are not this project's, or wrong.
    """
    try:
        about = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not a readable checkpoint: {error}") from None
    if not isinstance(about, dict) or about.get("format") not in (_FORMAT, _OLD_FORMAT):
        raise UserError(f"{path} is not a checkpoint of this project (or of another version)")
    try:
        model = about["model"]
        if about["format"] == _OLD_FORMAT:
            model = _renamed(model)
        checkpoint = Checkpoint(
            dict(weights),
            _section(path, Model, model),
            _section(path, Preprocess, about["preprocess"]),
            layout_of_setting(about["layout"], str(path)),
            about["classes"],
            float(about["temperature"]),
            str(about["data_hash"]),
            about["val"],
            val_scores=[float(score) for score in about.get("val_scores", [])],
        )
        if _KNOWN in weights:
            directions = checkpoint.weights.pop(_KNOWN).numpy()
            known = Known(directions, float(about["farthest_known"]))
            checkpoint = replace(checkpoint, known=known)
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise UserError(f"{path}: its settings are incomplete or wrong: {error}") from None
    _check(path, checkpoint)
    return checkpoint


def _renamed(model: dict[str, Any]) -> dict[str, Any]:
    """Rename a network's settings of a har-1 file as they are named now."""
    new = {key: value for key, value in model.items() if key not in ("lstm", "batch_norm")}
    kind, batch_norm = model["lstm"], model["batch_norm"]
    if model["arch"] != "lstm":
        return new
    if kind != "window":
        new |= {"arch": f"{kind}_lstm", "windows": {**model["windows"], "frames": 0}}
    if kind != "keras" and batch_norm != (model["dropout"] > 0):
        # In prediction, dropout only decides whether there is batch normalisation.
        new["dropout"] = 0.5 if batch_norm else 0.0
    return new


def _section(path: str | Path, kind: type[_Kind], content: Any) -> _Kind:
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        reason = describe(error, kind)
        raise UserError(f"{path}: its settings do not fit this version: {reason}") from None


def _check(path: str | Path, checkpoint: Checkpoint) -> None:
    classes, model, preprocess = checkpoint.classes, checkpoint.model, checkpoint.preprocess
    if (
        not isinstance(classes, list)
        or not 0 < len(classes) <= MOST_CLASSES
        or not all(isinstance(name, str) and name.isprintable() for name in classes)
        or len(set(classes)) < len(classes)
    ):
        raise UserError(f"{path}: its classes are not a list of names, all different")
    if not (np.isfinite(checkpoint.temperature) and checkpoint.temperature > 0):
        raise UserError(f"{path}: its temperature is {checkpoint.temperature}, not above 0")
    known = checkpoint.known
    if known and not (
        known.directions.ndim == 2
        and len(known.directions)
        and known.directions.dtype == np.float16
        and np.isfinite(known.directions).all()
        and np.isfinite(known.farthest)
    ):
        raise UserError(f"{path}: the clips that it remembers are no table of finite numbers")
    if not np.isfinite(checkpoint.val_scores).all():
        raise UserError(f"{path}: its val scores are no finite numbers")
    if not isinstance(checkpoint.val, dict):
        raise UserError(f"{path}: its val figures are no table of numbers")
    seen = model.windows.frames * model.windows.test_windows
    if not seen and preprocess.frames < LEAST_FRAMES:
        raise UserError(
            f"{path}: its network takes whole clips, but it names no length from {LEAST_FRAMES} on"
        )
    if preprocess.persons * max(seen, preprocess.frames) > _MOST_POSES:
        raise UserError(f"{path}: its settings ask for more than {_MOST_POSES} poses of a clip")
