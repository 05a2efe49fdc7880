"""Odd clips: through prepare, split, preprocess and predict, or left out or refused by name."""

import contextlib
import io
import pickle
import tempfile
import tracemalloc
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from har.clips.sources import read
from har.dataset import person_tracking
from har.dataset.person_tracking import track_persons
from har.dataset.sequences import read_sequences
from har.errors import UserError
from har.evaluation.calibration import apply_temperature
from har.models.inference import log_probabilities
from har.params import load_params
from har.recognition.recognizer import Recognizer
from stages import prepare, preprocess, split
from tests.tiny import KERAS, PYTORCH, random_clip, tiny

ROOT = Path(__file__).parents[2]
PARAMS = load_params(ROOT / "params.yaml")
SHAPE = (256, 340)


@cache
def networks() -> list[tuple[dict, Recognizer]]:
    """The default network and those of both references, with the preprocess section of each."""
    keras, pytorch = {"arch": "keras_lstm"}, {"arch": "pytorch_lstm"}
    return [({}, tiny()), (KERAS, tiny(keras, KERAS)), (PYTORCH, tiny(pytorch, PYTORCH))]


def stages(folder: Path, section: dict, layout: str = "coco17", protocol: str = "group") -> str:
    """Run the three stages in a folder with its odd.pkl; what they print."""
    params = PARAMS.model_copy(
        update={
            "prepare": PARAMS.prepare.model_copy(
                update={"source": "odd.pkl", "classes": [], "layout": layout}
            ),
            "split": PARAMS.split.model_copy(update={"protocol": protocol}),
            "preprocess": PARAMS.preprocess.model_copy(update=section),
        }
    )
    said = io.StringIO()
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.chdir(folder))
        stack.enter_context(contextlib.redirect_stdout(said))
        for stage in (prepare, split, preprocess):
            stack.enter_context(mock.patch.object(stage, "load_params", lambda: params))
            stage.main()
    return said.getvalue()


def undrawn() -> contextlib.AbstractContextManager:
    """Leave out the picture of prepare, which takes most of the time; one test draws it."""
    return mock.patch.multiple(prepare, skeleton_strip=mock.DEFAULT, png=lambda _: b"")


def write(folder: Path, annotations: list[dict], **content) -> None:
    (folder / "odd.pkl").write_bytes(pickle.dumps({"annotations": annotations} | content))


def annotation(name: str, label: int, seed: int = 0, persons: int = 1, frames: int = 5) -> dict:
    generator = np.random.default_rng(seed)
    return {
        "frame_dir": name,
        "label": label,
        "total_frames": frames,
        "img_shape": SHAPE,
        "keypoint": generator.uniform(0, 250, (persons, frames, 17, 2)).astype("f4"),
        "keypoint_score": generator.uniform(0.3, 1, (persons, frames, 17)).astype("f4"),
    }


def ordinary(labels: tuple[int, int] = (0, 1), persons: int = 1) -> list[dict]:
    """Clips enough for a split by group: two classes of four."""
    numbers = range(8)
    return [annotation(f"clip{n}", labels[n % 2], n, persons, 3 + n) for n in numbers]


def probabilities(folder: Path, recognizer: Recognizer) -> dict[str, np.ndarray]:
    """What a network says about the clips in `data/features`."""
    sequences, checkpoint = read_sequences(folder / "data/features"), recognizer.checkpoint
    found = log_probabilities(recognizer.model, sequences, checkpoint.model.windows)
    answers = apply_temperature(found, checkpoint.temperature)
    return dict(zip(sequences.ids.tolist(), answers, strict=True))


