"""TensorFlow.js graph models as ONNX.

A package registry has MoveNet only in this form: a JSON file of TensorFlow nodes and a file of
weights. Only the operations that MoveNet uses are translated. A graph is NHWC and ONNX's
convolutions are NCHW, so each one is put between two transpositions; the runtime removes adjacent
pairs of them.
"""

import base64
import itertools
import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

_OPSET = 18
_END = 2**31 - 1  # beyond the end of any axis
_TYPES = {"DT_FLOAT": TensorProto.FLOAT, "DT_INT32": TensorProto.INT32, "DT_BOOL": TensorProto.BOOL}
_RENAMED = {
    "Abs": "Abs",
    "AddV2": "Add",
    "AddN": "Sum",
    "Equal": "Equal",
    "Exp": "Exp",
    "FloorDiv": "Div",
    "Greater": "Greater",
    "GreaterEqual": "GreaterOrEqual",
    "Identity": "Identity",
    "Less": "Less",
    "LogicalAnd": "And",
    "Maximum": "Max",
    "Minimum": "Min",
    "Mul": "Mul",
    "Range": "Range",
    "RealDiv": "Div",
    "Reciprocal": "Reciprocal",
    "Select": "Where",
    "Sigmoid": "Sigmoid",
    "Sqrt": "Sqrt",
    "Sub": "Sub",
}
_CONVOLUTIONS = (
    "Conv2D",
    "_FusedConv2D",
    "DepthwiseConv2dNative",
    "FusedDepthwiseConv2dNative",
)


def to_onnx(model: bytes, weights: bytes) -> onnx.ModelProto:
    """Convert a graph model whose results are floats; its input keeps its shape and type.

    Args:
        model: the JSON file.
        weights: the file that its manifest names, of 16-bit floats and 32-bit integers. Floats
            stay 16 bits wide in the ONNX file.

    Raises:
        ValueError: the graph has an operation that is not translated.
    """
    content = json.loads(model)
    return _Converter(_arrays(content, weights)).convert(content["modelTopology"]["node"])


def _arrays(content: dict[str, Any], weights: bytes) -> dict[str, np.ndarray]:
    """The named arrays of a weight file, in the order of its manifest."""
    found, start = {}, 0
    for group in content["weightsManifest"]:
        for entry in group["weights"]:
            dtype = np.dtype(entry.get("quantization", entry)["dtype"]).newbyteorder("<")
            count = math.prod(entry["shape"])
            array = np.frombuffer(weights, dtype, count, start)
            found[entry["name"]] = array.reshape(entry["shape"])
            start += count * dtype.itemsize
    return found


def _value(attribute: dict[str, Any]) -> Any:
    """A TensorFlow attribute as a Python value."""
    ((kind, value),) = attribute.items()
    if kind == "list":
        return [_value({k: item}) for k, items in value.items() for item in items]
    if kind == "i":
        return int(value)
    return base64.b64decode(value).decode() if kind == "s" else value


