"""A map of clips, on which those lie together that an encoder finds alike."""

from collections.abc import Sequence

import numpy as np

from har.clips import Clip
from har.errors import UserError
from har.recognition.recognizer import Recognizer


def principal_components(recognizer: Recognizer, clips: Sequence[Clip]) -> np.ndarray:
    """The first two principal components (N, 2) of the encoder's directions of clips.

    Raises:
        UserError: there are fewer than three clips, they do not fit the model, or it has no encoder
            of single persons.
    """
    from sklearn.decomposition import PCA

    if len(clips) < 3:
        raise UserError(f"{len(clips)} clips make no map: take three or more")
    found = recognizer.directions(list(clips)).astype(np.float32)
    return PCA(2, svd_solver="full").fit_transform(found)
