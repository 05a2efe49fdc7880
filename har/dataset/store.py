"""Clips on disk between stages: one memory-mapped array of frames and one table of clips.

Two shapes of the same idea. Prepared clips keep every person slot, one row of `keypoints.npy` per
person and frame. Features hold a fixed number of persons, one row of `x.npy` per frame.
"""

import hashlib
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
from numpy.lib import format as npy
from pydantic import ValidationError

from har.clips import Clip
from har.errors import UserError
from har.files import read_csv, read_json, write_atomically, write_csv, write_json
from har.params import Preprocess, describe
from har.skeleton import LAYOUTS

_PREPARED_COLUMNS = [
    "id",
    "class",
    "label",
    "group",
    "persons",
    "frames",
    "height",
    "width",
    "offset",
    "official",
]
_FEATURE_COLUMNS = ["id", "label", "group", "subset", "offset", "length", "height", "width"]
_SUBSETS = ("train", "val", "test")


@dataclass(frozen=True)
class Row:
    """One line of the prepared clips' table; `official` lists the subsets that name the clip."""

    id: str
    class_name: str
    label: int
    group: str
    persons: int
    frames: int
    height: int
    width: int
    offset: int
    official: tuple[str, ...]


@dataclass(frozen=True)
class Prepared:
    """Prepared clips: `keypoints` (R, V, C + 1) coordinates and score, and a row per clip."""

    keypoints: np.ndarray
    rows: list[Row]

    def poses(self, row: Row) -> np.ndarray:
        """One clip as (M, T, V, C + 1)."""
        flat = self.keypoints[row.offset : row.offset + row.persons * row.frames]
        return flat.reshape(row.persons, row.frames, *flat.shape[1:])

    @property
    def classes(self) -> list[str]:
        """Class names in label order."""
        names = {row.label: row.class_name for row in self.rows}
        return [names[label] for label in sorted(names)]


@dataclass(frozen=True)
class Features:
    """Clips ready for a model.

    Attributes:
        x: (F, M, V, C + 1) float32, the frames of all clips back to back.
        offsets: (N,) first frame of each clip.
        lengths: (N,) frames of each clip.
        labels: (N,) class of each clip.
        ids: clip ids.
        groups: group of each clip.
        subsets: train, val or test.
        image_sizes: (N, 2) height and width in pixels.
        settings: what every clip of these features went through: layout, classes, preprocess.
    """

    x: np.ndarray
    offsets: np.ndarray
    lengths: np.ndarray
    labels: np.ndarray
    ids: np.ndarray
    groups: np.ndarray
    subsets: np.ndarray
    image_sizes: np.ndarray
    settings: dict

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.labels)

    def subset(self, *names: str) -> "Features":
        """The clips of some subsets; the frames are shared, not copied."""
        return self.take(np.isin(self.subsets, names))

    def take(self, keep: np.ndarray) -> "Features":
        """Some clips, by index or a mask; the frames are shared, not copied."""
        return Features(
            self.x, self.offsets[keep], self.lengths[keep], self.labels[keep], self.ids[keep],
            self.groups[keep], self.subsets[keep], self.image_sizes[keep], self.settings,
        )  # fmt: skip

    def clip(self, index: int) -> np.ndarray:
        """One clip as (M, T, V, C + 1)."""
        start = self.offsets[index]
        return np.moveaxis(self.x[start : start + self.lengths[index]], 1, 0)


