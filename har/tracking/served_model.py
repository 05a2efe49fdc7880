"""The trained network as MLflow loads and serves it: raw clips in, named actions out.

MLflow calls `_load_pyfunc` with the checkpoint (a model of its `loader_module` kind), so that
nothing of a registered model is ever unpickled.
"""

import logging
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE

from har.clips import Clip
from har.errors import UserError
from har.recognition.recognizer import Recognizer

# Of one request, over all its clips and persons: about half an hour of one person.
MOST_FRAMES = 50_000
# Coordinates beyond this many image sizes are a mistake in the unit or the order.
_FAR = 100
_LARGEST_IMAGE = 100_000


class ServedModel:
    """Names the actions of clips that come as nested lists."""

    def __init__(self, recognizer: Recognizer) -> None:
        """Serve one checkpoint."""
        self.recognizer = recognizer

    def predict(self, model_input: pd.DataFrame) -> list[dict[str, Any]]:
        """Name the action of each clip.

        Args:
            model_input: a row per clip with the columns `keypoints`, nested lists (persons,
                frames, joints, 2) or (frames, joints, 2) in pixels; `image_size`, (height, width)
                in pixels; and optionally `scores`, (persons, frames, joints) 0..1, 0 for a missing
                joint. Without scores, joints at (0, 0) or null are missing.

        Returns:
            For each clip `class`, its `probability`, and `probabilities` of all classes.

        Raises:
            MlflowException: a clip is wrong; a server answers 400 with the reason.
        """
        try:
            clips = [
                clip_of_row(row, number) for number, row in enumerate(_rows(model_input), start=1)
            ]
            if not clips:
                raise UserError("the request holds no clip")
            if sum(clip.scores[..., 0].size for clip in clips) > MOST_FRAMES:
                raise UserError(f"more than {MOST_FRAMES} frames in one request: send fewer clips")
            probabilities = self.recognizer.predict_clips(clips)
        except UserError as error:
            # A server answers 400 with this reason.
            raise MlflowException(str(error), INVALID_PARAMETER_VALUE) from None
        except Exception:
            # What is in a traceback is for the server's log, not for whoever asked.
            logging.getLogger(__name__).exception("prediction failed")
            raise MlflowException("the model failed on this input") from None
        return [_answer(self.recognizer.classes, row) for row in probabilities.astype(float)]


def clip_of_row(row: dict[str, Any], number: int) -> Clip:
    """Check the nested lists of one clip.

    Raises:
        UserError: names the clip by its number and says what is wrong.
    """
    where = f"clip {number}"
    if unknown := set(row) - {"keypoints", "scores", "image_size"}:
        raise UserError(f"{where}: unknown key {sorted(map(str, unknown))[0][:40]!r}")
    keypoints = _numbers(row.get("keypoints"), f"{where}: keypoints")
    if keypoints.ndim == 3:
        keypoints = keypoints[None]
    if keypoints.ndim != 4:
        raise UserError(f"{where}: keypoints must be nested as persons, frames, joints, x and y")
    if 0 in keypoints.shape:
        raise UserError(f"{where}: no person, frame or joint in keypoints {keypoints.shape}")
    image_size = _image_size(row.get("image_size"), where)
    seen = np.isfinite(keypoints).all(axis=-1)
    keypoints = np.where(seen[..., None], keypoints, 0.0)
    if np.abs(keypoints).max() > _FAR * max(image_size):
        raise UserError(f"{where}: keypoints far outside the image: give pixels, [height, width]")
    scores = row.get("scores")
    if scores is None or (isinstance(scores, float) and math.isnan(scores)):
        scores = keypoints.any(axis=-1)
    else:
        scores = np.nan_to_num(_numbers(scores, f"{where}: scores"), posinf=1, neginf=0)
        if scores.ndim == 2:
            scores = scores[None]
        if scores.shape != keypoints.shape[:3]:
            raise UserError(
                f"{where}: scores of shape {scores.shape} do not fit keypoints {keypoints.shape}"
            )
        scores = scores.clip(0, 1)
    scores = (scores * seen).astype(np.float32)
    return Clip(str(number), 0, keypoints.astype(np.float32), scores, image_size, "")


def _rows(model_input: Any) -> list[dict[str, Any]]:
    if isinstance(model_input, pd.DataFrame):
        return [
            {str(key): value for key, value in row.items() if value is not None}
            for row in model_input.to_dict("records")
        ]
    raise UserError("give a list of clips, each with keypoints and image_size")


def _numbers(value: Any, what: str) -> np.ndarray:
    """Nested lists as an array; null becomes NaN."""
    try:
        array = np.array(value, dtype=np.float64)
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise UserError(
            f"{what} must be nested lists of numbers, all of one depth the same length"
        ) from None
    if array.ndim == 0:
        raise UserError(f"{what} must be nested lists of numbers")
    return array


def _image_size(value: Any, where: str) -> tuple[int, int]:
    size = _numbers(value, f"{where}: image_size") if value is not None else np.empty(0)
    if size.shape != (2,) or not ((size >= 1) & (size <= _LARGEST_IMAGE)).all():
        raise UserError(f"{where}: image_size must be [height, width] in pixels")
    return int(size[0]), int(size[1])


def _answer(classes: list[str], probabilities: np.ndarray) -> dict[str, Any]:
    best = int(probabilities.argmax())
    return {
        "class": classes[best],
        "probability": float(probabilities[best]),
        "probabilities": dict(zip(classes, probabilities.tolist(), strict=True)),
    }


def _load_pyfunc(path: str) -> ServedModel:
    """What MLflow calls with the checkpoint's path."""
    return ServedModel(Recognizer.load(Path(path)))
