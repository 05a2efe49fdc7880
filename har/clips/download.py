"""Download of published files: resumed after a broken connection, checked by size and SHA-256."""

import errno
import hashlib
import shutil
from pathlib import Path
from urllib.parse import urlsplit

import requests
from filelock import FileLock
from tqdm import tqdm

from har.clips.catalogue import PublishedFile
from har.errors import UserError

_CHUNK = 1 << 16  # bytes, the most that a broken connection loses
_ATTEMPTS = 100  # connections that break after some bytes
_TIMEOUT = (10, 60)  # seconds to connect, and between two pieces of the answer
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def download(
    published: PublishedFile,
    folder: str | Path,
    otherwise: str = "give the path of a copy as prepare.source",
) -> Path:
    """Fetch a published file once; an interrupted download is resumed.

    The file is called `NAME.part` until its size and SHA-256 are right. A file that is already
    there is checked, not fetched.

    Args:
        published: what to fetch.
        folder: where to keep it.
        otherwise: for messages, what else the user can do.

    Returns:
        The path of the file.

    Raises:
        UserError: the server can't be reached or refuses, the disk is full, or the file is not
            the published one.
    """
    path = Path(folder) / Path(urlsplit(published.address).path).name
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(path.name + ".lock")):
            if path.exists():
                if _is_published(path, published):
                    return path
                raise UserError(
                    f"{path} is not the published file (its size or SHA-256 differs): remove it "
                    f"to fetch it again, or {otherwise}"
                )
            _fetch(published, part, otherwise)
            if not _is_published(part, published):
                part.unlink()
                raise UserError(
                    f"{published.address} sent another file than the published one (its size or "
                    "SHA-256 differs), so it was removed: try again later"
                )
            part.replace(path)
            return path
    except requests.RequestException as error:
        arrived = part.stat().st_size if part.exists() else 0
        raise UserError(
            f"{published.address} broke off with {arrived:,} of {published.size:,} bytes "
            f"({type(error).__name__}): run it again to resume, or {otherwise}"
        ) from None
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        remedy = "free some space and run it again to resume" if full else "check permissions"
        raise UserError(f"cannot write {part}: {error.strerror or error}; {remedy}") from None


def _is_published(path: Path, published: PublishedFile) -> bool:
    if path.stat().st_size != published.size:
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == published.sha256


def _fetch(published: PublishedFile, part: Path, otherwise: str) -> None:
    """Fill `part` up to the published size; reconnects as long as each connection brings bytes."""
    _check_https(published.address)
    for _ in range(_ATTEMPTS):
        arrived = part.stat().st_size if part.exists() else 0
        if arrived == published.size:
            return
        if arrived > published.size:
            part.unlink()
            arrived = 0
        if shutil.disk_usage(part.parent).free < published.size - arrived:
            raise OSError(errno.ENOSPC, f"{published.size - arrived:,} bytes don't fit on the disk")
        broken: requests.RequestException = requests.ConnectionError("the answer ended early")
        try:
            _fetch_rest(published, part, arrived, otherwise)
        except requests.RequestException as error:
            broken = error
        if not part.exists() or part.stat().st_size <= arrived:
            raise broken
    raise requests.ConnectionError("the connection breaks again and again")


def _check_https(address: str) -> None:
    parts = urlsplit(address)
    if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        raise UserError(f"{address} is not https: downloads come over https only")


def _fetch_rest(published: PublishedFile, part: Path, start: int, otherwise: str) -> None:
    """Append the bytes from `start` on; a server that can't resume sends the whole file."""
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    with requests.get(published.address, headers=headers, stream=True, timeout=_TIMEOUT) as answer:
        for hop in (*answer.history, answer):
            _check_https(hop.url)
        if not answer.ok and answer.status_code != 416:
            raise UserError(
                f"{published.address} answered {answer.status_code} {answer.reason}: try again "
                f"later, or {otherwise}"
            )
        kept, _, size = answer.headers.get("Content-Range", "").partition("/")
        size = size or answer.headers.get("Content-Length", "")
        if answer.status_code == 416 or size not in ("", str(published.size)):
            part.unlink(missing_ok=True)
            raise UserError(
                f"{published.address} has another size than the published file of "
                f"{published.size:,} bytes: {otherwise}"
            )
        if answer.status_code != 206 or not kept.startswith(f"bytes {start}-"):
            start = 0
        with (
            part.open("ab" if start else "wb") as file,
            tqdm(
                total=published.size,
                initial=start,
                desc=published.name,
                unit="B",
                unit_scale=True,
                disable=None,
            ) as progress,
        ):
            for chunk in answer.iter_content(_CHUNK):
                file.write(chunk)
                progress.update(len(chunk))
                if file.tell() > published.size:
                    break
