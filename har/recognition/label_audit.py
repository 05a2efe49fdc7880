"""An audit of labels by networks that did not learn from the clips."""

from dataclasses import dataclass, replace

import numpy as np

from har.clips import UNLABELLED, Clip, ClipSet, layout_of
from har.dataset.preprocessing import preprocess
from har.dataset.sequences import Sequences
from har.errors import UserError
from har.evaluation.doubts import Doubt, check_cleanlab, doubts, near_duplicates
from har.params import Model, Preprocess, Windows
from har.training.closed_form import left_out_answers

PREPROCESS = Preprocess(
    persons=2, tracking=True, hide_below=0.05, center="none", scale="none", frames=0, fill="zeros"
)
MODEL = Model(
    arch="minirocket",
    width=30,
    layers=1,
    dropout=0.0,
    windows=Windows(frames=64, longest=200, shortest_share=0.6, test_longest=160, test_windows=3),
)

DOUBT_COLUMNS = (
    "clip",
    "group",
    "label",
    "suggestion",
    "quality",
    "label_probability",
    "suggestion_probability",
)
PAIR_COLUMNS = ("first", "second", "first_label", "second_label", "distance")


@dataclass(frozen=True)
class LabelAudit:
    """The results of an audit.

    Attributes:
        clips: the labelled clips; the indices below are theirs.
        classes: class names in label order.
        doubts: a row for every clip, the most doubtful label first.
        duplicates: indices of two clips and their distance (har.evaluation.doubts).
    """

    clips: list[Clip]
    classes: list[str]
    doubts: list[Doubt]
    duplicates: list[tuple[int, int, float]]

    def rows(self) -> list[dict[str, str | float]]:
        """The doubts as a table of `DOUBT_COLUMNS`, the most doubtful label first."""
        return [
            {
                "clip": self.clips[doubt.clip].id,
                "group": self.clips[doubt.clip].group,
                "label": self.classes[doubt.label],
                "suggestion": self.classes[doubt.suggestion],
                "quality": round(doubt.quality, 4),
                "label_probability": round(doubt.label_probability, 4),
                "suggestion_probability": round(doubt.suggestion_probability, 4),
            }
            for doubt in self.doubts
        ]

    def pairs(self) -> list[dict[str, str | float]]:
        """The near-duplicates as a table of `PAIR_COLUMNS`, the nearest first."""
        return [
            {
                "first": self.clips[first].id,
                "second": self.clips[second].id,
                "first_label": self.classes[self.clips[first].label],
                "second_label": self.classes[self.clips[second].label],
                "distance": round(distance, 4),
            }
            for first, second, distance in self.duplicates
        ]


def audit_labels(clip_set: ClipSet, seed: int = 0) -> LabelAudit:
    """Doubt each label by the answer of a network that did not learn from the clip's group.

    Args:
        clip_set: clips of one layout; those without a label are left out. Groups keep the clips of
            a person or a video together; a clip without a group is one of its own.
        seed: of the network.

    Raises:
        UserError: there are fewer than two classes or groups, layouts differ, or cleanlab is
            missing.
    """
    check_cleanlab()  # before anything takes long
    clips = [clip for clip in clip_set.clips if clip.label != UNLABELLED]
    used = sorted({clip.label for clip in clips})
    if len(used) < 2:
        raise UserError(f"the labelled clips are of {len(used)} classes: an audit needs two")
    clips = [replace(clip, label=used.index(clip.label)) for clip in clips]
    layout = clip_set.layout or layout_of(clips[0])
    poses = []
    for clip in clips:
        if clip.keypoints.shape[2:] != (len(layout.joints), layout.dimensions):
            raise UserError(f"clip {clip.id} has other joints than {layout.name}: audit them apart")
        joints = np.concatenate([clip.keypoints, clip.scores[..., None]], axis=-1)
        poses.append(preprocess(joints, clip.image_size, PREPROCESS, layout, clip.fps))
    sequences = Sequences.from_clips(
        poses,
        {"classes": [clip_set.classes[label] for label in used], "layout": layout.setting},
        labels=[clip.label for clip in clips],
        groups=[clip.group for clip in clips],
        fps=[clip.fps for clip in clips],
    )
    answers, features = left_out_answers(sequences, MODEL, seed)
    found = doubts(sequences.labels, np.exp(answers))
    return LabelAudit(clips, sequences.settings["classes"], found, near_duplicates(features))
