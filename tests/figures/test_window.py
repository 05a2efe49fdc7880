"""The window of `live`, on a display that exists in memory only."""

import multiprocessing
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from har.errors import UserError
from har.figures.window import LiveView, Window
from har.skeleton import LAYOUTS

COCO = LAYOUTS["coco17"]
RED, BLUE = (213, 94, 0), (20, 30, 200)


@pytest.mark.skipif(sys.platform != "linux", reason="only X needs DISPLAY")
def test_without_a_display_or_tk_it_is_told_what_to_do(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(UserError, match="leave out --show"):
        Window("har live")


@pytest.fixture
def screen(tmp_path, monkeypatch):
    """A file with the pixels of a display."""
    pytest.importorskip("tkinter", reason="this Python has no Tk", exc_type=ImportError)
    if not shutil.which("Xvfb"):
        pytest.skip("needs Xvfb for a display in memory")
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "640x480x24", "-fbdir", tmp_path]
    server = subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL)
    os.close(write)
    with os.fdopen(read) as told:
        monkeypatch.setenv("DISPLAY", f":{told.readline().strip()}")
    yield tmp_path / "Xvfb_screen0"
    server.terminate()
    server.wait(10)


def test_frames_skeletons_and_the_answer_are_on_the_screen(screen):
    # Tk ends its process when the display goes away.
    process = multiprocessing.get_context("spawn").Process(target=watch_and_close, args=[screen])
    process.start()
    process.join(60)
    assert process.exitcode == 0


def watch_and_close(screen: Path) -> None:
    def pixels():
        content = screen.read_bytes()[-640 * 480 * 4 :]
        return np.frombuffer(content, np.uint8).reshape(480, 640, 4)[..., 2::-1]

    window = Window("har live")
    view = LiveView(window, COCO, ["walk", "run"], top=2)
    pose = np.zeros((1, 17, 3), np.float32)
    pose[0, COCO.joints.index("right_elbow")] = (50, 60, 0.9)
    pose[0, COCO.joints.index("right_wrist")] = (110, 60, 0.9)
    frame = np.full((120, 160, 3), BLUE, np.uint8)
    screens = []

    def estimate(frames):
        for _ in frames:
            yield pose

    for number, found in enumerate(view.watching(estimate)([frame] * 9)):
        assert found is pose
        screens.append(pixels())
        if number == 1:
            view.tell(np.array([0.9, 0.1]), "delay 12 ms")
        if number == 3:
            window.close()
    assert len(screens) == 4
    blue, red = ((screens[1] == colour).all(axis=2).sum() for colour in (BLUE, RED))
    assert 15_000 < blue < 120 * 160 and red > 60 * 2
    changed = (screens[3] != screens[1]).any(axis=2)
    assert changed.sum() > 0.9 * 160 * 8  # the bar of the likeliest class
    window.show(Image.new("RGB", (8, 8)))  # nothing happens
