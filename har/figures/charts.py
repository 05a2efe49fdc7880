"""Charts of figures: confusion, per-class F1, reliability, training curves, timelines."""

import math
from collections.abc import Mapping, Sequence
from itertools import groupby, pairwise

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from har.figures.style import (
    BLACK,
    BLUE,
    GREY,
    MODEL_COLOURS,
    ORANGE,
    SHARES,
    VERMILLION,
    shorten,
    tidy,
)

_MOST_SHOWN = 12  # classes of a timeline


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
    names = [shorten(label, 24) for label in classes]
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
        labels = [f"{shorten(name, 24)} ({first[name]['support']:.0f})" for name in names]
        axes.set_yticks(range(len(names)), labels, fontsize=8, parse_math=False)
        axes.set_ylim(rows - 0.5, -0.5)
        axes.set_xlim(0, 1.1)
        axes.set_xticks(np.linspace(0, 1, 6))
        axes.set_xlabel("F1")
        tidy(axes, grid="x")
    figure.suptitle(f"{title} (clips in brackets)", fontsize=11)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(models), frameon=False)
    return figure


def reliability(
    models: Mapping[str, Mapping[str, Sequence[Mapping[str, float]]]],
    title: str = "Confidence against accuracy",
) -> Figure:
    """Reliability diagrams: accuracy of predictions by confidence.

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
        tidy(axes, grid="both")
        tidy(below, grid="y")
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
            for subset, colour, line in (("train", ORANGE, "--"), ("val", BLUE, "-")):
                marker = "." if len(history["epoch"]) < 3 else ""
                axes.plot(
                    history["epoch"],
                    history[f"{subset}_{key}"],
                    line,
                    marker=marker,
                    color=colour,
                    label=subset,
                )
            axes.set_title(f"{model}: {label}", fontsize=10)
            axes.set_xlabel("epoch")
            axes.xaxis.get_major_locator().set_params(integer=True)
            if key == "loss":
                axes.set_ylim(bottom=0)
            else:
                axes.set_ylim(0, 1)
            tidy(axes, grid="both")
    figure.suptitle(title, fontsize=11)
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    return figure


def timeline(
    name: str,
    rows: Mapping[str, Sequence[tuple[float, float, np.ndarray | None, bool]]],
    classes: Sequence[str],
    unit: str,
) -> Figure:
    """Probability of each class over time, the highest one framed, none where all are wrong.

    Classes that are never among the likely ones are left out. Where windows overlap, each fills
    the time that is nearest to its middle.

    Args:
        name: of the clip.
        rows: by person or clip, windows in order: start, end, (K,) probabilities or None where
            nobody was seen, and whether it is none of the classes.
        classes: K names.
        unit: of the times.
    """
    found = [row for windows in rows.values() for *_, row, _ in windows if row is not None]
    highest = np.max(found, axis=0) if found else np.zeros(len(classes))
    best = {int(row.argmax()) for row in found}
    order = [k for k in np.argsort(-highest, kind="stable") if k in best or highest[k] >= 0.2]
    shown = sorted(order[:_MOST_SHOWN])
    height = max(0.26 * max(len(shown), 1), 0.8)
    figure = Figure(figsize=(9.0, 1.1 + (height + 0.35) * len(rows)), layout="constrained")
    panels = figure.subplots(len(rows), 1, squeeze=False, sharex=True)[:, 0]
    for (person, windows), axes in zip(rows.items(), panels, strict=True):
        middles = [(start + end) / 2 for start, end, *_ in windows]
        inner = [(a + b) / 2 for a, b in pairwise(middles)]
        edges = [windows[0][0], *inner, windows[-1][1]]
        values = np.full((len(shown), len(windows)), np.nan)
        winners = [
            -1 if row is None or unknown else int(row.argmax()) for *_, row, unknown in windows
        ]
        for column, (*_, row, _) in enumerate(windows):
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
            range(len(shown)),
            [shorten(classes[k], 24) for k in shown],
            fontsize=8,
            parse_math=False,
        )
        axes.set_ylim(max(len(shown), 1) - 0.5, -0.5)
        axes.set_xlim(edges[0], edges[-1])
        axes.tick_params(labelsize=8, length=2)
        if person:
            axes.set_title(person, fontsize=9, loc="left", parse_math=False)
    notes = []
    if any(row is None for windows in rows.values() for *_, row, _ in windows):
        notes.append("grey: nobody seen")
    if any(unknown for windows in rows.values() for *_, unknown in windows):
        notes.append("without a frame: unknown")
    panels[-1].set_xlabel(f"{unit} ({', '.join(notes)})" if notes else unit)
    figure.suptitle(shorten(name, 90), fontsize=11, parse_math=False)
    if len(shown):
        bar = figure.colorbar(image, ax=list(panels), aspect=15, pad=0.01)
        bar.set_label("probability", fontsize=8)
        bar.ax.tick_params(labelsize=8)
        bar.ax.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    return figure
