"""Many bodies at once: bone lengths, movements as angles and reached places, joints over time.

Arrays have the shape (N, T, ...): instances and frames. Axes are those of somebody who stands at
the origin: x to the left, y up, z forward; the ground is y = 0. Lengths are metres of an adult of
1.75 m; everybody else is drawn in the same size, and the camera makes them large or small.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

import numpy as np

X, Y, Z = LEFTWARD, UP, FORWARD = 0, 1, 2
LEFT, RIGHT = 0, 1
ANKLE = 0.08  # height of the ankle of a foot that stands, metres

# How a leg is moved.
PLANTED, GROUNDED, FREE = range(3)
# How an arm is moved: by angles, or by the place of its wrist in the axes named.
ANGLES, CHEST, FACE, WORLD = range(4)


def single(values: Any) -> np.ndarray:
    """Values in single precision, which is twice as fast."""
    return np.asarray(values, np.float32)


@dataclass(frozen=True)
class Bodies:
    """Bone lengths of N persons, each (N, 1), in metres; see `sample_bodies`."""

    shoulder: np.ndarray  # half the distance between the shoulder joints
    upper_arm: np.ndarray
    forearm: np.ndarray
    trunk: np.ndarray  # from between the hips to between the shoulders
    hip: np.ndarray  # half the distance between the hip joints
    thigh: np.ndarray
    shank: np.ndarray
    neck: np.ndarray  # from between the shoulders to the middle of the head
    skull: np.ndarray  # factor on the measures of the head

    def __getitem__(self, part: slice) -> "Bodies":
        """Some of the persons, as views."""
        return Bodies(*(getattr(self, each.name)[part] for each in fields(self)))

    @property
    def arm(self) -> np.ndarray:
        """Length of an arm up to the wrist over an adult's."""
        return (self.upper_arm + self.forearm) / 0.57

    @property
    def leg(self) -> np.ndarray:
        """Length of a leg from the hip to the ankle."""
        return self.thigh + self.shank


def sample_bodies(generator: np.random.Generator, number: int) -> Bodies:
    """Draw persons from child to adult.

    An adult's segments are Winter's shares of stature (Biomechanics and Motor Control of Human
    Movement, 4th ed., 2009, fig. 4.1). A small child has a head of a sixth instead of an eighth of
    the stature and legs shorter by an eighth.
    """
    child = np.clip(generator.normal(-0.2, 0.5, (number, 1)), 0, 1)

    def length(mean: float, growth: float, spread: float = 0.05) -> np.ndarray:
        own = np.clip(generator.normal(size=(number, 1)), -2, 2)
        return (mean * (1 + growth * child) * (1 + spread * own)).astype(np.float32)

    return Bodies(
        shoulder=length(0.172, -0.02, 0.08),
        upper_arm=length(0.315, -0.06),
        forearm=length(0.255, -0.06),
        trunk=length(0.50, 0.02),
        hip=length(0.1, 0.0, 0.1),
        thigh=length(0.428, -0.13),
        shank=length(0.425, -0.12),
        neck=length(0.21, 0.12, 0.07),
        skull=length(1.0, 0.3),
    )


@dataclass
class Motion:
    """The motion of N bodies over T frames; movements write into it.

    Attributes:
        root: (N, T, 3) place of the point between the hips. Of GROUNDED bodies the height counts
            from where the lowest ankle stands on the ground.
        heading: (N, T) turn of everything about the vertical to the left, radians.
        pelvis: (N, T, 3) turn to the left, bow forward and tilt to the left.
        spine: (N, T, 3) bow forward, tilt to the left, and twist to the left of the shoulders,
            from the pelvis.
        head: (N, T, 3) turn to the left, bow and tilt, from the shoulders.
        arms: (N, T, 2, 4) of the left and right arm: how far it is raised from hanging, the
            direction in which it is raised (0 forward, pi/2 outward), its roll (outward when
            positive), bend of the elbow.
        arm_mode: (N, 2) ANGLES, or the axes of `hands`.
        hands: (N, T, 2, 3) places of the wrists: outward (in WORLD: to the left), up, forward, from
            the point between the shoulders or the middle of the head, or in the world.
        elbows: (N, 2, 3) outward, up, forward in the chest's axes: where elbows of reaching arms
            point.
        legs: (N, T, 2, 4) bend of the hip, abduction, turn outward, bend of the knee.
        leg_mode: (N,) PLANTED legs go to `feet`, and the pelvis as low as they need; those of
            GROUNDED and FREE bodies are moved by angles.
        feet: (N, T, 2, 3) places of the ankles in the world.
        knees: (N,) how far knees of planted legs point outward.
    """

    root: np.ndarray
    heading: np.ndarray
    pelvis: np.ndarray
    spine: np.ndarray
    head: np.ndarray
    arms: np.ndarray
    arm_mode: np.ndarray
    hands: np.ndarray
    elbows: np.ndarray
    legs: np.ndarray
    leg_mode: np.ndarray
    feet: np.ndarray
    knees: np.ndarray

    def __getitem__(self, part: slice) -> "Motion":
        """Some of the instances, as views."""
        return Motion(*(getattr(self, each.name)[part] for each in fields(self)))


