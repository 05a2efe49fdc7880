"""Cameras and detectors for batches: what is seen of thousands of moving bodies at once.

The faults are those of `detector`, drawn for whole batches: noise that grows as the score falls,
faces turned away, limbs behind the body, joints and frames that are missed, confused sides. Three
kinds of skeletons are known: HRNet's, as published sets have them, MoveNet's, as `har extract`
writes them, and those that people marked by hand.
"""

from dataclasses import dataclass, fields, replace

import numpy as np

from har.clips.simulate.kinematics import X, Y, Z, single

_SWAP = {
    "arms": np.array([0, 1, 2, 3, 4, 6, 5, 8, 7, 10, 9, 11, 12, 13, 14, 15, 16]),
    "legs": np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 11, 14, 13, 16, 15]),
}


@dataclass(frozen=True)
class Detector:
    """Habits of whoever finds persons and their joints.

    Attributes:
        clear: (17,) logit of the score of a joint in full view.
        persons: mean and standard deviation of what persons add to that logit.
        joints: standard deviation among the joints of a person.
        flicker: standard deviation from frame to frame.
        covered: what covered joints lose, as a share of what HRNet's lose.
        threshold: lowest and highest score under which a joint is left out.
        guesses: whether joints that cannot be seen are put somewhere, with a low score.
        needs_hips: whether nobody is found in many frames that show no hips.
        by_hand: whether scores are 0 and 1, places exact, and heads a single point.
    """

    clear: np.ndarray
    persons: tuple[float, float]
    joints: float
    flicker: float
    covered: float
    threshold: tuple[float, float]
    guesses: bool = False
    needs_hips: bool = False
    by_hand: bool = False


# Faces and shoulders are found better than ankles.
HRNET = Detector(
    clear=single([2.6, 2.6, 2.6, 2.2, 2.2, 2.3, 2.3, 2, 2, 1.8, 1.8, 1.8, 1.8, 2, 2, 1.8, 1.8]),
    persons=(0.3, 0.7),
    joints=0.4,
    flicker=0.25,
    covered=1.0,
    threshold=(0.02, 0.4),
)
# Low and spread. Measured: docs/simulated.md.
MOVENET = Detector(
    clear=single([0.8, 0.9, 0.9, 0.7, 0.7, 0.8, 0.8, 0.5, 0.5, 0, 0, 0.8, 0.8, 0.6, 0.6, 0.6, 0.6]),
    persons=(0.0, 0.4),
    joints=0.4,
    flicker=0.4,
    covered=0.4,
    threshold=(0.05, 0.05),  # what training hides: preprocess.hide_below
    guesses=True,
    needs_hips=True,
)
BY_HAND = replace(HRNET, threshold=(0.35, 0.65), by_hand=True)


@dataclass(frozen=True)
class View:
    """Moving bodies in a camera's picture.

    Attributes:
        pixels: (N, T, 17, 2) true places in the picture.
        depth: (N, T, 17) metres behind the middle of the body, to the camera's back.
        facing: (N, T, 2) sine and cosine of the angle between the face and the camera; positive
            sine is a face turned to the picture's right.
        image_size: (N, 2) width and height.
        scale: (N, 1) pixels per metre in the person's middle.
    """

    pixels: np.ndarray
    depth: np.ndarray
    facing: np.ndarray
    image_size: np.ndarray
    scale: np.ndarray

    def __getitem__(self, index: np.ndarray) -> "View":
        """The view of some of the bodies."""
        return View(*(getattr(self, field.name)[index] for field in fields(self)))