def _write_rows(path: Path, blocks: Iterable[np.ndarray], shape: tuple, dtype: np.dtype) -> None:
    """Write blocks of rows one after the other as a .npy of the given shape."""
    with write_atomically(path) as file:
        header = {"descr": npy.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        npy.write_array_header_1_0(file, header)
        for block in blocks:
            file.write(np.ascontiguousarray(block, dtype).data)


def _map(path: Path, dimensions: int, *types: str) -> np.ndarray:
    try:
        # Copy on write: torch wants writable memory, and the file must not change.
        with warnings.catch_warnings(action="error"):
            array = npy.open_memmap(path, mode="c")
        if array.ndim != dimensions or array.dtype.str not in types or not array.flags.c_contiguous:
            raise ValueError(f"an array of {array.dtype} with shape {array.shape}")
        if array.offset + array.nbytes != path.stat().st_size:
            raise ValueError("its size is not what its header says")
    except FileNotFoundError:
        raise UserError(f"{path} not found: run `dvc repro` to make it") from None
    except Exception as error:  # numpy's reader raises anything on headers that mean nothing
        raise UserError(f"{path} is damaged ({error}): run `dvc repro` to make it anew") from None
    return array


def write_prepared(
    folder: Path, clips: list[Clip], classes: list[str], official: dict[str, list[str]]
) -> None:
    """Write clips as `keypoints.npy` and `clips.csv`.

    Half-precision clips stay so: a full-size file is about 1 GB, and the same figures twice as
    large would be no more exact.
    """
    subsets: dict[str, list[str]] = {clip.id: [] for clip in clips}
    for name, ids in official.items():
        for clip_id in ids:
            if clip_id in subsets:
                subsets[clip_id].append(name)
    half = all(clip.keypoints.dtype == np.float16 for clip in clips)
    dtype = np.dtype("<f2" if half else "<f4")
    sizes = [clip.keypoints.shape[0] * clip.keypoints.shape[1] for clip in clips]
    joints, dimensions = clips[0].keypoints.shape[2:]
    room = np.empty((max(sizes), joints, dimensions + 1), dtype)  # for one clip after the other

    def block(clip: Clip, size: int) -> np.ndarray:
        # One column at a time: np.concatenate copies 2 numbers, then 1, and takes 3 times as long.
        rows = room[:size]
        for column in range(dimensions):
            rows[..., column] = clip.keypoints[..., column].reshape(size, joints)
        rows[..., dimensions] = clip.scores.reshape(size, joints)
        return rows

    _write_rows(
        folder / "keypoints.npy",
        map(block, clips, sizes),
        (sum(sizes), joints, dimensions + 1),
        dtype,
    )
    offsets = np.cumsum([0, *sizes])
    rows = (
        (
            clip.id, classes[clip.label], clip.label, clip.group, *clip.keypoints.shape[:2],
            *clip.image_size, offset, " ".join(sorted(map(_word, subsets[clip.id]))),
        )
        for clip, offset in zip(clips, offsets, strict=False)
    )  # fmt: skip
    write_csv(
        folder / "clips.csv",
        (dict(zip(_PREPARED_COLUMNS, row, strict=True)) for row in rows),
        _PREPARED_COLUMNS,
    )


def _word(name: str) -> str:
    """A subset's name without spaces, which part the names of a clip's subsets."""
    return name.replace("%", "%25").replace(" ", "%20")


def read_prepared(folder: Path) -> Prepared:
    """Open prepared clips; the frames are memory-mapped.

    Raises:
        UserError: a file is missing, damaged or does not fit the other.
    """
    keypoints = _map(folder / "keypoints.npy", 3, "<f2", "<f4")
    rows = read_rows(folder / "clips.csv")
    if rows[-1].offset + rows[-1].persons * rows[-1].frames != len(keypoints):
        raise UserError(f"{folder}/clips.csv does not fit keypoints.npy: run `dvc repro prepare`")
    return Prepared(keypoints, rows)


def read_rows(path: Path) -> list[Row]:
    """Read the table of prepared clips.

    Raises:
        UserError: the table is missing, a line of it is wrong, or its lines contradict each other.
    """
    rows = []
    offset = 0
    for line in read_csv(path, _PREPARED_COLUMNS):
        try:
            row = Row(
                line["id"], line["class"], int(line["label"]), line["group"], int(line["persons"]),
                int(line["frames"]), int(line["height"]), int(line["width"]), int(line["offset"]),
                tuple(map(unquote, line["official"].split())),
            )  # fmt: skip
        except ValueError as error:
            raise UserError(f"{path}: clip {line['id']!r}: {error}") from None
        if min(row.label, row.height, row.width) < 0 or min(row.persons, row.frames) < 1:
            raise UserError(f"{path}: clip {row.id!r} has a negative number or no frame")
        if row.offset != offset:
            raise UserError(
                f"{path}: clip {row.id!r} has offset {line['offset']}, but the one before it ends "
                f"at {offset}: run `dvc repro prepare`"
            )
        offset += row.persons * row.frames
        rows.append(row)
    _check_ids(path, [row.id for row in rows])
    names = {(row.label, row.class_name) for row in rows}
    if not all(name.isprintable() for _, name in names) or not (
        len(names) == len({name for _, name in names}) == max(row.label for row in rows) + 1
    ):
        raise UserError(
            f"{path}: labels and class names are not 0, 1, ... and one name for each: "
            "run `dvc repro prepare`"
        )
    return rows


def _check_ids(path: Path, ids: Sequence[str]) -> None:
    if not ids:
        raise UserError(f"{path} has no clip: run `dvc repro` to make it anew")
    name, count = Counter(ids).most_common(1)[0]
    if count > 1:
        raise UserError(f"{path} has clip {name!r} {count} times: run `dvc repro` to make it anew")
    if strange := [clip for clip in ids if not clip or not clip.isprintable()]:
        raise UserError(f"{path} has a clip named {strange[0]!r}: run `dvc repro` to make it anew")


def read_split(path: Path) -> dict[str, str]:
    """Read which subset each clip is in: train, val or test.

    Raises:
        UserError: the table is missing, or has a clip twice or an unknown subset.
    """
    lines = read_csv(path, ["id", "subset"])
    _check_ids(path, [line["id"] for line in lines])
    _check_subsets(path, {line["subset"] for line in lines})
    return {line["id"]: line["subset"] for line in lines}


def _check_subsets(path: Path, names: set[str]) -> None:
    if strange := names.difference(_SUBSETS):
        raise UserError(
            f"{path} has the subset {min(strange)!r}, which is none of {', '.join(_SUBSETS)}: "
            "run `dvc repro split`"
        )


def write_features(
    folder: Path, clips: Iterator[np.ndarray], lengths: list[int], rows: list[Row],
    subsets: list[str], persons: int, settings: dict, joint_shape: tuple[int, int],
) -> None:  # fmt: skip
    """Write clips (M, T, V, C + 1) as `x.npy`, `clips.csv` and `settings.json`, one at a time."""
    shape = (sum(lengths), persons, *joint_shape)
    frames_first = (np.moveaxis(clip, 0, 1) for clip in clips)
    _write_rows(folder / "x.npy", frames_first, shape, np.dtype("<f4"))
    offsets = np.cumsum([0, *lengths])
    table = (
        (row.id, row.label, row.group, subset, offset, length, row.height, row.width)
        for row, subset, offset, length in zip(rows, subsets, offsets, lengths, strict=False)
    )
    write_csv(
        folder / "clips.csv",
        (dict(zip(_FEATURE_COLUMNS, line, strict=True)) for line in table),
        _FEATURE_COLUMNS,
    )
    write_json(folder / "settings.json", settings)


def read_features(folder: Path) -> Features:
    """Open features; the frames are memory-mapped.

    Raises:
        UserError: a file is missing, damaged or does not fit the others.
    """
    x = _map(folder / "x.npy", 4, "<f4")
    table = folder / "clips.csv"
    lines = read_csv(table, _FEATURE_COLUMNS)
    _check_ids(table, [line["id"] for line in lines])
    _check_subsets(table, {line["subset"] for line in lines})

    def numbers(name: str) -> np.ndarray:
        try:
            found = np.array([int(line[name]) for line in lines], dtype=np.int64)
        except (ValueError, OverflowError) as error:
            raise UserError(f"{table}: column {name}: {error}") from None
        if found.min() < 0:
            raise UserError(f"{table}: column {name} has the negative number {found.min()}")
        return found

    ids, groups, subsets = (
        np.array([line[name] for line in lines]) for name in ("id", "group", "subset")
    )
    image_sizes = np.stack([numbers("height"), numbers("width")], axis=1)
    features = Features(
        x, numbers("offset"), numbers("length"), numbers("label"), ids, groups, subsets,
        image_sizes, read_json(folder / "settings.json"),
    )  # fmt: skip
    persons, frames = _check_settings(folder / "settings.json", features)
    lengths = features.lengths.tolist()  # whose sums can't overflow
    ends = np.cumsum(np.array(lengths, dtype=object))
    if (
        min(lengths) < 1
        or ends[-1] != len(x)
        or features.offsets.tolist() != [0, *ends[:-1]]
        or x.shape[1] != persons
        or (frames and set(lengths) != {frames})
    ):
        raise UserError(f"{table} does not fit x.npy: run `dvc repro preprocess`")
    return features


def _check_settings(path: Path, features: Features) -> tuple[int, int]:
    """Refuse settings that do not fit their clips; persons and frames (0 for any) of a clip."""
    settings: Any = features.settings
    if not isinstance(settings, dict) or settings.keys() != {"layout", "classes", "preprocess"}:
        raise UserError(f"{path} must have layout, classes, preprocess: run `dvc repro preprocess`")
    name, classes = settings["layout"], settings["classes"]
    layout = LAYOUTS.get(name) if isinstance(name, str) else None
    if not layout or features.x.shape[2:] != (len(layout.joints), layout.dimensions + 1):
        raise UserError(f"{path}: its layout does not fit x.npy: run `dvc repro preprocess`")
    if (
        not isinstance(classes, list)
        or not all(isinstance(name, str) and name.isprintable() for name in classes)
        or len(set(classes)) < len(classes)
        or features.labels.max() >= len(classes)
    ):
        raise UserError(
            f"{path}: its classes are no list of different names for all labels of clips.csv: "
            "run `dvc repro preprocess`"
        )
    try:
        preprocess = Preprocess.model_validate(settings["preprocess"])
    except ValidationError as error:
        raise UserError(f"{path}: preprocess: {describe(error, Preprocess)}") from None
    return preprocess.persons, preprocess.frames


def data_hash(folder: Path) -> str:
    """Sha256 of features: what a model was trained on, whatever the file times and paths."""
    digest = hashlib.sha256()
    for name in ("x.npy", "clips.csv", "settings.json"):
        with (folder / name).open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