@dataclass(frozen=True)
class Odd:
    """How one clip differs from an ordinary one."""

    name: str = "odd"
    label: object = 0
    base_labels: tuple[int, int] = (0, 1)
    persons: int = 2
    frames: int = 4
    joints: int = 17
    dtype: str = "f4"
    order: str = "C"
    values: str = "usual"
    scores: str = "usual"
    somebody_unseen: bool = False
    image: object = SHAPE
    keys: str = "usual"
    group: object = None
    listed: str = "nowhere"

    def write(self, folder: Path) -> None:
        generator = np.random.default_rng(len(self.name) + self.persons)
        made = annotation(self.name, 0, 3, self.persons, self.frames)
        points = generator.uniform(0, 250, (self.persons, self.frames, self.joints, 2))
        scores = generator.uniform(0.3, 1, points.shape[:3])
        if self.somebody_unseen:
            points[1::2], scores[1::2] = 0, 0
        strange = {"nan": np.nan, "inf": np.inf, "-inf": -np.inf, "huge": 1e12, "larger": 1e300}
        points -= 5000 * (self.values == "far")
        points[-1:, -1:, 5] = strange.get(self.values, points[-1:, -1:, 5])
        scores[:1, :1, 2] = {"high": 1.5, "low": -0.5}.get(self.scores, 1)
        scores[:1, :1, 3] = strange.get(self.scores, 1)
        scores *= self.scores != "zero"
        dtype = np.dtype(self.dtype)
        if self.values != "usual" and (dtype.kind in "iu" or self.values == "larger"):
            dtype = np.dtype("f8")
        with np.errstate(over="ignore"):
            made["keypoint"] = self.laid_out(points.astype(dtype))
        made["keypoint_score"] = self.laid_out(scores.astype(dtype if dtype.kind == "f" else "f4"))
        if self.scores == "short":
            made["keypoint_score"] = made["keypoint_score"][:, :, 1:]
        made |= {"label": self.label, "img_shape": self.image, "group": self.group}
        made |= {"made by": "?", "crop": [1, {2: (3,)}]} if self.keys == "more" else {}
        made |= {"total_frames": self.frames + 3} if self.keys == "wrong" else {}
        made.pop(self.keys, None)
        made = {key: value for key, value in made.items() if value is not None}
        members = [f"clip{n}" for n in range(8)]
        lists = {"train": members[:4], "test": members[4:]}
        for part in {"train": ["train"], "both": ["train", "test"]}.get(self.listed, []):
            lists[part] = [*lists[part], self.name]
        if self.listed == "unknown":
            lists["test"] = [*lists["test"], "nobody"]
        write(folder, [*ordinary(self.base_labels), made], split=lists)

    def laid_out(self, array: np.ndarray) -> np.ndarray:
        if self.order == "strided":
            return np.repeat(array, 2, axis=1)[:, ::2]
        return array.copy(self.order)

    def fate(self) -> tuple[str, set[str]]:
        """Kept, dropped or refused, and words of which all (kept) or one must be told."""
        refused = set()
        if not (self.name.isprintable() and 0 < len(self.name) <= 1000):
            refused.add("frame_dir")
        if self.label not in (None, *self.base_labels) or isinstance(self.label, bool | float):
            refused.add("label")
        if self.image in BAD_IMAGES:
            refused.add("image size")
        if self.keys == "keypoint":
            refused.add("keypoint")
        if self.scores == "short":
            refused.add("scores of shape")
        frames = {"total_frames": None, "wrong": self.frames + 3}.get(self.keys, self.frames)
        if 0 < self.frames < self.persons < 3 * self.frames and frames not in (
            self.frames,
            self.persons,
        ):
            refused.add("--axes")
        if refused:
            return "refused", refused
        dropped = {"no person"} if self.persons == 0 else set()
        dropped |= {"no frame"} if self.frames == 0 else set()
        if dropped:
            return "dropped", dropped
        if self.group in BAD_GROUPS:
            refused.add("`group`")
        if self.listed == "both":
            refused.add("is both in subset")
        if self.joints != 17:
            refused.add("one skeleton")
        if refused:
            return "refused", refused
        told = set()
        if self.values in ("nan", "inf", "-inf", "huge", "larger"):
            told.add("huge coordinates: these joints count as missing")
        if self.scores == "nan":
            told.add("infinite scores: these joints count as missing")
        if self.keys == "keypoint_score":
            told.add("no scores")
        if self.values == "far" and self.image in ([256, 340], SHAPE):
            told.add("image sizes away: kept")
        if self.scores in ("high", "low"):
            told.add("scores outside 0..1: clipped")
        if self.scores == "zero":
            told.add("no joint was seen in the whole clip")
        if self.label is None:
            told.add("no label")
        if self.keys == "wrong":
            told.add("total_frames differs from the array")
        return "kept", told


