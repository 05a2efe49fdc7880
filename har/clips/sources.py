"""Where clips come from: the simulator, a published set, a pickle, a folder of one-clip pickles."""

import errno
import hashlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import requests
from filelock import FileLock
from tqdm import tqdm

from har.clips import UNLABELLED, ClipSet, annotations, safe_pickle
from har.clips.annotations import read_pickle
from har.clips.catalogue import CATALOGUE, PublishedSet
from har.clips.safe_pickle import shown
from har.errors import UserError

_UCF101_IMAGE = (256, 340)  # height and width of every clip of the published UCF101 file
_CHUNK = 1 << 16  # bytes; what a broken connection loses at most
_ATTEMPTS = 100  # of connections that break, though each of them brought something
_TIMEOUT = (10, 60)  # seconds to connect, and between two pieces of the answer
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def load(source: str, seed: int, raw_folder: str | Path, base: str | Path = ".") -> ClipSet:
    """All clips of a source.

    Args:
        source: `simulated`, a name of the catalogue, or the path of a pickle in the published
            format or of a folder of one-clip pickles.
        seed: of the simulated set.
        raw_folder: where downloads are kept.
        base: what a relative path is relative to.

    Raises:
        UserError: there is no such source, or it can't be fetched or read.
    """
    if source == "simulated":
        from har.clips.simulate import simulate  # the other sources do without it

        return simulate(seed)
    if source in CATALOGUE:
        published = CATALOGUE[source]
        return read_pickle(download(published, raw_folder), published.classes)
    path = Path(base) / os.path.expanduser(source)
    if not os.path.exists(path):
        raise UserError(
            f"prepare.source {shown(source)} not found: there is no {path}, and it is none of "
            f"simulated, {', '.join(CATALOGUE)}"
        )
    return read_folder(path) if path.is_dir() else read_pickle(path)


def choose_classes(clip_set: ClipSet, classes: Sequence[str | int]) -> ClipSet:
    """Keep the clips of the chosen classes, relabelled 0..K-1 in the order given.

    Args:
        clip_set: clips, some perhaps without a label; those are left out.
        classes: class names (case is ignored where that is clear) or label ids; none keeps every
            class that has clips, in label order.

    Raises:
        UserError: the set has no clips of a class, or one is named twice.
    """
    present = sorted({clip.label for clip in clip_set.clips} - {UNLABELLED})
    chosen = [_label_of(wanted, clip_set.classes, present) for wanted in classes] or present
    if len(set(chosen)) < len(chosen):
        raise UserError(f"prepare.classes names a class twice: {', '.join(map(str, classes))}")
    if not chosen:
        raise UserError("no clip of the source has a label: there is nothing to learn from")
    new_label = {label: new for new, label in enumerate(chosen)}
    clips = [
        replace(clip, label=new_label[clip.label])
        for clip in clip_set.clips
        if clip.label in new_label
    ]
    ids = {clip.id for clip in clips}
    subsets = {
        name: kept
        for name, members in clip_set.subsets.items()
        if (kept := [member for member in members if member in ids])
    }
    notes = list(clip_set.notes)
    if not classes and (absent := set(range(len(clip_set.classes))).difference(present)):
        number = f"{len(absent)} of {len(clip_set.classes)}"
        first = shown(clip_set.classes[min(absent)])
        notes.append(f"classes without a clip are left out: {number}, first {first}")
    return ClipSet(clips, [clip_set.classes[label] for label in chosen], subsets, notes)


def _label_of(wanted: str | int, names: Sequence[str], present: Sequence[int]) -> int:
    """The label of a class that has clips, by name or label id."""
    text = str(wanted)
    label = None
    if type(wanted) is int:
        label = wanted
    elif text in names:
        label = names.index(text)
    else:
        folded = [name.casefold() for name in names]
        if folded.count(text.casefold()) == 1:
            label = folded.index(text.casefold())
        elif text.isascii() and text.isdigit() and len(text) < 6:
            label = int(text)
    if label is None or label not in present:
        raise UserError(
            f"class {shown(wanted)} of prepare.classes has no clips in this source, which has "
            f"{', '.join(names[label] for label in present)}; "
            "take all with -S 'prepare.classes=[]'"
        )
    return label


