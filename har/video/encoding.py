"""Writing a video atomically."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path

import numpy as np

from har.errors import UserError


@contextmanager
def write_video(path: str | Path, fps: float) -> Iterator[Callable[[np.ndarray], None]]:
    """Open an .mp4 for writing; the file gets its name only if the block succeeds.

    Yields:
        A function that adds a frame (H, W, 3) uint8 RGB; all frames have one size, of even numbers.

    Raises:
        UserError: the file can't be written.
    """
    import av

    path = Path(path)
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(f"file:{part}", "w", format="mp4") as container:
            codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
            stream = container.add_stream(codec, rate=Fraction(fps).limit_denominator(1001))
            stream.pix_fmt = "yuv420p"

            def add(frame: np.ndarray) -> None:
                if not stream.codec_context.is_open:
                    stream.height, stream.width = frame.shape[:2]
                picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
                container.mux(stream.encode(picture))

            yield add
            container.mux(stream.encode(None))
        part.replace(path)
    except OSError as error:  # FFmpeg's errors are OSErrors too
        raise UserError(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