BAD_IMAGES = [(256,), (-1, 5), ("a", "b"), "256x340", 2**70]
UNKNOWN_IMAGES = [None, (0, 340), (256, 0), (0, 0)]
BAD_GROUPS = [1.5, "", "two\nlines", 2**70, ("a",)]
names = st.one_of(
    st.sampled_from(["odd", "a/b", "../../odd", "..", "/etc/passwd", 'a,"b"', "été 日本", " "]),
    st.text(min_size=1, max_size=20),
)
odd_clips = st.builds(
    Odd,
    name=names,
    label=st.sampled_from([0, 0, 0, 0, None]),
    persons=st.integers(0, 4),
    frames=st.sampled_from([0, 1, 2, 9, 70]),
    dtype=st.sampled_from(["f2", "f4", "f8", ">f2", ">f4", ">f8", "u1", "i4", ">i8"]),
    order=st.sampled_from(["C", "F", "strided"]),
    values=st.sampled_from(["usual", "usual", "far", "nan", "inf", "-inf", "huge", "larger"]),
    scores=st.sampled_from(["usual", "usual", "high", "low", "nan", "zero"]),
    somebody_unseen=st.booleans(),
    image=st.sampled_from([SHAPE, [256, 340], (256, 340, 3), (1, 1), (2**31 - 1, 1), (0, 340)]),
    keys=st.sampled_from(["usual", "more", "wrong", "total_frames"]),
    group=st.sampled_from([None, "clip1", "a b", 7]),
    listed=st.sampled_from(["nowhere", "train", "unknown"]),
)


# Each oddity by itself, and then together with others.
@example(Odd())
@example(Odd(name="../../odd"))
@example(Odd(name="日本/🤸"))
@example(Odd(name="\x1b[2J"))
@example(Odd(name="half \ud800"))
@example(Odd(label=None))
@example(Odd(label="walk"))
@example(Odd(label=2**70))
@example(Odd(label=True))
@example(Odd(label=5, base_labels=(5, 9999)))
@example(Odd(persons=0))
@example(Odd(frames=0))
@example(Odd(frames=1, persons=1))
@example(Odd(joints=13))
@example(Odd(dtype="f8", order="F"))
@example(Odd(dtype=">f4", order="strided"))
@example(Odd(dtype="u1"))
@example(Odd(values="far"))
@example(Odd(values="nan"))
@example(Odd(values="-inf", dtype="f2"))
@example(Odd(values="huge"))
@example(Odd(values="larger"))
@example(Odd(scores="high"))
@example(Odd(scores="low", dtype="f2"))
@example(Odd(scores="nan"))
@example(Odd(scores="zero"))
@example(Odd(scores="short"))
@example(Odd(persons=4, somebody_unseen=True))
@example(Odd(image=(0, 0)))
@example(Odd(image=None))
@example(Odd(image=(256.5, 340.5)))
@example(Odd(keys="more"))
@example(Odd(keys="wrong"))
@example(Odd(keys="keypoint"))
@example(Odd(keys="keypoint_score"))
@example(Odd(group=1.5))
@example(Odd(listed="both"))
@example(Odd(listed="both", values="nan"))
@settings(derandomize=True, database=None, deadline=None, max_examples=60)
@given(odd_clips)
@pytest.mark.slow
def test_an_odd_clip_is_predicted_or_left_out_or_refused_by_name(odd: Odd):
    fate, words = odd.fate()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "project"
        folder.mkdir()
        odd.write(folder)
        with undrawn():
            if fate == "refused":
                with pytest.raises(UserError) as refused:
                    stages(folder, {})
                message = str(refused.value)
                assert "odd.pkl" in message and any(word in message for word in words)
                assert message.isprintable() and len(message) < 500
                assert not (folder / "data").exists()
                return
            for section, recognizer in networks():
                if (
                    fate == "kept"
                    and odd.image in UNKNOWN_IMAGES
                    and section.get("scale") == "image"
                ):
                    with pytest.raises(UserError, match="has no image size"):
                        stages(folder, section)
                    continue
                said = stages(folder, section)
                found = probabilities(folder, recognizer)
                there = odd.name in found
                assert there == (fate == "kept" and odd.label is not None)
                assert len(found) == 8 + there
                for row in found.values():
                    assert row.shape == (3,) and np.isfinite(row).all()
                    assert row.sum() == pytest.approx(1, abs=1e-5) and row.min() >= 0
                # The raw clips get the same answers as those that the stages wrote.
                clips = [clip for clip in read(folder / "odd.pkl").clips if clip.id in found]
                alone = recognizer.predict_clips(clips)
                np.testing.assert_allclose(alone, [found[c.id] for c in clips], atol=1e-5)
        notes = [line for line in said.splitlines() if line.startswith("note: ")]
        assert all(note.isprintable() for note in notes)
        if fate == "dropped":
            (note,) = (note for note in notes if "dropped" in note)
            assert any(word in note for word in words)
            assert f"1 clip, first {odd.name!r}" in note
        else:
            for word in words:
                assert any(word in note and repr(odd.name) in note for note in notes), word
        assert list(folder.parent.iterdir()) == [folder]


