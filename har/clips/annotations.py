"""The published annotation format: one pickle of clips, read safely, checked, and written.

`{"split": {subset: [clip id]}, "annotations": [{"frame_dir": clip id, "label": int,
"total_frames": T, "img_shape": (height, width), "original_shape": (height, width),
"keypoint": (M, T, V, C) in pixels, "keypoint_score": (M, T, V)}]}` is what OpenMMLab publishes for
UCF101, HMDB51, NTU and others. Three keys more are read and written: `classes`, the class names in
label order, and a clip's `group` and `fps`. A 3D file has C = 3 and no `keypoint_score`.
"""

import itertools
import math
import pickle
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from har.clips import UNLABELLED, Clip, ClipSet, catalogue, safe_pickle
from har.clips.safe_pickle import shown
from har.errors import UserError
from har.files import write_atomically
from har.skeleton import layout_of_setting

_MOST_CLASSES = 10_000
_LONGEST_NAME = 1000  # characters
_HIGHEST_FPS = 100_000
_COPIES = 4  # arrays in memory may be this many times the file, no more
_FAR = 3  # image sizes beyond the image, from where on a coordinate is worth a note
_TOO_FAR = 1e9  # from where on squares and sums of single precision are no longer sure to be finite

# Clip names that give away the class, or the video or person, and with it the sister clips.
_UCF101_ID = re.compile(r"v_(?P<group>(?P<name>[A-Za-z]+)_g\d{2})_c\d{2}")
_NTU_ID = re.compile(r"S\d{3}C\d{3}(?P<group>P\d{3})R\d{3}A(?P<action>\d{3})")
_HMDB51_ID = re.compile(r"(?P<words>\w+)_[hulf]_[cn]m_np\d_(?:ba|fr|le|ri)_(?:bad|med|goo)_\d+")
_ROLE = re.compile(r"train(?:ing)?|val(?:id|idation)?|dev|test(?:ing)?", re.IGNORECASE)


def read_pickle(path: str | Path, classes: Sequence[str] | None = None) -> ClipSet:
    """Read and check a pickle in the published format.

    A clip that can't be used (NaN, no person, no frame) is dropped, and what is only odd is put
    right; `notes` tells both. The class names are the file's own, else `classes`, else those of
    the known set that the clip names belong to, else the label ids; where clip names contradict
    the order of a known set's labels, the clip names are believed. Arrays may be read-only.

    Raises:
        UserError: the file is missing, damaged, unsafe, not in this format, or no clip is usable.
    """
    path = Path(path)
    content = safe_pickle.load(path)
    if not isinstance(content, dict) or not isinstance(content.get("annotations"), list | tuple):
        raise UserError(
            f"{path} is not in the published format: it needs a dictionary with `split` and "
            f"a list `annotations`, but holds {shown(content)}"
        )
    return check(path, content, classes, room=_COPIES * path.stat().st_size)


def check(
    path: Path,
    content: Mapping[str, Any],
    classes: Sequence[str] | None = None,
    room: float = math.inf,
) -> ClipSet:
    """Make a clip set of the content of a published pickle; see read_pickle.

    Args:
        path: for messages.
        content: `annotations`, and perhaps `split` and `classes`.
        classes: class names where the content has none.
        room: most bytes that the arrays of all clips together may have.

    Raises:
        UserError: as read_pickle.
    """
    notes = _Notes()
    clips = []
    for number, annotation in enumerate(content["annotations"]):
        clip = _clip(path, number, annotation, notes)
        if clip is None:
            continue
        room -= clip.keypoints.nbytes + clip.scores.nbytes
        if room < 0:
            raise UserError(f"{path} repeats one array in many clips: give every clip its own")
        clips.append(clip)
    if not clips:
        raise UserError(f"{path} has no usable clip: {'; '.join(notes.lines()) or 'it is empty'}")
    _check_together(path, clips)
    if all(clip.group == clip.id for clip in clips):
        notes.add("no clip names its group: leaks between sister clips can't be seen")
    names = _class_names(path, clips, content.get("classes"), classes, notes)
    ids = {clip.id for clip in clips}
    subsets = _subsets(path, content.get("split"), ids, notes.dropped, notes)
    setting = content.get("layout")
    layout = None if setting is None else layout_of_setting(setting, str(path))
    return ClipSet(clips, names, subsets, notes.lines(), layout)


