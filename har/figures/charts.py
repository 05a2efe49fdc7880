"""Every picture: skeletons, predictions, mistakes, confusion, per-class figures, curves.

Functions take arrays and return matplotlib figures of the object interface, so nothing global is
touched and nothing has to be closed; `png` makes the same bytes of the same figure. Colours are
those of Okabe and Ito (2008), which colour-blind readers tell apart.

Poses are (M, T, V, C + 1): persons, frames, joints, coordinates and score; score 0 is missing.
"""

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import EllipseCollection, LineCollection
from matplotlib.colors import LinearSegmentedColormap, to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from har.skeleton import Layout

BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
BLUE, VERMILLION, PURPLE = "#0072B2", "#D55E00", "#CC79A7"
GREY, PALE = "#666666", "#F2F2F2"
LEFT, RIGHT, MIDDLE = BLUE, VERMILLION, "#444444"
MODEL_COLOURS = (ORANGE, BLUE, GREEN, PURPLE)
SHARES = LinearSegmentedColormap.from_list("shares", ["#FFFFFF", "#A9CDE6", BLUE, "#00334F"])

UNSURE = 0.3  # joints with a lower score are drawn faintly
DPI = 120
_MOST_MOVING = 250  # frames of a moving clip
_MOST_SHOWN = 12  # classes of a timeline


@dataclass(frozen=True)
class Sample:
    """A clip to draw: its id, true class and poses (M, T, V, C + 1)."""

    id: str
    label: int
    poses: np.ndarray


def png(figure: Figure) -> bytes:
    """The figure as a PNG; the same figure gives the same bytes."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=DPI, metadata={"Software": None})
    return file.getvalue()


def skeleton_strip(samples: Sequence[Sample], classes: Sequence[str], layout: Layout) -> Figure:
    """First, middle and last frame of each sample as stick figures, under its class name.

    Frames in which nobody was seen are passed over. The three frames of a sample share one view.
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


