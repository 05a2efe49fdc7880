"""Long recordings: predictions of windows that slide over a clip."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, groupby, islice, pairwise

import numpy as np

from har.clips import USUAL_FPS, Clip
from har.dataset.person_tracking import track_persons
from har.dataset.preprocessing import hide_joints
from har.errors import UserError
from har.params import Preprocess
from har.recognition.recognizer import Recognizer
from har.recognition.streaming import SlidingWindow, Window

_AT_ONCE = 64
_LENGTH = re.compile(r"(?P<number>\d+(?:\.\d*)?|\.\d+)(?P<unit>s?)", re.ASCII)


def frames_of(text: str, fps: float) -> int:
    """Frames of a length such as `3s`, `0.5s` or `75`.

    Raises:
        UserError: it is neither, or less than one frame.
    """
    match = _LENGTH.fullmatch(text.strip())
    number = float(match["number"]) if match and len(text) < 20 else 0.0
    frames = round(number * fps) if match and match["unit"] else int(number)
    if frames < 1 or (match and not match["unit"] and frames != number):
        raise UserError(f"{text!r} is not a length: give seconds as 3s, or whole frames as 75")
    return frames


def usual_window(recognizer: Recognizer, clip: Clip, fps: float) -> int:
    """Frames of a window such as the model was tested on, no more than the clip has."""
    longest = round(recognizer.checkpoint.model.windows.test_longest * fps / USUAL_FPS)
    return min(longest, clip.keypoints.shape[1])


def windows(recognizer: Recognizer, clip: Clip, window: int, stride: int) -> Iterator[Window]:
    """Predict each window of a clip, one after the other; lengths are in frames.

    har.recognition.streaming.Stream gives the same, frame by frame; here many are computed at once.

    Raises:
        UserError: the clip does not fit the recogniser.
    """
    sliding = SlidingWindow(window, stride, 1.0, 0)
    completed = (sliding.add(number, number) for number in range(clip.keypoints.shape[1]))
    found = filter(None, chain(completed, (sliding.end() for _ in range(1))))
    while some := list(islice(found, _AT_ONCE)):
        spans = [(stretch.start, stretch.start + len(stretch.frames)) for stretch in some]
        clips = [cut(clip, start, end) for start, end in spans]
        seen = [bool(one.scores.any()) for one in clips]
        rows = zip(
            *recognizer.answer_clips([c for c, s in zip(clips, seen, strict=True) if s]),
            strict=True,
        )
        for (start, end), somebody in zip(spans, seen, strict=True):
            row, unknown = next(rows) if somebody else (None, False)
            yield Window(start, end, row, bool(unknown))


@dataclass(frozen=True)
class Action:
    """What somebody does from one frame up to another.

    Attributes:
        start: first frame, from 0.
        end: frame after the last one.
        label: of the class, None where nobody was seen, or what was seen is unknown.
        probability: its mean over the windows, None with the label.
        unknown: whether it is none of the classes.
    """

    start: int
    end: int
    label: int | None
    probability: float | None
    unknown: bool


def actions(windows: Sequence[Window], frames: int) -> list[Action]:
    """The likeliest class over time; a frame belongs to the window whose middle is nearest.

    Args:
        windows: of a clip, in order.
        frames: of the clip.
    """
    rows = [None if window.unknown else window.probabilities for window in windows]
    labels = [None if row is None else int(row.argmax()) for row in rows]
    unknown = [window.unknown for window in windows]
    middles = [(window.start + window.end) / 2 for window in windows]
    ends = [*(round((a + b) / 2) for a, b in pairwise(middles)), frames]
    found, start, first = list[Action](), 0, 0
    for (label, none), group in groupby(zip(labels, unknown, strict=True)):
        last = first + len(list(group))
        shares = [float(row[label]) for row in rows[first:last] if row is not None]
        probability = sum(shares) / len(shares) if shares else None
        found.append(Action(start, ends[last - 1], label, probability, none))
        start, first = ends[last - 1], last
    return found


def cut(clip: Clip, start: int, end: int) -> Clip:
    """The frames of a clip from `start` up to `end`, exclusive."""
    return replace(clip, keypoints=clip.keypoints[:, start:end], scores=clip.scores[:, start:end])


def persons_apart(clip: Clip, settings: Preprocess) -> list[Clip]:
    """One clip per person, the most prominent first, without those that were never seen.

    Persons are followed through the clip where `settings` says so; otherwise a slot is a person.
    """
    poses = np.concatenate([clip.keypoints, clip.scores[..., None]], axis=-1, dtype=np.float32)
    if settings.hide_below > 0:
        poses = hide_joints(poses, settings.hide_below)
    if settings.tracking:
        poses = track_persons(poses)
    return [
        replace(clip, keypoints=person[None, ..., :-1], scores=person[None, ..., -1])
        for person in poses
        if person[..., -1].any()
    ]
