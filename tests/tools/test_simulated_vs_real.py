"""The picture of docs/simulated.md: what it counts, measures and draws."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from har.clips import ClipSet
from har.clips.annotations import write_pickle
from har.clips.simulate.actions import CLASSES
from tests.tiny import random_clip
from tools import simulated_vs_real
from tools.simulated_vs_real import ClipTable, draw, score_table

LIST = """frame_dir,keypoint_shape
v_Archery_g01_c01,"(9, 9, 17, 2)"
v_HeadMassage_g01_c01,"(2, 90, 17, 2)"
v_BrushingTeeth_g01_c01,"(1, 80, 17, 2)"
v_BlowDryHair_g01_c01,"(3, 70, 17, 2)"
v_ApplyLipstick_g01_c01,"(1, 60, 17, 2)"
v_ApplyEyeMakeup_g08_c01,"(1, 119, 17, 2)"
"""


@pytest.fixture
def simulated():
    """A clip of each of 25 groups of five classes; as many persons as the label says, plus one."""
    return [
        replace(
            random_clip(group, persons=label + 1, frames=30 + label, label=label),
            id=f"v_{name}_g{group:02}_c01",
            group=f"{name}_g{group:02}",
        )
        for label, name in enumerate(CLASSES)
        for group in range(1, 26)
    ]


def test_the_list_counts_clips_of_the_five_classes(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text(LIST)
    table = ClipTable.read(path)
    found = (table.labels.tolist(), table.frames.tolist(), table.persons.tolist())
    assert found == ([4, 3, 2, 1, 0], [90, 80, 70, 60, 119], [2, 1, 3, 1, 1])


def test_white_noise_of_a_pixel_is_unsteady_by_one_and_steady_motion_by_none():
    frames, random = 4000, np.random.default_rng(0)
    along = np.arange(frames)[:, None, None] * np.array([0.5, -0.25])
    points = np.tile(along, (1, 17, 1)) + 100
    points[:, 0] += random.normal(0, 1, (frames, 2))
    scores = np.full((1, frames, 17), 0.5)
    scores[0, 100] = 0  # nobody: the three frames that see this one do not count
    clip = replace(random_clip(), keypoints=points[None], scores=scores)
    found, unsteady = score_table([clip])
    assert found.shape == unsteady.shape == (frames - 2 - 3, 17)
    assert (found == 0.5).all()
    assert np.sqrt((unsteady[:, 0] ** 2).mean()) == pytest.approx(1, rel=0.05)
    np.testing.assert_allclose(unsteady[:, 1:], 0, atol=1e-9)


def test_the_picture_shows_both_sets(simulated):
    table = ClipTable(np.arange(5), np.arange(100, 600, 100), np.array([1, 2, 3, 4, 9]))
    figure = draw(table, simulated[:5], simulated)
    lengths, persons, scores, noise, *frames = figure.axes
    medians = [float(np.median(line.get_ydata())) for line in lengths.lines[4::5]]
    assert {100.0, 300.0, 500.0, 30.0, 34.0} <= set(medians)
    heights = [bar.get_height() for bars in persons.containers for bar in bars]
    real, made = heights[:40], heights[40:]
    assert len(real) == len(made) == 40
    assert np.flatnonzero(made).tolist() == [8 * k + k for k in range(5)]
    assert np.flatnonzero(real).tolist() == [0, 9, 18, 27, 39]  # nine persons count as eight
    assert len(scores.get_xticklabels()) == 17 and len(noise.lines) == 2
    titles = [axes.get_title().split("_")[0] for axes in frames]
    assert titles == [f"simulated {CLASSES[k]}" for k in (*range(5), 0, *range(4, -1, -1), 4)]


def test_the_files_may_be_left_out(simulated, tmp_path, monkeypatch):
    monkeypatch.setattr(simulated_vs_real, "simulate", lambda seed: ClipSet(simulated, [*CLASSES]))
    (tmp_path / "list.csv").write_text(LIST)
    write_pickle(tmp_path / "real.pkl", ClipSet(simulated[:5], [*CLASSES]))
    files = ["--clips", str(tmp_path / "list.csv"), "--real", str(tmp_path / "real.pkl")]
    pictures = []
    for words in ([], files):
        output = tmp_path / "picture.png"
        monkeypatch.setattr("sys.argv", ["simulated_vs_real", "-o", str(output), *words])
        simulated_vs_real.main()
        assert Image.open(io.BytesIO(output.read_bytes())).size == (1200, 1100)
        pictures.append(output.read_bytes())
    assert pictures[0] != pictures[1]
