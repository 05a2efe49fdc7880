"""Where clips come from: the simulator, a published set, a pickle, a folder of one-clip pickles."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from har.clips import UNLABELLED, Clip, ClipSet, annotations, keypoint_files, safe_pickle
from har.clips.annotations import read_pickle
from har.clips.catalogue import CATALOGUE
from har.clips.download import download
from har.clips.safe_pickle import shown
from har.clips.user_files import SUFFIXES, read_file
from har.errors import UserError
from har.skeleton import Layout

_UCF101_IMAGE = (256, 340)  # height and width of every clip of the published UCF101 file


def load(source: str, seed: int, raw_folder: str | Path, base: str | Path = ".") -> ClipSet:
    """All clips of a source.

    Args:
        source: `simulated`, `simulated_everyday`, a name of the catalogue, or the path of a file
            or folder that `read` can read.
        seed: of the simulated sets.
        raw_folder: where downloads are kept.
        base: what a relative path is relative to.

    Raises:
        UserError: there is no such source, or it can't be fetched or read.
    """
    if source == "simulated":
        from har.clips.simulate import simulate  # the other sources do without it

        return simulate(seed)
    if source == "simulated_everyday":
        from har.clips.simulate.everyday_clips import simulate_everyday

        return simulate_everyday(seed)
    if source in CATALOGUE:
        published = CATALOGUE[source]
        return read_pickle(download(published, raw_folder), published.classes)
    path = Path(base) / os.path.expanduser(source)
    if not os.path.exists(path):
        raise UserError(
            f"prepare.source {shown(source)} not found: there is no {path}, and it is none of "
            f"simulated, simulated_everyday, {', '.join(CATALOGUE)}"
        )
    return read(path)


def read(
    path: str | Path,
    image_size: tuple[int, int] | None = None,
    fps: float = 0.0,
    dimensions: int = 2,
    layout: Layout | None = None,
) -> ClipSet:
    """Read all clips of a file or folder, whatever its form.

    Every command and `prepare.source` read by this. Files of other pose tools are read by
    `keypoint_files.read`, which is asked first about whatever is no pickle and answers None where
    a file or folder is not of its kinds.

    Args:
        path: a pickle in the published format, a one-clip pickle {"data": (T, V, 2)}, own
            keypoints as .npz, .npy or .json, another pose tool's file or folder, a folder of such
            files, or one of `<label>/<label>_<clip id>.pkl`.
        image_size: (height, width) in pixels of clips whose file does not tell it.
        fps: frames per second of clips whose file does not tell it; 0 is unknown.
        dimensions: coordinates per joint of own keypoints; one number more is the score.
        layout: the joints of the file, where it does not tell them.

    Raises:
        UserError: the file is missing, damaged, unsafe, or not in one of these forms.
    """
    clip_set = _read(Path(path), image_size, dimensions, layout)
    clips = [clip if clip.fps else replace(clip, fps=fps) for clip in clip_set.clips]
    return replace(clip_set, clips=clips)


def _read(
    path: Path, image_size: tuple[int, int] | None, dimensions: int, layout: Layout | None
) -> ClipSet:
    try:
        is_folder, is_there = path.is_dir(), path.exists()
    except (OSError, ValueError):  # a name too long, or with a NUL
        is_folder = is_there = False
    if not is_there:
        raise UserError(f"{path} not found: check the path")
    if found := keypoint_files.read(path, image_size, layout):
        return found
    if not is_folder:
        clip_set = read_file(path, image_size, dimensions)
        return replace(clip_set, layout=layout or clip_set.layout)
    suffixes = {*SUFFIXES, *keypoint_files.SUFFIXES}
    sets = []
    for file in sorted(file for file in path.iterdir() if file.suffix.lower() in suffixes):
        if found := keypoint_files.read(file, image_size, layout):
            sets.append((file, found))
        elif file.suffix.lower() in SUFFIXES:  # a text or table beside clips may be anything
            clip_set = read_file(file, image_size, dimensions)
            sets.append((file, replace(clip_set, layout=layout or clip_set.layout)))
    if sets:
        return together(sets)
    if any(path.glob("*/*.pkl")):
        return read_folder(path)
    raise UserError(f"{path} has no file that ends in {', '.join(SUFFIXES)}")


def choose(clip_set: ClipSet, wanted: str, source: str | Path) -> Clip:
    """The clip of an id, or the only one whose id contains the text (case is ignored).

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
        classes: class names (case is ignored where that is clear) or label ids; none keeps every
            class that has clips, in label order.

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


def read_folder(folder: str | Path) -> ClipSet:
    """Read one-clip pickles, `<label>/<label>_<clip id>.pkl` with {"data": (T, V, 2)}.

    Such files have one person and no scores, so a joint at (0, 0) counts as missing. They don't
    tell the image size either: UCF101's is taken. Folder names that are numbers are label ids;
    others are class names, labelled in alphabetical order.

    Raises:
        UserError: there are no such files, or one is not of this kind.
    """
    folder = Path(folder)
    files = sorted(folder.glob("*/*.pkl"))
    if not files:
        raise UserError(
            f"{folder} has no one-clip pickles: expected <label>/<label>_<clip id>.pkl in it"
        )
    names = sorted({file.parent.name for file in files})
    numbered = all(name.isascii() and name.isdigit() and len(name) < 6 for name in names)
    clips = []
    for file in files:
        content = safe_pickle.load(file)
        data = content.get("data") if isinstance(content, dict) else content
        if not isinstance(data, np.ndarray) or data.ndim != 3 or data.shape[2] != 2:
            raise UserError(
                f"{file} needs an array (frames, joints, 2) as its `data`, but has {shown(data)}"
            )
        label = file.parent.name
        clips.append(
            {
                "frame_dir": file.stem.removeprefix(f"{label}_"),
                "label": int(label) if numbered else names.index(label),
                "img_shape": _UCF101_IMAGE,
                "keypoint": data[None],
                "keypoint_score": np.any(data[None], axis=-1).astype(np.float32),
            }
        )
    content = {"annotations": clips} if numbered else {"annotations": clips, "classes": names}
    clip_set = annotations.check(folder, content)
    height, width = _UCF101_IMAGE
    told = [
        f"one-clip pickles don't tell the image size: UCF101's {height} x {width} is taken",
        "one-clip pickles have no scores: 0 for a joint at (0, 0), 1 for all others",
    ]
    return replace(clip_set, notes=clip_set.notes + told)


def together(sets: list[tuple[Path, ClipSet]]) -> ClipSet:
    """One set of the clips of several files; a class is the same where its name is."""
    classes: dict[str, int] = {}
    clips: list[Clip] = []
    notes: list[str] = []
    where: dict[str, Path] = {}
    (first, one), *_ = sets
    for path, clip_set in sets:
        if clip_set.layout != one.layout:
            names = [found.layout.name if found.layout else "unknown" for found in (one, clip_set)]
            raise UserError(
                f"{path} is of layout {names[1]}, {first.name} beside it of {names[0]}: convert "
                "one with --to"
            )
        notes += [f"{path.name}: {note}" for note in clip_set.notes]
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
    return ClipSet(clips, list(classes), notes=_counted(notes), layout=one.layout)


def _counted(notes: list[str]) -> list[str]:
    """The first few of many notes."""
    most = 5
    more = [f"{len(notes) - most} more notes like these"] if len(notes) > most else []
    return notes[:most] + more
