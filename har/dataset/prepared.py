"""Prepared clips on disk: a row of `keypoints.npy` per person and frame, all slots kept."""

import math
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from urllib.parse import unquote

import numpy as np

from har.clips import Clip
from har.dataset.arrays import damage_is_told, map_array, write_rows
from har.files import read_csv, write_csv

_PREPARED_COLUMNS = [
    "id",
    "class",
    "label",
    "group",
    "persons",
    "frames",
    "height",
    "width",
    "fps",
    "offset",
    "official",
]


@dataclass(frozen=True)
class Row:
    """One line of the prepared clips' table; `fps` is 0 where unknown.

    `official` lists the subsets that name the clip.
    """

    id: str
    class_name: str
    label: int
    group: str
    persons: int
    frames: int
    height: int
    width: int
    fps: float
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


def write_prepared(
    folder: Path, clips: list[Clip], classes: list[str], official: dict[str, list[str]]
) -> None:
    """Write clips as `keypoints.npy` and `clips.csv`.

    Half-precision clips stay half-precision: a full-size file is about 1 GB, and twice the bytes
    would make it no more exact.
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

    write_rows(
        folder / "keypoints.npy",
        map(block, clips, sizes),
        (sum(sizes), joints, dimensions + 1),
        dtype,
    )
    offsets = np.cumsum([0, *sizes])
    rows = (
        (
            clip.id,
            classes[clip.label],
            clip.label,
            clip.group,
            *clip.keypoints.shape[:2],
            *clip.image_size,
            f"{clip.fps:g}",
            offset,
            " ".join(sorted(map(_word, subsets[clip.id]))),
        )
        for clip, offset in zip(clips, offsets, strict=False)
    )
    write_csv(
        folder / "clips.csv",
        (dict(zip(_PREPARED_COLUMNS, row, strict=True)) for row in rows),
        _PREPARED_COLUMNS,
    )


def _word(name: str) -> str:
    """A subset's name without spaces, which separate the names of a clip's subsets."""
    return name.replace("%", "%25").replace(" ", "%20")


def read_prepared(folder: Path) -> Prepared:
    """Read prepared clips; the frames are memory-mapped.

    Raises:
        UserError: a file is missing, damaged or does not fit the other.
    """
    keypoints = map_array(folder / "keypoints.npy", 3, "<f2", "<f4")
    rows = read_rows(folder / "clips.csv")
    with damage_is_told(folder, "prepare"):
        if rows[-1].offset + rows[-1].persons * rows[-1].frames != len(keypoints):
            raise ValueError("clips.csv does not fit keypoints.npy")
    return Prepared(keypoints, rows)


def read_rows(path: Path) -> list[Row]:
    """Read the table of prepared clips.

    Raises:
        UserError: the table is missing or damaged, or its lines contradict each other.
    """
    lines = read_csv(path, _PREPARED_COLUMNS)
    with damage_is_told(path, "prepare"):
        rows = [
            Row(
                line["id"],
                line["class"],
                int(line["label"]),
                line["group"],
                int(line["persons"]),
                int(line["frames"]),
                int(line["height"]),
                int(line["width"]),
                float(line["fps"]),
                int(line["offset"]),
                tuple(map(unquote, line["official"].split())),
            )
            for line in lines
        ]
        _check(rows)
    return rows


def _check(rows: list[Row]) -> None:
    """Raise ValueError where rows contradict each other."""
    ends = [*accumulate((row.persons * row.frames for row in rows), initial=0)]
    if [row.offset for row in rows] != ends[:-1] or any(
        row.persons < 1 or row.frames < 1 for row in rows
    ):
        raise ValueError("its clips are not back to back")
    if not all(row.id for row in rows) or len({row.id for row in rows}) < len(rows) or not rows:
        raise ValueError("clips must have different ids")
    if not all(0 <= row.fps < math.inf for row in rows):
        raise ValueError("fps must be 0 or more")
    classes = {(row.label, row.class_name) for row in rows}
    names = {name for _, name in classes}
    if sorted(label for label, _ in classes) != list(range(len(names))):
        raise ValueError("labels and classes must be 0, 1, ... and one name for each")