def write_pickle(path: str | Path, clip_set: ClipSet) -> None:
    """Write a set in the published format, with its `classes`.

    A clip's `group` is written only where its name does not tell it, its `fps` where it is known;
    the notes are left out.

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


def group_of(clip_id: str) -> str:
    """The group a clip's name gives away, else the name itself.

    UCF101: class and group, as ApplyEyeMakeup_g01 (group numbers start anew in every class); NTU:
    the performer.
    """
    match = _UCF101_ID.fullmatch(clip_id) or _NTU_ID.fullmatch(clip_id)
    return match["group"] if match else clip_id


class _Notes:
    """Notes of one kind are counted and told in one line with their first example."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.first: dict[str, str] = {}
        self.dropped: set[str] = set()

    def add(self, what: str, clip_id: str = "", detail: str = "") -> None:
        self.counts[what] += 1
        self.first.setdefault(what, f"{shown(clip_id)}{detail}" if clip_id else detail)

    def drop(self, why: str, clip_id: str) -> None:
        """Tell why a clip is left out."""
        self.dropped.add(clip_id)
        self.add(f"dropped: {why}", clip_id)

    def lines(self) -> list[str]:
        lines = []
        for what, count in self.counts.items():
            first = self.first[what]
            clips = f" ({count} clip{'s' * (count > 1)}, first {first})" if first else ""
            lines.append(what + clips)
        return lines


def _clip(path: Path, number: int, annotation: Any, notes: _Notes) -> Clip | None:
    """One checked clip, or None where it is dropped, which the notes tell."""
    if not isinstance(annotation, dict):
        raise UserError(f"{path}: annotation {number} is {shown(annotation)}, not a dictionary")
    clip_id = annotation.get("frame_dir", annotation.get("filename"))
    if not _is_name(clip_id):
        raise UserError(f"{path}: annotation {number} needs its clip's name in `frame_dir`")
    where = f"{path}: clip {shown(clip_id)}"
    label = _label(where, annotation.get("label"))
    if label == UNLABELLED:
        notes.add("no label: can be predicted, not learnt from", clip_id)

    keypoints = annotation.get("keypoint")
    if not isinstance(keypoints, np.ndarray) or keypoints.dtype.kind not in "fiu":
        raise UserError(
            f"{where} needs numbers in `keypoint`, an array (persons, frames, joints, 2), "
            f"but has {shown(keypoints)}"
        )
    if keypoints.ndim != 4 or keypoints.shape[2] < 1 or keypoints.shape[3] not in (2, 3):
        raise UserError(
            f"{where} has keypoints of shape {keypoints.shape}, not (persons, frames, joints, 2)"
        )
    flat = keypoints.shape[3] == 2
    scores = annotation.get("keypoint_score")
    if scores is None and flat:
        raise UserError(f"{where} has no `keypoint_score`, an array (persons, frames, joints)")
    if scores is not None and (
        not isinstance(scores, np.ndarray)
        or scores.dtype.kind not in "fiu"
        or scores.shape != keypoints.shape[:3]
    ):
        raise UserError(
            f"{where} needs numbers of shape {keypoints.shape[:3]} in `keypoint_score`, "
            f"but has {shown(scores)}"
        )
    frames = annotation.get("total_frames", keypoints.shape[1])
    if not isinstance(frames, int) or frames != keypoints.shape[1]:
        notes.add(
            "total_frames differs from the array: the array is believed",
            clip_id,
            f": {shown(frames)} and {keypoints.shape[1]}",
        )
    image_size = _image_size(where, annotation, required=flat)
    if keypoints.shape[0] == 0:
        notes.drop("no person", clip_id)
        return None
    if keypoints.shape[1] == 0:
        notes.drop("no frame", clip_id)
        return None
    if flat and 0 in image_size:
        notes.drop("image of size 0", clip_id)
        return None

    keypoints = _normal_floats(keypoints)
    lowest, highest = _range(keypoints)
    if not np.isfinite(lowest + highest):
        notes.drop("NaN or infinite coordinates", clip_id)
        return None
    far = max(-lowest, highest)
    if far > _TOO_FAR:
        notes.drop("coordinates too large to compute with", clip_id)
        return None
    if flat and far > (1 + _FAR) * max(image_size):
        notes.add(
            f"coordinates more than {_FAR} image sizes away: kept",
            clip_id,
            f": {far:.0f} px in an image of {max(image_size)}",
        )
    if scores is None:
        scores = np.any(keypoints, axis=-1)
    scores = _normal_floats(scores, keypoints.dtype)
    lowest, highest = _range(scores)
    if not np.isfinite(lowest + highest):
        notes.drop("NaN or infinite scores", clip_id)
        return None
    if lowest < 0 or highest > 1:
        notes.add("scores outside 0..1: clipped", clip_id, f": {lowest:.3g} to {highest:.3g}")
        scores = scores.clip(0, 1)
    if highest <= 0:
        notes.add("no joint was seen in the whole clip", clip_id)
    group = annotation.get("group")
    if group is None:
        group = group_of(clip_id)
    elif not _is_name(group) and not (isinstance(group, int) and abs(group) < 2**63):
        raise UserError(f"{where} has {shown(group)} as its `group`: give a string")
    fps = _fps(where, annotation.get("fps"))
    return Clip(clip_id, label, keypoints, scores, image_size, str(group), fps)


