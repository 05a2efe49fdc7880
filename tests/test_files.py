import errno
import os

import pytest

from har.errors import UserError
from har.files import read_csv, read_json, write_atomically, write_csv, write_json


def test_nothing_half_written_stays(tmp_path):
    path = tmp_path / "folder" / "out.bin"
    with pytest.raises(ZeroDivisionError), write_atomically(path) as file:
        file.write(b"half")
        raise ZeroDivisionError
    assert list(path.parent.iterdir()) == []


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "out.bin"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), write_atomically(path) as file:
        file.write(b"new")
        raise ZeroDivisionError
    assert path.read_bytes() == b"old"


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path):
    class FullDisk:
        def write(self, content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "out.bin"
    complaint = r"cannot write .*out.bin: No space left"
    with pytest.raises(UserError, match=complaint), write_atomically(path) as file:
        file.write(b"some")
        FullDisk().write(b"more")
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="cannot write"), write_atomically(tmp_path / "file/out"):
        pass


def test_json_and_csv_come_back(tmp_path):
    write_json(tmp_path / "a.json", {"b": {"c": 2e-9 / 3, "d": [1, "é"]}})
    assert read_json(tmp_path / "a.json") == {"b": {"c": 6.66667e-10, "d": [1, "é"]}}
    write_csv(tmp_path / "a.csv", [{"x": 'a,"b\n', "y": 0.1 + 0.2}], ["x", "y"])
    assert read_csv(tmp_path / "a.csv", ["x", "y"]) == [{"x": 'a,"b\n', "y": "0.3"}]


def test_unreadable_files_are_told(tmp_path):
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(UserError, match="not a readable JSON"):
        read_json(tmp_path / "a.json")
    with pytest.raises(UserError, match="not found"):
        read_json(tmp_path / "b.json")
    (tmp_path / "a.csv").write_bytes(b"a,b\n\xff\xfe,1\n")
    with pytest.raises(UserError, match="not a readable CSV"):
        read_csv(tmp_path / "a.csv", ["a"])
