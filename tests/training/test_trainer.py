from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score

from har.dataset.sequences import Sequences
from har.errors import UserError
from har.models import build
from har.models.inference import log_probabilities
from har.params import load_params
from har.skeleton import LAYOUTS
from har.training import resuming
from har.training.resuming import fingerprint, load_state, save_state
from har.training.trainer import (
    Trainer,
    _figures,
    count_parameters,
    cross_entropy,
    refit_settings,
)

PARAMS = load_params(Path(__file__).parents[2] / "params.yaml")
COCO = LAYOUTS["coco17"]
MODEL = PARAMS.model.model_copy(
    update={
        "arch": "lstm",
        "width": 8,
        "layers": 1,
        "dropout": 0.0,
        "windows": PARAMS.model.windows.model_copy(update={"frames": 8}),
    }
)
WHOLE = MODEL.windows.model_copy(update={"frames": 0})
KERAS = MODEL.model_copy(update={"arch": "keras_lstm", "windows": WHOLE})
PYTORCH = KERAS.model_copy(update={"arch": "pytorch_lstm"})
TRAIN = PARAMS.train.model_copy(update={"iterations": 0, "epochs": 4, "batch_size": 4})


def made_sequences(number=24, frames=12, seed=0):
    """Two classes: an arm that waves fast, and one that does not move."""
    generator = np.random.default_rng(seed)
    clips = np.zeros((number, 1, frames, 17, 3), np.float32)
    clips[..., :2] = generator.uniform(0, 100, (17, 2))
    clips[..., :2] += generator.normal(0, 1, (number, 1, 1, 17, 2))
    clips[..., 2] = 1
    labels = np.arange(number) % 2
    clips[labels == 1, 0, :, 9, 0] += 20 * np.sin(np.arange(frames))
    subsets = np.where(np.arange(number) < number * 2 // 3, "train", "val")
    settings = {"classes": ["still", "waving"], "layout": "coco17"}
    return Sequences.from_clips(clips, settings, labels=labels, subsets=subsets)


def trainer(settings=TRAIN, model=MODEL, seed=0, **changes):
    sequences = made_sequences()
    settings = settings.model_copy(update=changes)
    return Trainer(sequences.subset("train"), sequences.subset("val"), model, settings, seed)


def fit(settings=TRAIN, model=MODEL, seed=0, **changes):
    one = trainer(settings, model, seed, **changes)
    assert list(one.epochs()) == one.history
    return one.trained(), one.history


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
    val = made_sequences().subset("val")
    found = log_probabilities(model, val, MODEL.windows)
    assert history[-1].val_accuracy == np.mean(found.argmax(1) == val.labels)
    loss = np.mean([-row[label] for row, label in zip(found, val.labels, strict=True)])
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
    val = made_sequences().subset("val")
    found = log_probabilities(model, val, MODEL.windows)
    assert np.mean(found.argmax(1) == val.labels) == history[best].val_accuracy


@pytest.mark.parametrize(
    ("keep", "best"), [("val_loss", 4), ("val_accuracy", 2), ("val_macro_f1", 1)]
)
def test_weights_of_the_best_epoch_are_kept(keep, best, monkeypatch):
    """By figures that are written down beforehand; as good as the best is not better."""
    written = {
        "val_loss": [0.9, 0.5, 0.8, 0.4, 0.6, 0.6, 0.4, 0.3],
        "val_accuracy": [0.1, 0.3, 0.2, 0.3, 0.1, 0.4, 0.4, 0.4],
        "val_macro_f1": [0.6, 0.5, 0.6, 0.4, 0.7, 0.7, 0.7, 0.7],
    }
    one = trainer(epochs=8, keep=keep, patience=3, schedule="constant")
    figures = (dict(zip(written, row, strict=True)) for row in zip(*written.values(), strict=True))
    monkeypatch.setattr(one, "_val_figures", lambda: next(figures))
    after = [weights(one.network) for _ in one.epochs()]
    assert len(after) == best + 3
    assert torch.equal(weights(one.trained()), after[best - 1])
    assert not torch.equal(after[-1], after[best - 1])


@pytest.mark.parametrize(("precision", "half"), [("float32", False), ("bfloat16", True)])
def test_a_step_computes_in_the_precision_of_the_settings(precision, half):
    one, seen = trainer(precision=precision), []
    one.network.register_forward_hook(lambda *_: seen.append(torch.is_autocast_enabled("cpu")))
    one.step()
    assert seen == [half]


def test_without_val_clips_the_last_weights_are_kept():
    train = made_sequences().subset("train")
    settings = TRAIN.model_copy(update={"keep": "val_loss", "patience": 1})
    one = Trainer(train, train.subset("val"), MODEL, settings, 0)
    history = list(one.epochs())
    assert len(history) == 4 and torch.equal(weights(one.trained()), weights(one.network))
    for entry in history:
        figures = entry.val_loss, entry.val_accuracy, entry.val_macro_f1
        assert np.isnan(figures).all() and np.isfinite(entry.train_loss)


def test_the_learning_rate_in_the_history_is_that_of_the_last_batch():
    assert {entry.lr for entry in fit(schedule="constant")[1]} == {TRAIN.lr}
    _, history = fit(schedule="onecycle")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, TRAIN.lr, 16)
    rates = []
    for _ in range(16):  # four epochs of four batches
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    assert [entry.lr for entry in history] == pytest.approx(rates[3::4])


