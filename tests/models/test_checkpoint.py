import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from har.errors import UserError
from har.models import build
from har.models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from har.params import load_params
from har.recognition.recognizer import Recognizer
from har.skeleton import LAYOUTS, define_layout
from tests.tiny import KERAS, PYTORCH, random_clip, tiny_checkpoint

PARAMS = load_params(Path(__file__).parents[2] / "params.yaml")


def checkpoint():
    settings = PARAMS.model.model_copy(update={"width": 8})
    network = build(settings, 2, LAYOUTS["coco17"])
    return Checkpoint(
        network.state_dict(),
        settings,
        PARAMS.preprocess,
        LAYOUTS["coco17"],
        ["one", "zwei ü"],
        1.25,
        "abc",
        {"accuracy": 0.5},
    )


def test_a_checkpoint_carries_a_layout_of_the_users_own(tmp_path):
    joints = [f"joint {n}" for n in range(17)]
    own = define_layout({"name": "own", "joints": joints, "bones": [joints[:2]]}, "own.yaml")
    save_checkpoint(tmp_path / "a.safetensors", replace(checkpoint(), layout=own))
    assert load_checkpoint(tmp_path / "a.safetensors").layout == own


def test_a_checkpoint_carries_everything(tmp_path):
    written = checkpoint()
    save_checkpoint(tmp_path / "a.safetensors", written)
    found = load_checkpoint(tmp_path / "a.safetensors")
    assert replace(found, weights={}) == replace(written, weights={})
    assert found.weights.keys() == written.weights.keys()
    assert all(torch.equal(found.weights[name], written.weights[name]) for name in found.weights)


def test_same_content_same_bytes(tmp_path):
    written = checkpoint()
    save_checkpoint(tmp_path / "a.safetensors", written)
    save_checkpoint(tmp_path / "b.safetensors", written)
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def altered(path, change, written=None):
    """Write a checkpoint whose JSON was changed."""
    written = written or checkpoint()
    save_checkpoint(path, written)
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    about = json.loads(json.loads(content[8 : 8 + size])["__metadata__"]["har"])
    change(about)
    save_file(written.weights, path, {"har": json.dumps(about)})


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda about: about.update(format="har-0"), "not a checkpoint of this project"),
        (lambda about: about.pop("classes"), "incomplete or wrong: 'classes'"),
        (lambda about: about["model"].update(width="wide"), "width.*valid integer"),
        (lambda about: about.update(format="har-1"), "incomplete or wrong: 'lstm'"),
        (lambda about: about["model"].update(lstm="keras"), "write arch: keras_lstm"),
        (lambda about: about["model"].pop("arch"), "arch: this key is missing"),
        (lambda about: about.update(layout="horse"), "unknown layout 'horse'"),
        (lambda about: about.update(classes="ab"), "not a list of names"),
        (lambda about: about.update(temperature=float("nan")), "temperature"),
        (lambda about: about.update(classes=["a", "b", "c"]), "weights do not fit"),
        (lambda about: about["model"].update(width=4096), "weights do not fit"),
        (lambda about: about["model"].update(width=10**6), "width.*less than or equal to 4096"),
    ],
)
def test_a_checkpoint_that_does_not_hold_together_is_refused(tmp_path, change, complaint):
    altered(tmp_path / "a.safetensors", change)
    with pytest.raises(UserError, match=complaint):
        Recognizer.load(tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    ("today", "before", "preprocess"),
    [
        ({"arch": "two_stream"}, {"lstm": "window", "batch_norm": False}, {}),
        ({"arch": "lstm", "dropout": 0.0}, {"lstm": "window", "batch_norm": False}, {}),
        ({"arch": "lstm"}, {"lstm": "window", "batch_norm": True}, {}),
        ({"arch": "keras_lstm"}, {"lstm": "keras", "batch_norm": False}, KERAS),
        ({"arch": "pytorch_lstm"}, {"lstm": "pytorch", "batch_norm": True}, PYTORCH),
        (
            {"arch": "pytorch_lstm", "dropout": 0.0},
            {"lstm": "pytorch", "batch_norm": False, "dropout": 0.3},
            PYTORCH,
        ),
    ],
)
def test_checkpoints_of_format_1_still_load(tmp_path, today, before, preprocess):
    """They say by the keys arch, lstm and batch_norm what arch says by itself now."""
    written = tiny_checkpoint(today, preprocess)

    def as_it_was(about):
        about["format"] = "har-1"
        arch = today["arch"] if today["arch"] == "two_stream" else "lstm"
        windows = about["model"]["windows"] | {"frames": 16}
        about["model"] |= {"arch": arch, "windows": windows} | before

    altered(tmp_path / "old.safetensors", as_it_was, written)
    found = Recognizer.load(tmp_path / "old.safetensors")
    assert found.checkpoint.model == written.model
    clip = random_clip()
    assert np.array_equal(found.predict(clip), Recognizer.of(written).predict(clip))


def test_files_of_2_0_have_no_stem_stride_and_stretch_short_clips(tmp_path):
    windows = PARAMS.model.windows.model_copy(update={"frames": 16, "shortest": 0})
    written = tiny_checkpoint({"arch": "two_stream", "stem_stride": 1, "windows": windows})

    def as_it_was(about):
        del about["model"]["stem_stride"], about["model"]["windows"]["shortest"]

    altered(tmp_path / "old.safetensors", as_it_was, written)
    found = Recognizer.load(tmp_path / "old.safetensors")
    assert found.checkpoint.model == written.model
    clip = random_clip()
    assert np.array_equal(found.predict(clip), Recognizer.of(written).predict(clip))


@pytest.mark.parametrize("content", [b"", b"\x80\x04K\x01.", b"\xff" * 100])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(UserError, match="not a readable checkpoint"):
        load_checkpoint(path)
    with pytest.raises(UserError, match="not found"):
        load_checkpoint(tmp_path / "none.safetensors")


def test_a_truncated_checkpoint_is_refused(tmp_path):
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, checkpoint())
    content = path.read_bytes()
    for tenth in range(10):
        path.write_bytes(content[: len(content) * tenth // 10])
        with pytest.raises(UserError):
            load_checkpoint(path)
