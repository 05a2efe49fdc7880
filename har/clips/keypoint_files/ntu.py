"""NTU RGB+D's .skeleton text: 25 joints of the Kinect, in metres and in colour pixels.

A count of frames; for each frame a count of bodies; for each body a line of 10 numbers (its id
first), a count of joints, and for each joint 12 numbers: x, y, z in metres, depth x, y,
colour x, y, four of its orientation, and the tracking state (0 is not tracked).
"""

import re
from collections.abc import Iterator

import numpy as np

from har.clips import UNLABELLED, Clip
from har.clips.catalogue import NTU60_CLASSES, NTU120_CLASSES
from har.clips.keypoint_files.poses import (
    Pose,
    Source,
    clip_name,
    clip_of_poses,
    read_bytes,
)
from har.clips.limits import MOST_BYTES
from har.skeleton import LAYOUTS, Layout

_IMAGE = (1080, 1920)  # of the colour camera
_JOINTS, _NUMBERS = 25, 12
_MOST_BODIES, _MOST_FRAMES = 20, 100_000
_ACTION = re.compile(r"S\d{3}C\d{3}P\d{3}R\d{3}A(\d{3})")


def read(source: Source, flat: bool) -> tuple[Clip, Layout]:
    """Read the clip of a .skeleton file; its label is the action number in its name, minus 1.

    Args:
        source: the file.
        flat: take the pixels of the colour camera instead of the 3D coordinates.

    Raises:
        UserError: the file is cut short or of another kind.
    """
    lines = iter(read_bytes(source.path, MOST_BYTES // 4).split(b"\n"))
    poses = []
    frames = _count(source, lines, "frames", _MOST_FRAMES)
    chosen = [5, 6, 11] if flat else [0, 1, 2, 11]
    for frame in range(frames):
        for _ in range(_count(source, lines, f"bodies of frame {frame}", _MOST_BODIES)):
            where = f"a body of frame {frame}"
            body = next(lines, b"").split()
            if _count(source, lines, f"joints of frame {frame}", _JOINTS) != _JOINTS or not body:
                raise source.wrong(f"{where} needs {_JOINTS} joints")
            try:
                rows = [[float(word) for word in next(lines, b"").split()] for _ in range(_JOINTS)]
                joints = np.array(rows)
            except ValueError:
                joints = np.empty(0)
            if joints.shape != (_JOINTS, _NUMBERS):
                raise source.wrong(f"{where} needs {_NUMBERS} numbers for each joint: cut short?")
            joints[:, 11] = joints[:, 11] > 0
            poses.append(Pose(frame, joints[:, chosen], body[0].decode("latin-1")[:30]))
    layout = LAYOUTS["ntu25_2d" if flat else "ntu25"]
    named = _ACTION.search(source.path.stem)
    clip, _ = clip_of_poses(
        Source(source.path, None, layout, source.notes),
        clip_name(source, "", True),
        poses,
        {frame: frame for frame in range(frames)},
        image_size=_IMAGE if flat else (0, 0),
        shares=False,
        label=int(named[1]) - 1
        if named and 0 < int(named[1]) <= len(NTU120_CLASSES)
        else UNLABELLED,
    )
    return clip, layout


def classes_of(clip: Clip) -> list[str]:
    """Class names of NTU RGB+D 60, or of 120 where the setup or the action is one of its own."""
    if clip.label == UNLABELLED:
        return []
    first = clip.label < len(NTU60_CLASSES) and clip.id < "S018"
    return list(NTU60_CLASSES if first else NTU120_CLASSES)


def _count(source: Source, lines: Iterator[bytes], what: str, most: int) -> int:
    line = next(lines, b"").strip()
    if not line.isdigit() or len(line) > 9 or int(line) > most:
        raise source.wrong(f"{line[:20]!r} stands where the number of {what} is needed: cut short?")
    return int(line)
