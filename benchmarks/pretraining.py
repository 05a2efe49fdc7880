"""The effect of the pre-trained encoder: accuracy with it and from random weights.

`python -m benchmarks.pretraining --kth path/to/kth.pkl --penn path/to/penn.pkl` trains the default
network as `train_improved` does, with every setting of params.yaml, and measures

- `official`: the file's split, trained on train and then on train and val, measured on test;
- `few`: inside the training subset, KTH trained on four persons and measured on the others, Penn
  Action trained on an eighth and measured on the rest (two of the eight);
- `five`: five clips of each class of the training subset, measured on its other clips.

Rows are kept in a file and not computed again.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmarks.ablation import folds, preprocessed
from benchmarks.experiments import markdown
from har.clips.annotations import read_pickle
from har.clips.sources import choose_classes
from har.dataset.sequences import Sequences
from har.dataset.splits import official_split
from har.errors import user_errors_end_the_program
from har.models.checkpoint import load_checkpoint
from har.models.encoder import encoder_of
from har.models.inference import log_probabilities
from har.params import Params, load_params
from har.training.closed_form import fit_closed_form
from har.training.trainer import Trainer, refit_settings

EVERYDAY = "models/everyday.safetensors"
NAMES = {"kth": "KTH", "penn": "Penn Action"}


def sequences_of(source: str, params: Params) -> tuple[Sequences, np.ndarray]:
    """All clips of a pickle, and their subsets (N,) by its official split."""
    found = choose_classes(read_pickle(source), [])
    clips = preprocessed(found.clips, found.classes, params)
    ids, split = list(clips.ids), params.split
    return clips, official_split(
        ids, clips.labels, clips.groups, found.subsets, "auto", split.val_fraction, split.seed
    )[0]


def cuts(
    task: str, name: str, clips: Sequences, subsets: np.ndarray, seed: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Clip indices to train on and to measure on."""
    train = np.flatnonzero(subsets != "test")
    if task == "official":
        yield train, np.flatnonzero(subsets == "test")
    elif task == "few":
        for some, others in folds(NAMES[name], clips.take(train), seed):
            yield train[some], train[others]
    else:
        generator = np.random.default_rng(seed)
        labels = clips.labels[train]
        some = np.concatenate(
            [
                generator.choice(train[labels == label], 5, replace=False)
                for label in np.unique(labels)
            ]
        )
        yield some, np.setdiff1d(train, some)


def fitted(
    clips: Sequences, params: Params, seed: int, before: nn.Module | None = None
) -> nn.Module:
    """The network that the stage makes of these clips; goes on from `before` as its refit does."""
    none, settings, start = clips.take(np.arange(0)), params.train, None
    if params.model.arch == "minirocket":
        return fit_closed_form(clips, none, params.model, params.train, seed)[0]
    if before is not None:
        settings, start = refit_settings(params.train), before.state_dict()
    elif params.model.pretrained == "motion":
        start = encoder_of(load_checkpoint(EVERYDAY).weights)
    trainer = Trainer(clips, none, params.model, settings, seed, start=start)
    while not trainer.finished:
        trainer.step()
    return trainer.trained()


def measured(
    task: str, name: str, clips: Sequences, subsets: np.ndarray, params: Params, seed: int
) -> dict[str, float]:
    """Accuracy and log loss over all cuts of a task."""
    right, losses = [], []
    for train, others in cuts(task, name, clips, subsets, seed):
        before = None
        if task == "official":
            before = fitted(clips.take(subsets == "train"), params, seed)
        network = fitted(clips.take(train), params, seed, before)
        answered = clips.take(others)
        found = log_probabilities(network, answered, params.model.windows)
        right.append(found.argmax(1) == answered.labels)
        losses.append(-found[np.arange(len(answered)), answered.labels])
    return {
        "accuracy": float(np.concatenate(right).mean()),
        "log_loss": float(np.concatenate(losses).mean()),
    }


def main() -> None:
    """Compute what is missing and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pretraining", description=__doc__)
    parser.add_argument("--kth", help="the pickle of KTH's skeletons")
    parser.add_argument("--penn", help="the pickle of Penn Action's")
    parser.add_argument("--tasks", default="official,few,five")
    parser.add_argument("--encoders", default="motion,none")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--rows", default="pretraining.jsonl", help="file of the rows done")
    arguments = parser.parse_args()
    params = load_params()
    torch.set_num_threads(params.threads)
    path = Path(arguments.rows)
    lines = path.read_text().splitlines() if path.exists() else []
    done = {tuple(row["what"]): row for row in map(json.loads, lines)}
    table = []
    sources = {name: getattr(arguments, name) for name in NAMES}
    for name, source in sources.items():
        if not source:
            continue
        clips, subsets = sequences_of(source, params)
        for task in arguments.tasks.split(","):
            for encoder in arguments.encoders.split(","):
                model = params.model.model_copy(update={"pretrained": encoder})
                settings = params.model_copy(update={"model": model})
                rows = []
                for seed in arguments.seeds.split(","):
                    what = (name, task, encoder, seed)
                    if what not in done:
                        found = measured(task, name, clips, subsets, settings, int(seed))
                        done[what] = {"what": what, **found}
                        with path.open("a") as file:
                            file.write(json.dumps(done[what]) + "\n")
                    rows.append(done[what])
                values = np.array([(row["accuracy"], row["log_loss"]) for row in rows])
                spread = values[:, 0].std(ddof=1) if len(rows) > 1 else 0.0
                table.append(
                    [
                        NAMES[name],
                        task,
                        encoder,
                        f"{values[:, 0].mean():.4f} ± {spread:.4f}",
                        f"{values[:, 1].mean():.3f}",
                    ]
                )
    print(markdown(["data", "task", "pretrained", "accuracy", "log loss"], table))


if __name__ == "__main__":
    with user_errors_end_the_program():
        main()
