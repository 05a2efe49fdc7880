"""The everyday model on clips of real people, none of which it has ever seen.

`python -m benchmarks.zero_shot path/to/kth.pkl path/to/penn.pkl` measures each file's official test
subset twice: with every class of the model allowed, and with the file's own classes only.
"""

import argparse
import re

import numpy as np

from benchmarks.experiments import markdown
from har.clips import UNLABELLED, Clip
from har.clips.annotations import read_pickle
from har.clips.sources import choose_classes
from har.errors import UserError, user_errors_end_the_program
from har.evaluation.metrics import interval_over_groups
from har.recognition.recognizer import Recognizer

# What other sets call the model's classes, beside differences of case, spaces and plurals.
SYNONYMS = {
    "handclapping": "clapping",
    "handwaving": "waving both hands",
    "bowl": "bowling",
    "strum guitar": "playing guitar",
    "clap": "clapping",
    "wave": "waving both hands",
    "walk": "walking",
    "run": "running",
    "jog": "jogging",
    "sit": "sitting down",
    "stand": "standing up",
    "pick": "picking up",
    "golf": "golf swing",
    "swing baseball": "baseball swing",
    "throw": "throwing",
    "catch": "catching",
    "kick ball": "kicking",
    "jump": "jumping",
    "climb stairs": "climbing stairs",
}


def plain(name: str) -> str:
    """A class name in lower case, as words without plural endings."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|[-_]", " ", name).lower().split()
    return "".join(word.rstrip("s") for word in words)


def class_of_model(name: str, classes: list[str]) -> int | None:
    """The index of the model's class that a set calls `name`; None where it has none."""
    spaced = re.sub(r"[-_]", " ", name).lower()
    wanted = plain(SYNONYMS.get(spaced, name))
    return next((index for index, own in enumerate(classes) if plain(own) == wanted), None)


def test_clips(source: str, subset: str) -> tuple[list[Clip], list[str]]:
    """Labelled clips of a file's official subsets whose name contains `subset`, and the classes."""
    found = choose_classes(read_pickle(source), [])
    names = {clip for key, clips in found.subsets.items() if subset in key for clip in clips}
    if not names:
        raise UserError(f"{source} has no subset {subset!r}: it has {', '.join(found.subsets)}")
    clips = [clip for clip in found.clips if clip.id in names and clip.label != UNLABELLED]
    return clips, found.classes


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.zero_shot", description=__doc__)
    parser.add_argument("sources", nargs="+", help="pickles in the published format")
    parser.add_argument("--model", default="models/everyday.safetensors")
    parser.add_argument("--subset", default="test")
    arguments = parser.parse_args()
    recognizer = Recognizer.load(arguments.model)
    rows = []
    for source in arguments.sources:
        clips, classes = test_clips(source, arguments.subset)
        shared = {
            label: index
            for label, name in enumerate(classes)
            if (index := class_of_model(name, recognizer.classes)) is not None
        }
        if not shared:
            raise UserError(f"{source}: none of its classes is one of the model's")
        missing = [name for label, name in enumerate(classes) if label not in shared]
        if missing:
            print(f"{source}: left out, no class of the model's: {', '.join(missing)}")
        clips = [clip for clip in clips if clip.label in shared]
        found = recognizer.predict_clips(clips)
        wanted = np.array([shared[clip.label] for clip in clips])
        own = np.zeros(len(recognizer.classes), bool)
        own[list(shared.values())] = True
        groups = [clip.group for clip in clips]
        for allowed, scores in (
            ("all of the model's", found),
            ("the set's own", np.where(own, found, -1)),
        ):
            right = scores.argmax(1) == wanted
            low, high = interval_over_groups(right, groups)
            rows.append(
                [
                    source.rsplit("/", 1)[-1],
                    allowed,
                    f"{own.sum()}",
                    f"{len(clips):,}",
                    f"{len(set(groups)):,}",
                    f"{right.mean():.3f}",
                    f"{low:.3f} - {high:.3f}",
                ]
            )
    columns = ["data", "classes allowed", "classes", "clips", "groups", "accuracy", "95 % interval"]
    print(markdown(columns, rows))


if __name__ == "__main__":
    with user_errors_end_the_program():
        main()
