"""Ways of fine-tuning the pre-trained encoder: change one thing, train, measure.

`python -m benchmarks.finetuning --kth path/to/kth.pkl --penn path/to/penn.pkl` cross-validates
inside the training subsets only. Every data set trains on its smaller side, where starting from an
encoder matters most: two folds of four persons (KTH), two eighths and once five clips a class
(Penn Action); the simulated set trains on two thirds of its groups, twice.

Rows are kept in a file and not computed again, so that a stopped study can be resumed.
"""

import argparse
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from itertools import islice
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from benchmarks.ablation import features_of, folds
from benchmarks.experiments import markdown, with_overrides
from benchmarks.pretraining import EVERYDAY
from har.dataset.augmentation import limbs, training_batch
from har.dataset.sequences import Sequences
from har.errors import UserError, user_errors_end_the_program
from har.models.checkpoint import load_checkpoint
from har.models.encoder import encoder_of
from har.models.inference import log_probabilities
from har.models.persons import over_persons
from har.models.two_stream import ResidualBlock
from har.params import Params, load_params
from har.training import trainer as trainer_module
from har.training.trainer import Trainer

# Variants by name: overrides of params.yaml, and a name of the change in `answers`.
VARIANTS: dict[str, tuple[tuple[str, ...], str]] = {
    "default": ((), ""),
    "from random weights": (("model.pretrained=none",), ""),
    "twice the batches": (("train.iterations=600", "train.epochs=40"), ""),
    "half the batches": (("train.iterations=150", "train.epochs=12"), ""),
    "encoder at a tenth of the rate": (("train.encoder_lr=0.1",), ""),
    "encoder at the full rate": (("train.encoder_lr=1.0",), ""),
    "classifiers start from a logistic regression": ((), "regression"),
    "three networks averaged": ((), "ensemble"),
    "weights of the last quarter averaged": ((), "average"),
    "residual blocks left out at times (0.1)": ((), "drop path"),
    "limbs hidden for a while (0.3)": ((), "cutout"),
}


def block_left_out(block: ResidualBlock, x: Tensor) -> Tensor:
    """Stochastic depth: in training the body of a block counts for nine persons of ten."""
    body = block.body(x)
    if block.training:
        body = body * (torch.rand(len(x), 1, 1, 1) >= 0.1) / 0.9
    return nn.functional.silu(body + block.shortcut(x))


def limb_cut_out(*arguments, **named) -> Tensor:
    """A training batch in which three limbs of ten are hidden for 5 to 45 % of the window."""
    windows = training_batch(*arguments, **named)
    layout, generator = arguments[3], arguments[6]
    clips, persons, frames = windows.shape[:3]
    table = limbs(layout)
    limb = table[torch.randint(len(table), (clips, persons), generator=generator)]
    chosen, start, length = torch.rand(3, clips, persons, 1, generator=generator)
    time = torch.linspace(0, 1, frames)
    begin, end = 0.8 * start, 0.8 * start + 0.05 + 0.4 * length
    hidden = (chosen < 0.3) & (time >= begin) & (time < end)
    return windows * ~(hidden[..., None] & limb[:, :, None])[..., None]


def start_from_regression(trainer: Trainer, network: nn.Module) -> None:
    """Fit the classifiers to the encoder's summaries of augmented windows before training."""
    passes = max(1, min(8, round(1500 / len(trainer._labels))))
    summaries, labels = [], []
    network.eval()
    with torch.no_grad():
        for index in torch.arange(len(trainer._labels)).repeat(passes).split(64):
            windows = training_batch(
                trainer._frames,
                trainer._offsets[index],
                trainer._lengths[index],
                trainer._layout,
                trainer._model_settings.windows,
                trainer.settings.augmentation,
                trainer.generator,
                trainer._fps[index],
            )
            summaries.append(over_persons(windows, network.encode))
            labels.append(trainer._labels[index])
    x, y = torch.cat(summaries).double().numpy(), torch.cat(labels).numpy()
    mean, deviation = x.mean(0), x.std(0) + 1e-3
    posture, motion = network.sizes
    columns = (slice(None), slice(posture), slice(posture, posture + motion))
    for classifier, own in zip(network.classifiers, columns, strict=True):
        fitted = LogisticRegression(C=0.003 / passes, max_iter=100)
        fitted.fit(((x - mean) / deviation)[:, own], y)
        weight = fitted.coef_ / deviation[own]
        bias = fitted.intercept_ - weight @ mean[own]
        classifier.load_state_dict({"weight": torch.tensor(weight), "bias": torch.tensor(bias)})


