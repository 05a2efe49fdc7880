"""Predictions of clips as text, JSON and CSV."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from har.clips import UNLABELLED, Clip, ClipSet
from har.recognition.recognizer import NONE, UNKNOWN, Recognizer
from har.recognition.timeline import persons_apart, windows


@dataclass(frozen=True)
class Answer:
    """The prediction for a clip, or for one person or one window of it.

    Attributes:
        clip: the whole clip.
        true_class: its name, None where the file has no label.
        person: 1 for the most prominent one, None for all together.
        start: first frame, from 0.
        end: frame after the last one.
        probabilities: (K,), or None where nobody was seen.
        unknown: whether it is none of the model's classes.
        one_of: the classes it is one of with a promised probability; empty unless asked for.
    """

    clip: Clip
    true_class: str | None
    person: int | None
    start: int
    end: int
    probabilities: np.ndarray | None
    unknown: bool = False
    one_of: tuple[str, ...] = ()


@dataclass(frozen=True)
class Times:
    """The unit of times in answers: frames, or seconds by a frame rate."""

    unit: str = "frames"
    per_second: float = 1.0

    def of(self, frame: int) -> float:
        """A frame number in the unit."""
        return frame if self.unit == "frames" else round(frame / self.per_second, 3)

    def text(self, frame: int) -> str:
        """A frame number with its unit."""
        return str(frame) if self.unit == "frames" else f"{self.of(frame):.2f} s"


def ask(
    recognizer: Recognizer,
    clips: ClipSet,
    clip: Clip,
    per_person: bool,
    lengths: tuple[int, int],
    coverage: float | None = None,
) -> Iterator[Answer]:
    """Predict a clip of a set.

    Args:
        recognizer: the model.
        clips: the set, for class names.
        clip: one of its clips.
        per_person: predict each person alone.
        lengths: of windows and their stride in frames; (0, 0) for the whole clip.
        coverage: how often the classes of `one_of` hold the true one; None for no such classes.

    Raises:
        UserError: the clip does not fit the model, or the model can't promise a coverage.
    """
    true = None if clip.label == UNLABELLED else clips.classes[clip.label]
    people: list[tuple[int | None, Clip]] = [(None, clip)]
    if per_person:
        apart = persons_apart(clip, recognizer.checkpoint.preprocess)
        people = [(number, person) for number, person in enumerate(apart, start=1)]
    whole = clip.keypoints.shape[1]
    window, stride = lengths if lengths[0] else (whole, whole)
    for person, own in people:
        for found in windows(recognizer, own, window, stride):
            row, one_of = found.probabilities, []
            if coverage and row is not None:
                one_of = recognizer.possible(row, coverage)
            yield Answer(
                clip, true, person, found.start, found.end, row, found.unknown, tuple(one_of)
            )


def accuracy(answers: Sequence[Answer], classes: Sequence[str]) -> tuple[int, int] | None:
    """Number of correct answers, and of answers whose true class the model knows."""
    asked = [answer for answer in answers if answer.true_class in classes]
    hits = [
        answer
        for answer in asked
        if name(answer, classes) == answer.true_class
        or (answer.unknown and answer.true_class == NONE)
    ]
    return (len(hits), len(asked)) if asked else None


def name(answer: Answer, classes: Sequence[str]) -> str | None:
    """The most probable class or `unknown`; None where nobody was seen."""
    if answer.probabilities is None or answer.unknown:
        return UNKNOWN if answer.unknown else None
    return classes[int(answer.probabilities.argmax())]


def top(answer: Answer, classes: Sequence[str], count: int) -> list[tuple[str, float]]:
    """The most probable classes and their probabilities; none where nobody was seen."""
    if answer.probabilities is None:
        return []
    order = np.argsort(-answer.probabilities, kind="stable")[:count]
    return [(classes[k], float(answer.probabilities[k])) for k in order]


def about_model(name: str, recognizer: Recognizer) -> str:
    """One line on a model."""
    checkpoint = recognizer.checkpoint
    arch, classes = checkpoint.model.arch, len(checkpoint.classes)
    return f"{name}: {arch}, layout {checkpoint.layout.name}, {classes} classes"


def about_persons(clip: Clip, recognizer: Recognizer) -> str:
    """The number of persons that the model uses, and their order."""
    settings, there = recognizer.checkpoint.preprocess, len(clip.keypoints)
    alone = recognizer.checkpoint.model.arch in ("keras_lstm", "pytorch_lstm")
    used = min(there, 1 if alone else settings.persons)  # the references read only slot 0
    how = "followed through the clip, the most prominent first" if settings.tracking else ""
    if not how:
        how = "the first slot" if used == 1 else "the first slots"
    return f"{used} of {there}" + (f" ({how})" if there > 1 else "")


def as_text(answers: Sequence[Answer], classes: Sequence[str], count: int, times: Times) -> str:
    """A line per answer: person and time, the best class, and the next ones."""
    windowed = any(answer.end - answer.start < answer.clip.keypoints.shape[1] for answer in answers)
    several = len({answer.clip.id for answer in answers}) > 1
    rows = []
    for answer in answers:
        places = [answer.clip.id] if several else []
        if answer.person:
            places.append(f"person {answer.person}")
        if windowed:
            places.append(f"{times.text(answer.start)} - {times.text(answer.end)}")
        found = top(answer, classes, count)
        best, percent = "(nobody seen)", ""
        if answer.unknown:
            best, found = UNKNOWN, [("", 0.0), *found]
        elif found:
            best, percent = found[0][0], _percent(found[0][1]).rjust(8)
        rest = ", ".join(f"{name} {_percent(share)}" for name, share in found[1:])
        verdict = ""
        if answer.true_class and not windowed and several:
            right = best == answer.true_class
            verdict = "correct" if right else f"true: {answer.true_class}"
        either = f"one of: {', '.join(answer.one_of)}" if answer.one_of else ""
        rows.append([*places, best, percent, rest, either, verdict])
    return _aligned(rows)


def ranking(answer: Answer, classes: Sequence[str], count: int) -> str:
    """The most probable classes of one answer, one per line; the first says it if it is none."""
    found = top(answer, classes, count)
    none = f"{UNKNOWN}: none of these, which are the nearest\n" if answer.unknown else ""
    rows = [
        [f"{rank}.", name, _percent(share).rjust(8)] for rank, (name, share) in enumerate(found, 1)
    ]
    either = f"\none of: {', '.join(answer.one_of)}" if answer.one_of else ""
    return none + _aligned(rows) + either or "(nobody seen)"


def as_json(
    answers: Sequence[Answer], recognizer: Recognizer, model: str, count: int, times: Times
) -> str:
    """All answers as one JSON object."""
    classes = recognizer.classes
    predictions = []
    for answer in answers:
        found = top(answer, classes, count)
        entry: dict[str, Any] = {"clip": answer.clip.id, "shape": answer.clip.keypoints.shape}
        if answer.person:
            entry["person"] = answer.person
        entry |= {"start": times.of(answer.start), "end": times.of(answer.end)}
        if answer.true_class is not None:
            entry["true_class"] = answer.true_class
        entry |= {
            "class": name(answer, classes),
            "probability": round(found[0][1], 6) if found and not answer.unknown else None,
            "unknown": answer.unknown,
            **({"one_of": answer.one_of} if answer.one_of else {}),
            "top": [{"class": name, "probability": round(share, 6)} for name, share in found],
        }
        predictions.append(entry)
    content: dict[str, Any] = {
        "model": model,
        "layout": recognizer.checkpoint.layout.name,
        "classes": classes,
        "unit": times.unit,
        "predictions": predictions,
    }
    if is_whole(answers) and (counted := accuracy(answers, classes)):
        content["accuracy"] = {
            "correct": counted[0],
            "clips": counted[1],
            "accuracy": round(counted[0] / counted[1], 6),
        }
    return json.dumps(content, indent=2, ensure_ascii=False)


def as_csv(answers: Sequence[Answer], classes: Sequence[str], count: int, times: Times) -> str:
    """A row per answer, with a header; cells that don't apply are empty."""
    count = min(count, len(classes))
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    ranks = [f"{what}_{rank}" for rank in range(1, count + 1) for what in ("class", "probability")]
    unit, sets = times.unit, any(answer.one_of for answer in answers)
    header = ["clip", "person", f"start_{unit}", f"end_{unit}", "true_class", *ranks, "unknown"]
    writer.writerow(header + ["one_of"] * sets)
    for answer in answers:
        found = [cell for name, p in top(answer, classes, count) for cell in (name, round(p, 6))]
        writer.writerow(
            [
                answer.clip.id,
                answer.person or "",
                times.of(answer.start),
                times.of(answer.end),
                answer.true_class or "",
                *found,
                *[""] * (len(ranks) - len(found)),
                "yes" if answer.unknown else "",
                *["|".join(answer.one_of)] * sets,
            ]
        )
    return file.getvalue().rstrip("\n")


def is_whole(answers: Sequence[Answer]) -> bool:
    """Whether every answer is about a whole clip with all its persons."""
    return all(
        answer.person is None and answer.end - answer.start == answer.clip.keypoints.shape[1]
        for answer in answers
    )


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
