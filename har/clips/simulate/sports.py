"""Throws, swings, kicks: single trials of a few phases. Everybody is right-handed here.

Times count from the main moment (release, contact, impact). The target lies ahead (z) where
somebody throws, bowls or kicks, and to the left (x) for golf.
"""

import numpy as np
from numpy.typing import ArrayLike

from har.clips.simulate.kinematics import (
    ANKLE,
    CHEST,
    GROUNDED,
    LEFT,
    RIGHT,
    Motion,
    X,
    Y,
    Z,
    path,
    single,
)
from har.clips.simulate.scene import Scene, wave


def baseball_pitch(motion: Motion, scene: Scene) -> None:
    """Windup, stride, cocking, acceleration, deceleration, follow-through.

    Angles and the 0.145 s from foot contact to release: Fleisig and others, Kinematic and kinetic
    comparison of baseball pitching among various levels of development (Journal of Biomechanics
    32, 1999).
    """
    now = scene.trial(1.6, 0.9)
    windup = scene.uniform(1.1, 1.6)
    lifted, contact = -0.7 * scene.uniform(0.8, 1.2), -0.16
    times = (-windup, lifted, contact, -0.03, 0.0, 0.15, 0.6)
    stretch = scene.chance(0.4)  # from the stretch: sideways from the beginning
    first = np.radians(np.where(stretch, -85, -25))
    motion.pelvis[..., 0] = path(now, times, (first, -1.75, -0.87, 0.0, 0.1, 0.35, 0.45))
    bow = np.radians(scene.normal(34, 7))
    motion.spine[..., 0] = path(now, times, (0.05, 0.08, 0.0, 0.25, bow, bow + 0.3, 0.6))
    tilt = np.radians(scene.normal(22, 7))
    motion.spine[..., 1] = path(now, times, (0, 0.0, -0.12, 0.7 * tilt, tilt, tilt, 0.1))
    motion.spine[..., 2] = path(now, times, (0, -0.15, -0.7, -0.1, 0.2, 0.55, 0.3))
    motion.head[..., 0] = path(now, times, (-0.8 * first, 1.2, 0.9, 0.2, 0.0, -0.2, 0.0))
    stride = scene.normal(1.25, 0.12) * scene.bodies.leg / 0.85
    knee = scene.uniform(0.45, 1.05)
    motion.root[..., Z] = path(
        now, times, (0.05, 0.02, 0.62 * stride, 0.72 * stride, 0.78 * stride, stride, stride)
    )
    motion.root[..., Y] = path(now, times, (0.95, 0.94, 0.76, 0.76, 0.78, 0.82, 0.9))
    moved = (-windup, 0.5 * (lifted - windup), lifted, contact - 0.03, contact)
    motion.feet[..., LEFT, Z] = path(now, moved, (0.1, 0.12, 0.2, 0.93 * stride, stride))
    motion.feet[..., LEFT, Y] = path(now, moved, (ANKLE, 0.2, knee, 0.2, ANKLE))
    motion.feet[..., LEFT, X] = path(now, moved, (0.12, 0.1, 0.05, 0.0, 0.0))
    motion.feet[..., RIGHT, X] = path(now, (-0.02, 0.15, 0.6), (-0.08, -0.2, -0.3))
    motion.feet[..., RIGHT, Z] = path(now, (-0.08, 0.12, 0.6), (0, 0.45 * stride, 0.95 * stride))
    motion.feet[..., RIGHT, Y] = path(now, (-0.08, 0.12, 0.6), (ANKLE, 0.45, ANKLE))

    slot = np.radians(scene.normal(92, 9))  # from sidearm to over the top
    angles = (  # raised, direction, roll, bend
        (0.55, 0.15, -0.9, 1.9),
        (0.6, 0.2, -0.9, 1.9),
        (slot, 1.7, 0.9, 1.5),
        (slot, 1.5, 2.8, 1.6),
        (slot, 1.3, 1.7, 0.4),
        (1.1, -0.3, 0.0, 0.35),
        (0.5, 0.0, -0.4, 0.5),
    )
    _arm(motion, RIGHT, now, times, angles)
    swung = (lifted, lifted * 0.45 - 0.1)
    down = path(now, (*swung, contact), (0, 1, 0))
    motion.arms[..., RIGHT, 0] -= 0.5 * down
    motion.arms[..., RIGHT, 3] -= 0.9 * down
    _arm(
        motion,
        LEFT,
        now,
        times,
        (
            (0.55, 0.15, -0.9, 1.9),
            (0.6, 0.2, -0.9, 1.9),
            (1.5, 1.5, 0.0, 0.3),
            (1.2, 1.0, -0.3, 1.6),
            (0.7, 0.8, -0.5, 2.0),
            (0.5, 0.3, -0.5, 1.9),
            (0.4, 0.5, -0.3, 1.2),
        ),
    )