def standing(number: int, frames: int) -> Motion:
    """Everybody stands upright with the arms hanging."""

    def zeros(*shape: int) -> np.ndarray:
        return np.zeros((number, frames, *shape), np.float32)

    motion = Motion(
        root=zeros(3),
        heading=zeros(),
        pelvis=zeros(3),
        spine=zeros(3),
        head=zeros(3),
        arms=zeros(2, 4),
        arm_mode=np.full((number, 2), ANGLES),
        hands=zeros(2, 3),
        elbows=np.tile(single([0.5, -1.0, -0.3]), (number, 2, 1)),
        legs=zeros(2, 4),
        leg_mode=np.full(number, PLANTED),
        feet=zeros(2, 3),
        knees=np.full(number, 0.25, np.float32),
    )
    motion.root[..., Y] = 0.95
    motion.feet[..., Y] = ANKLE
    motion.feet[..., LEFT, X], motion.feet[..., RIGHT, X] = 0.11, -0.11
    motion.arms[:] = 0.08, 1.2, -0.4, 0.2
    return motion


def turned(axes: np.ndarray, angle: np.ndarray, source: int, goal: int) -> np.ndarray:
    """Rotate axes (..., 3, 3) so that axis `source` moves by `angle` (...) towards axis `goal`."""
    cosine, sine = np.cos(angle)[..., None], np.sin(angle)[..., None]
    rotated = axes.copy()
    rotated[..., source, :] = cosine * axes[..., source, :] + sine * axes[..., goal, :]
    rotated[..., goal, :] = cosine * axes[..., goal, :] - sine * axes[..., source, :]
    return rotated


