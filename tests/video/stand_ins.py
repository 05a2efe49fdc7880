"""Networks that stand in for pose estimators, and videos made for a test."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

JOINTS = 17


def save(path, inputs, outputs, nodes, **constants):
    """Write an ONNX file of float outputs; constants are int64 or float32 arrays."""
    initializers = [
        numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()
    ]
    values = [helper.make_empty_tensor_value_info(name) for name in outputs]
    graph = helper.make_graph(nodes, "stand-in", inputs, values, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.save(model, path)


def image(kind, *shape):
    return helper.make_tensor_value_info("image", kind, shape)


def save_detector(path, *boxes, legs=0.9):
    """Finds the same boxes (ymin, xmin, ymax, xmax, score; shares of the frame) in any frame."""
    found = np.zeros((1, 6, 56), np.float32)
    for row, box in zip(found[0], boxes, strict=False):
        row[2:51:3], row[51:] = legs, box
    nodes = [
        helper.make_node("ReduceMax", ["image"], ["most"], keepdims=0),
        helper.make_node("Cast", ["most"], ["number"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["number", "nothing"], ["zero"]),
        helper.make_node("Add", ["found", "zero"], ["persons"]),
    ]
    save(
        path,
        [image(TensorProto.INT32, 1, "h", "w", 3)],
        ["persons"],
        nodes,
        found=found,
        nothing=np.float32(0),
    )


def save_refiner(path, score=0.9):
    """Puts all joints where its 256 x 256 image is brightest; sure unless it is black."""
    nodes = [
        helper.make_node("Cast", ["image"], ["bright"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["bright", "pixels"], ["flat"]),
        helper.make_node("ReduceMax", ["flat", "last"], ["row"], keepdims=0),
        helper.make_node("ArgMax", ["row"], ["place"], axis=0, keepdims=1),
        helper.make_node("ReduceMax", ["row"], ["top"], keepdims=1),
        helper.make_node("Greater", ["top", "black"], ["some"]),
        helper.make_node("Cast", ["some"], ["seen"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["seen", "score"], ["sure"]),
        helper.make_node("Div", ["place", "side"], ["y"]),
        helper.make_node("Mod", ["place", "side"], ["x"]),
        helper.make_node("Concat", ["y", "x"], ["yx"], axis=0),
        helper.make_node("Cast", ["yx"], ["where"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["where", "width"], ["share"]),
        helper.make_node("Concat", ["share", "sure"], ["joint"], axis=0),
        helper.make_node("Expand", ["joint", "shape"], ["pose"]),
    ]
    save(
        path,
        [image(TensorProto.INT32, 1, 256, 256, 3)],
        ["pose"],
        nodes,
        pixels=np.array([256 * 256, 3]),
        last=np.array([1]),
        black=np.float32([20]),
        score=np.float32([score]),
        side=np.array([256]),
        width=np.float32(256),
        shape=np.array([1, 1, JOINTS, 3]),
    )


def save_movenet(folder, *boxes, legs=0.9):
    """A folder of models: a detector that finds the boxes, and the refiner."""
    folder.mkdir(parents=True, exist_ok=True)
    save_detector(folder / "movenet-multipose.onnx", *boxes, legs=legs)
    save_refiner(folder / "movenet-thunder.onnx")
    return folder


def frame_with_spots(size, *spots, side=8):
    """A black picture (height, width) with white squares around (x, y)."""
    picture = np.zeros((*size, 3), np.uint8)
    for x, y in spots:
        half = side // 2
        picture[max(y - half, 0) : y + half, max(x - half, 0) : x + half] = 255
    return picture
