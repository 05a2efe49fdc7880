"""Movements of the hands: boxing, clapping, waving, handling small things, also seated."""

import numpy as np

from har.clips.simulate.kinematics import CHEST, LEFT, RIGHT, Motion, X, Y, Z
from har.clips.simulate.scene import Scene, wave


def boxing(motion: Motion, scene: Scene) -> None:
    """Straight punches, hooks now and then, from a guard; shoulders turn with each punch."""
    rate = scene.uniform(0.7, 2.0)  # of one hand
    phase = scene.phase(rate)
    pattern = scene.choice(0.6, 0.25, 0.15)[:, None]  # in turns, both leading, one hand only
    guard = (scene.uniform(0.02, 0.2), scene.uniform(-0.25, 0.06), scene.uniform(0.18, 0.34))
    high = scene.uniform(-0.16, 0.12)
    sharp = scene.uniform(1.0, 3.0)
    hook = np.where(scene.chance(0.2), scene.uniform(0.1, 0.35), 0)
    total = np.zeros_like(phase)
    for side, shift in ((LEFT, 0.0), (RIGHT, 0.5)):
        own = phase + np.where(pattern == 1, 0.28 * shift, shift)
        punch = (0.5 + 0.5 * wave(own)) ** sharp * (1 + 0.08 * scene.wander(1.5))
        punch = np.where((pattern == 2) & (side == RIGHT), 0.05, punch)
        across = scene.normal(-0.02, 0.06)
        bow = 4 * hook * punch * (1 - punch)
        motion.hands[:, :, side, X] = guard[0] + (across - guard[0]) * punch + bow
        motion.hands[:, :, side, Y] = guard[1] + (high - guard[1]) * punch
        motion.hands[:, :, side, Z] = guard[2] + (0.58 - guard[2]) * punch
        total = total + (1 if side == RIGHT else -1) * punch
    motion.arm_mode[:] = CHEST
    motion.elbows[:] = 0.45, -1.0, -0.1
    turn = scene.uniform(0.1, 0.6)
    motion.spine[..., 2] = turn * total
    motion.pelvis[..., 0] = scene.normal(-0.35, 0.35) + 0.4 * turn * total
    motion.head[..., 0] = -motion.pelvis[..., 0] - 0.8 * motion.spine[..., 2]
    motion.spine[..., 0] = scene.normal(0.12, 0.1)
    motion.head[..., 1] = scene.normal(0.1, 0.1)
    stance = scene.uniform(0.0, 0.28)
    motion.feet[..., LEFT, Z] += stance
    motion.feet[..., RIGHT, Z] -= stance
    motion.root[..., Y] = scene.uniform(0.82, 0.95)
    bounce = np.where(scene.chance(0.4), scene.uniform(0.01, 0.05), 0)
    motion.root[..., Y] += bounce * wave(scene.phase(scene.uniform(1.5, 2.5)))
    step = np.where(scene.chance(0.3), scene.uniform(0.05, 0.25), 0.01) * scene.wander(2.0)
    motion.root[..., Z] = step + 0.06 * np.abs(total)
    motion.feet[..., Z] += step[..., None]


def clapping(motion: Motion, scene: Scene) -> None:
    """Hands meet in front of the body, from small quick claps to wide slow ones."""
    width = np.exp(scene.uniform(np.log(0.07), np.log(0.6)))
    rate = 1.15 / np.sqrt(width / 0.15 + 0.2) * np.exp(scene.normal(0.35, 0.3))
    phase = scene.phase(rate.clip(0.5, 4))
    apart = (0.5 - 0.5 * wave(phase)) ** scene.uniform(0.7, 1.3) * (1 + 0.1 * scene.wander(2))
    high, ahead = scene.uniform(-0.34, 0.2), scene.uniform(0.22, 0.54)
    stretched = scene.uniform(0.0, 0.8)
    for side in (LEFT, RIGHT):
        motion.hands[:, :, side, X] = 0.025 + width * apart
        motion.hands[:, :, side, Y] = high + 0.3 * scene.normal(0, 0.3) * width * apart
        motion.hands[:, :, side, Z] = ahead - 0.6 * (1 - stretched) * width * apart
    overhead = scene.chance(0.08)[:, 0]
    motion.hands[overhead, :, :, Y] += 0.62
    motion.hands[overhead, :, :, Z] *= 0.3
    motion.arm_mode[:] = CHEST
    motion.elbows[:, :, 0] = scene.uniform(0.4, 1.2)
    motion.spine[..., 0] = scene.normal(0.05, 0.06)


