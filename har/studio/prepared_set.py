"""The pipeline's prepared clips as a set to explore, with its split and its predictions."""

from pathlib import Path

import numpy as np

from har.clips import Clip, ClipSet, layout_of
from har.dataset.arrays import damage_is_told
from har.dataset.prepared import Row, read_prepared
from har.dataset.sequences import read_split
from har.errors import UserError
from har.files import read_csv, read_json
from har.skeleton import Layout, check_layout, layout_of_setting

_KNOWN = ("id", "group", "class")  # columns of the predictions that name no model


def read_prepared_set(folder: Path) -> tuple[ClipSet, dict[str, dict[str, str]]]:
    """Read prepared clips; frames stay on disk until they are looked at.

    Args:
        folder: of the prepared clips. Beside it lie the other stages' files, as far as they ran:
            split.csv, features/ and predictions.csv.

    Returns:
        The clips, whose subsets are the official ones and those of the split, and the predictions:
        model -> clip id -> class.

    Raises:
        UserError: a file is missing or damaged, or files contradict each other.
    """
    prepared = read_prepared(folder)
    own, beside = folder.name, folder.parent

    def clip(row: Row) -> Clip:
        poses = np.asarray(prepared.poses(row))  # a view, which is pickled as any array
        size = row.height, row.width
        return Clip(row.id, row.label, poses[..., :-1], poses[..., -1], size, row.group, row.fps)

    clips = [clip(row) for row in prepared.rows]
    layout = _layout(beside / "features" / "settings.json") or layout_of(clips[0])
    check_layout(layout, prepared.keypoints[..., :-1], own)
    subsets: dict[str, list[str]] = {}
    for row in prepared.rows:
        for name in row.official:
            subsets.setdefault(name, []).append(row.id)
    official = set(subsets)
    if (beside / "split.csv").exists():
        known = {row.id for row in prepared.rows}
        for clip_id, name in read_split(beside / "split.csv").items():
            if clip_id not in known:
                raise UserError(f"split.csv names {clip_id!r}, no clip of {own}: run `dvc repro`")
            subsets.setdefault(f"pipeline {name}" if official else name, []).append(clip_id)
    predictions = _predictions(beside / "predictions.csv")
    return ClipSet(clips, prepared.classes, subsets, layout=layout), predictions


def _layout(settings: Path) -> Layout | None:
    """The layout that the features were made with, None before they were made."""
    if not settings.exists():
        return None
    with damage_is_told(settings, "preprocess"):
        return layout_of_setting(read_json(settings)["layout"], str(settings))


def _predictions(path: Path) -> dict[str, dict[str, str]]:
    """Predictions by model and clip, none before the stage `evaluate` ran."""
    if not path.exists():
        return {}
    rows = read_csv(path, _KNOWN)
    columns = list(rows[0]) if rows else []
    models = [name for name in columns if f"{name}_probability" in columns]
    return {name: {row["id"]: row[name] for row in rows} for name in models}
