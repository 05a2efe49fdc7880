"""Own keypoints in .npz, .npy and .json files, read but not yet checked.

Whatever the bytes are, the outcome is arrays and lists or a UserError, and memory stays within
bounds.
"""

import io
import json
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from har.clips import packed_files
from har.clips.limits import MOST_BYTES, MOST_JSON, MOST_NUMBERS
from har.clips.safe_pickle import shown
from har.errors import UserError


def load(path: Path, suffix: str) -> tuple[Any, int]:
    """Read an array, or a dictionary of arrays or of nested lists, and its size in bytes, unpacked.

    Args:
        path: of the file, perhaps packed by gzip, bzip2 or xz.
        suffix: .npz, .npy or .json.

    Raises:
        UserError: the file is missing, too large, damaged, or holds anything but numbers.
    """
    most = MOST_JSON if suffix == ".json" else MOST_BYTES
    try:
        if not path.is_file():  # reading a pipe would block
            raise UserError(f"{path} is not a file: give the path of one clip")
        with path.open("rb") as packed, packed_files.unpacked(path, packed) as file:
            raw = file.read(most + 1)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from None
    if len(raw) > most:
        raise UserError(
            f"{path} is too large for one clip, above {most:,} bytes: cut it into several files, "
            "or save its arrays with numpy.save"
        )
    try:
        if suffix == ".json":
            return json.loads(raw), len(raw)
        if suffix == ".npy":
            return _array(raw), len(raw)
        arrays = _arrays(path, raw)
        return arrays, sum(array.nbytes for array in arrays.values())
    except UserError:
        raise
    except Exception as error:  # the decoders raise anything on meaningless bytes
        kind = packed_files.kind_of(raw[:32])
        if not kind or f"name it {suffix}" in kind:
            kind = shown(str(error) or type(error).__name__)
        raise UserError(f"{path} is damaged or no {suffix} file ({kind}): make it again") from None


def _arrays(path: Path, raw: bytes) -> dict[str, np.ndarray]:
    """The arrays of an .npz by name, without those of other types than numbers.

    An archive with a single array, of another type, is refused.
    """
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        members = [info for info in archive.infolist() if info.filename.endswith(".npy")]
        if sum(info.file_size for info in members) > MOST_BYTES:
            raise UserError(f"{path} is too large to be one clip: cut it into several files")
        arrays = {}
        for info in members:
            try:
                arrays[info.filename.removesuffix(".npy")] = _array(archive.read(info))
            except _NoNumbersError:
                if len(members) == 1:
                    raise
        return arrays


class _NoNumbersError(ValueError):
    """An array of another type than numbers."""


def _array(raw: bytes) -> np.ndarray:
    """The numbers of an .npy; memory is taken for its bytes, not for what its header claims."""
    file = io.BytesIO(raw)
    read_header = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    with warnings.catch_warnings(action="ignore"):  # numpy warns of headers written by Python 2
        shape, fortran, dtype = read_header[npy.read_magic(file)](file)
    if dtype.kind not in "fiub":
        raise _NoNumbersError(f"an array of type {dtype}, not of numbers")
    numbers = np.frombuffer(raw, dtype, offset=file.tell())
    if numbers.size > MOST_NUMBERS:
        raise ValueError(f"{numbers.size:,} numbers: too large to be one clip")
    return numbers.reshape(shape, order="F" if fortran else "C")