def film(
    generator: np.random.Generator, joints: np.ndarray, heading: np.ndarray, wide: np.ndarray
) -> View:
    """Film moving bodies, each with a camera of its own.

    Args:
        generator: source of all randomness.
        joints: (N, T, 17, 3) to the left, up, forward of bodies that face the camera at heading 0.
        heading: (N, T) turn to their left, radians.
        wide: (N,) whether the camera stands still and takes in the whole way; otherwise it
            follows, in half of the cases only roughly.
    """
    number = len(joints)

    def normal(mean: float, spread: float) -> np.ndarray:
        return generator.normal(mean, spread, (number, 1)).astype(np.float32)

    height = np.maximum(np.ptp(joints[..., Y], axis=(1, 2)), 0.8)[:, None]
    right, up, ahead = np.moveaxis(placed(generator, joints, heading, wide), -1, 0)
    tilt, roll = normal(0.08, 0.12)[..., None], normal(0, 0.04)[..., None]
    up, ahead = np.cos(tilt) * up - np.sin(tilt) * ahead, np.cos(tilt) * ahead + np.sin(tilt) * up
    right, up = np.cos(roll) * right - np.sin(roll) * up, np.cos(roll) * up + np.sin(roll) * right
    distance = np.exp(normal(1.6, 0.4)).clip(2.2, 14)[..., None]
    depth = np.maximum(distance - ahead, 0.3)

    image_height = np.exp(generator.uniform(np.log(120), np.log(1080), (number, 1)))
    image = np.concatenate(
        [image_height * generator.choice([4 / 3, 16 / 9, 0.75], (number, 1)), image_height], axis=1
    ).astype(np.float32)
    share = np.exp(normal(-0.55, 0.35)).clip(0.25, 1.15)  # of the picture's height
    # Who goes to and fro is in the picture most of the time.
    way = np.ptp(right[..., 11], axis=1)[:, None] + 0.3
    scale = np.minimum(share * image[:, 1:] / height, 1.05 * image[:, :1] / way)
    where = image * (0.5 + 0.1 * generator.standard_normal((number, 2)))
    # Some who stay in one place are filmed from near: the legs, or all but the bust, are below.
    near = np.flatnonzero((generator.random(number) < 0.12) & (way[:, 0] < 1))
    shown = generator.uniform(0.35, 0.75, (len(near), 1))  # of the body's height
    scale[near] = image[near, 1:] / shown / np.maximum(height, 1.2)[near]
    nose = np.stack([-right[near, :, 0].mean(1), up[near, :, 0].max(1)], axis=-1)
    where[near] = image[near] * (0.5, 0.2) + scale[near] * nose
    zoom = 1 + normal(0, 0.06)[..., None] * single(np.linspace(-1, 1, joints.shape[1]))[:, None]
    pixels = (
        np.stack([right, -up], axis=-1) * (zoom * scale[..., None] * distance / depth)[..., None]
    )
    pixels += where[:, None, None]
    return View(
        pixels=pixels.astype(np.float32),
        depth=(depth - distance).astype(np.float32),
        facing=facing(joints, heading),
        image_size=image,
        scale=scale.astype(np.float32),
    )


def placed(
    generator: np.random.Generator, joints: np.ndarray, heading: np.ndarray, wide: np.ndarray
) -> np.ndarray:
    """Turn bodies (N, T, 17, 3) by their heading and move them before a camera.

    Returns:
        (N, T, 17, 3) metres to the picture's right, up, and towards the camera, from what the
        camera points at.
    """
    number = len(joints)
    cosine, sine = np.cos(heading)[..., None], np.sin(heading)[..., None]
    x, y, z = np.moveaxis(joints, -1, 0)
    # A body that faces the camera has its left at the picture's right.
    right, ahead = cosine * x + sine * z, cosine * z - sine * x
    follow = np.where(wide, 0, np.where(generator.random(number) < 0.5, 1, 0.6))
    follow = single(follow)[:, None]
    for part in (right, ahead):
        now = part[:, :, 11:13].mean(-1)
        middle = part[:, :, 5:].mean((1, 2))[:, None]
        part -= (follow * now + (1 - follow) * middle)[..., None]
    up = y - y[:, :, 5:].mean((1, 2))[:, None, None]
    return np.stack([right, up, ahead], axis=-1)


def facing(joints: np.ndarray, heading: np.ndarray) -> np.ndarray:
    """Sine and cosine (N, T, 2) of the turn of faces to the picture's right; see `View`."""
    face = joints[:, :, 0] - (joints[:, :, 3] + joints[:, :, 4]) / 2
    aside = np.cos(heading) * face[..., X] + np.sin(heading) * face[..., Z]
    ahead = np.cos(heading) * face[..., Z] - np.sin(heading) * face[..., X]
    length = np.maximum(np.sqrt((face * face).sum(-1)), 1e-6)
    return np.stack([aside / length, ahead / length], axis=-1)


