"""Skeletons as stick figures: strips, galleries, moving clips.

Poses are (M, T, V, C + 1): persons, frames, joints, coordinates and score; score 0 is missing.
"""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import EllipseCollection, LineCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from har.figures.style import GREEN, GREY, LEFT, MIDDLE, PALE, RIGHT, VERMILLION, shorten
from har.skeleton import Layout

UNSURE = 0.3  # joints with a lower score are drawn faintly
_MOST_MOVING = 250  # frames of a moving clip


@dataclass(frozen=True)
class Sample:
    """A clip to draw: its id, true class and poses (M, T, V, C + 1)."""

    id: str
    label: int
    poses: np.ndarray


def skeleton_strip(samples: Sequence[Sample], classes: Sequence[str], layout: Layout) -> Figure:
    """First, middle and last frame of each sample as stick figures, under its class name.

    Frames without a seen joint are skipped. The three frames of a sample share one view.
    """
    figure, axes, places = _grid(len(samples), 3.3, 1.55, "First, middle and last frame")
    _side_legend(axes)
    for sample, (left, top) in zip(samples, places, strict=True):
        _text(axes, left, top + 0.02, classes[sample.label], 3.2, 9, weight="bold")
        length = sample.poses.shape[1]
        _text(axes, left, top + 0.2, f"{sample.id}, {length} frames", 3.2, 6.5, color=GREY)
        _three_frames(axes, sample.poses, layout, left, top + 0.36, 1.05)
    return figure


def predicted_examples(
    samples: Sequence[Sample],
    probabilities: np.ndarray,
    classes: Sequence[str],
    layout: Layout,
    title: str = "One example per class",
) -> Figure:
    """The middle frame of each sample beside its most probable classes; the true one is green.

    Args:
        samples: S clips.
        probabilities: (S, K).
        classes: K names.
        layout: of the poses.
        title: of the figure.
    """
    figure, axes, places = _grid(len(samples), 3.75, 1.75, title)
    _side_legend(axes)
    for sample, row, (left, top) in zip(samples, probabilities, places, strict=True):
        order = np.argsort(-row, kind="stable")[:5]
        hit = order[0] == sample.label
        verdict, colour = ("correct", GREEN) if hit else ("wrong", VERMILLION)
        _text(axes, left, top + 0.02, classes[sample.label], 3.0, 9, weight="bold")
        _text(
            axes, left + 3.6, top + 0.02, verdict, 0.6, 9, color=colour, ha="right", weight="bold"
        )
        _text(axes, left, top + 0.2, sample.id, 3.6, 6.5, color=GREY)
        frames = _shown_frames(sample.poses)
        view = _view(sample.poses[:, frames[1:2]], layout)
        _cell(axes, sample.poses[:, frames[1]], view, layout, left, top + 0.36, 1.25)
        for rank, label in enumerate(order):
            y = top + 0.36 + rank * 0.25
            colour = "#8FD3BE" if label == sample.label else "#BFDDF2"
            axes.add_patch(Rectangle((left + 1.35, y), 2.25, 0.22, color=PALE, lw=0))
            axes.add_patch(Rectangle((left + 1.35, y), 2.25 * row[label], 0.22, color=colour, lw=0))
            _text(axes, left + 1.39, y + 0.11, classes[label], 1.7, 7, va="center_baseline")
            share = f"{100 * row[label]:.1f} %"
            _text(axes, left + 3.56, y + 0.11, share, 0.6, 7, ha="right", va="center_baseline")
    return figure


def worst_mistakes(labels: np.ndarray, probabilities: np.ndarray, count: int = 12) -> np.ndarray:
    """Indices of up to `count` wrong clips, the one the model was surest about first."""
    predicted = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predicted != labels)
    sureness = probabilities[wrong, predicted[wrong]]
    return wrong[np.argsort(-sureness, kind="stable")][:count]


def mistakes_gallery(
    samples: Sequence[Sample],
    probabilities: np.ndarray,
    classes: Sequence[str],
    layout: Layout,
    title: str = "The surest mistakes",
) -> Figure:
    """Wrong clips as stick figures with true class, predicted class and confidence.

    Args:
        samples: S clips, see `worst_mistakes`.
        probabilities: (S, K).
        classes: K names.
        layout: of the poses.
        title: of the figure.
    """
    figure, axes, places = _grid(len(samples), 3.3, 1.75, title)
    if not samples:
        _text(axes, 0.15, 0.6, "No clip was mistaken.", 3.3, 10)
        return figure
    _side_legend(axes)
    for sample, row, (left, top) in zip(samples, probabilities, places, strict=True):
        guess = int(row.argmax())
        said = f"taken for {classes[guess]}"
        _text(axes, left, top + 0.02, said, 2.6, 8.5, color=VERMILLION, weight="bold")
        sure = f"{100 * row[guess]:.1f} %"
        _text(axes, left + 3.15, top + 0.02, sure, 0.6, 8.5, color=VERMILLION, ha="right")
        true = f"is {classes[sample.label]}"
        _text(axes, left, top + 0.2, true, 2.6, 8.5, weight="bold")
        chance = f"{100 * row[sample.label]:.1f} %"
        _text(axes, left + 3.15, top + 0.2, chance, 0.6, 8.5, ha="right")
        _text(axes, left, top + 0.38, sample.id, 3.15, 6.5, color=GREY)
        _three_frames(axes, sample.poses, layout, left, top + 0.54, 1.05)
    return figure


