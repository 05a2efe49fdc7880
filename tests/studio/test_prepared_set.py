"""The pipeline's clips as a set: what is read of the stages' files, and what is wrong with them."""

import numpy as np
import pytest

from har.__main__ import main
from har.dataset.prepared import write_prepared
from har.errors import UserError
from har.studio.prepared_set import read_prepared_set
from tests.tiny import random_clip


@pytest.fixture
def folder(tmp_path):
    """Three clips of two classes, before any stage but the first ran."""
    clips = [random_clip(n, frames=20 + n, label=n % 2) for n in range(3)]
    subsets = {"train1": ["clip_0", "clip_1"], "test1": ["clip_2"]}
    write_prepared(tmp_path / "prepared", clips, ["sit", "wave"], subsets)
    return tmp_path


def test_clips_are_those_that_were_prepared(folder):
    found, predictions = read_prepared_set(folder / "prepared")
    assert predictions == {} and found.classes == ["sit", "wave"]
    assert found.layout.name == "coco17"
    assert found.subsets == {"train1": ["clip_0", "clip_1"], "test1": ["clip_2"]}
    for number, clip in enumerate(found.clips):
        old = random_clip(number, frames=20 + number, label=number % 2)
        assert (clip.id, clip.label, clip.group) == (old.id, old.label, old.group)
        assert (clip.image_size, clip.fps) == (old.image_size, old.fps)
        np.testing.assert_array_equal(clip.keypoints, old.keypoints)
        np.testing.assert_array_equal(clip.scores, old.scores)
        assert type(clip.keypoints) is np.ndarray


def test_the_split_and_the_predictions_go_with_them(folder):
    (folder / "split.csv").write_text("id,subset\nclip_0,train\nclip_1,test\nclip_2,train\n")
    (folder / "predictions.csv").write_text(
        "id,group,class,baseline,baseline_probability,improved,improved_probability\n"
        "clip_1,clip_1,wave,sit,0.6,wave,0.9\n"
    )
    found, predictions = read_prepared_set(folder / "prepared")
    assert found.subsets["pipeline train"] == ["clip_0", "clip_2"]
    assert found.subsets["pipeline test"] == ["clip_1"]
    assert predictions == {"baseline": {"clip_1": "sit"}, "improved": {"clip_1": "wave"}}


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("split.csv", "id,subset\nclip_9,train\n", "split.csv names 'clip_9', no clip of prepared"),
        ("predictions.csv", "id,class\n", "predictions.csv lacks the column 'group'"),
        ("features/settings.json", "[]", "settings.json is damaged"),
        ("features/settings.json", '{"layout": "hand"}', "unknown layout"),
        ("features/settings.json", '{"layout": "openpose25"}', "prepared"),
    ],
)
def test_what_is_wrong_is_a_sentence(folder, name, content, sentence):
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(content)
    with pytest.raises(UserError, match=sentence):
        read_prepared_set(folder / "prepared")


def test_a_folder_without_prepared_clips_is_told(tmp_path, capsys):
    pytest.importorskip("nicegui", reason="needs the extra studio")
    with pytest.raises(SystemExit):
        main(["studio", "--prepared", str(tmp_path), "--no-browser"])
    assert "holds no prepared clips" in capsys.readouterr().err
