"""Clips of skeletons: what every source gives and every user of the library holds."""

from dataclasses import dataclass, field

import numpy as np

UNLABELLED = -1


@dataclass(frozen=True)
class Clip:
    """One clip.

    Attributes:
        id: unique name within its set.
        label: index into the set's classes, UNLABELLED where the file gives none.
        keypoints: (M, T, V, C) float16 or float32, pixels (3D: the file's unit), finite.
        scores: (M, T, V) of the same type, 0..1; 0 is a missing joint.
        image_size: (height, width) in pixels; (0, 0) is unknown, in 3D files only.
        group: clips of one group are cut from one video or show one person.
    """

    id: str
    label: int
    keypoints: np.ndarray
    scores: np.ndarray
    image_size: tuple[int, int]
    group: str


@dataclass(frozen=True)
class ClipSet:
    """Clips with their class names.

    Attributes:
        clips: in the file's order.
        classes: name of label i; may name classes without clips.
        subsets: official subset name -> clip ids, of clips in the set only.
        notes: one line for each kind of thing that was odd, dropped or assumed.
    """

    clips: list[Clip]
    classes: list[str]
    subsets: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
