"""A page of moving stick figures: doubtful labels and near-duplicates, in one file."""

import html
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

import numpy as np

from har.clips import USUAL_FPS
from har.figures.skeletons import UNSURE
from har.figures.style import LEFT, MIDDLE, RIGHT
from har.skeleton import Layout

_MOST_FRAMES = 120  # of a clip; of a longer one, every n-th
_SIDE = 200  # pixels of a stage


@dataclass(frozen=True)
class Moving:
    """A clip on the page.

    Attributes:
        poses: (M, T, V, C+1); unsure joints are left out.
        fps: frames per second, 0 is unknown.
        lines: of text under it; the first is its name.
    """

    poses: np.ndarray
    fps: float
    lines: Sequence[str]


def label_page(
    title: str, sections: Sequence[tuple[str, Sequence[Sequence[Moving]]]], layout: Layout
) -> str:
    """HTML that needs no network.

    Args:
        title: of the page.
        sections: a heading, and its cards; a card shows its clips side by side.
        layout: of the poses.
    """
    body: list[str] = []
    clips: list[dict[str, object]] = []
    for heading, cards in sections:
        body.append(f"<h2>{html.escape(heading)}</h2>\n<main>")
        for card in cards:
            body.append("<article>")
            for moving in card:
                name, *lines = map(html.escape, moving.lines)
                about = "".join(f"<br>{line}" for line in lines)
                body.append(
                    f'<figure><canvas width="{_SIDE}" height="{_SIDE}" data-clip="{len(clips)}">'
                    f"</canvas><figcaption><b>{name}</b>{about}</figcaption></figure>"
                )
                clips.append(_frames(moving, layout))
            body.append("</article>")
        body.append("</main>")
    data = {"clips": clips, "bones": _bones(layout)}
    # In a script element only a closing tag or a comment can end the text.
    text = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    template = files("har.figures").joinpath("label_page.html").read_text(encoding="utf-8")
    parts = {"title": html.escape(title), "body": "\n".join(body), "data": text}
    for key, value in parts.items():
        template = template.replace(f"<!--{key}-->", value)
    return template


def _bones(layout: Layout) -> list[tuple[int, int, str]]:
    """Both joints and the colour of each line."""
    colours = dict.fromkeys(range(len(layout.joints)), MIDDLE)
    for left, right in layout.pairs:
        colours[left], colours[right] = LEFT, RIGHT
    lines = [(joint, parent, colours[joint]) for joint, parent in layout.bones]
    lines += [(pair[0], pair[1], MIDDLE) for pair in (layout.shoulders, layout.hips) if pair]
    return lines


def _frames(moving: Moving, layout: Layout) -> dict[str, object]:
    """Milliseconds of a frame, and for each frame its persons' joints as pixels, -1 if missing."""
    poses = moving.poses[:, :: math.ceil(moving.poses.shape[1] / _MOST_FRAMES)]
    step = moving.poses.shape[1] / poses.shape[1]
    points = poses[..., :2] * ((1, -1) if layout.dimensions == 3 else (1, 1))
    seen = poses[..., -1] >= UNSURE
    if not seen.any():
        seen = poses[..., -1] > 0
    pixels = np.full((*points.shape[:3], 2), -1)
    if seen.any():
        low, high = points[seen].min(0), points[seen].max(0)
        side = max(float((high - low).max()), 1e-6) * 1.1
        placed = (points - (low + high) / 2) / side * _SIDE + _SIDE / 2
        pixels = np.where(seen[..., None], placed.round().clip(0, _SIDE), -1).astype(int)
    present = seen.any((1, 2))
    frames = np.moveaxis(pixels[present], 1, 0).reshape(poses.shape[1], -1, seen.shape[2] * 2)
    return {"ms": round(1000 * step / (moving.fps or USUAL_FPS)), "frames": frames.tolist()}
