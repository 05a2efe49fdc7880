"""Models compared in the same pipeline: accuracy, size, training time, speed.

`python -m benchmarks.leaderboard --sources simulated,path/to/kth.pkl --models default,ddnet`
runs a recipe of each model on each source for each seed through DVC's queue. Recipes are
recipes/NAME.txt; `default` is params.yaml as it stands.
"""

import argparse
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks.experiments import (
    Experiment,
    markdown,
    override,
    recipe,
    run,
    spread,
    trained,
    with_overrides,
)
from benchmarks.timing import interleaved
from har.dataset.sequences import Sequences
from har.errors import user_errors_end_the_program
from har.models import build
from har.models.inference import log_probabilities
from har.params import Model, Params, load_params
from har.skeleton import LAYOUTS

MODELS = "default,lstm,ddnet,stgcn_slim"


def recipe_of(model: str) -> tuple[str, ...]:
    """The overrides that make a model; none for the default."""
    return () if model == "default" else recipe(model)


def experiments_of(model: str, source: str, seeds: list[int], extra: list[str]) -> list[Experiment]:
    """One experiment per seed: the source's official split, groups for the simulated set."""
    where = [] if source == "simulated" else ["prepare.classes=[]", "split.protocol=official"]
    label = f"{Path(source).stem}-{model}"
    return [
        Experiment(
            f"{label}-seed-{seed}",
            (*recipe_of(model), override("prepare.source", source), *where, *extra, f"seed={seed}"),
        )
        for seed in seeds
    ]


def made_clips() -> Sequences:
    """64 clips of one person and 160 frames, to measure speed on."""
    generator = np.random.default_rng(0)
    x = generator.uniform(1, 200, (64, 1, 160, 17, 3)).astype(np.float32)
    about = {"classes": ["a", "b", "c", "d", "e"], "layout": "coco17"}
    return Sequences.from_clips(x, about, labels=np.zeros(64, np.int64))


def training_seconds(params: Params, batches: int = 40) -> float:
    """Seconds that `train.iterations` batches take, from the median speed of short trainings."""
    clips = made_clips()
    settings = params.train.model_copy(update={"iterations": batches, "epochs": 0})

    def job() -> None:
        trained(clips, clips.subset(), params.model, settings, 0)

    return interleaved({"train": job}, 3)["train"] / batches * params.train.iterations


def clips_per_second(settings: Model, repeats: int = 3) -> float:
    """Clips predicted a second in batches: 64 made clips of 160 frames, median of `repeats`."""
    clips = made_clips()
    model = build(settings, 5, LAYOUTS["coco17"])
    job = partial(log_probabilities, model, clips, settings.windows)
    return len(clips) / interleaved({"predict": job}, repeats)["predict"]


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.leaderboard", description=__doc__)
    parser.add_argument("--sources", default="simulated", help="comma-separated prepare.source")
    parser.add_argument("--models", default=MODELS, help="comma-separated recipes, or default")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("-S", "--set-param", action="append", default=[], metavar="KEY=VALUE")
    arguments = parser.parse_args()
    params = load_params()
    torch.set_num_threads(params.threads)
    seeds = [int(seed) for seed in arguments.seeds.split(",")]
    sources, models = arguments.sources.split(","), arguments.models.split(",")
    table = {
        (source, model): experiments_of(model, source, seeds, arguments.set_param)
        for source in sources
        for model in models
    }
    outcomes = run([e for some in table.values() for e in some], arguments.workers)
    rows = []
    for (source, model), experiments in table.items():
        found = [outcomes[experiment.name].evaluation["improved"] for experiment in experiments]
        settings = with_overrides(params, recipe_of(model))
        rows.append(
            [
                f"{Path(source).stem}, {model}",
                spread([figures["accuracy"] for figures in found]),
                spread([figures["macro_f1"] for figures in found]),
                f"{found[0]['clips']:,}",
                f"{found[0]['parameters']:,}",
                f"{training_seconds(settings):.0f}",
                f"{clips_per_second(settings.model):,.0f}",
            ]
        )
    print(
        f"Test clips, seeds {arguments.seeds}; speed with one person, threads: {params.threads}.\n"
    )
    columns = [
        "data, model",
        "accuracy",
        "macro-F1",
        "test clips",
        "parameters",
        "training, s",
        "clips/s",
    ]
    print(markdown(columns, rows))


if __name__ == "__main__":
    with user_errors_end_the_program():
        main()
