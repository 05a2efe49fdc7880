"""Temperature scaling: confidences that match accuracy.

Apart from har.evaluation.metrics, as the train stages and `predict` need this only.
"""

from collections.abc import Sequence

import numpy as np

LOWEST_LOG_ODDS = -100.0  # keeps the loss finite where a probability is 0
TEMPERATURES = (0.1, 10.0)
# Standard deviation of log temperatures before a val clip is seen (docs/model.md, Probabilities).
PRIOR = 0.3


def fit_temperature(
    labels: np.ndarray, log_probabilities: np.ndarray, groups: Sequence[str] | np.ndarray
) -> float:
    """Fit the temperature to val clips, near 1 where they tell little.

    The network that is shipped has also learnt from val and meets other groups, so few val groups
    must not decide: the logarithm of the temperature has a normal prior around 0, and clips of one
    group count as one observation. The posterior's mode is taken.

    Args:
        labels: (N,) true classes.
        log_probabilities: (N, K); -inf is allowed.
        groups: (N,) group of each clip.

    Returns:
        A temperature within `TEMPERATURES`; above 1 where the model is overconfident.

    Source: Guo et al., On Calibration of Modern Neural Networks, ICML 2017; the prior is our own.
    """
    # Imported here: of all stages that import this module, only the train stages need scipy.
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    found = _finite(log_probabilities)
    rows = np.arange(len(labels))
    number = len(np.unique(groups))

    def loss(log_temperature: float) -> float:
        scaled = log_softmax(found / np.exp(log_temperature), axis=1)
        own = float(-scaled[rows, labels].mean())
        return number * own + (log_temperature / PRIOR) ** 2 / 2

    low, high = np.log(TEMPERATURES)
    best = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(best.x))


def apply_temperature(log_probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities (N, K) of log-probabilities (N, K) at a temperature."""
    weights = np.exp(_finite(log_probabilities) / temperature)
    return weights / weights.sum(axis=1, keepdims=True)


def _finite(log_probabilities: np.ndarray) -> np.ndarray:
    found = np.asarray(log_probabilities, dtype=np.float64)
    return np.maximum(found - found.max(axis=1, keepdims=True), LOWEST_LOG_ODDS)
