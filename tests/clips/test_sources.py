"""Sources of clips, and the choice of classes."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from har.clips import Clip, ClipSet, catalogue, sources
from har.clips.annotations import write_pickle
from har.clips.catalogue import PublishedSet
from har.errors import UserError


def clip(name: str, label: int) -> Clip:
    keypoints = np.ones((1, 2, 17, 2), np.float32)
    return Clip(name, label, keypoints, keypoints[..., 0], (256, 340), name)


def clip_set() -> ClipSet:
    clips = [clip("a", 3), clip("b", 1), clip("c", 3), clip("d", 0), clip("e", -1)]
    names = ["Walk", "Run", "Jump", "HandstandPushups"]
    return ClipSet(clips, names, {"train": ["a", "b"], "test": ["d"]}, ["odd"])


def labels(chosen: ClipSet) -> dict[str, str]:
    return {clip.id: chosen.classes[clip.label] for clip in chosen.clips}


def test_no_choice_keeps_all_classes_with_clips_in_label_order():
    chosen = sources.choose_classes(clip_set(), [])
    assert chosen.classes == ["Walk", "Run", "HandstandPushups"]
    assert [clip.label for clip in chosen.clips] == [2, 1, 2, 0]
    assert chosen.notes == ["odd", "classes without a clip are left out: 1 of 4, first 'Jump'"]


@pytest.mark.parametrize(
    "classes",
    [["HandstandPushups", "Walk"], ["handStandPushups", "walk"], [3, 0], ["3", 0], [3, "Walk"]],
)
def test_chosen_classes_are_labelled_in_the_order_given(classes):
    chosen = sources.choose_classes(clip_set(), classes)
    assert chosen.classes == ["HandstandPushups", "Walk"]
    assert [clip.label for clip in chosen.clips] == [0, 0, 1]
    assert labels(chosen) == {"a": "HandstandPushups", "c": "HandstandPushups", "d": "Walk"}
    assert chosen.subsets == {"train": ["a"], "test": ["d"]}


@pytest.mark.parametrize("wanted", ["Swim", "Jump", 2, 7, -1, "9", "²", True])
def test_a_class_without_clips_is_refused_with_those_there_are(wanted):
    # True is the integer 1 to Python, but nobody means class 1 by it.
    with pytest.raises(UserError) as raised:
        sources.choose_classes(clip_set(), [wanted])
    message = str(raised.value)
    assert "Walk, Run, HandstandPushups" in message and "-S 'prepare.classes=[]'" in message


def test_other_bad_choices_are_refused():
    with pytest.raises(UserError, match="twice"):
        sources.choose_classes(clip_set(), ["Walk", 0])
    with pytest.raises(UserError, match="label"):
        sources.choose_classes(ClipSet([clip("e", -1)], []), [])


def test_a_path_is_relative_to_base(tmp_path):
    write_pickle(tmp_path / "data" / "own.pkl", clip_set())
    for source in ("data/own.pkl", str(tmp_path / "data" / "own.pkl")):
        loaded = sources.load(source, 0, tmp_path / "raw", tmp_path, fps=50.0)
        assert {clip.fps for clip in loaded.clips} == {50}
        assert [clip.id for clip in loaded.clips] == list("abcde")
    assert not (tmp_path / "raw").exists()


def test_an_unknown_source_is_refused_with_those_there_are(tmp_path):
    with pytest.raises(UserError, match=r"'ufc101'.*, simulated_everyday, ucf101, hmdb51, ntu60"):
        sources.load("ufc101", 0, tmp_path, tmp_path)
    for source in ("x" * 5000, "~nobody/x.pkl", "a\0b"):
        with pytest.raises(UserError, match="not found"):
            sources.load(source, 0, tmp_path, tmp_path)


def test_the_simulated_sets_come_from_the_seed(tmp_path, monkeypatch):
    monkeypatch.setattr("har.clips.simulate.simulate", lambda seed: f"simulated with {seed}")
    name = "har.clips.simulate.everyday_clips.simulate_everyday"
    monkeypatch.setattr(name, lambda seed: f"everyday with {seed}")
    assert sources.load("simulated", 5, tmp_path) == "simulated with 5"
    assert sources.load("simulated_everyday", 5, tmp_path) == "everyday with 5"


def test_a_catalogue_name_is_fetched_and_has_its_class_names(tmp_path, monkeypatch):
    path = tmp_path / "fetched.pkl"
    unnamed = {
        "annotations": [
            {
                "frame_dir": "a",
                "label": 1,
                "img_shape": (9, 9),
                "keypoint": np.ones((1, 2, 17, 2)),
                "keypoint_score": np.ones((1, 2, 17)),
            }
        ]
    }
    path.write_bytes(pickle.dumps(unnamed))
    small = PublishedSet("small", "https://example.org/small.pkl", 1, "", ("Sit", "Stand"))
    monkeypatch.setitem(catalogue.CATALOGUE, "small", small)
    monkeypatch.setattr(sources, "download", lambda published, folder: path)
    assert sources.load("small", 0, tmp_path).classes == ["Sit", "Stand"]


# --- One-clip pickles ---


def write_one(folder: Path, label: str, name: str, data: object) -> np.ndarray:
    (folder / label).mkdir(parents=True, exist_ok=True)
    (folder / label / f"{label}_{name}.pkl").write_bytes(pickle.dumps({"data": data}))
    return data


def test_a_folder_of_one_clip_pickles(tmp_path):
    generator = np.random.default_rng(0)
    data = generator.uniform(1, 200, (5, 17, 2)).astype(np.float32)
    data[2, 4] = 0
    write_one(tmp_path, "0", "v_ApplyEyeMakeup_g01_c01", data)
    write_one(tmp_path, "2", "v_Archery_g03_c02", data[:1])
    loaded = sources.load(".", 0, tmp_path / "raw", tmp_path)
    first, second = loaded.clips
    assert (first.id, first.label, first.group) == (
        ("v_ApplyEyeMakeup_g01_c01", 0, "ApplyEyeMakeup_g01")
    )
    assert (second.id, second.label) == ("v_Archery_g03_c02", 2)
    assert loaded.classes == list(catalogue.UCF101_CLASSES)
    np.testing.assert_array_equal(first.keypoints, data[None])
    expected = np.ones((1, 5, 17))
    expected[0, 2, 4] = 0
    np.testing.assert_array_equal(first.scores, expected)
    assert first.image_size == (256, 340)
    assert any("image size" in note for note in loaded.notes)
    assert any("scores" in note for note in loaded.notes)


def test_folder_names_that_are_words_are_the_classes(tmp_path):
    for label in ("wave", "clap"):
        write_one(tmp_path, label, "one", np.ones((2, 17, 2)))
        write_one(tmp_path, label, f"{label}_two", np.ones((2, 17, 2)))
    with pytest.raises(UserError, match="2 clips named 'one'"):
        sources.read(tmp_path)
    (tmp_path / "wave" / "wave_one.pkl").unlink()
    assert labels(sources.read(tmp_path)) == {
        "one": "clap",
        "clap_two": "clap",
        "wave_two": "wave",
    }


def test_bad_folders_are_refused(tmp_path):
    with pytest.raises(UserError, match="has no file that ends in"):
        sources.read(tmp_path)
    write_one(tmp_path, "0", "a", np.ones((17, 2)))
    with pytest.raises(UserError, match=r"keypoints of shape \(17, 2\)"):
        sources.read(tmp_path)
