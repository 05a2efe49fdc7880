import numpy as np

from har.evaluation.conformal import MOST, prediction_sets, val_scores


def test_sets_are_those_of_the_quantile_of_val():
    """A class is in where its score is at most the ceil(0.9 (n + 1))th of n."""
    generator = np.random.default_rng(0)
    probabilities = generator.dirichlet(np.full(4, 0.3), 300)
    labels = np.array([generator.choice(4, p=row) for row in probabilities])
    scores = val_scores(labels[:98], probabilities[:98], 0)
    limit = sorted(1 - probabilities[n, labels[n]] for n in range(98))[90 - 1]
    found = prediction_sets(scores, probabilities[98:], 0.9)
    expected = 1 - probabilities[98:] <= limit + 1e-6
    expected[np.arange(202), probabilities[98:].argmax(1)] = True
    np.testing.assert_array_equal(found, expected)
    assert 0.85 < found[np.arange(202), labels[98:]].mean() < 1
    assert found.sum(1).mean() < 3
    assert prediction_sets(scores, probabilities, 0.999).all()  # too few val clips to leave any out


def test_the_most_probable_class_is_always_in_and_scores_are_few():
    scores = val_scores(np.zeros(2 * MOST, int), np.full((2 * MOST, 2), (0.9, 0.1)), 0)
    assert scores == [0.1] * MOST
    assert prediction_sets(scores, np.array([[0.55, 0.45]]), 0.5).tolist() == [[True, False]]
