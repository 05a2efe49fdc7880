"""The contribution of each piece of the default network: leave one out, train, measure.

`python -m benchmarks.ablation --kth path/to/kth_openpose.pkl --penn path/to/penn_action.pkl`
cross-validates inside the training subsets only; test clips are never read. KTH's persons and
Penn Action's clips train on the smaller side, which is harder and tells more: one fold of four
(four persons) against three, one fold of eight against seven. The simulated set trains on two
thirds of its groups.

Rows are kept in a file and not computed again, so that a stopped study can be resumed.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from torch import Tensor

from benchmarks.experiments import markdown, spread, trained, with_overrides
from har import models
from har.clips import Clip
from har.clips.annotations import read_pickle
from har.clips.simulate import simulate
from har.clips.sources import choose_classes
from har.dataset import splits
from har.dataset.preprocessing import preprocess
from har.dataset.sequences import Sequences
from har.errors import UserError, user_errors_end_the_program
from har.models.features import PoseFeatures
from har.models.inference import log_probabilities
from har.models.persons import over_persons
from har.models.two_stream import Stream, TwoStream
from har.params import Params, load_params
from har.skeleton import LAYOUTS, Layout

COCO = LAYOUTS["coco17"]
# Three hundred batches each: a study of many trainings, not the default's thousand.
SHORT = ("train.iterations=300", "train.epochs=0")


class JoinedByMaximum(TwoStream):
    """The maximum of the persons' summaries is classified, as in the peers."""

    def forward(self, windows: Tensor) -> Tensor:
        summary = over_persons(windows, self.encode)
        with patch.object(self, "encode", lambda joined: joined):
            each = self.answer(summary)
        return (each if self.training else each.mean(0)).log_softmax(-1)


class OneClassifier(TwoStream):
    """Only the classifier that reads both streams."""

    chosen = 0

    def answer(self, windows: Tensor) -> Tensor:
        summary = self.encode(windows)
        part = (summary, *summary.split(self.sizes, -1))[self.chosen]
        return self.classifiers[self.chosen](self.dropout(part)).log_softmax(-1)[None]


class PostureOnly(OneClassifier):
    """No motion stream."""

    chosen = 1


class MotionOnly(OneClassifier):
    """No posture stream."""

    chosen = 2


class NoDistances(TwoStream):
    """Positions and bones, no joint-pair distances."""

    def __init__(
        self,
        layout: Layout,
        classes: int,
        width: int,
        layers: int,
        dropout: float,
        stem_stride: int,
    ) -> None:
        super().__init__(layout, classes, width, layers, dropout, stem_stride)
        others = self.features.posture_channels - self.features.pairs.shape[1]
        self.features.pairs = self.features.pairs[:, :0]
        self.posture = Stream(others, width, layers, stem_stride)