def throwing(motion: Motion, scene: Scene) -> None:
    """A throw without a windup: step, arm back, arm through; over or under the shoulder."""
    now = scene.trial(0.7, 0.6)
    times = (-0.65, -0.2, 0.0, 0.2, 0.6)
    under = scene.chance(0.25)
    size = scene.uniform(0.4, 1.1)
    motion.pelvis[..., 0] = path(now, times, (0, -0.9 * size, 0.1, 0.3 * size, 0.05))
    motion.spine[..., 2] = path(now, times, (0, -0.5 * size, 0.1, 0.4 * size, 0))
    motion.spine[..., 0] = path(now, times, (0, -0.1, 0.25 * size, 0.45 * size, 0.05))
    step = 0.6 * size
    motion.root[..., Z] = path(now, times, (0, 0.2 * step, 0.7 * step, 0.8 * step, 0.7 * step))
    moved = (-0.6, -0.3, -0.08)
    motion.feet[..., LEFT, Z] = path(now, moved, (0, 0.5 * step, step))
    motion.feet[..., LEFT, Y] += 0.12 * size * path(now, moved, (0, 1, 0))
    motion.feet[..., RIGHT, Y] += 0.15 * size * path(now, (-0.1, 0.15, 0.5), (0, 1, 0.2))
    over = np.radians(scene.normal(88, 12))
    raised = path(now, times, (0.3, over, over, 0.9, 0.15))
    swung = path(now, times, (0.1, -0.9, 0.9, 1.3, 0.15))
    motion.arms[..., RIGHT, 0] = np.where(under, swung, raised)
    motion.arms[..., RIGHT, 1] = np.where(under, 0.1, path(now, times, (0.2, 1.7, 1.2, 0, 0.4)))
    motion.arms[..., RIGHT, 2] = np.where(under, 0, path(now, times, (-0.3, 2.0, 1.6, 0, -0.3)))
    bent = path(now, times, (1.2, 1.8, 0.4, 0.3, 0.3))
    motion.arms[..., RIGHT, 3] = np.where(under, 0.3, bent)
    lead = scene.uniform(0.2, 1.3)
    motion.arms[..., LEFT, 0] = path(now, times, (0.3, lead, 0.4, 0.2, 0.1))
    motion.arms[..., LEFT, 1] = 0.7
    motion.arms[..., LEFT, 3] = path(now, times, (1.2, 0.4, 1.2, 0.9, 0.3))


def baseball_swing(motion: Motion, scene: Scene) -> None:
    """Stance, coil, stride, then hips, shoulders and hands turn one after the other.

    Sequence and times: Welch and others, Hitting a baseball: a biomechanical description (Journal
    of Orthopaedic and Sports Physical Therapy 22(5), 1995).
    """
    now = scene.trial(0.9, 0.7)
    times = (-0.7, -0.38, -0.17, 0.0, 0.14, 0.45)
    pelvis = np.radians(single([-88, -105, -75, -12, 0, 5]))
    motion.pelvis[..., 0] = path(now, times, pelvis)
    motion.spine[..., 2] = path(now, times, (-0.1, -0.4, -0.55, 0.0, 0.5, 0.85))
    bow = np.radians(scene.normal(22, 6))
    motion.pelvis[..., 1] = path(now, times, (bow, bow, bow, 0.5 * bow, 0.1, 0))
    motion.spine[..., 0] = path(now, times, (0.15, 0.15, 0.1, 0.05, -0.1, -0.15))
    motion.head[..., 0] = path(now, times, (1.35, 1.5, 1.3, 0.0, -0.4, -0.6))
    motion.head[..., 1] = scene.normal(0.15, 0.1)
    wide = scene.uniform(0.25, 0.4)
    stride = scene.uniform(0.05, 0.3)
    shift = path(now, times, (0, -0.06, 0.4 * stride, 0.6 * stride, 0.5 * stride, 0.5 * stride))
    motion.root[..., Z] = shift
    motion.root[..., Y] = path(now, times, (0.86, 0.85, 0.82, 0.84, 0.87, 0.9))
    motion.feet[..., X] = 0.02
    moved = (-0.6, -0.35, -0.18)
    motion.feet[..., LEFT, Z] = wide + path(now, moved, (0, 0.3 * stride, stride))
    motion.feet[..., LEFT, Y] += scene.uniform(0.02, 0.3) * path(now, moved, (0, 1, 0))
    motion.feet[..., RIGHT, Z] = -wide
    motion.feet[..., RIGHT, Y] += path(now, (-0.12, 0.1), (0, 0.09))
    #       stance coil launch contact extension finish: right hand, outward is to the right
    keys = (
        (0.16, -0.02, 0.22),
        (0.26, 0.02, 0.1),
        (0.2, -0.08, 0.2),
        (-0.06, -0.28, 0.5),
        (-0.28, -0.12, 0.46),
        (-0.36, 0.1, 0.08),
    )
    _two_hands(motion, scene, now, times, keys)