def observe(
    generator: np.random.Generator, view: View, native: np.ndarray, detector: Detector
) -> np.ndarray:
    """Simulate an imperfect detector.

    Args:
        generator: source of all randomness.
        view: the true joints in the picture.
        native: (N,) frames that the video has in the window; noise is drawn for these and
            interpolated or left out as the frames are.
        detector: its habits.

    Returns:
        (N, T, 17, 3) x, y, score; zeros where a joint is missing.
    """
    number, frames = view.pixels.shape[:2]
    draw = generator.random

    logit = _scores(generator, view, detector)
    lost, missed = _lost(generator, view, native, detector.needs_hips)
    if detector.guesses:
        unseen = generator.normal(-2.4, 0.8, (number, 1, 17)) + 0.5 * generator.standard_normal(
            logit.shape
        )
        logit = np.where(lost, np.minimum(logit, unseen), logit)
    score = 1 / (1 + np.exp(-logit))

    rough = 0.5 if detector.by_hand else single(np.exp(generator.normal(0.1, 0.6, number)))
    rough = np.broadcast_to(rough, number)[:, None, None]
    white = generator.standard_normal((number, frames, 17, 2), np.float32)
    white = _native(white, native)
    slow = wander(generator, number, frames, 34, native / 12).reshape(number, frames, 17, 2)
    spread = rough * view.scale[:, :, None] * (0.008 + 0.045 * (1 - score) ** 2)
    points = view.pixels + spread[..., None] * (white + slow)
    if detector.guesses:
        points = np.where(lost[..., None], _guessed(generator, view, points, native), points)
    points = _confused(generator, points, native)

    threshold = generator.uniform(*detector.threshold, (number, 1, 1))
    found = ~missed & (score >= threshold)
    if not detector.guesses:
        found &= ~lost
    score = np.clip(score, 0.02, 1)
    if detector.by_hand:
        # No faces: one point for the head, in the nose's place.
        head = np.flatnonzero(draw(number) < 0.8)
        middle = points[head][:, :, 3:5].mean(2)
        neck = points[head][:, :, 5:7].mean(2)
        points[head, :, 0] = middle + 0.4 * draw((len(head), 1, 1)) * (middle - neck)
        found[head, :, 1:5] = False
        found[head, :, 0] = True
        score[:] = 1
    seen = np.concatenate([points, score[..., None]], axis=-1, dtype=np.float32)
    seen[~found] = 0
    return seen


