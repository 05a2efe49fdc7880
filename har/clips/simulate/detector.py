"""A person detector and a keypoint estimator, with the habits and faults of real ones.

The published skeletons were made by a detector that finds people in each frame by itself and an
estimator that names 17 joints for each of them, whether they can be seen or not. So people come in
the order of the detector's confidence, nobody is tracked, and a joint outside the picture gets a
place all the same: a low-scored one that jumps between whatever looks a little like it.
"""

from dataclasses import dataclass

import numpy as np

from har.clips.simulate.camera import HEIGHT, WIDTH
from har.clips.simulate.noise import FPS, bursts, held, wander

# Logit of the score of a joint that is in full view; lower body mostly under tables and clothes.
CLEAR = np.array(
    [2.7, 2.8, 2.7, 1.7, 1.7, 1.3, 1.3, 0.9, 0.9, 0.7, 0.7, -0.3, -0.3, -1.0, -1.0, -1.2, -1.2]
)
# Median score of a joint that cannot be seen at all, wherever it is put.
_UNSEEN = np.array([0.1] * 5 + [0.12, 0.12, 0.05, 0.05, 0.1, 0.1, 0.035, 0.035] + [0.12] * 4)
_FADES_AS_ONE = np.array([0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 7, 8, 8, 9, 9])


@dataclass(frozen=True)
class Detection:
    """One person as the detector sees it over time."""

    keypoints: np.ndarray  # (T, 17, 2) pixels
    scores: np.ndarray  # (T, 17) in 0..1
    found: np.ndarray  # (T,) whether the person was detected at all
    confidence: np.ndarray  # (T,) orders the people of a frame


@dataclass(frozen=True)
class Faults:
    """Properties of one person's detections that stay the same in a session."""

    offsets: np.ndarray  # (17,) logit by which this person's joints score better or worse
    covered: np.ndarray  # (17,) logit by which table, clothes or hair cover each joint
    merge: float  # probability that an unseen wrist is put on the seen one
    swap: float  # share of the time that left and right are confused
    missed: float  # share of the time without a detection
    unseen: np.ndarray  # (17,) score of each joint when it cannot be seen
    lures: np.ndarray  # (17, 5) how much each joint is drawn to each false place
    strays: np.ndarray  # (17, 2) a false place of each joint, in parts of the box
    restless: np.ndarray  # (17,) probability per frame that an unseen joint jumps


def sample_faults(generator: np.random.Generator, hidden_below: float = 0.85) -> Faults:
    """Draw one person's faults; `hidden_below` is how probably a table or so hides the legs."""
    covered = np.zeros(17)
    if generator.random() < hidden_below:
        covered[11:] = generator.uniform(0.5, 2.0)
    return Faults(
        offsets=0.3 * generator.normal() + 0.35 * generator.normal(size=17),
        covered=covered,
        merge=float(generator.beta(2, 1.2)),
        swap=float(generator.choice([0.0, 0.01, 0.05], p=[0.5, 0.35, 0.15])),
        missed=float(generator.choice([0.0, 0.005, 0.04], p=[0.6, 0.25, 0.15])),
        unseen=_UNSEEN * np.exp(0.5 * generator.normal(size=17)),
        lures=generator.dirichlet(np.full(5, 0.7), 17),
        strays=generator.random((17, 2)),
        restless=np.minimum(0.5, 0.01 / _UNSEEN * np.exp(generator.normal(0, 0.8, 17))),
    )


