"""Recognisers, checkpoints from elsewhere, and timelines."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from har.clips import ClipSet
from har.errors import UserError
from har.evaluation.calibration import apply_temperature
from har.models.checkpoint import load_checkpoint, save_checkpoint, settings_text
from har.recognition.answers import accuracy, ask
from har.recognition.recognizer import Recognizer
from har.recognition.timeline import cut, frames_of, persons_apart, windows
from tests.tiny import KERAS, random_clip, tiny, tiny_checkpoint


def test_a_saved_checkpoint_answers_as_before(tmp_path):
    recognizer, clip = tiny(), random_clip()
    save_checkpoint(tmp_path / "a.safetensors", recognizer.checkpoint)
    loaded = Recognizer.load(tmp_path / "a.safetensors")
    np.testing.assert_array_equal(loaded.predict(clip), recognizer.predict(clip))
    assert loaded.classes == ["run", "sit", "wave"]


def test_temperature_sharpens_the_answer():
    clip = random_clip()
    plain, sharp = tiny(temperature=1.0).predict(clip), tiny(temperature=0.25).predict(clip)
    np.testing.assert_allclose(sharp, apply_temperature(np.log(plain)[None], 0.25)[0], rtol=1e-6)


def test_clips_together_get_the_same_answers_as_alone():
    recognizer = tiny()
    clips = [random_clip(seed, frames=frames) for seed, frames in ((0, 30), (1, 1), (2, 400))]
    alone = np.stack([recognizer.predict(clip) for clip in clips])
    np.testing.assert_allclose(recognizer.predict_clips(clips), alone, atol=1e-6)
    assert recognizer.predict_clips([]).shape == (0, 3)


def test_arrays_are_a_clip():
    recognizer, clip = tiny(), random_clip(persons=1)
    given = recognizer.predict_arrays(clip.keypoints[0], clip.scores[0], clip.image_size)
    np.testing.assert_array_equal(given, recognizer.predict(clip))
    hidden = clip.keypoints[0].copy()
    hidden[clip.scores[0] == 0] = np.nan
    np.testing.assert_array_equal(
        recognizer.predict_arrays(hidden, clip.scores[0]), recognizer.predict(clip)
    )


def test_a_known_frame_rate_decides_how_long_windows_are():
    recognizer, clip = tiny(), random_clip(frames=600)
    np.testing.assert_array_equal(
        recognizer.predict(replace(clip, fps=25.0)), recognizer.predict(clip)
    )
    double = replace(clip, fps=50.0)
    windows = recognizer.checkpoint.model.windows
    longer = windows.model_copy(update={"test_longest": 2 * windows.test_longest})
    model = recognizer.checkpoint.model.model_copy(update={"windows": longer})
    expected = Recognizer.of(replace(recognizer.checkpoint, model=model)).predict(clip)
    np.testing.assert_array_equal(recognizer.predict(double), expected)
    assert not np.array_equal(recognizer.predict(clip), expected)
    given = recognizer.predict_arrays(clip.keypoints, clip.scores, fps=50.0)
    np.testing.assert_array_equal(given, expected)


def test_clips_that_do_not_fit_are_refused():
    with pytest.raises(UserError, match=r"25 joints with 2 coordinates.*trained on coco17"):
        tiny().predict(random_clip(layout="openpose25"))
    keras = tiny({"arch": "keras_lstm"}, KERAS)
    with pytest.raises(UserError, match="clip_0 has no image size"):
        keras.predict(replace(random_clip(), image_size=(0, 0)))
    far = replace(random_clip(), keypoints=np.full((2, 30, 17, 2), 3e38, np.float32))
    try:
        assert np.isfinite(tiny().predict(far)).all()
    except UserError as refused:
        assert "no finite answer" in str(refused)


def written(path, weights=None, **changes):
    """A checkpoint file with other settings (dotted keys) than its network has."""
    checkpoint = tiny_checkpoint()
    about = json.loads(settings_text(checkpoint))
    for key, value in changes.items():
        place = about
        *parents, last = key.split("__")
        for parent in parents:
            place = place[parent]
        if value is KeyError:
            del place[last]
        else:
            place[last] = value
    save_file(weights or checkpoint.weights, path, {"har": json.dumps(about)})
    return path


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "har-0"},
        {"model": KeyError},
        {"model": [1]},
        {"model__width": 10**30},
        {"model__width": 90_000},
        {"model__width": 16},
        {"model__layers": 10**9},
        {"model__layers": 900},
        {"model__dropout": "much"},
        {"model__arch": "stgcn"},
        {"model__command": "ls"},
        {"model__windows__frames": 10**9},
        {"model__windows__test_windows": 10**9},
        {"preprocess__persons": 10**9},
        {"preprocess__frames": 10**9},
        {"layout": "spider"},
        {"layout": ["coco17"]},
        {"layout": "ntu25"},
        {"classes": ["run", "sit"]},
        {"classes": ["run", "run", "sit"]},
        {"classes": ["run", "sit", "\x1b[2J"]},
        {"classes": "abc"},
        {"classes": []},
        {"temperature": 0},
        {"temperature": float("nan")},
        {"temperature": 10**400},
        {"temperature": "hot"},
        {"val": 3},
    ],
    ids=str,
)
def test_checkpoints_with_wrong_settings_are_refused(tmp_path, changes):
    with pytest.raises(UserError) as refused:
        Recognizer.load(written(tmp_path / "a.safetensors", **changes))
    assert str(refused.value).isprintable()


def test_checkpoints_with_other_weights_are_refused(tmp_path):
    weights = dict(tiny_checkpoint().weights)
    extra = weights | {"more": torch.zeros(2)}
    with pytest.raises(UserError, match=r"do not fit.*more"):
        Recognizer.load(written(tmp_path / "a.safetensors", extra))
    name = next(name for name in weights if name.endswith("bias"))
    weights.pop(name)
    with pytest.raises(UserError, match=rf"do not fit.*{re.escape(name)}"):
        Recognizer.load(written(tmp_path / "b.safetensors", weights))


def test_damaged_checkpoints_are_refused(tmp_path):
    path = written(tmp_path / "a.safetensors")
    whole = path.read_bytes()
    generator = np.random.default_rng(3)
    header = 8 + int.from_bytes(whole[:8], "little")
    damaged = [whole[: len(whole) * part // 50] for part in range(50)]
    for _ in range(200):
        flipped = bytearray(whole)
        flipped[generator.integers(header)] ^= 1 << generator.integers(8)
        damaged.append(bytes(flipped))
    for content in damaged:
        path.write_bytes(content)
        try:
            Recognizer.of(load_checkpoint(path))
        except UserError as refused:
            assert len(str(refused).splitlines()) == 1


def test_lengths_in_seconds_and_frames():
    assert frames_of("3s", 25) == 75 and frames_of("0.5s", 30) == 15 and frames_of("40", 25) == 40
    for wrong in ("", "s", "0", "0s", "-3", "1.5", "3 min", "inf", "1e9", "9" * 400, "٣s"):
        with pytest.raises(UserError, match="is not a length"):
            frames_of(wrong, 25)


def test_a_window_answers_like_the_cut_clip():
    recognizer, clip = tiny(), random_clip(frames=50)
    found = list(windows(recognizer, clip, 20, 10))
    assert [(window.start, window.end) for window in found] == [
        (0, 20),
        (10, 30),
        (20, 40),
        (30, 50),
    ]
    for window in found:
        alone = recognizer.predict(cut(clip, window.start, window.end))
        np.testing.assert_allclose(window.probabilities, alone, atol=1e-6)


def test_nobody_in_a_window_is_no_answer():
    clip = random_clip(frames=60)
    clip.scores[:, 20:40] = 0
    found = list(windows(tiny(), clip, 20, 20))
    assert [window.probabilities is None for window in found] == [False, True, False]


def test_persons_apart_are_followed_when_their_slots_change():
    clip, settings = random_clip(frames=40), tiny().checkpoint.preprocess
    keypoints, scores = clip.keypoints.copy(), clip.scores.copy()
    keypoints[:, 20:], scores[:, 20:] = keypoints[::-1, 20:].copy(), scores[::-1, 20:].copy()
    swapped = replace(clip, keypoints=keypoints, scores=scores)
    followed = persons_apart(swapped, settings)
    assert len(followed) == 2
    for person in followed:
        seen = person.scores[0] > 0
        right = person.keypoints[0][seen][0, 0] > 350  # the second person stands 400 px away
        np.testing.assert_array_equal(
            person.keypoints[0], clip.keypoints[int(right)] * seen[..., None]
        )
    by_slot = persons_apart(swapped, settings.model_copy(update={"tracking": False}))
    np.testing.assert_array_equal(by_slot[0].keypoints[0], keypoints[0])


@pytest.mark.parametrize("tracking", [False, True])
def test_persons_of_whom_nothing_was_seen_are_left_out(tracking):
    clip = random_clip(persons=4, frames=6)
    clip.scores[1] = 0
    clip.scores[3] = np.minimum(clip.scores[3], 0.04)
    settings = tiny().checkpoint.preprocess.model_copy(
        update={"tracking": tracking, "hide_below": 0.05}
    )
    apart = persons_apart(clip, settings)
    assert len(apart) == 2 and all(person.scores.any() for person in apart)
    assert len(persons_apart(clip, settings.model_copy(update={"hide_below": 0.0}))) == 3


def test_accuracy_is_by_class_name():
    """The set's labels count its own classes, not the model's."""
    recognizer = tiny(classes=["run", "sit", "wave"])
    guesses = [recognizer.classes[int(recognizer.predict(random_clip(n)).argmax())] for n in (0, 1)]
    clips = [random_clip(0, label=1), random_clip(1, label=0), random_clip(2, label=2)]
    others = [name for name in recognizer.classes if name != guesses[1]]
    clip_set = ClipSet(clips, [others[0], guesses[0], "swim"])
    if guesses[0] == others[0]:
        clip_set = ClipSet(clips, [others[1], guesses[0], "swim"])
    found = [answer for clip in clips for answer in ask(recognizer, clip_set, clip, False, (0, 0))]
    assert accuracy(found, recognizer.classes) == (1, 2)
