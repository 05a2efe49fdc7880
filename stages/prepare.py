"""Prepare: read and check the source, keep the chosen classes, draw a clip of each."""

import gc
import math
from collections import Counter

import numpy as np

from har.clips import Clip, sources
from har.clips.describe import rate_notes
from har.clips.keypoint_files import to_layout
from har.dataset.prepared import write_prepared
from har.errors import user_errors_end_the_program
from har.figures.skeletons import Sample, skeleton_strip
from har.figures.style import png
from har.files import write_atomically, write_json
from har.params import load_params, project_folder
from har.skeleton import check_layout, find_layout
from stages import METRICS, PLOTS, PREPARED

_MOST_SHOWN = 24  # classes; drawing a hundred takes half as long as the rest of the stage


def main() -> None:
    """Read the source, write prepared clips, their figures and a picture."""
    params = load_params()
    settings = params.prepare
    project = project_folder()
    found = sources.load(
        settings.source,
        settings.seed,
        project / "data/raw",
        project,
        settings.fps,
        settings.background,
    )
    chosen = sources.choose_classes(found, settings.classes)
    layout = find_layout(settings.layout, project)
    if chosen.layout:
        chosen = to_layout(chosen, chosen.layout, layout)
    for clip in chosen.clips:
        check_layout(layout, clip.keypoints, f"{settings.source}: clip {clip.id}")

    write_prepared(PREPARED, chosen.clips, chosen.classes, chosen.subsets)
    groups = {clip.group for clip in chosen.clips}
    counts = Counter(chosen.classes[clip.label] for clip in chosen.clips)
    frames = [clip.keypoints.shape[1] for clip in chosen.clips]
    persons = [clip.keypoints.shape[0] for clip in chosen.clips]
    figures = {
        "clips": len(chosen.clips),
        "groups": len(groups),
        "frames": {"least": min(frames), "median": float(np.median(frames)), "most": max(frames)},
        "persons": {"mean": float(np.mean(persons)), "most": max(persons)},
        "clips_of_class": {name: counts[name] for name in chosen.classes},
    }
    write_json(METRICS / "prepare.json", figures)
    step = math.ceil(len(chosen.classes) / _MOST_SHOWN)
    shown = range(0, len(chosen.classes), step)
    samples = [sample_of_class(chosen.clips, label) for label in shown]
    with write_atomically(PLOTS / "skeletons.png") as file:
        file.write(png(skeleton_strip(samples, chosen.classes, layout)))

    for note in [*chosen.notes, *rate_notes(chosen.clips, "prepare.fps")]:
        print(f"note: {note}")
    print(f"{settings.source}: {len(found.clips)} clips, {len(chosen.clips)} of the chosen classes")
    for name in chosen.classes:
        print(f"  {name}: {counts[name]}")
    print(f"{min(frames)}-{max(frames)} frames, up to {max(persons)} persons, {len(groups)} groups")
    if step > 1:
        print(f"{PLOTS}/skeletons.png shows {len(shown)} of the {len(chosen.classes)} classes")


def sample_of_class(clips: list[Clip], label: int) -> Sample:
    """The clip of a class with the best median score."""

    def median(clip: Clip) -> float:
        middle = clip.scores[0].size // 2  # np.median takes five times as long
        return float(np.partition(clip.scores[0], middle, axis=None)[middle])

    best = max((clip for clip in clips if clip.label == label), key=median)
    return Sample(best.id, label, np.concatenate([best.keypoints, best.scores[..., None]], axis=-1))


if __name__ == "__main__":
    # A large file becomes hundreds of thousands of objects without reference cycles: searching for
    # cycles would take a tenth of the time.
    gc.disable()
    with user_errors_end_the_program():
        main()
