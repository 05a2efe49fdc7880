"""TensorFlow.js graphs as ONNX: what a converted graph gives against plain arithmetic."""

import base64
import json

import numpy as np
import onnxruntime
import pytest

from har.video.tfjs import to_onnx


def attribute(value):
    """A TensorFlow attribute as TensorFlow.js writes it."""
    if isinstance(value, bool):
        return {"b": value}
    if isinstance(value, int):
        return {"i": str(value)}
    if isinstance(value, str) and value.startswith("DT_"):
        return {"type": value}
    if isinstance(value, str):
        return {"s": base64.b64encode(value.encode()).decode()}
    key = "s" if value and isinstance(value[0], str) else "i"
    return {"list": {key: [attribute(item)[key] for item in value]}}


def converted(shape, constants, *nodes):
    """Run a graph of (name, operation, inputs, attributes) on a function of an int32 image."""
    sides = {"dim": [{"size": str(side)} for side in shape]}
    graph = [
        {
            "name": name,
            "op": op,
            "input": inputs,
            "attr": {key: attribute(value) for key, value in attributes.items()},
        }
        for name, op, inputs, attributes in nodes
    ]
    graph.append(
        {
            "name": "image",
            "op": "Placeholder",
            "attr": {"shape": {"shape": sides}, "dtype": {"type": "DT_FLOAT"}},
        }
    )
    graph += [{"name": name, "op": "Const"} for name in constants]
    manifest = [
        {"name": name, "shape": array.shape, "dtype": str(array.dtype)}
        | ({"quantization": {"dtype": "float16"}} if array.dtype.kind == "f" else {})
        for name, array in constants.items()
    ]
    weights = b"".join(
        array.astype(np.float16 if array.dtype.kind == "f" else np.int32).tobytes()
        for array in constants.values()
    )
    content = {"modelTopology": {"node": graph}, "weightsManifest": [{"weights": manifest}]}
    model = to_onnx(json.dumps(content).encode(), weights)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return lambda image: session.run(None, {"image": image})


def same_padded(image, kernel, stride):
    """TensorFlow's SAME: as many outputs as strides begin, the odd zero after the image."""
    sides = []
    for side, size in zip(image.shape[1:3], kernel.shape[:2], strict=True):
        missing = max((-(-side // stride) - 1) * stride + size - side, 0)
        sides.append((missing // 2, missing - missing // 2))
    return np.pad(image, ((0, 0), *sides, (0, 0)))


def convolved(image, kernel, stride, depthwise=False):
    padded = same_padded(image, kernel, stride)
    height, width = (-(-side // stride) for side in image.shape[1:3])
    out = np.zeros((1, height, width, image.shape[3] if depthwise else kernel.shape[3]))
    for y in range(height):
        for x in range(width):
            patch = padded[0, y * stride :, x * stride :][: kernel.shape[0], : kernel.shape[1]]
            weighted = "hwc,hwcm->c" if depthwise else "hwc,hwco->o"
            out[0, y, x] = np.einsum(weighted, patch, kernel)
    return out


@pytest.mark.parametrize("stride", [1, 2])
def test_convolutions(stride):
    generator = np.random.default_rng(0)
    halves = {
        name: generator.normal(0, 1, shape).astype(np.float16).astype(np.float32)
        for name, shape in {"full": (3, 3, 3, 5), "bias": (5,), "deep": (3, 3, 5, 1)}.items()
    }
    common = {"padding": "SAME", "strides": [1, stride, stride, 1], "dilations": [1, 1, 1, 1]}
    run = converted(
        (1, 8, 6, 3),
        halves,
        ("deepwise", "DepthwiseConv2dNative", ["first", "deep", "^image"], common),
        (
            "first",
            "_FusedConv2D",
            ["image", "full", "bias"],
            common | {"fused_ops": ["BiasAdd", "Relu6"]},
        ),
    )
    image = generator.normal(0, 2, (1, 8, 6, 3)).astype(np.float32)
    first = np.clip(convolved(image, halves["full"], stride) + halves["bias"], 0, 6)
    expected = convolved(first, halves["deep"], stride, depthwise=True)
    np.testing.assert_allclose(run(image)[0], expected, rtol=1e-4, atol=1e-4)


def test_arrays_are_cut_joined_and_ranked():
    """As MoveNet does at its end: a slice with a new axis, the best values and where they were."""
    constants = {
        "begin": np.array([0, 0, 1, 0], np.int32),
        "end": np.array([0, 0, 2, 0], np.int32),
        "step": np.ones(4, np.int32),
        "flat": np.array([-1], np.int32),
        "count": np.array(3, np.int32),
    }
    masks = {
        "begin_mask": 9,
        "end_mask": 9,
        "new_axis_mask": 2,
        "shrink_axis_mask": 4,
        "ellipsis_mask": 0,
    }
    run = converted(
        (4, 3, 5),
        constants,
        ("cut", "StridedSlice", ["image", "begin", "end", "step"], masks),
        ("row", "Reshape", ["cut", "flat"], {}),
        ("best", "TopKV2", ["row", "count"], {}),
        ("place", "Cast", ["best:1"], {"DstT": "DT_FLOAT"}),
        ("both", "Pack", ["best", "place"], {"axis": 1}),
        ("sides", "Shape", ["cut"], {}),
        ("shape", "Cast", ["sides"], {"DstT": "DT_FLOAT"}),
    )
    image = np.random.default_rng(1).normal(0, 1, (4, 3, 5)).astype(np.float32)
    cut = image[:, None, 1]
    order = np.argsort(-cut.ravel())[:3]
    both, shape = run(image)
    np.testing.assert_allclose(both, np.stack([cut.ravel()[order], order], axis=1))
    assert shape.tolist() == [4, 1, 5]


def test_an_operation_that_is_not_known_is_named():
    with pytest.raises(ValueError, match="FFT"):
        converted((1,), {}, ("odd", "FFT", ["image"], {}))
