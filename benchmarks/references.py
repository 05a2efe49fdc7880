"""The two references under their own protocol and under an honest one.

`python -m benchmarks.references --sources simulated,path/to/kth.pkl` runs the recipes `keras` and
`pytorch` on each source, five seeds each, through DVC's queue. Own: the reference's random split
of clips. Honest: groups kept apart, or the source's official split, weights chosen on val and
figures from test clips. The seed is that of training; the split stays.
"""

import argparse
from pathlib import Path

from benchmarks.experiments import Experiment, markdown, override, recipe, run, spread
from har.errors import user_errors_end_the_program

HONEST = ("split.val_fraction=0.15", "split.test_fraction=0.15", "evaluate.subset=test")


def overrides(reference: str, source: str, honest: bool) -> tuple[str, ...]:
    """Overrides for a reference on a source under a protocol."""
    lines = (*recipe(reference), override("prepare.source", source), "prepare.classes=[]")
    if honest:
        protocol = "group" if source == "simulated" else "official"
        lines += (f"split.protocol={protocol}", *HONEST)
    # An override may occur twice in the list; the last one counts.
    return tuple({line.split("=")[0]: line for line in lines}.values())


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.references", description=__doc__)
    parser.add_argument("--sources", default="simulated", help="comma-separated prepare.source")
    parser.add_argument("--references", default="keras,pytorch", help="comma-separated recipes")
    parser.add_argument("--seeds", default="1,2,3,4,5")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("-S", "--set-param", action="append", default=[], metavar="KEY=VALUE")
    arguments = parser.parse_args()
    seeds = arguments.seeds.split(",")
    table = {
        (source, reference, honest): [
            Experiment(
                f"{Path(source).stem}-{reference}-{'honest' if honest else 'own'}-{seed}",
                (*overrides(reference, source, honest), *arguments.set_param, f"seed={seed}"),
            )
            for seed in seeds
        ]
        for source in arguments.sources.split(",")
        for reference in arguments.references.split(",")
        for honest in (False, True)
    }
    outcomes = run([e for some in table.values() for e in some], arguments.workers)
    rows = []
    for (source, reference, honest), experiments in table.items():
        found = [outcomes[experiment.name].evaluation for experiment in experiments]
        leak = found[0]["leak"]
        rows.append(
            [
                f"{Path(source).stem}, {reference}, {'honest' if honest else 'own'}",
                spread([figures["baseline"]["accuracy"] for figures in found]),
                spread([figures["improved"]["accuracy"] for figures in found]),
                f"{leak['leaking']} of {leak['clips']}",
            ]
        )
    columns = ["data, reference, protocol", "baseline", "improved", "clips of a group in training"]
    print(f"accuracy, training seeds {arguments.seeds}\n")
    print(markdown(columns, rows))


if __name__ == "__main__":
    with user_errors_end_the_program():
        main()
