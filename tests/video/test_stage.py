"""Extraction as a stage of the pipeline, by the commands in docs/video.md."""

import json
import re
import shlex

import pytest

from tests.conftest import ROOT
from tests.video.make_videos import write_video
from tests.video.stand_ins import frame_with_spots, save_movenet

pytest.importorskip("av", reason="PyAV is an optional extra: make video")


def add_video(folder, name, x):
    """A video of one second in which a person walks from x to the right."""
    path = folder / "videos" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, [frame_with_spots((96, 128), (x + n, 40), side=12) for n in range(25)])


@pytest.mark.slow
def test_a_new_video_costs_only_itself(project, monkeypatch):
    text = (ROOT / "docs/video.md").read_text(encoding="utf-8")
    (commands,) = re.findall(r"^```\n(dvc add videos\n.*?)```$", text, re.MULTILINE | re.DOTALL)
    (change,) = re.findall(r"^```diff\n(.*?)```$", text, re.MULTILINE | re.DOTALL)
    save_movenet(project.folder / "weights", (0, 0, 1, 1, 0.9))
    monkeypatch.setenv("HAR_MODELS", str(project.folder / "weights"))
    add_video(project.folder, "left/anna_1.mp4", 20)
    add_video(project.folder, "right/anna_2.mp4", 60)

    project.dvc("init", "--no-scm", "--force")
    for command in commands.replace("\\\n", "").splitlines():
        program, *arguments = shlex.split(command)
        assert program == "dvc"
        project.dvc(*arguments)
    before = "".join(line[1:] for line in change.splitlines(True) if line[0] != "+")
    after = "".join(line[1:] for line in change.splitlines(True))
    pipeline = project.folder / "dvc.yaml"
    assert pipeline.read_text().count(before) == 1
    pipeline.write_text(pipeline.read_text().replace(before, after))
    project.set({"prepare": {"source": "mine.pkl"}})
    project.dvc("repro", "prepare")
    skeletons = project.folder / "skeletons"
    first = {path.name: path.stat().st_mtime_ns for path in skeletons.iterdir()}
    assert len(first) == 2

    add_video(project.folder, "right/ben_3.mp4", 80)
    project.dvc("repro", "prepare")
    assert "2 of 3 videos are kept from an earlier run" in project.errors
    second = {path.name: path.stat().st_mtime_ns for path in skeletons.iterdir()}
    assert len(second) == 3 and first.items() <= second.items()
    figures = json.loads((project.folder / "metrics/prepare.json").read_text())
    assert figures["clips_of_class"] == {"left": 1, "right": 2}
