"""Extracted skeletons against the published ones of the same clip, joint by joint.

`python -m benchmarks.poses v_ApplyEyeMakeup_g01_c01.avi ucf101_six_clips.pkl`

Distances are shares of the person's size, the longer side of the box around the published joints
of the frame. Joints count in frames in which the published score is at least 0.3.
"""

import argparse
from dataclasses import dataclass
from unittest import mock

import numpy as np

from har.clips import Clip
from har.clips.annotations import read_pickle
from har.clips.sources import choose
from har.dataset.person_tracking import track_persons
from har.errors import UserError, user_errors_end_the_program
from har.skeleton import LAYOUTS
from har.video import estimators
from har.video.extraction import extract, name_of

SURE = 0.3
# What of the handling of close-ups is switched off.
WAYS: dict[str, dict[str, float]] = {
    "boxes of the detector": {"_CLOSE_UP_MARGIN": estimators._MARGIN, "_LEAST_BEST": 2.0},
    "and the whole frame where it finds nobody": {"_CLOSE_UP_MARGIN": estimators._MARGIN},
    "and wider cut-outs where no leg is seen": {"_LEAST_BEST": estimators._LEAST_BEST},
}


@dataclass(frozen=True)
class Agreement:
    """Distances of extracted joints to published ones.

    Attributes:
        counted: (V,) frames in which the published score is high enough.
        found: (V,) how many of these have a person in the extracted clip.
        distance: (V,) median distance, NaN without any.
        overall: median distance of all joints.
    """

    counted: np.ndarray
    found: np.ndarray
    distance: np.ndarray
    overall: float


def agreement(extracted: Clip, published: Clip) -> Agreement:
    """Compare the first person of a published clip with the nearest one extracted, frame by frame.

    A published clip may lack the video's last frame.
    """
    frames = min(extracted.keypoints.shape[1], published.keypoints.shape[1])
    if abs(extracted.keypoints.shape[1] - published.keypoints.shape[1]) > 1:
        raise UserError(f"{extracted.id} and {published.id} differ in length: are they one clip?")
    scale = np.divide(extracted.image_size, published.image_size)[::-1]
    theirs = published.keypoints[0, :frames].astype(np.float64) * scale
    sure = published.scores[0, :frames] >= SURE
    distances = np.full(sure.shape, np.nan)
    for frame in range(frames):
        seen = sure[frame]
        persons = extracted.scores[:, frame].any(axis=1)
        if not persons.any() or seen.sum() < 2:
            continue
        size = np.ptp(theirs[frame, seen], axis=0).max()
        ours = extracted.keypoints[persons, frame].astype(np.float64)
        gaps = np.linalg.norm(ours - theirs[frame], axis=2) / size
        nearest = gaps[:, seen].mean(axis=1).argmin()
        distances[frame, seen] = gaps[nearest, seen]
    found = ~np.isnan(distances)
    medians = [
        np.median(d[f]) if f.any() else np.nan for d, f in zip(distances.T, found.T, strict=True)
    ]
    return Agreement(
        sure.sum(0), found.sum(0), np.array(medians), float(np.median(distances[found]))
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("video")
    parser.add_argument("published", help="a pickle with the clip of the video's name")
    parser.add_argument("--models", help="folder of pose estimators")
    options = parser.parse_args()
    with user_errors_end_the_program():
        published = choose(read_pickle(options.published), name_of(options.video), "published")
        found: Agreement | None = None
        for way, constants in WAYS.items():
            with mock.patch.multiple(estimators, **constants):
                clips = extract(options.video, estimators.load(options.models), track_persons)
            found = agreement(clips.clips[0], published)
            share = found.found.sum() / found.counted.sum()
            print(f"{way:45} {100 * share:5.1f} % found, median {100 * found.overall:5.1f} %")
        assert found
        print(f"\n{'joint':15} {'counted':>8} {'found':>8} {'median':>8}")
        rows = zip(
            LAYOUTS["coco17"].joints, found.counted, found.found, found.distance, strict=True
        )
        for joint, counted, seen, distance in rows:
            if counted:
                share = 100 * seen / counted
                print(f"{joint:15} {counted:8} {share:6.1f} % {100 * distance:6.1f} %")


if __name__ == "__main__":
    main()
