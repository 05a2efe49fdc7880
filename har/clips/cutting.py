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
_LEAST_BACKGROUND = 1.0  # seconds; what is shorter lies between two actions, and is none of its own
_ENDING = re.compile(r"\.[A-Za-z]\w{0,4}$")


def recording_of(name: str, known: Iterable[str], table: Path) -> str | None:
    """Which of the known recordings a table's name means; None: none of them.

    A name is the end of a recording's path or the other way round, endings such as .mp4 or .npy
    aside. A table that names no recording is about that of its own name, else the only one.

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
        one
        for one in known
        if (own := _parts(one))[-len(wanted) :] == wanted or wanted[-len(own) :] == own
    ]
    if len(fit) > 1:
        raise UserError(
            f"{table} names {name}, which is {len(fit)} of the recordings, such as {fit[0]} and "
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
    """A clip for each segment. Classes are in alphabetical order.

    All segments of one recording are one group: the recording's own or, where the table tells one,
    the table's. Seconds are those of the recording's frame rate, or of 25 where it is unknown.

    Args:
        recordings: by the name that the table may use: ids, or paths.
        segments: of the table.
        table: for messages.
        background: make clips of the class `background` of the stretches of at least a second that
            no segment covers, in recordings of the table.

    Raises:
        UserError: the table names none of the recordings or one ambiguously, a segment lies outside
            its recording, or two of them contradict each other.
    """
    notes = []
    of_recording: dict[str, list[Segment]] = {}
    strangers = dict[str, None]()
    for segment in segments:
        name = recording_of(segment.recording, recordings, table)
        if name is None:
            strangers[segment.recording or table.stem] = None
        else:
            of_recording.setdefault(name, []).append(segment)
    if not of_recording:
        raise UserError(
            f"{table} names {next(iter(strangers))}, but the recordings are such as "
            f"{next(iter(recordings))}: name them by their files"
        )
    if strangers:
        notes.append(
            f"{table.name} names {len(strangers)} recordings that are not there, first "
            f"{shown(next(iter(strangers)))}"
        )
    clips: dict[str, tuple[Clip, str]] = {}  # by id, with the class
    moments = 0
    for name, some in of_recording.items():
        recording = recordings[name]
        recording = replace(recording, group=_group(table, recording, some))
        covered = np.zeros(recording.keypoints.shape[1], bool)
        for segment in some:
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
        raise UserError(f"{table} has points in time only: label stretches, with start and end")
    if moments:
        notes.append(f"{table.name}: {moments} points in time are left out, they have no length")
    if unused := len(recordings) - len(of_recording):
        notes.append(f"{table.name} says nothing of {unused} recordings: they are left out")
    unknown = sum(not recordings[name].fps for name in of_recording)
    if unknown and not all(segment.in_frames for segment in segments):
        notes.append(
            f"{unknown} recordings tell no frame rate: {table.name}'s seconds are taken at "
            f"{USUAL_FPS:g} frames per second"
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
            f"{table}: {recording.id} is {length / fps:.1f} s ({length} frames) long: there is "
            f"nothing in the segment {segment.start:g} to {segment.end:g}"
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
