"""The temperature that makes a model as sure of itself as it is right.

Apart from har.evaluation.metrics, because the train stages and `predict` need no more than this.
"""

import numpy as np

LOWEST_LOG_ODDS = -100.0  # keeps the loss finite where a probability is 0
TEMPERATURES = (0.1, 10.0)  # a few val clips, all right, would ask for a temperature of 0


def fit_temperature(labels: np.ndarray, logits: np.ndarray) -> float:
    """The temperature that makes probabilities fit best: lowest log loss, on val clips.

    Args:
        labels: (N,) true classes.
        logits: (N, K) logits or log-probabilities; -inf is taken.

    Returns:
        A temperature within `TEMPERATURES`; above 1 where the model is too sure of itself.

    Source: Guo et al., On Calibration of Modern Neural Networks, ICML 2017.
    """
    # All stages read this module, the train stages alone need scipy, when they end.
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    logits = _finite(logits)
    rows = np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        scaled = log_softmax(logits / np.exp(log_temperature), axis=1)
        return float(-scaled[rows, labels].mean())

    low, high = np.log(TEMPERATURES)
    best = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(best.x))


def apply_temperature(logits: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities (N, K) of logits or log-probabilities (N, K) at a temperature."""
    weights = np.exp(_finite(logits) / temperature)
    return weights / weights.sum(axis=1, keepdims=True)


def _finite(logits: np.ndarray) -> np.ndarray:
    logits = np.asarray(logits, dtype=np.float64)
    return np.maximum(logits - logits.max(axis=1, keepdims=True), LOWEST_LOG_ODDS)
