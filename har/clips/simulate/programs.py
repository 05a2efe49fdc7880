"""Random motion programs: movements that are none of the catalogue's.

A program is a posture, two other postures visited in turn, and swings of some joints, all drawn at
random. Performances of one program differ in tempo, size, posture and phase, as those of one
action do, so programs can be told apart like actions.
"""

from dataclasses import dataclass, fields

import numpy as np

from har.clips.simulate.kinematics import FREE, GROUNDED, Motion, X, Y, Z, single
from har.clips.simulate.scene import Scene

_TRUNK, _ARMS, _LEGS = slice(0, 5), slice(5, 13), slice(13, 19)
_CHANNELS = 19
# Spread of each angle in radians: spine and head; raised, direction, roll, bend of both arms;
# bend, abduction and knee of both legs.
_SPREAD = single([0.25, 0.2, 0.4, 0.5, 0.3, *[1.0, 0.7, 0.9, 0.8] * 2, *[0.45, 0.2, 0.55] * 2])


@dataclass(frozen=True)
class Programs:
    """P programs; `programs[index]` are some of them.

    Attributes:
        base: (P, 19) angles of the posture.
        keys: (P, 2, 19) what two other postures add.
        swing: (P, 19) amplitudes.
        double: (P, 19) swings a cycle, 1 or 2.
        shift: (P, 19) phase of each swing, in cycles.
        tempo: (P, 1) cycles a second.
        once: (P, 1) whether the postures are visited once instead of again and again.
        height: (P, 1) of the seat or bed, 0 for those who stand.
        bow: (P, 1) of the pelvis: those who lie are bowed backward or forward.
        travel: (P, 2) metres a second to the left and forward.
        hop: (P, 1) metres.
    """

    base: np.ndarray
    keys: np.ndarray
    swing: np.ndarray
    double: np.ndarray
    shift: np.ndarray
    tempo: np.ndarray
    once: np.ndarray
    height: np.ndarray
    bow: np.ndarray
    travel: np.ndarray
    hop: np.ndarray

    def __len__(self) -> int:
        """P."""
        return len(self.base)

    def __getitem__(self, index: np.ndarray) -> "Programs":
        """The programs of an index array or slice."""
        return Programs(*(getattr(self, each.name)[index] for each in fields(self)))


def sample_programs(generator: np.random.Generator, number: int) -> Programs:
    """Draw P programs."""

    def normal(*shape: int) -> np.ndarray:
        return generator.standard_normal((number, *shape)).astype(np.float32)

    def chance(probability: float, *shape: int) -> np.ndarray:
        return generator.random((number, *shape)) < probability

    base = 0.3 * normal(_CHANNELS) * _SPREAD
    anywhere = chance(0.5, 1)
    base[:, _ARMS] = np.where(anywhere, 1.0, 0.25) * normal(8) * _SPREAD[_ARMS]
    for arm in (5, 9):
        base[:, arm] = np.abs(base[:, arm]) * np.where(anywhere[:, 0], 1.4, 0.5)
        base[:, arm + 1] += 0.7
    posture = generator.choice(4, number, p=[0.55, 0.2, 0.13, 0.12])  # stand, sit, lie, crouch
    bent = np.choose(posture, [0.1, 1.5, 0.2, 1.2]).astype(np.float32)
    knee = np.choose(posture, [0.15, 1.5, 0.3, 1.6]).astype(np.float32)
    for leg in (13, 16):
        base[:, leg] += bent
        base[:, leg + 2] = knee + np.abs(base[:, leg + 2])
    lying = np.where(generator.random(number) < 0.6, -1.5, 1.5)
    keys = normal(2, _CHANNELS) * _SPREAD * chance(0.3, 2, _CHANNELS) * chance(0.7, 1, 1)
    swing = normal(_CHANNELS) * _SPREAD * chance(0.3, _CHANNELS) * 0.6
    double = np.where(chance(0.25, _CHANNELS), 2, 1)
    shift = single(generator.random((number, _CHANNELS)))
    # Sides do the same together, the same in turn, or each its own.
    alike = generator.choice(3, number, p=[0.4, 0.35, 0.25])
    for left, right in ((slice(5, 9), slice(9, 13)), (slice(13, 16), slice(16, 19))):
        same = np.flatnonzero(alike < 2)
        for array in (base, swing, double, shift):
            array[same, right] = array[same, left]
        keys[same, :, right] = keys[same, :, left]
        shift[np.flatnonzero(alike == 1), right] += 0.5
    moving = chance(0.3, 1) & (posture == 0)[:, None]
    return Programs(
        base=base,
        keys=single(keys),
        swing=single(swing),
        double=double,
        shift=shift,
        tempo=np.exp(generator.uniform(np.log(0.25), np.log(2.5), (number, 1))).astype(np.float32),
        once=chance(0.3, 1),
        height=np.choose(posture, [0.0, 0.47, 0.3, 0.0])[:, None].astype(np.float32),
        bow=np.where(posture == 2, lying, 0)[:, None].astype(np.float32),
        travel=single(normal(2) * moving * (0.4, 0.9)),
        hop=single(np.abs(normal(1)) * 0.12 * (chance(0.2, 1) & (posture == 0)[:, None])),
    )


