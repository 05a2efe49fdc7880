"""The synthetic full-size file has the shapes of its list, and something to learn."""

import csv
import sys

import numpy as np
import pytest

from benchmarks import full_size
from har.clips.annotations import read_pickle
from har.clips.catalogue import UCF101_CLASSES
from har.dataset.prepared import read_prepared
from har.errors import UserError

GROUPS = (1, 2, 8, 9, 15, 22)


def write_list(path, rows):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["frame_dir", "label", "keypoint_shape", "more"])
        writer.writerows(rows)


def made_up_rows():
    return [
        (f"v_{UCF101_CLASSES[label]}_g{group:02}_c{number:02}", label, f"({number}, 40, 17, 2)", "")
        for label in range(4)
        for group in GROUPS
        for number in (1, 4)
    ]


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes out.pkl, a file of the made-up list or of other rows, and reads it."""

    def written(*options, rows=None):
        write_list(tmp_path / "list.csv", rows or made_up_rows())
        out = tmp_path / "out.pkl"
        command = ["full_size", str(out), "--list", str(tmp_path / "list.csv"), *options]
        monkeypatch.setattr(sys, "argv", command)
        full_size.main()
        return read_pickle(out)

    return written


def test_the_file_has_the_clips_of_its_list(write):
    clip_set = write()
    assert clip_set.notes == []
    assert clip_set.classes == list(UCF101_CLASSES)
    for clip, (name, label, shape, _) in zip(clip_set.clips, made_up_rows(), strict=True):
        assert (clip.id, clip.label, str(clip.keypoints.shape)) == (name, label, shape)
        assert clip.keypoints.dtype == clip.scores.dtype == np.float16
        assert clip.image_size == (256, 340)
        seen = clip.scores[:, :, 0] > 0
        assert ((clip.scores > 0) == seen[..., None]).all()
        assert (clip.keypoints.any(axis=(2, 3)) == seen).all()
        assert seen[0].all() and (np.diff(seen.astype(int), axis=0) <= 0).all()
    named = {name: {clip[-6:-4] for clip in ids} for name, ids in clip_set.subsets.items()}
    assert named == {
        "train1": {"08", "09", "15", "22"},
        "test1": {"01", "02"},
        "train2": {"01", "02", "15", "22"},
        "test2": {"08", "09"},
        "train3": {"01", "02", "08", "09", "22"},
        "test3": {"15"},
    }


def test_a_part_has_whole_groups_and_the_same_clips(write):
    whole = {clip.id: clip for clip in write().clips}
    part = write("--clips", "15", "--protocol", "4")
    groups = [clip.group for clip in part.clips]
    assert len(groups) == 16 and all(groups.count(group) == 2 for group in groups)
    assert {clip.label for clip in part.clips} == set(range(4))
    assert list(part.subsets) == ["train1", "test1", "train2", "test2"]  # none for split 3
    for clip in part.clips:
        np.testing.assert_array_equal(clip.keypoints, whole[clip.id].keypoints)


def test_a_drawn_list_is_full_size_and_its_parts_keep_every_class():
    outlines = full_size.draw_list(np.random.default_rng(0))
    assert len({outline.id for outline in outlines}) == 13_320
    slots = sum(outline.persons * outline.frames for outline in outlines)
    assert slots == pytest.approx(9_298_925, rel=0.05)  # the published file's
    for clips in (1, 1000, 4000):
        part = full_size.choose(outlines, clips)
        assert len(part) == pytest.approx(max(clips, 1066), abs=70)
        for groups in (range(1, 8), range(8, 26)):  # test1 and train1
            assert {o.label for o in part if o.group in groups} == set(range(101))


def test_prepare_shows_some_of_a_hundred_classes(write, project):
    rows = [(f"v_{name}_g01_c01", n, "(1, 5, 17, 2)", "") for n, name in enumerate(UCF101_CLASSES)]
    write(rows=rows)
    project.set({"prepare": {"source": "out.pkl"}})
    assert "shows 21 of the 101 classes" in project.stage("prepare")
    prepared = read_prepared(project.folder / "data/prepared")
    assert [row.id for row in prepared.rows] == [name for name, *_ in rows]


def test_there_is_something_to_learn(write):
    def motion(clip):
        points = clip.keypoints[0].astype(float)
        spread = points.std(axis=0).ravel()
        return spread / np.linalg.norm(spread)

    clip_set = write()
    test = {*clip_set.subsets["test1"]}
    known = [clip for clip in clip_set.clips if clip.id not in test]
    right = [
        max(known, key=lambda other: motion(clip) @ motion(other)).label == clip.label
        for clip in clip_set.clips
        if clip.id in test
    ]
    assert np.mean(right) > 0.6  # chance is 0.25


@pytest.mark.parametrize(
    "row", [("Archery_1", 2, "(1, 9, 17, 2)"), ("v_Archery_g01_c01", 2, "(1, 9, 25, 3)")]
)
def test_a_list_of_another_kind_is_refused(tmp_path, row):
    write_list(tmp_path / "list.csv", [(*row, "")])
    with pytest.raises(UserError, match=rf"list\.csv: clip '{row[0]}'"):
        full_size.read_list(tmp_path / "list.csv")


def test_the_subsets_are_the_official_ones(real_data):
    outlines = full_size.read_list(real_data / "ucf101_clips.csv")
    for name, ids in full_size.official(outlines).items():
        lines = (real_data / f"ucf101_splits/{name[:-1]}list0{name[-1]}.txt").read_text().split()
        official = {line.split("/")[1][:-4].casefold() for line in lines if "/" in line}
        assert {clip_id.casefold() for clip_id in ids} == official
