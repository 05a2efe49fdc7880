"""A clip of skeletons, and a set of clips with their class names."""

from dataclasses import dataclass, field

import numpy as np

from har.errors import UserError
from har.skeleton import LAYOUTS, Layout

UNLABELLED = -1
USUAL_FPS = 25.0  # assumed where a clip's frame rate is unknown


@dataclass(frozen=True)
class Clip:
    """One clip.

    Attributes:
        id: unique name within its set.
        label: index into the set's classes, UNLABELLED where the file gives none.
        keypoints: (M, T, V, C) float16 or float32, pixels (3D: the file's unit), finite.
        scores: (M, T, V) of the same type, 0..1; 0 is a missing joint.
        image_size: (height, width) in pixels; (0, 0) is unknown.
        group: clips of the same group are cut from one video or show one person.
        fps: frames per second; 0 is unknown.
    """

    id: str
    label: int
    keypoints: np.ndarray
    scores: np.ndarray
    image_size: tuple[int, int]
    group: str
    fps: float = 0.0


@dataclass(frozen=True)
class ClipSet:
    """Clips with their class names.

    Attributes:
        clips: in the file's order.
        classes: names in label order, also of classes without clips.
        subsets: official subset name -> clip ids, of clips in the set only.
        notes: one line for each kind of oddity, dropped clip or assumption.
        layout: of the joints, None where the file does not give it.
    """

    clips: list[Clip]
    classes: list[str]
    subsets: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    layout: Layout | None = None


def layout_of(clip: Clip) -> Layout:
    """The layout with the clip's number of joints and coordinates.

    Raises:
        UserError: there is none.
    """
    joints, dimensions = clip.keypoints.shape[2:]
    for layout in LAYOUTS.values():
        if (len(layout.joints), layout.dimensions) == (joints, dimensions):
            return layout
    known = ", ".join(f"{name} ({len(layout.joints)})" for name, layout in LAYOUTS.items())
    raise UserError(
        f"clip {clip.id} has {joints} joints with {dimensions} coordinates, which fits no layout; "
        f"known are {known}"
    )
