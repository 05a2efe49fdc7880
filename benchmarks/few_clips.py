"""Accuracy with few clips of each class: taught, fine-tuned, from random weights, MiniRocket.

`python -m benchmarks.few_clips --kth path/to/kth_openpose.pkl --penn path/to/penn_action.pkl` draws
N clips of each class from the training subset, measures all clips of the official test subset, and
writes a table and docs/images/few_clips.png. A draw's clips are the same for every method. Nothing
is chosen by these figures.

Rows are kept in a file and not computed again; those of the encoder only while it stays the same.
"""

import argparse
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import nn

from benchmarks.ablation import preprocessed
from benchmarks.experiments import markdown, recipe, spread, with_overrides
from benchmarks.pretraining import EVERYDAY, NAMES
from har.clips import ClipSet
from har.clips.annotations import read_pickle
from har.clips.sources import choose_classes
from har.dataset.sequences import Sequences
from har.errors import user_errors_end_the_program
from har.figures.style import MODEL_COLOURS, VERMILLION, png, tidy
from har.files import write_atomically
from har.models.checkpoint import load_checkpoint
from har.models.encoder import encoder_of
from har.models.inference import log_probabilities
from har.params import Params, Windows, load_params
from har.recognition.recognizer import Recognizer
from har.training.closed_form import fit_closed_form
from har.training.teaching import teach
from har.training.trainer import Trainer

NUMBERS = (1, 3, 5, 10)
# A network that learnt from the drawn clips, and the windows that it sees.
Learner = Callable[[ClipSet, Sequences, Params, int], tuple[nn.Module, Windows]]


def taught(drawn: ClipSet, _: Sequences, params: Params, seed: int) -> tuple[nn.Module, Windows]:
    """New classifiers on the encoder, as `har teach` makes them."""
    checkpoint, _report = teach(load_checkpoint(EVERYDAY), drawn)
    return Recognizer.of(checkpoint).model, checkpoint.model.windows


def fine_tuned(
    _: ClipSet, clips: Sequences, params: Params, seed: int
) -> tuple[nn.Module, Windows]:
    """Trained from the encoder with the settings of params.yaml."""
    encoder = encoder_of(load_checkpoint(EVERYDAY).weights)
    return _trained(clips, params, seed, encoder), params.model.windows


def from_scratch(
    _: ClipSet, clips: Sequences, params: Params, seed: int
) -> tuple[nn.Module, Windows]:
    """Trained from random weights with the settings of params.yaml."""
    return _trained(clips, params, seed, None), params.model.windows


def minirocket(
    _: ClipSet, clips: Sequences, params: Params, seed: int
) -> tuple[nn.Module, Windows]:
    """Fixed kernels and a ridge classifier, as recipes/minirocket.txt has it."""
    settings = with_overrides(params, recipe("minirocket"))
    nothing = clips.take(np.zeros(0, int))
    network, _ = fit_closed_form(clips, nothing, settings.model, settings.train, seed)
    return network, settings.model.windows


METHODS: dict[str, Learner] = {
    "taught": taught,
    "fine-tuned": fine_tuned,
    "from random weights": from_scratch,
    "MiniRocket": minirocket,
}


def _trained(
    clips: Sequences, params: Params, seed: int, encoder: dict[str, torch.Tensor] | None
) -> nn.Module:
    trainer = Trainer(
        clips, clips.take(np.zeros(0, int)), params.model, params.train, seed, start=encoder
    )
    while not trainer.finished:
        trainer.step()
    return trainer.trained()


def draw(labels: np.ndarray, train: np.ndarray, number: int, seed: int) -> np.ndarray:
    """Indices of `number` clips of each class among those of `train`."""
    generator = np.random.default_rng((seed, number))
    return np.concatenate(
        [
            generator.choice(train[labels[train] == label], number, replace=False)
            for label in np.unique(labels)
        ]
    )