def test_what_is_odd_but_usable_is_kept_told_and_drawn(tmp_path):
    odd = [
        annotation("one frame", 2, frames=1),
        annotation("a/../b", 2, persons=3) | {"keypoint_score": np.zeros((3, 5, 17), "f4")},
        annotation("日本", 2) | {"keypoint": np.full((1, 5, 17, 2), -5000, ">f8")},
        annotation("crowd", 2, persons=40) | {"keypoint_score": np.full((40, 5, 17), 2)},
        annotation("no label", 2) | {"label": None},
    ]
    write(tmp_path, [*ordinary((0, 7)), *odd])
    said = stages(tmp_path, {})
    assert list(probabilities(tmp_path, networks()[0][1])) == [
        *(f"clip{n}" for n in range(8)),
        "one frame",
        "a/../b",
        "日本",
        "crowd",
    ]
    for note in (
        "no joint was seen in the whole clip (1 clip, first 'a/../b')",
        "coordinates more than 3 image sizes away: kept (1 clip, first '日本': 5000 px in an image",
        "scores outside 0..1: clipped (1 clip, first 'crowd': 2 to 2)",
        "no label: can be predicted, not learnt from (1 clip, first 'no label')",
        "classes without a clip are left out: 5 of 8, first '1'",
    ):
        assert f"note: {note}" in said
    assert (tmp_path / "plots/skeletons.png").read_bytes().startswith(b"\x89PNG")


def test_a_clip_in_two_parts_is_refused_where_the_parts_are_used(tmp_path):
    members = [f"clip{n}" for n in range(8)]
    lists = {"train 1": members[:4], "val 1": members[3:6], "test 1": members[5:]}
    write(tmp_path, ordinary(), split=lists)
    with pytest.raises(UserError, match="clip 'clip3' is both in subset 'train 1' and in 'val 1'"):
        stages(tmp_path, {})
    write(tmp_path, ordinary(), split=lists | {"val 1": ["clip4", "clip5"]})
    assert "groups kept together" in stages(tmp_path, {})
    with pytest.raises(UserError, match="clip clip5 is in 'test 1' and in 'val 1'"):
        stages(tmp_path, {}, protocol="official")
    write(tmp_path, ordinary(), split=lists | {"val 1": ["clip4"]})
    assert "train 1 trains, test 1 tests" in stages(tmp_path, {}, protocol="official")


