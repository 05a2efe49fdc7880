"""A table gives labels, groups and subsets to the clips of a folder."""

import numpy as np
import pytest

from har.clips import UNLABELLED, Clip, ClipSet
from har.clips.annotations import write_pickle
from har.clips.sources import choose_classes, load, read
from har.errors import UserError

POINTS = np.random.default_rng(0).uniform(10, 200, (1, 6, 17, 2)).astype(np.float32)


def folder(tmp_path, table: str):
    for name in "abc":
        np.save(tmp_path / f"{name}.npy", POINTS)
    (tmp_path / "labels.csv").write_text(table)
    return tmp_path


def test_a_table_beside_files_labels_them(tmp_path):
    table = "file,label,person,subset\na.npy,wave,ann,Train\nclips/b.npy,sit,bob,Val\nz.npy,sit,,\n"
    path = folder(tmp_path, table)
    for source in (path, path / "labels.csv"):
        clip_set = read(source)
        labels = {clip.id: clip.label for clip in clip_set.clips}
        assert clip_set.classes == ["sit", "wave"]
        assert labels == {"a": 1, "b": 0, "c": UNLABELLED}
        assert [clip.group for clip in clip_set.clips] == ["ann", "bob", "c"]
        assert clip_set.subsets == {"Train": ["a"], "Val": ["b"]}
        assert "labels.csv labels 2 of 3 clips" in clip_set.notes
        assert "labels.csv names 1 clips that are not there" in clip_set.notes


def test_a_folder_with_a_table_is_a_source_to_learn_from(tmp_path):
    path = folder(tmp_path, "clip,label\na,wave\nb,sit\n")
    chosen = choose_classes(load(path.name, 0, tmp_path / "raw", tmp_path.parent), [])
    assert [(clip.id, chosen.classes[clip.label]) for clip in chosen.clips] == [
        ("a", "wave"),
        ("b", "sit"),
    ]


def test_a_table_labels_clips_of_a_pickle_by_id_and_the_others_keep_theirs(tmp_path):
    clips = [
        Clip(name, 0, POINTS, POINTS[..., 0] / 200, (240, 320), name) for name in ("one", "two")
    ]
    write_pickle(tmp_path / "clips.pkl", ClipSet(clips, ["sit"]))
    (tmp_path / "table.csv").write_text("clip,label\ntwo,wave\n")
    clip_set = read(tmp_path)
    assert [clip_set.classes[clip.label] for clip in clip_set.clips] == ["sit", "wave"]


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("clip,label\nnobody,sit\n", "names none of the 3 clips"),
        ("clip,label\na,sit\na,wave\n", "contradicts another line"),
        ("clip,label\n,sit\n", "names no clip"),
    ],
)
def test_tables_that_contradict_are_refused(tmp_path, table, words):
    with pytest.raises(UserError, match=words):
        read(folder(tmp_path, table))
