"""Going from place to place, and staying: gaits, stairs, standing, jumping on the spot.

Angles of hips and knees over the gait cycle: Winter, Biomechanics and Motor Control of Human
Movement (4th ed., 2009) for walking; Novacheck, The biomechanics of running (Gait and Posture 7,
1998) for running and sprinting. The cycle begins when the foot meets the ground.
"""

import numpy as np

from har.clips.simulate.kinematics import FREE, GROUNDED, LEFT, RIGHT, Motion, Y, Z, path
from har.clips.simulate.scene import Scene, curve, cycle, wave

_WALK_HIP = curve(
    (0, 10, 20, 30, 40, 50, 58, 65, 75, 85, 92), (22, 20, 14, 5, -4, -11, -10, 0, 15, 24, 25)
)
_WALK_KNEE = curve(
    (0, 8, 15, 25, 40, 50, 60, 72, 80, 90, 97), (4, 14, 19, 15, 7, 14, 36, 63, 55, 18, 1)
)
_RUN_HIP = curve((0, 10, 20, 30, 40, 50, 60, 70, 80, 90), (32, 27, 14, 0, -8, 0, 20, 38, 46, 42))
_RUN_KNEE = curve((0, 10, 17, 28, 38, 48, 60, 68, 80, 92), (18, 35, 42, 32, 20, 50, 90, 92, 55, 18))
_STAIR_HIP = curve(
    (0, 20, 40, 55, 62, 75, 88, 95),
    (62, 50, 20, 6, 6, 40, 68, 66),
)
_STAIR_KNEE = curve(
    (0, 15, 35, 50, 60, 72, 80, 92),
    (66, 60, 25, 10, 25, 88, 94, 74),
)
_SPRINT_HIP = curve((0, 10, 20, 26, 35, 50, 65, 75, 88), (38, 25, 5, -8, 0, 40, 68, 70, 50))
_SPRINT_KNEE = curve(
    (0, 10, 15, 24, 35, 48, 58, 70, 85, 95), (20, 30, 32, 20, 70, 115, 125, 90, 35, 18)
)


def walking(motion: Motion, scene: Scene) -> None:
    """Cadence and step length in a fixed ratio (Sekiya and Nagasaki, Gait and Posture 7, 1998)."""
    cadence = scene.normal(108, 14)  # steps a minute
    speed = 0.0064 * cadence**2 / 60 * np.exp(scene.normal(0, 0.06))
    phase = _passes(motion, scene, speed, cadence / 120)
    style = np.exp(scene.normal(0, 0.15))
    reach = style * (0.55 + 0.45 * speed / 1.25)
    for side, step in ((LEFT, phase), (RIGHT, phase + 0.5)):
        motion.legs[:, :, side, 0] = reach * cycle(step, _WALK_HIP) + 0.03
        motion.legs[:, :, side, 3] = style**0.5 * cycle(step, _WALK_KNEE) + 0.05
        motion.legs[:, :, side, 1] = scene.normal(0.03, 0.03)
    _arm_swing(motion, scene, phase, np.radians(scene.normal(18, 8)), 25, 15)
    carried = scene.chance(0.15)[:, 0]  # hands in pockets, or something in a hand
    motion.arms[carried, :, :, 0] *= 0.3
    _trunk(motion, scene, phase, scene.normal(3, 3), 5)
    motion.root[..., Y] = 0
    motion.leg_mode[:] = GROUNDED


def jogging(motion: Motion, scene: Scene) -> None:
    """An easy run: 1.8 to 3.4 m/s at 140 to 165 steps a minute.

    Novacheck's curves of running were measured at 3.2 m/s; slower people lift their legs less.
    """
    speed = scene.uniform(1.8, 3.4)
    _run(motion, scene, speed, 2.35 + 0.12 * (speed - 1.8) + scene.normal(0, 0.12), 0.0)


def running(motion: Motion, scene: Scene) -> None:
    """A fast run up to a sprint: 3.6 to 7.5 m/s, longer strides first, then quicker ones.

    Step rates: Weyand and others, Journal of Applied Physiology 89(5), 2000.
    """
    speed = scene.uniform(3.6, 7.5)
    rate = 2.65 + 0.28 * (speed - 3.6) + scene.normal(0, 0.15)
    _run(motion, scene, speed, rate, (0.3 + (speed - 3.6) / 4.5).clip(0, 1))


