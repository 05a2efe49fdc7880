from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score

from har.dataset.sequences import Sequences
from har.errors import UserError
from har.params import load_params
from har.recognition.recognizer import class_probabilities
from har.skeleton import LAYOUTS
from har.training.resuming import fingerprint, load_state, save_state
from har.training.trainer import _figures, count_parameters, train_model

PARAMS = load_params(Path(__file__).parents[2] / "params.yaml")
COCO = LAYOUTS["coco17"]
MODEL = PARAMS.model.model_copy(
    update={
        "arch": "lstm", "width": 8, "layers": 1, "dropout": 0.0,
        "windows": PARAMS.model.windows.model_copy(update={"frames": 8}),
    }
)  # fmt: skip
KERAS = MODEL.model_copy(update={"lstm": "keras"})
TRAIN = PARAMS.train.model_copy(update={"iterations": 0, "epochs": 4, "batch_size": 4})


def made_features(number=24, frames=12, seed=0):
    """Two classes: an arm that waves fast, and one that does not move."""
    generator = np.random.default_rng(seed)
    x = np.zeros((number, frames, 1, 17, 3), np.float32)
    x[..., :2] = generator.uniform(0, 100, (17, 2)) + generator.normal(0, 1, (number, 1, 1, 17, 2))
    x[..., 2] = 1
    labels = np.arange(number) % 2
    wave = 20 * np.sin(np.arange(frames))
    x[labels == 1, :, 0, 9, 0] += wave
    lengths = np.full(number, frames)
    names = np.array([str(n) for n in range(number)])
    subsets = np.where(np.arange(number) < number * 2 // 3, "train", "val")
    return Sequences(
        x.reshape(-1, 1, 17, 3), np.cumsum(lengths) - lengths, lengths, labels, names, names,
        subsets, np.full((number, 2), 100), {"classes": ["still", "waving"]},
    )  # fmt: skip


def fit(settings=TRAIN, model=MODEL, seed=0, state=None, keep_state=None, report=print, **changes):
    features = made_features()
    settings = settings.model_copy(update=changes)
    return train_model(
        features.subset("train"), features.subset("val"), model, settings, COCO, seed,
        report=report, state=state, keep_state=keep_state,
    )  # fmt: skip


def weights(model):
    return torch.cat([value.flatten().float() for value in model.state_dict().values()])


def test_it_learns_what_can_be_learnt():
    model, history = fit(model=MODEL.model_copy(update={"arch": "two_stream"}), epochs=60)
    assert history[-1].val_accuracy == 1
    assert history[0].train_loss > history[-1].train_loss
    assert not model.training


def test_the_same_seed_gives_the_same_weights_and_leaves_global_randomness_alone():
    before = torch.get_rng_state()
    one, other, third = fit()[0], fit()[0], fit(seed=1)[0]
    assert torch.equal(weights(one), weights(other))
    assert not torch.equal(weights(one), weights(third))
    assert torch.equal(before, torch.get_rng_state())


def test_history_has_an_entry_per_epoch_and_the_figures_of_the_last_weights():
    model, history = fit()
    assert [entry.epoch for entry in history] == [1, 2, 3, 4]
    val = made_features().subset("val")
    probabilities = class_probabilities(model, val, MODEL)
    assert history[-1].val_accuracy == np.mean(probabilities.argmax(1) == val.labels)
    loss = np.mean(
        [-np.log(row[label]) for row, label in zip(probabilities, val.labels, strict=True)]
    )
    assert history[-1].val_loss == pytest.approx(loss, rel=1e-5)


@pytest.mark.parametrize(("iterations", "epochs", "last"), [(6, 0, 2), (6, 3, 3), (9, 1, 3)])
def test_iterations_and_epochs_are_both_least_numbers(iterations, epochs, last):
    _, history = fit(epochs=epochs, iterations=iterations)  # 4 batches an epoch
    assert history[-1].epoch == last


@pytest.mark.parametrize("keep", ["val_loss", "val_accuracy", "val_macro_f1"])
def test_the_best_epoch_is_kept_and_patience_stops(keep):
    model, history = fit(epochs=40, lr=0.05, schedule="constant", keep=keep, patience=3)
    figures = [-e.val_loss if keep == "val_loss" else getattr(e, keep) for e in history]
    best = figures.index(max(figures))
    assert len(history) == min(best + 1 + 3, 40)
    val = made_features().subset("val")
    probabilities = class_probabilities(model, val, MODEL)
    assert np.mean(probabilities.argmax(1) == val.labels) == history[best].val_accuracy


def test_whole_clips_are_taken_as_they_are():
    features = made_features()
    model, _ = fit(model=KERAS)
    arrays = torch.from_numpy(np.stack([features.clip(n) for n in range(24)])[..., :2])
    with torch.no_grad():
        expected = model(arrays).softmax(1)
    found = class_probabilities(model, features, KERAS)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_probabilities_are_the_geometric_mean_over_windows():
    from har.dataset.windows import test_windows

    features = made_features()
    model, _ = fit()
    found = class_probabilities(model, features, MODEL)
    windows = test_windows(
        torch.from_numpy(features.x), torch.from_numpy(features.offsets),
        torch.from_numpy(features.lengths), MODEL.windows,
    )  # fmt: skip
    for clip in (0, 7, 23):
        with torch.no_grad():
            each = np.stack([model(window[None])[0].softmax(0) for window in windows[clip]])
        mean = each.prod(axis=0) ** (1 / len(each))
        np.testing.assert_allclose(found[clip], mean / mean.sum(), rtol=1e-4)


def test_every_classifier_of_a_network_learns():
    settings = MODEL.model_copy(update={"arch": "two_stream"})
    start, _ = fit(TRAIN, settings, epochs=1, lr=1e-12)
    end, _ = fit(TRAIN, settings, epochs=1)
    for before, after in zip(start.classifiers, end.classifiers, strict=True):
        assert (before.weight - after.weight).abs().max() > 1e-4


def test_the_adam_of_the_pytorch_reference_decays_every_weight():
    """One step of our loop against torch's own Adam on the same batch."""
    settings = TRAIN.model_copy(
        update={
            "optimizer": "adam", "epochs": 1, "batch_size": 16, "weight_decay": 0.1,
            "schedule": "constant", "label_smoothing": 0.0,
        }
    )  # fmt: skip
    pytorch = MODEL.model_copy(update={"lstm": "pytorch"})
    features = made_features()
    trained, _ = fit(settings, pytorch)

    from har.models import build

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build(pytorch, 2, COCO)
    train = features.subset("train")
    arrays = torch.from_numpy(np.stack([train.clip(n) for n in range(16)])[..., :2])
    optimizer = torch.optim.Adam(model.parameters(), settings.lr, weight_decay=0.1)
    torch.nn.functional.cross_entropy(model(arrays), torch.from_numpy(train.labels)).backward()
    optimizer.step()
    torch.testing.assert_close(weights(trained), weights(model), rtol=0, atol=1e-6)


def test_a_loss_that_is_no_number_stops_at_once():
    with pytest.raises(UserError, match="lower the learning rate"):
        fit(lr=1e30, epochs=30)


def test_nothing_to_train_on_is_told():
    features = made_features()
    with pytest.raises(UserError, match="no clips"):
        train_model(features.subset(), features, MODEL, TRAIN, COCO, 0)


@pytest.mark.parametrize(
    ("settings", "count"),
    [
        ({"lstm": "keras", "width": 32, "layers": 1}, 8_741),
        ({"lstm": "keras", "width": 64, "layers": 2, "dropout": 0.5}, 58_693),
        ({"lstm": "pytorch", "width": 128, "layers": 1}, 84_613),
        ({"lstm": "pytorch", "width": 128, "layers": 1, "batch_norm": True}, 84_869),
    ],
)
def test_the_references_have_their_number_of_parameters(settings, count):
    from har.models import build

    model = build(MODEL.model_copy(update=settings), 5, COCO)
    assert count_parameters(model) == count


def test_figures_are_those_of_scikit_learn():
    generator = np.random.default_rng(0)
    for classes in (2, 5, 40):
        labels, guessed = generator.integers(0, classes, (2, 60))
        found = _figures(labels, guessed)
        assert found["accuracy"] == pytest.approx(accuracy_score(labels, guessed))
        assert found["macro_f1"] == pytest.approx(f1_score(labels, guessed, average="macro"))


class KilledError(Exception):
    pass


@pytest.mark.parametrize(
    ("model", "changes"),
    [
        (MODEL.model_copy(update={"arch": "two_stream", "dropout": 0.4}), {}),
        (MODEL, {"iterations": 70, "epochs": 0}),
        (
            KERAS,
            {
                "optimizer": "keras_adam",
                "keep": "val_loss",
                "patience": 3,
                "epochs": 12,
                "refit": False,
            },
        ),
    ],
    ids=["dropout and augmentation", "batches", "the best epoch"],
)
def test_a_killed_training_goes_on_to_the_same_weights(tmp_path, model, changes):
    unbroken, history = fit(model=model, **changes)
    path = tmp_path / "state.pt"
    seen = []

    def keep(state):
        save_state(path, "key", state)
        if len(state["reached"]["history"]) == 3:
            raise KilledError

    with pytest.raises(KilledError):
        fit(model=model, keep_state=keep, **changes)
    torch.rand(5)  # another process has another global state
    resumed, again = fit(model=model, state=load_state(path, "key"), report=seen.append, **changes)
    assert again == history == seen
    assert torch.equal(weights(resumed), weights(unbroken))


def test_a_state_of_another_training_or_a_damaged_one_is_not_taken(tmp_path):
    path = tmp_path / "state.pt"
    assert load_state(path, "key") is None
    save_state(path, "key", {"generator": torch.zeros(3)})
    assert load_state(path, "key")["generator"].shape == (3,)
    assert load_state(path, "other") is None
    path.write_bytes(path.read_bytes()[:-50])
    assert load_state(path, "key") is None
    assert fingerprint(1, {"a": 2}) == fingerprint(1, {"a": 2}) != fingerprint(1, {"a": 3})
