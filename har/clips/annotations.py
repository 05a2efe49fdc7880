"""The published annotation format: clips as dictionaries, checked, and written as a pickle.

`{"split": {subset: [clip id]}, "annotations": [{"frame_dir": clip id, "label": int,
"total_frames": T, "img_shape": (height, width), "original_shape": (height, width),
"keypoint": (M, T, V, C) in pixels, "keypoint_score": (M, T, V)}]}` is what OpenMMLab publishes for
UCF101, HMDB51, NTU and others. `classes`, the class names in label order, and a clip's `group` and
`fps` are added here. All fields but `keypoint` are optional. Every other form of clips is brought
into this one: lists and dictionaries of annotations, single annotations, and own arrays.
"""

import math
import pickle
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from har.clips import UNLABELLED, Clip, ClipSet, catalogue, make_clip, safe_pickle
from har.clips.arrays import numbers
from har.clips.axes import check_axes, recognise, reorder
from har.clips.limits import MOST_CLASSES
from har.clips.notes import Notes
from har.clips.safe_pickle import shown
from har.clips.subsets import official_splits
from har.errors import UserError
from har.files import write_atomically
from har.skeleton import Layout, layout_of_setting

_LONGEST_NAME = 1000  # characters
_HIGHEST_FPS = 100_000
COPIES = 4  # arrays in memory may have at most this multiple of the file's bytes
_MOST_NAMED = 5  # names in one message

# Names of a clip's fields in the published format, in own files, and elsewhere.
_NAME = ("frame_dir", "filename", "clip", "id", "name")
_KEYPOINTS = ("keypoint", "keypoints", "data")
_SCORES = ("keypoint_score", "keypoint_scores", "scores", "confidence")
_IMAGE_SIZE = ("img_shape", "image_size", "original_shape")
_SUBSET = ("subset", "split")
_OTHERS = ("total_frames", "label", "group", "fps")
_READ = {*_NAME, *_KEYPOINTS, *_SCORES, *_IMAGE_SIZE, *_SUBSET, *_OTHERS}
_SUFFIXES = (".pkl", ".pickle", ".npz", ".npy", ".json", ".gz", ".xz", ".bz2")
_READ_OF_SETS = {"annotations", "split", "classes", "layout"}
_UCF101_IMAGE = (256, 340)  # height and width, which its one-clip pickles lack

# Clip names that contain the class, or the video or person, which is the group.
_UCF101_ID = re.compile(r"v_(?P<group>(?P<name>[A-Za-z]+)_g\d{2})_c\d{2}")
_NTU_ID = re.compile(r"S\d{3}C\d{3}(?P<group>P\d{3})R\d{3}A(?P<action>\d{3})")
_HMDB51_ID = re.compile(r"(?P<words>\w+)_[hulf]_[cn]m_np\d_(?:ba|fr|le|ri)_(?:bad|med|goo)_\d+")
_LABEL_AND_ID = re.compile(r"(?P<label>\d{1,4})_(?P<id>.+)", re.ASCII)


@dataclass(frozen=True)
class Given:
    """What the user gives for clips whose file lacks it.

    Attributes:
        image_size: (height, width) in pixels, None where unknown.
        fps: frames per second, 0 where unknown.
        dimensions: coordinates per joint, None to recognise them.
        axes: order of the arrays' axes, as in har.clips.axes; empty to recognise it.
        layout: of the joints.
    """

    image_size: tuple[int, int] | None = None
    fps: float = 0.0
    dimensions: int | None = None
    axes: str = ""
    layout: Layout | None = None


def read_pickle(
    path: str | Path, classes: Sequence[str] | None = None, given: Given | None = None
) -> ClipSet:
    """Read and check a pickle of annotations or of one clip.

    A clip without persons or frames is dropped, lesser oddities are corrected, and `notes` lists
    both. The class names are the file's own, else `classes`, else those of the known set that the
    clip names belong to, else the label ids. Where clip names contradict the order of a known set's
    labels, the clip names win. Arrays may be read-only.

    Raises:
        UserError: the file is missing, damaged, unsafe, of another kind, or has no usable clip.
    """
    path = Path(path)
    content, size = safe_pickle.load_and_measure(path)
    return check(path, annotations_of(path, content), classes, COPIES * size, given)


