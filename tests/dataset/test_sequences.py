from pathlib import Path

import numpy as np
import pytest

from har.clips import Clip
from har.dataset.prepared import read_prepared, write_prepared
from har.dataset.sequences import data_hash, read_sequences, write_sequences
from har.errors import UserError
from har.params import load_params

PARAMS = Path(__file__).parents[2] / "params.yaml"


def clips(dtype=np.float16):
    generator = np.random.default_rng(0)
    shapes = [(1, 3), (2, 2), (3, 5)]
    return [
        Clip(
            f'clip "{n}", été',
            n % 2,
            generator.uniform(0, 300, (persons, frames, 17, 2)).astype(dtype),
            generator.uniform(0, 1, (persons, frames, 17)).astype(dtype),
            (256, 340),
            f"group{n}",
            fps=(0.0, 29.97, 60.0)[n],
        )
        for n, (persons, frames) in enumerate(shapes)
    ]


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_prepared_clips_come_back_as_they_were(tmp_path, dtype):
    written = clips(dtype)
    official = {"test1": [written[2].id], "train1": [written[0].id, "not here"]}
    write_prepared(tmp_path, written, ["a", "b"], official)
    prepared = read_prepared(tmp_path)
    assert prepared.keypoints.dtype == dtype
    assert prepared.classes == ["a", "b"]
    assert [row.official for row in prepared.rows] == [("train1",), (), ("test1",)]
    for clip, row in zip(written, prepared.rows, strict=True):
        assert (row.id, row.label, row.group) == (clip.id, clip.label, clip.group)
        assert row.fps == clip.fps
        assert np.array_equal(prepared.poses(row)[..., :2], clip.keypoints)
        assert np.array_equal(prepared.poses(row)[..., 2], clip.scores)


def features(folder):
    write_prepared(folder / "prepared", clips(np.float32), ["a", "b"], {})
    prepared = read_prepared(folder / "prepared")
    poses = [prepared.poses(row)[:1] for row in prepared.rows]
    subsets = ["train", "val", "train"]
    lengths = [row.frames for row in prepared.rows]
    preprocess = load_params(PARAMS).preprocess.model_copy(update={"persons": 1}).model_dump()
    settings = {"layout": "coco17", "classes": ["a", "b"], "preprocess": preprocess}
    write_sequences(
        folder / "x", iter(poses), lengths, prepared.rows, subsets, 1, settings, (17, 3)
    )
    return poses, read_sequences(folder / "x")


def test_features_come_back_as_they_were(tmp_path):
    poses, found = features(tmp_path)
    assert found.x.shape == (10, 1, 17, 3)
    np.testing.assert_allclose(found.take(np.array([2, 1])).fps, [60, 29.97])
    for index, clip in enumerate(poses):
        assert np.array_equal(found.clip(index), clip)
    train = found.subset("train")
    assert train.labels.tolist() == [0, 0]
    assert np.array_equal(train.clip(1), poses[2])
    assert len(found.subset("train", "val")) == 3
    assert len(found.subset()) == 0


def test_the_hash_is_of_the_content(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    features(tmp_path / "one")
    features(tmp_path / "two")
    assert data_hash(tmp_path / "one/x") == data_hash(tmp_path / "two/x")
    table = tmp_path / "two/x/clips.csv"
    table.write_text(table.read_text().replace("train", "test"))
    assert data_hash(tmp_path / "one/x") != data_hash(tmp_path / "two/x")


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda path: path.unlink(), "not found"),
        (lambda path: path.write_bytes(path.read_bytes()[:99]), "damaged|readable|does not fit"),
        (lambda path: path.write_bytes(b"\x80\x04nonsense"), "damaged|readable|lacks"),
    ],
)
@pytest.mark.parametrize("name", ["clips.csv", "keypoints.npy"])
def test_damaged_files_are_refused(tmp_path, name, damage, complaint):
    write_prepared(tmp_path, clips(), ["a", "b"], {})
    damage(tmp_path / name)
    with pytest.raises(UserError, match=complaint):
        read_prepared(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (",0,group0", ",zero,group0", "invalid literal"),
        (",1,3,256", ",-1,3,256", "back to back"),
        (",2,2,256", ",2,900,256", "back to back"),
        (",3,5,256", ",3,900,256", "does not fit"),
        ("offset", "ofset", "lacks the column 'offset'"),
        (",0,group0,", ",0,", "too few"),
        (",29.97,", ",-1,", "fps must be"),
        (",29.97,", ",nan,", "fps must be"),
    ],
)
def test_a_table_with_a_wrong_line_is_refused(tmp_path, old, new, complaint):
    write_prepared(tmp_path, clips(), ["a", "b"], {})
    table = tmp_path / "clips.csv"
    assert old in table.read_text()
    table.write_text(table.read_text().replace(old, new))
    with pytest.raises(UserError, match=complaint):
        read_prepared(tmp_path)
