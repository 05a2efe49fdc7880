"""The simulated data set: a small physical world that yields clips in the published format.

Bodies with bones move by joint angles and reaching hands (bodies, actions), a camera films them
(camera), and an imperfect detector reports skeletons (detector). It is a test bench and a teaching
example; nothing measured on it says anything about people. See docs/simulated.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from har.clips import Clip, ClipSet
from har.clips.simulate.actions import CLASSES, Session, act, bystander
from har.clips.simulate.camera import HEIGHT, WIDTH, Camera, sample_camera
from har.clips.simulate.detector import (
    Detection,
    appearances,
    detect,
    fill_slots,
    sample_faults,
)
from har.clips.simulate.noise import wander

GROUPS = range(1, 26)


@dataclass(frozen=True)
class Filming:
    """Statistics of a class's videos: how they are shot and cut.

    Lengths and persons were fitted to the list of UCF101's clips: log-normal, with one part that
    a group's clips share and one part of each clip's own.
    """

    clips: int  # in all 25 groups
    frames: float  # median length of a clip
    frames_spread: tuple[float, float]  # of log length: between groups, within a group
    frames_range: tuple[int, int]
    long: float  # share of groups with clips three times as long
    persons: float  # mean log of the most people in one frame
    persons_spread: tuple[float, float]
    assisted: float  # share of groups (with two persons) where a helper does the work
    shoulders: float  # median width of the shoulders in the picture, pixels


FILMING = {
    "ApplyEyeMakeup": Filming(145, 161, (0.10, 0.28), (89, 295), 0, 0.5, (0.4, 0.2), 0.15, 145),
    "ApplyLipstick": Filming(114, 157, (0.16, 0.30), (84, 522), 0, 0.2, (0.7, 0.2), 0.15, 130),
    "BlowDryHair": Filming(131, 190, (0.52, 0.26), (67, 630), 0, 1.1, (0.1, 0.25), 0.25, 80),
    "BrushingTeeth": Filming(131, 200, (0.27, 0.14), (79, 792), 0.14, 0.5, (0.4, 0.25), 0, 100),
    "HeadMassage": Filming(147, 168, (0.35, 0.21), (73, 403), 0, 1.45, (0.32, 0.15), 1, 70),
}


def simulate(
    seed: int,
    classes: Sequence[str] = CLASSES,
    groups: Sequence[int] = GROUPS,
    clips: int = 7,
    frames: int | None = None,
) -> ClipSet:
    """Make the simulated data set, or a part of it.

    Every group of every class draws from a generator of its own, so a part holds exactly the clips
    that the whole set holds under the same names.

    Args:
        seed: of all randomness; the same seed gives the same clips.
        classes: names out of CLASSES; labels stay those of the whole set.
        groups: numbers out of 1..25.
        clips: keep at most so many clips of each group, the first ones.
        frames: keep at most so many frames of each clip, the first ones.

    Returns:
        668 clips by default, with keypoints in pixels as float16, and UCF101's official subsets
        train1..3 and test1..3: groups 1-7, 8-14 and 15-21 are the test groups.
    """
    made = []
    for label, name in enumerate(CLASSES):
        if name not in classes:
            continue
        sizes = _group_sizes(seed, label)
        for group in groups:
            whole = simulate_group(seed, label, group, int(sizes[group - 1]))
            made += [_cut(clip, frames) for clip in whole[:clips]]
    subsets: dict[str, list[str]] = {}
    for split in (1, 2, 3):
        tested = range(7 * split - 6, 7 * split + 1)
        for subset, inside in ((f"train{split}", False), (f"test{split}", True)):
            subsets[subset] = [
                clip.id for clip in made if (int(clip.id[-6:-4]) in tested) == inside
            ]
    return ClipSet(clips=made, classes=list(CLASSES), subsets=subsets)


def simulate_group(seed: int, label: int, group: int, size: int) -> list[Clip]:
    """The clips that are cut from one group's video."""
    generator = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(label, group)))
    name = CLASSES[label]
    filming = FILMING[name]
    lengths = _lengths(generator, filming, size)
    persons = _persons(generator, filming, size)
    assisted = bool(persons.min() >= 2 and generator.random() < filming.assisted)

    # The clips follow each other in the video, with a gap before each.
    gaps = generator.integers(0, 100, size)
    ends = np.cumsum(lengths + gaps)
    kept = np.concatenate([np.arange(end - n, end) for end, n in zip(ends, lengths, strict=True)])
    shot = np.repeat(np.arange(size), lengths)
    session = act(generator, name, assisted, int(ends[-1]))
    cameras = _cameras(generator, filming, session, kept, size)
    film = _film(generator, cameras, shot)

    detections = _detect_people(generator, session, kept, film, persons, shot)
    clips = []
    for number in range(size):
        inside = np.flatnonzero(shot == number)
        slots = int(persons[number])
        present = [_part(detection, inside) for detection in detections[:slots]]
        peak = int(generator.integers(len(inside)))
        for detection in present:
            detection.found[peak] = True
        keypoints, scores = fill_slots(present, slots)
        clips.append(
            Clip(
                id=f"v_{name}_g{group:02}_c{number + 1:02}",
                label=label,
                keypoints=keypoints.astype(np.float16),
                scores=scores.astype(np.float16),
                image_size=(HEIGHT, WIDTH),
                group=f"{name}_g{group:02}",
            )
        )
    return clips


