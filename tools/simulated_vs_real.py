"""Draw the simulated set beside genuine skeletons: `python -m tools.simulated_vs_real --help`.

Both genuine files are optional extras of whoever has them; the pipeline needs neither.
"""

import argparse
import csv
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from har.clips import Clip
from har.clips.annotations import read_pickle
from har.clips.simulate import simulate
from har.clips.simulate.actions import CLASSES
from har.files import write_atomically
from har.skeleton import LAYOUTS

# Blue and orange of Okabe and Ito's palette, told apart by all common kinds of colour vision.
_GENUINE, _SIMULATED = "#0072B2", "#E69F00"


@dataclass(frozen=True)
class ClipTable:
    """Labels (N,), frames (N,) and most persons in one frame (N,) of a list of clips."""

    labels: np.ndarray
    frames: np.ndarray
    persons: np.ndarray

    @staticmethod
    def read(path: Path) -> "ClipTable":
        """Read the rows of the five classes from a CSV with `frame_dir` and `keypoint_shape`."""
        rows = []
        with path.open(encoding="utf-8", newline="") as file:
            for line in csv.DictReader(file):
                name = line["frame_dir"].split("_")[1]
                if name in CLASSES:
                    persons, frames, *_ = map(int, re.findall(r"\d+", line["keypoint_shape"]))
                    rows.append((CLASSES.index(name), frames, persons))
        return ClipTable(*np.array(rows).T)

    @staticmethod
    def of(clips: list[Clip]) -> "ClipTable":
        """The same of clips at hand."""
        rows = [(clip.label, clip.keypoints.shape[1], len(clip.keypoints)) for clip in clips]
        return ClipTable(*np.array(rows).T)


def score_table(clips: list[Clip]) -> tuple[np.ndarray, np.ndarray]:
    """Slot 0's scores (F, V) and unsteadiness (F, V) in pixels over all clips.

    Unsteadiness is the length of the second difference of a joint's course over sqrt(12): for
    white noise of one pixel in x and y its root mean square is 1.
    """
    scores, unsteady = [], []
    for clip in clips:
        keypoints, score = clip.keypoints[0].astype(float), clip.scores[0].astype(float)
        whole = score.max(axis=1) > 0
        whole = whole[2:] & whole[1:-1] & whole[:-2]
        second = keypoints[2:] - 2 * keypoints[1:-1] + keypoints[:-2]
        unsteady.append((np.linalg.norm(second, axis=-1) / np.sqrt(12))[whole])
        scores.append(score[1:-1][whole])
    return np.concatenate(scores), np.concatenate(unsteady)


def draw(table: ClipTable | None, genuine: list[Clip], simulated: list[Clip]) -> Figure:
    """Figure with lengths and persons per class, scores per joint, noise by score, and frames."""
    figure = Figure(figsize=(12, 11), layout="constrained")
    grid = figure.add_gridspec(3, 1, height_ratios=(1, 1.1, 1.35))
    top, middle, bottom = (figure.add_subfigure(grid[row]) for row in range(3))
    left, right = top.subplots(1, 2)
    made = ClipTable.of(simulated)
    _lengths(left, table, made)
    _persons(right, table, made)
    left, right = middle.subplots(1, 2, width_ratios=(1.5, 1))
    close_up = [clip for clip in simulated if clip.label == 0]
    _scores(left, genuine, close_up)
    _noise(right, genuine, close_up)
    _skeletons(bottom.subplots(2, 6), simulated)
    return figure


def _boxes(axes: Axes, values: list[np.ndarray], shift: float, colour: str, label: str) -> None:
    axes.boxplot(
        values,
        positions=np.arange(len(values)) + shift,
        widths=0.32,
        whis=(5, 95),
        showfliers=False,
        patch_artist=True,
        boxprops={"facecolor": colour, "alpha": 0.75},
        medianprops={"color": "black"},
        label=label,
    )


def _lengths(axes: Axes, table: ClipTable | None, made: ClipTable) -> None:
    for source, shift, colour, label in (
        (table, -0.18, _GENUINE, "UCF101's clip list"),
        (made, 0.18, _SIMULATED, "simulated"),
    ):
        if source:
            lengths = [source.frames[source.labels == k] for k in range(len(CLASSES))]
            _boxes(axes, lengths, shift, colour, label)
    axes.set(yscale="log", ylabel="frames", title="Length of clips (box: quartiles, bar: 5-95 %)")
    axes.set_yticks([100, 200, 400, 800], ["100", "200", "400", "800"])
    axes.set_xticks(range(len(CLASSES)), [_broken(name) for name in CLASSES], fontsize=8)
    axes.minorticks_off()
    axes.legend(fontsize=8)


def _persons(axes: Axes, table: ClipTable | None, made: ClipTable) -> None:
    most = 8
    for source, shift, colour, label in (
        (table, -0.0225, _GENUINE, "UCF101's clip list"),
        (made, 0.0225, _SIMULATED, "simulated"),
    ):
        if source is None:
            continue
        for k in range(len(CLASSES)):
            persons = np.minimum(source.persons[source.labels == k], most)
            share = np.bincount(persons, minlength=most + 1)[1:] / len(persons)
            x = k + shift + 0.1 * (np.arange(most) - (most - 1) / 2)
            axes.bar(x, share, 0.045, color=colour, label=label if k == 0 else None)
    axes.set(ylabel="share of clips", title=f"Most persons in a frame (1 to {most} or more)")
    axes.set_xticks(range(len(CLASSES)), [_broken(name) for name in CLASSES], fontsize=8)
    axes.legend(fontsize=8)


