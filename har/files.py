"""Reading and writing files; a file that is written appears whole or not at all."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from har.errors import UserError

_LONGEST_ROW = 2**20  # characters
_MOST_ROWS = 2**20
_LONGEST_JSON = 2**24  # characters


@contextmanager
def write_atomically(path: str | Path, mode: str = "wb", **options: Any) -> Iterator[IO[Any]]:
    """Open `path` for writing; the file gets its name only if the block succeeds.

    The temporary name is fixed (`NAME.part`), because some formats write their file name into
    their content and the same input must give the same bytes.

    Raises:
        UserError: the file cannot be written (no permission, no such folder, disk full).
    """
    path = Path(path)
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open(mode, **options) as file:
            yield file
        part.replace(path)
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror or error}; free some space or check permissions"
        ) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def write_json(path: str | Path, content: Any) -> None:
    """Write nested dictionaries and numbers as JSON; floats are rounded to 6 significant digits."""
    with write_atomically(path, "w", encoding="utf-8") as file:
        json.dump(_rounded(content), file, indent=2, ensure_ascii=False)
        file.write("\n")


def read_json(path: str | Path) -> Any:
    """Read a JSON file that a stage wrote.

    Raises:
        UserError: the file is missing or is not JSON.
    """
    try:
        with Path(path).open(encoding="utf-8") as file:
            text = file.read(_LONGEST_JSON + 1)
        if len(text) > _LONGEST_JSON:
            raise ValueError(f"more than {_LONGEST_JSON} characters")
        return json.loads(text)
    except FileNotFoundError:
        raise UserError(f"{path} not found: run `dvc repro` to make it") from None
    except (ValueError, OSError, RecursionError) as error:
        raise UserError(f"{path} is not a readable JSON file: {error}") from None


def write_csv(path: str | Path, rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Write rows as CSV with the given columns; floats are rounded to 6 significant digits."""
    with write_atomically(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: _rounded(value) for key, value in row.items()} for row in rows)


def read_csv(path: str | Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Read a CSV that a stage wrote, as one dictionary of strings per row.

    Raises:
        UserError: the file is missing, is not text, or lacks one of `columns`.
    """
    rows: list[dict[str, str]] = []
    taken = 0  # characters of the row that is being read

    def lines(file: IO[str]) -> Iterator[str]:
        nonlocal taken
        while line := file.readline(_LONGEST_ROW + 1):
            taken += len(line)
            if taken > _LONGEST_ROW or len(rows) > _MOST_ROWS:
                raise ValueError(
                    f"more than {_LONGEST_ROW} characters in a row or {_MOST_ROWS} rows"
                )
            yield line

    try:
        with Path(path).open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(lines(file), strict=True)
            missing = [name for name in columns if name not in (reader.fieldnames or [])]
            if missing:
                has = reader.fieldnames
                raise UserError(f"{path} lacks the column {missing[0]!r}; it has {has}")
            for row in reader:
                if None in row or None in row.values():
                    wrong = f"row {len(rows) + 1} has too few or too many fields"
                    raise UserError(f"{path}: {wrong}; make it again")
                rows.append(row)
                taken = 0
    except FileNotFoundError:
        raise UserError(f"{path} not found: run `dvc repro` to make it") from None
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(f"{path} is not a readable CSV file: {error}") from None
    return rows


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return value
