"""Recipes and studies."""

from pathlib import Path

import pytest

from benchmarks.experiments import Experiment, markdown, recipe, spread, with_overrides
from har.errors import UserError
from har.params import load_params

ROOT = Path(__file__).parents[2]
RECIPES = sorted(path.stem for path in (ROOT / "recipes").glob("*.txt"))


@pytest.fixture(autouse=True)
def in_the_project(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize("name", RECIPES)
def test_every_override_of_a_recipe_is_a_valid_setting(name):
    params = load_params()
    changed = with_overrides(params, recipe(name))
    assert changed != params


def test_the_keras_recipe_is_what_the_reference_does():
    params = with_overrides(load_params(), recipe("keras"))
    baseline, improved = params.baseline, params
    assert (baseline.model.width, baseline.model.layers, baseline.model.dropout) == (32, 1, 0)
    assert (improved.model.width, improved.model.layers, improved.model.dropout) == (64, 2, 0.5)
    assert (baseline.train.epochs, baseline.train.keep, baseline.train.patience) == (
        20,
        "val_accuracy",
        3,
    )
    assert (improved.train.epochs, improved.train.keep, improved.train.patience) == (
        50,
        "val_loss",
        5,
    )
    for train in (baseline.train, improved.train):
        assert (train.optimizer, train.lr, train.epsilon) == ("keras_adam", 1e-3, 1e-7)
        assert (train.batch_size, train.label_smoothing, train.schedule) == (32, 0, "constant")
        assert not train.refit
    assert (params.preprocess.frames, params.preprocess.fill) == (300, "zeros")
    assert (params.preprocess.center, params.preprocess.scale) == ("none", "image")


def test_the_pytorch_recipe_is_what_the_reference_does():
    params = with_overrides(load_params(), recipe("pytorch"))
    for model in (params.baseline.model, params.model):
        assert (model.arch, model.width, model.layers) == ("pytorch_lstm", 128, 1)
        assert model.windows.frames == 0
    assert (params.baseline.model.dropout, params.model.dropout) == (0, 0.4)
    for train in (params.baseline.train, params.train):
        assert (train.optimizer, train.lr, train.weight_decay) == ("adam", 1e-3, 1e-4)
        assert (train.batch_size, train.epochs, train.keep) == (64, 15, "val_macro_f1")
        assert (train.patience, train.refit) == (0, False)
    assert params.evaluate.subset == "val"


def test_an_unknown_recipe_lists_those_there_are():
    with pytest.raises(UserError, match=r"recipes are .*keras"):
        recipe("karas")


def test_the_same_overrides_have_the_same_name():
    one = Experiment("a", ("seed=1",))
    assert one.name == Experiment("a", ("seed=1",)).name
    assert one.name != Experiment("a", ("seed=2",)).name


def test_tables():
    assert spread([0.5]) == "0.500"
    assert spread([0.4, 0.6]) == "0.500 ± 0.141"
    assert markdown(["a", "b"], [["x", "1"]]) == "| a | b |\n| --- | ---: |\n| x | 1 |"
