"""Long recordings cut into clips by a table of segments."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from har.clips.clip import USUAL_FPS, Clip, ClipSet
from har.clips.safe_pickle import shown
from har.clips.segments import Segment
from har.errors import UserError

BACKGROUND = "background"
_LEAST_BACKGROUND = 1.0  # seconds; shorter stretches are transitions between two actions
_ENDING = re.compile(r"\.[A-Za-z]\w{0,4}$")


def recording_of(name: str, known: Iterable[str], table: Path) -> str | None:
    """Find the recording that a table names; None where it is unknown.

    A name matches where it is the end of a recording's path or the other way round; suffixes such
    as .mp4 or .npy are ignored. A table that names no recording is about the only one, else about
    that of its own name.

    Raises:
        UserError: the name fits several.
    """
    known = list(known)
    if not name and len(known) == 1:
        return known[0]
    name = name or table.stem
    if name in known:
        return name
    wanted = _parts(name)
    fit = [
        recording
        for recording in known
        if (own := _parts(recording))[-len(wanted) :] == wanted or wanted[-len(own) :] == own
    ]
    if len(fit) > 1:
        raise UserError(
            f"{table} names {name}, which fits {len(fit)} of the recordings, such as {fit[0]} and "
            f"{fit[1]}: give more of the path"
        )
    return fit[0] if fit else None


def _parts(name: str) -> tuple[str, ...]:
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "file:")]
    return (*parts[:-1], _ENDING.sub("", parts[-1])) if parts else ("",)


def cut(
    recordings: Mapping[str, Clip],
    segments: Sequence[Segment],
    table: Path,
    background: bool = False,
) -> ClipSet:
    """Cut a clip for each segment. Classes are in alphabetical order.

    All segments of a recording are one group: the table's, else the recording's own. Seconds become
    frames by the recording's frame rate, or by 25 where it is unknown.

    Args:
        recordings: by the names that the table may use: ids or paths.
        segments: of the table.
        table: for messages.
        background: also make clips of the class `background`: the stretches of at least a second
            that no segment covers, in recordings of the table.

    Raises:
        UserError: the table names none of the recordings or one ambiguously, a segment lies outside
            its recording, or two of them contradict each other.
    """
    notes = []
    by_recording: dict[str, list[Segment]] = {}
    unknown = dict[str, None]()
    for segment in segments:
        name = recording_of(segment.recording, recordings, table)
        if name is None:
            unknown[segment.recording or table.stem] = None
        else:
            by_recording.setdefault(name, []).append(segment)
    if not by_recording:
        raise UserError(
            f"{table} names {next(iter(unknown))}, but the recordings are such as "
            f"{next(iter(recordings))}: name them by their files"
        )
    if unknown:
        notes.append(
            f"{table.name} names {len(unknown)} recordings that are not there, first "
            f"{shown(next(iter(unknown)))}"
        )
    clips: dict[str, tuple[Clip, str]] = {}  # by id, with the class
    moments = 0
    for name, own in by_recording.items():
        recording = recordings[name]
        recording = replace(recording, group=_group(table, recording, own))
        covered = np.zeros(recording.keypoints.shape[1], bool)
        for segment in own:
            if segment.start == segment.end:
                moments += 1
                continue
            start, end = _frames(recording, segment, table)
            covered[start:end] = True
            clip = _part(recording, segment, start, end, table)
            if clips.setdefault(clip.id, (clip, segment.label))[1] != segment.label:
                raise UserError(
                    f"{table} gives {clip.id} two labels, {shown(clips[clip.id][1])} and "
                    f"{shown(segment.label)}: keep one"
                )
        for start, end in _gaps(covered, recording) if background else ():
            segment = Segment(name, start, end, BACKGROUND, in_frames=True)
            clip = _part(recording, segment, start, end, table)
            clips[f"{clip.id}_{BACKGROUND}"] = (
                replace(clip, id=f"{clip.id}_{BACKGROUND}"),
                BACKGROUND,
            )
    if not clips:
        raise UserError(f"{table} has only points in time: label stretches, with start and end")
    if moments:
        notes.append(f"{table.name}: {moments} points in time are left out: they have no length")
    if unused := len(recordings) - len(by_recording):
        notes.append(f"{table.name} does not name {unused} recordings: they are left out")
    without_rate = sum(not recordings[name].fps for name in by_recording)
    if without_rate and not all(segment.in_frames for segment in segments):
        notes.append(
            f"{without_rate} recordings have no frame rate: for {table.name}'s seconds, "
            f"{USUAL_FPS:g} frames per second are assumed"
        )
    classes = sorted({label for _, label in clips.values()})
    labelled = [replace(clip, label=classes.index(label)) for clip, label in clips.values()]
    return ClipSet(labelled, classes, notes=notes)


def _group(table: Path, recording: Clip, segments: Sequence[Segment]) -> str:
    groups = sorted({segment.group for segment in segments} - {""})
    if len(groups) > 1:
        raise UserError(
            f"{table} puts {recording.id} into two groups, {shown(groups[0])} and "
            f"{shown(groups[1])}: all segments of a recording are one group"
        )
    return groups[0] if groups else recording.group


def _frames(recording: Clip, segment: Segment, table: Path) -> tuple[int, int]:
    """First frame of a segment, and the one after its last."""
    length, fps = recording.keypoints.shape[1], recording.fps or USUAL_FPS
    rate = 1 if segment.in_frames else fps
    start = round(min(segment.start * rate, length))
    end = length if segment.end == math.inf else round(min(segment.end * rate, length))
    if start >= end:
        raise UserError(
            f"{table}: {recording.id} is {length / fps:.1f} s ({length} frames) long: the segment "
            f"{segment.start:g} to {segment.end:g} is empty"
        )
    return start, end


def _part(recording: Clip, segment: Segment, start: int, end: int, table: Path) -> Clip:
    persons = slice(None)
    if segment.person:
        if segment.person > len(recording.keypoints):
            raise UserError(
                f"{table} names person {segment.person} of {recording.id}, which has "
                f"{len(recording.keypoints)}"
            )
        persons = slice(segment.person - 1, segment.person)
    person = f"_person{segment.person}" * (segment.person > 0)
    return replace(
        recording,
        id=f"{recording.id}_{segment.start:g}_{segment.end:g}{person}",
        keypoints=recording.keypoints[persons, start:end],
        scores=recording.scores[persons, start:end],
    )


def _gaps(covered: np.ndarray, recording: Clip) -> list[tuple[int, int]]:
    """Stretches that no segment covers."""
    edges = np.flatnonzero(np.diff(np.concatenate([[True], covered, [True]]).astype(int)))
    least = _LEAST_BACKGROUND * (recording.fps or USUAL_FPS)
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2) if b - a >= least]