def detect(
    generator: np.random.Generator,
    projected: np.ndarray,
    facing: np.ndarray,
    faults: Faults,
    confidence: float,
) -> Detection:
    """Simulate the detections of a person's true joints.

    Args:
        generator: source of all randomness.
        projected: (T, 17, 2) true pixels.
        facing: (T,) sine of the angle by which the face is turned to the image's right; beyond
            the profile (the back of the head) values go over 1.
        faults: of this person.
        confidence: mean of the detector's confidence, as a logit.
    """
    frame_count = len(projected)
    logit = _clear_logits(generator, projected, facing, faults)
    box_low, box_size = _box(projected, logit)
    true_score = 1 / (1 + np.exp(-logit))

    # Joint noise grows as the score falls; a box of 400 pixels has 0.85 pixels of it at best.
    scale = box_size[:, 1].mean() / 400
    spread = (0.85 + 2.2 * (1 - true_score) ** 2) * scale
    keypoints = projected + spread[..., None] * generator.standard_normal(projected.shape)
    drift = wander(generator, frame_count, 0.6, 34).reshape(-1, 17, 2)
    keypoints += 1.5 * (spread * (1 - true_score))[..., None] * drift

    # An unseen wrist is often put on the wrist that is seen, with a score of its own.
    wrists = true_score[:, 9:11]
    for side in (0, 1):
        merged = (wrists[:, side] < 0.3) & (wrists[:, 1 - side] > 0.4)
        merged &= held(generator.random(frame_count) < 0.1, generator.random(frame_count)) < (
            faults.merge
        )
        other = keypoints[merged, 10 - side] + generator.normal(0, 1.2 * scale, (merged.sum(), 2))
        keypoints[merged, 9 + side] = other
        logit[merged, 9 + side] = logit[merged, 10 - side] - 0.5

    # A joint out of sight is put where something looks like it, and scored by how much.
    unseen = logit < -2.0
    false_score = faults.unseen * np.exp(0.35 * generator.standard_normal(logit.shape))
    logit = np.maximum(logit, np.log(false_score / (1 - np.minimum(false_score, 0.5))))
    false_places = _false_places(generator, keypoints, logit, box_low, box_size, faults)
    keypoints = np.where(unseen[..., None], false_places, keypoints)
    keypoints = np.clip(keypoints, box_low[:, None], (box_low + box_size)[:, None])

    # Left and right confused: the arms change places, at times the whole body.
    if faults.swap:
        swapped = bursts(generator, frame_count, 0.15, 0.15 / faults.swap)
        arms = [6, 5, 8, 7, 10, 9] if generator.random() < 0.5 else [5, 6, 7, 8, 10, 9]
        keypoints[swapped, 5:11] = keypoints[swapped][:, arms]
        logit[swapped, 5:11] = logit[swapped][:, arms] - 0.3

    found = generator.random(frame_count) > 0.001
    if faults.missed:
        found &= ~bursts(generator, frame_count, 0.25, 0.25 / faults.missed)
    steady = confidence + 0.5 * wander(generator, frame_count, 0.3)[:, 0]
    scores = np.clip(1 / (1 + np.exp(-logit)), 0.004, 0.995)
    return Detection(keypoints, scores, found, steady + 0.4 * generator.normal(size=frame_count))


def _clear_logits(
    generator: np.random.Generator, projected: np.ndarray, facing: np.ndarray, faults: Faults
) -> np.ndarray:
    """Logit (T, 17) of each joint's score from what can be seen of it."""
    frame_count = len(projected)
    border = np.minimum(projected, np.array([WIDTH, HEIGHT]) - projected).min(-1)
    outside = 1 / (1 + np.exp((border - 4) / 5))
    logit = CLEAR + faults.offsets - faults.covered - 5.0 * outside
    # The far ear and eye of a face in profile; face and wrists of a head seen from behind.
    turn = np.stack([facing, -facing], axis=-1)
    logit[:, 3:5] -= 2.6 * np.clip(turn + 0.1, 0, 1) - 0.4 * np.clip(-turn, 0, 1)
    logit[:, 1:3] -= 0.8 * np.clip(turn - 0.5, 0, 1)
    logit[:, :3] -= 4.0 * np.clip(np.abs(facing) - 1.0, 0, 1)[:, None]
    logit[:, 5:11] -= 0.5 * np.clip(np.abs(facing) - 0.8, 0, 1)[:, None]
    # What hides a joint hides its neighbours: one slow course for each limb, a quick one for all.
    slow = wander(generator, frame_count, 0.8, 10)[:, _FADES_AS_ONE]
    quick = generator.standard_normal(projected.shape[:2])
    return logit + 0.3 * slow + 0.22 * quick