class _Converter:
    """Collects ONNX nodes; values have names."""

    def __init__(self, arrays: dict[str, np.ndarray]) -> None:
        self.arrays = arrays
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: dict[str, onnx.TensorProto] = {}
        self.names = (f"value{number}" for number in itertools.count())

    def convert(self, graph: list[dict[str, Any]]) -> onnx.ModelProto:
        # An input that begins with ^ is a control dependency.
        graph = [
            node | {"input": [text for text in node.get("input", []) if text[0] != "^"]}
            for node in graph
        ]
        by_name = {node["name"]: node for node in graph}
        results: dict[str, list[str]] = {}
        inputs = []
        for node in _in_order(graph):
            name, kind = node["name"], node["op"]
            attributes = {key: _value(value) for key, value in node.get("attr", {}).items()}
            if kind == "Const":
                continue
            if kind == "Placeholder":
                sides = [int(side["size"]) for side in attributes["shape"]["dim"]]
                shape = [side if side > 0 else f"side{n}" for n, side in enumerate(sides)]
                inputs.append(
                    helper.make_tensor_value_info(name, _TYPES[attributes["dtype"]], shape)
                )
                results[name] = [name]
                continue
            # A convolution stores its weights in ONNX's order itself.
            direct = node["input"][:1] if kind in _CONVOLUTIONS else node["input"]
            arguments = []
            for text in direct:
                source, _, number = text.partition(":")
                constant = by_name[source]["op"] == "Const"
                arguments.append(
                    self.constant(self.arrays[source], source)
                    if constant
                    else results[source][int(number or 0)]
                )
            constants = [self.arrays.get(text.partition(":")[0]) for text in node["input"]]
            results[name] = self.translate(kind, arguments, constants, attributes)
        used = {text.partition(":")[0] for node in graph for text in node["input"]}
        outputs = [
            helper.make_tensor_value_info(found[0], TensorProto.FLOAT, None)
            for name, found in results.items()
            if name not in used
        ]
        read = {name for node in self.nodes for name in node.input}
        stored = [self.initializers[name] for name in self.initializers if name in read]
        return helper.make_model(
            helper.make_graph(self.nodes, "model", inputs, outputs, stored),
            opset_imports=[helper.make_opsetid("", _OPSET)],
            ir_version=8,
        )

    def node(self, kind: str, *inputs: str, outputs: int = 1, **attributes: Any) -> list[str]:
        names = [next(self.names) for _ in range(outputs)]
        self.nodes.append(helper.make_node(kind, inputs, names, **attributes))
        return names

    def one(self, kind: str, *inputs: str, **attributes: Any) -> str:
        return self.node(kind, *inputs, **attributes)[0]

    def constant(self, array: np.ndarray, name: str = "") -> str:
        """An array as a value of the graph; 16-bit floats are widened when the model is loaded."""
        name = name or next(self.names)
        if name not in self.initializers:
            self.initializers[name] = numpy_helper.from_array(np.array(array, order="C"), name)
            if array.dtype == np.float16:
                self.nodes.append(
                    helper.make_node("Cast", [name], [f"{name}/wide"], to=TensorProto.FLOAT)
                )
        return f"{name}/wide" if array.dtype == np.float16 else name

    def integers(self, values: Any) -> str:
        return self.constant(np.atleast_1d(np.array(values, np.int64)))

    def wide(self, name: str) -> str:
        return self.one("Cast", name, to=TensorProto.INT64)

    def narrow(self, name: str) -> str:
        return self.one("Cast", name, to=TensorProto.INT32)

    def translate(
        self,
        kind: str,
        inputs: list[str],
        constants: list[np.ndarray | None],
        attributes: dict[str, Any],
    ) -> list[str]:
        """One TensorFlow operation.

        Args:
            kind: its name.
            inputs: names of its inputs' values; of a convolution only the first.
            constants: the arrays of those inputs that are constant.
            attributes: as Python values.

        Returns:
            The names of its results.
        """
        if kind in _RENAMED:
            return self.node(_RENAMED[kind], *inputs)
        if kind in _CONVOLUTIONS:
            return [self.convolution(inputs[0], constants, attributes, "Depthwise" in kind)]
        match kind:
            case "Cast":
                return self.node("Cast", inputs[0], to=_TYPES[attributes["DstT"]])
            case "Shape" | "Size":
                return [self.narrow(self.one(kind, inputs[0]))]
            case "Reshape" | "Tile":
                return self.node(kind, inputs[0], self.wide(inputs[1]))
            case "Fill":
                return self.node("Expand", inputs[1], self.wide(inputs[0]))
            case "GatherNd":
                return self.node("GatherND", inputs[0], self.wide(inputs[1]))
            case "ExpandDims":
                return self.node("Unsqueeze", inputs[0], self.integers(constants[1]))
            case "Squeeze":
                return self.node("Squeeze", inputs[0], self.integers(attributes["squeeze_dims"]))
            case "ConcatV2":
                return self.node("Concat", *inputs[:-1], axis=_number(constants[-1]))
            case "Pack":
                axis = attributes["axis"]
                parts = [self.one("Unsqueeze", name, self.integers(axis)) for name in inputs]
                return self.node("Concat", *parts, axis=axis)
            case "Unpack":
                axis = attributes["axis"]
                parts = self.split(inputs[0], axis, attributes["num"])
                return [self.one("Squeeze", part, self.integers(axis)) for part in parts]
            case "Split":
                return self.split(inputs[1], _number(constants[0]), attributes["num_split"])
            case "ArgMax":
                axis = _number(constants[1])
                return [self.narrow(self.one("ArgMax", inputs[0], axis=axis, keepdims=0))]
            case "TopKV2":
                values, index = self.node("TopK", inputs[0], self.integers(constants[1]), outputs=2)
                return [values, self.narrow(index)]
            case "Max" | "Sum":
                axes, keep = self.integers(constants[1]), int(attributes["keep_dims"])
                return self.node(f"Reduce{kind}", inputs[0], axes, keepdims=keep)
            case "SquaredDifference":
                difference = self.one("Sub", *inputs)
                return self.node("Mul", difference, difference)
            case "MaxPool":
                pooled = self.one(
                    "MaxPool",
                    self.channels_first(inputs[0]),
                    auto_pad=_padding(attributes),
                    kernel_shape=attributes["ksize"][1:3],
                    strides=attributes["strides"][1:3],
                )
                return [self.channels_last(pooled)]
            case "ResizeBilinear":
                return [self.resized(inputs, attributes)]
            case "StridedSlice":
                return [self.slice(inputs[0], constants[1:], attributes)]
        raise ValueError(f"TensorFlow's operation {kind} is not translated")

    def split(self, name: str, axis: int, number: int) -> list[str]:
        return self.node("Split", name, outputs=number, axis=axis, num_outputs=number)

    def convolution(
        self,
        image: str,
        constants: list[np.ndarray | None],
        attributes: dict[str, Any],
        depthwise: bool,
    ) -> str:
        kernel = constants[1]
        assert kernel is not None
        groups = kernel.shape[2] if depthwise else 1
        if depthwise:  # (height, width, channels, multiplier)
            kernel = kernel.transpose(2, 3, 0, 1).reshape(-1, 1, *kernel.shape[:2])
        else:
            kernel = kernel.transpose(3, 2, 0, 1)
        bias = [self.constant(array) for array in constants[2:3] if array is not None]
        result = self.one(
            "Conv",
            self.channels_first(image),
            self.constant(kernel),
            *bias,
            auto_pad=_padding(attributes),
            strides=attributes["strides"][1:3],
            dilations=attributes["dilations"][1:3],
            group=groups,
        )
        for after in attributes.get("fused_ops", ()):
            if after == "Relu6":
                limits = [self.constant(np.array(limit, np.float32)) for limit in (0, 6)]
                result = self.one("Clip", result, *limits)
            elif after == "Relu":
                result = self.one("Relu", result)
            elif after != "BiasAdd":
                raise ValueError(f"TensorFlow's operation {after} is not translated")
        return self.channels_last(result)

    def channels_first(self, image: str) -> str:
        return self.one("Transpose", image, perm=[0, 3, 1, 2])

    def channels_last(self, image: str) -> str:
        return self.one("Transpose", image, perm=[0, 2, 3, 1])

    def resized(self, inputs: list[str], attributes: dict[str, Any]) -> str:
        if not attributes["half_pixel_centers"] or attributes["align_corners"]:
            raise ValueError("TensorFlow's older way to resize is not translated")
        image = self.channels_first(inputs[0])
        channels = self.one("Shape", image, start=0, end=2)
        size = self.one("Concat", channels, self.wide(inputs[1]), axis=0)
        half = "half_pixel"
        return self.channels_last(
            self.one(
                "Resize", image, "", "", size, mode="linear", coordinate_transformation_mode=half
            )
        )

    def slice(self, name: str, bounds: list[np.ndarray | None], attributes: dict[str, Any]) -> str:
        """A slice in Python's notation; bit n of a mask is for the n-th place in the brackets."""
        begin, end, step = (np.asarray(bound).tolist() for bound in bounds)
        if attributes["ellipsis_mask"] or min(step) < 0:
            raise ValueError("TensorFlow's slices with ... or backwards are not translated")
        cuts: list[tuple[int, int, int]] = []  # of each axis of the input
        added: list[int] = []  # axes of the result
        removed: list[int] = []  # axes of the input
        for place, (first, last, by) in enumerate(zip(begin, end, step, strict=True)):
            if attributes["new_axis_mask"] >> place & 1:
                added.append(place - len(removed))
                continue
            if attributes["shrink_axis_mask"] >> place & 1:
                removed.append(len(cuts))
                last = first + 1 or _END
            else:
                first = 0 if attributes["begin_mask"] >> place & 1 else first
                last = _END if attributes["end_mask"] >> place & 1 else last
            cuts.append((first, last, by))
        starts, ends, steps = zip(*cuts, strict=True)
        value = self.one(
            "Slice", name, *map(self.integers, (starts, ends, range(len(cuts)), steps))
        )
        if removed:
            value = self.one("Squeeze", value, self.integers(removed))
        return self.one("Unsqueeze", value, self.integers(added)) if added else value


def _number(array: np.ndarray | None) -> int:
    assert array is not None
    return int(array)


def _padding(attributes: dict[str, Any]) -> str:
    return {"SAME": "SAME_UPPER", "VALID": "VALID"}[attributes["padding"]]


def _in_order(graph: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Nodes, each after its inputs."""
    by_name = {node["name"]: node for node in graph}
    done: set[str] = set()
    for last in graph:
        waiting = [last["name"]]
        while waiting:
            name = waiting[-1]
            needed = [text.partition(":")[0] for text in by_name[name]["input"]]
            missing = [text for text in needed if text not in done]
            if name not in done and not missing:
                done.add(name)
                yield by_name[name]
            waiting = waiting[:-1] if name in done else waiting + missing
