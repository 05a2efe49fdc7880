"""Videos where the command line takes a file of clips."""

import json

import numpy as np
import pytest

from har.__main__ import main
from har.models.checkpoint import save_checkpoint
from har.video.decoding import open_video
from tests.tiny import tiny
from tests.video.make_videos import write_video
from tests.video.stand_ins import frame_with_spots, save_movenet

pytest.importorskip("av", reason="PyAV is an optional extra: make video")


@pytest.fixture
def work(tmp_path, monkeypatch):
    """A folder with a model, stand-ins for the estimators, and a video of four seconds."""
    monkeypatch.chdir(tmp_path)
    save_checkpoint("models/improved.safetensors", tiny().checkpoint)
    save_movenet(tmp_path / "poses", (0, 0, 1, 1, 0.9))
    frames = [frame_with_spots((96, 128), (20 + n, 40), side=12) for n in range(80)]
    write_video("clip.mp4", frames, fps=20)
    return tmp_path


def run(*arguments):
    main([*map(str, arguments), "--models", "poses", "--min-size", "0"])


def test_predict_takes_a_video(work, capsys):
    run("predict", "clip.mp4")
    said = capsys.readouterr().out
    assert "clip     clip: keypoints (1, 80, 17, 2), image 128x96" in said and "1.  " in said
    run("extract", "clip.mp4", "-o", "clips.pkl")
    capsys.readouterr()
    run("predict", "clips.pkl")
    assert capsys.readouterr().out == said


def test_seconds_are_the_videos_own(work, capsys):
    run("predict", "clip.mp4", "--window", "2s", "--stride", "1s", "--json")
    answer = json.loads(capsys.readouterr().out)
    times = [(part["start"], part["end"]) for part in answer["predictions"]]
    assert times == [(0, 2), (1, 3), (2, 4)]


def test_show_draws_a_video(work):
    run("show", "clip.mp4", "-o", "strip.png", "--gif", "clip.gif")
    assert (work / "strip.png").exists() and (work / "clip.gif").exists()


def test_nobody_in_a_video_is_told(work, capsys):
    write_video("empty.mp4", [np.zeros((96, 128, 3), np.uint8)] * 30)
    save_movenet(work / "poses", (0, 0, 1, 1, 0.0))
    run("predict", "empty.mp4")
    said = capsys.readouterr()
    assert "note: empty.mp4: nobody was seen" in said.err


def test_an_overlay_is_a_video_as_long_as_the_first(work):
    run("show", "clip.mp4", "--overlay", "out.mp4", "--window", "1s")
    with open_video("out.mp4") as drawn, open_video("clip.mp4") as given:
        assert drawn.fps == given.fps == 20
        frames, old = list(drawn.frames), list(given.frames)
    assert len(frames) == len(old) and frames[0].shape[0] > 96
    # The spot is still there, with joints on it.
    assert np.abs(frames[40][:96, :128].astype(int) - old[40]).mean() < 10
    assert not list(work.glob("*.part"))


def test_an_overlay_says_what_is_unknown(work, capsys):
    run("predict", "clip.mp4", "--json")
    guess = json.loads(capsys.readouterr().out)["predictions"][0]["class"]
    classes = ["none" if name == guess else name for name in tiny().classes]
    save_checkpoint("models/improved.safetensors", tiny(classes=classes).checkpoint)
    run("show", "clip.mp4", "--overlay", "out.mp4", "--window", "4s")
    run("show", "clip.mp4", "--overlay", "named.mp4", "--window", "4s", "--no-reject")
    colours = []
    for name in ("out.mp4", "named.mp4"):
        with open_video(name) as drawn:
            colours.append(next(iter(drawn.frames))[-6, 20:].mean(axis=0))  # of the timeline
    assert np.ptp(colours[0]) < 10 < np.ptp(colours[1])
    np.testing.assert_allclose(colours[0], 0x88, atol=10)


def test_an_overlay_needs_a_video(work, capsys):
    np.save("clip.npy", np.ones((4, 17, 2)))
    with pytest.raises(SystemExit):
        run("show", "clip.npy", "--overlay", "out.mp4")
    assert "but clip.npy is not one" in capsys.readouterr().err


def test_live_prints_a_line_a_second(work, capsys):
    main(["live", "clip.mp4", "--models", "poses", "--window", "2"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" s  ")[0].strip() for line in lines] == ["2.0", "3.0", "4.0"]
    assert all(" %, " in line and line.endswith("(20 frames/s)") for line in lines)


def test_live_without_a_camera_is_told(work, capsys):
    with pytest.raises(SystemExit):
        main(["live", "--camera", "97", "--models", "poses"])
    assert "camera 97" in capsys.readouterr().err


def test_live_in_a_window_needs_a_display(work, capsys, monkeypatch):
    pytest.importorskip("tkinter", reason="this Python has no Tk", exc_type=ImportError)
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(SystemExit) as ended:
        main(["live", "clip.mp4", "--models", "poses", "--show"])
    assert ended.value.code == 2 and "leave out --show" in capsys.readouterr().err