def answers(train: Sequences, test: Sequences, params: Params, seed: int, how: str) -> np.ndarray:
    """Train once (the ensemble three times) and answer: log-probabilities (N, K)."""
    encoder = None
    if params.model.pretrained == "motion":
        encoder = encoder_of(load_checkpoint(EVERYDAY).weights)
    changes: AbstractContextManager = nullcontext()
    if how == "drop path":
        changes = patch.object(ResidualBlock, "forward", block_left_out)
    elif how == "cutout":
        changes = patch.object(trainer_module, "training_batch", limb_cut_out)
    total = np.zeros((len(test), len(test.settings["classes"])), np.float32)
    members = 3 if how == "ensemble" else 1
    with changes:
        for member in range(members):
            trainer = Trainer(
                train,
                train.take(np.arange(0)),
                params.model,
                params.train,
                seed + 1000 * member,
                start=encoder,
            )
            if how == "regression":
                start_from_regression(trainer, trainer.network)
            kept: list[dict[str, Tensor]] = []
            while not trainer.finished:
                trainer.step()
                if how == "average" and trainer.batches > 0.75 * trainer.steps:
                    kept.append(
                        {name: w.clone() for name, w in trainer.network.state_dict().items()}
                    )
            network = trainer.trained()
            if kept:
                network.load_state_dict(
                    {name: torch.stack([k[name] for k in kept]).float().mean(0) for name in kept[0]}
                )
            total += log_probabilities(network, test, params.model.windows) / members
    return torch.from_numpy(total).log_softmax(1).numpy()


def five_a_class(clips: Sequences, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Five clips of each class to train on, all others to measure on."""
    generator = np.random.default_rng(seed)
    some = np.concatenate(
        [
            generator.choice(np.flatnonzero(clips.labels == label), 5, replace=False)
            for label in np.unique(clips.labels)
        ]
    )
    yield some, np.setdiff1d(np.arange(len(clips)), some)


def main() -> None:
    """Compute what is missing and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.finetuning", description=__doc__)
    parser.add_argument("--kth", help="the pickle of KTH's skeletons")
    parser.add_argument("--penn", help="the pickle of Penn Action's")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--tasks", default="persons,eighth,five,simulated", help="which cuts")
    parser.add_argument("--variants", default=",".join(VARIANTS), help="comma-separated names")
    parser.add_argument("--rows", default="finetuning.jsonl", help="file of the rows that are done")
    arguments = parser.parse_args()
    variants = arguments.variants.split(",")
    if unknown := [name for name in variants if name not in VARIANTS]:
        raise UserError(f"--variants {unknown[0]}: known are {', '.join(VARIANTS)}")
    params = load_params()
    torch.set_num_threads(params.threads)
    wanted = arguments.tasks.split(",")
    tasks: dict[str, tuple[Sequences, Callable[..., Iterator]]] = {}
    if arguments.kth and "persons" in wanted:
        tasks["KTH, four persons"] = features_of(arguments.kth, params), partial(folds, "KTH")
    if arguments.penn and {"eighth", "five"} & set(wanted):
        penn = features_of(arguments.penn, params)
        if "eighth" in wanted:
            tasks["Penn Action, an eighth"] = penn, partial(folds, "Penn Action")
        if "five" in wanted:
            tasks["Penn Action, five a class"] = penn, five_a_class
    if "simulated" in wanted:
        tasks["simulated"] = features_of("simulated", params), partial(folds, "simulated")
    path = Path(arguments.rows)
    lines = path.read_text().splitlines() if path.exists() else []
    done = {tuple(row["what"]): row for row in map(json.loads, lines)}
    table = []
    for variant in variants:
        overrides, how = VARIANTS[variant]
        settings = with_overrides(params, overrides)
        cells = []
        for task, (clips, cut) in tasks.items():
            rows = []
            for seed in arguments.seeds.split(","):
                what = (variant, task, seed)
                if what not in done:
                    right, losses = [], []
                    for train, test in islice(cut(clips, int(seed)), 2):
                        held_out = clips.take(test)
                        found = answers(clips.take(train), held_out, settings, int(seed), how)
                        right.append(found.argmax(1) == held_out.labels)
                        losses.append(-found[np.arange(len(test)), held_out.labels])
                    done[what] = {
                        "what": what,
                        "accuracy": float(np.concatenate(right).mean()),
                        "log_loss": float(np.concatenate(losses).mean()),
                    }
                    with path.open("a") as file:
                        file.write(json.dumps(done[what]) + "\n")
                rows.append((done[what]["accuracy"], done[what]["log_loss"]))
            values = np.array(rows)
            spread = values[:, 0].std(ddof=1) if len(rows) > 1 else 0.0
            cells.append(f"{values[:, 0].mean():.3f} ± {spread:.3f} / {values[:, 1].mean():.3f}")
        table.append([variant, *cells])
    print(markdown(["changed", *tasks], table))


if __name__ == "__main__":
    with user_errors_end_the_program():
        main()