def clip_picture(
    name: str, about: str, poses: np.ndarray, layout: Layout, top: Sequence[tuple[str, float]] = ()
) -> Figure:
    """First, middle and last seen frame of one clip, all its persons, and its prediction.

    Args:
        name: of the clip.
        about: a line under its name.
        poses: (M, T, V, C + 1).
        layout: of the poses.
        top: the most probable classes with their probabilities, beside the frames.
    """
    side, bars = 2.1, 2.7
    width = 3 * side + (bars + 0.15 if top else 0) + 0.3
    figure, axes = _canvas(width, side + 0.7)
    _text(axes, 0.15, 0.1, name, width - 0.3, 11, weight="bold")
    _side_legend(axes)
    _text(axes, 3.2, 0.34, about, width - 3.35, 8, color=GREY)
    _three_frames(axes, poses, layout, 0.15, 0.62, side)
    for rank, (label, share) in enumerate(top):
        left, y = 0.3 + 3 * side, 0.62 + rank * 0.36
        axes.add_patch(Rectangle((left, y), bars, 0.31, color=PALE, lw=0))
        axes.add_patch(Rectangle((left, y), bars * share, 0.31, color="#BFDDF2", lw=0))
        _text(axes, left + 0.05, y + 0.155, label, bars - 0.7, 9, va="center_baseline")
        text = f"{100 * share:.1f} %"
        _text(axes, left + bars - 0.05, y + 0.155, text, 0.7, 9, ha="right", va="center_baseline")
    return figure


def moving_clip(name: str, about: str, poses: np.ndarray, layout: Layout, fps: float = 25) -> bytes:
    """The clip as a GIF at its own speed; of a long clip, every n-th frame.

    Args:
        name: of the clip, written over it.
        about: a line under its name.
        poses: (M, T, V, C + 1).
        layout: of the poses.
        fps: frames per second.
    """
    length = poses.shape[1]
    step = max(math.ceil(length / _MOST_MOVING), round(fps / 25), 1)
    view = _view(poses, layout)
    pictures = []
    for frame in range(0, length, step):
        figure, axes = _canvas(3.0, 3.35)
        _text(axes, 0.1, 0.06, name, 2.3, 7, color=GREY)
        _text(axes, 0.1, 0.2, about, 2.8, 7, weight="bold")
        number = f"{frame + 1}/{length}"
        _text(axes, 2.9, 0.06, number, 0.7, 7, color=GREY, ha="right")
        _cell(axes, poses[:, frame], view, layout, 0.1, 0.4, 2.8)
        pictures.append(_picture(figure))
    return _gif(pictures, max(20, 10 * round(100 * step / fps)))