def annotations_of(path: Path, content: Any) -> dict[Any, Any]:
    """Bring what a file holds into the published form: a dictionary with a list `annotations`.

    Args:
        path: of the file; a clip without a name takes the file's.
        content: the published form, a list of annotations, a dictionary of them by clip name or of
            lists of them by subset, one annotation, or an array or nested lists of one clip.

    Raises:
        UserError: it is none of these.
    """
    if isinstance(content, dict) and "annotations" in content:
        items = content["annotations"]
        if isinstance(items, dict):
            items = _named(items)
        if isinstance(items, list | tuple):
            return content | {"annotations": items}
    elif isinstance(content, dict) and _is_annotation(content):
        keys = ("classes",) if isinstance(content.get("label"), str | int) else ()
        own = {key: content[key] for key in keys if key in content}
        return own | {"annotations": [_named_by_file(path, content)]}
    elif isinstance(content, dict) and content:
        values = list(content.values())
        if all(map(_is_annotation, values)):
            return {"annotations": _named(content)}
        lists = [key for key, value in content.items() if _is_list_of_annotations(value)]
        if len(lists) == len(content):
            return {
                "annotations": [
                    {"subset": key} | item for key, items in content.items() for item in items
                ]
            }
    elif _is_list_of_annotations(content):
        return {"annotations": content}
    elif isinstance(content, np.ndarray) or _is_nested(content):
        return {"annotations": [_named_by_file(path, {"keypoints": content})]}
    raise UserError(
        f"{path} holds {_contents(content)}: give a list of annotations, alone or as `annotations` "
        "of a dictionary, each with `keypoint` (persons, frames, joints, 2), or the keypoints of "
        "one clip"
    )


def check(
    path: Path,
    content: Mapping[Any, Any],
    classes: Sequence[str] | None = None,
    room: float = math.inf,
    given: Given | None = None,
) -> ClipSet:
    """Make a clip set of annotations; see read_pickle.

    Args:
        path: for messages.
        content: `annotations`, and perhaps `split`, `classes` and `fps`.
        classes: class names where the content has none.
        room: most bytes that the arrays of all clips together may have.
        given: what the annotations lack.

    Raises:
        UserError: as read_pickle.
    """
    given = given or Given()
    notes = Notes()
    items = list(_one_by_one(path, content["annotations"], given, notes))
    ids = _clip_ids(path, [item for item, _ in items], notes)
    own = _own_names(path, content.get("classes"))
    labels, own = _labels(path, ids, [item for item, _ in items], own)
    clips = []
    marked: dict[str, list[str]] = {}
    for (item, axes), clip_id, label in zip(items, ids, labels, strict=True):
        clip = _clip(path, clip_id, label, item, axes, given, notes)
        if clip is None:
            continue
        room -= clip.keypoints.nbytes + clip.scores.nbytes
        if room < 0:
            raise UserError(f"{path} repeats one array in many clips: give every clip its own")
        clips.append(clip)
        if isinstance(subset := _first(item, _SUBSET), str):
            marked.setdefault(subset, []).append(clip_id)
    if not clips:
        raise UserError(f"{path} has no usable clip: {'; '.join(notes.lines()) or 'it is empty'}")
    unread = dict.fromkeys(key for item, _ in items for key in item if key not in _READ)
    unread |= dict.fromkeys(key for key in content if key not in _READ_OF_SETS)
    if unread:
        notes.add(f"keys that are not needed are ignored: {_some(list(unread))}")
    _check_together(path, clips)
    if len(clips) > 1 and all(clip.group == clip.id for clip in clips):
        notes.add("no clip names its group: leaks between clips of the same group can't be seen")
    for clip in clips:
        if clip.label == UNLABELLED:
            notes.add("no label: can be predicted, not learnt from", clip.id)
    names = _class_names(path, clips, own, classes, notes)
    known = {clip.id for clip in clips}
    split = content.get("split")
    subsets = _subsets(path, marked if split is None else split, known, notes.dropped, notes)
    setting = content.get("layout")
    layout = given.layout
    if layout is None and setting is not None:
        layout = layout_of_setting(setting, str(path))
    return ClipSet(clips, names, subsets, notes.lines(), layout)


