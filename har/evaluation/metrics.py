"""Metrics of a classifier with their intervals, and the comparison of two.

Clips of one group (cut from the same video, or of the same person) are not independent, so
intervals come from a bootstrap that draws groups, not clips. Wilson's interval assumes independent
clips; it is the one to read where all clips are right or all are wrong, so that a bootstrap has
nothing to vary.

Throughout: labels (N,) int, probabilities (N, K) with rows that sum to 1, groups (N,) str.

The tests compare these with scikit-learn and scipy, which are not used here because their import
takes as long as torch's.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

CONFIDENCE = 0.95
RESAMPLES = 2000
BINS = 10


def evaluate(
    labels: np.ndarray,
    probabilities: np.ndarray,
    groups: Sequence[str] | np.ndarray,
    *,
    top_k: Sequence[int] = (3, 5),
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, float]:
    """Measure one model on held-out clips.

    Args:
        labels: (N,) true classes.
        probabilities: (N, K).
        groups: (N,) group names.
        top_k: numbers of guesses to allow; K or more are left out.
        resamples: bootstrap resamples.
        seed: of the bootstrap.

    Returns:
        Numbers only: `accuracy`, its 95 % interval over groups `accuracy_low`, `accuracy_high`
        and Wilson's `wilson_low`, `wilson_high`; `balanced_accuracy` (mean recall of the classes
        that occur); `macro_f1` (mean over the classes that occur or are predicted) with
        `macro_f1_low`, `macro_f1_high`; `top_3_accuracy`, ...; `log_loss`; `calibration_error`;
        `clips` and `groups`.
    """
    labels = np.asarray(labels)
    probabilities = _normalised(probabilities)
    predicted = probabilities.argmax(axis=1)
    correct = int(np.sum(predicted == labels))
    wilson_low, wilson_high = _wilson(correct, len(labels))
    _, recall, _, support = _by_class(confusion(labels, probabilities))
    weights = _resampled_groups(groups, resamples, seed)
    drawn = _accuracy_and_macro_f1(labels, predicted, groups, probabilities.shape[1], weights)
    accuracy_interval, f1_interval = _percentiles(drawn, bounds=(0.0, 1.0), groups=weights.shape[1])
    order = np.argsort(-probabilities, axis=1, kind="stable")
    return {
        "accuracy": correct / len(labels),
        "accuracy_low": accuracy_interval[0],
        "accuracy_high": accuracy_interval[1],
        "wilson_low": wilson_low,
        "wilson_high": wilson_high,
        "balanced_accuracy": float(recall[support > 0].mean()),
        "macro_f1": macro_f1(labels, predicted),
        "macro_f1_low": f1_interval[0],
        "macro_f1_high": f1_interval[1],
        **{
            f"top_{k}_accuracy": float(np.mean((order[:, :k] == labels[:, None]).any(axis=1)))
            for k in top_k
            if k < probabilities.shape[1]
        },
        "log_loss": _log_loss(labels, probabilities),
        "calibration_error": calibration_error(labels, probabilities),
        "clips": len(labels),
        "groups": weights.shape[1],
    }


def macro_f1(labels: np.ndarray, predicted: np.ndarray) -> float:
    """Mean F1 of the classes that occur or are predicted."""
    concerned = np.bincount(np.concatenate([labels, predicted]))
    right = np.bincount(labels[labels == predicted], minlength=len(concerned))
    return float((2 * right[concerned > 0] / concerned[concerned > 0]).mean())


def per_class(
    labels: np.ndarray, probabilities: np.ndarray, classes: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Precision, recall, F1 and support of each class, by name.

    A class that is never predicted has precision 0, one that does not occur has recall 0.
    """
    precision, recall, f1, support = _by_class(confusion(labels, probabilities))
    return {
        name: {
            "precision": float(precision[k]),
            "recall": float(recall[k]),
            "f1": float(f1[k]),
            "support": int(support[k]),
        }
        for k, name in enumerate(classes)
    }


