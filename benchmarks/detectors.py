"""Simulated detectors beside real ones: scores, missed frames and jitter.

`python -m benchmarks.detectors v_BaseballPitch_g01_c01.avi v_ApplyEyeMakeup_g01_c01.avi
--published ucf101_six_clips.pkl`

The first video shows somebody from head to feet, the second one a close-up; the first one is cut
below the chest too. Scores are the 10th, 50th and 90th percentile. Jitter is the median length of
a joint's second difference over sqrt(12), in shares of the person's size, which is the longer side
of the box around the joints with a score of at least 0.2.
"""

import argparse
from collections.abc import Iterator

import numpy as np

from har.clips import Clip
from har.clips.annotations import read_pickle
from har.clips.simulate import everyday
from har.clips.sources import choose
from har.errors import user_errors_end_the_program
from har.video import estimators
from har.video.decoding import open_video
from har.video.extraction import name_of

PARTS = {
    "face": range(5),
    "shoulders": (5, 6),
    "elbows": (7, 8),
    "wrists": (9, 10),
    "hips": (11, 12),
    "legs": range(13, 17),
}
SEEN, SURE = 0.2, 0.4
HIPS = [11, 12]


def row(name: str, poses: np.ndarray) -> str:
    """A line of the table from the poses (N, T, 17, 3) of one person each; zeros are missing."""
    scores = poses[..., 2].astype(np.float64)
    there = scores.any(-1)
    cells = []
    for joints in PARTS.values():
        some = scores[there][:, list(joints)]
        some = some[some > 0]
        if len(some):
            low, middle, high = np.quantile(some, (0.1, 0.5, 0.9))
            cells.append(f"{low:.2f} {middle:.2f} {high:.2f}".replace("0.", "."))
        else:
            cells.append("none")
    cells.append(f"{100 * (1 - there.mean()):.0f} %")
    shakes, sure = map(np.concatenate, zip(*(jitter(window) for window in poses), strict=True))
    for some in (sure >= SURE, sure < SEEN):
        cells.append(f"{100 * np.median(shakes[some]):.1f} %" if some.any() else "none")
    return f"| {' | '.join([name, *cells])} |"


def jitter(pose: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Second differences in shares of the person's size, and scores, of a pose (T, 17, 3)."""
    points, scores = pose[..., :2].astype(np.float64), pose[..., 2].astype(np.float64)
    seen = (scores >= SEEN)[..., None]
    low, high = (
        function(np.where(seen, points, fill), axis=1)
        for function, fill in ((np.min, np.inf), (np.max, -np.inf))
    )
    sides = (high - low).max(-1)
    sides = sides[sides > 0]
    if not len(sides):
        return np.zeros(0), np.zeros(0)
    second = points[2:] - 2 * points[1:-1] + points[:-2]
    whole = np.minimum(np.minimum(scores[2:], scores[1:-1]), scores[:-2]) > 0
    shakes = np.linalg.norm(second, axis=-1) / np.sqrt(12) / np.median(sides)
    return shakes[whole], scores[1:-1][whole]


def simulated(shares: tuple[float, float, float], close_up: bool, number: int = 4000) -> np.ndarray:
    """Windows (N, T, 17, 3) of about 25 frames a second that show whole bodies or no hips."""
    generator = np.random.default_rng(1)
    drawn = everyday.draw(number, generator, 64, seconds=(2.5, 2.6), shares=shares)
    size = drawn.image_size[:, None, None]
    places = drawn.truth[..., :2]
    inside = ((places > 0) & (places < size)).all(-1)
    if close_up:
        return drawn.poses[~inside[:, :, HIPS].any((1, 2)), 0]
    return drawn.poses[inside.all((1, 2)), 0]


def estimated(frames: list[np.ndarray], models: str | None) -> np.ndarray:
    """The first person (T, 17, 3) of each frame."""
    found = estimators.load(models)(frames)
    return np.stack([some[0] if len(some) else np.zeros((17, 3), np.float32) for some in found])


def cut_below_the_chest(frames: list[np.ndarray], pose: np.ndarray) -> list[np.ndarray]:
    """Frames that end half-way from the nose (in the clip's median) to the hips, enlarged."""
    nose, hips = (np.median(pose[:, joints, 1]) for joints in ([0], HIPS))
    bottom = round(float(nose + hips) / 2)
    width = min(bottom * 4 // 3, frames[0].shape[1])
    centre = round(float(np.median(pose[:, HIPS, 0])))
    left = min(max(centre - width // 2, 0), frames[0].shape[1] - width)
    return [estimators.cut_out(f, (left, 0, width, bottom), (240, 320)) for f in frames]


def rows(full: str, close: str, published: Clip, models: str | None) -> Iterator[str]:
    """The table."""
    frames = {}
    for path in (full, close):
        with open_video(path) as video:
            frames[path] = list(video.frames)
    pose = estimated(frames[full], models)
    cut = cut_below_the_chest(frames[full], pose)
    genuine = np.concatenate([published.keypoints[0], published.scores[0][..., None]], axis=-1)
    yield f"| | {' | '.join(PARTS)} | missed | jitter, sure | unsure |"
    yield f"|---|{'---|' * len(PARTS)}---:|---:|---:|"
    yield row(f"MoveNet, {name_of(full)}", pose[None])
    yield row("simulated MoveNet, full body", simulated((0, 1, 0), close_up=False))
    yield row("MoveNet, the same cut below the chest", estimated(cut, models)[None])
    yield row(f"MoveNet, {name_of(close)}", estimated(frames[close], models)[None])
    yield row("simulated MoveNet, close-up", simulated((0, 1, 0), close_up=True))
    yield row(f"HRNet, {published.id}", genuine[None])
    yield row("simulated HRNet, close-up", simulated((1, 0, 0), close_up=True))
    yield row("simulated HRNet, full body", simulated((1, 0, 0), close_up=False))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("full", help="a video of one whole body")
    parser.add_argument("close", help="a close-up of one person")
    parser.add_argument("--published", help="a pickle with the close-up's skeletons", required=True)
    parser.add_argument("--models", help="folder of pose estimators")
    options = parser.parse_args()
    with user_errors_end_the_program():
        published = read_pickle(options.published)
        clip = choose(published, name_of(options.close), options.published)
        for line in rows(options.full, options.close, clip, options.models):
            print(line, flush=True)


if __name__ == "__main__":
    main()
