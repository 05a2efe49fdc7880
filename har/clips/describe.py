"""A summary of a set of clips in a few lines."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from har.clips import UNLABELLED, USUAL_FPS, Clip, ClipSet


def describe(clip_set: ClipSet) -> list[str]:
    """Lines on clips, classes, official subsets, groups, lengths, persons, scores, and oddities."""
    clips = clip_set.clips
    joints, dimensions = clips[0].keypoints.shape[2:]
    layout = f", layout {clip_set.layout.name}" if clip_set.layout else ""
    labels = Counter(clip.label for clip in clips)
    groups = {clip.group for clip in clips}
    lines = [
        f"clips     {len(clips)}, {joints} joints with {dimensions} coordinates "
        f"({clips[0].keypoints.dtype}){layout}",
        f"classes   {len(labels.keys() - {UNLABELLED})} of {len(clip_set.classes)} have clips",
    ]
    lines.append(f"groups    {len(groups) if len(groups) < len(clips) else 'none known'}")
    for name, members in clip_set.subsets.items():
        lines.append(f"subset    {name}: {len(members)} clips")
    lines.append(_spread("frames", [clip.keypoints.shape[1] for clip in clips]))
    lines.append(_spread("persons", [clip.keypoints.shape[0] for clip in clips]))
    sizes = Counter(clip.image_size for clip in clips).most_common()
    (height, width), count = sizes[0]
    others = f" ({count} clips, {len(sizes) - 1} other sizes)" if len(sizes) > 1 else ""
    size = f"{width} x {height} pixels" if width else "of unknown size"
    lines.append(f"images    {size}{others}")
    rates = [f"{rate:g}" if rate else "unknown" for rate in sorted({clip.fps for clip in clips})]
    lines.append(f"fps       {', '.join(rates[:5])}{', ...' * (len(rates) > 5)}")
    seen = sum(int(np.count_nonzero(clip.scores)) for clip in clips)
    slots = sum(clip.scores.size for clip in clips)
    total = sum(float(clip.scores.sum(dtype=np.float64)) for clip in clips)
    lines.append(
        f"scores    {100 * (1 - seen / slots):.1f} % of joints missing, "
        f"mean {total / max(seen, 1):.2f} of the others"
    )
    lines += ["", f"{'label':>5}  {'class':30} {'clips':>6} {'groups':>6}"]
    for label in sorted(labels):
        name = "(no label)" if label == UNLABELLED else clip_set.classes[label]
        class_groups = len({clip.group for clip in clips if clip.label == label})
        lines.append(f"{label:5}  {name:30} {labels[label]:6} {class_groups:6}")
    if clip_set.notes:
        lines += ["", *(f"note: {note}" for note in clip_set.notes)]
    return lines


def rate_notes(clips: Sequence[Clip], remedy: str) -> list[str]:
    """A note on clips of unknown frame rate; `remedy` is the option or key that sets it."""
    unknown = sum(not clip.fps for clip in clips)
    if not unknown:
        return []
    whose = "the clips" if unknown == len(clips) else f"{unknown} of {len(clips)} clips"
    return [f"{whose} have no frame rate: {USUAL_FPS:g} frames per second are assumed ({remedy})"]


def _spread(name: str, values: list[int]) -> str:
    low, middle, high = np.percentile(values, (0, 50, 100))
    return f"{name:9} {low:.0f} to {high:.0f}, median {middle:.0f}"
