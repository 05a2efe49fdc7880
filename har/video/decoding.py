"""Frames of a video, one after the other: upright, RGB, at the rate of the training data."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from har.errors import UserError

SUFFIXES = (
    ".3gp",
    ".asf",
    ".avi",
    ".flv",
    ".gif",
    ".m2ts",
    ".m4v",
    ".mkv",
    ".mov",
    ".mp4",
    ".mpeg",
    ".mpg",
    ".mts",
    ".ogv",
    ".ts",
    ".vob",
    ".webm",
    ".wmv",
)
_ADDRESS = re.compile(r"(https?|rtsps?|rtmps?|udp|srt)://", re.IGNORECASE)
_LONGEST_SIDE = 1280  # pixels; larger frames are shrunk: the estimators see persons at 256
_USUAL_RATE = 30.0  # most frames per second of the published sets
_MOST_RATE = 1000.0  # higher rates in a file are those of a clock, not of the frames
_TIMEOUT = (10.0, 30.0)  # seconds to open an address, and between two pieces


@dataclass
class Video:
    """An open video.

    Attributes:
        size: (height, width) of the upright picture in pixels.
        scale: frame pixels per picture pixel; large pictures are shrunk.
        fps: frames per second of `frames`, 0 where unknown.
        expected: about how many frames there will be, None if unknown.
        frames: (H, W, 3) uint8 RGB; can be read once.
        skipped: number of damaged pieces so far.
    """

    size: tuple[int, int]
    scale: float
    fps: float
    expected: int | None
    frames: Iterator[np.ndarray] = field(repr=False)
    skipped: int = 0


def is_video(path: str | Path) -> bool:
    """Whether a text is a video file's name or a stream's address."""
    return bool(_ADDRESS.match(str(path))) or str(path).lower().endswith(SUFFIXES)


@contextmanager
def open_video(source: str | Path, threads: int | None = None) -> Iterator[Video]:
    """Open a video file, a stream's address, or a camera (its number).

    Of a video with many more frames a second than the published sets (60, 120), every second,
    fourth, ... frame is taken. Damaged pieces are skipped, as players do.

    Args:
        source: a path, an address such as rtsp://host/stream, or `0` for the first camera.
        threads: for decoding; None for the decoder's default.

    Raises:
        UserError: the source is missing, not a readable video, or PyAV is missing.
    """
    try:
        import av
    except ImportError:
        raise UserError(
            "reading videos needs PyAV: make video, or pip install av==18.1.0"
        ) from None
    name, options = _address(source)
    source = f"camera {source}" if options else source
    try:
        container = av.open(name, metadata_errors="ignore", timeout=_TIMEOUT, **options)
    except (av.FFmpegError, ValueError) as error:
        if isinstance(error, FileNotFoundError):
            remedy = "is it plugged in?" if options else "check the path"
            raise UserError(f"{source} not found: {remedy}") from None
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(
            f"{source} cannot be read as a video ({reason}): is it a complete video file?"
        ) from None
    with container:
        if not container.streams.video:
            raise UserError(f"{source} has no pictures, only sound or text")
        if (
            re.search(r"image2|_pipe$", container.format.name)
            and "v4l" not in container.format.name
        ):
            raise UserError(f"{source} is a picture, not a video")
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        if threads:
            stream.codec_context.thread_count = threads
        yield _video(source, container, stream)


def _address(source: str | Path) -> tuple[str, dict[str, Any]]:
    """A source's name for FFmpeg, and the options to open it with."""
    text = str(source)
    if text.isdecimal() and text.isascii():
        return f"/dev/video{text}", {"format": "v4l2"}
    if _ADDRESS.match(text):
        return text, {}
    path = Path(text)
    if path.is_dir():
        raise UserError(f"{path} is a folder: give a video")
    return f"file:{path}", {}  # without this, a colon in the name would end a protocol


def _video(source: str | Path, container: Any, stream: Any) -> Video:
    rate = float(stream.average_rate or stream.guessed_rate or 0)
    rate = rate if rate <= _MOST_RATE else 0.0
    step = max(round(rate / _USUAL_RATE), 1)
    video = Video((0, 0), 1.0, rate / step, None, iter(()))
    decoded = _decoded(video, container, stream)
    first = next(decoded, None)
    if first is None:
        raise UserError(f"{source} has no frame that can be decoded: is it a complete video?")
    turns = round(first.rotation / 90) % 4
    shrunk = min(_LONGEST_SIDE / max(first.width, first.height), 1.0)
    width, height = (max(round(side * shrunk), 1) for side in (first.width, first.height))
    interpolation = "AREA" if shrunk < 1 else "BILINEAR"  # AREA is slow where nothing shrinks
    number = stream.frames
    if not number and rate and container.duration:
        number = round(container.duration / 1e6 * rate)

    def frames() -> Iterator[np.ndarray]:
        for number, frame in enumerate(chain([first], decoded)):
            if number % step == 0:
                # Frames of a stream may change their size: all are scaled to the first one's.
                resized = frame.reformat(width, height, "rgb24", interpolation=interpolation)
                yield np.rot90(resized.to_ndarray(), turns)

    video.size = (first.width, first.height) if turns % 2 else (first.height, first.width)
    video.scale = width / first.width
    video.expected = -(-number // step) or None
    video.frames = frames()
    return video


def _decoded(video: Video, container: Any, stream: Any) -> Iterator[Any]:
    """PyAV's frames; counts the damaged pieces."""
    import av

    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
            if packet is None:
                return
            frames = packet.decode()
        except av.FFmpegError as error:
            video.skipped += 1
            if not isinstance(error, av.InvalidDataError):  # the connection, not the content
                return
            continue
        yield from frames
