"""DeepLabCut and SLEAP files, read by the `movement` library (an extra of this project).

Users name their joints freely, so a layout of theirs has to give names and bones.
"""

from pathlib import Path

import numpy as np

from har.clips import Clip
from har.clips.keypoint_files.poses import Pose, Source, clip_name, clip_of_poses
from har.errors import UserError
from har.skeleton import Layout


def is_deeplabcut_csv(raw: bytes) -> bool:
    """Whether a CSV begins like DeepLabCut's."""
    return raw.startswith(b"scorer,") and b"\nbodyparts," in raw[: 2**20]


def read(source: Source) -> tuple[Clip, Layout]:
    """The clip of a DeepLabCut .csv or .h5, or of a SLEAP .slp or analysis .h5.

    Raises:
        UserError: the library is missing, or the file is damaged or of another kind.
    """
    try:
        from movement.io import load_dataset
    except ImportError:
        raise UserError(
            f"{source.path} is read by the movement library, which is not installed: run "
            "`pip install -r requirements-movement.lock`"
        ) from None
    try:
        found = load_dataset(source.path, _software(source.path))
        position = found.position.transpose("time", "individuals", "keypoints", "space")
        points = np.asarray(position.values, np.float64)
        scores = np.asarray(
            found.confidence.transpose("time", "individuals", "keypoints").values, np.float64
        )
        names = [str(name) for name in found.coords["keypoints"].values]
        people = [str(name) for name in found.coords["individuals"].values]
    except Exception as error:  # movement and its libraries raise anything
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise source.wrong(f"movement can't read it: {reason}") from None
    scores = np.where(np.isnan(scores), 1, scores)  # not given
    joints = np.concatenate([points, scores[..., None]], axis=-1)
    poses = [
        Pose(int(frame), joints[frame, person], people[person])
        for frame, person in np.argwhere(np.isfinite(points).all(-1).any(-1))
    ]
    places: dict[int | str, int] = {frame: frame for frame in range(len(joints))}
    name = clip_name(source, "", True)
    return clip_of_poses(source, name, poses, places, names=names, shares=False)


def _software(path: Path) -> str:
    if path.suffix.lower() == ".slp":
        return "SLEAP"
    if path.suffix.lower() == ".csv":
        return "DeepLabCut"
    import h5py  # comes with movement

    with h5py.File(path, "r") as file:
        return "SLEAP" if "tracks" in file else "DeepLabCut"
