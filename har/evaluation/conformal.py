"""Prediction sets that hold the true class as often as promised."""

import warnings

import numpy as np

MOST = 1000  # val scores that a checkpoint keeps


def val_scores(labels: np.ndarray, probabilities: np.ndarray, seed: int) -> list[float]:
    """1 - probability of the true class of val clips, in order, at most `MOST` drawn at random."""
    found = 1 - probabilities[np.arange(len(labels)), labels]
    if len(found) > MOST:
        found = np.random.default_rng(seed).choice(found, MOST, replace=False)
    return [round(float(score), 6) for score in np.sort(found)]


def prediction_sets(scores: list[float], probabilities: np.ndarray, coverage: float) -> np.ndarray:
    """Which classes (N, K) each clip may be of; always the most probable one.

    A set holds the true class in at least `coverage` of all cases where clips are like those of
    val; clips of one group are alike, so few val groups promise little about new ones.

    Args:
        scores: `val_scores`.
        probabilities: (N, K).
        coverage: the share that is promised, 0 to 1.

    Source: Vovk et al., Algorithmic learning in a random world, 2005; computed by crepes.
    """
    with warnings.catch_warnings():  # it changes what warnings are shown
        from crepes import ConformalClassifier
    fitted = ConformalClassifier().fit(np.array(scores))
    found = fitted.predict_set(1 - probabilities, confidence=coverage, smoothing=False) > 0
    found[np.arange(len(found)), probabilities.argmax(axis=1)] = True
    return found
