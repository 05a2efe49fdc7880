"""Live recognition: predictions of the last seconds of a camera's frames."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from har.clips import UNLABELLED, USUAL_FPS, Clip
from har.dataset.person_tracking import track_persons
from har.recognition.recognizer import Recognizer
from har.recognition.streaming import SlidingWindow, Stream, Window

Item = TypeVar("Item")


@dataclass(frozen=True)
class Now:
    """The prediction at a moment.

    Attributes:
        time: seconds that were seen so far.
        probabilities: (K,), None where nobody was seen in the window.
        unknown: whether it is none of the K actions.
        delay: seconds from the arrival of that frame to the prediction.
        rate: frames per second that were processed.
    """

    time: float
    probabilities: np.ndarray | None
    unknown: bool
    delay: float
    rate: float


def watch(
    frames: Iterable[tuple[float, np.ndarray]],
    estimate: Callable[[Iterable[np.ndarray]], Iterator[np.ndarray]],
    recognizer: Recognizer,
    window: float,
    every: float,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Now]:
    """Predict the last seconds at regular intervals, from the first full window to the last frame.

    Args:
        frames: time of arrival in seconds, and (H, W, 3) uint8 RGB.
        estimate: a pose estimator of har.video.estimators.
        recognizer: the model.
        window: seconds that are predicted.
        every: seconds between predictions.
        clock: the time now, on the clock of `frames`.
    """
    arrivals: deque[float] = deque()
    size = (0, 0)

    def pictures() -> Iterator[np.ndarray]:
        nonlocal size
        for arrival, picture in frames:
            arrivals.append(arrival)
            size = picture.shape[0], picture.shape[1]
            yield picture

    def now(found: Window) -> Now:
        rate = (len(arrivals) - 1) / max(arrivals[-1] - arrivals[0], 1e-9)
        delay = clock() - arrivals[-1]
        return Now(found.end / USUAL_FPS, found.probabilities, found.unknown, delay, rate)

    length, stride = (max(round(seconds * USUAL_FPS), 1) for seconds in (window, every))
    stream: Stream | None = None
    for poses in estimate(pictures()):
        stream = stream or Stream(recognizer, length, stride, image_size=size, follow=True)
        while arrivals[-1] - arrivals[0] > window:
            arrivals.popleft()
        if found := stream.add(poses[..., :-1], poses[..., -1], arrivals[-1]):
            yield now(found)
    if stream and (found := stream.end()):
        yield now(found)


def newest(items: Iterable[Item]) -> Iterator[Item]:
    """Yield the newest item each time; older ones that arrived meanwhile are dropped.

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


def recorded(name: str, frames: Sequence[tuple[float, np.ndarray]], size: tuple[int, int]) -> Clip:
    """Frames as they came from a camera as a clip of 25 frames a second, persons followed.

    Args:
        name: of the clip.
        frames: times in seconds, increasing, and poses (P, V, 3) of whoever was seen; not empty.
        size: height and width of the frames in pixels.
    """
    joints = max(frames, key=lambda frame: len(frame[1]))[1].shape[1]
    nobody = np.zeros((0, joints, 3), np.float32)
    count = round((frames[-1][0] - frames[0][0]) * USUAL_FPS) + 1
    grid = SlidingWindow(count + 1, count + 1, USUAL_FPS, nobody)
    for arrival, poses in frames:
        grid.add(poses, arrival)
    stretch = grid.end()
    assert stretch
    persons = max(1, *(len(poses) for poses in stretch.frames))
    found = np.zeros((persons, len(stretch.frames), joints, 3), np.float32)
    for number, poses in enumerate(stretch.frames):
        found[: len(poses), number] = poses
    found = track_persons(found)
    return Clip(name, UNLABELLED, found[..., :2], found[..., 2], size, name, USUAL_FPS)
