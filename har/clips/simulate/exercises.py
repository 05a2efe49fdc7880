"""Gymnastics and weights: movements that are repeated on the spot."""

import numpy as np

from har.clips.simulate.kinematics import (
    ANKLE,
    CHEST,
    FACE,
    FREE,
    GROUNDED,
    LEFT,
    RIGHT,
    WORLD,
    Motion,
    X,
    Y,
    Z,
    path,
    single,
)
from har.clips.simulate.scene import Scene, wave


def jumping_jacks(motion: Motion, scene: Scene) -> None:
    """Arms and legs spread in one hop and close in the next, 45 to 80 a minute."""
    phase = scene.phase(scene.uniform(0.75, 1.35))
    spread = (0.5 - 0.5 * wave(phase)) ** scene.uniform(0.6, 1.1)
    top, low = np.radians(scene.normal(160, 18)), np.radians(scene.normal(12, 6))
    for side in (LEFT, RIGHT):
        motion.arms[:, :, side, 0] = low + (top - low) * spread
        motion.arms[:, :, side, 1] = scene.normal(1.5, 0.12)
        motion.arms[:, :, side, 3] = scene.normal(0.3, 0.15) * (1 + 0.5 * spread)
    motion.legs[..., 1] = (0.03 + np.radians(scene.normal(24, 6)) * spread)[..., None]
    soft = scene.uniform(0.1, 0.4) * (0.5 + 0.5 * wave(2 * phase))
    motion.legs[..., 0], motion.legs[..., 3] = 0.5 * soft[..., None], soft[..., None]
    motion.root[..., Y] = scene.uniform(0.02, 0.12) * (0.5 - 0.5 * wave(2 * phase))
    motion.leg_mode[:] = GROUNDED


def jump_rope(motion: Motion, scene: Scene) -> None:
    """Low hops, one for each turn of the rope, 100 to 170 a minute; wrists circle at the hips."""
    phase = scene.phase(scene.uniform(1.6, 2.9))
    alternate = scene.chance(0.25)
    height = scene.uniform(0.02, 0.13)
    air = 0.5 - 0.5 * wave(phase)
    motion.root[..., Y] = height * air
    bend = scene.uniform(0.15, 0.5) * (1 - 0.7 * air)
    for side in (LEFT, RIGHT):
        up = np.maximum(wave(phase / 2 + 0.5 * side), 0) * scene.uniform(0.3, 1.0) * alternate
        motion.legs[:, :, side, 0] = 0.5 * bend + 0.6 * up
        motion.legs[:, :, side, 3] = bend + 1.2 * up
        motion.legs[:, :, side, 1] = scene.normal(0.02, 0.02)
    circle, turn = scene.uniform(0.02, 0.09), scene.uniform(0, 1)
    out, up, ahead = scene.normal(0.36, 0.06), scene.normal(-0.42, 0.05), scene.normal(0.14, 0.08)
    for side in (LEFT, RIGHT):
        motion.hands[:, :, side, X] = out + 0.5 * circle * wave(phase + 0.25 + turn)
        motion.hands[:, :, side, Y] = up + circle * wave(phase + turn)
        motion.hands[:, :, side, Z] = ahead + circle * wave(phase - 0.25 + turn)
    motion.arm_mode[:] = CHEST
    motion.elbows[:] = 0.35, -0.8, -0.7
    motion.spine[..., 0] = scene.normal(0.08, 0.06)
    motion.leg_mode[:] = GROUNDED