def golf_swing(motion: Motion, scene: Scene) -> None:
    """Address, backswing, downswing led by the hips, impact, follow-through, finish.

    The backswing takes about three times as long as the downswing (Grober and Cholewicki, Towards
    a biomechanical understanding of tempo in the golf swing, 2006).
    """
    down = scene.uniform(0.23, 0.32)
    top = -down
    start = top - down * scene.uniform(2.5, 3.6)
    times = (start, top, 0.0, 0.18, 0.6)
    now = scene.trial(1.5, 1.0)
    size = np.where(scene.chance(0.8), scene.uniform(0.85, 1.1), scene.uniform(0.35, 0.8))
    degrees = np.pi / 180
    motion.pelvis[..., 0] = size * degrees * path(now, times, (0, -42, 34, 62, 88))
    # The hips begin the downswing before the hands have reached the top.
    motion.pelvis[..., 0] += size * 0.25 * path(now, (top - 0.12, top + 0.06, 0), (0, 1, 0))
    motion.spine[..., 2] = size * degrees * path(now, times, (0, -50, -8, 15, 45))
    bow = np.radians(scene.normal(26, 5))
    motion.pelvis[..., 1] = path(now, times, (bow, bow, 0.9 * bow, 0.5 * bow, 0))
    motion.spine[..., 0] = path(now, times, (0.3, 0.25, 0.25, 0.1, -0.15))
    motion.spine[..., 1] = path(now, times, (-0.08, 0.05, -0.22, -0.25, 0.0))
    motion.head[..., 0] = size * path(now, times, (0, 1.2, -0.2, -0.4, -0.4))
    motion.head[..., 1] = path(now, times, (0.45, 0.4, 0.4, 0.2, 0.05))
    width = scene.uniform(0.14, 0.28)
    motion.feet[..., LEFT, X], motion.feet[..., RIGHT, X] = width, -width
    motion.root[..., X] = path(now, times, (0, -0.05, 0.08, 0.13, 0.17))
    motion.root[..., Z] = path(now, times, (-0.12, -0.12, -0.1, -0.05, 0))
    motion.root[..., Y] = path(now, times, (0.88, 0.87, 0.88, 0.91, 0.94))
    lift = path(now, (-0.05, 0.2, 0.6), (0, 0.08, 0.17)) * size
    motion.feet[..., RIGHT, Y] += lift
    motion.feet[..., RIGHT, X] += 0.5 * lift
    keys = (
        (0.02, -0.46, 0.3),
        (0.24, 0.16, 0.2),
        (-0.04, -0.46, 0.3),
        (-0.3, -0.12, 0.42),
        (-0.22, 0.16, 0.12),
    )
    _two_hands(motion, scene, now, times, keys, size)


