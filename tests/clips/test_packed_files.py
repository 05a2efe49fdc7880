"""Packed files are read within bounds; other files are named for what they are."""

import bz2
import gzip
import lzma
import pickle

import numpy as np
import pytest

from har.clips import packed_files
from har.clips.sources import read
from har.errors import UserError

POINTS = np.random.default_rng(0).uniform(10, 200, (1, 6, 17, 2)).astype(np.float32)
CLIP = pickle.dumps([{"frame_dir": "a", "label": 0, "keypoint": POINTS}])


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("clips.pkl", gzip.compress),
        ("clips.pkl.gz", lambda raw: gzip.compress(raw[:100]) + gzip.compress(raw[100:])),
        ("clips.pickle.bz2", bz2.compress),
        ("clips.pkl.xz", lzma.compress),
    ],
)
def test_packed_pickles_are_read(tmp_path, name, pack):
    (tmp_path / name).write_bytes(pack(CLIP))
    np.testing.assert_array_equal(read(tmp_path / name).clips[0].keypoints, POINTS)
    np.testing.assert_array_equal(read(tmp_path).clips[0].keypoints, POINTS)
    (tmp_path / name).write_bytes(pack(CLIP)[:-20])
    with pytest.raises(UserError, match="packed and damaged"):
        read(tmp_path / name)


def test_own_arrays_may_be_packed(tmp_path):
    np.save(tmp_path / "own.npy", POINTS)
    packed = gzip.compress((tmp_path / "own.npy").read_bytes())
    (tmp_path / "own.npy").unlink()
    (tmp_path / "own.npy.gz").write_bytes(packed)
    assert read(tmp_path / "own.npy.gz").clips[0].id == "own"


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_what_unpacks_to_too_much_is_refused(tmp_path, monkeypatch, pack):
    monkeypatch.setattr(packed_files, "_FREE", 10**5)
    monkeypatch.setattr(packed_files, "_CHUNK", 10**4)
    (tmp_path / "bomb.pkl").write_bytes(pack(bytes(10**6)))
    with pytest.raises(UserError, match="unpacks to more than"):
        read(tmp_path / "bomb.pkl")


def test_what_asks_for_much_memory_to_unpack_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(packed_files, "_XZ_MEMORY", 2**20)
    (tmp_path / "clips.pkl").write_bytes(lzma.compress(CLIP, preset=6))
    with pytest.raises(UserError, match="packed and damaged"):
        read(tmp_path / "clips.pkl")


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (b"PK\x03\x04", "zip archive"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"\x89HDF\r\n", "HDF5"),
        (b"\x93NUMPY\x01", "name it .npy"),
        (b"version https://git-lfs.github.com/spec/v1", "git lfs pull"),
        (b"<!DOCTYPE html>", "web page"),
        (b'{"keypoints": []}', "name it .json"),
    ],
)
def test_other_files_are_named_for_what_they_are(tmp_path, start, words):
    (tmp_path / "clips.pkl").write_bytes(start + bytes(100))
    with pytest.raises(UserError, match=words):
        read(tmp_path / "clips.pkl")