def squats(motion: Motion, scene: Scene) -> None:
    """Hips back and down over feet that stand; the trunk leans as the knees bend."""
    depth = scene.repeated(scene.uniform(1.5, 4.5), 0.4)
    low = scene.normal(0.45, 0.09)
    bow = np.radians(scene.normal(38, 9))
    motion.root[..., Y] = 0.97 - (0.97 - low) * depth
    motion.root[..., Z] = -0.16 * depth
    motion.pelvis[..., 1] = bow * depth
    motion.spine[..., 0] = 0.1 * depth + scene.normal(0, 0.05)
    width = scene.uniform(0.12, 0.28)
    motion.feet[..., LEFT, X], motion.feet[..., RIGHT, X] = width, -width
    motion.knees[:] = scene.uniform(0.2, 0.9)[:, 0]
    motion.head[..., 1] = -0.5 * bow * depth + scene.normal(0, 0.1)
    style = scene.choice(0.35, 0.15, 0.4, 0.1)
    # Arms rise forward as a counterweight; hands on the hips; a bar behind the neck; folded.
    ahead = style == 0
    raised = np.where(scene.chance(0.5), depth, 1) * np.radians(scene.normal(85, 12))
    motion.arms[ahead, :, :, 0] = (0.1 + raised)[ahead][..., None]
    motion.arms[ahead, :, :, 1] = 0.1
    motion.arms[ahead, :, :, 3] = 0.15
    for number, place, elbow in (
        (1, (0.22, -0.48, 0.05), (1.0, 0.0, -0.4)),
        (2, (0.36, 0.02, -0.02), (0.3, -1.0, -0.5)),
        (3, (0.05, -0.12, 0.22), (0.6, -0.2, 0.6)),
    ):
        chosen = style == number
        motion.arm_mode[chosen] = CHEST
        motion.hands[chosen] = single(place) + 0.03 * scene.normal(0, 1)[chosen][:, None, None]
        motion.elbows[chosen] = elbow


def push_ups(motion: Motion, scene: Scene) -> None:
    """A straight body turns about the toes; the hands stand on the ground."""
    depth = scene.repeated(scene.uniform(0.9, 3.5))
    length = scene.bodies.leg + scene.bodies.trunk
    high = 0.56 * scene.bodies.arm + 0.05
    low = scene.uniform(0.16, 0.34)
    shoulder = high - (high - low) * depth
    slope = np.arcsin(((shoulder - 0.1) / length).clip(-0.9, 0.9))
    sag = scene.normal(0.0, 0.07)
    motion.root[..., Y] = 0.1 + scene.bodies.leg * np.sin(slope) - 0.3 * sag
    motion.root[..., Z] = scene.bodies.leg * np.cos(slope)
    motion.pelvis[..., 1] = np.pi / 2 - slope - sag
    motion.spine[..., 0] = 0.5 * sag
    motion.head[..., 1] = scene.normal(-0.35, 0.3)
    motion.feet[..., Y] = 0.1
    motion.feet[..., X] *= scene.uniform(0.4, 1.5)[..., None]
    width = scene.normal(0.3, 0.06)
    for side, sign in ((LEFT, 1), (RIGHT, -1)):
        motion.hands[:, :, side, X] = sign * width
        motion.hands[:, :, side, Y] = 0.05
        motion.hands[:, :, side, Z] = 0.99 * length + scene.normal(0.0, 0.06)
    motion.arm_mode[:] = WORLD
    motion.elbows[:] = 0.8, -0.8, -0.3
    motion.elbows[:, :, 0] += scene.normal(0, 0.3)


