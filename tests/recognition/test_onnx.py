"""ONNX files: the same answers as PyTorch, everything inside, and nothing else accepted."""

import json
import re
from dataclasses import replace
from typing import get_args

import numpy as np
import onnx
import pytest
import torch

from har.errors import UserError
from har.models.checkpoint import settings_text
from har.params import Model
from har.recognition import onnx_model
from tests.tiny import KERAS, PYTORCH, random_clip, tiny

CLIPS = [random_clip(seed, frames=frames) for seed, frames in ((0, 30), (1, 1), (2, 400))]
NETWORKS = {
    **{arch: {"model": {"arch": arch}} for arch in get_args(Model.model_fields["arch"].annotation)},
    "keras_lstm": {"model": {"arch": "keras_lstm"}, "preprocess": KERAS},
    "pytorch_lstm": {"model": {"arch": "pytorch_lstm"}, "preprocess": PYTORCH},
    "three dimensions": {"layout": "ntu25"},
}


@pytest.fixture(scope="module")
def exported():
    """A reference LSTM, which exports fastest, and its ONNX bytes."""
    settings = {"arch": "pytorch_lstm", "layers": 1}
    recognizer = tiny(settings, PYTORCH, classes=["run", "sit", "wave ü"])
    return recognizer, onnx_model.export(recognizer)


def test_the_file_carries_everything_and_answers_the_same(tmp_path, exported):
    recognizer, content = exported
    (tmp_path / "a.onnx").write_bytes(content)
    loaded = onnx_model.load(tmp_path / "a.onnx")
    assert settings_text(loaded.checkpoint) == settings_text(recognizer.checkpoint)
    assert loaded.classes == ["run", "sit", "wave ü"]
    assert onnx_model.largest_difference(recognizer, loaded, CLIPS) < 1e-6
    assert [path.name for path in tmp_path.iterdir()] == ["a.onnx"]


def test_any_number_of_clips_in_plain_onnxruntime(exported):
    recognizer, content = exported
    import onnxruntime

    session = onnxruntime.InferenceSession(content)
    for number in (1, 7):
        windows = torch.rand(number, 1, 24, 17, 3)
        (found,) = session.run(None, {"windows": windows.numpy()})
        with torch.no_grad():
            np.testing.assert_allclose(found, recognizer.model(windows), atol=1e-5)
        np.testing.assert_allclose(np.exp(found).sum(1), 1, atol=1e-5)


def test_exports_are_reproducible_and_name_no_source_file(exported):
    recognizer, content = exported
    assert onnx_model.export(recognizer) == content
    assert not re.search(rb"\.py|site-packages|File \"", content)
    with pytest.raises(UserError, match="ONNX file already"):
        onnx_model.export(onnx_model.load_bytes("a.onnx", content))


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_answers_the_same(name):
    settings = NETWORKS[name]
    recognizer = tiny(**settings)
    loaded = onnx_model.load_bytes("a.onnx", onnx_model.export(recognizer))
    layout = settings.get("layout", "coco17")
    clips = [random_clip(n, frames=f, layout=layout) for n, f in ((0, 30), (1, 1), (2, 400))]
    nobody = random_clip(3, layout=layout)
    nobody.keypoints[:], nobody.scores[:] = 0, 0
    assert onnx_model.largest_difference(recognizer, loaded, [*clips, nobody]) < 1e-5


class Logits(torch.nn.Module):
    """A network as it was before: it returns logits."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, windows):
        return 3 + self.network(windows)  # logits are log-probabilities and any constant


def test_a_file_of_before_that_holds_logits_answers_the_same(exported):
    recognizer, _ = exported
    old = onnx_model.export(replace(recognizer, model=Logits(recognizer.model)))
    loaded = onnx_model.load_bytes("a.onnx", old)
    assert onnx_model.largest_difference(recognizer, loaded, CLIPS) < 1e-6


def changed(content, change):
    model = onnx.load_model_from_string(content)
    change(model)
    return model.SerializeToString()


def settings(model, change):
    about = json.loads(model.metadata_props[0].value)
    change(about)
    model.metadata_props[0].value = json.dumps(about)


def outside(model):
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")


def in_memory(model):
    outside(model)
    model.graph.initializer[0].external_data[0].value = "*/_ORT_MEM_ADDR_/*"


def loop(model):
    body = onnx.helper.make_graph([], "body", [], [])
    model.graph.node.append(onnx.helper.make_node("Loop", ["", ""], ["x"], body=body))


def constant_outside(model):
    tensor = onnx.TensorProto(data_location=onnx.TensorProto.EXTERNAL, data_type=1, dims=[1])
    tensor.external_data.add(key="location", value="/etc/passwd")
    model.graph.node.append(onnx.helper.make_node("Constant", [], ["x"], value=tensor))


def foreign(model):
    model.graph.node[0].domain = "com.example"


HOSTILE = {
    "no metadata": (lambda m: m.ClearField("metadata_props"), "not an ONNX file of this project"),
    "deep json": (lambda m: setattr(m.metadata_props[0], "value", "[" * 10**5), "not a readable"),
    "no json": (lambda m: setattr(m.metadata_props[0], "value", "{"), "not a readable"),
    "classes": (lambda m: settings(m, lambda a: a.update(classes=["a", "b"])), "does not fit"),
    "frames": (lambda m: settings(m, lambda a: a["preprocess"].update(frames=30)), "does not fit"),
    "layout": (lambda m: settings(m, lambda a: a.update(layout="openpose18")), "does not fit"),
    "another file": (outside, "refers to another file"),
    "memory": (in_memory, "refers to another file"),
    "constant": (constant_outside, "refers to another file"),
    "loop": (loop, "a loop or a branch"),
    "operations": (foreign, "not ONNX's own"),
    "functions": (lambda m: m.functions.add(name="f", domain="a"), "more than one graph"),
    "shape": (lambda m: m.graph.initializer[0].dims.append(10**12), "onnxruntime refuses"),
    "no graph": (lambda m: m.graph.ClearField("node"), "onnxruntime refuses"),
    "two inputs": (lambda m: m.graph.input.add().CopyFrom(m.graph.input[0]), "refuses|not fit"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_in_one_line(exported, name):
    change, complaint = HOSTILE[name]
    with pytest.raises(UserError, match=complaint) as refused:
        onnx_model.load_bytes("a.onnx", changed(exported[1], change))
    assert str(refused.value).isprintable()


def test_damaged_files_are_refused_or_answer(tmp_path, exported):
    _, content = exported
    generator = np.random.default_rng(2)
    damaged = [content[: len(content) * part // 20] for part in range(20)]
    for _ in range(60):
        flipped = bytearray(content)
        for place in generator.integers(len(content), size=3):
            flipped[place] ^= 1 << generator.integers(8)
        damaged.append(bytes(flipped))
    for bytes_ in damaged:
        try:
            answer = onnx_model.load_bytes("a.onnx", bytes_).predict(CLIPS[0])
        except UserError as refused:
            assert str(refused).isprintable()
        else:
            assert answer.shape == (3,)
    with pytest.raises(UserError, match="not found"):
        onnx_model.load(tmp_path / "none.onnx")
