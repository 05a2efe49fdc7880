"""Files of other pose tools as clips; docs/formats.md lists the forms and how each is recognised.

Whatever the bytes are, the outcome is a clip set, None for a file of another form, or a UserError;
memory stays within bounds and nothing in a file is executed.
"""

import ast
import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from har.clips import Clip, ClipSet
from har.clips.keypoint_files import (
    frame_files,
    landmarks,
    lists,
    movement_files,
    ntu,
    stgcn,
)
from har.clips.keypoint_files.poses import (
    NobodyError,
    Pose,
    Source,
    clip_name,
    clip_of_poses,
    read_bytes,
    read_json,
)
from har.clips.limits import MOST_BYTES
from har.errors import UserError
from har.skeleton import Layout, map_joints

__all__ = ["SUFFIXES", "NobodyError", "read", "to_layout"]

SUFFIXES = (".json", ".jsonl", ".npy", ".csv", ".txt", ".skeleton", ".h5", ".slp")
_MOST_ARRAY = 2**34  # bytes of an array of many clips, which is read clip by clip
_MOST_CLIPS = 2**20

Found = list[tuple[Clip, Layout]]


def read(
    path: str | Path, image_size: tuple[int, int] | None = None, layout: Layout | None = None
) -> ClipSet | None:
    """Read the clips of another pose tool's file or folder.

    Args:
        path: a file; a folder of files of one frame each; a folder of such folders, one for each
            clip; or a folder of classes, with clips of either kind in each.
        image_size: (height, width) of the images, where the file does not give it.
        layout: the file's layout, where the number or names of joints do not give it.

    Returns:
        The clips, with their layout; None where path is of another form.

    Raises:
        UserError: the file is damaged, has nobody in it, or lacks what its form needs.
    """
    source = Source(Path(path), image_size, layout)
    try:
        if source.path.is_dir():
            return _folder(source)
        return _file(source)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from None


def to_layout(clip_set: ClipSet, source: Layout, target: Layout) -> ClipSet:
    """Arrange the joints of all clips for another layout, by their names.

    Joints that the clips lack are noted and count as unseen: their score is 0.

    Raises:
        UserError: the layouts differ in dimensions, or share no joint.
    """
    if source == target:
        return replace(clip_set, layout=target)
    if source.dimensions != target.dimensions:
        remedy = " (convert with --layout ntu25_2d reads its pixels)" * (source.name == "ntu25")
        raise UserError(
            f"layout {source.name} has {source.dimensions} coordinates per joint and {target.name} "
            f"{target.dimensions}: they can't be mapped{remedy}"
        )
    clips, missing = [], list[str]()
    for clip in clip_set.clips:
        points, scores, missing = map_joints(clip.keypoints, clip.scores, source.joints, target)
        clips.append(replace(clip, keypoints=points, scores=scores))
    if len(missing) == len(target.joints):
        raise UserError(f"layouts {source.name} and {target.name} share no joint name")
    unseen = f"; {', '.join(missing)} count as unseen" if missing else ""
    note = f"{source.name} is mapped to {target.name} by joint names{unseen}"
    return replace(clip_set, clips=clips, layout=target, notes=[*clip_set.notes, note])


def _file(source: Source) -> ClipSet | None:
    suffix = source.path.suffix.lower()
    if suffix in (".json", ".jsonl"):
        return _json(source)
    if suffix == ".npy":
        return _array(source)
    if suffix == ".csv":
        return _csv(source)
    if suffix == ".txt":
        raw = read_bytes(source.path)
        if not frame_files.is_label(raw):
            return None
        return _set(source, _frames(source, [source.path], labels=True))
    if suffix == ".skeleton":
        flat = source.layout is not None and source.layout.name == "ntu25_2d"
        clip, layout = ntu.read(source, flat)
        return _set(source, [(clip, layout)], ntu.classes_of(clip))
    if suffix in (".h5", ".slp"):
        return _set(source, [movement_files.read(source)])
    return None


def _json(source: Source) -> ClipSet | None:
    content = read_json(source.path)
    if stgcn.is_kinetics(content):
        clip, layout, name = stgcn.kinetics(source, content)
        if name is None:
            return _set(source, [(clip, layout)])
        return _set(source, [(replace(clip, label=0), layout)], [name])
    for is_form, clips_of in (
        (lists.is_coco, lists.coco),
        (lists.is_results, lists.results),
        (lists.is_mmpose, lists.mmpose),
        (lists.is_alphapose_by_image, lists.alphapose_by_image),
    ):
        if is_form(content):
            return _set(source, clips_of(source, content))
    if frame_files.is_frame(content):
        content = [content]
    if lists.are_frames(content):
        return _set(source, lists.side_by_side(source, content))
    return _landmarks(source, landmarks.poses_of_json(source, content))


def _array(source: Source) -> ClipSet | None:
    try:
        if not source.path.is_file() or source.path.stat().st_size > _MOST_ARRAY:
            return None
        with np.errstate(over="raise"):
            array = np.load(source.path, mmap_mode="r", allow_pickle=False)
    except Exception:  # numpy raises anything on meaningless bytes
        return None  # the reader of own arrays reports it
    if array.dtype.kind not in "fiu" or not array.size:
        return None
    if len(array) <= _MOST_CLIPS and stgcn.is_array_of_clips(source, array):
        clips, layout, classes = stgcn.array_of_clips(source, array)
        return _set(source, [(clip, layout) for clip in clips], classes)
    if array.nbytes > MOST_BYTES:
        return None
    return _landmarks(source, landmarks.poses_of_array(source, array))


