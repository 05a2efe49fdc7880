"""Sources of clips: the simulator, a published set, a file or a folder of any form."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from har.clips import (
    UNLABELLED,
    Clip,
    ClipSet,
    annotations,
    keypoint_files,
    own_arrays,
    safe_pickle,
)
from har.clips.annotations import COPIES, Given, read_pickle
from har.clips.catalogue import CATALOGUE
from har.clips.cutting import cut
from har.clips.download import download
from har.clips.label_table import is_label_table, label_clips
from har.clips.safe_pickle import shown
from har.clips.segments import is_segment_table, read_segments
from har.clips.subsets import official_splits
from har.errors import UserError
from har.skeleton import Layout

_SUFFIXES = (".pkl", ".pickle", ".npz", ".npy", ".json")


def load(
    source: str,
    seed: int,
    raw_folder: str | Path,
    base: str | Path = ".",
    fps: float = 0.0,
    background: bool = False,
) -> ClipSet:
    """Read all clips of a source.

    Args:
        source: `simulated`, `simulated_everyday`, a name of the catalogue, or the path of a file
            or folder that `read` can read.
        seed: of the simulated sets.
        raw_folder: where downloads are kept.
        base: folder that a relative path starts from.
        fps: frames per second of clips whose file gives none; 0 is unknown.
        background: see `read`.

    Raises:
        UserError: there is no such source, or it can't be fetched or read.
    """
    path = Path(base) / os.path.expanduser(source)
    if source not in ("simulated", "simulated_everyday", *CATALOGUE) and os.path.exists(path):
        return read(path, fps=fps, background=background)
    return _with_rate(_load(source, seed, raw_folder, path), fps)


def _load(source: str, seed: int, raw_folder: str | Path, path: Path) -> ClipSet:
    if source == "simulated":
        from har.clips.simulate import simulate  # the other sources do not need it

        return simulate(seed)
    if source == "simulated_everyday":
        from har.clips.simulate.everyday_clips import simulate_everyday

        return simulate_everyday(seed)
    if source in CATALOGUE:
        published = CATALOGUE[source]
        return read_pickle(download(published, raw_folder), published.classes)
    raise UserError(
        f"prepare.source {shown(source)} not found: there is no {path}, and it is not one of "
        f"simulated, simulated_everyday, {', '.join(CATALOGUE)}"
    )


def read(
    path: str | Path,
    image_size: tuple[int, int] | None = None,
    fps: float = 0.0,
    dimensions: int | None = None,
    layout: Layout | None = None,
    axes: str = "",
    background: bool = False,
) -> ClipSet:
    """Read all clips of a file or folder, whatever its form.

    Every command and `prepare.source` read by this. Files of other pose tools are read by
    `keypoint_files.read`, which is tried first and returns None for files and folders of other
    kinds. It is not tried where the axes are given, since these describe own arrays.

    Args:
        path: a pickle of annotations or of one clip, own keypoints as .npz, .npy or .json, each
            perhaps packed (.gz, .xz, .bz2), another pose tool's file or folder, a folder of such
            files, or a folder of folders that are named after the label of their files. A table
            clip,label[,group,subset] in a folder labels its clips, and tables of segments
            (har.clips.segments) cut them; either may be given as the path.
        image_size: (height, width) in pixels of clips whose file does not give it.
        fps: frames per second of clips whose file gives none; 0 is unknown.
        dimensions: coordinates per joint; None recognises them by the layouts and the numbers.
        layout: of the joints, where the file does not give it.
        axes: order of the arrays' axes, such as tmvc; empty recognises it. See har.clips.axes.
        background: make a class of the stretches that a table of segments leaves unlabelled.

    Raises:
        UserError: the file is missing, damaged, unsafe, or not in one of these forms.
    """
    if layout is not None:
        dimensions = layout.dimensions
    given = Given(image_size, fps, dimensions, axes, layout)
    found = _read_segmented(Path(path), given, background)
    return found or _with_rate(_read(Path(path), given), fps)


def _with_rate(clip_set: ClipSet, fps: float) -> ClipSet:
    if not fps:
        return clip_set
    clips = [clip if clip.fps else replace(clip, fps=fps) for clip in clip_set.clips]
    return replace(clip_set, clips=clips)


def _read_segmented(path: Path, given: Given, background: bool) -> ClipSet | None:
    """Clips cut from recordings by tables of segments; None where there are no tables.

    The recordings lie in the folder of the table, or at the paths it gives relative to that folder.
    """
    try:
        folder = path if path.is_dir() else path.parent
        tables = [path] if path is not folder else sorted(path.iterdir())
        tables = [file for file in tables if is_segment_table(file)]
    except (OSError, ValueError):  # reported by _read
        return None
    if not tables:
        return None
    segments = {table: read_segments(table) for table in tables}
    named = {Path(segment.recording) for some in segments.values() for segment in some}
    below = [
        folder / name
        for name in sorted(named)
        if len(name.parts) > 1 and not name.is_absolute() and ".." not in name.parts
    ]
    paths = [path for path in below if path.exists()] or sorted(folder.iterdir())
    sets = []
    for entry in paths:
        if not is_segment_table(entry) and not is_label_table(entry):
            found = (
                None if given.axes else keypoint_files.read(entry, given.image_size, given.layout)
            )
            if found is None and _suffix(entry) in _SUFFIXES:
                found = _read_own(entry, given)
            if found:
                sets.append((entry, found))
    if not sets:
        raise UserError(f"{tables[0]} lies beside no recording: put keypoint files into its folder")
    whole = _with_rate(together(sets), given.fps)
    recordings = {clip.id: clip for clip in whole.clips}
    parts = [(table, cut(recordings, some, table, background)) for table, some in segments.items()]
    clip_set = together(parts) if len(parts) > 1 else parts[0][1]
    notes = [note for note in whole.notes if "no label: " not in note and "group" not in note]
    return replace(clip_set, notes=[*notes, *clip_set.notes], layout=whole.layout)


def _read(path: Path, given: Given) -> ClipSet:
    try:
        is_folder, is_there = path.is_dir(), path.exists()
    except (OSError, ValueError):  # a name too long, or with a NUL
        is_folder = is_there = False
    if not is_there:
        raise UserError(f"{path} not found: check the path")
    tables = [path]
    if is_folder:
        tables = [file for file in sorted(path.iterdir()) if is_label_table(file)]
    elif is_label_table(path):
        path, is_folder = path.parent, True
    else:
        tables = []
    if len(tables) > 1:
        raise UserError(
            f"{path} has several tables of labels, {tables[0].name} and {tables[1].name}: give the "
            "path of one"
        )
    found = None if given.axes else keypoint_files.read(path, given.image_size, given.layout)
    if found is None:
        found = _read_folder(path, given) if is_folder else _read_own(path, given)
    return label_clips(found, tables[0]) if tables else found


def _read_own(path: Path, given: Given) -> ClipSet:
    suffix = _suffix(path)
    if suffix not in _SUFFIXES:
        if path.suffix.lower() in keypoint_files.SUFFIXES:
            raise UserError(
                f"{path} is of unknown form: docs/formats.md lists those of other tools"
            )
        raise UserError(f"{path} is of unknown kind: its name must end in {', '.join(_SUFFIXES)}")
    content, size = _content(path)
    content = annotations.annotations_of(path, content)
    return annotations.check(path, content, room=COPIES * size, given=given)


def _content(path: Path) -> tuple[Any, int]:
    """A file's unchecked content, and its size in bytes, unpacked."""
    suffix = _suffix(path)
    if suffix in (".pkl", ".pickle"):
        return safe_pickle.load_and_measure(path)
    return own_arrays.load(path, suffix)


