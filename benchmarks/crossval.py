"""Cross-validation through DVC's queue: folds or official splits, and seeds, in one table.

`python -m benchmarks.crossval --folds 5 --seeds 1,2,3 [-S key=value ...]`; every group is held out
once. `--official 1,2,3` runs the file's own splits instead, `--leave-one-group-out` holds out one
group at a time.
"""

import argparse

import dvc.api
import numpy as np

from benchmarks.experiments import Experiment, Outcome, markdown, run, spread
from har.errors import user_errors_end_the_program
from har.evaluation.metrics import interval_over_groups
from har.params import load_params


def report(experiments: list[Experiment], outcomes: dict[str, Outcome]) -> str:
    """A row per model: mean and deviation over experiments, all held-out clips together."""
    rows = []
    for model in ("baseline", "improved"):
        found = [outcomes[experiment.name] for experiment in experiments]
        hits: dict[str, list[bool]] = {}
        group_of = {}
        for outcome in found:
            for row in outcome.predictions:
                hits.setdefault(row["id"], []).append(row["class"] == row[model])
                group_of[row["id"]] = row["group"]
        share = np.array([np.mean(values) for values in hits.values()])
        low, high = interval_over_groups(share, [group_of[clip] for clip in hits])
        rows.append(
            [
                model,
                spread([outcome.evaluation[model]["accuracy"] for outcome in found]),
                spread([outcome.evaluation[model]["macro_f1"] for outcome in found]),
                f"{share.mean():.3f}",
                f"{low:.3f} - {high:.3f}",
                str(len(share)),
            ]
        )
    columns = ["model", "accuracy", "macro-F1", "pooled accuracy", "95 % interval", "clips"]
    return markdown(columns, rows)


def left_out(fold: int) -> list[str]:
    """Overrides that hold out one group."""
    return ["split.protocol=leave_one_group_out", f"split.fold={fold}"]


def study(
    label: str, splits: list[list[str]], seeds: list[int], common: tuple[str, ...]
) -> list[Experiment]:
    """An experiment for each seed and split, each a list of overrides."""
    return [
        Experiment(f"{label}-{number}-seed-{seed}", (*common, *split, f"seed={seed}"))
        for seed in seeds
        for number, split in enumerate(splits, start=1)
    ]


def main() -> None:
    """Run the study and print its table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crossval", description=__doc__)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--official", help="official splits instead of folds, such as 1,2,3")
    parser.add_argument("--leave-one-group-out", action="store_true", help="instead of folds")
    parser.add_argument("--seeds", default="1", help="such as 1,2,3")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("-S", "--set-param", action="append", default=[], metavar="KEY=VALUE")
    arguments = parser.parse_args()
    load_params()
    seeds = [int(seed) for seed in arguments.seeds.split(",")]
    common = tuple(arguments.set_param)
    if arguments.leave_one_group_out:
        label = "leave-one-group-out"
        # The first group's experiment shows how many groups there are.
        first = study(label, [left_out(1)], seeds[:1], common)
        run(first)
        groups = dvc.api.metrics_show("metrics/split.json", rev=first[0].name)["groups"]
        splits = [left_out(fold) for fold in range(1, groups + 1)]
    elif arguments.official:
        names = arguments.official.split(",")
        splits = [["split.protocol=official", f"split.official={name}"] for name in names]
        label = "official"
    else:
        splits = [
            ["split.protocol=group", f"split.folds={arguments.folds}", f"split.fold={fold}"]
            for fold in range(1, arguments.folds + 1)
        ]
        label = f"{arguments.folds}-folds"
    experiments = study(label, splits, seeds, common)
    outcomes = run(experiments, arguments.workers)
    print(f"{label}, seeds {arguments.seeds}, {' '.join(arguments.set_param)}\n")
    print(report(experiments, outcomes))


if __name__ == "__main__":
    with user_errors_end_the_program():
        main()