def confusion_matrix(table: np.ndarray, classes: Sequence[str], name: str) -> Figure:
    """Clips by true (row) and predicted (column) class, all classes in label order.

    Cells show the number of clips and its share of the row, which is the colour too. Past 40
    classes the share is left to the colour.

    Args:
        table: (K, K) clips.
        classes: K names.
        name: of the model, for the title.
    """
    count = len(classes)
    cell = 0.68 if count <= 8 else 0.5 if count <= 20 else 0.36 if count <= 40 else 0.17
    size = 9 if count <= 8 else 7 if count <= 20 else 5.5 if count <= 40 else 4.5
    names = [_short(label, 24) for label in classes]
    margin = 0.075 * max(map(len, names)) * (1 if count <= 40 else 0.7)
    side = max(cell * count, 2.2)
    figure = Figure(figsize=(side + margin + 1.9, side + margin + 1.1), layout="constrained")
    axes = figure.add_subplot()
    total = table.sum(axis=1, keepdims=True)
    shares = np.divide(table, total, out=np.zeros(table.shape), where=total > 0)
    image = axes.imshow(shares, cmap=SHARES, vmin=0, vmax=1)
    for row, column in np.argwhere(table):
        share = shares[row, column]
        label = str(table[row, column])
        axes.text(
            column,
            row,
            label if count > 40 else f"{label}\n{100 * share:.0f} %",
            ha="center",
            va="center",
            fontsize=size,
            color="white" if share > 0.6 else BLACK,
        )
    tick_size = 9 if count <= 40 else 6
    axes.set_xticks(range(count), names, fontsize=tick_size, parse_math=False)
    axes.set_yticks(range(count), names, fontsize=tick_size, parse_math=False)
    axes.tick_params(axis="x", rotation=90 if count > 2 else 0)
    axes.set_xticks(np.arange(count + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(count + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="#DDDDDD", linewidth=0.5)
    axes.tick_params(which="both", length=0)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    hits = np.diag(table)
    concerned = table.sum(axis=0) + table.sum(axis=1)
    f1 = 2 * hits[concerned > 0] / concerned[concerned > 0]
    axes.set_title(
        f"{name}: {table.sum()} clips\n"
        f"accuracy {100 * hits.sum() / table.sum():.1f} %, macro-F1 {100 * f1.mean():.1f} %",
        fontsize=11,
    )
    bar = figure.colorbar(image, ax=axes, shrink=min(1.0, 6 / side), aspect=25, pad=0.02)
    bar.set_label("share of the true class")
    bar.ax.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    return figure


def per_class_f1(
    models: Mapping[str, Mapping[str, Mapping[str, float]]], title: str = "F1 by class"
) -> Figure:
    """F1 of each class, models side by side.

    Args:
        models: by name, each the answer of `metrics.per_class`.
        title: of the figure.
    """
    first = next(iter(models.values()))
    classes = list(first)
    columns = math.ceil(len(classes) / 34)
    rows = math.ceil(len(classes) / columns)
    figure = Figure(
        figsize=(max(6.4, 4.6 * columns), 1.3 + 0.17 * (len(models) + 0.6) * rows),
        layout="constrained",
    )
    thickness = 0.8 / len(models)
    for number, axes in enumerate(figure.subplots(1, columns, squeeze=False)[0]):
        names = classes[number * rows : (number + 1) * rows]
        for index, (model, figures) in enumerate(models.items()):
            positions = np.arange(len(names)) + (index - (len(models) - 1) / 2) * thickness
            values = [figures[name]["f1"] for name in names]
            colour = MODEL_COLOURS[index % len(MODEL_COLOURS)]
            axes.barh(positions, values, thickness, color=colour, label=model)
            for position, value in zip(positions, values, strict=True):
                axes.text(value + 0.01, position, f"{value:.2f}", va="center_baseline", fontsize=7)
        labels = [f"{_short(name, 24)} ({first[name]['support']:.0f})" for name in names]
        axes.set_yticks(range(len(names)), labels, fontsize=8, parse_math=False)
        axes.set_ylim(rows - 0.5, -0.5)
        axes.set_xlim(0, 1.1)
        axes.set_xticks(np.linspace(0, 1, 6))
        axes.set_xlabel("F1")
        _tidy(axes, grid="x")
    figure.suptitle(f"{title} (clips in brackets)", fontsize=11)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(models), frameon=False)
    return figure


def reliability(
    models: Mapping[str, Mapping[str, Sequence[Mapping[str, float]]]],
    title: str = "Confidence against accuracy",
) -> Figure:
    """Reliability diagrams: how often predictions of a given confidence are right.

    Args:
        models: by model name and then by kind ("before", "after" temperature scaling), each the
            answer of `metrics.calibration_bins`.
        title: of the figure.
    """
    figure = Figure(figsize=(max(5.0, 4.0 * len(models)), 6.0), layout="constrained")
    panels = figure.subplots(
        2, len(models), squeeze=False, sharex=True, sharey="row", height_ratios=[3, 1]
    )
    markers = ((VERMILLION, "o", "-"), (BLUE, "s", "--"))
    for (model, kinds), (axes, below) in zip(models.items(), panels.T, strict=True):
        axes.plot([0, 1], [0, 1], ":", color=GREY, linewidth=1, label="perfectly calibrated")
        for index, ((kind, bins), (colour, marker, line)) in enumerate(
            zip(kinds.items(), markers, strict=False)
        ):
            clips = np.array([row["clips"] for row in bins])
            confidence = np.array([row["confidence"] for row in bins])
            accuracy = np.array([row["accuracy"] for row in bins])
            error = np.sum(clips * np.abs(accuracy - confidence)) / clips.sum()
            axes.plot(confidence, accuracy, line, color=colour, linewidth=1.2)
            axes.scatter(confidence, accuracy, s=25, color=colour, marker=marker, zorder=3)
            axes.plot([], [], line, marker=marker, color=colour, label=f"{kind}: error {error:.3f}")
            low = np.array([row["low"] for row in bins])
            width = np.array([row["high"] for row in bins]) - low
            half = width / 2
            below.bar(low + index * half, clips, half * 0.9, align="edge", color=colour)
        axes.set_title(model, fontsize=10)
        axes.legend(loc="upper left", fontsize=8, frameon=False)
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1.3)
        axes.set_yticks(np.linspace(0, 1, 6))
        below.set_xlabel("confidence in the predicted class")
        _tidy(axes, grid="both")
        _tidy(below, grid="y")
    panels[0, 0].set_ylabel("accuracy")
    panels[1, 0].set_ylabel("clips")
    figure.suptitle(title, fontsize=11)
    return figure