def write_pickle(path: str | Path, clip_set: ClipSet) -> None:
    """Write a set in the published format, with its `classes`.

    A clip's `group` is written only where its name does not contain it, its `fps` where it is
    known; the notes are left out.

    Raises:
        UserError: the file cannot be written.
    """
    annotations = []
    for clip in clip_set.clips:
        annotation: dict[str, Any] = {"frame_dir": clip.id}
        if clip.label != UNLABELLED:
            annotation["label"] = clip.label
        annotation |= {
            "total_frames": clip.keypoints.shape[1],
            "img_shape": clip.image_size,
            "original_shape": clip.image_size,
            "keypoint": clip.keypoints,
            "keypoint_score": clip.scores,
        }
        if clip.group != group_of(clip.id):
            annotation["group"] = clip.group
        if clip.fps:
            annotation["fps"] = clip.fps
        annotations.append(annotation)
    content = {
        "split": clip_set.subsets,
        "annotations": annotations,
        "classes": list(clip_set.classes),
    }
    if clip_set.layout:
        content["layout"] = clip_set.layout.setting
    with write_atomically(path) as file:
        pickle.dump(content, file, protocol=4)


def clip_name(path: Path) -> str:
    """The name that a clip without one takes from its file."""
    name = path
    while name.suffix.lower() in _SUFFIXES:
        name = name.with_suffix("")
    return name.name if _is_name(name.name) else "clip"


def group_of(clip_id: str) -> str:
    """The group in a clip's name, else the name itself.

    UCF101: class and group, as ApplyEyeMakeup_g01 (group numbers start anew in every class); NTU:
    the performer.
    """
    match = _UCF101_ID.fullmatch(clip_id) or _NTU_ID.fullmatch(clip_id)
    return match["group"] if match else clip_id


def _first(item: Mapping[Any, Any], keys: Sequence[str]) -> Any:
    """The value of the first key that has one."""
    return next((item[key] for key in keys if item.get(key) is not None), None)


def _is_annotation(value: Any) -> bool:
    return isinstance(value, dict) and any(key in value for key in (*_KEYPOINTS, "raw_file"))