def read_folder(folder: str | Path) -> ClipSet:
    """Read one-clip pickles, `<label>/<label>_<clip id>.pkl` with {"data": (T, V, 2)}.

    Such files have one person and no scores, so a joint at (0, 0) counts as missing. They don't
    tell the image size either: UCF101's is taken. Folder names that are numbers are label ids;
    others are class names, labelled in alphabetical order.

    Raises:
        UserError: there are no such files, or one is not of this kind.
    """
    folder = Path(folder)
    files = sorted(folder.glob("*/*.pkl"))
    if not files:
        raise UserError(
            f"{folder} has no one-clip pickles: expected <label>/<label>_<clip id>.pkl in it"
        )
    names = sorted({file.parent.name for file in files})
    numbered = all(name.isascii() and name.isdigit() and len(name) < 6 for name in names)
    clips = []
    for file in files:
        content = safe_pickle.load(file)
        data = content.get("data") if isinstance(content, dict) else content
        if not isinstance(data, np.ndarray) or data.ndim != 3 or data.shape[2] != 2:
            raise UserError(
                f"{file} needs an array (frames, joints, 2) as its `data`, but has {shown(data)}"
            )
        label = file.parent.name
        clips.append(
            {
                "frame_dir": file.stem.removeprefix(f"{label}_"),
                "label": int(label) if numbered else names.index(label),
                "img_shape": _UCF101_IMAGE,
                "keypoint": data[None],
                "keypoint_score": np.any(data[None], axis=-1).astype(np.float32),
            }
        )
    content = {"annotations": clips} if numbered else {"annotations": clips, "classes": names}
    clip_set = annotations.check(folder, content)
    height, width = _UCF101_IMAGE
    told = [
        f"one-clip pickles don't tell the image size: UCF101's {height} x {width} is taken",
        "one-clip pickles have no scores: 0 for a joint at (0, 0), 1 for all others",
    ]
    return replace(clip_set, notes=clip_set.notes + told)


def download(published: PublishedSet, folder: str | Path) -> Path:
    """Fetch a published file once, going on where an earlier attempt broke off.

    What has arrived is kept as `NAME.part`, and takes its name when its size and SHA-256 are
    right. A file that is there already is checked, not fetched.

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
                    f"to fetch it anew, or give its path as prepare.source"
                )
            _fetch(published, part)
            if not _is_published(part, published):
                part.unlink()
                raise UserError(
                    f"{published.address} did not give the published file (its size or SHA-256 "
                    "differs), so it was removed: try again later"
                )
            part.replace(path)
            return path
    except requests.RequestException as error:
        arrived = part.stat().st_size if part.exists() else 0
        raise UserError(
            f"{published.address} broke off with {arrived:,} of {published.size:,} bytes "
            f"({type(error).__name__}): run it again to go on from there"
        ) from None
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        remedy = "free some space and run it again to go on" if full else "check permissions"
        raise UserError(f"cannot write {part}: {error.strerror or error}; {remedy}") from None


def _is_published(path: Path, published: PublishedSet) -> bool:
    if path.stat().st_size != published.size:
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == published.sha256


def _fetch(published: PublishedSet, part: Path) -> None:
    """Fill `part` up to the published size; connections may break as long as bytes arrive."""
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
            _fetch_rest(published, part, arrived)
        except requests.RequestException as error:
            broken = error
        if not part.exists() or part.stat().st_size <= arrived:
            raise broken
    raise requests.ConnectionError("the connection breaks again and again")


def _check_https(address: str) -> None:
    parts = urlsplit(address)
    if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        raise UserError(f"{address} is not https: downloads come over https only")


def _fetch_rest(published: PublishedSet, part: Path, start: int) -> None:
    """Append what is missing from `start` on; a server that can't do that sends all anew."""
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    with requests.get(published.address, headers=headers, stream=True, timeout=_TIMEOUT) as answer:
        for hop in (*answer.history, answer):
            _check_https(hop.url)
        if not answer.ok and answer.status_code != 416:
            raise UserError(
                f"{published.address} answered {answer.status_code} {answer.reason}: try again "
                "later, or give a copy of the file as prepare.source"
            )
        kept, _, size = answer.headers.get("Content-Range", "").partition("/")
        size = size or answer.headers.get("Content-Length", "")
        if answer.status_code == 416 or size not in ("", str(published.size)):
            part.unlink(missing_ok=True)
            raise UserError(
                f"{published.address} has another size than the published file of "
                f"{published.size:,} bytes: give a copy of that as prepare.source"
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