class MeanPooling(TwoStream):
    """Streams are pooled by their mean; maximum and deviation are zeros."""

    def encode(self, windows: Tensor) -> Tensor:
        means = torch.zeros(sum(self.sizes))
        start = 0
        for size in self.sizes:
            means[start : start + size // 3] = 1
            start += size
        return super().encode(windows) * means


class ScoreFeatures(PoseFeatures):
    """Adds the joints' scores; `hidden` is the share of training clips with scores of 0 and 1."""

    def __init__(self, layout: Layout, hidden: float) -> None:
        super().__init__(layout)
        self.hidden = hidden
        self.posture_channels += len(layout.joints)

    def forward(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        posture, motion = super().forward(windows)
        scores = windows[..., -1]
        if self.training and self.hidden:
            chosen = torch.rand(len(scores), 1, 1) < self.hidden
            scores = torch.where(chosen, (scores > 0).float(), scores)
        return torch.cat((posture, scores.transpose(1, 2)), 1), motion


class Scores(TwoStream):
    """The posture stream sees scores."""

    hidden = 0.0

    def __init__(
        self,
        layout: Layout,
        classes: int,
        width: int,
        layers: int,
        dropout: float,
        stem_stride: int,
    ) -> None:
        super().__init__(layout, classes, width, layers, dropout, stem_stride)
        self.features = ScoreFeatures(layout, self.hidden)
        self.posture = Stream(self.features.posture_channels, width, layers, stem_stride)


class HiddenScores(Scores):
    """It sees those of half of the clips."""

    hidden = 0.5


# Variants by name: a network, overrides.
VARIANTS: dict[str, tuple[type[TwoStream], tuple[str, ...]]] = {
    "default": (TwoStream, ()),
    "persons joined by the maximum": (JoinedByMaximum, ()),
    "one classifier for both streams": (OneClassifier, ()),
    "posture stream only": (PostureOnly, ()),
    "motion stream only": (MotionOnly, ()),
    "no joint-pair distances": (NoDistances, ()),
    "pooled over time by the mean only": (MeanPooling, ()),
    "scores shown": (Scores, ()),
    "scores shown for half of the clips": (HiddenScores, ()),
    "no augmentation at all": (
        TwoStream,
        tuple(
            f"train.augmentation.{key}=0.0"
            for key in ("flip", "scale", "rotation", "noise", "hide", "limb")
        ),
    ),
    "no mirror images": (TwoStream, ("train.augmentation.flip=0.0",)),
    "neither stretch nor rotation": (
        TwoStream,
        ("train.augmentation.scale=0.0", "train.augmentation.rotation=0.0"),
    ),
    "no noise": (TwoStream, ("train.augmentation.noise=0.0",)),
    "no joints hidden": (TwoStream, ("train.augmentation.hide=0.0",)),
    "no limbs hidden": (TwoStream, ("train.augmentation.limb=0.0",)),
    "all frames in every convolution": (TwoStream, ("model.stem_stride=1",)),
    "short clips stretched": (TwoStream, ("model.windows.shortest=0",)),
    "training windows as long as can be": (TwoStream, ("model.windows.shortest_share=1.0",)),
    "one test window": (TwoStream, ("model.windows.test_windows=1",)),
    "one person": (TwoStream, ("preprocess.persons=1",)),
    "learning rate 2e-3": (TwoStream, ("train.lr=0.002",)),
    "constant learning rate 1e-3": (TwoStream, ("train.schedule=constant", "train.lr=0.001")),
    "no label smoothing": (TwoStream, ("train.label_smoothing=0.0",)),
    "no weight decay": (TwoStream, ("train.weight_decay=0.0",)),
    "bfloat16": (TwoStream, ("train.precision=bfloat16",)),
}


def features_of(source: str, params: Params) -> Sequences:
    """The preprocessed training clips of a pickle (by its official split) or of `simulated`."""
    if source == "simulated":
        found = simulate(params.prepare.seed)
        labels = np.array([clip.label for clip in found.clips])
        groups = np.array([clip.group for clip in found.clips])
        parts = splits.group_split(
            labels, groups, params.split.val_fraction, params.split.test_fraction, params.split.seed
        )
        clips = [clip for clip, part in zip(found.clips, parts, strict=True) if part != "test"]
    else:
        found = choose_classes(read_pickle(source), [])
        test = {name for part in found.subsets if "test" in part for name in found.subsets[part]}
        clips = [clip for clip in found.clips if clip.id not in test]
    return preprocessed(clips, found.classes, params)


def preprocessed(clips: list[Clip], classes: list[str], params: Params) -> Sequences:
    """Preprocess clips as the stage does."""
    poses = [np.concatenate([clip.keypoints, clip.scores[..., None]], axis=-1) for clip in clips]
    return Sequences.from_clips(
        [
            preprocess(some, clip.image_size, params.preprocess, COCO, clip.fps)
            for some, clip in zip(poses, clips, strict=True)
        ],
        {"classes": classes, "layout": COCO.name},
        labels=[clip.label for clip in clips],
        ids=[clip.id for clip in clips],
        groups=[clip.group for clip in clips],
        fps=[0.0 if params.preprocess.frames else clip.fps for clip in clips],
    )


def folds(name: str, features: Sequences, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Clip indices to train on and to measure on."""
    labels, groups = features.labels, features.groups
    if name == "Penn Action":  # knows no groups; two of the eight folds
        parts = StratifiedKFold(8, shuffle=True, random_state=seed).split(labels, labels)
        for _, small in list(parts)[:2]:
            yield small, np.setdiff1d(np.arange(len(labels)), small)
        return
    number = 4 if name == "KTH" else 3
    cut = StratifiedGroupKFold(number, shuffle=True, random_state=seed)
    for large, small in cut.split(labels, labels, groups):
        yield (small, large) if name == "KTH" else (large, small)


def accuracy(
    name: str, features: Sequences, network: type[TwoStream], params: Params, seed: int
) -> float:
    """Accuracy over all folds of a seed."""
    right = total = 0
    with patch.object(models, "TwoStream", network):
        for train, test in folds(name, features, seed):
            model = trained(
                features.take(train), features.take(train[:0]), params.model, params.train, seed
            )
            clips = features.take(test)
            guessed = log_probabilities(model, clips, params.model.windows).argmax(1)
            right += int((guessed == clips.labels).sum())
            total += len(clips)
    return right / total


def main() -> None:
    """Compute what is missing and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ablation", description=__doc__)
    parser.add_argument("--kth", help="the pickle of KTH's skeletons")
    parser.add_argument("--penn", help="the pickle of Penn Action's")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument(
        "--variants",
        default=",".join(VARIANTS),
        help="comma-separated names; the default is always there to compare with",
    )
    parser.add_argument("--rows", default="ablation.jsonl", help="file of the rows that are done")
    arguments = parser.parse_args()
    variants = arguments.variants.split(",")
    if unknown := [name for name in variants if name not in VARIANTS]:
        raise UserError(f"--variants {unknown[0]}: known are {', '.join(VARIANTS)}")
    variants = ["default", *(name for name in variants if name != "default")]
    params = load_params()
    torch.set_num_threads(params.threads)
    sources = {"KTH": arguments.kth, "Penn Action": arguments.penn, "simulated": "simulated"}
    sources = {name: source for name, source in sources.items() if source}
    seeds = [int(seed) for seed in arguments.seeds.split(",")]
    path = Path(arguments.rows)
    lines = path.read_text().splitlines() if path.exists() else []
    done = {
        (row["variant"], row["data"], row["seed"]): row["accuracy"]
        for row in map(json.loads, lines)
    }
    found: dict[tuple[str, bool], Sequences] = {}
    for variant in variants:
        network, overrides = VARIANTS[variant]
        settings = with_overrides(params, (*SHORT, *overrides))
        for name, source in sources.items():
            for seed in seeds:
                if (variant, name, seed) in done:
                    continue
                key = name, settings.preprocess.persons == 1
                found[key] = found.get(key) or features_of(source, settings)
                value = accuracy(name, found[key], network, settings, seed)
                done[variant, name, seed] = value
                row = {"variant": variant, "data": name, "seed": seed, "accuracy": value}
                with path.open("a") as file:
                    file.write(json.dumps(row) + "\n")
    print(table(done, list(sources), seeds))


def table(done: dict[tuple[str, str, int], float], data: list[str], seeds: list[int]) -> str:
    """Accuracy of each variant, and its difference to the default in points.

    The seed decides folds and training alike, so differences are taken seed by seed; the standard
    error is over all seeds of all data sets.
    """
    rows = []
    for variant in VARIANTS:
        if not all((variant, name, seed) in done for name in data for seed in seeds):
            continue
        values = {name: [done[variant, name, seed] for seed in seeds] for name in data}
        gaps = (
            np.array(
                [
                    [
                        value - done["default", name, seed]
                        for value, seed in zip(values[name], seeds, strict=True)
                    ]
                    for name in data
                ]
            )
            * 100
        )
        cells = [
            spread(of) if variant == "default" else f"{np.mean(of):.3f} ({gap.mean():+.1f})"
            for of, gap in zip(values.values(), gaps, strict=True)
        ]
        change = "" if variant == "default" else f"{gaps.mean():+.1f}"
        if change and len(seeds) > 1:
            error = np.sqrt((gaps.std(1, ddof=1) ** 2 / len(seeds)).sum()) / len(data)
            change += f" ± {error:.1f}"
        rows.append([variant, *cells, change])
    return markdown(["variant", *data, "mean change, points"], rows)


if __name__ == "__main__":
    with user_errors_end_the_program():
        main()
