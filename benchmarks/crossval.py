"""Cross-validation through DVC's queue: folds or official splits, and seeds, in one table.

`python -m benchmarks.crossval --folds 5 --seeds 1,2,3 [-S key=value ...]`; every group is held out
once. `--official 1,2,3` runs the file's own splits instead.
"""

import argparse

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


def main() -> None:
    """Run the study and print its table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crossval", description=__doc__)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--official", help="official splits instead of folds, such as 1,2,3")
    parser.add_argument("--seeds", default="1", help="such as 1,2,3")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("-S", "--set-param", action="append", default=[], metavar="KEY=VALUE")
    arguments = parser.parse_args()
    load_params()
    seeds = [int(seed) for seed in arguments.seeds.split(",")]
    if arguments.official:
        names = arguments.official.split(",")
        parts = [["split.protocol=official", f"split.official={name}"] for name in names]
        label = "official"
    else:
        parts = [
            ["split.protocol=group", f"split.folds={arguments.folds}", f"split.fold={fold}"]
            for fold in range(1, arguments.folds + 1)
        ]
        label = f"{arguments.folds}-folds"
    experiments = [
        Experiment(f"{label}-{number}-seed-{seed}", (*arguments.set_param, *part, f"seed={seed}"))
        for seed in seeds
        for number, part in enumerate(parts, start=1)
    ]
    outcomes = run(experiments, arguments.workers)
    print(f"{label}, seeds {arguments.seeds}, {' '.join(arguments.set_param)}\n")
    print(report(experiments, outcomes))


if __name__ == "__main__":
    with user_errors_end_the_program():
        main()