def tennis_serve(motion: Motion, scene: Scene) -> None:
    """Start, release, loading, cocking, acceleration, contact, deceleration, finish.

    Stages: Kovacs and Ellenbecker, An 8-stage model for evaluating the tennis serve (Sports Health
    3(6), 2011); angles: Fleisig and others, Kinematics used by world class tennis players (Sports
    Biomechanics 2(1), 2003).
    """
    now = scene.trial(1.5, 0.8)
    times = (-1.5, -0.95, -0.4, -0.12, 0.0, 0.15, 0.5)
    motion.pelvis[..., 0] = np.radians(path(now, times, (-65, -75, -80, -35, -15, 10, 15)))
    motion.spine[..., 2] = path(now, times, (0, -0.1, -0.45, -0.2, 0.15, 0.5, 0.3))
    motion.spine[..., 0] = path(now, times, (0.15, 0.05, -0.25, -0.1, 0.15, 0.6, 0.55))
    motion.spine[..., 1] = path(now, times, (0, 0, -0.3, 0.4, 0.65, 0.45, 0.1))
    motion.pelvis[..., 2] = path(now, times, (0, 0, -0.12, 0.05, 0.1, 0.05, 0))
    motion.head[..., 0] = path(now, times, (0.9, 0.9, 0.9, 0.5, 0.1, -0.2, -0.2))
    motion.head[..., 1] = path(now, times, (0.1, -0.3, -0.6, -0.5, -0.4, 0.1, 0.1))
    bend, leap = scene.uniform(0.06, 0.24), scene.uniform(0.0, 0.22)
    up = path(now, (-0.95, -0.4, -0.12, 0, 0.25), (0, -bend, 0.3 * leap, leap, -0.06))
    motion.root[..., Y] = 0.95 + up
    ahead = scene.uniform(0.15, 0.55)
    motion.root[..., Z] = path(now, times, (0, -0.06, 0.1, 0.25, 0.32, 0.4, 0.3 + ahead))
    motion.feet[..., X] = single([0.05, -0.15])
    motion.feet[..., LEFT, Z], motion.feet[..., RIGHT, Z] = 0.2, -0.2
    pinpoint = np.where(scene.chance(0.5), 0.28, 0)
    motion.feet[..., RIGHT, Z] += pinpoint * path(now, (-0.9, -0.5), (0, 1))
    flight = np.maximum(up, 0)
    motion.feet[..., Y] += flight[..., None]
    landed = path(now, (-0.1, 0.25), (0, 1))
    motion.feet[..., LEFT, Z] += ahead * landed
    motion.feet[..., RIGHT, Y] += 0.4 * path(now, (0.0, 0.18, 0.6), (0, 1, 0.3))
    motion.feet[..., RIGHT, Z] += 0.5 * ahead * landed
    high = np.radians(scene.normal(125, 10))
    _arm(
        motion,
        RIGHT,
        now,
        times,
        (
            (0.6, 0.1, -0.4, 1.0),
            (0.5, 1.0, -0.2, 0.5),
            (1.5, 1.75, 1.2, 1.8),
            (1.75, 1.5, 2.6, 1.9),
            (high, 1.3, 1.6, 0.3),
            (1.2, 0.1, 0.3, 0.3),
            (0.5, -0.4, -0.4, 0.5),
        ),
    )
    dropped = path(now, (-1.3, -1.0, -0.7), (0, 1, 0))
    motion.arms[..., RIGHT, 0] -= 0.35 * dropped
    toss = np.radians(scene.normal(158, 10))
    _arm(
        motion,
        LEFT,
        now,
        times,
        (
            (0.6, 0.1, -0.4, 0.7),
            (1.4, 0.4, 0, 0.15),
            (toss, 0.7, 0, 0.1),
            (1.5, 0.5, 0, 0.8),
            (0.7, 0.3, -0.5, 1.6),
            (0.4, 0.1, -0.6, 1.6),
            (0.3, 0.4, -0.4, 1.0),
        ),
    )


