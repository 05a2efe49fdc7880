"""Pose estimators: frames in, persons with joints and scores out.

The default is MoveNet in two steps: a detector finds up to six persons in the shrunk frame, and a
larger network refines each of them in a crop. RTMPose and RTMO run from ONNX files.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from har.errors import UserError
from har.video.weights import DETECTOR, REFINER, cache_folder, fetch_movenet

# Takes frames (H, W, 3) uint8 RGB in order and yields an array (P, V, 3) float32 for each: x and y
# in pixels of the frame and a score of 0..1 for every joint of COCO-17. P may be 0.
Estimator = Callable[[Iterable[np.ndarray]], Iterator[np.ndarray]]

# (left, top, width, height) in whole pixels; may reach beyond the frame.
Region = tuple[int, int, int, int]

_JOINTS = 17
_LEGS = slice(13, 17)  # knees and ankles
_DETECTOR_SIDE = 256  # pixels; the frame's longer side is shrunk to it
_LEAST_PERSON = 0.2  # detector's score
_LEAST_LEGS = 0.2
# Crops extend beyond the box of a detection. Where no leg is seen, the box is often only the face,
# and the refinement finds arms only in a larger crop. docs/video.md has the figures.
_MARGIN, _CLOSE_UP_MARGIN, _WHOLE_FRAME_MARGIN = 1.25, 2.0, 1.5
_BEST_JOINTS, _LEAST_BEST = 5, 0.3  # mean score of the 5 best joints in a frame with a person
_SAME_WITHIN = 0.1  # closer detections, in shares of a pose's longer side, are one person


def load(folder: str | Path | None = None, threads: int = 0) -> Estimator:
    """Load the estimator whose ONNX files are in a folder.

    Args:
        folder: with `movenet-multipose.onnx` and `movenet-thunder.onnx`, or the former and one
            `rtmpose*.onnx`, or one `rtmo*.onnx`. None for MoveNet from the user's cache, which
            is downloaded once.
        threads: of each network; 0 for one per core.

    Raises:
        UserError: the files are missing and can't be fetched, or are of another kind.
    """
    if folder is None:
        folder = cache_folder()
        fetch_movenet(folder)
    folder = Path(folder)
    if found := sorted(folder.glob("rtmo*.onnx")):
        return rtmo(Network(found[0], threads))
    refiners = [*sorted(folder.glob("rtmpose*.onnx")), folder / REFINER]
    for path in (folder / DETECTOR, refiners[0]):
        if not path.is_file():
            raise UserError(
                f"{path} not found: a folder of models needs {DETECTOR} with {REFINER} or "
                "rtmpose*.onnx, or rtmo*.onnx; without --models, MoveNet is fetched"
            )
    detector, refiner = (Network(path, threads) for path in (folder / DETECTOR, refiners[0]))
    refine = _thunder if refiners[0].name == REFINER else _rtmpose
    return top_down(detector, lambda frame, box: refine(refiner, frame, box))


class Network:
    """An ONNX file with one input."""

    def __init__(self, path: Path, threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        # Two networks take turns: spinning threads of the idle one would slow the other.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.path = path
        try:
            self._session = onnxruntime.InferenceSession(
                path, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime raises classes of its own
            reason = str(error).splitlines()[0]
            raise UserError(
                f"{path} is not an ONNX file that runs here ({reason}): make it again"
            ) from None
        self._input = self._session.get_inputs()[0].name

    def __call__(self, image: np.ndarray) -> list[np.ndarray]:
        """The network's outputs for one image of its input type."""
        try:
            return self._session.run(None, {self._input: image[None]})
        except Exception as error:
            reason = str(error).splitlines()[0]
            raise UserError(
                f"{self.path} does not accept frames ({reason}): is it a pose estimator?"
            ) from None