def _scores(axes: Axes, genuine: list[Clip], simulated: list[Clip]) -> None:
    joints = LAYOUTS["coco17"].joints
    for clips, shift, colour, label in (
        (genuine, -0.18, _GENUINE, f"{len(genuine)} genuine clips"),
        (simulated, 0.18, _SIMULATED, f"{len(simulated)} simulated clips of the same class"),
    ):
        if clips:
            scores, _ = score_table(clips)
            _boxes(axes, list(scores.T), shift, colour, label)
    axes.set_xticks(
        range(len(joints)),
        [joint.replace("_", " ") for joint in joints],
        rotation=60,
        ha="right",
        fontsize=8,
        rotation_mode="anchor",
    )
    axes.set(ylabel="score", title="Score of each joint, ApplyEyeMakeup, person slot 0")
    axes.set_ylim(-0.04, 1.17)
    axes.legend(fontsize=8, loc="upper right", ncols=2)


def _noise(axes: Axes, genuine: list[Clip], simulated: list[Clip]) -> None:
    edges = np.array([0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1])
    for clips, colour, marker, label in (
        (genuine, _GENUINE, "o", "genuine"),
        (simulated, _SIMULATED, "s", "simulated"),
    ):
        if not clips:
            continue
        scores, unsteady = score_table(clips)
        bins = np.digitize(scores, edges[1:-1])
        used = [k for k in range(len(edges) - 1) if (bins == k).sum() > 20]
        middle = (edges[:-1] + edges[1:])[used] / 2
        quartiles = np.array([np.percentile(unsteady[bins == k], (25, 50, 75)) for k in used]).T
        axes.plot(middle, quartiles[1], marker=marker, color=colour, label=label)
        axes.fill_between(middle, quartiles[0], quartiles[2], color=colour, alpha=0.25, lw=0)
    axes.set(
        yscale="log",
        xlabel="score",
        ylabel="pixels",
        title="Unsteadiness of a joint by its score\n(median and quartiles)",
    )
    axes.legend(fontsize=8)


def _skeletons(grid: np.ndarray, simulated: list[Clip]) -> None:
    """The middle frame of two clips of each class and of one more."""
    shown: list[Clip] = []
    groups = list(dict.fromkeys(clip.group for clip in simulated))
    first = {clip.group: clip for clip in reversed(simulated)}
    for k in (*range(5), 0, *range(4, -1, -1), 4):
        of_class = [group for group in groups if first[group].label == k]
        shown.append(first[of_class[7 * sum(clip.label == k for clip in shown) + 2]])
    for axes, clip in zip(grid.ravel(), shown, strict=True):
        frame = _middle(clip)
        for person in reversed(range(min(3, len(clip.keypoints)))):
            _skeleton(axes, clip, person, frame, _SIMULATED)
        height, width = clip.image_size
        axes.set(xlim=(-15, width + 15), ylim=(height + 60, -15), xticks=[], yticks=[])
        axes.set_aspect("equal")
        axes.plot([0, width, width, 0, 0], [0, 0, height, height, 0], color="black", lw=0.8)
        axes.spines[:].set_visible(False)
        axes.set_title(f"simulated {clip.id.removeprefix('v_')}", fontsize=7.5)


def _middle(clip: Clip) -> int:
    """A frame with a person in it, as near the middle as there is."""
    seen = np.flatnonzero(clip.scores[0].astype(float).max(axis=1) > 0)
    return int(seen[len(seen) // 2]) if len(seen) else 0


def _skeleton(axes: Axes, clip: Clip, person: int, frame: int, colour: str) -> None:
    points = clip.keypoints[person, frame].astype(float)
    scores = clip.scores[person, frame].astype(float)
    if not scores.any():
        return
    colour = colour if person == 0 else "#999999"
    for joint, parent in LAYOUTS["coco17"].bones:
        sure = min(scores[joint], scores[parent])
        x, y = points[[joint, parent]].T
        if sure > 0.25:
            axes.plot(x, y, color=colour, lw=2.2, solid_capstyle="round")
    sure = scores > 0.25
    axes.plot(*points[sure].T, ".", color="black", ms=4)
    axes.plot(*points[~sure].T, "x", color=colour, ms=3.5, mew=0.8)


def _broken(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "\n", name)


def main() -> None:
    """Read the genuine files that are named, simulate, draw."""
    parser = argparse.ArgumentParser(description="Draw simulated beside genuine skeletons.")
    parser.add_argument("--clips", type=Path, help="CSV list of UCF101's clips")
    parser.add_argument("--real", type=Path, help="pickle of genuine skeletons")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("-o", "--output", type=Path, required=True, help="PNG to write")
    arguments = parser.parse_args()
    table = ClipTable.read(arguments.clips) if arguments.clips else None
    genuine = read_pickle(arguments.real).clips if arguments.real else []
    figure = draw(table, genuine, simulate(arguments.seed).clips)
    with write_atomically(arguments.output) as file:
        figure.savefig(file, format="png", dpi=100)


if __name__ == "__main__":
    main()
