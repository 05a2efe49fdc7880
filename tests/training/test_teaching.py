"""Classifiers taught on a pre-trained encoder, on simulated people who do everyday actions."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from har.__main__ import main
from har.clips import ClipSet
from har.clips.annotations import write_pickle
from har.clips.simulate.everyday_clips import simulate_everyday
from har.dataset.sequences import Sequences
from har.errors import UserError
from har.models.checkpoint import load_checkpoint
from har.recognition.recognizer import Recognizer
from har.training.teaching import Suspect, _report, teach
from tests.tiny import random_clip, tiny_checkpoint

EVERYDAY = Path(__file__).parents[2] / "models/everyday.safetensors"
ACTIONS = ("clapping", "squats", "throwing")


@pytest.fixture(scope="module")
def encoder():
    return load_checkpoint(EVERYDAY)


@pytest.fixture(scope="module")
def clip_set():
    """Three clips of each action, by three persons."""
    return simulate_everyday(5, ACTIONS, (1, 2, 3), 1, 60)


def test_new_classes_are_learnt_and_figures_are_of_clips_left_out(encoder, clip_set):
    taught, report = teach(encoder, clip_set)
    assert taught.classes == sorted(ACTIONS, key=clip_set.classes.index)
    others = simulate_everyday(5, ACTIONS, (4, 5), 1, 60)
    recognizer = Recognizer.of(taught)
    said = recognizer.predict_clips(others.clips).argmax(1)
    true = [taught.classes.index(others.classes[clip.label]) for clip in others.clips]
    assert (said == true).mean() >= 5 / 6

    assert report.by_group and report.clips == 9
    right = 0
    for person in {clip.group for clip in clip_set.clips}:
        rest = [clip for clip in clip_set.clips if clip.group != person]
        alone = Recognizer.of(teach(encoder, replace(clip_set, clips=rest))[0])
        mine = [clip for clip in clip_set.clips if clip.group == person]
        for clip, row in zip(mine, alone.predict_clips(mine), strict=True):
            right += alone.classes[row.argmax()] == clip_set.classes[clip.label]
    assert report.right == right
    assert report.interval[0] <= right / 9 <= report.interval[1]
    assert report.interval[0] < 0.75  # Wilson's for nine of nine is .70


def test_a_wrong_label_is_suspected_and_more_clips_are_asked_for(encoder, clip_set):
    clips = [replace(clip, group=clip.id) for clip in clip_set.clips]
    true = clips[0].label
    wrong = next(clip.label for clip in clips if clip.label != true)
    clips[0] = replace(clips[0], label=wrong)
    _, report = teach(encoder, replace(clip_set, clips=clips))
    assert not report.by_group
    suspect = next(suspect for suspect in report.suspects if suspect.clip == clips[0].id)
    assert suspect.label == clip_set.classes[wrong] and suspect.rather == clip_set.classes[true]
    assert (suspect.label, suspect.rather) in [pair[:2] for pair in report.confused]
    assert set(report.record_more) == set(ACTIONS)  # three clips are never enough


def test_more_clips_are_asked_for_where_few_are_right_or_there():
    """Ten of ten are enough, nine of ten are not, nor are three of three."""
    labels = np.repeat([0, 1, 2], [10, 10, 3])
    rows = [np.zeros((1, 2, 17, 3), np.float32)] * len(labels)
    names = {"labels": labels, "ids": labels.astype(str), "groups": labels.astype(str)}
    clips = Sequences.from_clips(rows, {"classes": ["a", "b", "c"]}, **names)
    probabilities = np.eye(3)[labels]
    probabilities[10] = 1, 0, 0
    report = _report(clips, probabilities, False)
    assert report.record_more == ["c", "b"] and report.confused == [("b", "a", 1)]
    assert report.suspects == [Suspect("1", "b", "a", 1.0)]
    low, high = report.interval  # by hand: z = 1.96, 22 of 23
    assert (low, high) == pytest.approx((0.7901, 0.9923), abs=1e-3)


def test_a_class_of_one_clip_is_learnt_but_not_measured(encoder, clip_set):
    first = {clip.label: clip for clip in clip_set.clips}
    taught, report = teach(encoder, replace(clip_set, clips=list(first.values())))
    assert (report.clips, report.interval) == (0, (0.0, 1.0)) and len(report.record_more) == 3
    found = Recognizer.of(taught).predict_clips(list(first.values()))
    assert found.argmax(1).tolist() == [taught.classes.index(clip_set.classes[k]) for k in first]


def test_what_cannot_be_taught_is_refused(encoder, clip_set):
    alone = [clip for clip in clip_set.clips if clip.label == clip_set.clips[0].label]
    with pytest.raises(UserError, match="of 1 classes: give at least two"):
        teach(encoder, replace(clip_set, clips=alone))
    with pytest.raises(UserError, match="a ddnet network can't be taught"):
        teach(tiny_checkpoint({"arch": "ddnet"}), clip_set)
    with pytest.raises(UserError, match=r"clip_0 has joints of shape \(25, 2\).*coco17"):
        other = [random_clip(n, layout="openpose25", label=n) for n in range(2)]
        teach(encoder, ClipSet(other, ["a", "b"]))


def test_the_command_writes_a_model_that_others_take(clip_set, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_pickle("mine.pkl", clip_set)
    main(["teach", "mine.pkl", "-o", "my.safetensors", "--encoder", str(EVERYDAY)])
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("my.safetensors: ")
    assert said[1].startswith("groups left out in turn: ") and said[-1].startswith("record more of")
    main(["predict", "mine.pkl", "--model", "my.safetensors"])
    assert "accuracy 100.00 % (9 of 9 clips)" in capsys.readouterr().out
    main(["export", "--model", "my.safetensors", "-o", "my.onnx", "--check", "mine.pkl"])
    assert Path("my.onnx").exists()
