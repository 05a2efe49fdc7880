"""Sequences on disk: preprocessed clips, frames of all clips back to back in `x.npy`."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from pydantic import ValidationError

from har.clips import UNLABELLED
from har.dataset.arrays import check_ids, map_array, write_rows
from har.dataset.prepared import Row
from har.errors import UserError
from har.files import read_csv, read_json, write_csv, write_json
from har.params import Preprocess, describe
from har.skeleton import Layout, layout_of_setting

_FEATURE_COLUMNS = ["id", "label", "group", "subset", "offset", "length", "height", "width"]
_SUBSETS = ("train", "val", "test")


@dataclass(frozen=True)
class Sequences:
    """Clips ready for a model.

    Attributes:
        x: (F, M, V, C + 1) float32, the frames of all clips back to back.
        offsets: (N,) first frame of each clip.
        lengths: (N,) frames of each clip.
        labels: (N,) class of each clip.
        ids: clip ids.
        groups: group of each clip.
        subsets: train, val or test.
        settings: what every clip of these features went through: layout, classes, preprocess.
    """

    x: np.ndarray
    offsets: np.ndarray
    lengths: np.ndarray
    labels: np.ndarray
    ids: np.ndarray
    groups: np.ndarray
    subsets: np.ndarray
    settings: dict[str, Any]

    @classmethod
    def from_clips(
        cls,
        clips: Iterable[np.ndarray],
        settings: dict[str, Any],
        *,
        labels: ArrayLike | None = None,
        ids: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        subsets: ArrayLike | None = None,
    ) -> "Sequences":
        """Lay preprocessed clips back to back.

        Args:
            clips: at least one, each (M, T, V, C + 1), with the same M, V and C.
            settings: see above.
            labels: class of each clip; -1 where there are none.
            ids: clip ids, empty where there are none; so are groups and subsets.
            groups: group of each clip.
            subsets: train, val or test.
        """
        frames = [np.moveaxis(clip, 1, 0) for clip in clips]
        lengths = np.array([len(clip) for clip in frames])
        no_labels, no_names = np.full(len(frames), UNLABELLED), np.full(len(frames), "")
        return cls(
            x=np.concatenate(frames),
            offsets=np.cumsum(lengths) - lengths,
            lengths=lengths,
            labels=no_labels if labels is None else np.asarray(labels),
            ids=no_names if ids is None else np.asarray(ids),
            groups=no_names if groups is None else np.asarray(groups),
            subsets=no_names if subsets is None else np.asarray(subsets),
            settings=settings,
        )

    @property
    def layout(self) -> Layout:
        """The meaning of the joints."""
        return layout_of_setting(self.settings["layout"], "the sequences")

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.labels)

    def subset(self, *names: str) -> "Sequences":
        """The clips of some subsets; the frames are shared, not copied."""
        return self.take(np.isin(self.subsets, names))

    def take(self, keep: np.ndarray) -> "Sequences":
        """Some clips, by index or a mask; the frames are shared, not copied."""
        columns = ("offsets", "lengths", "labels", "ids", "groups", "subsets")
        return replace(self, **{name: getattr(self, name)[keep] for name in columns})

    def clip(self, index: int) -> np.ndarray:
        """One clip as (M, T, V, C + 1)."""
        start = self.offsets[index]
        return np.moveaxis(self.x[start : start + self.lengths[index]], 1, 0)


def read_split(path: Path) -> dict[str, str]:
    """Read which subset each clip is in: train, val or test.

    Raises:
        UserError: the table is missing, or has a clip twice or an unknown subset.
    """
    lines = read_csv(path, ["id", "subset"])
    check_ids(path, [line["id"] for line in lines])
    check_subsets(path, {line["subset"] for line in lines})
    return {line["id"]: line["subset"] for line in lines}


def check_subsets(path: Path, names: set[str]) -> None:
    """Refuse subsets other than train, val and test."""
    if strange := names.difference(_SUBSETS):
        raise UserError(
            f"{path} has the subset {min(strange)!r}, which is none of {', '.join(_SUBSETS)}: "
            "run `dvc repro split`"
        )


def write_sequences(
    folder: Path, clips: Iterator[np.ndarray], lengths: list[int], rows: list[Row],
    subsets: list[str], persons: int, settings: dict, joint_shape: tuple[int, int],
) -> None:  # fmt: skip
    """Write clips (M, T, V, C + 1) as `x.npy`, `clips.csv` and `settings.json`, one at a time."""
    shape = (sum(lengths), persons, *joint_shape)
    frames_first = (np.moveaxis(clip, 0, 1) for clip in clips)
    write_rows(folder / "x.npy", frames_first, shape, np.dtype("<f4"))
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


def read_sequences(folder: Path) -> Sequences:
    """Open features; the frames are memory-mapped.

    Raises:
        UserError: a file is missing, damaged or does not fit the others.
    """
    x = map_array(folder / "x.npy", 4, "<f4")
    table = folder / "clips.csv"
    lines = read_csv(table, _FEATURE_COLUMNS)
    check_ids(table, [line["id"] for line in lines])
    check_subsets(table, {line["subset"] for line in lines})

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
    features = Sequences(
        x=x,
        offsets=numbers("offset"),
        lengths=numbers("length"),
        labels=numbers("label"),
        ids=ids,
        groups=groups,
        subsets=subsets,
        settings=read_json(folder / "settings.json"),
    )
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


def _check_settings(path: Path, features: Sequences) -> tuple[int, int]:
    """Refuse settings that do not fit their clips; persons and frames (0 for any) of a clip."""
    settings: Any = features.settings
    if not isinstance(settings, dict) or settings.keys() != {"layout", "classes", "preprocess"}:
        raise UserError(f"{path} must have layout, classes, preprocess: run `dvc repro preprocess`")
    setting, classes = settings["layout"], settings["classes"]
    layout = layout_of_setting(setting, str(path))
    if features.x.shape[2:] != (len(layout.joints), layout.dimensions + 1):
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