def sit_ups(motion: Motion, scene: Scene) -> None:
    """Lying on the back with the feet on the ground; the trunk curls up, the pelvis follows."""
    up = scene.repeated(scene.uniform(1.2, 4.0), 0.4)
    crunch = scene.chance(0.25)
    reach = np.where(crunch, scene.uniform(0.35, 0.6), scene.uniform(0.85, 1.15))
    motion.root[..., Y] = 0.11
    motion.pelvis[..., 1] = (
        np.radians(-88) + np.radians(55) * np.maximum(up * reach - 0.35, 0) / 0.65
    )
    motion.spine[..., 0] = np.radians(52) * np.minimum(up * reach * 1.3, 1)
    motion.head[..., 1] = 0.1 + scene.normal(0.25, 0.15) * up
    ahead = scene.normal(0.42, 0.1)
    motion.feet[..., Z] = ahead[..., None]
    motion.feet[..., Y] = np.where(scene.chance(0.12), 0.45, ANKLE)[..., None]
    style = scene.choice(0.5, 0.25, 0.25)
    _place(motion, style == 0, FACE, (0.09, 0.02, -0.07), (1.0, 0.1, 0.3), scene, 0.02)
    _place(motion, style == 1, CHEST, (-0.08, -0.14, 0.17), (0.7, -0.6, 0.2), scene, 0.03)
    _place(motion, style == 2, CHEST, (0.14, -0.22, 0.5), (0.6, -0.8, 0.0), scene, 0.04)


def pull_ups(motion: Motion, scene: Scene) -> None:
    """Hands hold a bar overhead; elbows bend until the chin is above it."""
    up = scene.repeated(scene.uniform(1.3, 4.0), 0.4) * scene.uniform(0.75, 1.02)
    bar = scene.uniform(2.15, 2.4)
    width = scene.uniform(0.2, 0.42)
    hang = 0.56 * scene.bodies.arm
    motion.root[..., Y] = bar - scene.bodies.trunk - hang + (hang - scene.uniform(-0.04, 0.12)) * up
    kip = np.where(scene.chance(0.3), scene.uniform(0.1, 0.45), scene.uniform(0, 0.06))
    swing = kip * wave(scene.phase(scene.uniform(0.4, 0.9)))
    motion.root[..., Z] = 0.12 * up - 0.3 * swing
    motion.pelvis[..., 1] = -0.12 * up - 0.4 * swing
    motion.head[..., 1] = -0.15 - 0.25 * up
    bent = np.where(scene.chance(0.5), scene.uniform(0.6, 1.7), scene.uniform(0.02, 0.25))
    tuck = np.where(scene.chance(0.25), scene.uniform(0.3, 1.2), 0.05)
    for side, sign in ((LEFT, 1), (RIGHT, -1)):
        motion.hands[:, :, side, X] = sign * width
        motion.hands[:, :, side, Y] = bar
        motion.hands[:, :, side, Z] = 0.1
        motion.legs[:, :, side, 0] = tuck + 0.8 * swing + scene.normal(0, 0.06)
        motion.legs[:, :, side, 3] = bent + 0.2 * up + scene.normal(0, 0.08)
    motion.arm_mode[:] = WORLD
    motion.elbows[:] = 0.7, -1.0, 0.3
    motion.leg_mode[:] = FREE


def bench_press(motion: Motion, scene: Scene) -> None:
    """Lying on a bench; the bar goes from straight arms to the chest and back."""
    down = scene.repeated(scene.uniform(1.2, 4.0), 0.4) * scene.uniform(0.8, 1.05)
    motion.root[..., Y] = scene.normal(0.52, 0.05)
    motion.pelvis[..., 1] = np.radians(scene.normal(-90, 4))
    motion.head[..., 1] = scene.normal(0.05, 0.1)
    motion.feet[..., Z] = scene.normal(0.42, 0.1)[..., None]
    apart = scene.uniform(1.2, 3.2)[..., None]
    motion.feet[..., X] *= apart
    width = scene.normal(0.34, 0.06)
    top = 0.54 - 0.4 * (width - 0.25) ** 2
    for side in (LEFT, RIGHT):
        motion.hands[:, :, side, X] = width
        motion.hands[:, :, side, Y] = -0.02 - scene.uniform(0.08, 0.2) * down
        motion.hands[:, :, side, Z] = top - (top - scene.uniform(0.1, 0.2)) * down
    motion.arm_mode[:] = CHEST
    motion.elbows[:] = 0.8, -0.5, -0.6


