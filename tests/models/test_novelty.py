import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from har.dataset.sequences import Sequences
from har.errors import UserError
from har.models.checkpoint import Known, load_checkpoint, save_checkpoint
from har.models.novelty import MOST, directions, distances, remember
from har.recognition.recognizer import Recognizer
from tests.tiny import random_clip, tiny, tiny_checkpoint


def test_distances_are_to_the_nearest_as_loops_find_it():
    generator = np.random.default_rng(0)
    found, known = generator.normal(size=(5, 8)), generator.normal(size=(7, 8))
    found, known = (some / np.linalg.norm(some, axis=1)[:, None] for some in (found, known))
    nearest = [min(1 - sum(a * b) for b in known) for a in found]
    assert distances(found.astype(np.float16), known.astype(np.float16)) == pytest.approx(
        nearest, abs=2e-3
    )
    with pytest.raises(UserError, match="by 8 numbers, its network gives 4"):
        distances(found[:, :4], known)


def test_ninety_five_of_a_hundred_clips_are_kept_in_ninety_five_of_a_hundred_groups():
    unseen = np.random.default_rng(0).permutation(np.arange(1, 100)) / 100
    eye, each = np.eye(3, dtype=np.float16), np.arange(99)
    # So that a hundredth, new one is kept in 95 of 100 cases.
    assert remember(eye, unseen, each, 0).farthest == 0.95
    assert remember(eye, unseen, each * 0, 0).farthest == 0.95
    both = np.concatenate([unseen, unseen * 2])
    assert remember(eye, both, np.repeat(["a", "b"], 99), 0).farthest == 1.9
    assert remember(eye, np.array([0.5, 0.2]), np.array(["a", "a"]), 0).farthest == 0.5
    many = np.arange(MOST + 5, dtype=np.float16)[:, None]
    chosen = remember(many, unseen, each, 0).directions
    assert len(np.unique(chosen)) == MOST
    np.testing.assert_array_equal(chosen, remember(many, unseen, each, 0).directions)


def test_a_direction_is_the_mean_over_windows_of_the_most_prominent_person():
    recognizer, clip = tiny(), random_clip(persons=1, frames=8)
    poses = np.concatenate([clip.keypoints, clip.scores[..., None]], axis=-1)
    small = poses * (0.5, 0.5, 1)
    both = np.concatenate([small, poses]).astype(np.float32)
    about, settings = {"layout": "coco17"}, recognizer.checkpoint.model.windows
    alone, together = (
        directions(recognizer.model, Sequences.from_clips([some], about), settings)
        for some in (poses, both)
    )
    np.testing.assert_array_equal(alone, together)
    np.testing.assert_allclose(np.linalg.norm(alone.astype(float)), 1, atol=1e-3)


def remembering(clips, farthest):
    """A recogniser that learnt from some clips."""
    checkpoint = tiny_checkpoint()
    recognizer = tiny()
    own = directions(recognizer.model, recognizer._sequences(clips), checkpoint.model.windows)
    return replace(checkpoint, known=Known(own, farthest))


def test_a_clip_far_from_all_is_unknown_unless_that_is_not_asked_for(tmp_path):
    clips = [random_clip(seed) for seed in range(4)]
    written = remembering(clips[:3], 0.001)
    save_checkpoint(tmp_path / "a.safetensors", written)
    found = load_checkpoint(tmp_path / "a.safetensors")
    assert found.known is not None
    np.testing.assert_array_equal(found.known.directions, written.known.directions)
    recognizer = Recognizer.of(found)
    probabilities, unknown = recognizer.answer_clips(clips)
    assert unknown.tolist() == [False, False, False, True]
    np.testing.assert_array_equal(probabilities, recognizer.predict_clips(clips))
    assert not replace(recognizer, reject=False).answer_clips(clips)[1].any()
    assert not tiny().answer_clips(clips)[1].any()  # remembers nothing
    assert recognizer.answer_clips([])[1].shape == (0,)


def test_a_class_of_random_motion_says_unknown():
    recognizer, clips = tiny(classes=["run", "none", "wave"]), [random_clip(s) for s in range(8)]
    probabilities, unknown = recognizer.answer_clips(clips)
    np.testing.assert_array_equal(unknown, probabilities.argmax(1) == 1)


@pytest.mark.parametrize("harm", ["precision", "nan", "none", "width", "distance"])
def test_what_a_checkpoint_remembers_is_checked(tmp_path, harm):
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, remembering([random_clip()], 0.1))
    weights = load_file(path)
    with safe_open(path, "pt") as file:
        text = json.loads(file.metadata()["har"])
    own = weights["known.directions"]
    match harm:
        case "precision":
            own = own.float()
        case "nan":
            own = own * torch.nan
        case "none":
            own = own[:0]
        case "width":
            own = own[:, :-1].contiguous()
        case "distance":
            del text["farthest_known"]
    weights["known.directions"] = own
    save_file(weights, path, {"har": json.dumps(text)})
    with pytest.raises(UserError):
        Recognizer.of(load_checkpoint(path)).answer_clips([random_clip()])
