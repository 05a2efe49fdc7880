"""A set of clips from many videos: found in folders, extracted here or on a Dask cluster.

Each finished video is kept as a small pickle, named by a hash of its content and the settings.
An interrupted run is resumed from these, and later runs extract only new videos.
"""

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from tqdm import tqdm

from har.clips import UNLABELLED, Clip, ClipSet
from har.clips.annotations import group_of, read_pickle, write_pickle
from har.clips.cutting import cut, recording_of
from har.clips.segments import Segment, read_segments
from har.errors import UserError
from har.video.decoding import SUFFIXES, is_video
from har.video.estimators import Estimator, load
from har.video.extraction import Follow, extract, name_of


@dataclass(frozen=True)
class Source:
    """A video to extract.

    Attributes:
        path: of the file, or an address.
        id: of its clip.
        action: its class, None without one.
        group: of its clip, None to take it from the name.
    """

    path: str
    id: str
    action: str | None = None
    group: str | None = None


@dataclass(frozen=True)
class Settings:
    """Settings of the extraction, all of which affect its result.

    Attributes:
        models: folder of ONNX files, None for MoveNet in the user's cache.
        persons: see har.video.extraction.extract.
        least_size: see there.
        follow: see there.
    """

    models: str | None
    persons: int
    least_size: float
    follow: Follow


def find(paths: Sequence[str]) -> list[Source]:
    """Find the videos among files, addresses and folders, in order.

    A folder's videos are sorted. A sub-folder's name is the class of its videos, and a folder in
    that, such as a person's, is a group. An id is the file's name without its suffix or, where two
    are equal, the path within the folder.

    Raises:
        UserError: a path is missing, or a folder has no video.
    """
    found: list[Source] = []  # with paths as ids
    for path in paths:
        folder = Path(path)
        if is_video(path) or not folder.is_dir():
            found.append(Source(path, path))
            continue
        files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES)
        if not files:
            raise UserError(f"{folder} has no video: none of its files ends in .mp4, .avi, ...")
        for file in files:
            inside = file.relative_to(folder)
            folders = inside.parts[:-1]
            found.append(
                Source(
                    str(file),
                    str(inside.with_suffix("")),
                    folders[0] if folders else None,
                    folders[1] if len(folders) > 1 else None,
                )
            )
    count = Counter(name_of(source.path) for source in found)
    sources = [
        replace(source, id=name) if count[name := name_of(source.path)] == 1 else source
        for source in found
    ]
    if len({source.id for source in sources}) < len(sources):
        twice = next(s for s in sources if sum(s.id == other.id for other in sources) > 1)
        raise UserError(f"two videos are named {twice.id}: give the folder that holds both")
    return sources


def read_table(path: str, sources: Sequence[Source]) -> tuple[list[Segment], list[Source]]:
    """Read a table of segments (har.clips.segments), and find the videos that it names.

    Raises:
        UserError: the table can't be read, or it names no known video or one ambiguously.
    """
    segments = read_segments(Path(path))
    by_path = {source.path: source for source in sources}
    named = set()
    for segment in segments:
        found = recording_of(segment.recording, by_path, Path(path))
        if found is None:
            raise UserError(
                f"{path} names {segment.recording or Path(path).stem}, not one of the videos"
            )
        named.add(found)
    return segments, [source for source in sources if source.path in named]


