"""What the tabs let the library do, in threads beside the page."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import ParamSpec, TypeVar

import numpy as np
from nicegui import ui

from har.clips import USUAL_FPS, ClipSet
from har.clips.describe import rate_notes
from har.clips.keypoint_files import to_layout
from har.clips.sources import read
from har.dataset.person_tracking import track_persons
from har.errors import UserError
from har.recognition.recognizer import Recognizer
from har.studio.sessions import Session
from har.video.decoding import is_video, open_video
from har.video.encoding import write_video
from har.video.estimators import Estimator, load
from har.video.extraction import extract

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

_AT_ONCE = 2  # pieces of work; others wait
_log = logging.getLogger(__name__)


@dataclass
class Studio:
    """What all sessions share.

    Attributes:
        models: name -> recogniser, the first is the usual one.
        estimators: folder of pose estimators, None for MoveNet in the user's cache.
        most_bytes: of a file that is taken.
        persons: most persons of a video.
    """

    models: dict[str, Recognizer]
    estimators: str | None
    most_bytes: int
    persons: int
    _turn: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))
    _loading: Lock = field(default_factory=Lock)

    def estimator(self) -> Estimator:
        """The pose estimator, loaded when it is needed first.

        Raises:
            UserError: there is none, and it can't be fetched.
        """
        with self._loading:
            return self._estimator

    @cached_property
    def _estimator(self) -> Estimator:
        return load(self.estimators)

    async def do(
        self,
        function: Callable[Arguments, Result],
        *arguments: Arguments.args,
        **options: Arguments.kwargs,
    ) -> Result:
        """Run a function in a thread when it is its turn."""
        async with self._turn:
            return await asyncio.to_thread(function, *arguments, **options)


@dataclass
class Progress:
    """How far a video is; `stop` ends it at the frame it is at."""

    done: int = 0
    expected: int | None = None
    stop: bool = False


@contextmanager
def told(session: Session, problem: ui.label) -> Iterator[None]:
    """Show what goes wrong as a sentence; it is the user's only if it is a UserError."""
    problem.text = ""
    try:
        yield
    except UserError as error:
        problem.text = session.sentence(error)
    except Exception:
        _log.exception("a fault of the studio")
        problem.text = "That should not have happened; the terminal tells more. Please report it."


def read_clips(
    studio: Studio, session: Session, path: Path, recognizer: Recognizer, progress: Progress
) -> tuple[ClipSet, str]:
    """The clips of a file in the model's layout and, of a video, the address of its frames.

    Raises:
        UserError: the file can't be read.
    """
    if is_video(path):
        return _read_video(studio, session, path, progress)
    clip_set = read(path, dimensions=recognizer.checkpoint.layout.dimensions)
    if clip_set.layout:
        clip_set = to_layout(clip_set, clip_set.layout, recognizer.checkpoint.layout)
    clip_set.notes.extend(rate_notes(clip_set.clips, "docs/formats.md tells how a file says it"))
    return clip_set, ""


def _read_video(
    studio: Studio, session: Session, path: Path, progress: Progress
) -> tuple[ClipSet, str]:
    """Extract the skeletons, and write the frames that they were seen in as browsers play them.

    A browser would show frames that extraction turned, left out or skipped, or none at all.
    """
    estimate = studio.estimator()
    copy = session.place("frames.mp4")
    with open_video(path) as video:
        fps, progress.expected = video.fps or USUAL_FPS, video.expected
    with write_video(copy, fps) as add:

        def copied(frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
            for frame in frames:
                if progress.stop or not session.folder.exists():
                    return
                height, width = (side - side % 2 for side in frame.shape[:2])
                add(frame[:height, :width])
                progress.done += 1
                yield frame

        clip_set = extract(
            path, lambda frames: estimate(copied(frames)), track_persons, studio.persons
        )
    return clip_set, session.address(copy)