def top_down(
    detector: Network, refine: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> Estimator:
    """Persons found by MoveNet MultiPose and refined one by one.

    Where nobody is found, as in most frames of a close-up, the whole frame is refined.

    Args:
        detector: MoveNet MultiPose.
        refine: takes a frame and a box (left, top, right, bottom); returns a pose (V, 3).
    """

    def estimate(frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        for frame in frames:
            boxes = _detect(detector, frame)
            found = [refine(frame, box) for box in boxes]
            if not len(boxes):
                height, width = frame.shape[:2]
                box = _widened(np.array([0, 0, width, height], np.float32), _WHOLE_FRAME_MARGIN)
                pose = refine(frame, box)
                if np.sort(pose[:, 2])[-_BEST_JOINTS:].mean() >= _LEAST_BEST:
                    found = [pose]
            yield _different(found)

    return estimate


def rtmo(network: Network) -> Estimator:
    """RTMO as MMPose exports it: persons and joints in one step, from 640 x 640 pixels."""

    def estimate(frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        for frame in frames:
            side = max(frame.shape[:2])
            image = cut_out(frame, (0, 0, side, side), (640, 640), fill=114)[..., ::-1]  # BGR
            boxes, poses = network(np.ascontiguousarray(image.transpose(2, 0, 1), np.float32))[:2]
            poses = poses[0][boxes[0, :, 4] >= _LEAST_PERSON]
            scale = np.array([side / 640, side / 640, 1], np.float32)
            yield (poses.reshape(-1, _JOINTS, 3) * scale).astype(np.float32)

    return estimate


def cut_out(frame: np.ndarray, region: Region, size: tuple[int, int], fill: int = 0) -> np.ndarray:
    """Crop a region of a frame and resize it to (height, width); it may reach outside the frame.

    Args:
        frame: (H, W, 3) uint8.
        region: of any aspect.
        size: of the result.
        fill: value outside the frame.

    Returns:
        (height, width, 3) uint8.
    """
    left, top, width, height = region
    canvas = np.full((*size, 3), fill, np.uint8)
    inside = [
        (max(start, 0), min(start + extent, limit), start, target / extent)
        for start, extent, limit, target in (
            (top, height, frame.shape[0], size[0]),
            (left, width, frame.shape[1], size[1]),
        )
    ]
    if any(start >= end for start, end, *_ in inside):
        return canvas
    rows, columns = (slice(start, end) for start, end, *_ in inside)
    places = [
        (round((start - first) * scale), max(round((end - first) * scale), 1))
        for start, end, first, scale in inside
    ]
    (low, high), (near, far) = places
    low, near = min(low, high - 1), min(near, far - 1)
    image = Image.fromarray(np.ascontiguousarray(frame[rows, columns]))
    resized = image.resize((far - near, high - low), Image.Resampling.BILINEAR)
    canvas[low:high, near:far] = np.asarray(resized)
    return canvas


def _detect(network: Network, frame: np.ndarray) -> np.ndarray:
    """Boxes (P, 4) of the persons in a frame: left, top, right, bottom, with their margin."""
    scale = _DETECTOR_SIDE / max(frame.shape[:2])
    size = tuple(-(-round(side * scale) // 32) * 32 for side in frame.shape[:2])
    height, width = (round(side / scale) for side in size)
    image = cut_out(frame, (0, 0, width, height), size).astype(np.int32)
    found = network(image)[0][0]
    found = found[found[:, 55] >= _LEAST_PERSON]
    boxes = found[:, [52, 51, 54, 53]] * np.array([width, height, width, height], np.float32)
    legs = found[:, : 3 * _JOINTS].reshape(-1, _JOINTS, 3)[:, _LEGS, 2].max(axis=1)
    margins = np.where(legs >= _LEAST_LEGS, _MARGIN, _CLOSE_UP_MARGIN)
    return np.array([_widened(*pair) for pair in zip(boxes, margins, strict=True)]).reshape(-1, 4)


def _widened(box: np.ndarray, factor: float) -> np.ndarray:
    """The box scaled about its centre."""
    centre, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2 * factor
    return np.concatenate([centre - half, centre + half])


def _region(box: np.ndarray, aspect: float) -> Region:
    """The smallest region of an aspect (width to height) around a box."""
    width, height = box[2:] - box[:2]
    height = max(height, width / aspect, 16)
    left, top = (box[:2] + box[2:]) / 2 - np.array([height * aspect, height]) / 2
    return round(float(left)), round(float(top)), round(height * aspect), round(height)


def _thunder(network: Network, frame: np.ndarray, box: np.ndarray) -> np.ndarray:
    """The pose (V, 3) in a box by MoveNet Thunder."""
    region = _region(box, 1.0)
    found = network(cut_out(frame, region, (256, 256)).astype(np.int32))[0].reshape(_JOINTS, 3)
    left, top, width, height = region
    x, y = found[:, 1] * width + left, found[:, 0] * height + top
    return np.stack([x, y, found[:, 2]], axis=-1)


def _rtmpose(network: Network, frame: np.ndarray, box: np.ndarray) -> np.ndarray:
    """The pose (V, 3) in a box by RTMPose, which scores each row and column."""
    region = _region(box, 192 / 256)
    image = cut_out(frame, region, (256, 192)).astype(np.float32)
    image = (image - (123.675, 116.28, 103.53)) / (58.395, 57.12, 57.375)
    columns, rows = network(image.transpose(2, 0, 1).astype(np.float32))[:2]
    left, top, width, height = region
    x = columns[0].argmax(-1) / columns.shape[-1] * width + left
    y = rows[0].argmax(-1) / rows.shape[-1] * height + top
    score = np.minimum(columns[0].max(-1), rows[0].max(-1)).clip(0, 1)
    return np.stack([x, y, score], axis=-1)[:_JOINTS]


def _different(poses: list[np.ndarray]) -> np.ndarray:
    """Poses (P, V, 3) without duplicates of an earlier one, which has the higher score."""
    kept: list[np.ndarray] = []
    for pose in poses:
        side = np.ptp(pose[:, :2], axis=0).max()
        gaps = [np.linalg.norm((pose - other)[:, :2], axis=1).mean() for other in kept]
        if not any(gap <= max(_SAME_WITHIN * side, 1) for gap in gaps):
            kept.append(pose)
    return np.array(kept, np.float32).reshape(-1, _JOINTS, 3)