def _suffix(path: Path) -> str:
    """The suffix that names a file's kind: .pkl of clips.pkl.gz."""
    name = path.with_suffix("") if path.suffix.lower() in (".gz", ".xz", ".bz2") else path
    return name.suffix.lower()


def _read_folder(folder: Path, given: Given) -> ClipSet:
    """One set of all files in a folder or, where it has none, in folders named after labels.

    Folder names that are all numbers are label ids, others are class names.
    """
    sets, empty = [], list[Path]()
    for file in sorted(folder.iterdir()):
        found = None
        if is_label_table(file):
            continue
        if not given.axes and file.suffix.lower() in keypoint_files.SUFFIXES:
            try:
                found = keypoint_files.read(file, given.image_size, given.layout)
            except keypoint_files.NobodyError:  # true of hundreds of NTU's and Kinetics' files
                empty.append(file)
                continue
        if found:
            sets.append((file, found))
        elif _suffix(file) in _SUFFIXES:  # a text or table beside clips may be anything
            sets.append((file, _read_own(file, given)))
    if sets:
        clip_set = together(sets)
        if empty:
            left_out = (
                f"left out: no person in any frame ({len(empty)} files, first {empty[0].name})"
            )
            clip_set.notes.append(left_out)
        return clip_set
    if empty:
        raise UserError(f"{folder} has no file with a person in a frame")
    files = sorted(file for file in folder.glob("*/*") if _suffix(file) in _SUFFIXES)
    if not files:
        raise UserError(
            f"{folder} has no file that ends in {', '.join(_SUFFIXES)}, neither in itself nor in "
            "folders named after labels, and none of another tool's that docs/formats.md lists"
        )
    names = sorted({file.parent.name for file in files})
    numbered = all(name.isascii() and name.isdigit() and len(name) < 5 for name in names)
    items = []
    room = 0
    for file in files:
        content, size = _content(file)
        room += size
        label = file.parent.name
        for item in annotations.annotations_of(file, content)["annotations"]:
            name = str(item.get("frame_dir", file.stem)).removeprefix(f"{label}_")
            items.append(item | {"frame_dir": name, "label": int(label) if numbered else label})
    return annotations.check(folder, {"annotations": items}, room=COPIES * room, given=given)


