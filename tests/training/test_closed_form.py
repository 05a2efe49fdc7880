import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge, RidgeClassifierCV
from sklearn.preprocessing import StandardScaler

from har.errors import UserError
from har.models.inference import log_probabilities
from har.params import load_params
from har.training.closed_form import fit_closed_form, left_out_answers
from har.training.ridge import ALPHAS, fit_ridge
from tests.training.test_trainer import made_sequences

PARAMS = load_params()
MODEL = PARAMS.model.model_copy(
    update={
        "arch": "minirocket",
        "width": 8,
        "windows": PARAMS.model.windows.model_copy(update={"frames": 12}),
    }
)


@pytest.fixture
def rows():
    generator = np.random.default_rng(0)
    labels = np.arange(60) % 3
    features = generator.normal(0, 1, (60, 90)) * generator.uniform(0.1, 5, 90)
    features[:, :6] += 2 * np.eye(3)[labels].repeat(2, 1)
    features[:, 8] = 4.0
    return features, labels


@pytest.mark.parametrize("columns", [90, 20])
def test_single_rows_left_out_are_scikit_learns(rows, columns):
    features, labels = rows[0][:, :columns], rows[1]
    found = fit_ridge(features, labels, 3, np.arange(60))
    scaled = StandardScaler().fit_transform(features)
    theirs = RidgeClassifierCV(ALPHAS, store_cv_results=True).fit(scaled, labels)
    assert found.alpha == pytest.approx(theirs.alpha_)
    scores = features @ found.weights + found.intercepts
    np.testing.assert_allclose(scores, theirs.decision_function(scaled), atol=1e-6)
    truth = np.where(np.eye(3)[labels] > 0, 1, -1)
    best = int(np.flatnonzero(theirs.alpha_ == ALPHAS)[0])
    np.testing.assert_allclose(
        np.square(truth - found.held_out), theirs.cv_results_[..., best], atol=1e-6
    )


def test_groups_left_out_are_those_of_fits_without_them(rows):
    features, labels = rows
    groups = np.arange(60) // 7
    found = fit_ridge(features, labels, 3, groups)
    scaled, truth = StandardScaler().fit_transform(features), np.where(np.eye(3)[labels], 1, -1)
    for group in np.unique(groups):
        own = groups == group
        other = Ridge(found.alpha).fit(scaled[~own], truth[~own])
        np.testing.assert_allclose(found.held_out[own], other.predict(scaled[own]), atol=1e-6)


def test_what_is_learnt_is_found_again_and_the_seed_decides():
    clips = made_sequences()
    train, val = clips.subset("train"), clips.subset("val")
    network, entry = fit_closed_form(train, val, MODEL, PARAMS.train, 1)
    found = log_probabilities(network, val, MODEL.windows)
    np.testing.assert_allclose(np.exp(found).sum(1), 1, rtol=1e-5)
    assert entry.val_accuracy == (found.argmax(1) == val.labels).mean() > 0.8
    assert entry.train_accuracy > 0.8
    assert entry.val_loss == pytest.approx(-found[np.arange(len(val)), val.labels].mean())
    again, _ = fit_closed_form(train, val, MODEL, PARAMS.train, 1)
    assert torch.equal(again.classifier.weight, network.classifier.weight)
    other, none = fit_closed_form(train, clips.subset(), MODEL, PARAMS.train, 2)
    assert not torch.equal(other.classifier.weight, network.classifier.weight)
    assert np.isnan(none.val_loss)


def test_left_out_clips_are_named_without_their_own_label():
    clips = made_sequences()
    answers, features = left_out_answers(clips, MODEL, 1)
    assert len(features) == 24
    assert answers.shape == (24, 2) and (answers.argmax(1) == clips.labels).mean() > 0.8
    clips.labels[4] = 1 - clips.labels[4]
    assert left_out_answers(clips, MODEL, 1)[0][4].argmax() == 1 - clips.labels[4]


def test_one_group_is_refused():
    clips = made_sequences()
    one = clips.take(np.arange(24))
    one.groups[:] = "g"
    with pytest.raises(UserError, match="one group"):
        left_out_answers(one, MODEL, 1)


def test_clips_without_a_person_are_refused():
    clips = made_sequences()
    clips.x[:] = 0
    with pytest.raises(UserError, match="nobody is seen"):
        left_out_answers(clips, MODEL, 1)
