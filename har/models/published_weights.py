"""The pytorch reference's own checkpoints as checkpoints of this project."""

import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from har.clips.catalogue import UCF101_CLASSES
from har.clips.safe_pickle import shown
from har.errors import UserError
from har.models.checkpoint import Checkpoint
from har.params import Model, Preprocess, Windows
from har.skeleton import LAYOUTS

_MOST_BYTES = 2**27  # the reference's files have 350 kB
_LAYOUT = LAYOUTS["coco17"]
_NAMES = {"lstm": "lstm", "fc": "classifier", "bn": "norm"}  # theirs -> ours
_LABEL = re.compile(r"\d{1,3}", re.ASCII)


def read_reference(path: str | Path, keep_class_ids: bool = False) -> Checkpoint:
    """Read a checkpoint of the pytorch reference: `torch.save` of `model_state`, `classes`, `cfg`.

    Nothing of the file is executed. Classes that are label ids are given their UCF101 names.

    Args:
        path: the file.
        keep_class_ids: leave label ids as they are, for a reference trained on other data.

    Raises:
        UserError: the file is missing, damaged, unsafe, or not such a checkpoint.
    """
    content = _load(Path(path))
    if not isinstance(content, dict) or not {"model_state", "classes", "cfg"} <= content.keys():
        raise UserError(
            f"{path} is no checkpoint of the pytorch reference: it needs `model_state`, `classes` "
            "and `cfg`"
        )
    classes = _classes(path, content["classes"], keep_class_ids)
    frames = _frames(path, content["cfg"])
    weights = _weights(path, content["model_state"], len(classes))
    batch_norm = "norm.weight" in weights
    return Checkpoint(
        weights=weights,
        model=Model(
            arch="pytorch_lstm",
            width=weights["classifier.weight"].shape[1],
            layers=1,
            dropout=0.4 if batch_norm else 0.0,
            # Whole clips: nothing else of the windows is used.
            windows=Windows(
                frames=0, longest=200, shortest_share=0.6, test_longest=160, test_windows=3
            ),
        ),
        preprocess=Preprocess(
            persons=1,
            tracking=False,
            hide_below=0.0,
            center="first_joint",
            scale="trunk",
            frames=frames,
            fill="loop",
        ),
        layout=_LAYOUT,
        classes=classes,
        temperature=1.0,
        data_hash="",
        val={},
    )


def _load(path: Path) -> Any:
    try:
        size = path.stat().st_size
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                size = max(size, sum(info.file_size for info in archive.infolist()))
        if size > _MOST_BYTES:
            raise UserError(f"{path} is too large for a checkpoint of the pytorch reference")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"{path} not found: check the path") from None
    except Exception as error:  # bytes that mean nothing make the decoders raise anything
        # torch's messages teach how to load it unsafely; only the name that it refused matters.
        refused = re.search(r"(?:GLOBAL|global|class) `?([\w.]+)`?", str(error))
        why = f"it contains {refused[1][:80]}" if refused else type(error).__name__
        raise UserError(
            f"{path} is refused: not a torch.save of tensors, lists, strings and numbers ({why})"
        ) from None


def _classes(path: str | Path, classes: Any, keep_ids: bool) -> list[str]:
    if (
        not isinstance(classes, list | tuple)
        or not classes
        or not all(isinstance(name, str) and name and name.isprintable() for name in classes)
        or len(set(classes)) < len(classes)
    ):
        raise UserError(f"{path}: `classes` must be a list of different names")
    if keep_ids or not all(_LABEL.fullmatch(name) for name in classes):
        return list(classes)
    labels = [int(name) for name in classes]
    if max(labels) >= len(UCF101_CLASSES) or len(set(labels)) < len(labels):
        raise UserError(
            f"{path}: `classes` are no label ids of UCF101 (0 to {len(UCF101_CLASSES) - 1}): "
            "add --keep-class-ids"
        )
    return [UCF101_CLASSES[label] for label in labels]


def _frames(path: str | Path, cfg: Any) -> int:
    """The length T; the rest of `cfg` must be what our preprocessing does."""
    if not isinstance(cfg, Mapping):
        raise UserError(f"{path}: `cfg` is {shown(cfg)}, not a table of settings")
    trunk = (_LAYOUT.shoulders[0], _LAYOUT.hips[0])
    for key, only in (("J", len(_LAYOUT.joints)), ("pelvis_index", 0), ("height_pair", trunk)):
        value = cfg.get(key)
        if (tuple(value) if isinstance(value, list) else value) != only:
            raise UserError(f"{path}: cfg.{key} is {shown(value)}: only {only} is supported")
    frames = cfg.get("T")
    if type(frames) is not int or not 0 < frames <= 10_000:
        raise UserError(f"{path}: cfg.T is {shown(frames)}, not a number of frames")
    return frames


def _weights(path: str | Path, state: Any, classes: int) -> dict[str, torch.Tensor]:
    """The state dictionary under our names; anything but the reference's weights is refused."""
    if not isinstance(state, Mapping):
        raise UserError(f"{path}: `model_state` is {shown(state)}, not a state dictionary")
    last = state.get("fc.weight")
    if not isinstance(last, torch.Tensor) or last.ndim != 2 or 0 in last.shape:
        raise UserError(f"{path}: `model_state` lacks the matrix fc.weight")
    width = last.shape[1]
    shapes: dict[str, tuple[int, ...]] = {
        "lstm.weight_ih_l0": (4 * width, len(_LAYOUT.joints) * _LAYOUT.dimensions),
        "lstm.weight_hh_l0": (4 * width, width),
        "lstm.bias_ih_l0": (4 * width,),
        "lstm.bias_hh_l0": (4 * width,),
        "fc.weight": (classes, width),
        "fc.bias": (classes,),
    }
    if any(str(name).startswith("bn.") for name in state):
        shapes |= {f"bn.{name}": (width,) for name in ("weight", "bias", "running_mean")}
        shapes |= {"bn.running_var": (width,), "bn.num_batches_tracked": ()}
    for name in [*shapes, *state]:
        tensor = state.get(name)
        if (
            name not in shapes
            or not isinstance(tensor, torch.Tensor)
            or tensor.layout != torch.strided
            or tensor.is_complex()
            or not tensor.is_contiguous()  # a strided view of few numbers could have any size
            or tuple(tensor.shape) != shapes[name]
        ):
            expected = shapes.get(name, "nothing of that name")
            raise UserError(f"{path}: {shown(name)} in `model_state`: expected {expected}")
    return {
        _NAMES[name.split(".")[0]] + "." + name.split(".")[1]: state[name].detach().clone()
        for name in shapes
    }
