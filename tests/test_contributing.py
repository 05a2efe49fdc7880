"""The examples of CONTRIBUTING.md, made in a copy of the project: its pipeline and tests run."""

import json
import re
import shutil

import numpy as np
import pytest

from har.params import load_yaml
from tests.conftest import ROOT, copy_project

RUN = """
from stages import evaluate, prepare, preprocess, split, train
for stage in (prepare, split, preprocess):
    stage.main()
for name in ("baseline", "improved"):
    train.train(name)
evaluate.main()
"""
CHECK = """
import pytest
from tools import dependencies
dependencies.main()
raise SystemExit(pytest.main([
    "tests/test_rooms.py", "tests/models/test_models.py", "tests/evaluation/test_brier_score.py",
    "-k", "mean_pose or pose_lines or brier",
]))
"""


def examples():
    """Kind, path and lines of each block that begins with a path."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    return re.findall(r"^```(\w+)\n# (\S+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def change(text, hunk):
    """Text with the one place that a hunk is about changed: context and -, to context and +."""
    lines = hunk.splitlines(keepends=True)
    before = "".join(line[1:] or line for line in lines if line[0] != "+")
    after = "".join(line[1:] or line for line in lines if line[0] != "-")
    assert ("\n" + text).count("\n" + before) == 1, before
    return ("\n" + text).replace("\n" + before, "\n" + after)[1:]


def write_clips(folder):
    """Two classes of eight files: an arm that waves, and one that does not move."""
    generator = np.random.default_rng(0)
    for number in range(16):
        name = ("still", "waving")[number % 2]
        joints = np.tile(generator.uniform(50, 250, (14, 3)), (20, 1, 1))
        joints[..., 2] = 0.9
        joints[:, 4, 0] += 30 * (number % 2) * np.sin(np.arange(20))
        (folder / name).mkdir(parents=True, exist_ok=True)
        np.savetxt(folder / name / f"clip{number}.poses", joints.reshape(20, -1))


@pytest.fixture(scope="module")
def changed(tmp_path_factory, tiny_pickle):
    project = copy_project(tmp_path_factory.mktemp("contributing"), tiny_pickle)
    for name in ("tests", "tools", "pretraining"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, project.folder / name, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", project.folder)
    for kind, name, content in examples():
        path = project.folder / name
        assert path.exists() == (kind == "diff"), name
        if kind == "diff":
            text = path.read_text(encoding="utf-8")
            for hunk in content.split("@@\n"):
                text = change(text, hunk)
            content = text
        path.write_text(content, encoding="utf-8")
    write_clips(project.folder / "clips")
    project.set(
        {
            "prepare": {"source": "clips", "layout": "arms.yaml"},
            "baseline": {"model": {"arch": "mean_pose"}},
            "tracking": {"enabled": False},
        }
    )
    return project


def test_the_pipeline_reads_trains_measures_and_draws_what_was_added(changed):
    said = changed.run("python", "-c", RUN)
    assert "clips: 16 clips" in said and "crowdpose14 is mapped to arms" in said
    assert "baseline: mean_pose" in said
    settings = json.loads((changed.folder / "data/features/settings.json").read_text())
    assert settings["classes"] == ["still", "waving"]
    assert settings["layout"]["pairs"][2] == ["left_wrist", "right_wrist"]
    evaluation = json.loads((changed.folder / "metrics/evaluation.json").read_text())
    assert all(0 < evaluation[name]["brier_score"] < 2 for name in ("baseline", "improved"))
    assert (changed.folder / "plots/confidences.png").read_bytes().startswith(b"\x89PNG")


def test_the_tests_that_it_extends_pass_with_what_was_added(changed):
    said = changed.run("python", "-c", CHECK)
    assert "passed" in said
    stages = load_yaml(changed.folder / "dvc.yaml")["stages"]
    assert "har/models/mean_pose.py" in stages["train_baseline"]["deps"]
    assert "har/clips/keypoint_files/pose_lines.py" in stages["prepare"]["deps"]
    assert {"plots/confidences.png": {"cache": False}} in stages["evaluate"]["outs"]
