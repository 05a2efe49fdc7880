"""Weights and the transforms they were trained with: from clips to class probabilities."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from har.clips import Clip, make_clip
from har.dataset.preprocessing import preprocess
from har.dataset.sequences import Sequences
from har.dataset.windows import test_windows
from har.errors import UserError
from har.evaluation.calibration import apply_temperature
from har.models import build, fold_batch_norms
from har.models.checkpoint import Checkpoint, load_checkpoint
from har.params import Model

_CLIPS_AT_ONCE = 64  # what is in work then fits the cache


def whole_clips(frames: Tensor, offsets: Tensor, lengths: Tensor) -> Tensor:
    """Coordinates (N, M, T, V, C) of clips that all have the same length T."""
    index = offsets[:, None] + torch.arange(int(lengths[0]), device=offsets.device)
    return frames[index].transpose(1, 2)[..., :-1]


@torch.inference_mode()
def class_probabilities(model: nn.Module, features: Sequences, settings: Model) -> np.ndarray:
    """Class probabilities (N, K) of preprocessed clips.

    A clip's are the normalised geometric mean of those of its windows.
    """
    if model.training:  # asked first: telling every layer takes a while for a single clip
        model.eval()
    # An ONNX model holds its weights elsewhere.
    device = next((weight.device for weight in model.parameters()), torch.device("cpu"))
    if not len(features):
        return np.empty((0, len(features.settings["classes"])), np.float32)
    frames = torch.from_numpy(features.x)
    offsets, lengths = torch.from_numpy(features.offsets), torch.from_numpy(features.lengths)
    found = []
    for start in range(0, len(features), _CLIPS_AT_ONCE):
        some = slice(start, start + _CLIPS_AT_ONCE)
        if settings.whole_clips:
            clips = whole_clips(frames, offsets[some], lengths[some])
            found.append(model(clips.to(device)).softmax(1))
            continue
        windows = test_windows(frames, offsets[some], lengths[some], settings.windows)
        each = model(windows.flatten(0, 1).to(device)).log_softmax(1)
        found.append(each.unflatten(0, windows.shape[:2]).mean(1).softmax(1))
    return torch.cat(found).cpu().numpy()


@dataclass(frozen=True)
class Recognizer:
    """A trained network with everything it needs to name the action of a raw clip."""

    checkpoint: Checkpoint
    model: nn.Module

    @staticmethod
    def load(path: str | Path) -> "Recognizer":
        """Read a checkpoint.

        Raises:
            UserError: the file is missing, or not a checkpoint of this project.
        """
        return Recognizer.of(load_checkpoint(path))

    @staticmethod
    def of(checkpoint: Checkpoint) -> "Recognizer":
        """Put a checkpoint's weights into its network."""
        layout, classes = checkpoint.layout, len(checkpoint.classes)
        try:
            # Sizes are compared before memory is asked for: settings may claim any width.
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
    ) -> np.ndarray:
        """Class probabilities (K,) of one clip given as arrays.

        Args:
            keypoints: (M, T, V, C) pixels, or (T, V, C) of one person; see har.clips.make_clip.
            scores: (M, T, V) or (T, V), or None: 1 for every joint that is not all zeros.
            image_size: height and width in pixels; only models that scale by it need it.

        Raises:
            UserError: the arrays do not fit each other or the model.
        """
        dimensions = self.checkpoint.layout.dimensions
        return self.predict(make_clip("clip", keypoints, scores, image_size, dimensions))

    def predict_clips(self, clips: list[Clip]) -> np.ndarray:
        """Class probabilities (N, K) of many clips.

        Raises:
            UserError: a clip's joints are not those of the checkpoint's layout, the image size is
                needed and unknown, or coordinates are too large to compute with.
        """
        checkpoint, layout = self.checkpoint, self.checkpoint.layout
        if not clips:
            return np.empty((0, len(self.classes)), np.float32)
        arrays = []
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
                    f"clip {clip.id} has no image size, by which this model scales: give it"
                )
            poses = np.concatenate([clip.keypoints, clip.scores[..., None]], axis=-1)
            with np.errstate(over="ignore", invalid="ignore"):  # told below
                poses = preprocess(poses, clip.image_size, checkpoint.preprocess, layout)
            arrays.append(np.moveaxis(poses, 0, 1))
        lengths = np.array([len(array) for array in arrays])
        empty = np.zeros(len(clips), dtype=np.int64)
        features = Sequences(
            np.concatenate(arrays), np.cumsum(lengths) - lengths, lengths, empty, empty, empty,
            empty, np.array([clip.image_size for clip in clips]), {},
        )  # fmt: skip
        probabilities = class_probabilities(self.model, features, checkpoint.model)
        for clip, row in zip(clips, probabilities, strict=True):
            if not np.isfinite(row).all():
                raise UserError(f"clip {clip.id} gives no finite answer: are its keypoints pixels?")
        return apply_temperature(np.log(np.maximum(probabilities, 1e-12)), checkpoint.temperature)