def test_whole_clips_are_taken_as_they_are():
    sequences = made_sequences()
    model, _ = fit(model=KERAS)
    clips = torch.from_numpy(np.stack([sequences.clip(n) for n in range(24)]))
    with torch.no_grad():
        expected = model(clips)
    found = log_probabilities(model, sequences, KERAS.windows)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_probabilities_are_the_geometric_mean_over_windows():
    from har.dataset.windows import test_windows

    sequences = made_sequences()
    model, _ = fit()
    found = np.exp(log_probabilities(model, sequences, MODEL.windows))
    windows = test_windows(
        torch.from_numpy(sequences.x),
        torch.from_numpy(sequences.offsets),
        torch.from_numpy(sequences.lengths),
        MODEL.windows,
    )
    for clip in (0, 7, 23):
        with torch.no_grad():
            each = np.stack([model(window[None])[0].exp() for window in windows[clip]])
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
            "optimizer": "adam",
            "epochs": 1,
            "batch_size": 16,
            "weight_decay": 0.1,
            "schedule": "constant",
            "label_smoothing": 0.0,
        }
    )
    trained, _ = fit(settings, PYTORCH)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build(PYTORCH, 2, COCO)
    train = made_sequences().subset("train")
    clips = torch.from_numpy(np.stack([train.clip(n) for n in range(16)]))
    optimizer = torch.optim.Adam(model.parameters(), settings.lr, weight_decay=0.1)
    torch.nn.functional.nll_loss(model(clips), torch.from_numpy(train.labels)).backward()
    optimizer.step()
    torch.testing.assert_close(weights(trained), weights(model), rtol=0, atol=1e-6)


def test_every_epoch_is_measured_but_of_many_batches_a_fifteenth():
    assert [entry.epoch for entry in fit(epochs=3, batch_size=16)[1]] == [1, 2, 3]
    history = fit(iterations=240, epochs=0)[1]  # 60 epochs of 4
    assert [entry.epoch for entry in history] == list(range(4, 61, 4))


def test_a_loss_that_is_no_number_stops_at_once():
    one = trainer(lr=1e30, epochs=30, batch_size=16)
    with pytest.raises(UserError, match="lower the learning rate"):
        list(one.epochs())
    assert one.epoch < 10


@pytest.mark.parametrize(("size", "batches"), [(16, 1), (7, 3), (5, 3), (4, 4), (20, 1)])
def test_a_last_batch_of_a_single_clip_is_left_out(size, batches):
    assert trainer(batch_size=size, epochs=1).steps == batches  # of 16 clips


def test_nothing_to_train_on_is_told():
    sequences = made_sequences()
    with pytest.raises(UserError, match="no train clips"):
        Trainer(sequences.subset(), sequences, MODEL, TRAIN, 0)


@pytest.mark.parametrize(
    ("settings", "count"),
    [
        ({"arch": "keras_lstm", "width": 32, "layers": 1}, 8_741),
        ({"arch": "keras_lstm", "width": 64, "layers": 2, "dropout": 0.5}, 58_693),
        ({"arch": "pytorch_lstm", "width": 128, "layers": 1}, 84_613),
        ({"arch": "pytorch_lstm", "width": 128, "layers": 1, "dropout": 0.4}, 84_869),
    ],
)
def test_the_references_have_their_number_of_parameters(settings, count):
    model = build(KERAS.model_copy(update=settings), 5, COCO)
    assert count_parameters(model) == count