def _csv(source: Source) -> ClipSet | None:
    raw = read_bytes(source.path, MOST_BYTES // 4)
    if movement_files.is_deeplabcut_csv(raw):
        return _set(source, [movement_files.read(source)])
    header = raw.split(b"\n", 1)[0].decode("utf-8-sig", "replace").strip().split(",")
    if {"confidence", "box", "keypoints"} <= set(header):
        return _set(source, _ultralytics_csv(source, raw))
    return _landmarks(source, landmarks.poses_of_csv(source, source.path))


def _ultralytics_csv(source: Source, raw: bytes) -> Found:
    """Ultralytics' `to_csv`: a column holds the joints as a dictionary of lists."""
    poses, frames = [], list[int | str]()
    try:
        rows = list(csv.DictReader(io.StringIO(raw.decode("utf-8-sig", "replace"))))
    except csv.Error as error:
        raise source.wrong(f"is not a readable CSV file: {error}") from None
    for number, row in enumerate(rows, 2):
        text = row.get("frame") or row.get("image") or "0"
        frame: int | str = int(text) if text.isdecimal() and len(text) < 15 else text
        frames.append(frame)
        try:
            joints = ast.literal_eval(row["keypoints"] or "None")
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            joints = None
        if not isinstance(joints, dict):
            raise source.wrong(f"row {number} needs x, y and visible in its column keypoints")
        track = (row.get("track_id") or "").strip()
        person: dict[str, Any] = {"keypoints": joints, "track_id": _number(track)}
        poses += frame_files.poses_of_frame(source, {"people": [person]}, frame)
    if "frame" not in rows[0] and "image" not in rows[0] if rows else False:
        source.note("no column `frame`: all persons are of one frame")
    return lists.clips_of_recordings(source, poses, frames)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _landmarks(source: Source, found: tuple[list[Pose], int] | None) -> ClipSet | None:
    if found is None:
        return None
    poses, frames = found
    if not poses:
        raise NobodyError(f"{source.path} has no person in any frame")
    frames = max(frames, *(int(pose.frame) + 1 for pose in poses))
    name = clip_name(source, "", True)
    shares = landmarks.are_shares(source, poses)
    places: dict[int | str, int] = {number: number for number in range(frames)}
    return _set(source, [clip_of_poses(source, name, poses, places, shares=shares)])


def _folder(source: Source) -> ClipSet | None:
    found = _recordings(source)
    if found:
        return _set(source, found)
    folders = sorted(path for path in source.path.iterdir() if path.is_dir())
    if not folders or any(path.suffix.lower() in SUFFIXES for path in source.path.iterdir()):
        return None
    inside = [replace(source, path=folder) for folder in folders]
    found_inside = [_recordings(folder) for folder in inside]
    if all(found_inside):
        return _set(source, [clip for clips in found_inside for clip in clips])
    return _classes(source, inside)


def _recordings(source: Source) -> Found:
    """The clips of a folder of files of one frame each; none for other folders."""
    path = source.path
    if (path / "labels").is_dir():  # Ultralytics' folder
        path = path / "labels"
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in (".json", ".txt"))
    for suffix in (".json", ".txt"):
        chosen = [file for file in files if file.suffix.lower() == suffix]
        if not chosen:
            continue
        if suffix == ".json":
            content = read_json(chosen[0])
            several = len(chosen) > 1 or isinstance(content, dict)
            if (frame_files.is_frame(content) or content == []) and several:
                return _frames(source, chosen, labels=False)
        labels = [file for file in chosen if frame_files.is_label(_first_line(file))]
        if suffix == ".txt" and labels:
            return _frames(source, labels, labels=True)
    return []


def _first_line(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.readline(2**16)


def _frames(source: Source, files: list[Path], labels: bool) -> Found:
    poses, names = frame_files.poses_of_folder(source, files, labels)
    frames: list[int | str] = [*names]
    return lists.clips_of_recordings(source, poses, frames, shares=True if labels else None)


def _classes(source: Source, folders: list[Source]) -> ClipSet | None:
    """The clips of a folder of classes; None where a class has no clips of a known form."""
    clips: list[Clip] = []
    layouts: list[Layout] = []
    for label, folder in enumerate(folders):
        files = sorted(p for p in folder.path.iterdir() if p.suffix.lower() in SUFFIXES)
        subfolders = sorted(path for path in folder.path.iterdir() if path.is_dir())
        found: Found = []
        for path in files or subfolders:
            inside = replace(folder, path=path)
            clip_set = _file(inside) if files else _set(inside, _recordings(inside))
            if clip_set and clip_set.layout:
                found += [(clip, clip_set.layout) for clip in clip_set.clips]
        if not found:
            return None
        name = folder.path.name
        clips += [
            replace(clip, id=f"{name}/{clip.id}", group=f"{name}/{clip.group}", label=label)
            for clip, _ in found
        ]
        layouts += [layout for _, layout in found]
    source.note("classes are the names of the folders")
    names = [folder.path.name for folder in folders]
    return _set(source, list(zip(clips, layouts, strict=True)), names)


def _set(source: Source, found: Found, classes: list[str] | None = None) -> ClipSet | None:
    if not found:
        return None
    layouts = {layout.name: layout for _, layout in found}
    if len(layouts) > 1:
        raise source.wrong(
            f"has clips of the layouts {' and '.join(layouts)}: convert them one by one with --to"
        )
    clips = [clip for clip, _ in found]
    if len({clip.id for clip in clips}) < len(clips):
        raise source.wrong("has two clips of one name: rename one")
    return ClipSet(clips, classes or [], notes=source.notes, layout=found[0][1])
