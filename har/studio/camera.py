"""The browser's camera as an element of the page, and what it showed."""

import io
from collections import deque
from collections.abc import Callable
from threading import Lock
from typing import Any

import numpy as np
from nicegui.element import Element
from PIL import Image, UnidentifiedImageError

from har.clips import USUAL_FPS, Clip
from har.errors import UserError
from har.figures.panel import class_colour, side_colour
from har.recognition.live import recorded
from har.recognition.recognizer import Recognizer
from har.recognition.streaming import Stream
from har.studio.sessions import Session
from har.video.estimators import Estimator

_KEPT = 60.0  # seconds of skeletons
_EVERY = 0.4  # seconds from one answer to the next
_LONGEST_SIDE = 1280  # pixels of a frame
_TOP = 3  # classes told


class Live:
    """A camera's frames: who is in the newest one, what goes on, and the last minute."""

    def __init__(self, estimate: Estimator, recognizer: Recognizer, window: int) -> None:
        """Start with nothing seen; `window` is the length in frames that answers are about."""
        self._estimate, self._recognizer, self._window = estimate, recognizer, window
        self._lock = Lock()
        self.clear()

    def clear(self) -> None:
        """Forget what was seen."""
        self._stream: Stream | None = None
        self._frames: deque[tuple[float, np.ndarray]] = deque()
        self._size = (0, 0)

    def add(self, content: bytes, time: float) -> dict[str, Any]:
        """Look at a frame.

        Args:
            content: a JPEG.
            time: in seconds, later than the last frame's.

        Returns:
            The persons' poses; where there is a new answer, the likeliest classes, and whether it
            is none of them; and the seconds that the first answer takes.

        Raises:
            UserError: it is no JPEG, or a large one, or time runs backwards.
        """
        picture = _picture(content)
        with self._lock:
            (poses,) = self._estimate(iter([picture]))
            if self._stream is None:
                self._size = picture.shape[0], picture.shape[1]
                every = max(round(_EVERY * USUAL_FPS), 1)
                self._stream = Stream(
                    self._recognizer, self._window, every, image_size=self._size, follow=True
                )
            found = self._stream.add(poses[..., :-1], poses[..., -1], time)
            self._frames.append((time, poses))
            while self._frames[0][0] < time - _KEPT:
                self._frames.popleft()
        now = None
        if found:
            now = [("nobody seen", 0.0, "#888888")]
            if (row := found.probabilities) is not None:
                order = np.argsort(-row, kind="stable")[:_TOP]
                names = self._recognizer.classes
                now = [(names[k], round(float(row[k]), 4), class_colour(int(k))) for k in order]
        none = bool(found and found.unknown)
        persons = np.round(poses.astype(float), 2).tolist()
        return {
            "persons": persons,
            "now": now,
            "none": none,
            "wait": round(self._window / USUAL_FPS, 1),
        }

    def clip(self, name: str, since: float = -np.inf, until: float = np.inf) -> Clip:
        """What was seen from one time to another, of the last minute.

        Raises:
            UserError: nobody was seen.
        """
        with self._lock:
            frames = [frame for frame in self._frames if since <= frame[0] <= until]
        if not any(len(poses) for _, poses in frames):
            raise UserError("nobody was seen: is a whole person before the camera?")
        return recorded(name, frames, self._size)


class Camera(Element, component="camera.js"):  # type: ignore[call-arg]
    """Shows the camera with skeletons; `recorded` is called with the times of a clip."""

    def __init__(
        self,
        session: Session,
        name: str,
        recognizer: Recognizer,
        off: Callable[[], Any] | None = None,
        seconds: int = 0,
        recorded: Callable[[Any], Any] | None = None,
    ) -> None:
        """Make the element; with `seconds` it records clips of that length."""
        super().__init__()
        layout = recognizer.checkpoint.layout
        self._props |= {
            "address": f"/studio/{session.key}/cameras/{name}",
            "seconds": seconds,
            "record": "",
            "bones": layout.bones,
            "colours": [side_colour(joint) for joint in layout.joints],
        }
        if off:
            self.on("off", off)
        if recorded:
            self.on("recorded", recorded)

    def record_for(self, name: str) -> None:
        """Let clips be recorded for a class; without a name they would be nobody's."""
        self._props["record"] = name.strip()
        self.update()


def _picture(content: bytes) -> np.ndarray:
    """A JPEG's picture (H, W, 3)."""
    try:
        with Image.open(io.BytesIO(content), formats=["JPEG"]) as image:
            if max(image.size) > _LONGEST_SIDE:
                raise UserError(f"a frame is {image.size} pixels: {_LONGEST_SIDE} are the most")
            return np.asarray(image.convert("RGB"))
    except (UnidentifiedImageError, OSError, SyntaxError):
        raise UserError("a camera's frame is no JPEG") from None