def _run(
    motion: Motion, scene: Scene, speed: np.ndarray, rate: np.ndarray, sprint: np.ndarray | float
) -> None:
    """Run at `rate` steps a second, between an easy run (0) and a sprint (1)."""
    phase = _passes(motion, scene, speed, rate / 2)
    ease = np.where(np.asarray(sprint) > 0, 1.0, (1 - 0.18 * (3.2 - speed)).clip(0.7, 1.02))
    style = np.exp(scene.normal(0, 0.12))
    lift = ease * np.exp(scene.normal(0, 0.14))
    for side, step in ((LEFT, phase), (RIGHT, phase + 0.5)):
        hip = (1 - sprint) * cycle(step, _RUN_HIP) + sprint * cycle(step, _SPRINT_HIP)
        knee = (1 - sprint) * cycle(step, _RUN_KNEE) + sprint * cycle(step, _SPRINT_KNEE)
        motion.legs[:, :, side, 0] = style * ease * hip
        motion.legs[:, :, side, 3] = 0.1 + lift * knee
        motion.legs[:, :, side, 1] = scene.normal(0.02, 0.03)
    swing = np.radians(scene.normal(22, 7) + 18 * sprint)
    _arm_swing(motion, scene, phase, swing, scene.normal(85, 18), 12)
    _trunk(motion, scene, phase, scene.normal(6, 3) + 5 * sprint, 6)
    # Both feet leave the ground between the stances, half a step before each contact.
    flight = (0.03 + 0.04 * np.asarray(sprint)) * np.exp(scene.normal(0, 0.3))
    motion.root[..., Y] = flight * np.maximum(wave(2 * phase + 0.15), 0)
    motion.leg_mode[:] = GROUNDED


def _passes(motion: Motion, scene: Scene, speed: np.ndarray, rate: np.ndarray) -> np.ndarray:
    """The way over the ground; returns strides done (N, T) at `rate` (N, 1) strides a second.

    Half of the people cross the picture again and again, to and fro, and only then are they seen:
    whoever leaves the picture comes back at once. The others are followed.
    """
    phase = scene.phase(rate)
    crossing = scene.chance(0.55)
    length = scene.uniform(1.8, 5.5)
    done = scene.seconds * speed / length + scene.uniform(0, 1)
    number = np.where(crossing, np.floor(done), 0)
    jump = 0.618 * number  # each pass begins anywhere in the stride
    motion.heading += np.pi * (number % 2)
    motion.root[..., Z] = np.where(crossing, (done - number - 0.5) * length, scene.seconds * speed)
    motion.heading += np.where(crossing, 0, 0.15) * scene.wander(4.0)
    return phase + jump


def _arm_swing(
    motion: Motion,
    scene: Scene,
    phase: np.ndarray,
    swing: np.ndarray,
    bend: np.ndarray | float,
    spread: float,
) -> None:
    """Arms swing against the legs of their sides; elbows bend most in front."""
    bend = np.radians(np.maximum(bend + scene.normal(0, spread), 5))
    back = scene.normal(0.05, 0.1)
    for side, step in ((LEFT, phase + 0.5), (RIGHT, phase)):
        now = wave(step)
        motion.arms[:, :, side, 0] = swing * now - back
        motion.arms[:, :, side, 1] = scene.normal(0.12, 0.1)
        motion.arms[:, :, side, 2] = scene.normal(-0.3, 0.2)
        motion.arms[:, :, side, 3] = bend * (1 + 0.25 * now) + 0.3 * swing * now


def _trunk(motion: Motion, scene: Scene, phase: np.ndarray, lean: np.ndarray, turn: float) -> None:
    """Lean in degrees; the pelvis turns with the swinging leg, the shoulders against it."""
    turning = np.radians(turn) * np.exp(scene.normal(0, 0.3)) * wave(phase)
    motion.pelvis[..., 0] = -turning
    motion.spine[..., 2] = 2.2 * turning
    motion.spine[..., 0] = np.radians(lean)
    motion.pelvis[..., 2] = 0.04 * wave(phase + 0.2)
    motion.head[..., 0] = -turning
    motion.head[..., 1] = scene.normal(0.05, 0.12)