def test_a_clip_without_the_image_size_that_is_divided_by_is_refused(tmp_path):
    clips = [
        made | {"keypoint": np.ones((1, made["total_frames"], 25, 3), "f4")} for made in ordinary()
    ]
    for made in clips:
        del made["keypoint_score"], made["img_shape"]
    write(tmp_path, clips)
    with pytest.raises(UserError, match=r"clip 'clip0' has no image size.*set preprocess.scale"):
        stages(tmp_path, {"scale": "image"}, "ntu25")
    stages(tmp_path, {"scale": "trunk"}, "ntu25")
    assert np.isfinite(read_sequences(tmp_path / "data/features").x).all()


def test_arrays_of_any_make_get_the_same_answer():
    clip = random_clip(frames=12)
    points, scores = np.round(clip.keypoints), clip.scores
    doubled = np.repeat(points, 2, axis=1)
    for section, recognizer in networks():
        plain = recognizer.predict_arrays(points, scores, SHAPE)
        for odd in (
            points.astype(">f8"),
            points.astype("i4"),
            np.asfortranarray(points),
            doubled[:, ::2],
            points[:, ::-1].copy()[:, ::-1],
            points.tolist(),
            np.broadcast_to(points, points.shape),
        ):
            answer = recognizer.predict_arrays(odd, scores.astype(">f8"), np.array(SHAPE))
            np.testing.assert_allclose(answer, plain, atol=1e-6, err_msg=str(section))


def flickering(frames: int, persons: int = 2) -> np.ndarray:
    """Detections (M, T, 17, 3) that are somewhere else in every frame."""
    generator = np.random.default_rng(0)
    places = generator.uniform(0, 1e5, (persons, frames, 1, 2))
    points = places + generator.uniform(0, 50, (persons, frames, 17, 2))
    return np.concatenate([points, np.ones((persons, frames, 17, 1))], -1).astype("f4")


def test_work_and_room_are_in_proportion_to_frames_however_persons_flicker(monkeypatch):
    """Each detection starts a track here: all of them must not be searched for ever after."""
    compared, costs = [], person_tracking._costs

    def count(some, others):
        found = costs(some, others)
        compared.append(found.size)
        return found

    monkeypatch.setattr(person_tracking, "_costs", count)
    work = []
    for frames in (400, 800, 1600):
        poses = flickering(frames, 3)
        found = track_persons(poses)
        assert len(found) == 3
        np.testing.assert_array_equal(np.sort(found, axis=0), np.sort(poses, axis=0))
        work.append(sum(compared))
        compared.clear()
    assert work[2] - work[1] < 2.2 * (work[1] - work[0])
    assert len(track_persons(flickering(4, 500))) <= 500
    assert max(compared) <= 128**2


def test_a_long_clip_takes_a_few_times_its_memory():
    poses, recognizer = flickering(3000), networks()[0][1]
    tracemalloc.start()
    try:
        recognizer.predict_arrays(poses)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * poses.nbytes


@pytest.mark.slow
def test_a_hundred_thousand_frames(tmp_path):
    walk = random_clip(persons=2, frames=1000)
    points = np.tile(walk.keypoints, (1, 100, 1, 1)).astype("f2")
    scores = np.tile(walk.scores, (1, 100, 1)).astype("f2")
    long = {"total_frames": 100_000, "keypoint": points, "keypoint_score": scores}
    write(tmp_path, [*ordinary(), annotation("long", 0) | long])
    with undrawn():
        assert "3-100000 frames" in stages(tmp_path, {})
    features = read_sequences(tmp_path / "data/features")
    assert features.clip(8).shape == (2, 100_000, 17, 3)
    recognizer = networks()[0][1]
    found = probabilities(tmp_path, recognizer)["long"]
    np.testing.assert_allclose(recognizer.predict_arrays(points, scores, SHAPE), found, atol=1e-5)