def moving_grid(
    clips: Sequence[tuple[str, str, np.ndarray]], layout: Layout, fps: float, columns: int = 4
) -> bytes:
    """Several clips of equal length side by side as one GIF.

    Args:
        clips: for each a title, a line under it and poses (M, T, V, C + 1).
        layout: of the poses.
        fps: frames per second.
        columns: clips in a row.
    """
    views = [_view(poses, layout) for _, _, poses in clips]
    rows = math.ceil(len(clips) / columns)
    pictures = []
    for frame in range(clips[0][2].shape[1]):
        figure, axes = _canvas(1.5 * columns + 0.1, 1.9 * rows + 0.1)
        for place, ((title, about, poses), view) in enumerate(zip(clips, views, strict=True)):
            left, top = 0.1 + 1.5 * (place % columns), 0.1 + 1.9 * (place // columns)
            _text(axes, left, top, title, 1.4, 7, weight="bold")
            _text(axes, left, top + 0.16, about, 1.4, 6.5, color=GREY)
            _cell(axes, poses[:, frame], view, layout, left, top + 0.34, 1.4)
        pictures.append(_picture(figure))
    return _gif(pictures, 10 * round(100 / fps))


def _picture(figure: Figure) -> Image.Image:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
    return picture.quantize(64, dither=Image.Dither.NONE)


def _gif(pictures: Sequence[Image.Image], duration: int) -> bytes:
    """A GIF that repeats for ever; `duration` of a picture in milliseconds."""
    file = io.BytesIO()
    pictures[0].save(
        file, "GIF", save_all=True, append_images=pictures[1:], duration=duration, loop=0
    )
    return file.getvalue()


def _grid(
    count: int, width: float, height: float, title: str
) -> tuple[Figure, Axes, list[tuple[float, float]]]:
    """A blank figure with a title, and the top left corners of `count` places of a given size."""
    columns = max(1, round(math.sqrt(1.3 * count * height / width)))
    rows = math.ceil(count / columns)
    whole = max(columns * width, 3.6) + 0.2, max(rows, 0.4) * height + 0.65
    figure, axes = _canvas(*whole)
    _text(axes, 0.15, 0.1, title, whole[0] - 0.2, 11, weight="bold")
    places = [
        (0.15 + place % columns * width, 0.6 + place // columns * height) for place in range(count)
    ]
    return figure, axes, places


def _canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """A blank figure, measured in inches from its top left corner."""
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.set_axis_off()
    return figure, axes


def _side_legend(axes: Axes) -> None:
    for x, word, colour in (
        (0.15, "left limbs", LEFT),
        (0.92, "right limbs", RIGHT),
        (1.8, "faint: unsure joints", GREY),
    ):
        _text(axes, x, 0.34, word, 2, 8, color=colour)


def _text(
    axes: Axes, x: float, y: float, text: str, room: float, size: float, **style: Any
) -> None:
    """Write text that is cut to fit the room (inches); y is its top unless `va` says otherwise."""
    width = size / 72 * (0.68 if "weight" in style else 0.6)
    style.setdefault("va", "top")
    axes.text(x, y, shorten(text, int(room / width)), fontsize=size, parse_math=False, **style)


def _shown_frames(poses: np.ndarray) -> list[int]:
    """First, middle and last of the frames in which a joint was seen."""
    seen = np.flatnonzero((poses[..., -1] > 0).any(axis=(0, 2)))
    if not len(seen):
        seen = np.arange(poses.shape[1])
    return [int(seen[0]), int(seen[len(seen) // 2]), int(seen[-1])]


def drawable(poses: np.ndarray, layout: Layout) -> np.ndarray:
    """Coordinates with x to the right and y downwards (..., V, 2); depth cameras have y upwards."""
    return poses[..., :2] * ((1, -1) if layout.dimensions == 3 else (1, 1))


def _view(poses: np.ndarray, layout: Layout) -> tuple[float, float, float]:
    """Left, top and side of the square that holds all sure joints."""
    points = drawable(poses, layout)
    sure = poses[..., -1] >= UNSURE
    if not sure.any():
        sure = poses[..., -1] > 0
    if not sure.any():
        return 0.0, 0.0, 1.0
    low, high = points[sure].min(axis=0), points[sure].max(axis=0)
    side = max(float((high - low).max()), 1e-6) * 1.16
    left, top = (low + high) / 2 - side / 2
    return float(left), float(top), side


def _three_frames(
    axes: Axes, poses: np.ndarray, layout: Layout, left: float, top: float, side: float
) -> None:
    frames = _shown_frames(poses)
    view = _view(poses[:, frames], layout)
    for place, frame in enumerate(frames):
        x = left + place * side
        _cell(axes, poses[:, frame], view, layout, x, top, side - 0.04)
        _text(axes, x + 0.03, top + side - 0.07, str(frame + 1), 0.5, 6, color=GREY, va="bottom")


def _cell(
    axes: Axes,
    poses: np.ndarray,
    view: tuple[float, float, float],
    layout: Layout,
    left: float,
    top: float,
    side: float,
) -> None:
    """Draw the persons (M, V, C + 1) of one frame into a square."""
    frame = Rectangle((left, top), side, side, color=PALE, lw=0)
    axes.add_patch(frame)
    points = (drawable(poses, layout) - view[:2]) / view[2] * side + (left, top)
    scores = poses[..., -1]
    colours = [MIDDLE] * len(layout.joints)
    for left_joint, right_joint in layout.pairs:
        colours[left_joint], colours[right_joint] = LEFT, RIGHT
    lines = [(joint, parent, colours[joint]) for joint, parent in layout.bones]
    for pair in (layout.shoulders, layout.hips):
        if pair:
            lines.append((pair[0], pair[1], MIDDLE))
    for person, score in zip(points, scores, strict=True):
        if not score.any():  # an empty slot
            continue
        for artist in (
            LineCollection(
                [person[[a, b]] for a, b, _ in lines],
                colors=[to_rgba(c, _opacity(min(score[a], score[b]))) for a, b, c in lines],
                linewidths=1.5 * side,
                capstyle="round",
            ),
            EllipseCollection(
                np.full(len(score), 0.045 * side),
                np.full(len(score), 0.045 * side),
                np.zeros(len(score)),
                units="xy",
                offsets=person,
                offset_transform=axes.transData,
                facecolors=[to_rgba(c, _opacity(v)) for c, v in zip(colours, score, strict=True)],
            ),
        ):
            axes.add_collection(artist, autolim=False)
            artist.set_clip_path(frame)


def _opacity(score: float) -> float:
    return 1.0 if score >= UNSURE else 0.25 if score > 0 else 0.0
