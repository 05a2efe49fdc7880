"""Metrics against hand counts, brute-force loops and other libraries."""

import itertools
import math
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import binomtest
from sklearn import metrics as sklearn_metrics

from har.evaluation import calibration, metrics
from har.evaluation.calibration import apply_temperature, fit_temperature


def one_hot(predicted, classes, confidence=0.9):
    probabilities = np.full((len(predicted), classes), (1 - confidence) / (classes - 1))
    probabilities[np.arange(len(predicted)), predicted] = confidence
    return probabilities


def from_confusion(table):
    table = np.array(table)
    pairs = [(t, p) for t, p in np.ndindex(*table.shape) for _ in range(table[t, p])]
    return np.array([t for t, _ in pairs]), np.array([p for _, p in pairs])


def made_up(clips=120, classes=4, groups=15, seed=0):
    generator = np.random.default_rng(seed)
    labels = generator.integers(classes, size=clips)
    logits = generator.normal(size=(clips, classes))
    logits[np.arange(clips), labels] += 1
    group = np.array([f"g{number}" for number in generator.integers(groups, size=clips)])
    return labels, apply_temperature(logits, 1.0), group


ENDS = ("low", "high")
# The pytorch reference's published confusion: accuracy 77.17 %, macro-F1 76.61 %.
REFERENCE = [
    [20, 6, 2, 0, 1],
    [1, 18, 0, 1, 2],
    [0, 0, 26, 2, 1],
    [0, 0, 3, 22, 1],
    [0, 0, 9, 0, 12],
]


def test_published_figures_come_out():
    labels, predicted = from_confusion(REFERENCE)
    probabilities = one_hot(predicted, 5)
    result = metrics.evaluate(labels, probabilities, np.arange(127).astype(str), top_k=(1, 3, 5))
    assert result["accuracy"] == 98 / 127
    assert round(100 * result["macro_f1"], 2) == 76.61
    assert [round(100 * result[f"wilson_{end}"], 1) for end in ("low", "high")] == [69.1, 83.6]
    recalls = [20 / 29, 18 / 22, 26 / 29, 22 / 26, 12 / 21]
    assert math.isclose(result["balanced_accuracy"], sum(recalls) / 5)
    assert result["top_1_accuracy"] == result["accuracy"] and "top_5_accuracy" not in result
    assert result["clips"] == result["groups"] == 127
    np.testing.assert_array_equal(metrics.confusion(labels, probabilities), REFERENCE)
    lipstick = metrics.per_class(labels, probabilities, list("abcde"))["b"]
    assert lipstick == pytest.approx(
        {"precision": 18 / 24, "recall": 18 / 22, "f1": 2 * 18 / (24 + 22), "support": 22}
    )


