"""Many videos: which are found, what is done again, the same bytes from any number of workers."""

import os
import shutil
import signal

import numpy as np
import pytest

from har.__main__ import main
from har.clips import UNLABELLED
from har.clips.annotations import read_pickle
from har.errors import UserError
from har.video import collection
from tests.video.make_videos import write_video
from tests.video.stand_ins import frame_with_spots, save_movenet

pytest.importorskip("av", reason="PyAV is an optional extra: make video")

SPOTS = {"walk/a": (30, 40), "walk/b": (90, 40), "run/a": (60, 60)}


@pytest.fixture
def work(tmp_path, monkeypatch):
    """A folder with three videos of two classes, and models that find a spot."""
    monkeypatch.chdir(tmp_path)
    save_movenet(tmp_path / "models", (0, 0, 1, 1, 0.9))
    for name, spot in SPOTS.items():
        frames = [frame_with_spots((96, 128), (spot[0] + n, spot[1]), side=12) for n in range(10)]
        path = tmp_path / "videos" / f"{name}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_video(path, frames)
    return tmp_path


def extract(*arguments):
    main(["extract", *map(str, arguments), "--models", "models", "--min-size", "0"])


def test_a_folder_of_classes_becomes_a_training_set(work, capsys):
    extract("videos", "-o", "mine.pkl")
    assert capsys.readouterr().out == "mine.pkl: 3 clips of 2 classes\n"
    clips = read_pickle("mine.pkl")
    assert clips.classes == ["run", "walk"]
    # Two files are named a, so their ids tell the class.
    assert [(clip.id, clip.label) for clip in clips.clips] == [
        ("run/a", 0),
        ("walk/a", 1),
        ("b", 1),
    ]
    for clip, spot in zip(clips.clips, (SPOTS["run/a"], *list(SPOTS.values())[:2]), strict=True):
        assert np.abs(clip.keypoints[0, 0, 0] - spot).max() < 6
        assert (clip.group, clip.fps) == (clip.id, 25)
    assert sorted(os.listdir(work)) == ["mine.pkl", "models", "videos"]


def test_videos_of_one_person_are_one_group(work):
    for person, number in (("anna", 1), ("anna", 2), ("ben", 3)):
        path = work / "videos/jump" / person / f"{number}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy("videos/walk/a.mp4", path)
    extract("videos", "-o", "mine.pkl")
    clips = {clip.id: clip for clip in read_pickle("mine.pkl").clips}
    assert {clip_id: clip.group for clip_id, clip in clips.items() if clip.label == 0} == {
        "1": "anna",
        "2": "anna",
        "3": "ben",
    }
    np.testing.assert_array_equal(clips["1"].keypoints, clips["walk/a"].keypoints)


def test_single_files_have_no_label(work):
    extract("videos/walk/a.mp4", "videos/walk/b.mp4", "-o", "two.pkl")
    assert {clip.label for clip in read_pickle("two.pkl").clips} == {UNLABELLED}


def test_a_broken_video_is_left_out_and_named_at_the_end(work, capsys):
    (work / "videos/walk/c.mp4").write_bytes(b"no video")
    extract("videos", "-o", "mine.pkl")
    said = capsys.readouterr()
    assert said.out == "mine.pkl: 3 clips of 2 classes; 1 video left out\n"
    assert said.err.splitlines()[-1].startswith("left out: videos/walk/c.mp4 cannot be read")
    with pytest.raises(SystemExit):
        extract("videos/walk/c.mp4", "-o", "none.pkl")
    assert capsys.readouterr().err.startswith("error: videos/walk/c.mp4 cannot be read")
    assert not (work / "none.pkl").exists()


def test_what_was_finished_is_not_done_again(work, monkeypatch, capsys):
    done = []
    real = collection.extract

    def killed_at_the_third(source, *rest):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(source)
        return real(source, *rest)

    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(collection, "extract", killed_at_the_third)
        extract("videos", "-o", "mine.pkl")
    assert not (work / "mine.pkl").exists() and len(done) == 2
    done.clear()
    monkeypatch.setattr(collection, "extract", lambda s, *rest: done.append(s) or real(s, *rest))
    extract("videos", "-o", "mine.pkl")
    assert len(done) == 1 and "2 of 3 videos are kept" in capsys.readouterr().err
    resumed = (work / "mine.pkl").read_bytes()
    extract("videos", "-o", "mine.pkl")
    assert (work / "mine.pkl").read_bytes() == resumed