def tennis_forehand(motion: Motion, scene: Scene) -> None:
    """Ready, unit turn with the racket back, forward swing, contact, follow-through.

    Stages: Roetert, Kovacs, Knudson and Groppel, Biomechanics of the tennis groundstrokes
    (Strength and Conditioning Journal 31(4), 2009).
    """
    now = scene.trial(1.1, 0.8)
    times = (-1.0, -0.4, -0.14, 0.0, 0.14, 0.4, 0.8)
    turn = scene.uniform(0.7, 1.2)
    motion.pelvis[..., 0] = turn * path(now, times, (0, -0.8, -0.7, -0.15, 0.15, 0.3, 0))
    motion.spine[..., 2] = turn * path(now, times, (0, -0.7, -0.75, 0.05, 0.45, 0.6, 0))
    motion.spine[..., 0] = scene.normal(0.2, 0.08)
    motion.head[..., 0] = -turn * path(now, times, (0, -0.8, -0.7, 0.1, 0.4, 0.4, 0))
    run = scene.uniform(-0.5, 0.9)
    motion.root[..., X] = -run * path(now, (-1.0, -0.35), (0, 1))
    motion.root[..., Z] = scene.uniform(-0.1, 0.4) * path(now, (-0.6, 0.1), (0, 1))
    low = scene.uniform(0.74, 0.9)
    motion.root[..., Y] = path(now, times, (0.88, low, low, low + 0.04, 0.9, 0.92, 0.88))
    width = scene.uniform(0.2, 0.38)
    motion.feet[..., LEFT, X] = motion.root[..., X] + width
    motion.feet[..., RIGHT, X] = motion.root[..., X] - width
    motion.feet[..., Z] = motion.root[..., Z : Z + 1]
    closed = scene.uniform(-0.15, 0.5) * path(now, (-0.5, -0.15, 0.6, 0.9), (0, 1, 1, 0))
    motion.feet[..., LEFT, Z] += closed
    motion.feet[..., RIGHT, Z] -= 0.3 * closed
    running = (np.abs(run) * path(now, (-1.0, -0.75, -0.5, -0.3), (0, 1, 1, 0)))[..., None]
    steps = np.stack([wave(3.2 * now), -wave(3.2 * now)], axis=-1)
    motion.feet[..., Y] += 0.25 * running * np.maximum(steps, 0)
    motion.feet[..., RIGHT, Y] += path(now, (-0.1, 0.2, 0.6), (0, 0.12, 0.02))
    finish = scene.choice(0.75, 0.25)[:, None]  # over the shoulder or around the hip
    over = np.where(finish == 0, 1.7, 1.0)
    _arm(
        motion,
        RIGHT,
        now,
        times,
        (
            (0.55, 0.2, -0.4, 1.4),
            (1.1, 1.7, 0.5, 1.0),
            (0.75, 1.9, 0.6, 0.7),
            (0.9, 0.75, 0.2, 0.5),
            (1.3, 0.1, 0.1, 0.6),
            (over, -0.45, 0.0, 1.7),
            (0.55, 0.2, -0.4, 1.4),
        ),
    )
    _arm(
        motion,
        LEFT,
        now,
        times,
        (
            (0.55, 0.2, -0.6, 1.4),
            (1.2, 0.3, -0.3, 0.6),
            (1.1, 0.6, -0.3, 0.5),
            (0.8, 0.9, -0.3, 1.3),
            (0.7, 0.9, -0.2, 1.8),
            (0.8, 0.6, -0.2, 1.9),
            (0.55, 0.2, -0.6, 1.4),
        ),
    )