def _is_list_of_annotations(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(map(_is_annotation, value))


def _is_nested(value: Any) -> bool:
    """Whether lists are nested as deeply as keypoints are."""
    for _ in range(3):
        if not isinstance(value, list | tuple) or not value:
            return False
        value = value[0]
    return True


def _named(items: Mapping[Any, Any]) -> list[Any]:
    """Annotations by clip name as a list."""
    return [
        {"frame_dir": key} | item if _is_annotation(item) else item for key, item in items.items()
    ]


def _named_by_file(path: Path, item: dict[Any, Any]) -> dict[Any, Any]:
    """An annotation with the file's name, where it has none, and the label in that name."""
    if _first(item, _NAME) is not None:
        return item
    stem = clip_name(path)
    match = _LABEL_AND_ID.fullmatch(stem) if "data" in item else None
    if match:
        return {"label": int(match["label"]), "frame_dir": match["id"]} | item
    return item | {"frame_dir": stem}


def _contents(content: Any) -> str:
    """A file's content in words: the keys of a dictionary, the first item of a list."""
    if isinstance(content, dict) and content:
        return f"a dictionary with {_some(list(content))}"
    if isinstance(content, list | tuple) and content:
        return f"a list of {len(content)}, the first of them {_contents(content[0])}"
    return shown(content)


def _some(names: list[Any]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(map(shown, names[:_MOST_NAMED])) + more


def _one_by_one(
    path: Path, items: Sequence[Any], given: Given, notes: Notes
) -> Iterator[tuple[dict[Any, Any], str]]:
    """Annotations with the order of their axes, one for each clip of an array of many clips."""
    for number, item in enumerate(items):
        if not isinstance(item, dict):
            raise UserError(f"{path}: annotation {number} is {shown(item)}, not a dictionary")
        key = next((key for key in _KEYPOINTS if item.get(key) is not None), None)
        if key is None:
            yield item, given.axes
            continue
        named = f"clip {shown(_first(item, _NAME) or clip_name(path))}"
        array = numbers(item[key], f"{path}: {named} needs numbers in `{key}`")
        if array.ndim == 5 or "n" in given.axes:
            yield from _apart(path, item | {key: array}, given.axes, notes)
        else:
            yield item | {key: array}, given.axes


def _apart(
    path: Path, item: dict[Any, Any], axes: str, notes: Notes
) -> Iterator[tuple[dict[Any, Any], str]]:
    """One annotation for each clip of an array, such as ST-GCN's (N, C, T, V, M).

    Trailing frames and trailing persons without any seen joint are left out.
    """
    array, scores = _first(item, _KEYPOINTS), _first(item, _SCORES)
    if axes:
        check_axes(axes)
        if len(axes) != array.ndim:
            raise UserError(f"{path}: keypoints of shape {array.shape} do not have the axes {axes}")
    else:
        axes, note = recognise(array, None, scores is not None)
        notes.add(note or f"an array of many clips is taken for {axes}")
    arrays = reorder(array, axes)
    if isinstance(scores, np.ndarray) and scores.ndim == len(axes) - 1:
        scores = reorder(scores, axes.replace("c", ""))
    rest = {
        key: value
        for key, value in item.items()
        if key not in (*_KEYPOINTS, *_SCORES, "total_frames")
    }
    name = _first(item, _NAME)
    digits = len(str(len(arrays)))
    for number, points in enumerate(arrays):
        seen = points.any(axis=(2, 3))
        persons = max(np.flatnonzero(seen.any(axis=1)), default=0) + 1
        frames = max(np.flatnonzero(seen.any(axis=0)), default=0) + 1
        made = dict(rest) | {"keypoint": points[:persons, :frames]}
        if scores is not None:
            if len(scores) != len(arrays):
                raise UserError(f"{path} has {len(arrays)} clips and {len(scores)} scores")
            made["keypoint_score"] = scores[number][:persons, :frames]
        for key, value in rest.items():  # such as a label for each
            if isinstance(value, list | np.ndarray) and len(value) == len(arrays):
                made[key] = value[number]
        if len(arrays) > 1 and not isinstance(name, list | np.ndarray):
            made["frame_dir"] = f"{name or clip_name(path)}_{number + 1:0{digits}d}"
        yield made, "mtvc"


def _clip_ids(path: Path, items: Sequence[dict[Any, Any]], notes: Notes) -> list[str]:
    ids = []
    for number, item in enumerate(items):
        clip_id = _first(item, _NAME)
        if clip_id is None:
            notes.add("clips without a name in `frame_dir` are numbered")
            clip_id = f"{clip_name(path)}_{number + 1}"
        text = _text(clip_id)
        if text is None:
            raise UserError(
                f"{path}: annotation {number} has {shown(clip_id)} as its clip's name in "
                "`frame_dir`: give a printable text"
            )
        ids.append(text)
    return ids


def _text(value: Any) -> str | None:
    """A name, or a whole number as a name; None for anything else."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63:
        return str(value)
    return value if _is_name(value) else None


def _labels(
    path: Path, ids: Sequence[str], items: Sequence[dict[Any, Any]], names: list[str] | None
) -> tuple[list[int], list[str] | None]:
    """Label of each annotation, and the class names, perhaps taken from the labels."""
    labels = [
        _label(f"{path}: clip {shown(clip_id)}", item.get("label"))
        for clip_id, item in zip(ids, items, strict=True)
    ]
    if not any(isinstance(label, str) for label in labels):
        return [int(label) for label in labels], names
    if names is None:
        if all(isinstance(label, str) and _is_number(label) for label in labels):
            return [int(label) for label in labels], None
        names = sorted({label for label in labels if isinstance(label, str)})
        numbers = [label for label in labels if isinstance(label, int) and label != UNLABELLED]
        if numbers:
            raise UserError(
                f"{path} has clips with label {numbers[0]} and with label {shown(names[0])}: give "
                "all labels as numbers or all as class names"
            )
    number_of = {name: number for number, name in enumerate(names)}
    for index, label in enumerate(labels):
        if isinstance(label, str):
            known = number_of.get(label, int(label) if _is_number(label) else None)
            if known is None:
                raise UserError(
                    f"{path}: clip {shown(ids[index])} has label {shown(label)}, which is not in "
                    f"`classes`: {_some(names)}"
                )
            labels[index] = known
    return [int(label) for label in labels], names


def _label(where: str, label: Any) -> int | str:
    """A label as a number or a name, UNLABELLED where there is none."""
    if isinstance(label, np.ndarray | list | tuple) and np.size(label) == 1:
        label = np.ravel(label)[0]
    if isinstance(label, np.generic):
        label = label.item()
    if isinstance(label, float) and label.is_integer():
        label = int(label)
    if label is None or (isinstance(label, float) and math.isnan(label)):
        return UNLABELLED
    if _is_name(label):
        return label
    if not isinstance(label, int) or isinstance(label, bool) or not -1 <= label < MOST_CLASSES:
        raise UserError(
            f"{where} has label {shown(label)}: labels are numbers, 0 to {MOST_CLASSES - 1}, or "
            "class names"
        )
    return label


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 5


def _clip(
    path: Path,
    clip_id: str,
    label: int,
    item: Mapping[Any, Any],
    axes: str,
    given: Given,
    notes: Notes,
) -> Clip | None:
    """One checked clip, or None where it is dropped, with a note."""
    where = f"{path}: clip {shown(clip_id)}"
    keypoints = _first(item, _KEYPOINTS)
    if keypoints is None:
        if (raw := item.get("raw_file")) is not None:
            raise UserError(
                f"{where} has no keypoints, only the name of another file in `raw_file` "
                f"({shown(raw)}), as in the list of Kinetics-400: its keypoints are published "
                "apart; put each clip's into its annotation as `keypoint`, or take a set that "
                "holds them, such as ntu60"
            )
        raise UserError(
            f"{where} has no keypoints: give them in `keypoint`, (persons, frames, joints, 2)"
        )
    if keypoints.ndim == 4 and 0 in keypoints.shape[:2]:
        notes.drop("no person" if len(keypoints) == 0 else "no frame", clip_id)
        return None
    size = _first(item, _IMAGE_SIZE)
    size = given.image_size if size is None else size
    if size is None and "data" in item and _UCF101_ID.fullmatch(clip_id):
        size = _UCF101_IMAGE
        notes.add("a one-clip pickle has no image size: UCF101's 340x256 is assumed", clip_id)
    group = item.get("group")
    if group is not None and (group := _text(group)) is None:
        raise UserError(f"{where} has {shown(item['group'])} as its `group`: give a text")
    frames = item.get("total_frames")
    if isinstance(frames, float) and frames.is_integer():
        frames = int(frames)
    try:
        clip = make_clip(
            clip_id,
            keypoints,
            _first(item, _SCORES),
            size,
            given.dimensions,
            label=label,
            group=group or group_of(clip_id),
            fps=_fps(clip_id, item.get("fps")) or given.fps,
            frames=frames if isinstance(frames, int) else None,
            axes=axes,
            notes=notes,
        )
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    if frames is not None and frames != clip.keypoints.shape[1]:
        notes.add(
            "total_frames differs from the array: the array wins",
            clip_id,
            f": {shown(frames)} and {clip.keypoints.shape[1]}",
        )
    return clip


def _is_name(value: Any) -> TypeGuard[str]:
    """Whether a value can name something in tables and messages: no line breaks, no surrogates."""
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_NAME and value.isprintable()


def _fps(clip_id: str, fps: Any) -> float:
    if isinstance(fps, np.ndarray) and fps.size == 1:
        fps = fps.item()
    if fps is None or fps != fps:  # noqa: PLR0124 - NaN is how a table marks a missing value
        return 0.0
    if isinstance(fps, bool) or not isinstance(fps, int | float) or not 0 <= fps <= _HIGHEST_FPS:
        raise UserError(
            f"clip {shown(clip_id)} has {shown(fps)} as its `fps`: give frames per second"
        )
    return float(fps)


def _check_together(path: Path, clips: list[Clip]) -> None:
    """Refuse clips that make no set: two of one name, or different skeletons."""
    name, count = Counter(clip.id for clip in clips).most_common(1)[0]
    if count > 1:
        raise UserError(f"{path} has {count} clips named {shown(name)}: names must be unique")
    first = clips[0]
    for clip in clips:
        if clip.keypoints.shape[2:] != first.keypoints.shape[2:]:
            raise UserError(
                f"{path}: clip {shown(clip.id)} has (joints, coordinates) "
                f"{clip.keypoints.shape[2:]}, but {shown(first.id)} has "
                f"{first.keypoints.shape[2:]}: one file, one skeleton"
            )


def _own_names(path: Path, classes: Any) -> list[str] | None:
    """The file's own class names."""
    if classes is None:
        return None
    if isinstance(classes, np.ndarray) and classes.size <= MOST_CLASSES:
        classes = classes.tolist()
    if isinstance(classes, dict):  # names by label, or labels by name
        numbered = {k: v for k, v in classes.items() if isinstance(k, int)} or {
            v: k for k, v in classes.items() if isinstance(v, int)
        }
        if sorted(numbered) == list(range(len(classes))):
            classes = [numbered[label] for label in range(len(classes))]
    if (
        not isinstance(classes, list | tuple)
        or not all(map(_is_name, classes))
        or len(set(classes)) < len(classes)
    ):
        raise UserError(f"{path}: `classes` must be a list of different names in label order")
    return list(classes)


def _class_names(
    path: Path,
    clips: list[Clip],
    own: list[str] | None,
    given: Sequence[str] | None,
    notes: Notes,
) -> list[str]:
    """Name of each label, from the sources that read_pickle lists."""
    labels = max(clip.label for clip in clips) + 1
    if own is not None:
        if len(own) < labels:
            raise UserError(f"{path} has label {labels - 1}, but {len(own)} names in `classes`")
        names = own
    else:
        names = list(given or _classes_of_ids(clips))
    misnamed = _misnamed(clips, names)
    if own is None and (misnamed or len(names) < labels):
        by_id = _names_in_ids(clips, names, labels)
        source = "clip names" if by_id else "label ids"
        why = "are not in the usual order of these names" if names else "have no names in the file"
        notes.add(f"the labels {why}: class names are taken from the {source}")
        names = by_id or [str(label) for label in range(labels)]
        misnamed = _misnamed(clips, names)
    for clip in misnamed:
        label = f": {names[clip.label]}"
        notes.add("the clip's name contains another class than its label's", clip.id, label)
    return names


def _classes_of_ids(clips: list[Clip]) -> Sequence[str]:
    """Class names by the form of clip names: a known set's list, or those in UCF101-like names."""
    ids = [clip.id for clip in clips]
    if all(_hmdb51_match(name) for name in ids):
        return catalogue.HMDB51_CLASSES
    actions = [int(match["action"]) for name in ids if (match := _NTU_ID.fullmatch(name))]
    if len(actions) == len(ids) and max(actions) <= 120:
        return catalogue.NTU60_CLASSES if max(actions) <= 60 else catalogue.NTU120_CLASSES
    matches = [_UCF101_ID.fullmatch(name) for name in ids]
    found = {match["name"] for match in matches if match}
    if not all(matches):
        return ()
    ucf101 = {name.casefold() for name in catalogue.UCF101_CLASSES}
    if {name.casefold() for name in found} <= ucf101:
        return catalogue.UCF101_CLASSES
    return sorted(found)


def _hmdb51_match(clip_id: str) -> re.Match[str] | None:
    return _HMDB51_ID.fullmatch(clip_id.rsplit("/", 1)[-1])


def _name_in_id(clip_id: str, names: Mapping[str, str]) -> str | None:
    """The class in a clip's name, if it is one of `names`.

    `names` is keyed by case-folded name: UCF101's list and clips differ in HandstandPushups.
    """
    if match := _UCF101_ID.fullmatch(clip_id):
        return names.get(match["name"].casefold())
    if match := _hmdb51_match(clip_id):
        words = match["words"].casefold().split("_")
        tails = ("_".join(words[start:]) for start in range(len(words)))
        return next((names[tail] for tail in tails if tail in names), None)
    if (match := _NTU_ID.fullmatch(clip_id)) and 0 < int(match["action"]) <= 120:
        return names.get(catalogue.NTU120_CLASSES[int(match["action"]) - 1].casefold())
    return None


def _misnamed(clips: list[Clip], names: Sequence[str]) -> list[Clip]:
    """Clips whose name contains another class than their label's."""
    by_key = {name.casefold(): name for name in names}
    return [
        clip
        for clip in clips
        if clip.label != UNLABELLED
        and (name := _name_in_id(clip.id, by_key))
        and (clip.label >= len(names) or name != names[clip.label])
    ]


def _names_in_ids(clips: list[Clip], names: Sequence[str], labels: int) -> list[str] | None:
    """Class names in label order, from the clip names; None unless they are one to one."""
    by_key = {name.casefold(): name for name in names}
    votes: dict[int, Counter[str]] = {}
    for clip in clips:
        if clip.label != UNLABELLED and (name := _name_in_id(clip.id, by_key)):
            votes.setdefault(clip.label, Counter())[name] += 1
    winners = {label: votes[label].most_common(1)[0][0] for label in votes}
    if not winners or len(set(winners.values())) < len(winners):
        return None
    return [winners.get(label, str(label)) for label in range(labels)]


def _subsets(
    path: Path, split: Any, ids: set[str], dropped: set[str], notes: Notes
) -> dict[str, list[str]]:
    """Official subsets without unknown or repeated ids, and with no clip on both sides."""
    if split is None:
        return {}
    if not isinstance(split, dict):
        raise UserError(f"{path}: `split` is {shown(split)}, not subset name -> list of clip ids")
    subsets: dict[str, list[str]] = {}
    for name, members in split.items():
        if isinstance(members, np.ndarray) and members.size <= 2 * len(ids | dropped):
            members = members.tolist()
        if (
            not _is_name(name)
            or not isinstance(members, list | tuple)
            or not all(isinstance(member, str | int | float) for member in members)
        ):
            raise UserError(f"{path}: subset {shown(name)} of `split` is not a list of clip ids")
        members = [_text(member) or shown(member) for member in members]
        known = [member for member in dict.fromkeys(members) if member in ids]
        unknown = [member for member in members if member not in ids and member not in dropped]
        for member in unknown:
            notes.add(f"subset {shown(name)} names clips that the file lacks: ignored", member)
        if len(known) + len(unknown) < sum(member not in dropped for member in members):
            notes.add(f"subset {shown(name)} names clips more than once")
        if members and not known:
            raise UserError(f"{path}: no clip of subset {shown(name)} is in `annotations`")
        subsets[name] = known
    _check_apart(path, subsets)
    return subsets


def _check_apart(path: Path, subsets: Mapping[str, list[str]]) -> None:
    """Refuse a clip that is both in train1 and test1, or xsub_train and xsub_val."""
    for keys in official_splits(subsets).values():
        held_out = [name for role, name in keys.items() if role != "train"]
        for name in held_out if "train" in keys else ():
            if common := set(subsets[keys["train"]]).intersection(subsets[name]):
                raise UserError(
                    f"{path}: clip {shown(min(common))} is both in subset {shown(keys['train'])} "
                    f"and in {shown(name)} ({len(common)} such clips): take it out of one of them"
                )
