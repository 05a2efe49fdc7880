"""A picture with skeletons drawn onto it, and the likeliest classes below."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.colors import to_rgb
from PIL import Image, ImageDraw, ImageFont

from har.figures.skeletons import UNSURE
from har.figures.style import LEFT, MODEL_COLOURS, RIGHT, VERMILLION, shorten
from har.recognition.recognizer import UNKNOWN
from har.skeleton import Layout

UNKNOWN_COLOUR = "#888888"
_COLOURS = (*MODEL_COLOURS, VERMILLION, "#56B4E9", "#F0E442")


class Panel:
    """Draws frames of one size.

    Attributes:
        line: height of a line of text in pixels.
        last: where the last line begins, which is left white.
        width: of the frames.
    """

    def __init__(
        self, size: tuple[int, int], layout: Layout, classes: Sequence[str], top: int = 3
    ) -> None:
        """Make a panel.

        Args:
            size: (height, width) of the frames.
            layout: of the skeletons.
            classes: K names.
            top: classes shown.
        """
        height, self.width = size
        self._layout, self._classes, self._top = layout, classes, top
        self.line = max(min(size) // 16, 12)
        self._height = height + height % 2
        self.last = self._height + top * self.line
        font = Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"
        self._font = ImageFont.truetype(str(font), round(self.line * 0.75))

    def draw(
        self,
        picture: np.ndarray,
        poses: np.ndarray,
        row: np.ndarray | None,
        last: str = "",
        unknown: bool = False,
    ) -> Image.Image:
        """A frame and what is known about it.

        Args:
            picture: (H, W, 3) uint8 RGB.
            poses: (M, V, 3), pixels of the picture and score.
            row: probabilities (K,), NaN where nobody was seen; None where nothing is known yet.
            last: text of the last line.
            unknown: whether it is none of the classes, which are then the nearest.

        Returns:
            An image whose sides are even numbers.
        """
        size = self.width + self.width % 2, self.last + self.line + (self.last + self.line) % 2
        canvas = Image.new("RGB", size, "white")
        canvas.paste(Image.fromarray(np.ascontiguousarray(picture)))
        draw = ImageDraw.Draw(canvas)
        for pose in poses:
            self._draw_skeleton(draw, pose)
        if row is not None:
            self._draw_classes(draw, row, unknown)
        draw.text((self.line // 2, self.last), last, "black", self._font)
        return canvas

    def _draw_skeleton(self, draw: ImageDraw.ImageDraw, pose: np.ndarray) -> None:
        thick = max(self.line // 6, 2)
        seen = pose[:, 2] >= UNSURE
        colours = [side_colour(name) for name in self._layout.joints]
        for joint, parent in self._layout.bones:
            if seen[joint] and seen[parent]:
                ends = [tuple(map(float, pose[index, :2])) for index in (parent, joint)]
                draw.line(ends, fill=colours[joint], width=thick)
        for (x, y, _), colour in zip(pose[seen], np.array(colours)[seen], strict=True):
            box = (float(x) - thick, float(y) - thick, float(x) + thick, float(y) + thick)
            draw.ellipse(box, fill=str(colour))

    def _draw_classes(self, draw: ImageDraw.ImageDraw, row: np.ndarray, unknown: bool) -> None:
        line = self.line
        if np.isnan(row).any():
            draw.text((line // 2, self._height), "nobody seen", "black", self._font)
            return
        for rank, label in enumerate(np.argsort(-row, kind="stable")[: self._top]):
            y = self._height + rank * line
            draw.rectangle(
                (0, y + 1, round(row[label] * self.width), y + line - 2),
                fill=_pale(UNKNOWN_COLOUR if unknown else class_colour(int(label))),
            )
            name = shorten(self._classes[label], 32)
            if unknown and not rank:
                name = f"{UNKNOWN}, nearest {name}"
            draw.text((line // 2, y), f"{name}  {100 * row[label]:.0f} %", "black", self._font)


def class_colour(label: int) -> str:
    """The colour of a class."""
    return _COLOURS[label % len(_COLOURS)]


def side_colour(joint: str) -> str:
    """The colour of a joint: blue on the left, red on the right, white between."""
    return LEFT if "left" in joint else RIGHT if "right" in joint else "white"


def _pale(colour: str) -> tuple[int, ...]:
    return tuple(round(255 * (0.55 + 0.45 * part)) for part in to_rgb(colour))