def test_figures_are_those_of_scikit_learn():
    generator = np.random.default_rng(0)
    for classes in (2, 5, 40):
        labels, guessed = generator.integers(0, classes, (2, 60))
        found = _figures("val", labels, guessed)
        assert found["val_accuracy"] == pytest.approx(accuracy_score(labels, guessed))
        assert found["val_macro_f1"] == pytest.approx(f1_score(labels, guessed, average="macro"))


def test_label_smoothing_is_torchs():
    logits, labels = torch.randn(7, 5, generator=torch.manual_seed(0)), torch.arange(7) % 5
    for smoothing in (0.0, 0.1, 0.5):
        expected = torch.nn.functional.cross_entropy(logits, labels, label_smoothing=smoothing)
        found = cross_entropy(logits.log_softmax(1), labels, smoothing)
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_the_train_loss_is_the_mean_over_clips_and_classifiers(smoothing):
    """All clips in one batch, before the first step: computed once more by hand."""
    model = MODEL.model_copy(update={"arch": "two_stream", "windows": WHOLE})
    one = trainer(model=model, label_smoothing=smoothing, batch_size=16, epochs=1)
    other = trainer(model=model, batch_size=16).network.train()
    for network in (one.network, other):
        for module in network.modules():
            if isinstance(module, torch.nn.modules.dropout._DropoutNd):
                module.p = 0.0
    train = made_sequences().subset("train")
    each = other(torch.from_numpy(np.stack([train.clip(n) for n in range(16)])))
    targets = torch.eye(2)[train.labels] * (1 - smoothing) + smoothing / 2
    (entry,) = one.epochs()
    assert entry.train_loss == pytest.approx(-(each * targets).sum(-1).mean().item(), rel=1e-5)
    guessed = each.mean(0).argmax(1).numpy()
    assert entry.train_accuracy == np.mean(guessed == train.labels)


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
                "schedule": "constant",
                "refit": False,
            },
        ),
    ],
    ids=["dropout and augmentation", "batches", "the best epoch"],
)
def test_a_killed_training_is_resumed_to_the_same_weights(tmp_path, model, changes):
    unbroken, history = fit(model=model, **changes)
    killed = trainer(model=model, **changes)
    for entry in killed.epochs():
        save_state(tmp_path / "state.pt", "key", killed.state_dict())
        if len(killed.history) == 3:
            assert entry == history[2]
            break
    torch.rand(5)  # another process has another global state
    resumed = trainer(model=model, **changes)
    resumed.load_state_dict(load_state(tmp_path / "state.pt", "key"))
    assert [*resumed.history, *resumed.epochs()] == history
    assert torch.equal(weights(resumed.trained()), weights(unbroken))


def test_a_state_of_another_training_or_a_damaged_one_is_not_taken(tmp_path):
    path = tmp_path / "state.pt"
    assert load_state(path, "key") is None
    save_state(path, "key", {"generator": torch.zeros(3)})
    assert load_state(path, "key")["generator"].shape == (3,)
    assert load_state(path, "other") is None
    path.write_bytes(path.read_bytes()[:-50])
    assert load_state(path, "key") is None


def test_the_key_of_a_state_changes_with_settings_and_with_any_file_of_the_library(
    tmp_path, monkeypatch
):
    library = Path(resuming.__file__).parents[1]
    assert library == resuming._LIBRARY
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "module.py").write_text("x = 1")
    monkeypatch.setattr(resuming, "_LIBRARY", tmp_path)
    before = fingerprint(1, {"a": 2})
    assert before == fingerprint(1, {"a": 2}) != fingerprint(1, {"a": 3})
    (tmp_path / "room" / "module.py").write_text("x = 2")
    assert fingerprint(1, {"a": 2}) != before


def test_the_refit_is_shorter_and_moves_all_weights_alike():
    settings = TRAIN.model_copy(update={"iterations": 300, "epochs": 25, "refit_share": 0.33})
    found = refit_settings(settings)
    assert (found.iterations, found.epochs, found.encoder_lr) == (99, 9, 1.0)
    one_epoch = settings.model_copy(update={"iterations": 0, "epochs": 1})
    assert refit_settings(one_epoch).epochs == 1  # never an empty training