def clean_and_jerk(motion: Motion, scene: Scene) -> None:
    """A bar from the ground to the shoulders in one pull, caught in a squat, then overhead.

    Phases: Storey and Smith, Unique aspects of competitive weightlifting (Sports Medicine 42,
    2012): first pull, transition, second pull, turnover and catch, recovery; dip, drive, split,
    recovery.
    """
    pace = np.exp(scene.normal(0, 0.15))
    steps = [0.0, 0.55, 0.75, 0.95, 1.3, 1.6]
    rise = scene.uniform(0.8, 2.2)
    pause = scene.uniform(0.5, 3.0)
    dip = 1.6 + rise + pause
    times = [
        pace * time
        for time in (*steps, 1.6 + rise, dip, dip + 0.3, dip + 0.5, dip + 0.8, dip + 1.4, dip + 2.4)
    ]
    # Clips hold the whole lift or a part of it.
    whole = times[-1] + 1.5
    now = scene.seconds - 0.7 + scene.uniform(0, 1) * np.maximum(whole - scene.span, 0)
    squat = np.where(scene.chance(0.6), scene.uniform(0.38, 0.5), scene.uniform(0.6, 0.8))
    split = scene.chance(0.75)
    #        floor knee  hip  pull catch low stand dip  down  drive split hold together
    high = (0.48, 0.68, 0.84, 0.97, 0.7, squat, 0.96, 0.96, 0.85, 0.97, 0.83, 0.84, 0.96)
    bows = (58, 55, 25, -8, 12, 18, 0, 0, 0, 0, 0, 0, 0)
    downs = (-0.55, -0.55, -0.55, -0.5, -0.05, -0.02, -0.02, -0.02, -0.02, 0.3, 0.56, 0.56, 0.56)
    aheads = (0.0, 0.0, -0.02, 0.1, 0.17, 0.16, 0.15, 0.15, 0.15, 0.12, 0.0, 0.0, 0.0)
    motion.root[..., Y] = path(now, times, high)
    bow = np.radians(path(now, times, bows)) * scene.uniform(0.9, 1.1)
    back = np.where(bow > 0, 0.3 * bow, 0)
    motion.root[..., Z] = -back * 0.5
    motion.pelvis[..., 1] = bow
    motion.head[..., 1] = -0.6 * bow
    width = scene.uniform(0.26, 0.4)
    trunk = scene.bodies.trunk
    for side, sign in ((LEFT, 1), (RIGHT, -1)):
        motion.hands[:, :, side, X] = sign * width
        height = motion.root[..., Y] + trunk * np.cos(bow)
        motion.hands[:, :, side, Y] = height + scene.bodies.arm * path(now, times, downs)
        place = motion.root[..., Z] + trunk * np.sin(bow) + path(now, times, aheads)
        motion.hands[:, :, side, Z] = place
    motion.arm_mode[:] = WORLD
    motion.elbows[:] = 0.7, -0.5, 0.5
    stance = path(now, times[3:6], (0.13, 0.2, 0.22))
    motion.feet[..., LEFT, X], motion.feet[..., RIGHT, X] = stance, -stance
    part = path(now, times[9:], (0, 1, 1, 0)) * split
    motion.feet[..., LEFT, Z] += 0.42 * part
    motion.feet[..., RIGHT, Z] -= 0.48 * part
    motion.feet[..., RIGHT, Y] += 0.08 * part
    motion.knees[:] = 0.5


def _place(
    motion: Motion,
    chosen: np.ndarray,
    axes: int,
    place: tuple[float, float, float],
    elbow: tuple[float, float, float],
    scene: Scene,
    spread: float,
) -> None:
    """Both hands of the chosen instances stay at a place in the given axes."""
    motion.arm_mode[chosen] = axes
    aside = spread * scene.generator.standard_normal((scene.number, 1, 2, 3))
    motion.hands[chosen] = single(place) + aside[chosen]
    motion.elbows[chosen] = elbow
