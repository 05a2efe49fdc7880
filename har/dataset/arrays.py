"""Arrays and tables on disk between stages: written row by row, memory-mapped, checked."""

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from har.errors import UserError
from har.files import write_atomically


def write_rows(
    path: Path, blocks: Iterable[np.ndarray], shape: tuple[int, ...], dtype: np.dtype
) -> None:
    """Write blocks of rows one after the other as a .npy of the given shape."""
    with write_atomically(path) as file:
        header = {"descr": npy.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        npy.write_array_header_1_0(file, header)
        for block in blocks:
            file.write(np.ascontiguousarray(block, dtype).data)


def map_array(path: Path, dimensions: int, *types: str) -> np.ndarray:
    """Memory-map a .npy, checked: number of axes, type, and size against the header.

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        # Copy on write: torch wants writable memory, and the file must not change.
        with warnings.catch_warnings(action="error"):
            array = npy.open_memmap(path, mode="c")
        if array.ndim != dimensions or array.dtype.str not in types or not array.flags.c_contiguous:
            raise ValueError(f"an array of {array.dtype} with shape {array.shape}")
        if array.offset + array.nbytes != path.stat().st_size:
            raise ValueError("its size is not what its header says")
    except FileNotFoundError:
        raise UserError(f"{path} not found: run `dvc repro` to make it") from None
    except Exception as error:  # numpy's reader raises anything on headers that mean nothing
        raise UserError(f"{path} is damaged ({error}): run `dvc repro` to make it again") from None
    return array


@contextmanager
def damage_is_told(path: Path, stage: str) -> Iterator[None]:
    """Turn any error in what a stage wrote into one line with the remedy.

    Args:
        path: the file or folder that is read and checked within.
        stage: the stage that writes it.
    """
    try:
        yield
    except Exception as error:  # a damaged file can hold anything
        raise UserError(f"{path} is damaged ({error}): run `dvc repro -f {stage}`") from None