def _lost(
    generator: np.random.Generator, view: View, native: np.ndarray, needs_hips: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Unseen joints (N, T, 17): outside, covered or missed alone; and missed frames (N, T, 1)."""
    number, frames = view.pixels.shape[:2]
    beyond = (view.pixels <= 0) | (view.pixels >= view.image_size[:, None, None])
    outside = beyond[..., 0] | beyond[..., 1]
    often = np.where(generator.random(number) < 0.5, 1.9, 4.0)[:, None, None]
    single_joints = wander(generator, number, frames, 17, native / 8) > often
    often = np.where(generator.random(number) < 0.2, 1.8, 5.0)[:, None, None]
    if needs_hips:
        often = np.where(outside[..., 11:12] & outside[..., 12:13], 1.4, often)
    whole_frames = wander(generator, number, frames, 1, native / 5) > often
    return outside | _hidden(generator, number)[:, None] | single_joints, whole_frames


def _guessed(
    generator: np.random.Generator, view: View, points: np.ndarray, native: np.ndarray
) -> np.ndarray:
    """Places (N, T, 17, 2) of joints that cannot be seen: within the picture or a little beyond."""
    number, frames = points.shape[:2]
    size = view.image_size[:, None, None]
    astray = wander(generator, number, frames, 34, native / 25).reshape(points.shape)
    astray *= 0.1 * np.minimum(1.7 * view.scale, size[:, 0, :, 1])[..., None, None]
    return np.clip(points + astray, -0.03 * size, 1.03 * size)


def wander(
    generator: np.random.Generator, number: int, frames: int, width: int, waves: np.ndarray
) -> np.ndarray:
    """Smooth noise (N, T, width) of unit variance with about `waves` (N,) waves in a window."""
    grid = np.linspace(0, 1, frames, dtype=np.float32)[None, :, None]
    total = np.zeros((number, frames, width), np.float32)
    for share in (0.4, 0.73, 1.0):
        pace = share * waves[:, None, None] * generator.uniform(0.6, 1.4, (number, 1, width))
        phase = 2 * np.pi * generator.random((number, 1, width))
        total += np.sin((2 * np.pi * pace).astype(np.float32) * grid + phase.astype(np.float32))
    return total * 0.8165


def _scores(generator: np.random.Generator, view: View, detector: Detector) -> np.ndarray:
    """Logits (N, T, 17) of the scores, by what can be seen of each joint."""
    number, frames = view.pixels.shape[:2]
    person = generator.normal(*detector.persons, (number, 1, 1))
    person = person + detector.joints * generator.normal(size=(number, 1, 17))
    flicker = detector.flicker * generator.standard_normal((number, frames, 17), np.float32)
    logit = (detector.clear + person).astype(np.float32) + flicker
    return logit - detector.covered * _covered(view)


def _covered(view: View) -> np.ndarray:
    """Loss of the scores' logits (N, T, 17) by bodies in front of each joint."""
    loss = np.zeros(view.pixels.shape[:3], np.float32)
    sideways, ahead = view.facing[..., 0], view.facing[..., 1]
    # The far ear and eye of a face in profile; the whole face of a head seen from behind.
    loss[..., 3] += 3.5 * np.clip(sideways - 0.2, 0, 1)
    loss[..., 4] += 3.5 * np.clip(-sideways - 0.2, 0, 1)
    loss[..., 1] += 2.0 * np.clip(sideways - 0.6, 0, 1)
    loss[..., 2] += 2.0 * np.clip(-sideways - 0.6, 0, 1)
    loss[..., :3] += 5.0 * np.clip(-ahead - 0.2, 0, 1)[..., None]
    # Limbs behind the trunk.
    trunk = view.pixels[:, :, [5, 6, 11, 12]]
    centre = trunk.mean(2, keepdims=True)
    behind = view.depth[:, :, 7:] - view.depth[:, :, [5, 6, 11, 12]].mean(2, keepdims=True)
    away = np.abs(view.pixels[:, :, 7:] - centre) / view.scale[..., None, None]
    inside = np.clip(1.2 - away[..., 0] / 0.16, 0, 1) * np.clip(1.5 - away[..., 1] / 0.32, 0, 1)
    loss[..., 7:] += 3.0 * inside * np.clip(behind / 0.12, 0, 1)
    # The farther one of a pair of joints that lie on one another.
    left, right = slice(5, 17, 2), slice(6, 17, 2)
    apart = view.pixels[:, :, left] - view.pixels[:, :, right]
    apart = np.sqrt((apart * apart).sum(-1)) / view.scale[..., None]
    covered = 3.0 * np.clip(1.6 - apart / 0.09, 0, 1)
    farther = (view.depth[..., left] - view.depth[..., right]) / 0.15
    loss[..., left] += covered * np.clip(farther, 0, 1)
    loss[..., right] += covered * np.clip(-farther, 0, 1)
    return loss


def _native(noise: np.ndarray, native: np.ndarray) -> np.ndarray:
    """Noise (N, T, ...) as it looks once windows of few frames are stretched to T."""
    frames = noise.shape[1]
    few = np.flatnonzero(native < frames)
    position = np.linspace(0, 1, frames)[None] * (native[few, None] - 1)
    before = position.astype(int)
    weight = (position - before).astype(np.float32)[..., None, None]
    rows = np.arange(len(few))[:, None]
    drawn = noise[few]
    noise[few] = (1 - weight) * drawn[rows, before]
    noise[few] += weight * drawn[rows, np.minimum(before + 1, frames - 1)]
    return noise


def _confused(generator: np.random.Generator, points: np.ndarray, native: np.ndarray) -> np.ndarray:
    """Left and right change places for a while, of arms or of legs."""
    number, frames = points.shape[:2]
    for index in _SWAP.values():
        some = np.flatnonzero(generator.random(number) < 0.25)
        level = generator.uniform(1.2, 2.2, (len(some), 1))
        swapped = wander(generator, len(some), frames, 1, native[some] / 8)[..., 0] > level
        points[some] = np.where(swapped[..., None, None], points[some][:, :, index], points[some])
    return points


def _hidden(generator: np.random.Generator, number: int) -> np.ndarray:
    """Joints (N, 17) that something covers all the time."""
    hidden = np.zeros((number, 17), bool)
    draw = generator.random((5, number))
    hidden[draw[0] < 0.06, 13:] = True  # below the picture or behind a table
    hidden[draw[1] < 0.05, 11:] = True
    hidden[draw[2] < 0.03, 15:] = True
    hidden[draw[3] < 0.1, :5] = True
    single = np.flatnonzero(draw[4] < 0.1)
    hidden[single, generator.integers(5, 17, len(single))] = True
    return hidden
