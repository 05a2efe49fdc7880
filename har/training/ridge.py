"""Ridge regression onto classes, solved in closed form, with answers for each group left out."""

from dataclasses import dataclass

import numpy as np

ALPHAS = np.logspace(-3, 5, 17)


@dataclass(frozen=True)
class Ridge:
    """A solution and what it says of groups that it did not learn from.

    Attributes:
        weights: (F, K).
        intercepts: (K,).
        alpha: the penalty, on features of deviation 1.
        held_out: (N, K) scores of each row, learnt from all rows but its group's.
    """

    weights: np.ndarray
    intercepts: np.ndarray
    alpha: float
    held_out: np.ndarray


def fit_ridge(features: np.ndarray, labels: np.ndarray, classes: int, groups: np.ndarray) -> Ridge:
    """Regress +1 for a row's class and -1 for the others on standardised features.

    The penalty is the one of `ALPHAS` with the least squared error on left-out groups. Nothing is
    solved again for them: with y' = H y, a left-out group's error is (I - H_gg)^-1 (y - y')_g, of
    which generalised cross-validation (scikit-learn's RidgeClassifierCV) is the case of groups of
    one row.

    Args:
        features: (N, F).
        labels: (N,) classes.
        classes: K.
        groups: (N,) names of groups.
    """
    x = features.astype(np.float64)
    mean, deviation = x.mean(0), x.std(0)
    deviation[deviation == 0] = 1.0
    x = (x - mean) / deviation
    y = np.where(labels[:, None] == np.arange(classes), 1.0, -1.0)
    number, wide = len(x), x.shape[1] > len(x)
    squares, vectors = np.linalg.eigh(x @ x.T if wide else x.T @ x)
    kept = squares > squares[-1] * number * np.finfo(np.float64).eps
    squares, vectors = squares[kept], vectors[:, kept]
    left = vectors if wide else x @ vectors / np.sqrt(squares)  # x = left sqrt(squares) right
    projected = left.T @ y
    rows = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    best, least = None, np.inf
    for alpha in ALPHAS:
        shrunk = squares / (squares + alpha)
        error = y - y.mean(0) - left @ (shrunk[:, None] * projected)
        held_out = np.empty_like(y)
        for own in rows:
            hat = (left[own] * shrunk) @ left[own].T + 1 / number
            held_out[own] = y[own] - np.linalg.solve(np.eye(len(own)) - hat, error[own])
        loss = np.square(y - held_out).mean()
        if loss < least:
            best, least = (alpha, held_out), loss
    assert best
    alpha, held_out = best
    right = x.T @ left / np.sqrt(squares)
    weights = right @ ((np.sqrt(squares) / (squares + alpha))[:, None] * projected)
    weights /= deviation[:, None]
    return Ridge(weights, y.mean(0) - mean @ weights, alpha, held_out)
