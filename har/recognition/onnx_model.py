"""Export of a recogniser to an ONNX file, and recognisers of such files.

The graph maps windows (N, M, T, V, C+1) to log-probabilities (N, K), for any N. Classes, layout,
preprocessing, windows and temperature are JSON under the key `har` of its metadata, as in a
checkpoint.
"""

import contextlib
import logging
import shlex
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from har.clips import Clip
from har.errors import UserError
from har.models.checkpoint import Checkpoint, checkpoint_of_settings, settings_text
from har.recognition.recognizer import Recognizer

_KEY = "har"
_MOST_BYTES = 2**31 - 1  # the format's limit


class OnnxNetwork(nn.Module):
    """A network computed by onnxruntime."""

    def __init__(self, content: bytes) -> None:
        """Prepare the graph in an ONNX file's bytes."""
        super().__init__()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 4
        self.session = onnxruntime.InferenceSession(
            content, options, providers=["CPUExecutionProvider"], enable_fallback=0
        )
        self.input = self.session.get_inputs()[0].name
        self.classes = self.session.get_outputs()[0].shape[-1]

    def forward(self, windows: Tensor) -> Tensor:
        """From windows (N, M, T, V, C+1) to log-probabilities (N, K)."""
        try:
            (found,) = self.session.run(None, {self.input: windows.numpy()})
        except Exception as error:  # onnxruntime has its own exceptions
            raise UserError(f"the ONNX graph fails: {_line(error)}; export it again") from None
        if found.shape != (len(windows), self.classes):
            raise UserError(f"the ONNX graph returns the shape {found.shape}: export it again")
        return torch.from_numpy(found).log_softmax(1)  # files of an earlier version hold logits


def export(recognizer: Recognizer) -> bytes:
    """The network and its settings as the bytes of an ONNX file.

    Raises:
        UserError: the recogniser is an ONNX file already.
    """
    if isinstance(recognizer.model, OnnxNetwork):
        raise UserError("the model is an ONNX file already: give a .safetensors checkpoint")
    example = torch.rand(2, *_seen_shape(recognizer.checkpoint))
    with _quietly():
        program = torch.onnx.export(
            recognizer.model.eval(),
            (example,),
            dynamo=True,
            verbose=False,
            input_names=["windows"],
            output_names=["log_probabilities"],
            dynamic_shapes=({0: torch.export.Dim("clips")},),
        )
    assert program is not None
    model = program.model_proto
    # The exporter records the source of each step, with paths of this machine.
    del model.metadata_props[:]
    for part in (*model.graph.node, *model.graph.value_info, *model.graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""
    del model.graph.metadata_props[:]
    onnx.helper.set_model_props(model, {_KEY: settings_text(recognizer.checkpoint)})
    return model.SerializeToString(deterministic=True)


def load(path: str | Path) -> Recognizer:
    """Read an ONNX file that `export` made.

    Files that refer to other files, hold loops, or use operations other than ONNX's own are
    refused.

    Raises:
        UserError: the file is missing, damaged, unsafe, or not one of this project.
    """
    path = Path(path)
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise UserError(f"{path} is too large for an ONNX file")
        content = path.read_bytes()
    except FileNotFoundError:
        command = f"python -m har export -o {shlex.quote(str(path))}"
        raise UserError(f"{path} not found: `{command}` makes it") from None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from None
    return load_bytes(path, content)


def load_bytes(path: str | Path, content: bytes) -> Recognizer:
    """Make a recogniser of an ONNX file's bytes; see `load`. The path is for messages."""
    try:
        model = onnx.load_model_from_string(content)
    except Exception as error:  # protobuf has its own exceptions
        raise UserError(f"{path} is not a readable ONNX file ({type(error).__name__})") from None
    texts = {prop.key: prop.value for prop in model.metadata_props}
    if _KEY not in texts:
        raise UserError(f"{path} is not an ONNX file of this project: `python -m har export`")
    checkpoint = checkpoint_of_settings(path, texts[_KEY], {})
    _refuse_unsafe(path, model)
    try:
        network = OnnxNetwork(content)
    except Exception as error:  # onnxruntime has its own exceptions
        raise UserError(f"{path} has a graph that onnxruntime refuses: {_line(error)}") from None
    inputs, outputs = network.session.get_inputs(), network.session.get_outputs()
    wanted = [[*_seen_shape(checkpoint)], [len(checkpoint.classes)]]
    found = [part.shape[1:] for part in (*inputs, *outputs)]
    if found != wanted or any(part.type != "tensor(float)" for part in (*inputs, *outputs)):
        raise UserError(f"{path}: its graph does not fit its settings: export it again")
    return Recognizer(checkpoint, network)


def largest_difference(first: Recognizer, second: Recognizer, clips: list[Clip]) -> float:
    """The largest difference of any class probability of any clip."""
    return float(np.abs(first.predict_clips(clips) - second.predict_clips(clips)).max())


def _seen_shape(checkpoint: Checkpoint) -> tuple[int, int, int, int]:
    """Shape (M, T, V, C+1) of a window, or of a whole clip for models without windows."""
    layout, preprocess = checkpoint.layout, checkpoint.preprocess
    frames = checkpoint.model.windows.frames or preprocess.frames
    return preprocess.persons, frames, len(layout.joints), layout.dimensions + 1


def _refuse_unsafe(path: str | Path, model: onnx.ModelProto) -> None:
    tensors = [*model.graph.initializer]
    for sparse in model.graph.sparse_initializer:
        tensors += [sparse.values, sparse.indices]
    for node in model.graph.node:
        if node.domain not in ("", "ai.onnx"):
            raise UserError(f"{path} is refused: it uses operations that are not ONNX's own")
        for attribute in node.attribute:
            tensors += [attribute.t, *attribute.tensors]
            if attribute.HasField("g") or attribute.graphs:
                raise UserError(f"{path} is refused: it holds a loop or a branch")
    if model.functions or model.training_info:
        raise UserError(f"{path} is refused: it holds more than one graph")
    if any(onnx.external_data_helper.uses_external_data(tensor) for tensor in tensors):
        raise UserError(f"{path} is refused: it refers to another file")


def _line(error: Exception) -> str:
    words = " ".join(str(error).split())
    return "".join(letter for letter in words if letter.isprintable())[:200]


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Suppress the exporter's warnings, which concern its internals."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
