import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest

from har.errors import UserError
from har.recognition import answers
from har.recognition.answers import Answer, Times
from tests.tiny import random_clip, tiny

CLASSES = ["run", "sit", "wave"]
ROW = np.array([0.5, 0.3, 0.2])


def test_the_classes_that_it_may_be_are_told_in_every_form():
    scores = [0.02, 0.3, 0.6, 0.68]  # of 4: at three quarters, the largest decides
    recognizer = tiny(classes=CLASSES, val_scores=scores)
    assert recognizer.possible(np.array([0.3, 0.2, 0.5]), 0.75) == ["wave"]
    assert recognizer.possible(np.array([0.32, 0.2, 0.48]), 0.75) == ["wave", "run"]
    with pytest.raises(UserError, match="train it again"):
        tiny().possible(ROW, 0.9)
    found = [replace(answer("run"), one_of=("run", "sit")), answer(seed=1)]
    assert "one of: run, sit" in answers.as_text(found, CLASSES, 2, Times()).splitlines()[0]
    assert answers.ranking(found[0], CLASSES, 2).splitlines()[-1] == "one of: run, sit"
    rows = list(csv.DictReader(io.StringIO(answers.as_csv(found, CLASSES, 2, Times()))))
    assert [row["one_of"] for row in rows] == ["run|sit", ""]
    told = json.loads(answers.as_json(found, recognizer, "model", 2, Times()))["predictions"]
    assert told[0]["one_of"] == ["run", "sit"] and "one_of" not in told[1]


def answer(true_class=None, unknown=False, probabilities=ROW, seed=0):
    return Answer(random_clip(seed), true_class, None, 0, 30, probabilities, unknown)


def test_an_unknown_clip_is_told_in_every_form():
    found = [answer("run", seed=1), answer("run", unknown=True), answer(probabilities=None, seed=2)]
    lines = answers.as_text(found, CLASSES, 2, Times()).splitlines()
    assert lines[1].split() == (
        ["clip_0", "unknown", "run", "50.00", "%,", "sit", "30.00", "%", "true:", "run"]
    )
    rows = list(csv.DictReader(io.StringIO(answers.as_csv(found, CLASSES, 2, Times()))))
    assert [row["unknown"] for row in rows] == ["", "yes", ""]
    assert [row["class_1"] for row in rows] == ["run", "run", ""]
    recognizer = tiny(classes=CLASSES)
    told = json.loads(answers.as_json(found, recognizer, "model", 2, Times()))
    assert [each["class"] for each in told["predictions"]] == ["run", "unknown", None]
    assert [each["probability"] for each in told["predictions"]] == [0.5, None, None]
    assert [each["unknown"] for each in told["predictions"]] == [False, True, False]
    assert told["accuracy"] == {"correct": 1, "clips": 2, "accuracy": 0.5}
    assert answers.ranking(found[1], CLASSES, 2).splitlines()[0].startswith("unknown")
    assert answers.ranking(found[2], CLASSES, 2) == "(nobody seen)"
