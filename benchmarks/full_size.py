"""A file as large as the published one of UCF101, with synthetic content, to measure speed on.

    python -m benchmarks.full_size OUT.pkl [--clips 1000] [--list ucf101_clips.csv] [--protocol 4]

Ids, labels, persons and frames come from a list of the published clips, a table with the columns
`frame_dir`, `label` and `keypoint_shape`, "(M, T, 17, 2)". Without one, 13,320 clips of the same
classes are drawn after the published file's figures. The official subsets follow from the group
numbers, as in the published file. A clip has the same content in files of any size.

The bodies are stick figures that swing as their class prescribes, in their group's place and size.
A network can learn that, so its loss falls; what it reaches says nothing about people, nor about
any method.

The published file has 948 MB of numbers and 1,071 MB in all: it is in pickle protocol 2, as
OpenMMLab's tools write it, which keeps arrays as text with two bytes for every byte from 128 on.
So is this one, and with half of the person slots empty it comes to the same size. Writing takes
4 GB of memory, since the pickler keeps copies of all arrays.
"""

import argparse
import pickle
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from har.clips.catalogue import UCF101_CLASSES
from har.errors import UserError, user_errors_end_the_program
from har.files import read_csv, write_atomically

HEIGHT, WIDTH = 256, 340
GROUPS = range(1, 26)
TEST_GROUPS = {1: range(1, 8), 2: range(8, 15), 3: range(15, 22)}  # of the three official splits
_SEED = 101
_ID = re.compile(r"v_[A-Za-z]+_g(\d{2})_c(\d{2})")

# A standing body of height 1 around its hips, y downwards, joints in COCO's order.
_REST = np.array(
    [
        (0, -0.45),
        (0.02, -0.47),
        (-0.02, -0.47),
        (0.05, -0.46),
        (-0.05, -0.46),  # nose, eyes, ears
        (0.11, -0.32),
        (-0.11, -0.32),
        (0.14, -0.15),
        (-0.14, -0.15),
        (0.15, 0),
        (-0.15, 0),  # arms
        (0.07, 0),
        (-0.07, 0),
        (0.08, 0.25),
        (-0.08, 0.25),
        (0.08, 0.48),
        (-0.08, 0.48),  # legs
    ],
    np.float32,
)


@dataclass(frozen=True)
class Outline:
    """A clip without its content; `number` counts the clips of a group from 1."""

    id: str
    label: int
    group: int
    number: int
    persons: int
    frames: int


def read_list(path: str | Path) -> list[Outline]:
    """Read the outlines of clips from a table.

    Raises:
        UserError: the table is missing, or a line of it is wrong.
    """
    outlines = []
    for row in read_csv(path, ["frame_dir", "label", "keypoint_shape"]):
        name = _ID.fullmatch(row["frame_dir"])
        shape = re.fullmatch(r"\((\d+), (\d+), 17, 2\)", row["keypoint_shape"])
        if not name or not shape or not row["label"].isdigit():
            raise UserError(
                f"{path}: clip {row['frame_dir']!r} needs a name like v_Archery_g01_c01, a label "
                "id and a shape like (1, 90, 17, 2)"
            )
        numbers = (int(text) for text in (row["label"], *name.groups(), *shape.groups()))
        outlines.append(Outline(row["frame_dir"], *numbers))
    return outlines


def draw_list(generator: np.random.Generator) -> list[Outline]:
    """Outlines of 13,320 clips: 5 or 6 in each of 25 groups of 101 classes.

    Of the published clips, 17 % have one person slot, then 29, 20 and 10 %, and 25 % more, up to
    30; 5 % have less than 70 frames, half have less than 165, and 5 % more than 359.
    """
    groups = [(label, group) for label in range(101) for group in GROUPS]
    larger = generator.choice(len(groups), 13_320 - 5 * len(groups), replace=False)
    clips = np.full(len(groups), 5)
    clips[larger] = 6
    outlines = []
    for (label, group), count in zip(groups, clips, strict=True):
        for number in range(1, count + 1):
            persons = 1 + int(np.searchsorted((0.170, 0.457, 0.655, 0.752), generator.random()))
            if persons == 5:
                persons = min(4 + int(generator.geometric(0.23)), 30)
            frames = int(np.clip(165 * np.exp(generator.normal(0, 0.49)), 4, 1775))
            name = f"v_{UCF101_CLASSES[label]}_g{group:02}_c{number:02}"
            outlines.append(Outline(name, label, group, number, persons, frames))
    return outlines


