"""A trained network in MLflow's form: raw clips in, named actions out.

MLflow loads the checkpoint by `_load_pyfunc` (a model with a `loader_module`), so that nothing in a
registered model is ever unpickled.
"""

import logging
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE

from har.clips import Clip, make_clip
from har.clips.arrays import numbers
from har.errors import UserError
from har.recognition.recognizer import UNKNOWN, Recognizer

# Of one request, over all its clips and persons: about half an hour of one person.
MOST_FRAMES = 50_000
# Coordinates beyond this many image sizes are in another unit or order.
_FAR = 100


class ServedModel:
    """Names the actions of clips in nested lists."""

    def __init__(self, recognizer: Recognizer) -> None:
        """Serve a checkpoint's recogniser."""
        self.recognizer = recognizer

    def predict(self, model_input: pd.DataFrame) -> list[dict[str, Any]]:
        """Name the action of each clip.

        Args:
            model_input: a row per clip with the columns `keypoints`, nested lists (persons,
                frames, joints, coordinates) or (frames, joints, coordinates) in pixels; optionally
                `scores`, (persons, frames, joints) 0..1, 0 for a missing joint; and optionally
                `image_size`, (height, width) in pixels, which only models that scale by it need.
                Without scores, joints at (0, 0) or null are missing.

        Returns:
            For each clip `class`, its `probability`, and `probabilities` of all classes. The class
            of a clip that is none of them is `unknown`, with probability 0.

        Raises:
            MlflowException: a clip is wrong; a server responds 400 with the reason.
        """
        try:
            layout = self.recognizer.checkpoint.layout
            clips = [
                clip_of_row(row, number, layout.dimensions)
                for number, row in enumerate(_rows(model_input), start=1)
            ]
            if not clips:
                raise UserError("the request holds no clip")
            if sum(clip.scores[..., 0].size for clip in clips) > MOST_FRAMES:
                raise UserError(f"more than {MOST_FRAMES} frames in one request: send fewer clips")
            probabilities, unknown = self.recognizer.answer_clips(clips)
        except UserError as error:
            # A server responds 400 with this reason.
            raise MlflowException(str(error), INVALID_PARAMETER_VALUE) from None
        except Exception:
            # The traceback belongs into the server's log, not into the response.
            logging.getLogger(__name__).exception("prediction failed")
            raise MlflowException("the model failed on this input") from None
        classes = self.recognizer.classes
        return [
            _answer(classes, row, refused)
            for row, refused in zip(probabilities.astype(float), unknown, strict=True)
        ]


def clip_of_row(row: dict[str, Any], number: int, dimensions: int = 2) -> Clip:
    """Make a clip from one row of a request.

    Args:
        row: as `ServedModel.predict` takes it; a key without a value may be missing, None or NaN.
        number: of the clip in the request, for messages.
        dimensions: coordinates of a joint.

    Raises:
        UserError: names the clip by its number, and what is wrong.
    """
    where = f"clip {number}"
    if unknown := set(row) - {"keypoints", "scores", "image_size"}:
        raise UserError(f"{where}: unknown key {min(map(str, unknown))[:40]!r}")
    given = {key: value for key, value in row.items() if not _is_missing(value)}
    if "keypoints" not in given:
        raise UserError(f"{where} has no keypoints")
    keypoints = numbers(given["keypoints"], f"{where} needs numbers as its keypoints")
    if keypoints.ndim not in (3, 4):
        raise UserError(f"{where}: keypoints must be nested as persons, frames, joints, x and y")
    clip = make_clip(
        str(number),
        keypoints,
        given.get("scores"),
        given.get("image_size"),
        dimensions,
        axes="mtvc"[-keypoints.ndim :],
    )
    size = max(clip.image_size)
    if size and np.abs(clip.keypoints).max() > _FAR * size:
        raise UserError(f"{where}: keypoints far outside the image: give pixels, [height, width]")
    return clip


def _is_missing(value: Any) -> bool:
    """Whether a value is None or NaN, which pandas sets for a key that only other clips have."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def _rows(model_input: Any) -> list[dict[str, Any]]:
    if isinstance(model_input, pd.DataFrame):
        return [
            {str(key): value for key, value in row.items()}
            for row in model_input.to_dict("records")
        ]
    raise UserError("give a list of clips, each with keypoints")


def _answer(classes: list[str], probabilities: np.ndarray, unknown: bool) -> dict[str, Any]:
    best = int(probabilities.argmax())
    return {
        "class": UNKNOWN if unknown else classes[best],
        "probability": 0.0 if unknown else float(probabilities[best]),
        "probabilities": dict(zip(classes, probabilities.tolist(), strict=True)),
    }


def _load_pyfunc(path: str) -> ServedModel:
    """Load the model; called by MLflow with the checkpoint's path."""
    return ServedModel(Recognizer.load(Path(path)))