def curve(table: dict[tuple[str, str, int], list[float]], clips: dict[str, int]) -> Figure:
    """Accuracy over the number of clips, of each method and data set; bars are deviations."""
    names = [name for name in NAMES if any(key[0] == name for key in table)]
    figure = Figure(figsize=(4.2 * len(names), 3.4), layout="constrained")
    for axes, name in zip(
        np.atleast_1d(figure.subplots(1, len(names), sharey=True)), names, strict=True
    ):
        for method, colour in zip(METHODS, (VERMILLION, *MODEL_COLOURS), strict=False):
            rows = [(n, table[name, method, n]) for n in NUMBERS if (name, method, n) in table]
            if not rows:
                continue
            means = [100 * np.mean(values) for _, values in rows]
            deviations = [
                100 * np.std(values, ddof=1) if len(values) > 1 else 0 for _, values in rows
            ]
            axes.errorbar(
                [n for n, _ in rows],
                means,
                deviations,
                color=colour,
                label=method,
                marker="o",
                markersize=3,
                capsize=2,
                linewidth=1.4,
            )
        axes.set_title(f"{NAMES[name]}, {clips[name]} test clips", fontsize=9)
        axes.set_xscale("log")
        axes.set_xticks(NUMBERS, [str(n) for n in NUMBERS], minor=False)
        axes.set_xticks([], minor=True)
        axes.set_xlabel("training clips of each class", fontsize=8)
        tidy(axes, grid="y")
    figure.axes[0].set_ylabel("accuracy, %", fontsize=8)
    figure.axes[-1].legend(frameon=False, fontsize=8, loc="lower right")
    return figure


def main(options: list[str] | None = None) -> None:
    """Compute what is missing, print the table, draw the curve."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.few_clips", description=__doc__)
    parser.add_argument("--kth", help="the pickle of KTH's skeletons")
    parser.add_argument("--penn", help="the pickle of Penn Action's")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--numbers", default=",".join(map(str, NUMBERS)))
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--rows", default="few_clips.jsonl", help="file of the rows done")
    parser.add_argument("--picture", default="docs/images/few_clips.png")
    arguments = parser.parse_args(options)
    params = load_params()
    torch.set_num_threads(params.threads)
    path = Path(arguments.rows)
    lines = path.read_text().splitlines() if path.exists() else []
    done = {tuple(row["what"]): row["accuracy"] for row in map(json.loads, lines)}
    encoder = hashlib.sha256(Path(EVERYDAY).read_bytes()).hexdigest()[:8]
    table: dict[tuple[str, str, int], list[float]] = {}
    clips: dict[str, int] = {}
    for name in NAMES:
        source = getattr(arguments, name)
        if not source:
            continue
        found = choose_classes(read_pickle(source), [])
        official = {clip for part, ids in found.subsets.items() if "test" in part for clip in ids}
        test = np.array([clip.id in official for clip in found.clips])
        everything = preprocessed(found.clips, found.classes, params)
        asked = everything.take(test)
        clips[name] = len(asked)
        for seed in range(arguments.draws):
            for number in map(int, arguments.numbers.split(",")):
                some = draw(everything.labels, np.flatnonzero(~test), number, seed)
                drawn = ClipSet([found.clips[index] for index in some], found.classes)
                for method in arguments.methods.split(","):
                    made_of = encoder if method in ("taught", "fine-tuned") else ""
                    what = (name, method, number, seed, made_of)
                    if what not in done:
                        learner = METHODS[method]
                        network, windows = learner(drawn, everything.take(some), params, seed)
                        said = log_probabilities(network, asked, windows).argmax(1)
                        done[what] = float((said == asked.labels).mean())
                        with path.open("a") as file:
                            file.write(json.dumps({"what": what, "accuracy": done[what]}) + "\n")
    for (name, method, number, _, made_of), accuracy in sorted(done.items()):
        if name in clips and made_of in ("", encoder):
            table.setdefault((name, method, number), []).append(accuracy)
    rows = [
        [
            f"{NAMES[name]}, {number}",
            *(
                f"{spread(table[name, method, number])} ({len(table[name, method, number])})"
                if (name, method, number) in table
                else ""
                for method in METHODS
            ),
        ]
        for name in clips
        for number in NUMBERS
    ]
    print(markdown(["data, clips a class", *(f"{method} (draws)" for method in METHODS)], rows))
    with write_atomically(arguments.picture) as file:
        file.write(png(curve(table, clips)))


if __name__ == "__main__":
    with user_errors_end_the_program():
        main()