def extract_all(
    sources: Sequence[Source],
    settings: Settings,
    kept: Path,
    workers: int = 1,
    scheduler: str | None = None,
    say: Callable[[str], None] = tqdm.write,
) -> tuple[dict[Source, Clip], dict[Source, str]]:
    """Extract videos, except those kept from an earlier run.

    The clips' bytes do not depend on the number of workers.

    Args:
        sources: the videos.
        settings: of the extraction.
        kept: folder of finished videos, which are not extracted again.
        workers: processes on this machine.
        scheduler: address of a running Dask cluster instead; its workers must see the videos
            and models under the same paths.
        say: called with notes on single videos.

    Returns:
        Unlabelled clips by video, and the error of each broken video.

    Raises:
        UserError: the models are not available, or there is no such cluster.
    """
    _estimator(settings.models, 0)  # fetches the weights once; errors in them end the run early
    files = {source: kept / f"{_key(source, settings)}.pkl" for source in sources}
    waiting = [source for source in sources if not files[source].exists()]
    if waiting and len(waiting) < len(sources):
        say(f"{len(sources) - len(waiting)} of {len(sources)} videos are kept from an earlier run")
    broken: dict[Source, str] = {}
    one = len(sources) == 1
    with tqdm(total=len(waiting), unit="video", disable=True if one else None) as bar:
        here = workers == 1 and scheduler is None
        for source, answer in (
            ((source, _try(source.path, settings, 0, one)) for source in waiting)
            if here
            else _on_dask(waiting, settings, workers, scheduler)
        ):
            if isinstance(answer, str):
                broken[source] = answer
            else:
                write_pickle(files[source], answer)
                for note in answer.notes:
                    say(f"note: {note}")
            bar.update()
    clips = {s: read_pickle(files[s]).clips[0] for s in sources if s not in broken}
    return clips, broken


def as_set(
    clips: dict[Source, Clip],
    segments: Sequence[Segment] = (),
    table: str = "",
    background: bool = False,
) -> ClipSet:
    """Make one labelled set: a clip per video, or per segment where there are some.

    Classes are in alphabetical order. Segments of one video are one group. Segments of videos
    without a clip are left out.

    Raises:
        UserError: a segment lies outside its video.
    """
    named = {
        source.path: replace(clip, id=source.id, group=source.group or group_of(source.id))
        for source, clip in clips.items()
    }
    if segments:
        return cut(named, segments, Path(table), background)
    classes = sorted({source.action for source in clips if source.action is not None})
    labelled = [
        replace(
            named[source.path],
            label=UNLABELLED if source.action is None else classes.index(source.action),
        )
        for source in clips
    ]
    return ClipSet(labelled, classes)


def _key(source: Source, settings: Settings) -> str:
    """A hash of a video's content and the settings."""
    digest = hashlib.sha256(f"{settings.persons} {settings.least_size}".encode())
    if settings.models:
        for path in sorted(Path(settings.models).glob("*.onnx")):
            digest.update(f"{path.name} {path.stat().st_size}".encode())
    try:
        with Path(source.path).open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    except OSError:  # an address; open_video reports a missing file
        digest.update(source.path.encode())
    return digest.hexdigest()[:32]


@cache
def _estimator(models: str | None, threads: int) -> Estimator:
    return load(models, threads)


def _try(path: str, settings: Settings, threads: int, progress: bool = False) -> ClipSet | str:
    """The clip of a video, or the error that it raises."""
    try:
        return extract(
            path,
            _estimator(settings.models, threads),
            settings.follow,
            settings.persons,
            settings.least_size,
            threads or None,
            progress,
        )
    except UserError as error:
        return str(error)


def _on_dask(
    sources: Sequence[Source], settings: Settings, workers: int, scheduler: str | None
) -> Iterator[tuple[Source, ClipSet | str]]:
    """Yield results as they come; a dead worker is replaced and its videos are repeated."""
    try:
        from distributed import Client, LocalCluster, as_completed
    except ImportError:
        raise UserError(
            "several workers need Dask: make video, or pip install distributed"
        ) from None
    with ExitStack() as open_things:
        if scheduler is None:
            cluster = LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                dashboard_address=None,
                silence_logs=logging.CRITICAL,
            )
            client = Client(open_things.enter_context(cluster))
        else:
            try:
                client = Client(scheduler, timeout=10)
            except (OSError, ValueError) as error:
                raise UserError(f"no Dask cluster at {scheduler}: {error}") from None
        open_things.enter_context(client)
        paths = [source.path for source in sources]
        futures = client.map(_try, paths, settings=settings, threads=1, pure=False)
        by_key = {future.key: source for future, source in zip(futures, sources, strict=True)}
        for future in as_completed(futures):
            failed = future.status != "finished"
            answer = f"{future.exception()}" if failed else future.result()
            yield by_key[future.key], answer
            future.release()