def climbing_stairs(motion: Motion, scene: Scene) -> None:
    """Up a flight of stairs, step over step.

    Angles: Riener, Rabuffetti and Frigo, Stair ascent and descent at different inclinations (Gait
    and Posture 15, 2002).
    """
    rate = scene.normal(0.8, 0.13)  # strides a second
    phase = scene.phase(rate)
    high, deep = scene.uniform(0.14, 0.2), scene.uniform(0.26, 0.33)
    steep = high / 0.17
    for side, step in ((LEFT, phase), (RIGHT, phase + 0.5)):
        motion.legs[:, :, side, 0] = steep**0.5 * cycle(step, _STAIR_HIP)
        motion.legs[:, :, side, 3] = steep**0.5 * cycle(step, _STAIR_KNEE)
        motion.legs[:, :, side, 1] = scene.normal(0.03, 0.03)
    _arm_swing(motion, scene, phase, np.radians(scene.normal(14, 7)), 30, 18)
    rail = scene.chance(0.25)[:, 0]
    motion.arms[rail, :, RIGHT] = 0.9, 0.5, -0.2, 0.6
    _trunk(motion, scene, phase, scene.normal(14, 5), 5)
    motion.root[..., Y] = 0.9 + 2 * high * (phase - phase[:, :1]) + 0.02 * wave(2 * phase + 0.2)
    motion.root[..., Z] = 2 * deep * (phase - phase[:, :1])
    motion.leg_mode[:] = FREE


def jumping(motion: Motion, scene: Scene) -> None:
    """Crouch, push off with the arms, fly, land with soft knees; once, again and again, or ahead.

    The time in the air follows from the height, t = sqrt(8 h / g).
    """
    height = scene.uniform(0.06, 0.45)
    flight = np.sqrt(8 * height / 9.81)
    hopping = scene.chance(0.25)
    period = flight + np.where(hopping, scene.uniform(0.2, 0.4), scene.uniform(0.7, 1.6))
    jump, share = np.divmod(scene.seconds / period + scene.uniform(0, 1), 1)
    now = share * period - flight
    deep = np.where(hopping, scene.uniform(0.3, 0.6), scene.uniform(0.7, 1.8))
    ground = period - flight
    # Counted from landing: give way, rise a little, crouch, push off; below 0 in the air.
    bent = path(
        now,
        (-0.04, 0.12, 0.45 * ground, 0.72 * ground, ground - 0.01),
        (0.15, 0.7 * deep, 0.4 * deep, deep, 0.08),
    )
    tucked = np.where(scene.chance(0.2), scene.uniform(0.3, 1.4), 0.1)
    air = np.clip(-now / flight, 0, 1)
    parabola = 4 * air * (1 - air)
    motion.legs[..., 0] = (0.75 * bent + 0.7 * tucked * parabola)[..., None]
    motion.legs[..., 3] = (1.2 * bent + tucked * parabola)[..., None]
    motion.root[..., Y] = height * parabola
    ahead = np.where(scene.chance(0.35), scene.uniform(0.2, 1.2), 0)
    motion.root[..., Z] = ahead * (jump + 1 - air)
    motion.pelvis[..., 1] = 0.3 * bent
    motion.spine[..., 0] = 0.2 * bent
    swing = scene.uniform(0.2, 2.4)
    up = path(
        now,
        (-flight, -0.5 * flight, 0.15, 0.5 * ground, 0.75 * ground, ground),
        (0.8, 1.0, 0.3, 0.0, -0.45, 0.8),
    )
    motion.arms[..., 0] = (0.15 + swing * up)[..., None]
    motion.arms[..., 1] = scene.uniform(0.0, 0.7)[..., None]
    motion.arms[..., 3] = scene.uniform(0.1, 1.2)[..., None]
    motion.leg_mode[:] = GROUNDED
