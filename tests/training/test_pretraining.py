"""Pre-training on simulated motion, and training that starts from its encoder."""

import hashlib

import numpy as np
import torch

from har.clips.simulate.everyday import CLASSES, draw
from har.models import build
from har.models.encoder import encoder_of, fits
from har.params import Pretraining, load_section, load_yaml
from har.recognition.recognizer import Recognizer
from har.skeleton import LAYOUTS
from har.training.optimizers import make_optimizer
from har.training.pretraining import held, pretrain, simulated_windows
from har.training.trainer import Trainer
from tests.conftest import ROOT
from tests.training.test_trainer import TRAIN, made_sequences

COCO = LAYOUTS["coco17"]
SETTINGS = load_section(ROOT / "pretraining/params.yaml", Pretraining)
SMALL = SETTINGS.model_copy(
    update={
        "iterations": 3,
        "batch_size": 8,
        "model": SETTINGS.model.model_copy(update={"width": 8, "layers": 2}),
    }
)


def test_the_same_seed_gives_the_same_network():
    reports = []
    first = pretrain(SMALL, lambda *figures: reports.append(figures)).state_dict()
    second = pretrain(SMALL).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert [report[0] for report in reports] == [3] and not np.isnan(reports[0][1])


def test_every_batch_is_of_new_windows_of_all_classes():
    windows = simulated_windows(SETTINGS)
    poses, labels = next(windows)
    others, _ = next(windows)
    assert poses.shape == (64, 1, 64, 17, 3) and not torch.equal(poses, others)
    assert labels.min() >= 0 and labels.max() < len(CLASSES) and len(labels.unique()) > 20


def test_short_windows_are_held_at_their_ends():
    windows = torch.arange(16.0)[None, None, :, None, None].expand(300, 1, 16, 17, 3) + 1
    seconds = torch.full((300,), 1.0)
    seconds[0] = 4.0
    x = held(windows, seconds, 4.0, torch.Generator().manual_seed(0))[:, 0, :, 0, 0]
    torch.testing.assert_close(x[0], windows[0, 0, :, 0, 0])
    assert x.min() == 1 and x.max() == 16
    # A quarter of the window moves, at four times the pace, and begins at any time.
    moves = (x[1:].diff(dim=1) > 0).sum(1)
    assert moves.min() >= 3 and moves.max() <= 5
    begins = (x[1:].diff(dim=1) > 0).int().argmax(1)
    assert begins.min() == 0 and begins.max() >= 10


def test_an_encoder_is_all_but_the_classifiers_and_fits_its_own_width_only():
    network = build(SMALL.model, 3, COCO)
    encoder = encoder_of({name: weight.half() for name, weight in network.state_dict().items()})
    assert not any(name.startswith("classifiers") for name in encoder)
    assert len(encoder) == len(network.state_dict()) - 6
    assert encoder["posture.1.weight"].dtype == torch.float32
    wider = SMALL.model.model_copy(update={"width": 16})
    assert fits(encoder, build(SMALL.model, 5, COCO)) and not fits(encoder, build(wider, 5, COCO))
    assert not fits(encoder, build(SMALL.model, 5, LAYOUTS["ntu25"]))


def test_training_starts_from_the_encoder_and_moves_it_less():
    sequences = made_sequences()
    train, none = sequences.subset("train"), sequences.subset()
    torch.manual_seed(5)
    encoder = encoder_of(build(SMALL.model, 3, COCO).state_dict())
    trainer = Trainer(train, none, SMALL.model, TRAIN, 1, start=encoder)
    scratch = Trainer(train, none, SMALL.model, TRAIN, 1)
    for name, weight in trainer.network.state_dict().items():
        if name in encoder:
            torch.testing.assert_close(weight, encoder[name])
        else:  # classifiers are as random as without an encoder
            torch.testing.assert_close(weight, scratch.network.state_dict()[name])


def test_the_encoder_learns_at_a_share_of_the_rate():
    network = build(SMALL.model, 3, COCO)
    encoder = encoder_of(network.state_dict())
    settings = TRAIN.model_copy(update={"optimizer": "adamw", "lr": 0.4, "encoder_lr": 0.25})
    rates = {
        id(weight): group["lr"]
        for group in make_optimizer(network, settings, encoder).param_groups
        for weight in group["params"]
    }
    assert len(rates) == len(list(network.parameters()))
    for name, weight in network.named_parameters():
        assert rates[id(weight)] == (0.4 if name.startswith("classifiers") else 0.1)


def test_the_committed_model_is_the_one_that_the_pipeline_made():
    lock = load_yaml(ROOT / "pretraining/dvc.lock")["stages"]["everyday"]
    made = {out["path"]: out["md5"] for out in lock["outs"]}
    content = (ROOT / "models/everyday.safetensors").read_bytes()
    assert hashlib.md5(content).hexdigest() == made["pretraining/everyday.safetensors"]
    assert len(content) < 3_000_000
    parameters = lock["params"]["pretraining/params.yaml"]
    assert Pretraining.model_validate(parameters) == SETTINGS


def test_the_everyday_model_names_new_simulated_windows():
    drawn = draw(400, np.random.default_rng(7), seconds=(3.0, 5.0))
    network = Recognizer.load(ROOT / "models/everyday.safetensors").model
    with torch.inference_mode():
        found = network(torch.from_numpy(drawn.poses)).argmax(1).numpy()
    assert (found == drawn.labels).mean() > 0.75  # chance is 1 in 42
