"""The share of deliberately flipped labels that the label audit finds.

`python -m benchmarks.label_audit path/to/kth_openpose.pkl --seeds 1,2,3` gives some clips another
label, drawn by the seed, and counts them among the most doubtful.
"""

import argparse
from dataclasses import replace

import numpy as np
import torch

from benchmarks.experiments import markdown
from har.clips import ClipSet
from har.clips.annotations import read_pickle
from har.clips.sources import choose_classes
from har.errors import user_errors_end_the_program
from har.recognition.label_audit import audit_labels


def flipped(clip_set: ClipSet, number: int, seed: int) -> tuple[ClipSet, set[str]]:
    """The set with other labels for some clips, and their ids."""
    generator = np.random.default_rng(seed)
    chosen = generator.choice(len(clip_set.clips), number, replace=False)
    clips, classes = list(clip_set.clips), len(clip_set.classes)
    for index, step in zip(chosen, generator.integers(1, classes, number), strict=True):
        clips[index] = replace(clips[index], label=int((clips[index].label + step) % classes))
    return replace(clip_set, clips=clips), {clips[index].id for index in chosen}


def main() -> None:
    """Flip, audit, count, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.label_audit", description=__doc__)
    parser.add_argument("source", help="a pickle of clips")
    parser.add_argument("--flipped", type=int, default=20)
    parser.add_argument("--seeds", default="1,2,3")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    clip_set = choose_classes(read_pickle(arguments.source), [])
    number, rows = arguments.flipped, []
    for seed in arguments.seeds.split(","):
        worse, ids = flipped(clip_set, number, int(seed))
        order = [row["clip"] for row in audit_labels(worse, int(seed)).rows()]
        found = [sum(clip in ids for clip in order[: number * some]) for some in (1, 2)]
        rows.append([seed, str(number), *map(str, found)])
    columns = ["seed", "flipped", f"among the first {number}", f"among the first {2 * number}"]
    print(markdown(columns, rows))


if __name__ == "__main__":
    with user_errors_end_the_program():
        main()