def bowling(motion: Motion, scene: Scene) -> None:
    """Four steps, the arm swings like a pendulum, the last step slides, the trunk bows deeply.

    As bowling schools teach the four-step approach: push away with the first step, down with the
    second, back with the third, forward and release with the slide.
    """
    now = scene.trial(2.2, 1.2)
    pace = scene.uniform(0.42, 0.6)  # seconds a step
    times = (*(-pace * step for step in (3.6, 2.8, 2.0, 1.0)), 0.0, 0.25, 0.9)
    swing = scene.uniform(0.75, 1.05)
    raised = (0.7, 0.75, 0.0, -1.35, 0.25, 1.9, 1.2)
    motion.arms[..., RIGHT, 0] = swing * path(now, times, raised)
    motion.arms[..., RIGHT, 1] = scene.normal(0.05, 0.08)
    motion.arms[..., RIGHT, 2] = 0
    motion.arms[..., RIGHT, 3] = path(now, times, (1.7, 0.9, 0.12, 0.1, 0.1, 0.5, 0.9))
    motion.arms[..., LEFT, 0] = path(now, times, (0.7, 0.7, 0.8, 1.2, 1.25, 1.0, 0.6))
    motion.arms[..., LEFT, 1] = path(now, times, (0.1, 0.1, 0.9, 1.5, 1.6, 1.6, 1.3))
    motion.arms[..., LEFT, 3] = path(now, times, (1.7, 1.1, 0.5, 0.3, 0.3, 0.4, 0.6))
    bow = np.radians(scene.normal(58, 12))
    motion.pelvis[..., 1] = path(now, times, (0.1, 0.15, 0.3, 0.6 * bow, 0.8 * bow, 0.7 * bow, 0.3))
    motion.spine[..., 0] = path(now, times, (0.05, 0.05, 0.1, 0.25, 0.3, 0.3, 0.1))
    motion.spine[..., 2] = path(now, times, (0, 0, -0.1, -0.35, 0, 0.25, 0.1))
    motion.spine[..., 1] = path(now, times, (0, 0, 0, -0.15, -0.2, -0.1, 0))
    motion.head[..., 1] = -0.5 * (motion.pelvis[..., 1] + motion.spine[..., 0])
    step = scene.uniform(0.5, 0.75)
    low = scene.uniform(0.66, 0.86)
    motion.root[..., Y] = path(now, times, (0.94, 0.93, 0.9, 0.84, low, low, low + 0.1))
    begin = -pace * 4
    advance = np.clip((now - begin) / pace, 0, 4)
    motion.root[..., Z] = step * np.where(advance < 4, advance, 4) + 0.15 * path(
        now, (0, 0.3), (0, 1)
    )
    # Right, left, right, left: each foot goes two steps ahead while the other one stands.
    marks = [begin + pace * number for number in range(5)]
    motion.feet[..., RIGHT, Z] = step * path(
        now, (*marks[:2], marks[2], marks[3]), (0, 1.0, 1.0, 3.0)
    )
    motion.feet[..., LEFT, Z] = step * path(now, (*marks[1:3], marks[3], marks[4]), (0, 2, 2, 4.4))
    for side, starts in ((RIGHT, (0, 2)), (LEFT, (1,))):
        for start in starts:
            swing_times = (marks[start], (marks[start] + marks[start + 1]) / 2, marks[start + 1])
            motion.feet[..., side, Y] += 0.12 * path(now, swing_times, (0, 1, 0))
    # The right leg trails behind and across at the release, on the ground or lifted.
    across = path(now, (-0.3, 0.05, 0.6, 1.0), (0, 1, 1, 0.2))
    motion.feet[..., RIGHT, X] += scene.uniform(0.3, 0.65) * across
    motion.feet[..., RIGHT, Z] += scene.uniform(0.0, 0.3) * across
    motion.feet[..., RIGHT, Y] += scene.uniform(0.08, 0.5) * across
    motion.feet[..., LEFT, X] *= 0.6


def kicking(motion: Motion, scene: Scene) -> None:
    """Run-up or stand, leg back, through and up; the opposite arm balances.

    Phases of the instep kick: Lees and others, The biomechanics of kicking in soccer (Journal of
    Sports Sciences 28(8), 2010).
    """
    now = scene.trial(0.9, 0.8)
    times = (-0.6, -0.22, -0.06, 0.0, 0.15, 0.6)
    size = scene.uniform(0.6, 1.15)
    high = scene.uniform(0.4, 1.6)  # from a pass along the ground to a kick at head height
    bend = path(now, times, (0, -0.5, 0.2, 0.5, high, 0)) * size
    motion.legs[..., RIGHT, 0] = bend
    motion.legs[..., RIGHT, 3] = size * path(now, times, (0.1, 1.6, 1.1, 0.3, 0.15, 0.1))
    motion.legs[..., RIGHT, 1] = path(now, times, (0.05, 0.25, 0.15, 0.05, -0.1, 0.05))
    motion.legs[..., LEFT, 0] = path(now, times, (0.1, 0.25, 0.2, 0.15, 0.0, 0.05))
    motion.legs[..., LEFT, 3] = path(now, times, (0.15, 0.4, 0.45, 0.35, 0.2, 0.1))
    before = np.where(scene.chance(0.5), np.maximum(-0.4 - now, 0), 0)
    run = wave(1.4 * before) * np.minimum(before * 3, 1)
    motion.legs[..., LEFT, 0] -= 0.5 * run
    motion.legs[..., RIGHT, 0] += 0.5 * run
    motion.legs[..., 3] += 0.6 * np.abs(run)[..., None]
    motion.root[..., Z] = -1.6 * before + 0.3 * path(now, times, (-0.3, 0, 0, 0, 0.1, 0.1))
    motion.pelvis[..., 0] = size * path(now, times, (0, -0.5, -0.1, 0.1, 0.4, 0))
    motion.pelvis[..., 1] = size * path(now, times, (0, 0.05, -0.1, -0.15, -0.3, 0))
    motion.spine[..., 0] = size * path(now, times, (0.05, 0, 0.2, 0.25, 0.2, 0.05))
    motion.head[..., 1] = 0.25
    spread = size * scene.uniform(0.6, 1.2)
    motion.arms[..., LEFT, 0] = 0.1 + spread * path(now, times, (0, 1.1, 0.9, 0.8, 0.6, 0))
    motion.arms[..., LEFT, 1] = path(now, times, (1.2, 1.9, 1.3, 0.9, 0.3, 1.0))
    motion.arms[..., RIGHT, 0] = 0.1 + spread * path(now, times, (0, 0.5, 0.5, 0.6, 0.7, 0))
    motion.arms[..., RIGHT, 1] = path(now, times, (1.2, 1.0, 1.6, 1.8, 1.9, 1.2))
    motion.arms[..., 3] = scene.uniform(0.2, 0.7)[..., None]
    motion.root[..., Y] = 0
    motion.leg_mode[:] = GROUNDED