def two_bones(
    start: np.ndarray, goal: np.ndarray, pole: np.ndarray, first: np.ndarray, second: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Middle and end (N, T, 3) of two bones from `start` to `goal`, or as near as they reach.

    Args:
        start: (N, T, 3).
        goal: (N, T, 3).
        pole: (N, T, 3) direction in which the joint between the bones points.
        first: (N, 1) length of the first bone.
        second: (N, 1) length of the second bone.
    """
    line = goal - start
    distance = np.sqrt((line * line).sum(-1))
    line = line / np.maximum(distance, 1e-6)[..., None]
    distance = np.clip(distance, np.abs(first - second) + 0.04, 0.998 * (first + second))
    along = (first**2 - second**2 + distance**2) / (2 * distance)
    aside = pole - (pole * line).sum(-1, keepdims=True) * line
    aside /= np.maximum(np.sqrt((aside * aside).sum(-1, keepdims=True)), 1e-6)
    across = np.sqrt(np.maximum(first**2 - along**2, 0))
    middle = start + along[..., None] * line + across[..., None] * aside
    return middle, start + distance[..., None] * line


def joints(bodies: Bodies, motion: Motion) -> np.ndarray:
    """COCO-17 joints (N, T, 17, 3) of moving bodies, before `heading` turns them."""
    number, frames = motion.heading.shape
    upright = np.broadcast_to(np.eye(3, dtype=np.float32), (number, frames, 3, 3))
    forward = turned(upright, motion.pelvis[..., 0], FORWARD, LEFTWARD)
    pelvis = turned(forward, motion.pelvis[..., 1], UP, FORWARD)
    pelvis = turned(pelvis, motion.pelvis[..., 2], UP, LEFTWARD)
    chest = turned(pelvis, motion.spine[..., 0], UP, FORWARD)
    chest = turned(chest, motion.spine[..., 1], UP, LEFTWARD)
    chest = turned(chest, motion.spine[..., 2], FORWARD, LEFTWARD)

    points = np.empty((number, frames, 17, 3), np.float32)
    root = motion.root.copy()
    planted = np.flatnonzero(motion.leg_mode == PLANTED)
    if len(planted):
        root[planted] = _lowered(bodies, motion, root, pelvis, planted)
    for side in (LEFT, RIGHT):
        _legs(bodies, motion, root, pelvis, forward, side, points)
    grounded = motion.leg_mode == GROUNDED
    if grounded.any():
        lowest = points[grounded][..., 15:17, Y].min(-1)
        lift = root[grounded][..., Y] + ANKLE - lowest
        points[grounded, :, 11:17, Y] += lift[..., None]
        root[grounded, :, Y] += lift

    middle = root + _lengths(bodies.trunk) * chest[..., UP, :]
    head = turned(chest, motion.head[..., 0], FORWARD, LEFTWARD)
    head = turned(head, motion.head[..., 1], UP, FORWARD)
    head = turned(head, motion.head[..., 2], UP, LEFTWARD)
    # The lower half of the neck leans with the chest, the upper half with the head.
    half = 0.5 * _lengths(bodies.neck)
    skull = middle + half * (chest[..., UP, :] + head[..., UP, :]) + 0.03 * chest[..., FORWARD, :]
    _face(bodies, head, skull, points)
    for side in (LEFT, RIGHT):
        _arms(bodies, motion, middle, chest, skull, head, side, points)
    return points


def _lengths(lengths: np.ndarray) -> np.ndarray:
    """(N, 1) as (N, 1, 1)."""
    return lengths[:, :, None]


def _outward(axes: np.ndarray, side: int) -> np.ndarray:
    return axes[..., LEFTWARD, :] if side == LEFT else -axes[..., LEFTWARD, :]


def _lowered(
    bodies: Bodies, motion: Motion, root: np.ndarray, pelvis: np.ndarray, which: np.ndarray
) -> np.ndarray:
    """The root (P, T, 3) of planted bodies, as low as both legs need to reach their feet."""
    lowered = root[which]
    reach = 0.995 * bodies.leg[which]
    for side in (LEFT, RIGHT):
        hip = lowered + _lengths(bodies.hip)[which] * _outward(pelvis[which], side)
        away = motion.feet[which, :, side] - hip
        aside = away[..., X] ** 2 + away[..., Z] ** 2
        longest = np.sqrt(np.maximum(reach**2 - aside, 0.01))
        lowered[..., Y] += np.minimum(longest + away[..., Y], 0)
    return lowered


def _legs(
    bodies: Bodies,
    motion: Motion,
    root: np.ndarray,
    pelvis: np.ndarray,
    forward: np.ndarray,
    side: int,
    points: np.ndarray,
) -> None:
    outward = _outward(pelvis, side)
    hip = root + _lengths(bodies.hip) * outward
    bend, abduction, turn, knee = np.moveaxis(motion.legs[:, :, side], -1, 0)[..., None]
    thigh = np.sin(bend) * pelvis[..., FORWARD, :] - np.cos(bend) * pelvis[..., UP, :]
    ahead = np.cos(bend) * pelvis[..., FORWARD, :] + np.sin(bend) * pelvis[..., UP, :]
    thigh, outside = (
        np.cos(abduction) * thigh + np.sin(abduction) * outward,
        np.cos(abduction) * outward - np.sin(abduction) * thigh,
    )
    ahead = np.cos(turn) * ahead + np.sin(turn) * outside
    shank = np.cos(knee) * thigh - np.sin(knee) * ahead
    middle = hip + _lengths(bodies.thigh) * thigh
    end = middle + _lengths(bodies.shank) * shank
    planted = np.flatnonzero(motion.leg_mode == PLANTED)
    if len(planted):
        aside = motion.knees[planted, None, None] * outward[planted]
        pole = pelvis[planted][..., FORWARD, :] + forward[planted][..., FORWARD, :] + aside
        middle[planted], end[planted] = two_bones(
            hip[planted],
            motion.feet[planted, :, side],
            pole,
            bodies.thigh[planted],
            bodies.shank[planted],
        )
    points[:, :, 11 + side], points[:, :, 13 + side], points[:, :, 15 + side] = hip, middle, end


def _face(bodies: Bodies, head: np.ndarray, skull: np.ndarray, points: np.ndarray) -> None:
    """Nose, eyes and ears, metres from the middle of the head: to the left, up, forward."""
    places = single(
        [
            [0, -0.025, 0.115],
            [0.033, 0.01, 0.09],
            [-0.033, 0.01, 0.09],
            [0.073, 0, 0],
            [-0.073, 0, 0],
        ]
    )
    points[:, :, :5] = skull[:, :, None] + _lengths(bodies.skull)[..., None] * (places @ head)


def _arms(
    bodies: Bodies,
    motion: Motion,
    middle: np.ndarray,
    chest: np.ndarray,
    skull: np.ndarray,
    head: np.ndarray,
    side: int,
    points: np.ndarray,
) -> None:
    outward, up, forward = _outward(chest, side), chest[..., UP, :], chest[..., FORWARD, :]
    raised, plane, roll, bend = np.moveaxis(motion.arms[:, :, side], -1, 0)[..., None]
    towards = np.cos(plane) * forward + np.sin(plane) * outward
    across = np.cos(plane) * outward - np.sin(plane) * forward
    upper = np.sin(raised) * towards - np.cos(raised) * up
    lifted = np.cos(raised) * towards + np.sin(raised) * up
    ahead = np.cos(plane) * lifted - np.sin(plane) * across
    aside = np.sin(plane) * lifted + np.cos(plane) * across
    lower = np.cos(bend) * upper + np.sin(bend) * (np.cos(roll) * ahead + np.sin(roll) * aside)
    shoulder = middle + _lengths(bodies.shoulder) * outward
    # The shoulder rises with an arm that is raised above it.
    rise = (upper * up).sum(-1, keepdims=True)
    shoulder = shoulder + 0.06 * np.maximum(rise, 0) * up
    elbow = shoulder + _lengths(bodies.upper_arm) * upper
    wrist = elbow + _lengths(bodies.forearm) * lower

    reaching = np.flatnonzero(motion.arm_mode[:, side] != ANGLES)
    if len(reaching):
        mode = motion.arm_mode[reaching, side]
        target = motion.hands[reaching, :, side]
        goal = target.copy()
        for axes, name, start in ((chest, CHEST, middle), (head, FACE, skull)):
            chosen = np.flatnonzero(mode == name)
            if len(chosen):
                who = reaching[chosen]
                scale = _lengths(bodies.arm if name == CHEST else bodies.skull)[who]
                place = scale * target[chosen]
                goal[chosen] = (
                    start[who]
                    + place[..., :1] * _outward(axes[who], side)
                    + place[..., 1:2] * axes[who][..., UP, :]
                    + place[..., 2:] * axes[who][..., FORWARD, :]
                )
        start = middle[reaching] + _lengths(bodies.shoulder)[reaching] * outward[reaching]
        line = goal - start
        rise = (line * up[reaching]).sum(-1, keepdims=True) / 0.57
        start = start + 0.06 * np.clip(rise, 0, 1) * up[reaching]
        pole = (
            motion.elbows[reaching, None, side, :1] * outward[reaching]
            + motion.elbows[reaching, None, side, 1:2] * up[reaching]
            + motion.elbows[reaching, None, side, 2:] * forward[reaching]
        )
        shoulder[reaching] = start
        elbow[reaching], wrist[reaching] = two_bones(
            start, goal, pole, bodies.upper_arm[reaching], bodies.forearm[reaching]
        )
    points[:, :, 5 + side], points[:, :, 7 + side], points[:, :, 9 + side] = shoulder, elbow, wrist


def path(
    seconds: np.ndarray, times: Sequence[Any], values: Sequence[Any], size: int | None = None
) -> np.ndarray:
    """Go from value to value, standing still at each, as a reaching hand does.

    Between two values the way is that of least jerk (Flash and Hogan, Journal of Neuroscience
    5(7), 1985).

    Args:
        seconds: (N, T) times.
        times: K times, each a number or (N, 1).
        values: K values, each a number or (N, 1); with `size`, (size,) or (N, 1, size).
        size: of vectors.

    Returns:
        (N, T), or (N, T, size); the first value before the first time, the last after the last.
    """
    share = []
    for start, end in pairwise(times):
        part = np.clip((seconds - start) / (end - start), 0, 1)
        share.append(part**3 * (10 - 15 * part + 6 * part**2))
    first = single(values[0])
    steps = [single(b) - a for a, b in pairwise(values)]
    if size is None:
        return first + sum(step * part for step, part in zip(steps, share, strict=True))
    return first + sum(step * part[..., None] for step, part in zip(steps, share, strict=True))