def _is_name(value: Any) -> TypeGuard[str]:
    """Whether a value can name something in tables and messages: no line breaks, no surrogates."""
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_NAME and value.isprintable()


def _label(where: str, label: Any) -> int:
    if label is None:
        return UNLABELLED
    if not isinstance(label, int) or isinstance(label, bool) or not 0 <= label < _MOST_CLASSES:
        raise UserError(f"{where} has label {shown(label)}: labels are 0 to {_MOST_CLASSES - 1}")
    return label


def _image_size(where: str, annotation: Mapping[str, Any], required: bool) -> tuple[int, int]:
    size = annotation.get("img_shape", annotation.get("original_shape"))
    if size is None and not required:
        return 0, 0
    if isinstance(size, np.ndarray) and size.ndim == 1 and size.size <= 3:
        size = size.tolist()
    sides = list(size[:2]) if isinstance(size, list | tuple) else []
    if len(sides) != 2 or not all(isinstance(side, int) and 0 <= side < 2**31 for side in sides):
        raise UserError(f"{where} needs its image's (height, width) in `img_shape`")
    return sides[0], sides[1]


def _fps(where: str, fps: Any) -> float:
    if fps is None:
        return 0.0
    if isinstance(fps, bool) or not isinstance(fps, int | float) or not 0 <= fps <= _HIGHEST_FPS:
        raise UserError(f"{where} has {shown(fps)} as its `fps`: give frames per second")
    return float(fps)


def _normal_floats(array: np.ndarray, dtype: np.dtype | None = None) -> np.ndarray:
    """C-contiguous and native; float16 stays so, to keep large sets small, all else is float32."""
    if dtype is None:
        half = array.dtype.kind == "f" and array.dtype.itemsize == 2
        dtype = np.dtype(np.float16 if half else np.float32)
    if array.dtype == dtype and array.flags.c_contiguous:
        return array
    with np.errstate(over="ignore"):  # too large becomes infinite, which is then told
        return np.ascontiguousarray(array, dtype)


def _range(array: np.ndarray) -> tuple[float, float]:
    """Lowest and highest value (0 as the lowest if none is negative), NaN where there is one."""
    if array.dtype == np.float16:  # halves without a sign bit are in the order of integers: faster
        top = array.view(np.uint16).max()
        if top < 0x8000:
            return 0.0, float(top.view(np.float16))
    with np.errstate(invalid="ignore"):
        return float(array.min()), float(array.max())


def _check_together(path: Path, clips: list[Clip]) -> None:
    """Refuse what makes clips no set: one name twice, or different skeletons."""
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