def _box(projected: np.ndarray, logit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Corner and size (T, 2) of the estimator's input: the seen person, 3:4, a quarter larger."""
    seen = (logit > -1.5)[..., None]
    low = np.where(seen, projected, np.inf).min(1)
    high = np.where(seen, projected, -np.inf).max(1)
    none = ~np.isfinite(low)
    low, high = np.where(none, 0, low), np.where(none, [WIDTH, HEIGHT], high)
    head = 0.12 * (high - low).max(-1)  # hair and hands reach further than joints
    low = np.clip(low - head[:, None], 0, [WIDTH, HEIGHT])
    high = np.clip(high + head[:, None], 0, [WIDTH, HEIGHT])
    middle, size = (low + high) / 2, np.maximum(high - low, 20)
    width = 1.25 * np.maximum(size[:, 0], 0.75 * size[:, 1])
    size = np.stack([width, width / 0.75], axis=-1)
    return middle - size / 2, size


def _false_places(
    generator: np.random.Generator,
    keypoints: np.ndarray,
    logit: np.ndarray,
    box_low: np.ndarray,
    box_size: np.ndarray,
    faults: Faults,
) -> np.ndarray:
    """False places (T, 17, 2) of unseen joints, which jump from lure to lure."""
    frame_count = len(keypoints)
    stray = box_low[:, None] + box_size[:, None] * faults.strays
    hand = np.where((logit[:, 9] > logit[:, 10])[:, None], keypoints[:, 9], keypoints[:, 10])
    near = (faults.strays - 0.5) * 0.12 * box_size[:, None]
    floor = (box_low + box_size)[:, None, 1] - 8 * faults.strays[:, 0]
    bottom = np.stack([keypoints[..., 0], floor], axis=-1)
    shoulders = keypoints[:, [5, 5, 6, 5, 6, 5, 6, 5, 6, 5, 6, 5, 6, 5, 6, 5, 6]]
    choices = np.stack([keypoints, shoulders + near, hand[:, None] + near, bottom, stray], axis=2)
    jump = generator.random((frame_count, 17)) < faults.restless
    draw = generator.random((frame_count, 17, 1))
    drawn = (draw > np.cumsum(faults.lures, axis=-1)[:, :-1]).sum(-1)
    lure = held(jump, drawn)
    placed = np.take_along_axis(choices, lure[..., None, None], axis=2)[:, :, 0]
    # The fainter the response, the less it keeps to one spot.
    loose = 0.0012 / faults.unseen[:, None]
    jitter = generator.standard_normal(placed.shape) * box_size[:, None] * np.minimum(loose, 0.03)
    return placed + jitter


def fill_slots(detections: list[Detection], slots: int) -> tuple[np.ndarray, np.ndarray]:
    """Put the people of each frame into slots in the order of confidence.

    Returns:
        keypoints (slots, T, 17, 2) and scores (slots, T, 17), zero where a frame has fewer people.
    """
    found = np.stack([detection.found for detection in detections])
    confidence = np.stack([detection.confidence for detection in detections])
    order = np.argsort(np.where(found, -confidence, np.inf), axis=0, kind="stable")[:slots]
    frame = np.arange(found.shape[1])
    keypoints = np.stack([detection.keypoints for detection in detections])[order, frame]
    scores = np.stack([detection.scores for detection in detections])[order, frame]
    there = found[order, frame]
    return keypoints * there[..., None, None], scores * there[..., None]


def appearances(
    generator: np.random.Generator, frame_count: int, share: float, peak: int
) -> np.ndarray:
    """Frames (T,) with a passing detection: short spells, one of them at frame `peak`."""
    here = bursts(generator, frame_count, 0.3, 0.3 / share)
    here[peak : peak + 1 + int(generator.exponential(0.3) * FPS)] = True
    return here
