"""Whether clips of no known class are told: one class left out of the training at a time.

`python -m benchmarks.unknown --kth path/to/kth.pkl --penn path/to/penn.pkl` trains on the official
train clips without one class, sets the threshold by val clips of the others, and measures test
clips: the area under the ROC between those of known classes and

- clips of the class that was left out,
- `random`: simulated people who move by random programs,
- known clips spoilt: frames in random order (`shuffled`), one frame all the time (`static`), joints
  drawn at random in every frame (`noise`),

and the share that is kept of known clips and refused of the others. Every class of KTH is left out,
and every third of Penn Action. Rows are kept in a file and not computed again.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from benchmarks.ablation import preprocessed
from benchmarks.calibration import NAMES, read
from benchmarks.experiments import markdown, with_overrides
from benchmarks.pretraining import fitted
from har.clips.simulate.everyday_clips import simulate_everyday
from har.dataset.sequences import Sequences
from har.errors import user_errors_end_the_program
from har.models.inference import log_probabilities
from har.models.novelty import directions, distances, remember
from har.models.two_stream import TwoStream
from har.params import Params, load_params

EVERY = {"kth": 1, "penn": 3}  # so many classes apart are those that are left out
SPOILT = 100  # known test clips that are spoilt

# Poses (M, T, V, C + 1) of a clip, and randomness: other poses.
Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def shuffled(poses: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """The frames in random order."""
    return poses[:, generator.permutation(poses.shape[1])]


def static(poses: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """The middle frame all the time."""
    middle = poses.shape[1] // 2
    return np.repeat(poses[:, middle : middle + 1], poses.shape[1], axis=1)


def noise(poses: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Joints at random places in every frame, around the clip's own middle and as far apart."""
    points = poses[..., :-1]
    seen = points[poses[..., -1] > 0]
    drawn = generator.normal(seen.mean(0), seen.std(0), points.shape)
    return np.concatenate([drawn * (poses[..., -1:] > 0), poses[..., -1:]], axis=-1, dtype="f4")


CHANGES: dict[str, Change] = {"shuffled": shuffled, "static": static, "noise": noise}


def spoilt(clips: Sequences, change: Change, seed: int) -> Sequences:
    """The clips, each changed."""
    generator = np.random.default_rng(seed)
    poses = [change(clips.clip(index), generator) for index in range(len(clips))]
    return Sequences.from_clips(poses, clips.settings, fps=clips.fps)


def measured(
    clips: Sequences, subsets: np.ndarray, left_out: int, moving: Sequences, params: Params
) -> dict[str, Any]:
    """Figures of one training without a class."""
    known = clips.labels != left_out
    names = clips.settings["classes"]
    others = clips.take(known)
    others = replace(
        others,
        labels=others.labels - (others.labels > left_out),
        settings=clips.settings | {"classes": names[:left_out] + names[left_out + 1 :]},
    )
    train, val, test = (others.take(subsets[known] == name) for name in ("train", "val", "test"))
    network = fitted(train, params, 1)
    assert isinstance(network, TwoStream)
    windows = params.model.windows
    learnt = directions(network, train, windows)
    unseen = distances(directions(network, val, windows), learnt)
    memory = remember(learnt, unseen, val.groups, 0)

    def apart(some: Sequences) -> np.ndarray:
        return distances(directions(network, some, windows), memory.directions)

    usual = apart(test)
    some = np.random.default_rng(0).permutation(len(test))[:SPOILT]
    odd = {
        "left out": apart(clips.take(~known & (subsets == "test"))),
        "random": apart(moving),
        **{name: apart(spoilt(test.take(some), how, 0)) for name, how in CHANGES.items()},
    }
    right = log_probabilities(network, test, windows).argmax(1) == test.labels
    return {
        "class": names[left_out],
        "accuracy": float(right.mean()),
        "kept": float((usual <= memory.farthest).mean()),
        "area": {name: area(usual, values) for name, values in odd.items()},
        "refused": {name: float((values > memory.farthest).mean()) for name, values in odd.items()},
    }


def area(usual: np.ndarray, odd: np.ndarray) -> float:
    """Area under the ROC: how often an odd clip is farther away than a usual one."""
    truth = np.repeat([0, 1], [len(usual), len(odd)])
    return float(roc_auc_score(truth, np.concatenate([usual, odd])))


def table(rows: list[dict[str, Any]]) -> str:
    """A row for each left-out class and, in bold, the means of each data set."""
    lines = []
    for data in dict.fromkeys(row["data"] for row in rows):
        own = [row for row in rows if row["data"] == data]
        kinds = list(own[0]["area"])

        def cells(some: list[dict[str, Any]], kinds: list[str] = kinds) -> list[str]:
            def mean(values: list[float]) -> str:
                return f"{np.mean(values):.3f}"

            return [
                mean([row["accuracy"] for row in some]),
                mean([row["kept"] for row in some]),
                *(
                    f"{mean([row['area'][kind] for row in some])} "
                    f"({mean([row['refused'][kind] for row in some])})"
                    for kind in kinds
                ),
            ]

        lines += [[f"{NAMES[data]} without {row['class']}", *cells([row])] for row in own]
        lines.append([f"**{NAMES[data]}, mean**", *cells(own)])
    columns = ["left out", "accuracy", "known kept", *rows[0]["area"]]
    return markdown(columns, lines)


def main() -> None:
    """Compute what is missing and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.unknown", description=__doc__)
    parser.add_argument("--kth", help="the pickle of KTH's skeletons")
    parser.add_argument("--penn", help="the pickle of Penn Action's")
    parser.add_argument("--rows", default="unknown.jsonl", help="file of the rows done")
    parser.add_argument("-S", "--set-param", action="append", default=[], metavar="KEY=VALUE")
    arguments = parser.parse_args()
    params = with_overrides(load_params(), tuple(arguments.set_param))
    torch.set_num_threads(params.threads)
    path = Path(arguments.rows)
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    drawn = simulate_everyday(params.prepare.seed, ["none"])
    moving = preprocessed(drawn.clips, drawn.classes, params)
    for data, source in (("kth", arguments.kth), ("penn", arguments.penn)):
        if not source:
            continue
        clips, subsets = read(source, params)
        names = clips.settings["classes"]
        for left_out in range(0, len(names), EVERY[data]):
            if (data, names[left_out]) in {(row["data"], row["class"]) for row in rows}:
                continue
            rows.append({"data": data, **measured(clips, subsets, left_out, moving, params)})
            with path.open("a") as file:
                file.write(json.dumps(rows[-1]) + "\n")
    print("area under the ROC against known test clips, and in brackets the share refused\n")
    print(table(rows))


if __name__ == "__main__":
    with user_errors_end_the_program():
        main()