def choose(clip_set: ClipSet, wanted: str, source: str | Path) -> Clip:
    """Find a clip by its id, or by a text that only its id contains (case is ignored).

    Raises:
        UserError: none or several match; some are named.
    """
    ids = [clip.id for clip in clip_set.clips]
    if wanted in ids:
        return clip_set.clips[ids.index(wanted)]
    matches = [clip for clip in clip_set.clips if wanted.casefold() in clip.id.casefold()]
    if len(matches) == 1:
        return matches[0]
    some = ", ".join((clip.id for clip in matches[:5]) if matches else ids[:3])
    if not matches:
        raise UserError(f"{source} has no clip {shown(wanted)} among {len(ids)}, such as {some}")
    more = ", ..." if len(matches) > 5 else ""
    raise UserError(
        f"{len(matches)} clips of {source} have {shown(wanted)} in their names ({some}{more}): "
        "give more of the name"
    )


def choose_classes(clip_set: ClipSet, classes: Sequence[str | int]) -> ClipSet:
    """Keep the clips of the chosen classes, relabelled 0..K-1 in the order given.

    Args:
        clip_set: clips, some perhaps without a label; those are left out.
        classes: class names (case is ignored where that is unambiguous) or label ids; none keeps
            every class that has clips, in label order.

    Raises:
        UserError: the set has no clips of a class, or one is named twice.
    """
    present = sorted({clip.label for clip in clip_set.clips} - {UNLABELLED})
    chosen = [_label_of(wanted, clip_set.classes, present) for wanted in classes] or present
    if len(set(chosen)) < len(chosen):
        raise UserError(f"prepare.classes names a class twice: {', '.join(map(str, classes))}")
    if not chosen:
        raise UserError("no clip of the source has a label: there is nothing to learn from")
    new_label = {label: new for new, label in enumerate(chosen)}
    clips = [
        replace(clip, label=new_label[clip.label])
        for clip in clip_set.clips
        if clip.label in new_label
    ]
    ids = {clip.id for clip in clips}
    subsets = {
        name: kept
        for name, members in clip_set.subsets.items()
        if (kept := [member for member in members if member in ids])
    }
    notes = list(clip_set.notes)
    if not classes and (absent := set(range(len(clip_set.classes))).difference(present)):
        number = f"{len(absent)} of {len(clip_set.classes)}"
        first = shown(clip_set.classes[min(absent)])
        notes.append(f"classes without a clip are left out: {number}, first {first}")
    return replace(
        clip_set,
        clips=clips,
        classes=[clip_set.classes[label] for label in chosen],
        subsets=subsets,
        notes=notes,
    )


