"""Estimators on stand-in networks: where a joint was seen is where it comes out."""

import numpy as np
import pytest
from onnx import TensorProto, helper

from har.errors import UserError
from har.video import estimators
from tests.video.stand_ins import (
    JOINTS,
    frame_with_spots,
    image,
    save,
    save_detector,
    save_movenet,
)

WHOLE = (0, 0, 1, 1, 0.9)


def poses(folder, *frames):
    return list(estimators.load(folder, threads=1)(frames))


@pytest.mark.parametrize("size", [(240, 320), (320, 240), (97, 201), (720, 1280)])
def test_a_joint_comes_back_where_it_was_seen(tmp_path, size):
    height, width = size
    spot = width * 5 // 8, height // 4
    # The stand-in's boxes are shares of the padded frame.
    folder = save_movenet(tmp_path, (0.1, 0.5, 0.5, 0.75, 0.9))
    (found,) = poses(folder, frame_with_spots(size, spot, side=12))
    assert found.shape == (1, JOINTS, 3) and found.dtype == np.float32
    np.testing.assert_allclose(found[0, :, 2], 0.9, rtol=1e-6)
    assert np.abs(found[0, :, :2] - spot).max() <= 8  # half the spot and a pixel of the cut-out


def test_two_persons_are_refined_apart(tmp_path):
    spots = (80, 60), (240, 60)
    folder = save_movenet(tmp_path, (0.1, 0.15, 0.4, 0.35, 0.9), (0.1, 0.65, 0.4, 0.85, 0.8))
    (found,) = poses(folder, frame_with_spots((240, 320), *spots))
    assert len(found) == 2 and np.abs(found[:, 0, :2] - spots).max() <= 6


def test_a_person_found_twice_is_one(tmp_path):
    folder = save_movenet(tmp_path, WHOLE, (0.05, 0, 1, 1, 0.8))
    (found,) = poses(folder, frame_with_spots((240, 320), (100, 100)))
    assert len(found) == 1


def test_a_weak_detection_is_none_and_nobody_gives_no_pose(tmp_path):
    folder = save_movenet(tmp_path, (0, 0, 0.5, 0.5, 0.1))
    nobody, somebody = poses(
        folder, np.zeros((240, 320, 3), np.uint8), frame_with_spots((240, 320), (300, 200))
    )
    assert nobody.shape == (0, JOINTS, 3)
    # Nobody was detected, so the whole frame was refined.
    assert len(somebody) == 1 and np.abs(somebody[0, 0, :2] - (300, 200)).max() <= 6


def test_a_close_up_is_refined_with_more_of_the_picture(tmp_path):
    """A spot that lies 0.75 box sides from the box's centre is within reach without legs only."""
    size, spot = (256, 256), (208, 128)
    box = (0.3, 0.3, 0.7, 0.7, 0.9)
    near = save_movenet(tmp_path / "legs", box, legs=0.9)
    far = save_movenet(tmp_path / "none", box, legs=0.1)
    assert poses(near, frame_with_spots(size, spot))[0][0, 0, 2] == 0
    assert np.abs(poses(far, frame_with_spots(size, spot))[0][0, 0, :2] - spot).max() <= 6


def test_a_cut_out_is_the_picture_moved_and_scaled():
    picture = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)
    whole = estimators.cut_out(picture, (0, 0, 60, 40), (40, 60))
    np.testing.assert_array_equal(whole, picture)
    shifted = estimators.cut_out(picture, (-10, 5, 60, 40), (40, 60), fill=7)
    assert (shifted[:, :10] == 7).all() and (shifted[35:] == 7).all()
    np.testing.assert_array_equal(shifted[:35, 10:], picture[5:, :50])
    assert (estimators.cut_out(picture, (100, 100, 20, 20), (8, 8)) == 0).all()


def test_rtmpose_reads_rows_and_columns(tmp_path):
    """A stand-in that says how bright each row and column is, for one joint after the other."""
    save_detector(tmp_path / "movenet-multipose.onnx", WHOLE)
    nodes = [
        helper.make_node("ReduceMax", ["image", "across"], ["row"], keepdims=0),
        helper.make_node("ReduceMax", ["image", "down"], ["column"], keepdims=0),
        helper.make_node("Expand", ["column", "columns"], ["simcc_x"]),
        helper.make_node("Expand", ["row", "rows"], ["simcc_y"]),
    ]
    save(
        tmp_path / "rtmpose-s.onnx",
        [image(TensorProto.FLOAT, 1, 3, 256, 192)],
        ["simcc_x", "simcc_y"],
        nodes,
        across=np.array([0, 1, 3]),
        down=np.array([0, 1, 2]),
        columns=np.array([1, JOINTS, 192]),
        rows=np.array([1, JOINTS, 256]),
    )
    (found,) = poses(tmp_path, frame_with_spots((240, 320), (250, 70)))
    assert np.abs(found[0, :, :2] - (250, 70)).max() <= 7
    np.testing.assert_array_equal(found[0, :, 2], 1)


def test_rtmo_gives_persons_at_once(tmp_path):
    boxes = np.array([[[0, 0, 64, 64, 0.9], [0, 0, 64, 64, 0.1]]], np.float32)
    joints = np.zeros((1, 2, JOINTS, 3), np.float32)
    joints[0, 0] = (320, 160, 0.8)
    zero = [
        helper.make_node("ReduceMin", ["image"], ["least"], keepdims=0),
        helper.make_node("Mul", ["least", "nothing"], ["zero"]),
        helper.make_node("Add", ["boxes", "zero"], ["dets"]),
        helper.make_node("Add", ["joints", "zero"], ["keypoints"]),
    ]
    save(
        tmp_path / "rtmo-s.onnx",
        [image(TensorProto.FLOAT, 1, 3, 640, 640)],
        ["dets", "keypoints"],
        zero,
        boxes=boxes,
        joints=joints,
        nothing=np.float32(0),
    )
    (found,) = poses(tmp_path, np.zeros((240, 320, 3), np.uint8))
    np.testing.assert_allclose(found, np.tile([[[160, 80, 0.8]]], (1, JOINTS, 1)), rtol=1e-6)


def test_a_folder_without_models_is_told(tmp_path):
    with pytest.raises(UserError, match="movenet-multipose"):
        estimators.load(tmp_path)
    save_movenet(tmp_path)
    (tmp_path / "movenet-thunder.onnx").write_bytes(b"no network")
    with pytest.raises(UserError, match=r"movenet-thunder\.onnx is not an ONNX file"):
        estimators.load(tmp_path)
