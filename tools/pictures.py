"""Pictures of the front page.

`python -m tools.pictures` writes docs/images/moving.gif, simulated people and what the everyday
model makes of them, and docs/images/leak.png, the table of docs/references.md as bars.
"""

import re
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from har.clips.simulate.everyday import draw
from har.figures.skeletons import moving_grid
from har.figures.style import BLUE, ORANGE, png, tidy
from har.files import write_atomically
from har.recognition.recognizer import Recognizer
from har.skeleton import LAYOUTS

IMAGES = Path("docs/images")
SHOWN = (
    "running",
    "jumping jacks",
    "sitting down",
    "waving both hands",
    "golf swing",
    "push-ups",
    "boxing",
    "tennis serve",
)
_SECONDS, _FRAMES = 2.56, 64  # 25 frames a second


def moving_people() -> bytes:
    """One simulated window of each class in SHOWN, with the everyday model's answer."""
    recognizer = Recognizer.load("models/everyday.safetensors")
    clips = []
    for seed, name in enumerate(SHOWN):
        generator = np.random.default_rng(seed)
        windows = draw(1, generator, _FRAMES, (name,), seconds=(_SECONDS, _SECONDS))
        poses = windows.poses[0]
        width, height = (int(side) for side in windows.image_size[0])
        found = recognizer.predict_arrays(
            poses[..., :2], poses[..., 2], (height, width), fps=_FRAMES / _SECONDS
        )
        best = int(found.argmax())
        answer = f"answer: {recognizer.classes[best]} {100 * found[best]:.0f} %"
        clips.append((name, answer, poses[:, ::2]))  # every second frame halves the file
    return moving_grid(clips, LAYOUTS["coco17"], _FRAMES / _SECONDS / 2)


def leak(table: str) -> Figure:
    """Accuracy of the references' better models, own protocol beside honest one.

    Args:
        table: the text that holds the table, with rows `data, reference, protocol`.
    """
    row = re.compile(
        r"^\| (.+), (keras|pytorch), (own|honest) \| .*? \| (\.\d+) ± (\.\d+) \|", re.MULTILINE
    )
    found = {tuple(groups[:3]): tuple(map(float, groups[3:])) for groups in row.findall(table)}
    cases = list(dict.fromkeys((data, reference) for data, reference, _ in found))
    figure = Figure(figsize=(6.2, 2.6), layout="constrained")
    axes = figure.add_subplot()
    for shift, protocol, name, colour in (
        (-0.2, "own", "their own split", ORANGE),
        (0.2, "honest", "groups kept apart (Penn Action: official split)", BLUE),
    ):
        mean, spread = zip(*(found[(*case, protocol)] for case in cases), strict=True)
        places = np.arange(len(cases)) + shift
        axes.bar(places, mean, 0.38, yerr=spread, color=colour, label=name, ecolor="#444444")
    axes.set_xticks(range(len(cases)), [f"{data}\n{reference}" for data, reference in cases])
    axes.set_ylabel("test accuracy", fontsize=8)
    axes.set_ylim(0, 1)
    axes.legend(fontsize=8, frameon=False, loc="upper left", ncols=2)
    tidy(axes, "y")
    return figure


def main() -> None:
    """Write both pictures."""
    text = Path("docs/references.md").read_text(encoding="utf-8")
    for name, content in (("moving.gif", moving_people()), ("leak.png", png(leak(text)))):
        with write_atomically(IMAGES / name) as file:
            file.write(content)


if __name__ == "__main__":
    main()
