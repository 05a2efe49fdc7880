"""Doubtful labels and near-duplicate clips: the extra `audit`."""

from dataclasses import dataclass

import numpy as np

from har.errors import UserError

# Cleanlab's rule: nearer than this share of the median distance to the nearest clip.
DUPLICATE_SHARE = 0.13


@dataclass(frozen=True)
class Doubt:
    """A clip's label beside the class that the clip looks like.

    Attributes:
        clip: its index.
        label: the class that it is labelled with.
        suggestion: the most probable of the other classes.
        quality: 0 where the label is surely wrong, 1 where it is surely right.
        label_probability: of the label.
        suggestion_probability: of the suggestion.
    """

    clip: int
    label: int
    suggestion: int
    quality: float
    label_probability: float
    suggestion_probability: float


def check_cleanlab() -> None:
    """Make sure that the extra is there.

    Raises:
        UserError: cleanlab is not installed.
    """
    try:
        import cleanlab.rank  # noqa: F401
    except ImportError:
        raise UserError(
            "the label audit needs cleanlab: pip install -r requirements.lock "
            "-r requirements-audit.lock"
        ) from None


def doubts(labels: np.ndarray, probabilities: np.ndarray) -> list[Doubt]:
    """A row for every clip, the most doubtful label first.

    The quality of a label is its normalised margin: its probability minus the suggestion's, brought
    to 0 to 1 (cleanlab; Northcutt, Jiang and Chuang, Confident learning, JAIR 2021).

    Args:
        labels: (N,) classes.
        probabilities: (N, K), at least two classes, of networks that did not learn from the clip.

    Raises:
        UserError: cleanlab is not installed.
    """
    check_cleanlab()
    from cleanlab.rank import get_label_quality_scores

    qualities = get_label_quality_scores(labels, probabilities, method="normalized_margin")
    rows = np.arange(len(labels))
    others = probabilities.copy()
    others[rows, labels] = -1
    suggestions = others.argmax(1)
    return [
        Doubt(
            int(clip),
            int(labels[clip]),
            int(suggestions[clip]),
            float(qualities[clip]),
            float(probabilities[clip, labels[clip]]),
            float(probabilities[clip, suggestions[clip]]),
        )
        for clip in np.argsort(qualities, kind="stable")
    ]


def near_duplicates(features: np.ndarray) -> list[tuple[int, int, float]]:
    """Pairs of clips that are suspiciously alike.

    Args:
        features: (N, F) of each clip.

    Returns:
        Indices of both and their distance over the median distance of a clip to the nearest one,
        nearest first; each clip with its nearest one only.
    """
    from sklearn.neighbors import NearestNeighbors

    if len(features) < 3:
        return []
    distances, neighbours = NearestNeighbors(n_neighbors=2).fit(features).kneighbors()
    nearest, other = distances[:, 0], neighbours[:, 0]
    median = np.median(nearest)
    shares = nearest / median if median > 0 else nearest
    pairs = {
        (min(clip, int(other[clip])), max(clip, int(other[clip]))): float(shares[clip])
        for clip in np.flatnonzero(shares < DUPLICATE_SHARE).tolist()
    }
    return sorted(((*pair, share) for pair, share in pairs.items()), key=lambda row: row[2])
