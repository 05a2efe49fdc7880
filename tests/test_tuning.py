import argparse
import itertools
from dataclasses import replace

import numpy as np
import pytest

from benchmarks import tuning
from benchmarks.experiments import recipe, with_overrides
from benchmarks.tuning import GRIDS, Answer, Study, figures, series
from har.params import load_params
from tests.training.test_trainer import made_sequences

PARAMS = load_params()
BUDGET = argparse.Namespace(
    settings=12, folds=3, only_folds=2, tune_batches=7, epochs=5, tune_epochs=3, set_param=[]
)


@pytest.mark.parametrize("name", list(GRIDS))
def test_every_model_has_twelve_valid_settings(name):
    settings = [
        dict(zip(GRIDS[name], values, strict=True))
        for values in itertools.product(*GRIDS[name].values())
    ]
    assert len(settings) == 12
    if name not in tuning.AEON:
        own = () if name == "default" else recipe(name)
        for one in settings:
            overrides = tuple(f"{key}={value}" for key, value in one.items())
            with_overrides(PARAMS, (*own, *overrides))


def test_the_best_settings_on_left_out_groups_are_chosen(monkeypatch):
    """Clips of one group are never on both sides, and trainings are as short as the budget says."""
    groups = np.array([f"person {number // 4}" for number in range(24)])
    clips = replace(made_sequences(), groups=groups)
    asked_of = []

    def by_ours(overrides, params, train, asked, seed):
        assert not set(train.groups) & set(asked.groups)
        assert {"train.iterations=7", "train.epochs=0"} <= set(overrides)
        asked_of.append(len(asked))
        good = "train.lr=0.002" in overrides and "model.width=64" in overrides
        sure = 0.9 if "model.dropout=0.3" in overrides else 0.8
        truth = np.eye(2)[asked.labels if good else 1 - asked.labels]
        return Answer(truth * (2 * sure - 1) + 1 - sure, 1.0, 1.0)

    monkeypatch.setattr(tuning, "by_ours", by_ours)
    done = []

    def row(what, compute):
        done.append(what)
        return compute()

    chosen = Study("lstm", PARAMS, BUDGET).tuned("kth", clips, row)
    assert chosen == {"train.lr": 0.002, "model.width": 64, "model.dropout": 0.3}
    assert len(done) == 12 and len(asked_of) == 24


def test_a_classifier_without_probabilities_has_no_log_loss():
    labels = np.array([0, 1, 1])
    sure = figures(labels, Answer(np.eye(2)[[0, 1, 0]], 1.0, 0.5))
    assert sure["accuracy"] == pytest.approx(2 / 3) and sure["clips_per_second"] == 6
    assert "log_loss" not in sure
    found = figures(labels, Answer(np.array([[0.5, 0.5], [0.2, 0.8], [0.6, 0.4]]), 1.0, 0.5))
    assert found["log_loss"] == pytest.approx(-np.log([0.5, 0.8, 0.4]).mean())


def test_series_are_normalised_joints_and_their_mirror_images():
    clips = made_sequences()
    windows = PARAMS.model.windows.model_copy(update={"frames": 16})
    found = series(clips, windows, True)
    assert found.shape == (48, 34, 16)
    sides = clips.layout.flip
    np.testing.assert_allclose(found[24:, 0::2], -found[:24, 0::2][:, sides], atol=1e-5)
    np.testing.assert_allclose(found[24:, 1::2], found[:24, 1::2][:, sides], atol=1e-5)


def test_litemv_is_tuned_with_fewer_epochs(monkeypatch):
    epochs = []

    def by_aeon(settings, params, train, asked, seed):
        epochs.append(settings["n_epochs"])
        return Answer(np.eye(2)[asked.labels], 1.0, 1.0)

    monkeypatch.setattr(tuning, "by_aeon", by_aeon)
    groups = np.array([f"person {number // 4}" for number in range(24)])
    clips = replace(made_sequences(), groups=groups)
    study = Study("litemv", PARAMS, BUDGET)
    study.left_out({}, clips)
    study.measured({}, clips, clips, 1)
    assert epochs == [3, 3, 5]