def perform(motion: Motion, scene: Scene, programs: Programs) -> None:
    """Each of N instances performs the program of its place in `programs` (N of them)."""
    tempo = programs.tempo * np.exp(scene.normal(0, 0.15))
    cycles = scene.phase(tempo)
    start = -scene.uniform(0, 0.5) * scene.span * tempo
    turn = np.where(programs.once, np.clip(scene.seconds * tempo + start, 0, 0.75), cycles)
    # One posture in the first third of a cycle, another in the last, the first one between.
    visits = [np.maximum(np.sin(2 * np.pi * (turn + shift)), 0) for shift in (0.0, 0.5)]
    size = np.exp(scene.normal(0, 0.2))
    angles = np.empty((*scene.seconds.shape, _CHANNELS), np.float32)
    angles[:] = programs.base[:, None]
    angles += 0.1 * _SPREAD * scene.generator.standard_normal((scene.number, 1, _CHANNELS))
    for visit, key in zip(visits, np.moveaxis(programs.keys, 1, 0), strict=True):
        angles += (size * visit)[..., None] * key[:, None]
    phase = cycles[..., None] * programs.double[:, None] + programs.shift[:, None]
    angles += size[..., None] * programs.swing[:, None] * np.sin(2 * np.pi * phase)
    motion.spine[:], motion.head[..., :2] = angles[..., :3], angles[..., 3:5]
    motion.arms[:] = angles[..., _ARMS].reshape(motion.arms.shape)
    motion.arms[..., 0] = np.clip(motion.arms[..., 0], -0.9, 3.0)
    motion.arms[..., 3] = np.clip(motion.arms[..., 3], 0.05, 2.4)
    legs = angles[..., _LEGS].reshape(*scene.seconds.shape, 2, 3)
    motion.legs[..., :2] = np.clip(legs[..., :2], -0.5, 2.1)
    motion.legs[..., 3] = np.clip(legs[..., 2], 0.03, 2.3)
    hops = programs.hop * np.abs(np.sin(np.pi * cycles))
    motion.root[..., Y] = programs.height + hops
    motion.root[..., X] = programs.travel[:, :1] * scene.seconds
    motion.root[..., Z] = programs.travel[:, 1:] * scene.seconds
    motion.pelvis[..., 1] = programs.bow
    motion.leg_mode[:] = np.where(programs.height[:, 0] > 0, FREE, GROUNDED)


def none(motion: Motion, scene: Scene) -> None:
    """Every instance performs a program of its own."""
    perform(motion, scene, sample_programs(scene.generator, scene.number))