def test_a_new_video_costs_only_itself(work, monkeypatch):
    extract("videos", "-o", "mine.pkl", "--keep", "skeletons")
    shutil.copy("videos/walk/a.mp4", "videos/run/new.mp4")
    with open("videos/run/new.mp4", "ab") as file:
        file.write(b"\0")  # another content
    done = []
    real = collection.extract
    monkeypatch.setattr(collection, "extract", lambda s, *rest: done.append(s) or real(s, *rest))
    extract("videos", "-o", "mine.pkl", "--keep", "skeletons")
    assert done == ["videos/run/new.mp4"] and len(read_pickle("mine.pkl").clips) == 4
    extract("videos", "-o", "mine.pkl", "--keep", "skeletons", "--persons", "1")
    assert len(done) == 5  # other settings, other skeletons


def test_segments_of_long_videos(work):
    (work / "table.csv").write_text(
        "video,start,end,class\nwalk/a.mp4,0,0.2,wave\nb,0.1,0.4,clap\nwalk/a,0.2,9,clap\n"
    )
    extract("videos/walk/a.mp4", "videos/walk/b.mp4", "-o", "all.pkl")
    a, b = read_pickle("all.pkl").clips
    extract("videos", "-o", "cut.pkl", "--segments", "table.csv")
    clips = read_pickle("cut.pkl")
    assert clips.classes == ["clap", "wave"]
    assert [clip.label for clip in clips.clips] == [1, 0, 0]
    assert [clip.group for clip in clips.clips] == ["walk/a", "walk/a", "b"]
    # At 25 frames a second.
    for clip, whole, start, end in zip(clips.clips, (a, a, b), (0, 5, 2), (5, 10, 10), strict=True):
        np.testing.assert_array_equal(clip.keypoints, whole.keypoints[:, start:end])


@pytest.mark.parametrize(
    "row,reason",
    [
        ("x.mp4,0,1,wave", "names x.mp4, not one of the videos"),
        ("a,0,1,wave", "names a, which fits 2 of the recordings"),
        ("b,1,0,wave", "must not end before it starts"),
        ("b,zero,1,wave", "as a time: give seconds"),
        ("b,0,1, ", "has no label"),
        ("b,8,9,wave", "0.4 s (10 frames) long"),
    ],
)
def test_wrong_segments_are_told(work, row, reason, capsys):
    (work / "table.csv").write_text(f"video,start,end,class\n{row}\n")
    with pytest.raises(SystemExit):
        extract("videos", "-o", "cut.pkl", "--segments", "table.csv")
    assert reason in capsys.readouterr().err
    assert not (work / "cut.pkl").exists()


def test_folders_without_videos_and_names_that_clash_are_told(work):
    (work / "empty").mkdir()
    with pytest.raises(UserError, match="no video"):
        collection.find(["empty"])
    shutil.copytree("videos", "more")
    with pytest.raises(UserError, match="two videos"):
        collection.find(["videos", "more"])


@pytest.mark.slow
def test_workers_give_the_same_bytes_also_when_one_is_killed(work, monkeypatch):
    """Two Dask workers; one kills itself at its first video, which is then done by another."""
    pytest.importorskip("distributed", reason="Dask is an optional extra: make video")
    extract("videos", "-o", "one.pkl")
    follow = _track_but_die_once
    monkeypatch.setattr("har.dataset.person_tracking.track_persons", follow)
    monkeypatch.setenv("DIE_ONCE", str(work / "died"))
    extract("videos", "-o", "two.pkl", "--workers", "2")
    assert (work / "died").exists()
    assert (work / "two.pkl").read_bytes() == (work / "one.pkl").read_bytes()


def _track_but_die_once(poses):
    marker = os.environ["DIE_ONCE"]
    try:
        os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        from har.dataset import person_tracking

        return person_tracking.track_persons(poses)
    os.kill(os.getpid(), signal.SIGKILL)
    return poses
