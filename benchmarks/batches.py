"""The effect of batches of frames on MoveNet: CPU milliseconds a frame on one thread.

`python -m benchmarks.batches`

The published networks take one frame: what follows their convolutions is laid out for one. So the
convolutions alone are measured, which are nearly all of the work.
"""

import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import GraphProto, NodeProto, TensorProto, helper

from har.video.weights import DETECTOR, REFINER, cache_folder, fetch_movenet

SIZES = {DETECTOR: (192, 256), REFINER: (256, 256)}
BATCHES = (1, 2, 4, 8)
REPEATS = 9


def convolutions(path: Path, size: tuple[int, int]) -> onnx.ModelProto:
    """The part of a network from the first to the last convolutions, for any number of frames."""
    model = onnx.load(path)
    graph = model.graph
    every = [node for node in graph.node if node.op_type == "Conv"]
    start = every[0].input[0]
    inner = {
        output
        for node in every
        for earlier in before(graph, node.input)
        if earlier.op_type == "Conv"
        for output in earlier.output
    }
    last = [node.output[0] for node in every if node.output[0] not in inner]
    kept = before(graph, last, start)
    del graph.node[:], graph.input[:], graph.output[:]
    graph.node.extend(kept)
    graph.input.append(
        helper.make_tensor_value_info(start, TensorProto.FLOAT, ["frames", 3, *size])
    )
    graph.output.extend(helper.make_empty_tensor_value_info(name) for name in last)
    return model


def before(graph: GraphProto, names: Iterable[str], start: str = "") -> list[NodeProto]:
    """The nodes that values need, in the graph's order, back to the value `start`."""
    made_by = {name: number for number, node in enumerate(graph.node) for name in node.output}
    found: set[int] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        number = made_by.get(name)
        if name != start and number is not None and number not in found:
            found.add(number)
            waiting.extend(graph.node[number].input)
    return [node for number, node in enumerate(graph.node) if number in found]


def milliseconds(model: onnx.ModelProto, size: tuple[int, int]) -> dict[int, float]:
    """Median CPU milliseconds a frame for each size of batch, measured in turn."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    name = session.get_inputs()[0].name
    frames = np.random.default_rng(0).normal(size=(max(BATCHES), 3, *size)).astype(np.float32)
    found: dict[int, list[float]] = {batch: [] for batch in BATCHES}
    for _ in range(REPEATS):
        for batch, some in found.items():
            start = time.process_time()
            for number in range(0, len(frames), batch):
                session.run(None, {name: frames[number : number + batch]})
            some.append(1000 * (time.process_time() - start) / len(frames))
    return {batch: float(np.median(some)) for batch, some in found.items()}


def main() -> None:
    """Print the table."""
    fetch_movenet(cache_folder())
    print(f"| frames at once | {' | '.join(map(str, BATCHES))} |")
    print(f"|---|{'---:|' * len(BATCHES)}")
    for name, size in SIZES.items():
        found = milliseconds(convolutions(cache_folder() / name, size), size)
        print(f"| {name} | {' | '.join(f'{found[batch]:.1f} ms' for batch in BATCHES)} |")


if __name__ == "__main__":
    main()
