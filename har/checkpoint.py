"""A safetensors file that carries its own settings, classes and transforms."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from har.errors import UserError
from har.files import write_atomically
from har.params import Model, Preprocess, describe
from har.skeleton import LAYOUTS

_FORMAT = "har-1"


@dataclass(frozen=True)
class Checkpoint:
    """Everything it takes to use a trained network.

    Attributes:
        weights: state dictionary of the network.
        model: the network's settings and the windows it sees.
        preprocess: what a clip goes through before.
        layout: name of the keypoint layout.
        classes: class names in label order.
        temperature: divides log-probabilities; fitted on the val part.
        data_hash: sha256 of the features it was trained on.
        val: figures of the kept weights on the val part.
    """

    weights: dict[str, torch.Tensor]
    model: Model
    preprocess: Preprocess
    layout: str
    classes: list[str]
    temperature: float
    data_hash: str
    val: dict[str, Any]


def save_checkpoint(path: str | Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; the same content gives the same bytes."""
    about = {
        "format": _FORMAT,
        "model": checkpoint.model.model_dump(),
        "preprocess": checkpoint.preprocess.model_dump(),
        "layout": checkpoint.layout,
        "classes": checkpoint.classes,
        "temperature": checkpoint.temperature,
        "data_hash": checkpoint.data_hash,
        "val": checkpoint.val,
    }
    weights = {name: tensor.contiguous() for name, tensor in checkpoint.weights.items()}
    content = save(weights, {"har": json.dumps(about, ensure_ascii=False)})
    with write_atomically(path) as file:
        file.write(content)


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint; nothing of the file is ever executed.

    Raises:
        UserError: the file is missing, damaged, or something else.
    """
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {}).get("har", "{}"))
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise UserError(f"{path} not found: run `dvc repro` to train a model") from None
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} is not a readable checkpoint: {error}") from None
    if not isinstance(about, dict) or about.get("format") != _FORMAT:
        raise UserError(f"{path} is not a checkpoint of this project (or of another version)")
    try:
        checkpoint = Checkpoint(
            weights,
            Model.model_validate(about["model"]),
            Preprocess.model_validate(about["preprocess"]),
            about["layout"],
            about["classes"],
            float(about["temperature"]),
            str(about["data_hash"]),
            about["val"],
        )
    except ValidationError as error:
        raise UserError(
            f"{path}: its settings do not fit this version: {describe(error)}"
        ) from None
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: its settings are incomplete or wrong: {error}") from None
    _check(path, checkpoint)
    return checkpoint


def _check(path: str | Path, checkpoint: Checkpoint) -> None:
    classes = checkpoint.classes
    if checkpoint.layout not in LAYOUTS:
        raise UserError(f"{path}: unknown layout {checkpoint.layout!r}; known: {list(LAYOUTS)}")
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        raise UserError(f"{path}: its classes are not a list of names")
    if not (np.isfinite(checkpoint.temperature) and checkpoint.temperature > 0):
        raise UserError(f"{path}: its temperature is {checkpoint.temperature}, not above 0")
