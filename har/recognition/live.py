"""Live recognition: predictions of the last seconds of a camera's frames."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from har.clips import UNLABELLED, USUAL_FPS, Clip
from har.recognition.recognizer import Recognizer

_RATE = USUAL_FPS  # that the network sees, whatever the camera's

Item = TypeVar("Item")


@dataclass(frozen=True)
class Now:
    """The prediction at a moment.

    Attributes:
        time: of the newest frame, in seconds since the first.
        probabilities: (K,), None where nobody was seen in the window.
        delay: seconds from the arrival of that frame to this answer.
        rate: frames per second that were looked at.
    """

    time: float
    probabilities: np.ndarray | None
    delay: float
    rate: float


def watch(
    frames: Iterable[tuple[float, np.ndarray]],
    estimate: Callable[[Iterable[np.ndarray]], Iterator[np.ndarray]],
    follow: Callable[[np.ndarray], np.ndarray],
    recognizer: Recognizer,
    window: float,
    every: float,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Now]:
    """Predict the last seconds at regular intervals.

    Args:
        frames: time of arrival in seconds, and (H, W, 3) uint8 RGB.
        estimate: a pose estimator of har.video.estimators.
        follow: puts the detections of one person into one slot.
        recognizer: the model.
        window: seconds that are predicted.
        every: seconds between predictions.
        clock: the time now, on the clock of `frames`.
    """
    arrivals: deque[float] = deque()
    sizes: deque[tuple[int, int]] = deque(maxlen=1)

    def pictures() -> Iterator[np.ndarray]:
        for arrival, picture in frames:
            arrivals.append(arrival)
            sizes.append((picture.shape[0], picture.shape[1]))
            yield picture

    seen: deque[np.ndarray] = deque()
    first = last = None
    for poses in estimate(pictures()):
        seen.append(poses)
        newest = arrivals[-1]
        first = newest if first is None else first
        last = first if last is None else last
        while newest - arrivals[0] > window:
            arrivals.popleft()
            seen.popleft()
        if newest - last < every:
            continue
        last = newest
        clip = _clip(np.array(arrivals), list(seen), sizes[0], follow)
        probabilities = recognizer.predict(clip) if clip.scores.any() else None
        rate = (len(arrivals) - 1) / max(newest - arrivals[0], 1e-9)
        yield Now(newest - first, probabilities, clock() - newest, rate)


def newest(items: Iterable[Item]) -> Iterator[Item]:
    """Yield the newest item each time; older ones that came meanwhile are dropped.

    A thread reads the items, so that a camera never waits and the delay does not grow.
    """
    changed = threading.Condition()
    waiting: deque[Item] = deque(maxlen=1)
    ended: list[BaseException | None] = []

    def read() -> None:
        problem: BaseException | None = None
        try:
            for item in items:
                with changed:
                    waiting.append(item)
                    changed.notify()
        except BaseException as error:  # passed on to the consumer
            problem = error
        with changed:
            ended.append(problem)
            changed.notify()

    threading.Thread(target=read, daemon=True).start()
    while True:
        with changed:
            changed.wait_for(lambda: waiting or ended)
            item = waiting.popleft() if waiting else None
        if item is None:
            if ended[0] is not None:
                raise ended[0]
            return
        yield item


def _clip(
    times: np.ndarray,
    found: list[np.ndarray],
    size: tuple[int, int],
    follow: Callable[[np.ndarray], np.ndarray],
) -> Clip:
    """The persons of some frames as a clip of the network's rate, by the frames nearest in time."""
    count = max(round((times[-1] - times[0]) * _RATE), 0) + 1
    grid = times[-1] - np.arange(count)[::-1] / _RATE
    index = np.abs(times[:, None] - grid).argmin(axis=0)
    joints = found[0].shape[1]
    poses = np.zeros((max(1, *map(len, found), 1), len(found), joints, 3), np.float32)
    for frame, some in enumerate(found):
        poses[: len(some), frame] = some
    poses = follow(poses)[:, index]
    return Clip("now", UNLABELLED, poses[..., :2], poses[..., 2], size, "now", _RATE)