@dataclass(frozen=True)
class _Film:
    """Cameras of a video's shots, with the zoom and the shake of each kept frame."""

    cameras: list[Camera]
    shot: np.ndarray  # (T,) index into cameras
    zoom: np.ndarray  # (T, 1, 1)
    shake: np.ndarray  # (T, 1, 2)

    def project(self, points: np.ndarray) -> np.ndarray:
        pixels = np.empty((*points.shape[:-1], 2))
        for number, camera in enumerate(self.cameras):
            frames = self.shot == number
            pixels[frames] = camera.project(points[frames], self.zoom[frames], self.shake[frames])
        return pixels

    def facing(self, head: np.ndarray) -> np.ndarray:
        """Turn of faces (T, 3, 3) to the image's right; see `detector.detect`."""
        ahead = np.empty((len(head), 3))
        for number, camera in enumerate(self.cameras):
            frames = self.shot == number
            ahead[frames] = camera.turn(-head[frames, :, 2])
        away = ahead[:, 2] > 0
        sideways = ahead[:, 0]
        return np.where(away, np.sign(sideways) * (2 - np.abs(sideways)), sideways)


def _group_sizes(seed: int, label: int) -> np.ndarray:
    """Clips of each of the 25 groups, 4 to 7, that add up to the class's number."""
    generator = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(label,)))
    sizes = np.full(len(GROUPS), 4)
    while sizes.sum() < FILMING[CLASSES[label]].clips:
        group = generator.integers(len(sizes))
        sizes[group] += sizes[group] < 7
    return sizes


def _lengths(generator: np.random.Generator, filming: Filming, size: int) -> np.ndarray:
    between, within = filming.frames_spread
    log = np.log(filming.frames) + between * generator.normal()
    log = log + within * generator.normal(size=size)
    log += np.log(3) * (generator.random() < filming.long)
    return np.clip(np.exp(log), *filming.frames_range).astype(int)


def _persons(generator: np.random.Generator, filming: Filming, size: int) -> np.ndarray:
    between, within = filming.persons_spread
    log = filming.persons + between * generator.normal() + within * generator.normal(size=size)
    return np.clip(np.rint(np.exp(log)), 2 if filming.assisted == 1 else 1, 12).astype(int)


def _cameras(
    generator: np.random.Generator, filming: Filming, session: Session, kept: np.ndarray, size: int
) -> list[Camera]:
    """One camera for the group; now and then a clip is shot from elsewhere or nearer."""
    skull = session.axes[0].skull[kept].mean(0)
    shoulders = filming.shoulders * np.exp(generator.normal(0, 0.3))
    yaw = generator.normal(0, 0.25)
    camera = sample_camera(generator, skull, float(np.clip(shoulders, 35, 220)), yaw)
    if len(session.people) > 1:  # room for the helper who stands
        camera = replace(camera, centre=camera.centre + np.array([0, 25]))
    cameras = [camera]
    while len(cameras) < size:
        if generator.random() < 0.15:
            camera = replace(
                camera,
                centre=camera.centre + generator.normal(0, 20, 2),
                focal=camera.focal * float(np.exp(generator.normal(0, 0.2))),
                yaw=camera.yaw + generator.normal(0, 0.2),
            )
        cameras.append(camera)
    return cameras


def _film(generator: np.random.Generator, cameras: list[Camera], shot: np.ndarray) -> _Film:
    count = len(shot)
    hand_held = np.exp(generator.normal(-0.3, 0.8))
    shake = hand_held * (wander(generator, count, 0.15, 2) + 2 * wander(generator, count, 1.5, 2))
    zoom = np.exp(0.04 * generator.random() * wander(generator, count, 3.0))
    return _Film(cameras, shot, zoom[:, :, None], shake[:, None])


def _detect_people(
    generator: np.random.Generator,
    session: Session,
    kept: np.ndarray,
    film: _Film,
    persons: np.ndarray,
    shot: np.ndarray,
) -> list[Detection]:
    """Detections over all clips: those at work, people who stay, then ever rarer ones."""
    detections = []
    seen = []
    for person, axes in zip(session.people, session.axes, strict=True):
        projected = film.project(person[kept])
        facing = film.facing(axes.head[kept])
        seen.append((projected, facing))
        confidence = 3.0 if len(session.people) == 1 else 2.6 + 0.7 * generator.normal()
        detections.append(
            detect(generator, projected, facing, sample_faults(generator), confidence)
        )
    staying = round(0.6 * (persons.min() - len(detections)))
    for extra in range(int(persons.max()) - len(detections)):
        if extra >= staying and generator.random() < 0.6:  # a second box on somebody
            projected, facing = seen[generator.integers(len(seen))]
            confidence, share = 0.8, 0.06
        else:
            joints = bystander(generator, len(kept))
            pixel = generator.uniform((20, 40), (WIDTH - 20, 150))
            place = film.cameras[0].locate(pixel, generator.uniform(0.1, 2.0))
            projected = film.project(joints - joints[:, 0].mean(0) + place)
            facing = np.full(len(kept), generator.uniform(-1.2, 1.2))
            confidence, share = (1.6, 0.6) if extra < staying else (0.5, 0.08)
        detection = detect(generator, projected, facing, sample_faults(generator), confidence)
        if extra >= staying or generator.random() < 0.5:
            peak = int(generator.integers(len(kept)))
            here = appearances(generator, len(kept), share, peak)
            detection = Detection(
                detection.keypoints, detection.scores, detection.found & here, detection.confidence
            )
        detections.append(detection)
    return detections


def _part(detection: Detection, inside: np.ndarray) -> Detection:
    return Detection(
        detection.keypoints[inside],
        detection.scores[inside],
        detection.found[inside],
        detection.confidence[inside],
    )


def _cut(clip: Clip, frames: int | None) -> Clip:
    return replace(clip, keypoints=clip.keypoints[:, :frames], scores=clip.scores[:, :frames])
