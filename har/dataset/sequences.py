"""Sequences on disk: preprocessed clips, frames of all clips back to back in `x.npy`."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from har.clips import UNLABELLED
from har.dataset.arrays import damage_is_told, map_array, write_rows
from har.dataset.prepared import Row
from har.files import read_csv, read_json, write_csv, write_json
from har.params import Preprocess
from har.skeleton import Layout, layout_of_setting

_FEATURE_COLUMNS = [
    "id",
    "label",
    "group",
    "subset",
    "offset",
    "length",
    "height",
    "width",
    "fps",
]
_SUBSETS = {"train", "val", "test"}


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
        fps: (N,) float32, frames per second of each clip; 0 is unknown.
        settings: layout, classes and preprocessing of all clips.
    """

    x: np.ndarray
    offsets: np.ndarray
    lengths: np.ndarray
    labels: np.ndarray
    ids: np.ndarray
    groups: np.ndarray
    subsets: np.ndarray
    fps: np.ndarray
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
        fps: ArrayLike | None = None,
    ) -> "Sequences":
        """Lay preprocessed clips back to back.

        Args:
            clips: at least one, each (M, T, V, C + 1), with the same M, V and C.
            settings: layout, classes and preprocessing.
            labels: class of each clip; -1 where there are none.
            ids: clip ids, empty where there are none; so are groups and subsets.
            groups: group of each clip.
            subsets: train, val or test.
            fps: frames per second of each clip, 0 where unknown.
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
            fps=np.asarray(np.zeros(len(frames)) if fps is None else fps, np.float32),
            settings=settings,
        )

    @property
    def layout(self) -> Layout:
        """The layout of the joints."""
        return layout_of_setting(self.settings["layout"], "the sequences")

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.labels)

    def subset(self, *names: str) -> "Sequences":
        """Clips of the named subsets; frames are shared, not copied."""
        return self.take(np.isin(self.subsets, names))

    def take(self, keep: np.ndarray) -> "Sequences":
        """Clips by index or mask; frames are shared, not copied."""
        columns = ("offsets", "lengths", "labels", "ids", "groups", "subsets", "fps")
        return replace(self, **{name: getattr(self, name)[keep] for name in columns})

    def clip(self, index: int) -> np.ndarray:
        """One clip as (M, T, V, C + 1)."""
        start = self.offsets[index]
        return np.moveaxis(self.x[start : start + self.lengths[index]], 1, 0)


def read_split(path: Path) -> dict[str, str]:
    """Read the subset of each clip: train, val or test.

    Raises:
        UserError: the table is missing, names a clip twice or an unknown subset.
    """
    lines = read_csv(path, ["id", "subset"])
    subset_of = {line["id"]: line["subset"] for line in lines}
    with damage_is_told(path, "split"):
        if not lines or len(subset_of) < len(lines):
            raise ValueError("clips must have different ids")
        if not set(subset_of.values()) <= _SUBSETS:
            raise ValueError("subsets are train, val and test")
    return subset_of


def write_sequences(
    folder: Path,
    clips: Iterator[np.ndarray],
    lengths: list[int],
    rows: list[Row],
    subsets: list[str],
    persons: int,
    settings: dict[str, Any],
    joint_shape: tuple[int, int],
) -> None:
    """Write clips (M, T, V, C + 1) as `x.npy`, `clips.csv` and `settings.json`, one at a time."""
    shape = (sum(lengths), persons, *joint_shape)
    frames_first = (np.moveaxis(clip, 0, 1) for clip in clips)
    write_rows(folder / "x.npy", frames_first, shape, np.dtype("<f4"))
    offsets = np.cumsum([0, *lengths])
    table = (
        (
            row.id,
            row.label,
            row.group,
            subset,
            offset,
            length,
            row.height,
            row.width,
            f"{row.fps:g}",
        )
        for row, subset, offset, length in zip(rows, subsets, offsets, lengths, strict=False)
    )
    write_csv(
        folder / "clips.csv",
        (dict(zip(_FEATURE_COLUMNS, line, strict=True)) for line in table),
        _FEATURE_COLUMNS,
    )
    write_json(folder / "settings.json", settings)


def read_sequences(folder: Path) -> Sequences:
    """Read sequences; the frames are memory-mapped.

    Raises:
        UserError: a file is missing, damaged or does not fit the others.
    """
    x = map_array(folder / "x.npy", 4, "<f4")
    lines = read_csv(folder / "clips.csv", _FEATURE_COLUMNS)
    settings = read_json(folder / "settings.json")
    with damage_is_told(folder, "preprocess"):
        offsets, lengths, labels = (
            np.array([int(line[name]) for line in lines], dtype=np.int64)
            for name in ("offset", "length", "label")
        )
        ids, groups, subsets = (
            np.array([line[name] for line in lines]) for name in ("id", "group", "subset")
        )
        fps = np.array([float(line["fps"]) for line in lines], dtype=np.float32)
        sequences = Sequences(x, offsets, lengths, labels, ids, groups, subsets, fps, settings)
        _check(sequences)
    return sequences


def _check(sequences: Sequences) -> None:
    """Raise ValueError, or what wrong settings raise, where files contradict each other."""
    settings, layout, x = sequences.settings, sequences.layout, sequences.x
    preprocess = Preprocess.model_validate(settings["preprocess"])
    if x.shape[1:] != (preprocess.persons, len(layout.joints), layout.dimensions + 1):
        raise ValueError("settings.json does not fit x.npy")
    lengths = sequences.lengths.tolist()  # whose sums can't overflow
    starts = [*accumulate(lengths, initial=0)]
    if (
        min(lengths) < 1
        or [*sequences.offsets.tolist(), len(x)] != starts
        or (preprocess.frames and set(lengths) != {preprocess.frames})
    ):
        raise ValueError("clips.csv does not fit x.npy")
    if len(set(sequences.ids.tolist())) < len(sequences):
        raise ValueError("clips must have different ids")
    if not set(sequences.subsets.tolist()) <= _SUBSETS:
        raise ValueError("subsets are train, val and test")
    if not (np.isfinite(sequences.fps) & (sequences.fps >= 0)).all():
        raise ValueError("fps must be 0 or more")
    classes = settings["classes"]
    if classes != [str(name) for name in classes] or len(set(classes)) < len(classes):
        raise ValueError("classes must be a list of different names")
    if not 0 <= sequences.labels.min() <= sequences.labels.max() < len(classes):
        raise ValueError("clips.csv has a label that is no class")


def data_hash(folder: Path) -> str:
    """SHA-256 of the features that a model is trained on; file times and paths don't count."""
    digest = hashlib.sha256()
    for name in ("x.npy", "clips.csv", "settings.json"):
        with (folder / name).open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
