"""A camera's picture with skeletons and the newest answer, in a window of Tk."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
from PIL import Image

from har.errors import UserError
from har.figures.panel import Panel
from har.skeleton import Layout

Estimator = Callable[[Iterable[np.ndarray]], Iterator[np.ndarray]]


class Window:
    """Shows one picture after the other, until it is closed, by its button or Escape.

    Attributes:
        closed: whether it is.
    """

    def __init__(self, title: str) -> None:
        """Open the window.

        Raises:
            UserError: there is no display, or this Python came without Tk.
        """
        try:
            import tkinter
        except ImportError:
            raise UserError(
                "a window needs Tk, which this Python lacks: install python3-tk or leave out --show"
            ) from None
        try:
            self._root = tkinter.Tk()
        except tkinter.TclError as error:
            raise UserError(f"no window can be opened ({error}): leave out --show") from None
        self._root.title(title)
        self._root.resizable(False, False)
        self._root.protocol("WM_DELETE_WINDOW", self.close)
        self._root.bind("<Escape>", lambda _: self.close())
        self._label = tkinter.Label(self._root, borderwidth=0)
        self._label.pack()
        self.closed = False

    def show(self, picture: Image.Image) -> None:
        """Show a picture, and look after clicks and keys."""
        if self.closed:
            return
        from PIL import ImageTk

        photo = ImageTk.PhotoImage(picture, master=self._root)
        self._label.configure(image=photo)
        self._photo = photo  # Tk keeps no reference
        self._root.update()

    def close(self) -> None:
        """Close the window."""
        if not self.closed:
            self.closed = True
            self._root.destroy()


class LiveView:
    """Frames as they are looked at, in a window."""

    def __init__(self, window: Window, layout: Layout, classes: Sequence[str], top: int) -> None:
        """Take the window, the skeletons' layout, the classes, and how many of them to show."""
        self._window, self._layout, self._classes, self._top = window, layout, classes, top
        self._row: np.ndarray | None = None
        self._text = ""

    def tell(self, probabilities: np.ndarray | None, text: str) -> None:
        """Take the newest answer (K,), None for nobody, and a line of text to go with it."""
        nobody = np.full(len(self._classes), np.nan)
        self._row, self._text = nobody if probabilities is None else probabilities, text

    def watching(self, estimate: Estimator) -> Estimator:
        """An estimator that shows every frame; its frames end when the window is closed."""

        def watched(frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
            waiting: deque[np.ndarray] = deque()

            def until_closed() -> Iterator[np.ndarray]:
                for frame in frames:
                    if self._window.closed:
                        return
                    waiting.append(frame)
                    yield frame

            panel = None
            for poses in estimate(until_closed()):
                picture = waiting.popleft()
                panel = panel or Panel(picture.shape[:2], self._layout, self._classes, self._top)
                self._window.show(panel.draw(picture, poses, self._row, self._text))
                yield poses

        return watched