def _class_names(
    path: Path, clips: list[Clip], own: Any, given: Sequence[str] | None, notes: _Notes
) -> list[str]:
    """Name of each label; read_pickle tells where it comes from."""
    labels = max(clip.label for clip in clips) + 1
    if isinstance(own, np.ndarray) and own.size <= _MOST_CLASSES:
        own = own.tolist()
    if own is not None:
        if (
            not isinstance(own, list | tuple)
            or not all(map(_is_name, own))
            or len(set(own)) < len(own)
        ):
            raise UserError(f"{path}: `classes` must be a list of different names in label order")
        if len(own) < labels:
            raise UserError(f"{path} has label {labels - 1}, but {len(own)} names in `classes`")
        names = list(own)
    else:
        names = list(given or _classes_of_ids(clips))
    strangers = _strangers(clips, names)
    if own is None and (strangers or len(names) < labels):
        by_id = _names_in_ids(clips, names, labels)
        source = "clip names" if by_id else "label ids"
        why = "are not in the usual order of these names" if names else "have no names in the file"
        notes.add(f"the labels {why}: class names are taken from the {source}")
        names = by_id or [str(label) for label in range(labels)]
        strangers = _strangers(clips, names)
    for clip in strangers:
        label = f": {names[clip.label]}"
        notes.add("the clip's name says another class than its label", clip.id, label)
    return names


def _classes_of_ids(clips: list[Clip]) -> Sequence[str]:
    """The classes that clip names speak of: the list of a known set, or UCF101-like names."""
    ids = [clip.id for clip in clips]
    if all(_hmdb51_match(name) for name in ids):
        return catalogue.HMDB51_CLASSES
    if all((match := _NTU_ID.fullmatch(name)) and int(match["action"]) <= 60 for name in ids):
        return catalogue.NTU60_CLASSES
    matches = [_UCF101_ID.fullmatch(name) for name in ids]
    said = {match["name"] for match in matches if match}
    if not all(matches):
        return ()
    ucf101 = {name.casefold() for name in catalogue.UCF101_CLASSES}
    if {name.casefold() for name in said} <= ucf101:
        return catalogue.UCF101_CLASSES
    return sorted(said)


def _hmdb51_match(clip_id: str) -> re.Match[str] | None:
    return _HMDB51_ID.fullmatch(clip_id.rsplit("/", 1)[-1])


def _name_in_id(clip_id: str, names: Mapping[str, str]) -> str | None:
    """The class that a clip's name gives away, if it is one of `names`.

    `names` is keyed by case-folded name: UCF101's list and clips differ in HandstandPushups.
    """
    if match := _UCF101_ID.fullmatch(clip_id):
        return names.get(match["name"].casefold())
    if match := _hmdb51_match(clip_id):
        words = match["words"].casefold().split("_")
        tails = ("_".join(words[start:]) for start in range(len(words)))
        return next((names[tail] for tail in tails if tail in names), None)
    if (match := _NTU_ID.fullmatch(clip_id)) and 0 < int(match["action"]) <= 60:
        return names.get(catalogue.NTU60_CLASSES[int(match["action"]) - 1].casefold())
    return None


def _strangers(clips: list[Clip], names: Sequence[str]) -> list[Clip]:
    """Clips named after another class than their label's."""
    by_key = {name.casefold(): name for name in names}
    return [
        clip
        for clip in clips
        if clip.label != UNLABELLED
        and (name := _name_in_id(clip.id, by_key))
        and (clip.label >= len(names) or name != names[clip.label])
    ]


def _names_in_ids(clips: list[Clip], names: Sequence[str], labels: int) -> list[str] | None:
    """Class names in label order out of the clip names, None unless they are one to one."""
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
    path: Path, split: Any, ids: set[str], dropped: set[str], notes: _Notes
) -> dict[str, list[str]]:
    """Official subsets without unknown and repeated ids, and with no clip on both sides."""
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
            or not all(isinstance(member, str) for member in members)
        ):
            raise UserError(f"{path}: subset {shown(name)} of `split` is not a list of clip ids")
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
    families: dict[str, list[tuple[str, str]]] = {}
    for name in subsets:
        if role := _ROLE.search(name):
            family = name[: role.start()] + name[role.end() :]
            families.setdefault(family, []).append((role[0].casefold(), name))
    for members in families.values():
        for (role_1, name_1), (role_2, name_2) in itertools.combinations(sorted(members), 2):
            if role_1.startswith("train") == role_2.startswith("train"):
                continue
            if common := set(subsets[name_1]).intersection(subsets[name_2]):
                raise UserError(
                    f"{path}: clip {shown(min(common))} is both in subset {shown(name_1)} and in "
                    f"{shown(name_2)} ({len(common)} such clips): take it out of one of them"
                )