def choose(outlines: Sequence[Outline], clips: int) -> list[Outline]:
    """About `clips` of the clips: whole groups, as many of each class.

    The first two groups of every class stay in any case: split 1 tests on one of them.
    """
    blocks = [*TEST_GROUPS.values(), range(22, 26)]
    order = [block[place] for place in range(7) for block in blocks if place < len(block)]
    sizes = Counter((outline.group, outline.label) for outline in outlines)
    chosen = set()
    count = 0
    for group, label in sorted(sizes, key=lambda key: (order.index(key[0]), key[1])):
        if count < clips or group in order[:2]:
            chosen.add((group, label))
            count += sizes[group, label]
    return [outline for outline in outlines if (outline.group, outline.label) in chosen]


def annotation(outline: Outline) -> dict[str, Any]:
    """One clip in the published format, float16."""
    of_class = np.random.default_rng((_SEED, outline.label))
    of_group = np.random.default_rng((_SEED, outline.label, outline.group))
    of_clip = np.random.default_rng((_SEED, outline.label, outline.group, outline.number))
    shape = (outline.persons, outline.frames, 17)
    time = np.arange(outline.frames, dtype=np.float32)[:, None, None]

    # Every joint swings in its class's way; only the first person's swings are large.
    swing = of_class.normal(0, 0.08, (17, 2)).astype(np.float32)
    turn = of_class.uniform(0, 2 * np.pi, (17, 2)).astype(np.float32)
    speed = np.float32(of_class.uniform(0.1, 0.5) * of_clip.uniform(0.8, 1.2))
    motion = _REST + swing * np.sin(speed * time + turn + np.float32(of_clip.uniform(0, 6)))
    still = _REST + 0.2 * (motion - _REST)
    bodies = np.stack([motion, *[still] * (outline.persons - 1)])
    noise = of_clip.standard_normal((*shape, 2), dtype=np.float32)
    sizes = of_group.uniform(60, 180, outline.persons).astype(np.float32)
    places = of_group.uniform((0.2, 0.4), (0.8, 0.6), (outline.persons, 2)) * (WIDTH, HEIGHT)
    keypoints = sizes[:, None, None, None] * (bodies + 0.01 * noise)
    keypoints += places.astype(np.float32)[:, None, None]
    keypoints = keypoints.clip(0, (WIDTH, HEIGHT))
    joint_scores = of_group.uniform(0.3, 0.9, 17).astype(np.float32)
    scores = joint_scores + 0.05 * of_clip.standard_normal(shape, dtype=np.float32)

    # The slots of a frame are filled from the first on, sometimes all and half of them on average.
    share = np.sin(time[:, 0, 0] * 0.03 + of_clip.uniform(0, 3)) ** 4
    seen = np.arange(outline.persons)[:, None] <= np.rint((outline.persons - 1) * share)
    return {
        "frame_dir": outline.id,
        "label": outline.label,
        "img_shape": (HEIGHT, WIDTH),
        "original_shape": (HEIGHT, WIDTH),
        "total_frames": outline.frames,
        "keypoint": (keypoints * seen[..., None, None]).astype(np.float16),
        "keypoint_score": (scores.clip(0.01, 1) * seen[..., None]).astype(np.float16),
    }


def official(outlines: Sequence[Outline]) -> dict[str, list[str]]:
    """The official subsets that have clips, train1 to test3."""
    subsets = {}
    for split, groups in TEST_GROUPS.items():
        train = [outline.id for outline in outlines if outline.group not in groups]
        test = [outline.id for outline in outlines if outline.group in groups]
        subsets |= {f"train{split}": train, f"test{split}": test} if train and test else {}
    return subsets


def main() -> None:
    parser = argparse.ArgumentParser(description="Write a full-size file of synthetic clips.")
    parser.add_argument("out", help="the pickle to write")
    parser.add_argument("--clips", type=int, help="about so many, of whole groups; default: all")
    parser.add_argument("--list", help="CSV of the published clips; default: drawn ones")
    parser.add_argument("--protocol", type=int, default=2, help="of the pickle; default: 2")
    arguments = parser.parse_args()
    if arguments.list:
        outlines = read_list(arguments.list)
    else:
        outlines = draw_list(np.random.default_rng(_SEED))
    if arguments.clips is not None:
        outlines = choose(outlines, arguments.clips)
    content = {
        "split": official(outlines),
        "annotations": [annotation(outline) for outline in outlines],
    }
    with write_atomically(arguments.out) as file:
        pickle.dump(content, file, arguments.protocol)
    size = Path(arguments.out).stat().st_size
    print(f"{arguments.out}: {len(outlines):,} clips, {size:,} bytes")


if __name__ == "__main__":
    with user_errors_end_the_program():
        main()