def waving_both_hands(motion: Motion, scene: Scene) -> None:
    """Both arms, as one another's mirror image."""
    _waving(motion, scene, (LEFT, RIGHT))


def waving_one_hand(motion: Motion, scene: Scene) -> None:
    """One arm waves, the other one hangs or rests."""
    _waving(motion, scene, (RIGHT,))
    rest = scene.chance(0.2)[:, 0]
    motion.arm_mode[rest, LEFT] = CHEST
    motion.hands[rest, :, LEFT] = 0.2, -0.48, 0.08


def _waving(motion: Motion, scene: Scene, sides: tuple[int, ...]) -> None:
    """Whole stretched arms from low to overhead, or forearms that swing above the elbows."""
    phase = scene.phase(scene.uniform(0.45, 1.5))
    quick = scene.phase(scene.uniform(1.0, 3.0))
    whole = scene.chance(0.6 if len(sides) == 2 else 0.25)
    low, high = np.radians(scene.uniform(10, 95)), np.radians(scene.uniform(135, 178))
    part = 0.5 - 0.5 * wave(phase)
    up = np.radians(scene.uniform(40, 150))
    spread = np.radians(scene.uniform(15, 45))
    middle, plane = scene.normal(1.75, 0.25), scene.normal(1.45, 0.2)
    bend = scene.uniform(0.5, 1.7)
    opposite = scene.chance(0.12)
    for side in sides:
        lag = np.where(opposite & (side == RIGHT), 0.5, 0.0)
        forearm = spread * wave(quick + lag)
        raised = low + (high - low) * np.where(opposite & (side == RIGHT), 1 - part, part)
        motion.arms[:, :, side, 0] = np.where(whole, raised, up + 0.15 * forearm)
        motion.arms[:, :, side, 1] = plane
        motion.arms[:, :, side, 2] = np.where(whole, 0.2, middle + 0.6 * forearm)
        bent = scene.uniform(0.05, 0.5)
        motion.arms[:, :, side, 3] = np.where(whole, bent, bend + forearm).clip(0, 2.4)
    motion.spine[..., 1] = 0.03 * wave(phase) + scene.normal(0, 0.03)


def strumming_guitar(motion: Motion, scene: Scene) -> None:
    """The left hand on the neck, the right one up and down over the strings, standing or seated."""
    beat = scene.phase(scene.uniform(1.0, 3.8))
    size = scene.uniform(0.02, 0.1) * (0.7 + 0.3 * scene.wander(1.5))
    motion.hands[:, :, RIGHT, X] = scene.normal(0.05, 0.04) - 0.2 * size * wave(beat)
    motion.hands[:, :, RIGHT, Y] = scene.normal(-0.36, 0.05) + size * wave(beat)
    motion.hands[:, :, RIGHT, Z] = scene.normal(0.2, 0.03)
    along = 0.05 * scene.wander(1.2)
    motion.hands[:, :, LEFT, X] = scene.normal(0.42, 0.07) + along
    motion.hands[:, :, LEFT, Y] = scene.normal(-0.22, 0.08) + 0.3 * along
    motion.hands[:, :, LEFT, Z] = scene.normal(0.26, 0.05)
    motion.arm_mode[:] = CHEST
    motion.elbows[:, LEFT] = 0.3, -1.0, -0.2
    motion.elbows[:, RIGHT] = 0.9, -0.3, -0.5
    motion.head[..., 0] = scene.uniform(0, 0.5) + 0.1 * scene.wander(3)
    motion.head[..., 1] = scene.uniform(-0.05, 0.5)
    motion.spine[..., 0] = scene.normal(0.08, 0.1)
    nod = scene.uniform(0, 0.08) * wave(beat / 2)
    motion.spine[..., 1] = nod
    seat(motion, scene, scene.chance(0.55)[:, 0])


def seat(motion: Motion, scene: Scene, chosen: np.ndarray) -> None:
    """Seat the chosen (N,) instances on a chair, their feet on the ground before it."""
    high = scene.normal(0.47, 0.06)
    motion.root[chosen, :, Y] = high[chosen]
    motion.feet[chosen, :, :, Z] += scene.normal(0.42, 0.08)[chosen][..., None]
    motion.feet[chosen, :, :, X] *= scene.uniform(0.7, 2.2)[chosen][..., None]
    motion.pelvis[chosen, :, 1] += scene.normal(0.0, 0.12)[chosen]
    crossed = chosen & scene.chance(0.15)[:, 0]
    motion.feet[crossed, :, RIGHT, Y] += 0.38
    motion.feet[crossed, :, RIGHT, X] += 0.3
