"""Tools for movements: times, tempos and random numbers of N instances at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from har.clips.simulate.kinematics import Bodies, path


@dataclass(frozen=True)
class Scene:
    """N instances of one movement.

    Attributes:
        generator: source of all randomness.
        bodies: N persons.
        seconds: (N, T) time of each frame.
        span: (N, 1) seconds from the first frame to the last.
    """

    generator: np.random.Generator
    bodies: Bodies
    seconds: np.ndarray
    span: np.ndarray

    @property
    def number(self) -> int:
        """N."""
        return len(self.seconds)

    def uniform(self, low: float, high: float) -> np.ndarray:
        """(N, 1)."""
        return self.generator.uniform(low, high, (self.number, 1)).astype(np.float32)

    def normal(self, mean: float, spread: float) -> np.ndarray:
        """(N, 1), within two and a half spreads of the mean."""
        drawn = np.clip(self.generator.standard_normal((self.number, 1)), -2.5, 2.5)
        return (mean + spread * drawn).astype(np.float32)

    def chance(self, probability: float) -> np.ndarray:
        """(N, 1) of booleans."""
        return self.generator.random((self.number, 1)) < probability

    def choice(self, *shares: float) -> np.ndarray:
        """(N,) integers that number the shares, which add up to 1."""
        return np.searchsorted(np.cumsum(shares)[:-1], self.generator.random(self.number), "right")

    def phase(self, rate: np.ndarray) -> np.ndarray:
        """Cycles done (N, T) at `rate` (N, 1) cycles a second, from anywhere in a cycle."""
        drift = 0.12 * np.sin(self.uniform(0.5, 1.5) * self.seconds + self.uniform(0, 6.3))
        return self.uniform(0, 1) + rate * self.seconds + drift

    def repeated(self, period: np.ndarray, rest: float = 0.3) -> np.ndarray:
        """0 to 1 and back (N, T), every `period` (N, 1) seconds, with pauses at both ends.

        Args:
            period: seconds of a repetition.
            rest: largest share of a repetition spent in pauses.
        """
        done = self.phase(1 / period) % 1
        first, second = rest * self.uniform(0, 0.5), rest * self.uniform(0, 0.5)
        down = (1 - first - second) * self.uniform(0.38, 0.62)
        depth = path(done, (first, first + down, first + down + second, 1.0), (0, 1, 1, 0))
        return depth * (1 + 0.08 * self.wander(3.0))

    def wander(self, waves: float) -> np.ndarray:
        """Smooth noise (N, T) of unit variance with a period of about `waves` seconds."""
        total = np.zeros_like(self.seconds)
        for share in (0.6, 1.0, 1.7):
            pace = 2 * np.pi * share / waves * self.uniform(0.7, 1.3)
            total += np.sin(pace * self.seconds + self.uniform(0, 6.3))
        return total * 0.8165

    def trial(self, before: float, after: float, again: float = 0.12) -> np.ndarray:
        """Seconds (N, T) from a trial's main moment, which lies inside the frames.

        Args:
            before: seconds of the trial before that moment.
            after: seconds after it.
            again: share of the instances that are cut and repeated, as in videos of many trials.
        """
        pace = np.exp(self.normal(0, 0.22))
        room = self.span * pace
        spare = room - before - after
        moment = before + spare * self.uniform(0, 1) + 0.15 * self.normal(0, 1) * (before + after)
        moment = np.clip(moment, 0.25 * room, 0.85 * room)
        now = self.seconds * pace - moment
        every = (before + after) * self.uniform(1.0, 1.6)
        return np.where(self.chance(again), (now + before) % every - before, now)


def cycle(phase: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Values (N, T) of a closed curve, given at equal steps of a cycle, between its points."""
    position = (phase % 1) * len(table)
    before = position.astype(int)
    share = (position - before).astype(np.float32)
    closed = np.append(table, table[:2]).astype(np.float32)
    return (1 - share) * closed[before] + share * closed[before + 1]


def curve(percent: Sequence[float], degrees: Sequence[float]) -> np.ndarray:
    """A closed curve of 100 angles in radians through points of a cycle, of eight harmonics."""
    grid = np.arange(100.0)
    spectrum = np.fft.rfft(np.interp(grid, percent, degrees, period=100))
    spectrum[9:] = 0
    return np.radians(np.fft.irfft(spectrum, 100))


def wave(phase: np.ndarray) -> np.ndarray:
    """1 to -1 and back in a cycle."""
    return np.cos(2 * np.pi * phase)
