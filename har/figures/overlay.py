"""Frames of a video with skeletons, the current prediction, and a timeline."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.colors import to_rgb
from PIL import Image, ImageDraw, ImageFont

from har.figures.skeletons import UNSURE
from har.figures.style import LEFT, MODEL_COLOURS, RIGHT, VERMILLION, shorten
from har.skeleton import Layout

_COLOURS = (*MODEL_COLOURS, VERMILLION, "#56B4E9", "#F0E442")
_TOP = 3  # classes shown


class Overlay:
    """Draws onto the frames of one clip; a panel below shows classes and time.

    Args:
        size: (height, width) of the frames.
        layout: of the skeletons.
        classes: K names.
        spans: start and end in frames of each window.
        probabilities: (W, K) of the windows, NaN where nobody was seen.
        frames: number of frames of the clip.
    """

    def __init__(
        self,
        size: tuple[int, int],
        layout: Layout,
        classes: Sequence[str],
        spans: Sequence[tuple[int, int]],
        probabilities: np.ndarray,
        frames: int,
    ) -> None:
        self._layout, self._classes, self._frames = layout, classes, frames
        self._probabilities = probabilities
        self._middles = np.array([(start + end) / 2 for start, end in spans])
        height, self._width = size
        self._line = max(min(height, self._width) // 16, 12)
        self._height = height + height % 2
        font = Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"
        self._font = ImageFont.truetype(str(font), round(self._line * 0.75))
        self._timeline = self._draw_timeline()

    def at(self, frame: int) -> int:
        """The window whose middle is nearest to a frame."""
        return int(np.abs(self._middles - frame - 0.5).argmin())

    def draw(self, picture: np.ndarray, poses: np.ndarray, frame: int) -> np.ndarray:
        """One frame of the new video.

        Args:
            picture: (H, W, 3) uint8 RGB.
            poses: (M, V, 3), pixels of the picture and score.
            frame: its number.

        Returns:
            (H', W', 3) uint8, sides in even numbers.
        """
        panel = self._line * (_TOP + 1)
        size = self._width + self._width % 2, self._height + panel + panel % 2
        canvas = Image.new("RGB", size, "white")
        canvas.paste(Image.fromarray(np.ascontiguousarray(picture)))
        draw = ImageDraw.Draw(canvas)
        for pose in poses:
            self._draw_skeleton(draw, pose)
        self._draw_classes(draw, self.at(frame))
        canvas.paste(self._timeline, (0, self._height + _TOP * self._line))
        x = round((frame + 0.5) / self._frames * self._width)
        top = self._height + _TOP * self._line
        draw.rectangle((x - 1, top, x + 1, top + self._line - 1), fill="black")
        return np.asarray(canvas)

    def _draw_skeleton(self, draw: ImageDraw.ImageDraw, pose: np.ndarray) -> None:
        thick = max(self._line // 6, 2)
        seen = pose[:, 2] >= UNSURE
        colours = [_side_colour(name) for name in self._layout.joints]
        for joint, parent in self._layout.bones:
            if seen[joint] and seen[parent]:
                ends = [tuple(map(float, pose[index, :2])) for index in (parent, joint)]
                draw.line(ends, fill=colours[joint], width=thick)
        for (x, y, _), colour in zip(pose[seen], np.array(colours)[seen], strict=True):
            box = (float(x) - thick, float(y) - thick, float(x) + thick, float(y) + thick)
            draw.ellipse(box, fill=str(colour))

    def _draw_classes(self, draw: ImageDraw.ImageDraw, window: int) -> None:
        row, line = self._probabilities[window], self._line
        if np.isnan(row).any():
            draw.text((line // 2, self._height), "nobody seen", "black", self._font)
            return
        for rank, label in enumerate(np.argsort(-row, kind="stable")[:_TOP]):
            y = self._height + rank * line
            draw.rectangle(
                (0, y + 1, round(row[label] * self._width), y + line - 2),
                fill=_pale(_colour(int(label))),
            )
            name = shorten(self._classes[label], 32)
            draw.text((line // 2, y), f"{name}  {100 * row[label]:.0f} %", "black", self._font)

    def _draw_timeline(self) -> Image.Image:
        """The likeliest class over time as colours, grey where nobody was seen."""
        strip = Image.new("RGB", (self._width, self._line), "#CCCCCC")
        draw = ImageDraw.Draw(strip)
        for x in range(self._width):
            row = self._probabilities[self.at(int(x / self._width * self._frames))]
            if not np.isnan(row).any():
                draw.line((x, 0, x, self._line), fill=_colour(int(row.argmax())))
        return strip


def _side_colour(joint: str) -> str:
    return LEFT if "left" in joint else RIGHT if "right" in joint else "white"


def _colour(label: int) -> str:
    return _COLOURS[label % len(_COLOURS)]


def _pale(colour: str) -> tuple[int, ...]:
    return tuple(round(255 * (0.55 + 0.45 * part)) for part in to_rgb(colour))
