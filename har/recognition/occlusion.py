"""Which joints and moments an answer rests on: what it loses when they are hidden.

A hidden joint is one that the pose estimator did not find, so the model sees nothing that it could
not have met. Source: Zeiler and Fergus, Visualizing and understanding convolutional networks, 2014.
"""

from dataclasses import dataclass, replace

import numpy as np

from har.clips import Clip
from har.recognition.recognizer import Recognizer
from har.skeleton import Layout

_SIDED = ("shoulder", "elbow", "wrist", "hand", "thumb", "hip", "knee", "ankle", "foot", "toe")
_ARM, _LEG = _SIDED[:5], _SIDED[5:]


@dataclass(frozen=True)
class Occlusion:
    """The probability of one class when parts of a clip are hidden.

    Attributes:
        label: the class, the likeliest one of the whole clip.
        whole: its probability with nothing hidden.
        parts: name of a part of the body -> probability without it.
        joints: (V,), without each joint.
        stretches: (start, end, probability) without the frames from start up to end, exclusive.
    """

    label: int
    whole: float
    parts: dict[str, float]
    joints: np.ndarray
    stretches: list[tuple[int, int, float]]


def body_parts(layout: Layout) -> dict[str, list[int]]:
    """Joints of the limbs and of the head, by name; parts that the layout lacks are left out."""
    names = layout.joints
    parts = {
        f"{side} {limb}": [
            index
            for index, name in enumerate(names)
            if side in name and any(word in name for word in words)
        ]
        for side in ("left", "right")
        for limb, words in (("arm", _ARM), ("leg", _LEG))
    }
    limbs = {index for joints in parts.values() for index in joints}
    head = ("nose", "eye", "ear", "head", "mouth")
    parts["head"] = [i for i, name in enumerate(names) if any(word in name for word in head)]
    rest = set(range(len(names))) - limbs - set(parts["head"])
    parts["trunk"] = sorted(rest)
    return {name: joints for name, joints in parts.items() if joints}


def hide(clip: Clip, joints: list[int], frames: slice) -> Clip:
    """The clip with some joints missing in some frames."""
    keypoints, scores = clip.keypoints.copy(), clip.scores.copy()
    keypoints[:, frames, joints] = 0
    scores[:, frames, joints] = 0
    return replace(clip, keypoints=keypoints, scores=scores)


def occlude(recognizer: Recognizer, clip: Clip, stretches: int = 10) -> Occlusion:
    """Hide each part of the body, each joint and each stretch of a clip in turn.

    Args:
        recognizer: the model.
        clip: somebody is seen in it.
        stretches: about how many there are, all of one length but the last.

    Raises:
        UserError: the clip does not fit the model.
    """
    layout = recognizer.checkpoint.layout
    frames, joints = clip.keypoints.shape[1:3]
    parts = body_parts(layout)
    step = -(-frames // stretches)
    spans = [(start, min(start + step, frames)) for start in range(0, frames, step)]
    everything, always = list(range(joints)), slice(None)
    hidden = [
        *(hide(clip, part, always) for part in parts.values()),
        *(hide(clip, [joint], always) for joint in everything),
        *(hide(clip, everything, slice(*span)) for span in spans),
    ]
    whole = recognizer.predict(clip)
    label = int(whole.argmax())
    # A clip in which nobody is left has no answer: all of it is lost.
    seen = [bool(one.scores.any()) for one in hidden]
    found = np.zeros(len(hidden))
    shown = [one for one, some in zip(hidden, seen, strict=True) if some]
    found[seen] = recognizer.predict_clips(shown)[:, label]
    by_part, by_joint, by_stretch = np.split(found, [len(parts), len(parts) + joints])
    return Occlusion(
        label,
        float(whole[label]),
        dict(zip(parts, by_part.tolist(), strict=True)),
        by_joint,
        [(*span, p) for span, p in zip(spans, by_stretch.tolist(), strict=True)],
    )