def confusion(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Clips (K, K) by true class (row) and predicted class (column), all classes present."""
    classes = probabilities.shape[1]
    cells = np.asarray(labels) * classes + np.argmax(probabilities, axis=1)
    return np.bincount(cells, minlength=classes**2).reshape(classes, classes)


def compare(
    labels: np.ndarray,
    baseline: np.ndarray,
    improved: np.ndarray,
    groups: Sequence[str] | np.ndarray,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, float]:
    """Compare two models on the same held-out clips.

    Args:
        labels: (N,) true classes.
        baseline: (N, K) probabilities of one.
        improved: (N, K) probabilities of the other.
        groups: (N,) group names.
        resamples: bootstrap resamples; both models are judged on the same drawn groups.
        seed: of the bootstrap.

    Returns:
        `accuracy` and `macro_f1`, improved minus baseline, with 95 % intervals over groups
        `accuracy_low`, `accuracy_high`, `macro_f1_low`, `macro_f1_high`; `p_value` of McNemar's
        exact test (two-sided, clips taken as independent); `only_baseline` and
        `only_improved`, the clips that it rests on: right by one model only.
    """
    labels = np.asarray(labels)
    first, second = np.argmax(baseline, axis=1), np.argmax(improved, axis=1)
    only_first = int(np.sum((first == labels) & (second != labels)))
    only_second = int(np.sum((first != labels) & (second == labels)))
    weights = _resampled_groups(groups, resamples, seed)
    count = baseline.shape[1]
    drawn = _accuracy_and_macro_f1(labels, second, groups, count, weights)
    drawn -= _accuracy_and_macro_f1(labels, first, groups, count, weights)
    accuracy_interval, f1_interval = _percentiles(
        drawn, bounds=(-1.0, 1.0), groups=weights.shape[1]
    )
    return {
        "accuracy": (only_second - only_first) / len(labels),
        "accuracy_low": accuracy_interval[0],
        "accuracy_high": accuracy_interval[1],
        "p_value": _mcnemar(only_first, only_second),
        "macro_f1": macro_f1(labels, second) - macro_f1(labels, first),
        "macro_f1_low": f1_interval[0],
        "macro_f1_high": f1_interval[1],
        "only_baseline": only_first,
        "only_improved": only_second,
    }


def interval_over_groups(
    correct: np.ndarray,
    groups: Sequence[str] | np.ndarray,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> tuple[float, float]:
    """95 % interval of an accuracy, by a bootstrap over groups.

    Args:
        correct: (N,) whether each clip was right, or how often over several runs.
        groups: (N,) group names.
        resamples: bootstrap resamples.
        seed: of the bootstrap.
    """
    names, group = np.unique(np.asarray(groups), return_inverse=True)
    weights = _resampled_groups(groups, resamples, seed)
    drawn = (weights @ np.bincount(group, correct)) / (weights @ np.bincount(group))
    (interval,) = _percentiles(drawn[None], bounds=(0.0, 1.0), groups=len(names))
    return interval


def calibration_bins(
    labels: np.ndarray, probabilities: np.ndarray, bins: int = BINS
) -> list[dict[str, float]]:
    """Confidence of the predicted class against how often it is right, by bin of confidence.

    Returns:
        For each bin that has clips, in rising order: `low`, `high` (the bin holds confidences
        above low, up to high), `confidence` (mean), `accuracy`, `clips`.
    """
    probabilities = _normalised(probabilities)
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == labels
    edges = np.linspace(0, 1, bins + 1)
    index = np.digitize(confidence, edges, right=True) - 1
    return [
        {
            "low": float(edges[number]),
            "high": float(edges[number + 1]),
            "confidence": float(confidence[index == number].mean()),
            "accuracy": float(correct[index == number].mean()),
            "clips": int(np.sum(index == number)),
        }
        for number in np.unique(index)
    ]


def calibration_error(labels: np.ndarray, probabilities: np.ndarray, bins: int = BINS) -> float:
    """Expected calibration error: mean gap of confidence and accuracy over clips, by bin.

    Source: Guo et al., On Calibration of Modern Neural Networks, ICML 2017.
    """
    rows = calibration_bins(labels, probabilities, bins)
    gaps = sum(row["clips"] * abs(row["accuracy"] - row["confidence"]) for row in rows)
    return float(gaps / len(labels))


def _normalised(probabilities: np.ndarray) -> np.ndarray:
    """Rows in double precision that sum to 1, which float32 rows do only nearly."""
    probabilities = np.asarray(probabilities, dtype=np.float64)
    return probabilities / probabilities.sum(axis=1, keepdims=True)


def _log_loss(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean negative log-probability of the true class, with probabilities of 2e-16 at least."""
    chosen = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(chosen, np.finfo(np.float64).eps)).mean())


