"""A trained network with its preprocessing: from raw clips to class probabilities."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from har.clips import Clip, make_clip
from har.dataset.preprocessing import preprocess
from har.dataset.sequences import Sequences
from har.errors import UserError
from har.evaluation.calibration import apply_temperature
from har.evaluation.conformal import prediction_sets
from har.models import build, fold_batch_norms
from har.models.checkpoint import Checkpoint, load_checkpoint
from har.models.inference import log_probabilities
from har.models.novelty import directions, distances
from har.models.two_stream import TwoStream

NONE = "none"  # the class of random motion in models/everyday.safetensors
UNKNOWN = "unknown"  # what a clip is called that is of none of the classes


@dataclass(frozen=True)
class Recognizer:
    """A trained network with all settings that it needs to name the action of a raw clip.

    Attributes:
        checkpoint: what was trained.
        model: its network.
        reject: whether `answer_clips` may call a clip unknown.
    """

    checkpoint: Checkpoint
    model: nn.Module
    reject: bool = True

    @staticmethod
    def load(path: str | Path) -> "Recognizer":
        """Read a checkpoint.

        Raises:
            UserError: the file is missing, or not a checkpoint of this project.
        """
        return Recognizer.of(load_checkpoint(path))

    @staticmethod
    def of(checkpoint: Checkpoint) -> "Recognizer":
        """Build a checkpoint's network with its weights."""
        layout, classes = checkpoint.layout, len(checkpoint.classes)
        try:
            # Shapes are compared before memory is allocated: settings may claim any width.
            with torch.device("meta"):
                sketch = build(checkpoint.model, classes, layout)
            sketch.load_state_dict(checkpoint.weights, assign=True)
            model = build(checkpoint.model, classes, layout)
            model.load_state_dict(checkpoint.weights)
        except RuntimeError as error:
            reason = str(error).splitlines()[-1].strip()
            raise UserError(f"the checkpoint's weights do not fit its settings: {reason}") from None
        return Recognizer(checkpoint, fold_batch_norms(model.eval()))

    @property
    def classes(self) -> list[str]:
        """Class names; probabilities come in this order."""
        return self.checkpoint.classes

    def predict(self, clip: Clip) -> np.ndarray:
        """Class probabilities (K,) of one clip."""
        return self.predict_clips([clip])[0]

    def predict_arrays(
        self,
        keypoints: np.ndarray,
        scores: np.ndarray | None = None,
        image_size: tuple[int, int] | None = None,
        fps: float = 0.0,
    ) -> np.ndarray:
        """Class probabilities (K,) of one clip given as arrays.

        Args:
            keypoints: (M, T, V, C) pixels, or (T, V, C) of one person; see har.clips.make_clip.
            scores: (M, T, V) or (T, V); None for 1 at every joint that is not all zeros.
            image_size: height and width in pixels; only models that scale by it need it.
            fps: frames per second; 0 is unknown and counts as 25.

        Raises:
            UserError: the arrays do not fit each other, or do not fit the model.
        """
        dimensions = self.checkpoint.layout.dimensions
        return self.predict(make_clip("clip", keypoints, scores, image_size, dimensions, fps=fps))

    def predict_clips(self, clips: list[Clip]) -> np.ndarray:
        """Class probabilities (N, K) of many clips; raises as `answer_clips`."""
        return replace(self, reject=False).answer_clips(clips)[0]

    def answer_clips(self, clips: list[Clip]) -> tuple[np.ndarray, np.ndarray]:
        """Class probabilities (N, K) of many clips, and which (N,) are of none of the classes.

        A clip is unknown where it is far from all clips that the network learnt from. A network
        that learnt a class `none` in simulation instead says so by that class.

        Raises:
            UserError: a clip's joints are not those of the checkpoint's layout, the image size is
                needed and unknown, or coordinates are too large.
        """
        if not clips:
            return np.empty((0, len(self.classes)), np.float32), np.zeros(0, bool)
        checkpoint, sequences = self.checkpoint, self._sequences(clips)
        found = log_probabilities(self.model, sequences, checkpoint.model.windows)
        for clip, row in zip(clips, found, strict=True):
            if np.isnan(row).any():
                raise UserError(f"clip {clip.id} gives no finite answer: are its keypoints pixels?")
        unknown = np.zeros(len(clips), bool)
        if self.reject and checkpoint.known and isinstance(self.model, TwoStream):
            own = directions(self.model, sequences, checkpoint.model.windows)
            unknown = distances(own, checkpoint.known.directions) > checkpoint.known.farthest
        elif self.reject and NONE in self.classes:
            unknown = found.argmax(axis=1) == self.classes.index(NONE)
        return apply_temperature(found, checkpoint.temperature), unknown

    def possible(self, probabilities: np.ndarray, coverage: float) -> list[str]:
        """The classes, likeliest first, that hold the true one with probability `coverage`.

        Args:
            probabilities: (K,) of a clip of one of the classes.
            coverage: above 0 and below 1; see har.evaluation.conformal.prediction_sets.

        Raises:
            UserError: the model does not say how it did on val clips.
        """
        if not self.checkpoint.val_scores:
            raise UserError(
                "this model does not hold its val scores, which sets of classes are made by: train "
                "it again"
            )
        inside = prediction_sets(self.checkpoint.val_scores, probabilities[None], coverage)[0]
        order = np.argsort(-probabilities, kind="stable")
        return [self.classes[k] for k in order if inside[k]]

    def directions(self, clips: list[Clip]) -> np.ndarray:
        """The encoder's summaries (N, H) of clips, of unit length.

        Raises:
            UserError: the network is no two_stream one; else as `answer_clips`.
        """
        if not isinstance(self.model, TwoStream):
            arch = self.checkpoint.model.arch
            raise UserError(f"a {arch} network has no encoder of clips: take a two_stream one")
        return directions(self.model, self._sequences(clips), self.checkpoint.model.windows)

    def _sequences(self, clips: list[Clip]) -> Sequences:
        """Preprocessed clips."""
        checkpoint, layout = self.checkpoint, self.checkpoint.layout
        preprocessed = []
        for clip in clips:
            joints, dimensions = clip.keypoints.shape[2:]
            if (joints, dimensions) != (len(layout.joints), layout.dimensions):
                raise UserError(
                    f"clip {clip.id} has {joints} joints with {dimensions} coordinates, but the "
                    f"model was trained on {layout.name}, {len(layout.joints)} with "
                    f"{layout.dimensions}: take a model trained on the clip's layout"
                )
            if checkpoint.preprocess.scale == "image" and 0 in clip.image_size:
                raise UserError(
                    f"clip {clip.id} has no image size, which this model scales by: give it"
                )
            poses = np.concatenate([clip.keypoints, clip.scores[..., None]], axis=-1)
            with np.errstate(over="ignore", invalid="ignore"):  # reported below
                poses = preprocess(poses, clip.image_size, checkpoint.preprocess, layout, clip.fps)
            preprocessed.append(poses)
        rates = [0.0 if checkpoint.preprocess.frames else clip.fps for clip in clips]
        return Sequences.from_clips(preprocessed, {"layout": layout.setting}, fps=rates)