def catching(motion: Motion, scene: Scene) -> None:
    """Hands go to the ball, meet it together, and give way with it."""
    now = scene.trial(0.7, 0.7)
    start = -scene.uniform(0.3, 0.6)
    aside, high = scene.normal(0, 0.22), scene.normal(-0.05, 0.3)
    reach = scene.uniform(0.28, 0.5)
    for side, sign in ((LEFT, 1), (RIGHT, -1)):
        ready = (0.18, -0.32, 0.3)
        motion.hands[:, :, side, X] = path(
            now, (start, -0.05, 0.2), (ready[0], 0.1 + sign * aside, 0.08 + 0.4 * sign * aside)
        )
        motion.hands[:, :, side, Y] = path(now, (start, -0.05, 0.25), (ready[1], high, -0.25))
        motion.hands[:, :, side, Z] = path(now, (start, -0.05, 0.2), (ready[2], reach, 0.2))
    one = scene.chance(0.2)[:, 0]
    motion.hands[one, :, LEFT] = single([0.3, -0.45, 0.1])
    motion.arm_mode[:] = CHEST
    reached = path(now, (start, 0, 0.4), (0, 1, 0))
    motion.spine[..., 1] = 0.4 * aside * reached
    motion.spine[..., 2] = 0.5 * aside * reached
    motion.pelvis[..., 1] = 0.1 + np.maximum(-high, 0) * 0.5 * reached
    motion.root[..., Y] = 0.92 - 0.1 * reached * scene.uniform(-0.3, 1)
    motion.root[..., X] = aside * reached
    motion.feet[..., X] *= scene.uniform(1.2, 2.4)[..., None]
    motion.head[..., 1] = -0.3 * high


def _arm(
    motion: Motion,
    side: int,
    now: np.ndarray,
    times: tuple[ArrayLike, ...],
    angles: tuple[tuple[ArrayLike, ...], ...],
) -> None:
    """One arm goes through K postures of four angles."""
    for number in range(4):
        motion.arms[:, :, side, number] = path(now, times, [angle[number] for angle in angles])


def _two_hands(
    motion: Motion,
    scene: Scene,
    now: np.ndarray,
    times: tuple[ArrayLike, ...],
    keys: tuple[tuple[float, float, float], ...],
    size: np.ndarray | float = 1.0,
) -> None:
    """Both hands on one grip, the right one below, through places in the chest's axes.

    Args:
        motion: to write into.
        scene: of the movement.
        now: (N, T) seconds.
        times: of the places.
        keys: places of the right hand, outward (to the right), up, forward.
        size: how far the hands go from the first place.
    """
    first = single(keys[0])
    loose = 0.03 * scene.generator.standard_normal((len(keys), scene.number, 1, 3))
    places = [
        first + _vector(size) * (single(key) - first) + aside
        for key, aside in zip(keys, loose, strict=True)
    ]
    grip = path(now, times, places, 3)
    motion.hands[:, :, RIGHT] = grip
    motion.hands[:, :, LEFT] = grip * single([-1, 1, 1]) + single([0.0, 0.08, 0.0])
    motion.arm_mode[:] = CHEST
    motion.elbows[:] = 0.5, -1.0, 0.2


def _vector(size: np.ndarray | float) -> np.ndarray:
    """A factor (N, 1) as (N, 1, 1)."""
    return single(size).reshape(-1, 1, 1)
