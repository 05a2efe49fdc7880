"""Random curves over time: smooth wandering, steps, and switches."""

import numpy as np

FPS = 25.0


def wander(
    generator: np.random.Generator, frames: int, seconds: float, width: int = 1
) -> np.ndarray:
    """Smooth noise (frames, width) of unit variance that forgets itself in about `seconds`."""
    count = frames + int(4 * seconds * FPS)  # the surplus keeps the two ends from being alike
    spectrum = np.fft.rfft(generator.standard_normal((count, width)), axis=0)
    frequency = np.fft.rfftfreq(count, 1 / FPS)[:, None]
    gain = np.exp(-0.5 * (2 * np.pi * frequency * seconds / 2) ** 2)
    weight = np.full_like(gain, 2.0)
    weight[0] = 1.0
    gain /= np.sqrt((weight * gain**2).sum() / count)
    return np.fft.irfft(spectrum * gain, count, axis=0)[:frames]


def smooth(values: np.ndarray, seconds: float) -> np.ndarray:
    """Moving average of (T, D) with a Hann window, so that a step takes about `seconds`."""
    size = max(1, int(seconds * FPS)) | 1
    kernel = np.hanning(size + 2)[1:-1]
    kernel /= kernel.sum()
    padded = np.pad(values, ((size // 2, size // 2), (0, 0)), mode="edge")
    return np.stack([np.convolve(column, kernel, "valid") for column in padded.T], axis=-1)


def held(changes: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Values (T, ...) that stay as they were at the last change (T, ...) before them."""
    time = np.arange(len(changes)).reshape(-1, *[1] * (changes.ndim - 1))
    last = np.maximum.accumulate(np.where(changes, time, 0), axis=0)
    return np.take_along_axis(values, last, axis=0)


def bursts(generator: np.random.Generator, frames: int, on: float, off: float) -> np.ndarray:
    """On and off spells (frames,) as booleans with mean lengths `on` and `off` in seconds."""
    start = generator.random() < on / (on + off)
    count = 4 + int(2 * frames / FPS / (on + off))
    lengths = generator.exponential(1.0, 2 * count) + 0.2
    lengths[0::2] *= on if start else off
    lengths[1::2] *= off if start else on
    ends = np.cumsum(np.maximum(1, lengths * FPS))
    spell = np.searchsorted(ends, np.arange(frames), side="right")
    return (spell % 2 == 0) == start
