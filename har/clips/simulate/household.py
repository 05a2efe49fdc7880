"""Postures, changes of posture, and what people do at home and at work with their hands."""

import numpy as np
from numpy.typing import ArrayLike

from har.clips.simulate.gestures import seat
from har.clips.simulate.kinematics import (
    ANGLES,
    ANKLE,
    CHEST,
    FACE,
    FREE,
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

# Where hands rest: outward, up, forward in the chest's axes, and where the elbow points.
_ON_HIPS = ((0.2, -0.46, 0.04), (1.0, 0.0, -0.5))
_FOLDED = ((-0.08, -0.24, 0.18), (0.6, -0.8, 0.2))
_ON_BACK = ((0.05, -0.45, -0.16), (0.8, -0.3, -0.6))
_BEFORE = ((0.03, -0.5, 0.2), (0.5, -0.9, -0.3))
_ON_LAP = ((0.1, -0.46, 0.26), (0.5, -0.9, -0.3))
_ON_TABLE = ((0.13, -0.4, 0.36), (0.6, -0.8, -0.1))
_AT_CHIN = ((0.03, 0.04, 0.2), (0.3, -1.0, 0.3))


def standing_idle(motion: Motion, scene: Scene) -> None:
    """The weight goes from leg to leg; the head looks around; hands hang, rest or are folded."""
    shift = scene.uniform(0.01, 0.09) * scene.wander(4.0)
    motion.root[..., X] = shift
    motion.root[..., Y] = 0.96 - 0.2 * np.abs(shift)
    motion.pelvis[..., 2] = 0.6 * shift
    motion.spine[..., 1] = -0.6 * shift
    motion.feet[..., X] *= scene.uniform(0.6, 2.0)[..., None]
    motion.feet[..., LEFT, Z] += scene.normal(0, 0.06)
    motion.head[..., 0] = scene.uniform(0.05, 0.6) * scene.wander(3.0)
    motion.head[..., 1] = scene.normal(0.1, 0.15)
    _rest(motion, scene, (0.5, 0.12, 0.15, 0.08, 0.15), (_ON_HIPS, _FOLDED, _ON_BACK, _BEFORE))


def sitting(motion: Motion, scene: Scene) -> None:
    """Seated upright, leaning back or bowed; hands on the lap, on a table or at the chin."""
    everybody = np.ones(scene.number, bool)
    seat(motion, scene, everybody)
    motion.spine[..., 0] = scene.normal(0.05, 0.15)
    motion.head[..., 0] = scene.uniform(0.05, 0.5) * scene.wander(3.0)
    motion.head[..., 1] = scene.normal(0.1, 0.15)
    rests = (_ON_LAP, _ON_TABLE, _FOLDED, _AT_CHIN)
    _rest(motion, scene, (0.15, 0.35, 0.25, 0.15, 0.1), rests)


def sitting_down(motion: Motion, scene: Scene) -> None:
    """From standing to a seat: the trunk bows first, then the knees bend over the feet."""
    _seat_change(motion, scene, scene.trial(1.0, 1.0, 0.1), scene.uniform(1.1, 2.0))


def standing_up(motion: Motion, scene: Scene) -> None:
    """From a seat to standing: flexion momentum, transfer, extension.

    Phases: Schenkman and others, Whole-body movements during rising to standing from sitting
    (Physical Therapy 70(10), 1990).
    """
    _seat_change(motion, scene, -scene.trial(1.0, 1.0, 0.1), scene.uniform(0.9, 1.8))


def _seat_change(motion: Motion, scene: Scene, now: np.ndarray, lasting: np.ndarray) -> None:
    """Sit down around `now` = 0 within `lasting` (N, 1) seconds; backwards in time, stand up."""
    half = lasting / 2
    down = path(now, (-half, half), (0, 1))
    high = scene.normal(0.47, 0.05)
    motion.root[..., Y] = 0.96 - (0.96 - high) * down
    motion.root[..., Z] = -scene.uniform(0.36, 0.45) * down**0.8
    bow = np.radians(scene.normal(38, 8))
    bowed = path(now, (-half, 0.1 * half, half), (0, 1, 0)) * bow
    motion.pelvis[..., 1] = 0.7 * bowed + scene.normal(0, 0.1) * down
    motion.spine[..., 0] = 0.4 * bowed + scene.normal(0.05, 0.08)
    motion.head[..., 1] = scene.normal(0.1, 0.2) * bowed
    motion.feet[..., X] *= scene.uniform(0.8, 1.8)[..., None]
    style = scene.choice(0.45, 0.35, 0.2)
    motion.arms[..., 0] = (0.1 + bowed + 0.5 * down)[..., None]
    motion.arms[..., 1] = 0.2
    motion.arms[..., 3] = (0.2 + 0.9 * down)[..., None]
    lap = style == 1
    motion.arm_mode[lap] = CHEST
    for side in (LEFT, RIGHT):
        place = path(down, (0, 0.4, 1.0), ((0.24, -0.53, 0.05), (0.2, -0.5, 0.2), _ON_LAP[0]), 3)
        motion.hands[lap, :, side] = place[lap]
    rests = style == 2  # a hand on the armrest or the edge of the seat
    motion.arm_mode[rests, RIGHT] = CHEST
    edge = path(down, (0, 0.4, 1.0), ((0.24, -0.53, 0.05), (0.3, -0.5, 0), (0.3, -0.45, 0.1)), 3)
    motion.hands[rests, :, RIGHT] = edge[rests]


def lying_down(motion: Motion, scene: Scene) -> None:
    """Sit on the edge of a bed, lean back, lift the legs onto it; or lie there already."""
    now = np.where(scene.chance(0.35), 9, scene.trial(1.6, 1.8, 0.05))
    sit = path(now, (-1.4, 0.0), (0, 1))
    lie = path(now, (scene.uniform(-0.1, 0.5), scene.uniform(1.2, 2.0)), (0, 1))
    shank, thigh = scene.bodies.shank, scene.bodies.thigh
    high = scene.uniform(0.18, 0.6)
    lowest = np.arccos(((high - ANKLE - shank) / thigh).clip(-0.95, 0.95))
    swing = sit * ((1 - lie) * lowest + lie * np.pi / 2)  # of the thigh, forward from down
    seated = ANKLE + shank + thigh * np.cos(sit * lowest)
    motion.root[..., Y] = seated + 0.06 * lie
    motion.root[..., Z] = -thigh * np.sin(sit * lowest)
    bow = 0.5 * path(now, (-1.4, -0.5, 0.0), (0, 1, 0.1)) - np.radians(86) * lie
    motion.pelvis[..., 1] = bow
    motion.spine[..., 0] = path(lie, (0, 0.5, 1), (0, 0.35, 0.03))
    motion.legs[..., 0] = (swing + bow)[..., None]
    motion.legs[..., 3] = (sit * (1 - lie) * lowest + 0.08)[..., None]
    drawn = np.where(scene.chance(0.25), scene.uniform(0.3, 1.1), 0) * lie
    for side in (LEFT, RIGHT):
        motion.legs[:, :, side, 0] += drawn * scene.uniform(0.5, 1)
        motion.legs[:, :, side, 3] += 1.8 * drawn * scene.uniform(0.5, 1)
        motion.arms[:, :, side, 0] = 0.2 + 0.3 * path(now, (-0.3, 0.4, 1.5), (0, 1, 0))
        motion.arms[:, :, side, 1] = scene.uniform(0.3, 1.4)
        motion.arms[:, :, side, 3] = scene.uniform(0.1, 1.2)
    motion.heading += scene.uniform(-1.6, 1.6) * lie
    # Some lie on the side or on the belly.
    rolled = np.where(scene.chance(0.25), scene.choice(0.5, 0.25, 0.25)[:, None], 0)
    motion.spine[..., 2] += np.where(rolled == 1, 0.5, 0) * lie
    prone = (rolled == 2)[:, 0] & (now > 8)[:, 0]
    motion.pelvis[prone, :, 1] *= -1
    motion.leg_mode[:] = FREE


def picking_up(motion: Motion, scene: Scene) -> None:
    """Bend down, by stooping, squatting or in between, reach to the ground, rise with the thing."""
    now = scene.trial(1.1, 1.2)
    half, stay = scene.uniform(0.7, 1.2), scene.uniform(0.05, 0.4)
    down = path(now, (-half, -0.1, stay, stay + half), (0, 1, 1, 0))
    squat = scene.uniform(0, 1)
    motion.root[..., Y] = 0.96 - (0.1 + 0.45 * squat) * down
    motion.root[..., Z] = -(0.16 - 0.1 * squat) * down
    bow = np.radians(72 - 40 * squat + scene.normal(0, 6))
    motion.pelvis[..., 1] = bow * down
    motion.spine[..., 0] = np.radians(scene.normal(28, 8)) * down
    motion.head[..., 1] = scene.normal(0.1, 0.2) * down
    aside = scene.normal(0, 0.15)
    motion.spine[..., 2] = 1.5 * aside * down
    step = np.where(scene.chance(0.4), scene.uniform(0.1, 0.35), 0)
    motion.feet[..., LEFT, Z] += step
    motion.feet[..., RIGHT, Z] -= 0.5 * step
    both = scene.chance(0.45)[:, 0]
    ground = scene.uniform(0.08, 0.35)
    ahead = scene.normal(0.36, 0.06)
    carried = np.where(scene.chance(0.5), 0.35, 0) * path(now, (stay, stay + half), (0, 1))
    for side, sign in ((LEFT, 1), (RIGHT, -1)):
        wide = np.where(both, 0.18, 0.06)[:, None] * sign + aside
        motion.hands[:, :, side, X] = sign * 0.27 * (1 - down) + wide * down
        motion.hands[:, :, side, Y] = 0.9 - (0.9 - ground) * down + carried * 0.6
        motion.hands[:, :, side, Z] = 0.05 + (ahead - 0.05) * down + carried * 0.7
    motion.arm_mode[:] = WORLD
    motion.arm_mode[~both, LEFT] = ANGLES
    knee = scene.chance(0.4)[:, 0] & ~both  # the other hand on the knee
    motion.arm_mode[knee, LEFT] = CHEST
    place = path(down, (0, 1), ((0.24, -0.53, 0.06), (0.06, -0.45, 0.22)), 3)
    motion.hands[knee, :, LEFT] = place[knee]


def drinking(motion: Motion, scene: Scene) -> None:
    """The hand brings a cup to the mouth, head and cup tilt, the hand puts it down."""
    now = scene.trial(1.3, 1.5)
    lift, stay = scene.uniform(0.6, 1.2), scene.uniform(0.4, 2.5)
    times = (-lift, 0.0, stay, stay + lift)
    up = path(now, times, (0, 1, 1, 0))
    rest = single(_ON_TABLE[0]) + 0.05 * scene.generator.standard_normal((scene.number, 1, 3))
    rest[..., 1] += 0.2 * scene.generator.random((scene.number, 1))
    mouth = single([0.0, 0.1, 0.23]) + 0.02 * scene.generator.standard_normal((scene.number, 1, 3))
    motion.hands[:, :, RIGHT] = path(now, times, (rest, mouth, mouth, rest), 3)
    motion.hands[..., RIGHT, Y] += 0.05 * path(now, (0, stay), (0, 1)) * up
    motion.arm_mode[:, RIGHT] = CHEST
    motion.elbows[:, RIGHT] = 0.7, -1.0, 0.2
    motion.elbows[:, RIGHT, 0] += scene.normal(0, 0.3)[:, 0]
    motion.head[..., 1] = scene.normal(0.15, 0.1) - scene.uniform(0.15, 0.6) * up
    _other_hand(motion, scene, seat_some(motion, scene, 0.55))


def eating(motion: Motion, scene: Scene) -> None:
    """Again and again from the plate to the mouth; the head comes to meet the hand."""
    period = scene.uniform(1.8, 5.0)
    up = scene.repeated(period, 0.6)
    plate = single([0.08, -0.38, 0.35]) + 0.04 * scene.generator.standard_normal(
        (scene.number, 1, 3)
    )
    mouth = single([0.02, 0.07, 0.21]) + 0.02 * scene.generator.standard_normal(
        (scene.number, 1, 3)
    )
    motion.hands[:, :, RIGHT] = plate + (mouth - plate) * up[..., None]
    busy = scene.uniform(0, 0.03) * wave(scene.phase(scene.uniform(1, 3))) * (1 - up).clip(0, 1)
    motion.hands[..., RIGHT, X] += busy
    motion.arm_mode[:, RIGHT] = CHEST
    motion.elbows[:, RIGHT] = 0.7, -0.9, 0.1
    motion.spine[..., 0] = scene.normal(0.15, 0.1) + 0.08 * up
    motion.head[..., 1] = scene.uniform(0.1, 0.5) - 0.1 * up
    _other_hand(motion, scene, seat_some(motion, scene, 0.85))
    both = scene.chance(0.2)[:, 0]
    motion.arm_mode[both, LEFT] = CHEST
    motion.hands[both, :, LEFT] = motion.hands[both, :, RIGHT]
    motion.hands[both, :, LEFT, X] += 0.04


def phoning(motion: Motion, scene: Scene) -> None:
    """A hand at the ear; the rest of the body stands, strolls or sits, the free hand talks."""
    now = np.where(scene.chance(0.25), scene.trial(0.8, 3.0, 0), 9)
    up = path(now, (-0.8, 0.2), (0, 1))
    ear = single([0.14, -0.1, 0.05]) + 0.02 * scene.generator.standard_normal((scene.number, 1, 3))
    low = single([0.12, -0.62, 0.2])
    motion.hands[:, :, RIGHT] = low + (ear - low) * up[..., None]
    motion.arm_mode[:, RIGHT] = FACE
    motion.elbows[:, RIGHT] = 0.6, -1.0, 0.3
    motion.elbows[:, RIGHT, 0] += scene.normal(0, 0.25)[:, 0]
    motion.head[..., 2] = scene.normal(-0.15, 0.1) * up
    motion.head[..., 0] = scene.uniform(0.1, 0.5) * scene.wander(2.5)
    motion.head[..., 1] = scene.normal(0.12, 0.15)
    shift = scene.uniform(0.01, 0.06) * scene.wander(4.0)
    motion.root[..., X] = shift
    seated = seat_some(motion, scene, 0.35)
    _other_hand(motion, scene, seated)
    talks = scene.chance(0.4)[:, 0]
    motion.arm_mode[talks, LEFT] = CHEST
    gesture = single([0.2, -0.34, 0.25]) + 0.06 * np.stack(
        [scene.wander(1.0), scene.wander(0.8), scene.wander(1.2)], axis=-1
    )
    motion.hands[talks, :, LEFT] = gesture[talks]
    strolls = ~seated & scene.chance(0.3)[:, 0]
    phase = scene.phase(scene.uniform(0.5, 0.8))
    for side, sign in ((LEFT, 1), (RIGHT, -1)):
        motion.feet[strolls, :, side, Z] += (0.2 * sign * wave(phase))[strolls]
        lifted = 0.1 * np.maximum(sign * wave(phase + 0.25), 0)
        motion.feet[strolls, :, side, Y] += lifted[strolls]


def reading(motion: Motion, scene: Scene) -> None:
    """Both hands hold a book, the head is bowed and hardly moves; now and then a page is turned."""
    high, ahead = scene.normal(-0.27, 0.07), scene.normal(0.32, 0.04)
    for side in (LEFT, RIGHT):
        motion.hands[:, :, side, X] = scene.normal(0.11, 0.03)
        motion.hands[:, :, side, Y] = high + scene.normal(0, 0.02)
        motion.hands[:, :, side, Z] = ahead
    one = scene.chance(0.25)[:, 0]
    every = scene.uniform(3, 10)
    now = scene.seconds % every - every * scene.uniform(0.2, 0.8)
    page = path(now, (-0.5, 0.1, 0.8), (0, 1, 0))
    motion.hands[..., RIGHT, X] -= 0.22 * page
    motion.hands[..., RIGHT, Y] += 0.06 * page
    motion.arm_mode[:] = CHEST
    motion.elbows[:] = 0.5, -1.0, -0.2
    motion.head[..., 1] = scene.normal(0.45, 0.12)
    motion.head[..., 0] = 0.06 * wave(scene.phase(scene.uniform(0.15, 0.4)))
    motion.spine[..., 0] = scene.normal(0.1, 0.1)
    seated = seat_some(motion, scene, 0.75)
    motion.arm_mode[one, LEFT] = ANGLES
    _other_hand(motion, scene, seated & one)


def writing(motion: Motion, scene: Scene) -> None:
    """Seated at a table; the hand travels along lines in small quick strokes, then jumps back."""
    line = scene.phase(1 / scene.uniform(2.5, 7)) % 1
    along = path(line, (0, 0.88, 1.0), (0, 1, 0))
    stroke = scene.uniform(0.004, 0.014)
    quick = scene.phase(scene.uniform(2.0, 4.5))
    width = scene.uniform(0.06, 0.2)
    motion.hands[..., RIGHT, X] = 0.12 - width * (1 - along) + stroke * wave(quick)
    motion.hands[..., RIGHT, Y] = scene.normal(-0.38, 0.04) + stroke * wave(quick + 0.3)
    motion.hands[..., RIGHT, Z] = scene.normal(0.34, 0.04) + stroke * wave(1.3 * quick)
    motion.hands[..., LEFT, X] = scene.normal(0.12, 0.05)
    motion.hands[..., LEFT, Y] = motion.hands[..., RIGHT, Y].mean(1, keepdims=True)
    motion.hands[..., LEFT, Z] = scene.normal(0.32, 0.05)
    motion.arm_mode[:] = CHEST
    motion.elbows[:] = 0.8, -0.7, -0.1
    board = scene.chance(0.15)  # on a board, standing
    _over_table(motion, scene, scene.normal(0.25, 0.1), seated=~board[:, 0])
    motion.hands[board[:, 0], :, RIGHT, Y] += 0.45
    motion.hands[board[:, 0], :, RIGHT, Z] += 0.1
    motion.arm_mode[board[:, 0], LEFT] = 0


def typing(motion: Motion, scene: Scene) -> None:
    """Seated; both hands before the body, each with small quick strokes of its own, with pauses."""
    active = (scene.wander(2.0) > scene.uniform(-2, 0.3)).astype(np.float32)
    size = scene.uniform(0.004, 0.02)
    high, ahead = scene.normal(-0.38, 0.04), scene.normal(0.34, 0.05)
    for side in (LEFT, RIGHT):
        quick = scene.phase(scene.uniform(2.0, 5.0))
        motion.hands[:, :, side, X] = 0.1 + 0.02 * scene.wander(0.8) * active
        motion.hands[:, :, side, Y] = high + size * wave(quick) * active
        motion.hands[:, :, side, Z] = ahead + 0.4 * size * wave(1.3 * quick) * active
    mouse = scene.chance(0.2)[:, 0]
    motion.hands[mouse, :, RIGHT, X] += (0.16 + 0.04 * scene.wander(0.8))[mouse]
    motion.arm_mode[:] = CHEST
    motion.elbows[:] = 0.5, -1.0, -0.3
    _over_table(motion, scene, scene.normal(0.08, 0.1), seated=scene.chance(0.9)[:, 0])
    motion.head[..., 1] = scene.normal(0.15, 0.12)


def cleaning(motion: Motion, scene: Scene) -> None:
    """Wiping a table or a window in circles or strokes, or long strokes with a broom."""
    style = scene.choice(0.4, 0.3, 0.3)[:, None]
    phase = scene.phase(scene.uniform(0.6, 1.9))
    size = scene.uniform(0.07, 0.26)
    round_ = scene.uniform(0, 1)
    drift = 0.1 * scene.wander(4.0)
    high = np.choose(style, [-0.42, 0.12, -0.36])
    side_to_side = size * wave(phase) + drift
    other = round_ * size * wave(phase + 0.25)
    motion.hands[..., RIGHT, X] = 0.08 + np.where(style == 2, 0.1, side_to_side)
    motion.hands[..., RIGHT, Y] = high + np.where(style == 1, other + drift, 0)
    ahead = np.choose(style, [0.42, 0.46, 0.34])
    moving = np.choose(style, [other, 0 * other, 0.8 * size * wave(phase)])
    motion.hands[..., RIGHT, Z] = ahead + moving
    motion.arm_mode[:, RIGHT] = CHEST
    motion.elbows[:] = 0.6, -0.8, -0.3
    broom = style[:, 0] == 2
    motion.arm_mode[broom, LEFT] = CHEST
    motion.hands[broom, :, LEFT] = motion.hands[broom, :, RIGHT] * single([-1, 1, 1])
    motion.hands[broom, :, LEFT] += single([0.12, 0.2, -0.12])
    motion.pelvis[..., 1] = np.choose(style, [scene.uniform(0.2, 0.7), 0, scene.uniform(0.1, 0.5)])
    motion.spine[..., 0] = 0.15 + 0.25 * size * wave(phase)
    motion.spine[..., 2] = 0.8 * size * wave(phase)
    motion.root[..., Z] = -0.12 * (motion.pelvis[..., 1] > 0.3)
    motion.root[..., X] = 0.15 * scene.wander(3.0) * (style > 0)
    motion.head[..., 1] = np.choose(style, [0.3, -0.15, 0.35]) + scene.normal(0, 0.1)
    motion.feet[..., X] *= scene.uniform(1.0, 2.2)[..., None]
    motion.feet[..., LEFT, Z] += scene.uniform(0, 0.25)
    leaning = (style[:, 0] == 0) & scene.chance(0.4)[:, 0]
    motion.arm_mode[leaning, LEFT] = CHEST
    motion.hands[leaning, :, LEFT] = 0.22, -0.44, 0.38


def pointing(motion: Motion, scene: Scene) -> None:
    """An arm is stretched out, stays, and comes down; the head looks the same way."""
    now = scene.trial(0.8, 1.6)
    rise, stay = scene.uniform(0.4, 0.9), scene.uniform(0.3, 2.5)
    up = path(now, (-rise, 0, stay, stay + rise), (0, 1, 1, 0))
    where, high = scene.uniform(-0.3, 1.6), np.radians(scene.normal(85, 18))
    motion.arms[..., RIGHT, 0] = 0.1 + (high - 0.1) * up
    motion.arms[..., RIGHT, 1] = where + 0.05 * scene.wander(1.0)
    motion.arms[..., RIGHT, 3] = (
        0.25 + 0.9 * path(now, (-rise, -0.4 * rise, 0), (0, 1, 0)) - 0.1 * up
    )
    shake = np.where(scene.chance(0.25), scene.uniform(0.03, 0.15), 0)
    motion.arms[..., RIGHT, 0] += shake * wave(scene.phase(scene.uniform(1, 3))) * up
    motion.head[..., 0] = -scene.uniform(0.2, 0.8) * where * up
    motion.spine[..., 2] = -scene.uniform(0, 0.3) * where * up
    _other_hand(motion, scene, seat_some(motion, scene, 0.2))


def seat_some(motion: Motion, scene: Scene, share: float) -> np.ndarray:
    """Seat a share of the instances; returns which (N,)."""
    seated = scene.chance(share)[:, 0]
    seat(motion, scene, seated)
    return seated


def _over_table(motion: Motion, scene: Scene, bow: np.ndarray, seated: np.ndarray) -> None:
    seat(motion, scene, seated)
    motion.spine[..., 0] = bow
    motion.head[..., 1] = scene.normal(0.35, 0.12)
    motion.head[..., 0] = 0.08 * scene.wander(3.0)


def _other_hand(motion: Motion, scene: Scene, seated: np.ndarray) -> None:
    """The left hand lies on the table or the lap of those who sit, hangs or rests otherwise."""
    for chosen, (place, elbow) in (
        (seated & scene.chance(0.5)[:, 0], _ON_TABLE),
        (seated, _ON_LAP),
        (~seated & scene.chance(0.2)[:, 0], _ON_HIPS),
        (~seated & scene.chance(0.1)[:, 0], _FOLDED),
    ):
        free = chosen & (motion.arm_mode[:, LEFT] == ANGLES)
        motion.arm_mode[free, LEFT] = CHEST
        aside = 0.04 * scene.generator.standard_normal((scene.number, 1, 3))
        motion.hands[free, :, LEFT] = single(place) + aside[free]
        motion.elbows[free, LEFT] = elbow


def _rest(
    motion: Motion,
    scene: Scene,
    shares: tuple[float, ...],
    places: tuple[tuple[ArrayLike, ...], ...],
) -> None:
    """Both hands hang (first share) or rest at one of the places."""
    style = scene.choice(*shares)
    alone = scene.chance(0.25)[:, 0]  # only one hand does so
    for number, (place, elbow) in enumerate(places, 1):
        chosen = style == number
        motion.arm_mode[chosen] = CHEST
        aside = 0.04 * scene.generator.standard_normal((scene.number, 1, 2, 3))
        motion.hands[chosen] = single(place) + aside[chosen]
        motion.elbows[chosen] = elbow
    motion.arm_mode[alone, LEFT] = ANGLES