def _label_of(wanted: str | int, names: Sequence[str], present: Sequence[int]) -> int:
    """The label of a class that has clips, by name or label id."""
    text = str(wanted)
    label = None
    if type(wanted) is int:
        label = wanted
    elif text in names:
        label = names.index(text)
    else:
        folded = [name.casefold() for name in names]
        if folded.count(text.casefold()) == 1:
            label = folded.index(text.casefold())
        elif text.isascii() and text.isdigit() and len(text) < 6:
            label = int(text)
    if label is None or label not in present:
        raise UserError(
            f"class {shown(wanted)} of prepare.classes has no clips in this source, which has "
            f"{', '.join(names[label] for label in present)}; "
            "take all with -S 'prepare.classes=[]'"
        )
    return label


def together(sets: list[tuple[Path, ClipSet]]) -> ClipSet:
    """Join the clips of several files into one set; classes of the same name are one class.

    Labels are kept where every file's list of classes is the longest one or its beginning.
    """
    longest = max((clip_set.classes for _, clip_set in sets), key=len)
    same = all(clip_set.classes == longest[: len(clip_set.classes)] for _, clip_set in sets)
    classes = {name: label for label, name in enumerate(longest)} if same else {}
    clips: list[Clip] = []
    notes: list[str] = []
    subsets: dict[str, list[str]] = {}
    where: dict[str, Path] = {}
    (first, one), *_ = sets
    for path, clip_set in sets:
        if clip_set.layout != one.layout:
            names = [found.layout.name if found.layout else "unknown" for found in (one, clip_set)]
            raise UserError(
                f"{path} has layout {names[1]}, but {first.name} has {names[0]}: convert one with "
                "--to"
            )
        notes += [f"{path.name}: {note}" for note in clip_set.notes]
        for name, members in _subsets(path, clip_set).items():
            subsets.setdefault(name, []).extend(members)
        for clip in clip_set.clips:
            if clip.id in where:
                raise UserError(
                    f"two clips are named {shown(clip.id)}, in {where[clip.id]} and {path}: "
                    "rename one"
                )
            where[clip.id] = path
            label = clip.label
            if label != UNLABELLED:
                label = classes.setdefault(clip_set.classes[label], len(classes))
            clips.append(replace(clip, label=label))
    return ClipSet(clips, list(classes), subsets, _counted(notes), one.layout)


def _subsets(path: Path, clip_set: ClipSet) -> dict[str, list[str]]:
    """A file's subsets; without any, files such as train.pkl and val.pkl are subsets themselves."""
    name = annotations.clip_name(path)
    if clip_set.subsets or not official_splits([name]):
        return clip_set.subsets
    return {name: [clip.id for clip in clip_set.clips]}


def _counted(notes: list[str]) -> list[str]:
    """The first few of many notes."""
    most = 5
    more = [f"{len(notes) - most} more notes like these"] if len(notes) > most else []
    return notes[:most] + more
