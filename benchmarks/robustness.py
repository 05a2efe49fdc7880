"""Accuracy of the default network on clips that are worse than those it was trained on.

`python -m benchmarks.robustness --sources path/to/kth_openpose.pkl,path/to/penn_action.pkl`
trains on a pickle's official train and val clips as they are and disturbs test clips only, in one
way at a time. Nothing was chosen by these figures.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.ablation import COCO, preprocessed
from benchmarks.experiments import markdown, spread, trained
from har.clips import USUAL_FPS, Clip
from har.clips.annotations import read_pickle
from har.clips.sources import choose_classes
from har.dataset.windows import interpolate
from har.errors import user_errors_end_the_program
from har.models.inference import log_probabilities
from har.params import load_params

# A clip, another one, and randomness: the disturbed clip.
Disturbance = Callable[[Clip, Clip, np.random.Generator], Clip]

LEFT_ARM = ("left_elbow", "left_wrist")
LEGS = ("left_knee", "right_knee", "left_ankle", "right_ankle")
HIPS = ("left_hip", "right_hip")


def frames(clip: Clip, index: np.ndarray) -> Clip:
    """The frames of an index (T,)."""
    return replace(clip, keypoints=clip.keypoints[:, index], scores=clip.scores[:, index])


def every(number: int) -> Disturbance:
    """A lower frame rate."""
    return lambda clip, other, rng: frames(clip, np.arange(0, clip.keypoints.shape[1], number))


def with_rate(share: float) -> Disturbance:
    """Another frame rate, which the clip gives; 25 is assumed where it is unknown."""

    def disturb(clip: Clip, other: Clip, rng: np.random.Generator) -> Clip:
        fps = (clip.fps or USUAL_FPS) * share
        if share < 1:
            return replace(every(round(1 / share))(clip, other, rng), fps=fps)
        return replace(between(clip, round(share)), fps=fps)

    return disturb


def between(clip: Clip, number: int) -> Clip:
    """A multiple of the frames, by the interpolation of windows."""
    poses = np.concatenate([clip.keypoints, clip.scores[..., None]], axis=-1, dtype=np.float32)
    length = poses.shape[1]
    positions = torch.arange(number * (length - 1) + 1)[None] / number
    x = torch.from_numpy(poses).transpose(0, 1).contiguous()
    (resampled,) = interpolate(x, torch.tensor([0]), torch.tensor([length]), positions).numpy()
    return replace(clip, keypoints=resampled[..., :-1], scores=resampled[..., -1])


def middle_half(clip: Clip, other: Clip, rng: np.random.Generator) -> Clip:
    """The beginning and the end were cut off."""
    length = clip.keypoints.shape[1]
    return frames(clip, np.arange(length // 4, max(length - length // 4, length // 4 + 1)))


def half_size(clip: Clip, other: Clip, rng: np.random.Generator) -> Clip:
    """A picture of half the size, joints at whole pixels."""
    return replace(clip, keypoints=np.round(clip.keypoints / 2))


def rolled(clip: Clip, other: Clip, rng: np.random.Generator) -> Clip:
    """The camera was held 20 degrees askew."""
    angle = np.radians(20) * rng.choice([-1, 1])
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    middle = np.array(clip.image_size[::-1]) / 2
    return replace(clip, keypoints=((clip.keypoints - middle) @ turn + middle).astype(np.float32))


def scores_of_one(clip: Clip, other: Clip, rng: np.random.Generator) -> Clip:
    """A detector without confidences."""
    return replace(clip, scores=np.where(clip.scores > 0, 1, 0).astype(clip.scores.dtype))


def never_seen(*joints: str) -> Disturbance:
    """Joints out of the picture."""
    hidden = np.isin(COCO.joints, joints)
    return lambda clip, other, rng: replace(clip, scores=np.where(hidden, 0, clip.scores))


def joints_missed(clip: Clip, other: Clip, rng: np.random.Generator) -> Clip:
    """One joint in five missing in each frame."""
    return replace(clip, scores=clip.scores * (rng.random(clip.scores.shape) > 0.2))


def frames_missed(clip: Clip, other: Clip, rng: np.random.Generator) -> Clip:
    """One frame in five without a detection."""
    return replace(clip, scores=clip.scores * (rng.random(clip.scores.shape[1:2]) > 0.2)[:, None])


def passer_by(clip: Clip, other: Clip, rng: np.random.Generator) -> Clip:
    """Someone of half the size beside the person does what the other clip shows.

    Both change slots in every frame at random, as detectors' lists do.
    """
    length, (_, width) = clip.keypoints.shape[1], clip.image_size
    index = np.arange(length) % other.keypoints.shape[1]
    size = width / max(other.image_size[1], 1) / 2
    second = other.keypoints[0, index] * size + np.array([0.75 * width, 0])
    keypoints = np.stack([clip.keypoints[0], second]).astype(np.float32)
    scores = np.stack([clip.scores[0], other.scores[0, index]])
    slots = np.argsort(rng.random((2, length)), axis=0)
    return replace(
        clip, keypoints=keypoints[slots, np.arange(length)], scores=scores[slots, np.arange(length)]
    )


DISTURBANCES: dict[str, Disturbance] = {
    "nothing": lambda clip, other, rng: clip,
    "half the frame rate, known": with_rate(0.5),
    "double the frame rate, known": with_rate(2),
    "double the frame rate, unknown": lambda clip, other, rng: between(clip, 2),
    "every second frame": every(2),
    "every fourth frame": every(4),
    "the middle half": middle_half,
    "half the size, whole pixels": half_size,
    "camera 20 degrees askew": rolled,
    "all scores 1": scores_of_one,
    "a fifth of the joints missing in each frame": joints_missed,
    "a fifth of the frames missing": frames_missed,
    "left elbow and wrist never seen": never_seen(*LEFT_ARM),
    "knees and ankles never seen": never_seen(*LEGS),
    "hips, knees and ankles never seen": never_seen(*HIPS, *LEGS),
    "a passer-by, slots exchanged": passer_by,
}


def disturbed(clips: list[Clip], disturbance: Disturbance, seed: int) -> list[Clip]:
    """Disturb every clip; the other one is drawn from those of other classes."""
    rng = np.random.default_rng(seed)
    labels = np.array([clip.label for clip in clips])
    return [
        disturbance(clip, clips[rng.choice(np.flatnonzero(labels != clip.label))], rng)
        for clip in clips
    ]


def main() -> None:
    """Train, disturb, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.robustness", description=__doc__)
    parser.add_argument("--sources", required=True, help="comma-separated pickles")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--only", default="", help="rows whose names hold one of these parts")
    arguments = parser.parse_args()
    parts = arguments.only.split(",")
    chosen = {name: what for name, what in DISTURBANCES.items() if any(p in name for p in parts)}
    params = load_params()
    torch.set_num_threads(params.threads)
    seeds = [int(seed) for seed in arguments.seeds.split(",")]
    sources = arguments.sources.split(",")
    found: dict[tuple[str, str], list[float]] = {}
    for source in sources:
        everything = choose_classes(read_pickle(source), [])
        names = everything.subsets["test"]
        test = [clip for clip in everything.clips if clip.id in set(names)]
        train = [clip for clip in everything.clips if clip.id not in set(names)]
        clips = preprocessed(train, everything.classes, params)
        for seed in seeds:
            model = trained(clips, clips.subset(), params.model, params.train, seed)
            for name, disturbance in chosen.items():
                worse = disturbed(test, disturbance, seed)
                features = preprocessed(worse, everything.classes, params)
                guessed = log_probabilities(model, features, params.model.windows).argmax(1)
                value = float((guessed == features.labels).mean())
                found.setdefault((name, source), []).append(value)
    rows = [[name, *(spread(found[name, source]) for source in sources)] for name in chosen]
    print(markdown(["test clips disturbed", *(Path(source).stem for source in sources)], rows))


if __name__ == "__main__":
    with user_errors_end_the_program():
        main()
