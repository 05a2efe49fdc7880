"""A table that labels clips: a CSV with columns clip, label, and perhaps group and subset."""

import csv
from dataclasses import dataclass, replace
from pathlib import Path

from har.clips.clip import UNLABELLED, ClipSet
from har.clips.safe_pickle import shown
from har.errors import UserError
from har.files import read_csv

_CLIP = ("clip", "file", "filename", "frame_dir", "video", "name", "id")
_LABEL = ("label", "class", "action")
_GROUP = ("group", "person", "subject", "performer")
_SUBSET = ("subset", "split")
_LONGEST_HEADER = 10_000  # characters


@dataclass(frozen=True)
class Row:
    """A row of a table of labels; missing cells are empty."""

    clip: str
    label: str
    group: str
    subset: str


def is_label_table(path: Path) -> bool:
    """Whether a file is a CSV with columns for clips and labels, but not for start and end."""
    if path.suffix.lower() != ".csv" or not path.is_file():
        return False
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = next(csv.reader([file.readline(_LONGEST_HEADER)]), [])
    except (OSError, ValueError, csv.Error):
        return False
    names = set(header)
    return bool(names & set(_CLIP) and names & set(_LABEL)) and not names & {"start", "end"}


def read_table(path: Path) -> list[Row]:
    """Read a table that labels clips.

    Raises:
        UserError: it is damaged, or contradicts itself about a clip.
    """
    rows: dict[str, Row] = {}
    for number, line in enumerate(read_csv(path, []), start=2):
        cells = {str(key).lstrip("\ufeff"): (value or "").strip() for key, value in line.items()}
        clip, *rest = (
            next((cells[name] for name in names if name in cells), "")
            for names in (_CLIP, _LABEL, _GROUP, _SUBSET)
        )
        row = Row(clip, *rest)
        if not clip:
            raise UserError(f"{path}: line {number} names no clip")
        if rows.setdefault(clip, row) != row:
            raise UserError(f"{path}: line {number} contradicts another line about {shown(clip)}")
    return list(rows.values())


def label_clips(clip_set: ClipSet, path: Path) -> ClipSet:
    """Give clips the labels, groups and subsets of a table; others keep what they have.

    The table names a clip by its id or its file. Labels are class names or, where all are numbers
    and the clips have class names, label ids.

    Raises:
        UserError: the table is damaged or names no clip of the set.
    """
    row_of: dict[str, Row] = {}
    for row in read_table(path):
        row_of[row.clip] = row
        row_of.setdefault(Path(row.clip).stem, row)
        row_of.setdefault(Path(row.clip).name, row)
    found = {clip.id: row_of[clip.id] for clip in clip_set.clips if clip.id in row_of}
    if not found:
        raise UserError(
            f"{path} names none of the {len(clip_set.clips)} clips, such as "
            f"{shown(clip_set.clips[0].id)}: write their ids or files in its first column"
        )
    labels = {row.label for row in found.values() if row.label}
    classes = list(clip_set.classes)
    if not all(
        label.isascii() and label.isdigit() and int(label) < len(classes) for label in labels
    ):
        kept = {clip.label for clip in clip_set.clips if clip.id not in found} - {UNLABELLED}
        classes = (classes if kept else []) + sorted(labels - set(classes if kept else []))
        number_of = {name: number for number, name in enumerate(classes)}
    else:
        number_of = {label: int(label) for label in labels}
    clips = []
    subsets: dict[str, list[str]] = {}
    for clip in clip_set.clips:
        if clip.id in found:
            row = found[clip.id]
            label = number_of[row.label] if row.label else UNLABELLED
            clip = replace(clip, label=label, group=row.group or clip.group)
            if row.subset:
                subsets.setdefault(row.subset, []).append(clip.id)
        clips.append(clip)
    rows = len({row.clip for row in row_of.values()})
    notes = [note for note in clip_set.notes if "no label: " not in note]
    notes.append(f"{path.name} labels {len(found)} of {len(clips)} clips")
    if rows > len(found):
        notes.append(f"{path.name} names {rows - len(found)} clips that are not there")
    return replace(
        clip_set,
        clips=clips,
        classes=classes,
        subsets=subsets or clip_set.subsets,
        notes=notes,
    )
