"""Temperature scaling: confidences that match accuracy.

Apart from har.evaluation.metrics, as the train stages and `predict` need this only.
"""

from collections.abc import Sequence

import numpy as np

LOWEST_LOG_ODDS = -100.0  # keeps the loss finite where a probability is 0
TEMPERATURES = (0.1, 10.0)
# Standard deviation of log temperatures before a val clip is seen (docs/model.md, Probabilities).
PRIOR = 0.5
# Standard errors of the mean gain on left-out groups that a temperature has to exceed.
STANDARD_ERRORS = 2.0
_PARTS = 20  # of the groups, each left out in turn


def fit_temperature(
    labels: np.ndarray, log_probabilities: np.ndarray, groups: Sequence[str] | np.ndarray
) -> float:
    """Fit the temperature to val clips; 1 where they do not show that other groups gain by it.

    The network that is shipped has also learnt from val and meets other groups, so few val groups
    must not decide: the logarithm of the temperature has a normal prior around 0, and clips of one
    group count as one observation. The posterior's mode is taken if temperatures fitted without a
    group lower its log loss, in the mean of groups by more than two standard errors.

    Args:
        labels: (N,) true classes.
        log_probabilities: (N, K); -inf is allowed.
        groups: (N,) group of each clip.

    Returns:
        A temperature within `TEMPERATURES`; above 1 where the model is overconfident.

    Source: Guo et al., On Calibration of Modern Neural Networks, ICML 2017; the prior and the test
    are our own.
    """
    found = _finite(log_probabilities)
    names, group = np.unique(groups, return_inverse=True)
    gains = np.zeros(len(names))
    for part in range(min(_PARTS, len(names))):
        out = group % _PARTS == part
        if out.all():
            return 1.0
        temperature = _mode(labels[~out], found[~out], group[~out])
        gain = _losses(labels[out], found[out], 1.0) - _losses(labels[out], found[out], temperature)
        gains += np.bincount(group[out], gain, len(names))
    gains /= np.bincount(group)
    if gains.mean() <= STANDARD_ERRORS * gains.std(ddof=1) / np.sqrt(len(names)):
        return 1.0
    return _mode(labels, found, group)


def apply_temperature(log_probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities (N, K) of log-probabilities (N, K) at a temperature."""
    weights = np.exp(_finite(log_probabilities) / temperature)
    return weights / weights.sum(axis=1, keepdims=True)


def _finite(log_probabilities: np.ndarray) -> np.ndarray:
    found = np.asarray(log_probabilities, dtype=np.float64)
    return np.maximum(found - found.max(axis=1, keepdims=True), LOWEST_LOG_ODDS)


def _mode(labels: np.ndarray, log_probabilities: np.ndarray, group: np.ndarray) -> float:
    """The most probable temperature, given the clips and the prior."""
    # Imported here: of all stages that import this module, only the train stages need scipy.
    from scipy.optimize import minimize_scalar

    number = len(np.unique(group))

    def loss(log_temperature: float) -> float:
        own = float(_losses(labels, log_probabilities, np.exp(log_temperature)).mean())
        return number * own + (log_temperature / PRIOR) ** 2 / 2

    low, high = np.log(TEMPERATURES)
    best = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(best.x))


def _losses(labels: np.ndarray, log_probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Log loss (N,) of each clip at a temperature."""
    from scipy.special import log_softmax

    return -log_softmax(log_probabilities / temperature, axis=1)[np.arange(len(labels)), labels]
