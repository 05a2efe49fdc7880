"""A moving clip with its timeline, as an element of the page."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from nicegui.element import Element

from har.clips import USUAL_FPS, Clip
from har.figures.panel import class_colour, side_colour
from har.figures.skeletons import UNSURE, drawable
from har.recognition.streaming import Window
from har.recognition.timeline import Action, actions
from har.skeleton import Layout
from har.studio.sessions import Session

_TOP = 3  # classes shown at a moment
_MARGIN = 0.08  # around the skeletons, where there is no picture
NONE_OF_THESE = "none of these"
_GREY = "#888888"
_PERSONS = ("#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#F0E442", "#D55E00")


class Player(Element, component="player.js"):  # type: ignore[call-arg]
    """Plays the result of `content`; `seek` is called with the frame at which it stops."""

    def __init__(self, content: dict[str, Any], seek: Callable[[Any], Any] | None = None) -> None:
        """Make the player."""
        super().__init__()
        self._props |= {"clip": content, "hidden": [], "weights": []}
        if seek:
            self.on("seek", seek)

    def hide(self, joints: Sequence[int]) -> None:
        """Leave joints out."""
        self._props["hidden"] = list(joints)
        self.update()

    def weigh(self, weights: Sequence[float]) -> None:
        """Put rings around joints, 0 (none) to 1."""
        self._props["weights"] = [round(weight, 3) for weight in weights]
        self.update()


def apart(clip: Clip) -> list[Clip]:
    """One clip for each person who is seen; the clip itself where nobody is."""
    return [
        replace(clip, keypoints=points[None], scores=scores[None])
        for points, scores in zip(clip.keypoints, clip.scores, strict=True)
        if scores.any()
    ] or [clip]


def percent(share: float) -> str:
    """A probability as the page writes it."""
    return f"{100 * share:.0f} %"


def content(
    session: Session,
    name: str,
    persons: Sequence[Clip],
    layout: Layout,
    windows: Sequence[Sequence[Window]] = (),
    classes: Sequence[str] = (),
    video: str = "",
) -> dict[str, Any]:
    """The content of the player.

    Args:
        session: keeps the file of poses.
        name: of the clip.
        persons: one clip for each.
        layout: of the joints.
        windows: the answers about each person; none for a clip without a timeline.
        classes: names of the answers' classes.
        video: address of the video of the same frames, in which the skeletons lie.
    """
    first = persons[0]
    frames, fps = first.keypoints.shape[1], first.fps or USUAL_FPS
    points = np.concatenate([drawable(one.keypoints, layout) for one in persons]).astype(float)
    scores = np.concatenate([one.scores for one in persons])
    size: tuple[float, float] = first.image_size
    if not video:
        points, size = _framed(points, scores)
    poses = np.concatenate([points, scores[..., None]], axis=-1, dtype=np.float32)
    path = session.place("poses.bin")
    path.write_bytes(poses.transpose(1, 0, 2, 3).tobytes())
    return {
        "name": name,
        "video": video,
        "poses": session.address(path),
        "frames": frames,
        "fps": fps,
        "size": size,
        "bones": [*layout.bones, *(pair for pair in (layout.shoulders, layout.hips) if pair)],
        "colours": [side_colour(joint) for joint in layout.joints],
        "unsure": UNSURE,
        "persons": [
            {
                "name": f"Person {number + 1}",
                "colour": _PERSONS[number % len(_PERSONS)],
                "windows": [_moment(window, classes) for window in own],
                "actions": [
                    {
                        "start": action.start,
                        "end": action.end,
                        "name": _name(action, classes),
                        "colour": _GREY if action.label is None else class_colour(action.label),
                        "probability": action.probability,
                    }
                    for action in actions(own, frames)
                ],
            }
            for number, own in enumerate(windows or [()] * len(persons))
        ],
    }


def _moment(window: Window, classes: Sequence[str]) -> dict[str, Any]:
    top = None
    if window.probabilities is not None:
        order = np.argsort(-window.probabilities, kind="stable")[:_TOP]
        top = [
            (classes[k], round(float(window.probabilities[k]), 4), class_colour(int(k)))
            for k in order
        ]
    middle = (window.start + window.end - 1) / 2
    return {"middle": middle, "top": top, "none": NONE_OF_THESE if window.unknown else ""}


def _name(action: Action, classes: Sequence[str]) -> str:
    if action.unknown:
        return NONE_OF_THESE
    return "not seen" if action.label is None else classes[action.label]


def _framed(points: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, tuple[float, float]]:
    """Points moved into a picture that holds them all, 16:9 or narrower, and its size."""
    seen = points[scores > 0]
    if not len(seen):
        return points, (9, 16)
    low, high = seen.min(axis=0), seen.max(axis=0)
    width, height = np.maximum(high - low, 1e-6) * (1 + 2 * _MARGIN)
    height = max(height, width * 9 / 16)
    width = max(width, height * 4 / 3)
    corner = (low + high) / 2 - np.array([width, height]) / 2
    return (points - corner) * 1000 / width, (1000 * height / width, 1000)
