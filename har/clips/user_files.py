"""Clips in one file that a user brings: a published pickle, a one-clip pickle, own keypoints.

Own keypoints are one clip per file, a NumPy array or nested lists of pixels: (persons, frames,
joints, 2) or, of one person, (frames, joints, 2). docs/use.md describes the form. Whatever the
bytes are, the outcome is a clip set or a UserError, and memory stays within bounds.
"""

import io
import json
import re
import warnings
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from har.clips import Clip, ClipSet, annotations, make_clip, safe_pickle
from har.clips.safe_pickle import shown
from har.errors import UserError
from har.skeleton import LAYOUTS, Layout

_KEYS = ("keypoints", "scores", "image_size")
SUFFIXES = (".pkl", ".pickle", ".npz", ".npy", ".json")
_UCF101_IMAGE = (256, 340)  # height and width; one-clip pickles come from there and don't tell
_COPIES = 4  # arrays of a pickle may be this many times the file, no more
_MOST_BYTES = 2**30  # of a file and of what it unpacks to
_MOST_NUMBERS = 2**27  # of one array: an hour of ten persons, whose numbers take 4 bytes each
_MOST_JSON = 2**24  # bytes; nested lists can take forty times that in memory
_LABEL_AND_ID = re.compile(r"(?P<label>\d{1,4})_(?P<id>.+)", re.ASCII)


def layout_of(clip: Clip) -> Layout:
    """The layout with the clip's number of joints and coordinates.

    Raises:
        UserError: there is none.
    """
    joints, dimensions = clip.keypoints.shape[2:]
    for layout in LAYOUTS.values():
        if (len(layout.joints), layout.dimensions) == (joints, dimensions):
            return layout
    known = ", ".join(f"{name} ({len(layout.joints)})" for name, layout in LAYOUTS.items())
    raise UserError(
        f"clip {clip.id} has {joints} joints with {dimensions} coordinates: no layout has; "
        f"known are {known}"
    )


def read_file(path: Path, image_size: tuple[int, int] | None, dimensions: int) -> ClipSet:
    """Read a pickle, or own keypoints as .npz, .npy or .json; see har.clips.sources.read."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UserError(f"{path} is of no known kind: its name must end in {', '.join(SUFFIXES)}")
    if suffix in (".pkl", ".pickle"):
        return _read_pickle(path, image_size)
    try:
        if not path.is_file():  # a pipe would be waited for
            raise UserError(f"{path} is not a file: give the path of one clip")
        size = path.stat().st_size
        if size > (_MOST_JSON if suffix == ".json" else _MOST_BYTES):
            raise UserError(f"{path} is too large to be one clip: cut it into several files")
        raw = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from None
    try:
        if suffix == ".npy":
            content: dict[str, Any] = {"keypoints": _array(raw)}
        elif suffix == ".npz":
            content = _arrays(path, raw)
        else:
            content = _json(path, raw)
    except UserError:
        raise
    except Exception as error:  # bytes that mean nothing make the decoders raise anything
        reason = shown(str(error) or type(error).__name__)
        raise UserError(
            f"{path} is damaged or no {suffix} file ({reason}): make it again"
        ) from None
    if unknown := [key for key in content if key not in _KEYS]:
        raise UserError(f"{path} has {shown(unknown[0])}: its keys must be {', '.join(_KEYS)}")
    if content.get("keypoints") is None:
        raise UserError(f"{path} lacks `keypoints`")
    size_told = content.get("image_size")
    clip = make_clip(
        path.stem if path.stem.isprintable() else "clip",
        content["keypoints"],
        content.get("scores"),
        image_size if size_told is None else size_told,
        dimensions,
    )
    notes = []
    if not np.any(clip.scores):
        notes.append(f"{clip.id}: no joint was seen in the whole clip")
    elif content.get("scores") is None and np.isin(clip.scores, (0, 1)).all():
        notes.append(f"{clip.id} has no scores: 0 for a joint at (0, 0), 1 for all others")
    if dimensions == 2 and 0 < np.abs(clip.keypoints).max() <= 2:
        notes.append(f"{clip.id}: coordinates lie within 0..2; are they pixels?")
    return ClipSet([clip], [], notes=notes)


def _read_pickle(path: Path, image_size: tuple[int, int] | None) -> ClipSet:
    content = safe_pickle.load(path)
    if isinstance(content, dict) and isinstance(content.get("annotations"), list | tuple):
        return annotations.check(path, content, room=_COPIES * path.stat().st_size)
    data = content.get("data") if isinstance(content, dict) else content
    if not isinstance(data, np.ndarray) or data.ndim != 3 or data.shape[2] != 2:
        raise UserError(
            f"{path} is neither in the published format (a dictionary with a list `annotations`) "
            f"nor a one-clip pickle (`data`, an array (frames, joints, 2)), but holds "
            f"{shown(content if data is None else data)}"
        )
    named = _LABEL_AND_ID.fullmatch(path.stem)  # <label>_<clip id>.pkl
    scores = np.any(data[None], axis=-1).astype(np.float32)
    clip = {
        "frame_dir": named["id"] if named else path.stem,
        "img_shape": image_size or _UCF101_IMAGE,
        "keypoint": data[None],
        "keypoint_score": scores,
    }
    if named:
        clip["label"] = int(named["label"])
    clip_set = annotations.check(path, {"annotations": [clip]})
    notes = [note for note in clip_set.notes if "group" not in note]
    if image_size is None:
        height, width = _UCF101_IMAGE
        notes.append(f"a one-clip pickle tells no image size: UCF101's {width}x{height} is taken")
    return replace(clip_set, notes=notes)


def _arrays(path: Path, raw: bytes) -> dict[str, np.ndarray]:
    """The known arrays of an .npz."""
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        names = [info.filename.removesuffix(".npy") for info in archive.infolist()]
        if unknown := [name for name in names if name not in _KEYS]:
            raise UserError(f"{path} has {shown(unknown[0])}: its keys must be {', '.join(_KEYS)}")
        if sum(info.file_size for info in archive.infolist()) > _MOST_BYTES:
            raise UserError(f"{path} is too large to be one clip: cut it into several files")
        return {name: _array(archive.read(f"{name}.npy")) for name in names}


def _array(raw: bytes) -> np.ndarray:
    """The numbers of an .npy; its bytes decide how much room there is, not its header."""
    file = io.BytesIO(raw)
    read_header = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    with warnings.catch_warnings(action="ignore"):  # numpy remarks on headers of Python 2
        shape, fortran, dtype = read_header[npy.read_magic(file)](file)
    if dtype.kind not in "fiub":
        raise ValueError(f"an array of type {dtype}, not of numbers")
    numbers = np.frombuffer(raw, dtype, offset=file.tell())
    if numbers.size > _MOST_NUMBERS:
        raise ValueError(f"{numbers.size:,} numbers: too large to be one clip")
    return numbers.reshape(shape, order="F" if fortran else "C")


def _json(path: Path, raw: bytes) -> dict[str, Any]:
    content = json.loads(raw)
    if not isinstance(content, dict):
        raise UserError(f"{path} must hold an object with `keypoints`, not {shown(content)}")
    return content