def _by_class(table: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Precision, recall, F1 and support (K,) of a confusion table (K, K); 0 where undefined."""
    hits, support, guessed = table.diagonal(), table.sum(axis=1), table.sum(axis=0)

    def ratio(hits: np.ndarray, whole: np.ndarray) -> np.ndarray:
        return np.divide(hits, whole, out=np.zeros(len(table)), where=whole > 0)

    return (
        ratio(hits, guessed),
        ratio(hits, support),
        ratio(2 * hits, support + guessed),
        support,
    )


def _wilson(correct: int, clips: int) -> tuple[float, float]:
    """Wilson's score interval of a share.

    Source: Wilson, Probable inference, the law of succession, and statistical inference, 1927.
    """
    z2, share = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) ** 2, correct / clips
    middle = share + z2 / (2 * clips)
    half = math.sqrt(z2 * (share * (1 - share) + z2 / (4 * clips)) / clips)
    low, high = (middle - half) / (1 + z2 / clips), (middle + half) / (1 + z2 / clips)
    return max(low, 0.0), min(high, 1.0)


def _mcnemar(only_first: int, only_second: int) -> float:
    """Two-sided p-value of the exact binomial test with a fair coin; 1 where the clips are none."""
    throws = only_first + only_second
    tail = sum(math.comb(throws, heads) for heads in range(min(only_first, only_second) + 1))
    return min(1.0, 2 * tail / 2**throws)


def _resampled_groups(groups: Sequence[str] | np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Number of times (resamples, G) that each group is drawn, of G draws with replacement."""
    count = len(np.unique(np.asarray(groups)))
    generator = np.random.default_rng(seed)
    return generator.multinomial(count, np.full(count, 1 / count), size=resamples)


def _accuracy_and_macro_f1(
    labels: np.ndarray,
    predicted: np.ndarray,
    groups: Sequence[str] | np.ndarray,
    classes: int,
    weights: np.ndarray,
) -> np.ndarray:
    """Accuracy and macro-F1 (2, resamples) with groups weighted by `weights` (resamples, G)."""
    _, group = np.unique(np.asarray(groups), return_inverse=True)
    correct = predicted == labels

    def drawn(index: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        """Clips (resamples, K) by class."""
        table = np.zeros((weights.shape[1], classes))
        np.add.at(table, (group[chosen], index[chosen]), 1)
        return weights @ table

    everything = np.ones(len(labels), dtype=bool)
    hits = drawn(labels, correct)
    true, guessed = drawn(labels, everything), drawn(predicted, everything)
    accuracy = hits.sum(axis=1) / true.sum(axis=1)
    concerned = true + guessed  # 0 where a class neither occurs nor is predicted
    f1 = np.divide(2 * hits, concerned, out=np.zeros_like(hits), where=concerned > 0)
    return np.stack([accuracy, f1.sum(axis=1) / (concerned > 0).sum(axis=1)])


def _percentiles(
    drawn: np.ndarray, bounds: tuple[float, float], groups: int
) -> list[tuple[float, float]]:
    """(low, high) of each row of `drawn` (rows, resamples); `bounds` where there is one group."""
    if groups < 2:
        return [bounds] * len(drawn)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail], axis=1)
    return [(float(a), float(b)) for a, b in zip(low, high, strict=True)]