def training_curves(
    histories: Mapping[str, Mapping[str, Sequence[float]]], title: str = "Training"
) -> Figure:
    """Loss, accuracy and macro-F1 by epoch, train and val, one row per model.

    Args:
        histories: by model name, columns `epoch`, `train_loss`, `val_loss`, `train_accuracy`, ...
        title: of the figure.
    """
    figure = Figure(figsize=(10.5, 0.6 + 2.7 * len(histories)), layout="constrained")
    panels = figure.subplots(len(histories), 3, squeeze=False)
    quantities = (("loss", "loss"), ("accuracy", "accuracy"), ("macro_f1", "macro-F1"))
    for (model, history), row in zip(histories.items(), panels, strict=True):
        for axes, (key, label) in zip(row, quantities, strict=True):
            for part, colour, line in (("train", ORANGE, "--"), ("val", BLUE, "-")):
                marker = "." if len(history["epoch"]) < 3 else ""
                axes.plot(
                    history["epoch"],
                    history[f"{part}_{key}"],
                    line,
                    marker=marker,
                    color=colour,
                    label=part,
                )
            axes.set_title(f"{model}: {label}", fontsize=10)
            axes.set_xlabel("epoch")
            axes.xaxis.get_major_locator().set_params(integer=True)
            if key == "loss":
                axes.set_ylim(bottom=0)
            else:
                axes.set_ylim(0, 1)
            _tidy(axes, grid="both")
    figure.suptitle(title, fontsize=11)
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    return figure


def class_balance(
    labels: np.ndarray, subsets: Sequence[str] | np.ndarray, classes: Sequence[str]
) -> Figure:
    """Clips of each class in train, val and test.

    Args:
        labels: (N,) classes.
        subsets: (N,) "train", "val", "test" or "".
        classes: K names.
    """
    labels, subsets = np.asarray(labels), np.asarray(subsets)
    columns = math.ceil(len(classes) / 51)
    rows = math.ceil(len(classes) / columns)
    figure = Figure(figsize=(max(6.4, 4.6 * columns), 1.3 + 0.2 * rows), layout="constrained")
    parts = (("train", BLUE, "white"), ("val", ORANGE, BLACK), ("test", GREEN, BLACK))
    for number, axes in enumerate(figure.subplots(1, columns, squeeze=False, sharex=True)[0]):
        known = range(number * rows, min((number + 1) * rows, len(classes)))
        start = np.zeros(len(known))
        for part, colour, ink in parts:
            count = np.array([np.sum((labels == k) & (subsets == part)) for k in known])
            axes.barh(range(len(known)), count, left=start, height=0.8, color=colour, label=part)
            for position in np.flatnonzero(count):
                middle = start[position] + count[position] / 2
                axes.text(
                    middle,
                    position,
                    str(count[position]),
                    ha="center",
                    va="center_baseline",
                    fontsize=6.5,
                    color=ink,
                )
            start += count
        names = [_short(classes[k], 24) for k in known]
        axes.set_yticks(range(len(known)), names, fontsize=8, parse_math=False)
        axes.set_ylim(rows - 0.5, -0.5)
        axes.set_xlabel("clips")
        _tidy(axes, grid="x")
    figure.suptitle("Clips by class and subset", fontsize=11)
    handles, names = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=3, frameon=False)
    return figure


def clip_picture(
    name: str, about: str, poses: np.ndarray, layout: Layout, top: Sequence[tuple[str, float]] = ()
) -> Figure:
    """First, middle and last seen frame of one clip, all its persons, and what it is taken for.

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
    """The clip as a GIF in its own speed; of a long clip, every n-th frame.

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
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        picture = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
        pictures.append(picture.quantize(64, dither=Image.Dither.NONE))
    file = io.BytesIO()
    duration = max(20, 10 * round(100 * step / fps))
    pictures[0].save(
        file, "GIF", save_all=True, append_images=pictures[1:], duration=duration, loop=0
    )
    return file.getvalue()