@pytest.mark.parametrize("classes", [2, 5, 30])  # of 30 not all occur
def test_counts_and_intervals_are_scikit_learns_and_scipys(classes):
    labels, probabilities, groups = made_up(40, classes, seed=classes)
    predicted, every = probabilities.argmax(1), range(classes)
    found = metrics.evaluate(labels, probabilities, groups)
    expected = {
        "accuracy": sklearn_metrics.accuracy_score(labels, predicted),
        "balanced_accuracy": sklearn_metrics.recall_score(
            labels, predicted, labels=np.unique(labels), average="macro"
        ),
        "macro_f1": sklearn_metrics.f1_score(labels, predicted, average="macro"),
        "log_loss": sklearn_metrics.log_loss(labels, probabilities, labels=every),
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    table = sklearn_metrics.confusion_matrix(labels, predicted, labels=every)
    np.testing.assert_array_equal(metrics.confusion(labels, probabilities), table)
    rows = metrics.per_class(labels, probabilities, [str(k) for k in every])
    columns = sklearn_metrics.precision_recall_fscore_support(
        labels, predicted, labels=every, zero_division=0
    )
    np.testing.assert_allclose([[*row.values()] for row in rows.values()], np.transpose(columns))

    for correct in (0, 1, 20, 40):
        guessed = np.where(np.arange(40) < correct, labels, (labels + 1) % classes)
        found = metrics.evaluate(labels, one_hot(guessed, classes), groups)
        interval = binomtest(correct, 40).proportion_ci(0.95, method="wilson")
        assert (found["wilson_low"], found["wilson_high"]) == pytest.approx(interval, abs=1e-12)
        found = metrics.compare(labels, one_hot(guessed, classes), probabilities, groups)
        first, second = found["only_baseline"], found["only_improved"]
        p_value = binomtest(second, first + second).pvalue if first + second else 1
        assert found["p_value"] == pytest.approx(p_value)


def test_wilson_of_the_keras_reference():
    for correct, low, high in ((52, 41.9, 61.0), (66, 55.7, 73.9)):
        labels = np.array([0] * 101)
        probabilities = one_hot(np.array([0] * correct + [1] * (101 - correct)), 2)
        result = metrics.evaluate(labels, probabilities, np.arange(101))
        assert round(100 * result["wilson_low"], 1) == low
        assert round(100 * result["wilson_high"], 1) == high
    for clips in range(1, 100):  # rounding must not bring it out of 0..1
        for guess, end in ((0, "wilson_high"), (1, "wilson_low")):
            probabilities = one_hot(np.full(clips, guess), 2)
            result = metrics.evaluate(np.zeros(clips, int), probabilities, ["g"] * clips)
            assert result[end] == pytest.approx(1 - guess) and 0 <= result[end] <= 1


def test_log_loss_and_top_k_against_loops():
    labels, probabilities, groups = made_up()
    result = metrics.evaluate(labels, probabilities, groups, top_k=(2, 3))
    expected = -sum(math.log(p[t]) for t, p in zip(labels, probabilities, strict=True))
    assert math.isclose(result["log_loss"], expected / len(labels))
    for k in (2, 3):
        hits = sum(
            t in sorted(range(4), key=lambda c: -p[c])[:k]
            for t, p in zip(labels, probabilities, strict=True)
        )
        assert math.isclose(result[f"top_{k}_accuracy"], hits / len(labels))


def test_calibration_error_against_pandas_and_by_hand():
    labels, probabilities, _ = made_up(clips=500)
    table = pd.DataFrame(
        {"confidence": probabilities.max(1), "correct": probabilities.argmax(1) == labels}
    )
    bins = table.groupby(pd.cut(table.confidence, np.linspace(0, 1, 11)), observed=True)
    gaps = (bins.correct.mean() - bins.confidence.mean()).abs() * bins.size()
    assert math.isclose(metrics.calibration_error(labels, probabilities), gaps.sum() / 500)
    # Four clips at 0.9, three of them right; two at 0.6, both right: (4 x 0.15 + 2 x 0.4) / 6.
    probabilities = np.array([[0.9, 0.1]] * 4 + [[0.4, 0.6]] * 2)
    rows = metrics.calibration_bins([0, 0, 0, 1, 1, 1], probabilities)
    assert [(row["clips"], row["accuracy"]) for row in rows] == [(2, 1.0), (4, 0.75)]
    assert [(round(row["low"], 9), round(row["high"], 9)) for row in rows] == [
        (0.5, 0.6),
        (0.8, 0.9),
    ]
    error = metrics.calibration_error([0, 0, 0, 1, 1, 1], probabilities)
    assert math.isclose(error, (4 * 0.15 + 2 * 0.4) / 6)


@pytest.mark.parametrize("bins", [5, 10])
def test_calibration_error_over_all_confidences(bins):
    """Twelve classes, so that a guess may be as unsure as 1 in 12, and some are as sure as 1."""
    generator = np.random.default_rng(2)
    sharpness = generator.choice([0.1, 1, 3, 1000], size=(300, 1))
    probabilities = apply_temperature(sharpness * generator.normal(size=(300, 12)), 1)
    confidence = probabilities.max(1)
    # By turns a bin of ten is right and wrong, so that too sure and not sure enough cancel out in
    # a bin of five.
    right = (confidence * 10).astype(int) % 2 == 0
    labels = np.where(right, probabilities.argmax(1), probabilities.argmin(1))
    correct = probabilities.argmax(1) == labels
    expected = 0.0
    for low in np.arange(bins) / bins:
        here = (confidence > low) & (confidence <= low + 1 / bins)
        expected += abs(correct[here].sum() - confidence[here].sum()) / 300
    assert confidence.min() < 0.1 and confidence.max() == 1
    assert metrics.calibration_error(labels, probabilities, bins) == pytest.approx(expected)
    if bins == 10:
        found = metrics.evaluate(labels, probabilities, np.arange(300))
        assert found["calibration_error"] == pytest.approx(expected)


def test_rows_are_set_right_in_double_precision():
    labels, probabilities, groups = made_up()
    single = probabilities.astype(np.float32)
    double = metrics.evaluate(labels, single.astype(np.float64), groups)
    assert metrics.evaluate(labels, single, groups) == double
    off = metrics.evaluate(labels, probabilities * 0.999, groups)
    assert off == pytest.approx(metrics.evaluate(labels, probabilities, groups))


def test_of_equally_likely_classes_the_first_ones_are_guessed():
    generator = np.random.default_rng(0)
    labels, weights = generator.integers(101, size=50), generator.integers(1, 4, (50, 101))
    probabilities = weights / weights.sum(axis=1, keepdims=True)
    hits = [
        label in sorted(range(101), key=lambda k: -row[k])[:40]  # Python's sort is stable
        for label, row in zip(labels, weights, strict=True)
    ]
    found = metrics.evaluate(labels, probabilities, np.arange(50), top_k=(40,))
    assert found["top_40_accuracy"] == np.mean(hits)


def test_a_perfect_model_is_perfect_in_every_resample():
    """Whatever classes are absent: here most, of some resamples nearly all."""
    labels = np.array([0, 3, 3, 7, 9])
    for resamples in range(1, 20):
        found = metrics.evaluate(labels, one_hot(labels, 30), list("abcde"), resamples=resamples)
        assert found["macro_f1_low"] == found["macro_f1_high"] == 1


def test_bootstrap_draws_groups_and_agrees_with_a_plain_loop():
    labels, probabilities, groups = made_up()
    result = metrics.evaluate(labels, probabilities, groups, resamples=4000)
    predicted = probabilities.argmax(axis=1)
    names = np.unique(groups)
    generator = np.random.default_rng(1)
    drawn = []
    for _ in range(1000):
        chosen = [np.flatnonzero(groups == name) for name in generator.choice(names, len(names))]
        index = np.concatenate(chosen)
        drawn.append(
            [
                np.mean(predicted[index] == labels[index]),
                metrics.macro_f1(labels[index], predicted[index]),
            ]
        )
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
    assert [result["accuracy_low"], result["macro_f1_low"]] == pytest.approx(low, abs=0.012)
    assert [result["accuracy_high"], result["macro_f1_high"]] == pytest.approx(high, abs=0.012)
    assert result == metrics.evaluate(labels, probabilities, groups, resamples=4000, seed=0)
    assert result != metrics.evaluate(labels, probabilities, groups, resamples=4000, seed=1)


def test_bootstrap_over_groups_enumerated_exactly():
    """Three groups have 27 equally likely draws: percentiles must be among their accuracies."""
    labels = np.array([0, 0, 1, 1, 1, 2])
    predicted = np.array([0, 1, 1, 3, 1, 1])
    improved = np.array([0, 0, 1, 3, 4, 1])
    groups = np.array(list("aabbbc"))
    every, gained = [], []
    for draw in itertools.product("abc", repeat=3):
        clips = np.concatenate([np.flatnonzero(groups == name) for name in draw])
        first, second = (
            [
                sklearn_metrics.accuracy_score(labels[clips], guesses[clips]),
                sklearn_metrics.f1_score(labels[clips], guesses[clips], average="macro"),
            ]
            for guesses in (predicted, improved)
        )
        every.append(first)
        gained.append(np.subtract(second, first))
    one, other = one_hot(predicted, 6), one_hot(improved, 6)  # class 5 is never met
    for result, values in (
        (metrics.evaluate(labels, one, groups, resamples=20000), every),
        (metrics.compare(labels, one, other, groups, resamples=20000), gained),
    ):
        exact = np.quantile(np.repeat(values, 1000, axis=0), [0.025, 0.975], axis=0)
        found = [[result[f"{name}_{end}"] for name in ("accuracy", "macro_f1")] for end in ENDS]
        np.testing.assert_allclose(found, exact, atol=1e-12)


def test_intervals_widen_when_clips_come_in_groups():
    generator = np.random.default_rng(0)
    right = np.repeat(generator.random(20) < 0.6, 10)  # a whole group is right or wrong
    labels = np.zeros(200, dtype=int)
    probabilities = one_hot(np.where(right, 0, 1), 2)
    of_groups = metrics.evaluate(labels, probabilities, np.repeat(np.arange(20), 10))
    of_clips = metrics.evaluate(labels, probabilities, np.arange(200))
    width = [r["accuracy_high"] - r["accuracy_low"] for r in (of_groups, of_clips)]
    assert width[0] / width[1] == pytest.approx(math.sqrt(10), rel=0.15)


def test_mcnemar_is_the_binomial_of_the_disagreements():
    labels = np.zeros(40, dtype=int)
    baseline = np.array([0] * 20 + [0] * 3 + [1] * 11 + [1] * 6)  # 3 only baseline right
    improved = np.array([0] * 20 + [1] * 3 + [0] * 11 + [1] * 6)  # 11 only improved right
    result = metrics.compare(labels, one_hot(baseline, 2), one_hot(improved, 2), np.arange(40))
    tail = sum(math.comb(14, k) for k in range(4)) / 2**14
    assert math.isclose(result["p_value"], 2 * tail)
    assert (result["only_baseline"], result["only_improved"]) == (3, 11)
    assert math.isclose(result["accuracy"], 8 / 40)


def test_difference_is_paired():
    labels, baseline, groups = made_up()
    improved = baseline.copy()
    wrong = np.flatnonzero(baseline.argmax(1) != labels)[:12]
    improved[wrong] = one_hot(labels[wrong], 4)
    result = metrics.compare(labels, baseline, improved, groups)
    first, second = (metrics.evaluate(labels, p, groups) for p in (baseline, improved))
    assert result == metrics.compare(labels, baseline, improved, groups, seed=0)
    assert result != metrics.compare(labels, baseline, improved, groups, seed=1)
    assert math.isclose(result["accuracy"], second["accuracy"] - first["accuracy"])
    assert math.isclose(result["macro_f1"], second["macro_f1"] - first["macro_f1"])
    # Unpaired, the two intervals overlap; paired, improved is never worse in any drawn sample.
    assert first["accuracy_high"] > second["accuracy_low"]
    assert 0 <= result["accuracy_low"] < result["accuracy"] < result["accuracy_high"]
    back = metrics.compare(labels, improved, baseline, groups)
    assert back["accuracy_low"] == pytest.approx(-result["accuracy_high"])
    assert back["p_value"] == pytest.approx(result["p_value"])


def test_models_that_agree_differ_by_nothing():
    labels, probabilities, groups = made_up()
    result = metrics.compare(labels, probabilities, probabilities, groups)
    assert result["p_value"] == 1.0
    assert result["accuracy_low"] == result["accuracy"] == result["accuracy_high"] == 0


@pytest.mark.parametrize("clips_a_group", [1, 8])
def test_temperature_against_torch(clips_a_group):
    """The mode of a posterior in which a group counts as one observation."""
    labels, probabilities, _ = made_up(clips=400)
    groups = np.arange(400) // clips_a_group
    logits = 3 * np.log(probabilities)  # three times too sure
    temperature = fit_temperature(labels, logits, groups)
    log_t = torch.zeros(1, requires_grad=True, dtype=torch.float64)
    optimiser = torch.optim.LBFGS([log_t], max_iter=100, tolerance_grad=1e-12)

    def step():
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(
            torch.from_numpy(logits) / log_t.exp(), torch.from_numpy(labels)
        )
        loss = 400 / clips_a_group * loss + (log_t / calibration.PRIOR).square().sum() / 2
        loss.backward()
        return loss

    optimiser.step(step)
    assert temperature == pytest.approx(log_t.exp().item(), rel=1e-4)
    assert 1.5 < temperature < 4
    warm = apply_temperature(logits, temperature)
    np.testing.assert_allclose(
        warm, torch.softmax(torch.from_numpy(logits) / temperature, 1), atol=1e-12
    )
    shifted = apply_temperature(np.log(apply_temperature(logits, 1)), temperature)
    np.testing.assert_allclose(warm, shifted, atol=1e-9)  # log-probabilities serve as well
    before = metrics.calibration_error(labels, apply_temperature(logits, 1))
    assert metrics.calibration_error(labels, warm) < before


def test_few_groups_leave_the_temperature_near_1():
    """Four persons who are all named right must not make a network surer of itself by much."""
    labels = np.arange(96) % 6
    logits = np.log(0.7 * np.eye(6)[labels] + 0.05)
    few = fit_temperature(labels, logits, labels % 4)
    many = fit_temperature(labels, logits, np.arange(96))
    assert 0.65 < few < 1 and many < few - 0.2
    assert fit_temperature(labels, logits, np.arange(96)) == many  # names of groups do not matter


def test_a_temperature_that_other_groups_need_not_gain_by_is_not_applied():
    labels, probabilities, _ = made_up(clips=400)
    logits, groups = np.log(probabilities), np.arange(400) // 40
    sure, unsure = 4 * logits, logits / 4
    assert fit_temperature(labels, sure, groups) > 1.5
    by_turns = np.where((groups % 2 == 0)[:, None], 2 * logits, logits / 1.5)
    assert fit_temperature(labels, by_turns, groups) == 1
    assert fit_temperature(labels, unsure, groups) < 0.8
    assert fit_temperature(labels, sure, np.zeros(400)) == 1  # a single group shows nothing


def test_temperature_is_fitted_and_applied_in_double_precision_wherever_the_logits_lie():
    labels, probabilities, groups = made_up(clips=50)
    single = np.log(probabilities).astype(np.float32)
    double = single.astype(np.float64)
    assert fit_temperature(labels, single, groups) == fit_temperature(labels, double, groups)
    halves = apply_temperature(np.array([[1000, 999], [-1000, -1001]]), 0.5)
    sigmoid = 1 / (1 + math.exp(-2))
    np.testing.assert_allclose(halves, [[sigmoid, 1 - sigmoid]] * 2)


def test_temperature_stays_finite():
    """Ten thousand groups overrule the prior, and the bounds hold."""
    labels, groups = np.arange(10_000) % 2, np.arange(10_000)
    logits = np.where(np.eye(2)[labels] > 0, 1.0, -1.0)
    assert fit_temperature(1 - labels, logits, groups) == pytest.approx(10, rel=0.01)
    sure = np.where(logits > 0, 0.0, -np.inf)  # log-probabilities of 1 and 0
    assert fit_temperature(1 - labels, sure, groups) == pytest.approx(10, rel=0.01)
    np.testing.assert_allclose(apply_temperature(sure, 1.0)[:2], np.eye(2), atol=1e-40)


def test_classes_that_are_absent_and_probabilities_of_zero():
    labels = np.array([0, 0, 1, 1])  # class 2 is predicted but absent, class 3 neither
    probabilities = np.eye(4, dtype=np.float32)[[0, 2, 1, 1]]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = metrics.evaluate(labels, probabilities, list("abcd"))
        rows = metrics.per_class(labels, probabilities, list("wxyz"))
    assert all(math.isfinite(value) for value in result.values())
    assert math.isclose(result["macro_f1"], (2 / 3 + 1 + 0) / 3)
    assert math.isclose(result["balanced_accuracy"], (1 / 2 + 1) / 2)
    assert result["macro_f1_low"] <= result["macro_f1"] <= result["macro_f1_high"]
    assert rows["z"] == {"precision": 0, "recall": 0, "f1": 0, "support": 0}
    assert metrics.confusion(labels, probabilities).shape == (4, 4)


def test_one_group_says_nothing_about_others():
    labels, probabilities, _ = made_up(classes=2)
    result = metrics.evaluate(labels, probabilities, ["g"] * 120)
    assert (result["accuracy_low"], result["accuracy_high"]) == (0, 1)
    assert result["wilson_low"] > 0 and "top_3_accuracy" not in result
    difference = metrics.compare(labels, probabilities, probabilities[:, ::-1], ["g"] * 120)
    assert (difference["accuracy_low"], difference["accuracy_high"]) == (-1, 1)
    assert metrics.interval_over_groups(labels == 0, ["g"] * 120) == (0, 1)
    # Of two groups all are drawn, or twice the one or the other.
    correct, groups = np.array([1, 0, 1]), list("aab")
    assert metrics.interval_over_groups(correct, groups) == (0.5, 1)


def test_interval_over_groups_is_that_of_drawn_groups():
    generator = np.random.default_rng(5)
    groups = generator.integers(0, 12, 80).astype(str)
    correct = generator.random(80) < 0.7
    low, high = metrics.interval_over_groups(correct, groups, resamples=4000)
    names = np.unique(groups)
    drawn = []
    for _ in range(4000):
        chosen = generator.choice(names, len(names))
        clips = np.concatenate([np.flatnonzero(groups == name) for name in chosen])
        drawn.append(correct[clips].mean())
    assert np.allclose([low, high], np.quantile(drawn, [0.025, 0.975]), atol=0.015)
    again = metrics.interval_over_groups(correct, groups, resamples=4000, seed=0)
    assert again == (low, high)


def test_interval_over_many_groups_is_the_normal_one():
    correct = np.arange(400) % 2
    interval = metrics.interval_over_groups(correct, np.arange(400), resamples=20_000)
    assert interval == pytest.approx((0.5 - 1.96 * 0.025, 0.5 + 1.96 * 0.025), abs=0.002)
