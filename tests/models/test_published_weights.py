"""Checkpoints of the pytorch reference, against a forward pass in NumPy and one in plain torch.

The reference's own files are not at hand, so the tests build files of the same form.
"""

import os
import pickle
from collections import OrderedDict

import numpy as np
import pytest
import torch

from har.clips.annotations import read_pickle
from har.errors import UserError
from har.models.checkpoint import load_checkpoint, save_checkpoint
from har.models.published_weights import read_reference
from har.recognition.recognizer import Recognizer
from tests.tiny import random_clip

CLASSES = ["ApplyEyeMakeup", "ApplyLipstick", "Archery", "BabyCrawling", "BalanceBeam"]


def state(improved, width=128, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(*shape, generator=generator) * 0.15

    weights = OrderedDict()
    weights["lstm.weight_ih_l0"] = draw(4 * width, 34)
    weights["lstm.weight_hh_l0"] = draw(4 * width, width)
    weights["lstm.bias_ih_l0"] = draw(4 * width)
    weights["lstm.bias_hh_l0"] = draw(4 * width)
    if improved:
        weights["bn.weight"] = 1 + draw(width)
        weights["bn.bias"] = draw(width)
        weights["bn.running_mean"] = draw(width)
        weights["bn.running_var"] = draw(width).abs() + 0.05
        weights["bn.num_batches_tracked"] = torch.tensor(135)
    weights["fc.weight"] = 3 * draw(5, width)
    weights["fc.bias"] = draw(5)
    return weights


def content(improved=False, **changes):
    return {
        "model_state": state(improved),
        "classes": list("01234"),
        "cfg": {"T": 64, "J": 17, "pelvis_index": 0, "height_pair": (5, 11)},
    } | changes


def file(folder, content):
    torch.save(content, folder / "best.pt")
    return folder / "best.pt"


def arrays(clip):
    """The reference's input (64, 34), written down once more from its description."""
    frames = np.asarray(clip.keypoints[0], np.float32)
    frames = np.stack([frames[t % len(frames)] for t in range(64)])
    frames = frames - frames[:, 0:1]
    height = np.median([np.sqrt(((f[5] - f[11]) ** 2).sum()) for f in frames])
    return (frames / (height if height > 1e-6 else 1)).reshape(64, 34)


def numpy_forward(weights, x):
    w = {name: tensor.double().numpy() for name, tensor in weights.items()}
    width = len(w["lstm.bias_ih_l0"]) // 4
    h = c = np.zeros(width)
    for step in x.astype(np.float64):
        gates = w["lstm.weight_ih_l0"] @ step + w["lstm.bias_ih_l0"]
        gates += w["lstm.weight_hh_l0"] @ h + w["lstm.bias_hh_l0"]
        i, f, g, o = np.split(gates, 4)
        c = c / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
        h = np.tanh(c) / (1 + np.exp(-o))
    if "bn.weight" in w:
        h = (h - w["bn.running_mean"]) / np.sqrt(w["bn.running_var"] + 1e-5)
        h = h * w["bn.weight"] + w["bn.bias"]
    logits = w["fc.weight"] @ h + w["fc.bias"]
    return np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()


class TheirModel(torch.nn.Module):
    def __init__(self, improved):
        super().__init__()
        self.lstm = torch.nn.LSTM(34, 128, batch_first=True)
        self.bn = torch.nn.BatchNorm1d(128) if improved else None
        self.fc = torch.nn.Linear(128, 5)

    def forward(self, x):
        _, (hidden, _) = self.lstm(x)
        hidden = hidden[-1] if self.bn is None else self.bn(hidden[-1])
        return self.fc(hidden).softmax(1)


def genuine_clip(real_data):
    clips = read_pickle(real_data / "ucf101_six_clips.pkl").clips
    return next(clip for clip in clips if clip.id == "v_ApplyEyeMakeup_g01_c01")


@pytest.mark.parametrize("improved", [False, True], ids=["baseline", "improved"])
@pytest.mark.parametrize("which", ["genuine", "long", "short"])
def test_an_imported_checkpoint_answers_as_the_reference_does(request, tmp_path, improved, which):
    if which == "genuine":
        clip = genuine_clip(request.getfixturevalue("real_data"))
    else:
        clip = random_clip(frames=90 if which == "long" else 7)
    checkpoint = read_reference(file(tmp_path, content(improved)))
    save_checkpoint(tmp_path / "reference.safetensors", checkpoint)
    recognizer = Recognizer.load(tmp_path / "reference.safetensors")
    assert recognizer.classes == CLASSES

    found, x = recognizer.predict(clip), arrays(clip)
    np.testing.assert_allclose(found, numpy_forward(state(improved), x), atol=2e-6)
    theirs = TheirModel(improved).eval()
    theirs.load_state_dict(state(improved))
    with torch.no_grad():
        np.testing.assert_allclose(found, theirs(torch.from_numpy(x)[None])[0], atol=1e-6)
    assert found.max() < 0.999, "a saturated answer would hide differences"


def test_class_ids_become_names_unless_told_otherwise(tmp_path):
    assert read_reference(file(tmp_path, content())).classes == CLASSES
    assert read_reference(tmp_path / "best.pt", keep_class_ids=True).classes == list("01234")
    own = ["a", "b", "c", "d", "e"]
    assert read_reference(file(tmp_path, content(classes=own))).classes == own


def with_cfg(**changes):
    return content(cfg=content()["cfg"] | changes)


def with_state(**changes):
    weights = state(True) | {key.replace("__", "."): value for key, value in changes.items()}
    return content(model_state={k: v for k, v in weights.items() if v is not None})


class Attack:
    def __reduce__(self):
        return (os.system, ("echo attacked > attacked",))


REFUSED = {
    "attack": (content(cfg=Attack()), "contains .*system"),
    "list": ([1, 2], "no checkpoint of the pytorch reference"),
    "weights alone": (state(False), "no checkpoint of the pytorch reference"),
    "pelvis": (with_cfg(pelvis_index=11), r"cfg\.pelvis_index is 11"),
    "pair": (with_cfg(height_pair=(6, 12)), r"cfg\.height_pair"),
    "joints": (with_cfg(J=25), r"cfg\.J is 25"),
    "no length": (with_cfg(T=None), r"cfg\.T"),
    "length": (with_cfg(T=10**12), r"cfg\.T"),
    "cfg": (content(cfg=None), "cfg"),
    "few classes": (content(classes=["0", "1"]), "fc.weight"),
    "same classes": (content(classes=["0"] * 5), "different names"),
    "other labels": (content(classes=["0", "1", "2", "3", "101"]), "--keep-class-ids"),
    "escape": (content(classes=["\x1b[2J", "1", "2", "3", "4"]), "different names"),
    "layers": (with_state(lstm__weight_ih_l1=torch.zeros(512, 128)), "lstm.weight_ih_l1"),
    "missing": (with_state(lstm__bias_hh_l0=None), "lstm.bias_hh_l0"),
    "half a norm": (with_state(bn__running_var=None), "bn.running_var"),
    "empty": (with_state(fc__weight=torch.zeros(5, 0)), "fc.weight"),
    "virtual": (with_state(fc__weight=torch.zeros(1).expand(5, 10**6)), "model_state"),
    "repeated": (with_state(fc__bias=torch.zeros(1).expand(5)), "fc.bias"),
    "sparse": (with_state(fc__bias=torch.zeros(5).to_sparse()), "fc.bias"),
    "complex": (with_state(fc__bias=torch.zeros(5, dtype=torch.complex64)), "fc.bias"),
    "state": (content(model_state=[1]), "model_state"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_other_files_are_refused_in_one_line(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    made, complaint = REFUSED[name]
    with pytest.raises(UserError, match=complaint) as refused:
        read_reference(file(tmp_path, made))
    assert str(refused.value).isprintable() and "best.pt" in str(refused.value)
    assert not (tmp_path / "attacked").exists()


def test_plain_pickles_and_damage_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    whole = file(tmp_path, content()).read_bytes()
    cut = [whole[: len(whole) * part // 20] for part in range(20)]
    for damaged in (*cut, pickle.dumps(Attack()), pickle.dumps({"a": 1}), bytes(range(256))):
        (tmp_path / "best.pt").write_bytes(damaged)
        with pytest.raises(UserError) as refused:
            read_reference(tmp_path / "best.pt")
        assert str(refused.value).isprintable()
    assert not (tmp_path / "attacked").exists()
    with pytest.raises(UserError, match="not found"):
        read_reference(tmp_path / "none.pt")
    with pytest.raises(UserError, match="not found"):
        load_checkpoint(tmp_path / "none.safetensors")
