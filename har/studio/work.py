"""What the tabs let the library do, in threads beside the page."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
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
        prepared: folder of the pipeline's prepared clips, None where there is none.
    """

    models: dict[str, Recognizer]
    estimators: str | None
    most_bytes: int
    persons: int
    prepared: Path | None = None
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


class Desk:
    """Where a tab tells what it is working at, and what went wrong.

    Attributes:
        busy: whether it is working.
    """

    def __init__(self, session: Session) -> None:
        """Lay it out where it is made."""
        self._session = session
        self._progress, self._doing = Progress(), ""
        self._turn = asyncio.Lock()
        self._problem = ui.label().classes("problem").props("role=alert")
        with ui.row().classes("working") as self._row:
            ui.spinner(size="1.5em")
            self._status = ui.label().props("role=status")
            self._enough = ui.button("Enough", on_click=self._stop).props("flat dense no-caps")
            self._enough.tooltip("Take the video up to the frame that it is at")
        self._row.visible = False
        self._timer = ui.timer(0.3, self._tell, active=False)

    @property
    def busy(self) -> bool:
        """Whether it is working."""
        return self._row.visible

    @contextmanager
    def told(self) -> Iterator[None]:
        """Show what goes wrong as a sentence; it is the user's only if it is a UserError."""
        self._problem.text = ""
        try:
            yield
        except UserError as error:
            self._complain(self._session.sentence(error))
        except Exception:
            if self._problem.is_deleted:  # the page was left, which is no fault
                return
            _log.exception("a fault of the studio")
            self._complain(
                "That should not have happened; the terminal tells more. Please report it."
            )

    @asynccontextmanager
    async def at(self, doing: str) -> AsyncIterator[Progress]:
        """Wait for what the tab is at, then tell how far the work is, and what goes wrong.

        Args:
            doing: what is done, such as: reading clip.mp4.
        """
        async with self._turn:
            self._progress, self._doing = Progress(), doing
            self._tell()
            self._row.visible = self._timer.active = True
            with self.told():
                yield self._progress
            self._row.visible = self._timer.active = False

    def _complain(self, text: str) -> None:
        if self._problem.is_deleted:
            return
        self._problem.text = text
        show(self._problem)  # the button that was pressed may be far below

    def _stop(self) -> None:
        self._progress.stop = True

    def _tell(self) -> None:
        done, expected = self._progress.done, self._progress.expected
        of = f" of about {expected}" if expected else ""
        self._status.text = self._doing + (f": frame {done}{of}" if done else "")
        self._enough.visible = done > 0


def show(element: ui.element) -> None:
    """Scroll to an element, if it is out of sight."""
    script = f"getHtmlElement({element.id})?.scrollIntoView({{block: 'nearest'}})"
    element.client.run_javascript(script)


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
    if not clip_set.clips:
        raise UserError(f"{path.name} has no clips")
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