def timeline(
    name: str,
    rows: Mapping[str, Sequence[tuple[float, float, np.ndarray | None]]],
    classes: Sequence[str],
    unit: str,
) -> Figure:
    """What is done when: the probability of each class over time, the highest one framed.

    Classes that are never among the likely ones are left out. Where windows overlap, each fills
    the time that is nearest to its middle.

    Args:
        name: of the clip.
        rows: by person (or whoever), windows in order: start, end, and (K,) probabilities or None
            where nobody was seen.
        classes: K names.
        unit: of the times.
    """
    found = [row for windows in rows.values() for *_, row in windows if row is not None]
    highest = np.max(found, axis=0) if found else np.zeros(len(classes))
    best = {int(row.argmax()) for row in found}
    order = [k for k in np.argsort(-highest, kind="stable") if k in best or highest[k] >= 0.2]
    shown = sorted(order[:_MOST_SHOWN])
    height = max(0.26 * max(len(shown), 1), 0.8)
    figure = Figure(figsize=(9.0, 1.1 + (height + 0.35) * len(rows)), layout="constrained")
    panels = figure.subplots(len(rows), 1, squeeze=False, sharex=True)[:, 0]
    for (person, windows), axes in zip(rows.items(), panels, strict=True):
        middles = [(start + end) / 2 for start, end, _ in windows]
        inner = [(a + b) / 2 for a, b in pairwise(middles)]
        edges = [windows[0][0], *inner, windows[-1][1]]
        values = np.full((len(shown), len(windows)), np.nan)
        winners = [-1 if row is None else int(row.argmax()) for *_, row in windows]
        for column, (*_, row) in enumerate(windows):
            if row is not None:
                values[:, column] = row[shown]
        for winner, run in groupby(range(len(windows)), key=winners.__getitem__):
            if winner in shown:
                columns = list(run)
                place = edges[columns[0]], shown.index(winner) - 0.5
                width = edges[columns[-1] + 1] - place[0]
                frame = Rectangle(place, width, 1, fill=False, ec=VERMILLION, lw=1.5, zorder=3)
                axes.add_patch(frame)
        axes.set_facecolor("#DDDDDD")
        lines = np.arange(len(shown) + 1) - 0.5
        if len(shown):
            image = axes.pcolormesh(edges, lines, values, cmap=SHARES, vmin=0, vmax=1)
        axes.set_yticks(
            range(len(shown)), [_short(classes[k], 24) for k in shown], fontsize=8,
            parse_math=False,
        )  # fmt: skip
        axes.set_ylim(max(len(shown), 1) - 0.5, -0.5)
        axes.set_xlim(edges[0], edges[-1])
        axes.tick_params(labelsize=8, length=2)
        if person:
            axes.set_title(person, fontsize=9, loc="left", parse_math=False)
    nobody = any(row is None for windows in rows.values() for *_, row in windows)
    panels[-1].set_xlabel(f"{unit} (grey: nobody seen)" if nobody else unit)
    figure.suptitle(_short(name, 90), fontsize=11, parse_math=False)
    if len(shown):
        bar = figure.colorbar(image, ax=list(panels), aspect=15, pad=0.01)
        bar.set_label("probability", fontsize=8)
        bar.ax.tick_params(labelsize=8)
        bar.ax.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    return figure


def _tidy(axes: Axes, grid: Literal["x", "y", "both"]) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8)
    axes.grid(axis=grid, color="#DDDDDD", linewidth=0.6)


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


# Galleries are drawn on one set of axes measured in inches: hundreds of small axes take minutes.


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
    axes.text(x, y, _short(text, int(room / width)), fontsize=size, parse_math=False, **style)


def _shown_frames(poses: np.ndarray) -> list[int]:
    """First, middle and last of the frames in which a joint was seen."""
    seen = np.flatnonzero((poses[..., -1] > 0).any(axis=(0, 2)))
    if not len(seen):
        seen = np.arange(poses.shape[1])
    return [int(seen[0]), int(seen[len(seen) // 2]), int(seen[-1])]


def _drawable(poses: np.ndarray, layout: Layout) -> np.ndarray:
    """Coordinates with x to the right and y downwards (..., V, 2); depth cameras have y upwards."""
    return poses[..., :2] * ((1, -1) if layout.dimensions == 3 else (1, 1))


def _view(poses: np.ndarray, layout: Layout) -> tuple[float, float, float]:
    """Left, top and side of the square that holds all sure joints."""
    points = _drawable(poses, layout)
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
    points = (_drawable(poses, layout) - view[:2]) / view[2] * side + (left, top)
    scores = poses[..., -1]
    colours = [MIDDLE] * len(layout.joints)
    for left_joint, right_joint in layout.pairs:
        colours[left_joint], colours[right_joint] = LEFT, RIGHT
    lines = [(joint, parent, colours[joint]) for joint, parent in layout.bones]
    lines += [(*pair, MIDDLE) for pair in (layout.shoulders, layout.hips)]
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
