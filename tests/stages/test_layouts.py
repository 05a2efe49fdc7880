"""Layouts through the stages: a user's own, and a source whose layout is mapped."""

from dataclasses import replace

import numpy as np

from har.dataset.sequences import read_sequences
from har.models import build
from har.models.checkpoint import load_checkpoint, save_checkpoint
from har.skeleton import LAYOUTS, layout_of_setting
from tests.dataset.test_odd_clips import ordinary, stages, undrawn, write
from tests.tiny import tiny_checkpoint


def clips_of(joints):
    clips = ordinary()
    for number, clip in enumerate(clips):
        frames = clip["keypoint"].shape[1]
        generator = np.random.default_rng(number)
        clip["keypoint"] = generator.uniform(9, 250, (1, frames, joints, 2)).astype("f4")
        clip["keypoint_score"] = np.full((1, frames, joints), 0.5, "f4")
    return clips


def test_own_layout_goes_from_the_settings_into_features_and_a_checkpoint(tmp_path):
    (tmp_path / "own.yaml").write_text("joints: [a, left_b, right_b]\nbones: [[a, left_b]]\n")
    write(tmp_path, clips_of(3))
    with undrawn():
        stages(tmp_path, {}, layout="own.yaml")
    features = read_sequences(tmp_path / "data/features")
    assert features.x.shape[2:] == (3, 3)
    layout = layout_of_setting(features.settings["layout"], "features")
    assert (layout.name, layout.parents, layout.pairs) == ("own", (0, 0, 2), ((1, 2),))
    known = tiny_checkpoint()
    network = build(known.model, len(known.classes), layout)
    own = replace(known, weights=network.state_dict(), layout=layout)
    save_checkpoint(tmp_path / "own.safetensors", own)
    assert load_checkpoint(tmp_path / "own.safetensors").layout == layout


def test_a_source_that_tells_its_layout_is_mapped_to_the_one_asked_for(tmp_path):
    clips = clips_of(26)
    write(tmp_path, clips, layout="halpe26")
    with undrawn():
        said = stages(tmp_path, {})
    assert "halpe26 is mapped to coco17" in said
    features = read_sequences(tmp_path / "data/features")
    assert features.settings["layout"] == "coco17" and features.x.shape[2] == 17
    elbow = LAYOUTS["coco17"].joints.index("left_elbow")
    clip = next(clip for clip in clips if clip["frame_dir"] == features.ids[0])
    start = features.offsets[0]
    np.testing.assert_allclose(features.x[start, 0, elbow, :2], clip["keypoint"][0, 0, 7])
