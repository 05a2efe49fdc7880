"""Frames of a video with skeletons, the current prediction, and a timeline."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from tqdm import tqdm

from har.clips import Clip
from har.figures.panel import UNKNOWN_COLOUR, Panel, class_colour
from har.recognition.streaming import Window
from har.skeleton import Layout
from har.video.decoding import open_video
from har.video.encoding import write_video


class Overlay:
    """Draws onto the frames of one clip; a panel below shows classes and time.

    Args:
        size: (height, width) of the frames.
        layout: of the skeletons.
        classes: K names.
        spans: start and end in frames of each window.
        probabilities: (W, K) of the windows, NaN where nobody was seen.
        unknown: (W,) whether a window is none of the classes.
        frames: number of frames of the clip.
    """

    def __init__(
        self,
        size: tuple[int, int],
        layout: Layout,
        classes: Sequence[str],
        spans: Sequence[tuple[int, int]],
        probabilities: np.ndarray,
        unknown: np.ndarray,
        frames: int,
    ) -> None:
        self._frames, self._probabilities, self._unknown = frames, probabilities, unknown
        self._middles = np.array([(start + end) / 2 for start, end in spans])
        self._panel = Panel(size, layout, classes)
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
        panel, window = self._panel, self.at(frame)
        row, unknown = self._probabilities[window], bool(self._unknown[window])
        canvas = panel.draw(picture, poses, row, unknown=unknown)
        canvas.paste(self._timeline, (0, panel.last))
        x = round((frame + 0.5) / self._frames * panel.width)
        place = (x - 1, panel.last, x + 1, panel.last + panel.line - 1)
        ImageDraw.Draw(canvas).rectangle(place, fill="black")
        return np.asarray(canvas)

    def _draw_timeline(self) -> Image.Image:
        """The likeliest class over time as colours, dark grey where unknown, grey where unseen."""
        width, line = self._panel.width, self._panel.line
        strip = Image.new("RGB", (width, line), "#CCCCCC")
        draw = ImageDraw.Draw(strip)
        for x in range(width):
            window = self.at(int(x / width * self._frames))
            row = self._probabilities[window]
            if not np.isnan(row).any():
                known = class_colour(int(row.argmax()))
                draw.line((x, 0, x, line), fill=UNKNOWN_COLOUR if self._unknown[window] else known)
        return strip


def write_overlay(
    video_path: str | Path,
    path: str | Path,
    clip: Clip,
    fps: float,
    layout: Layout,
    classes: Sequence[str],
    windows: Sequence[Window],
    progress: bool = False,
) -> None:
    """Draw a video's skeletons, and the prediction for each window, onto a copy of the video.

    Args:
        video_path: the video that the clip was extracted from.
        path: of the new video, an .mp4.
        clip: its skeletons.
        fps: frames per second.
        layout: of the skeletons.
        classes: K names.
        windows: the predictions, at least one.
        progress: show a bar on a terminal.

    Raises:
        UserError: the video can't be read, or the new one not written.
    """
    frames = clip.keypoints.shape[1]
    nobody = np.full(len(classes), np.nan)
    rows = np.array([nobody if w.probabilities is None else w.probabilities for w in windows])
    unknown = np.array([window.unknown for window in windows])
    spans = [(window.start, window.end) for window in windows]
    with open_video(video_path) as video, write_video(path, fps) as add:
        poses = np.concatenate(
            [clip.keypoints * video.scale, clip.scores[..., None]], axis=-1, dtype=np.float32
        )
        overlay = None
        pictures = tqdm(
            video.frames,
            total=frames,
            unit="frame",
            desc="drawing",
            disable=None if progress else True,
        )
        # A stream may have gone on since its skeletons were extracted.
        for number, picture in zip(range(frames), pictures, strict=False):
            overlay = overlay or Overlay(
                picture.shape[:2], layout, classes, spans, rows, unknown, frames
            )
            add(overlay.draw(picture, poses[:, number], number))
