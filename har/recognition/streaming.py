"""Streaming: a recogniser of frames that arrive one by one, and the windows of timelines.

Frames are placed on an even grid in time, and a window slides over them. The frame that completes a
window brings its answer at once, after the time of its computation. An answer is about the whole
window, so an action appears in it once it fills most of one.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np

from har.clips import UNLABELLED, USUAL_FPS, Clip, make_clip
from har.clips.arrays import numbers
from har.dataset.person_tracking import PersonSlots
from har.dataset.preprocessing import hide_joints
from har.errors import UserError
from har.recognition.recognizer import Recognizer

MOST_PERSONS = 6  # that are followed at once
_LONGEST_GAP = 0.5  # seconds to the nearest frame; places further away stay empty
_MOST_FRAMES = 2**53  # beyond which a float can't count them

Frame = TypeVar("Frame")


@dataclass(frozen=True)
class Window:
    """A stretch of frames and its action.

    Attributes:
        start: first frame, from 0.
        end: frame after the last one.
        probabilities: (K,), or None where nobody was seen.
        unknown: whether it is none of the K actions.
        persons: slot -> (K,) of that person alone; empty unless asked for.
    """

    start: int
    end: int
    probabilities: np.ndarray | None
    unknown: bool = False
    persons: dict[int, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Stretch(Generic[Frame]):
    """Consecutive frames and the number of the first one, from 0."""

    start: int
    frames: list[Frame]


class SlidingWindow(Generic[Frame]):
    """Frames on an even grid in time, cut into windows while they arrive.

    The first window begins with the first frame, the others `stride` frames later each, and the
    last one ends with the last frame, so that no frame is left out. Fewer frames than a window are
    one window. No more frames are kept than a window has.
    """

    def __init__(self, window: int, stride: int, fps: float, nothing: Frame) -> None:
        """Make a window.

        Args:
            window: its length in frames.
            stride: frames from one window to the next.
            fps: frames per second of the grid.
            nothing: fills places without a frame nearby.
        """
        self.window, self.stride, self.fps = window, stride, fps
        self.number = 0  # of frames so far
        self._nothing = nothing
        self._frames: deque[Frame] = deque(maxlen=window)
        self._begun, self._last = 0.0, -np.inf  # times of the first and the last frame
        self._due, self._cut_at = window, 0

    def next_time(self) -> float:
        """The time of the next place on the grid."""
        return self._begun + self.number / self.fps

    def place(self, time: float) -> int:
        """The place of a time on the grid.

        Raises:
            UserError: the time is not a number, or is before the last frame's.
        """
        begun = self._begun if self.number else time
        if not (time >= self._last and abs(time - begun) * self.fps < _MOST_FRAMES):
            raise UserError(
                f"a frame's time is {time} s, after one at {self._last} s: give seconds"
            )
        return round((time - begun) * self.fps)

    def add(self, frame: Frame, time: float) -> Stretch[Frame] | None:
        """Take a frame; returns the window that it completes, if it does.

        Args:
            frame: comes nearest in time to its place and, within half a second, to empty ones.
            time: in seconds, on any clock.

        Raises:
            UserError: see `place`.
        """
        place = self.place(time)
        if not self.number:
            self._begun = time
        if place < self.number:  # a camera faster than the grid
            if self._distance(time, place) < self._distance(self._last, place):
                self._frames[-1], self._last = frame, time
            return None
        before = self._frames[-1] if self._frames else frame
        for empty in range(max(self.number, place - self.window), place):
            since, until = self._distance(self._last, empty), self._distance(time, empty)
            nearest = before if since <= until else frame
            self._frames.append(nearest if min(since, until) <= _LONGEST_GAP else self._nothing)
        self._frames.append(frame)
        self.number, self._last = place + 1, time
        if self.number < self._due:
            return None
        self._due += ((self.number - self._due) // self.stride + 1) * self.stride
        return self._cut()

    def end(self) -> Stretch[Frame] | None:
        """The last window; None without frames, or if it has been returned."""
        return self._cut() if self._cut_at < self.number else None

    def _distance(self, time: float, place: int) -> float:
        """Seconds between a time and a place on the grid."""
        return abs(time - self._begun - place / self.fps)

    def _cut(self) -> Stretch[Frame]:
        self._cut_at = self.number
        return Stretch(self.number - len(self._frames), list(self._frames))


class _Persons(NamedTuple):
    """The persons of a frame: coordinates and scores (P, V, C + 1), and slots (P,)."""

    poses: np.ndarray
    slots: np.ndarray


class Stream:
    """A recogniser of frames that arrive one by one. It keeps only the frames of a window.

    Attributes:
        slots: of the newest frame's persons, in their order; -1 is one too many. A person keeps a
            slot until nobody was seen in it for as long as a window.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        window: int,
        stride: int,
        fps: float = 0.0,
        *,
        image_size: tuple[int, int] = (0, 0),
        per_person: bool = False,
        follow: bool | None = None,
    ) -> None:
        """Make a stream.

        Args:
            recognizer: the model.
            window: frames that an answer is about.
            stride: frames from one answer to the next.
            fps: frames per second; 0 is unknown and counts as 25.
            image_size: height and width in pixels; only models that scale by it need it.
            per_person: name the action of each person alone, too.
            follow: whether persons come in any order, as a detector gives them; otherwise a
                person's place in the frame is the slot. None does as the model's settings say.

        Raises:
            UserError: a length is less than one frame.
        """
        if window < 1 or stride < 1 or not 0 <= fps < _MOST_FRAMES:
            raise UserError(
                f"a window of {window} frames every {stride} at {fps} a second: give whole numbers "
                "from 1 on"
            )
        settings, layout = recognizer.checkpoint.preprocess, recognizer.checkpoint.layout
        self.recognizer, self.image_size, self.per_person = recognizer, image_size, per_person
        self.fps = fps or USUAL_FPS
        self.slots = np.zeros(0, int)
        self._nobody = _Persons(
            np.zeros((0, len(layout.joints), layout.dimensions + 1), np.float32), self.slots
        )
        self._frames = SlidingWindow(window, stride, self.fps, self._nobody)
        follow = settings.tracking if follow is None else follow
        self._followed = PersonSlots(MOST_PERSONS, window / self.fps) if follow else None
        # A model that follows persons itself gets them as they came, as it does in a clip.
        self._laid = follow and not settings.tracking

    def add(self, keypoints: Any, scores: Any = None, time: float | None = None) -> Window | None:
        """Take a frame; returns the answer about the window that it completes, if it does.

        Args:
            keypoints: (P, V, C) pixels of the persons in the frame; P may be 0.
            scores: (P, V) 0..1, or None: 1 for every joint that is not all zeros.
            time: in seconds on any clock; None is 1 / fps after the frame before. A place on the
                grid gets the frame nearest in time, nobody where none is within half a second.

        Raises:
            UserError: the arrays do not fit each other or the model, or time runs backwards.
        """
        poses = self._poses(keypoints, scores)
        time = self._frames.next_time() if time is None else time
        self._frames.place(time)  # a wrong time changes nothing
        slots = np.arange(len(poses))
        if self._followed:
            hidden = hide_joints(poses, self.recognizer.checkpoint.preprocess.hide_below)
            slots = self._followed.place(hidden, time)
        stretch = self._frames.add(_Persons(poses, slots), time)
        self.slots = slots
        return self._answer(stretch)

    def end(self) -> Window | None:
        """The answer about the last frames; None without any, or if it has been returned."""
        return self._answer(self._frames.end())

    def _poses(self, keypoints: Any, scores: Any) -> np.ndarray:
        """Checked poses (P, V, C + 1) of a frame."""
        layout = self.recognizer.checkpoint.layout
        points = numbers(keypoints, "a frame needs numbers as its keypoints")
        if not len(np.atleast_1d(points)):
            return self._nobody.poses
        if points.ndim != 3 or points.shape[1] != len(layout.joints):
            raise UserError(
                f"a frame has keypoints of shape {points.shape}: give persons, the "
                f"{len(layout.joints)} joints of {layout.name}, {layout.dimensions} coordinates"
            )
        if scores is not None:
            scores = numbers(scores, "a frame needs numbers as its scores")[:, None]
        size, dimensions = self.image_size, layout.dimensions
        clip = make_clip("of a frame", points[:, None], scores, size, dimensions, axes="mtvc")
        return np.concatenate([clip.keypoints, clip.scores[..., None]], axis=-1)[:, 0]

    def _answer(self, stretch: Stretch[_Persons] | None) -> Window | None:
        if stretch is None:
            return None
        everybody, alone = _side_by_side(stretch.frames), {}
        if self.per_person or self._laid:
            alone = _by_slot(stretch.frames)
        if self._laid and alone:
            everybody = np.stack(list(alone.values()))
        if not self.per_person:
            alone = {}
        together = [everybody] if everybody[..., -1].any() else []
        poses = [*together, *(person[None] for person in alone.values())]
        rows, unknown = self.recognizer.answer_clips([self._clip(each) for each in poses])
        number = len(together)
        return Window(
            stretch.start,
            stretch.start + len(stretch.frames),
            rows[0] if together else None,
            bool(unknown[:number].any()),
            dict(zip(alone, rows[number:], strict=True)),
        )

    def _clip(self, poses: np.ndarray) -> Clip:
        points, scores = poses[..., :-1], poses[..., -1]
        return Clip("now", UNLABELLED, points, scores, self.image_size, "now", self.fps)


def _side_by_side(frames: list[_Persons]) -> np.ndarray:
    """Poses (M, T, V, C + 1) of all persons in the order of each frame; M is at least 1."""
    most = max(1, *(len(frame.poses) for frame in frames))
    found = np.zeros((most, len(frames), *frames[0].poses.shape[1:]), frames[0].poses.dtype)
    for number, frame in enumerate(frames):
        found[: len(frame.poses), number] = frame.poses
    return found


def _by_slot(frames: list[_Persons]) -> dict[int, np.ndarray]:
    """Poses (T, V, C + 1) of the person in each slot."""
    found: dict[int, np.ndarray] = {}
    for number, frame in enumerate(frames):
        for slot, pose in zip(frame.slots.tolist(), frame.poses, strict=True):
            if slot >= 0 and pose[..., -1].any():
                if slot not in found:
                    found[slot] = np.zeros((len(frames), *pose.shape), pose.dtype)
                found[slot][number] = pose
    return dict(sorted(found.items()))
