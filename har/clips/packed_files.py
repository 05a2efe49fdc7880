"""Files packed by gzip, bzip2 or xz, read within bounds; other kinds are recognised."""

import bz2
import gzip
import lzma
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from har.errors import UserError

_CHUNK = 1 << 20  # bytes
_MOST_UNPACKED = 2**31  # bytes
_MOST_TIMES = 100  # a file may unpack to this multiple of its size, and
_FREE = 2**24  # to this many bytes whatever its size
_XZ_MEMORY = 2**27  # bytes that unpacking may take

_KINDS = {
    b"PK\x03\x04": "a zip archive: unpack it, or where it is arrays of NumPy, name it .npz",
    b"\x28\xb5\x2f\xfd": "packed by zstd: unpack it with `unzstd`",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive: unpack it",
    b"Rar!": "a RAR archive: unpack it",
    b"\x89HDF": "an HDF5 file: read it with h5py and save its arrays with numpy.savez",
    b"MATLAB": "a MATLAB file: read it with scipy.io.loadmat and save its arrays with numpy.savez",
    b"\x93NUMPY": "a NumPy array: name it .npy",
    b"version https://git-lfs": "a Git LFS pointer, not the file itself: fetch it with `git lfs "
    "pull`",
    b"<!DOCTYPE": "a web page: download the file itself",
    b"<html": "a web page: download the file itself",
    b"ZLIBFILE": "compressed by joblib: load it with joblib and save it with pickle",
    b"{": "JSON or text: name it .json",
    b"[": "JSON or text: name it .json",
}


def kind_of(start: bytes) -> str:
    """The kind of a file by its first bytes, and what to do with it; empty where unknown."""
    return next((kind for magic, kind in _KINDS.items() if start.startswith(magic)), "")


def unpacked(path: Path, file: IO[bytes]) -> IO[bytes]:
    """The file itself or, where it is packed, a temporary file of its unpacked content.

    Raises:
        UserError: it is damaged, or its unpacked content is too large.
    """
    start = file.read(6)
    file.seek(0)
    pieces = next((read(file) for magic, read in _PACKED.items() if start.startswith(magic)), None)
    if pieces is None:
        return file
    most = min(_MOST_UNPACKED, _FREE + _MOST_TIMES * path.stat().st_size)
    content = tempfile.TemporaryFile()  # noqa: SIM115 -- the caller closes it
    try:
        for piece in pieces:
            content.write(piece)
            if content.tell() > most:
                raise UserError(f"{path} unpacks to more than {most:,} bytes: unpack it yourself")
    except (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, ValueError) as error:
        content.close()
        raise UserError(f"{path} is packed and damaged ({error}): fetch or make it again") from None
    except BaseException:
        content.close()
        raise
    content.seek(0)
    return content


def _xz(file: IO[bytes]) -> Iterator[bytes]:
    """Unpack in chunks with a limit of memory, which lzma.open lacks: a file may ask for 4 GB."""
    unpacker = lzma.LZMADecompressor(memlimit=_XZ_MEMORY)
    while not unpacker.eof:
        data = file.read(_CHUNK) if unpacker.needs_input else b""
        if unpacker.needs_input and not data:
            raise EOFError("it is cut short")
        yield unpacker.decompress(data, _CHUNK)


def _in_chunks(file: gzip.GzipFile | bz2.BZ2File) -> Iterator[bytes]:
    while piece := file.read(_CHUNK):
        yield piece


_PACKED: dict[bytes, Callable[[IO[bytes]], Iterator[bytes]]] = {
    b"\x1f\x8b": lambda file: _in_chunks(gzip.GzipFile(fileobj=file)),
    b"BZh": lambda file: _in_chunks(bz2.BZ2File(file)),
    b"\xfd7zXZ\x00": _xz,
}
