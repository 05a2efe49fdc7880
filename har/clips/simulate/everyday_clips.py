"""The simulated everyday actions as a clip set: people, videos, the grooming set's detector."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from har.clips import Clip, ClipSet
from har.clips.simulate import detector, filming
from har.clips.simulate.camera import HEIGHT, WIDTH, Camera
from har.clips.simulate.detector import Detection, detect, fill_slots, sample_faults
from har.clips.simulate.everyday import ACTIONS, CLASSES, is_wide, mirrored, perform
from har.clips.simulate.kinematics import Bodies, Y, joints, sample_bodies, single

PEOPLE = range(1, 25)
_SUBSETS = {"train": range(1, 17), "val": range(17, 21), "test": range(21, 25)}
# The grooming set's legs are under tables; here they are in full view.
_IN_VIEW = filming.HRNET.clear - detector.CLEAR
# Keeps these people apart from the grooming set's groups, whatever the seed.
_EVERYDAY = 14


def simulate_everyday(
    seed: int,
    classes: Sequence[str] = CLASSES,
    people: Sequence[int] = PEOPLE,
    clips: int = 2,
    frames: int | None = None,
) -> ClipSet:
    """Make the set of everyday actions, or a part of it.

    Every person draws for every class from a generator of their own, so a part holds exactly the
    clips that the whole set holds under the same names.

    Args:
        seed: of all randomness; the same seed gives the same clips.
        classes: names out of CLASSES; labels stay those of the whole set.
        people: numbers out of PEOPLE; a person is a group.
        clips: keep at most so many clips of a person and class.
        frames: keep at most so many frames of each clip, the first ones.

    Returns:
        Clips with keypoints in pixels as float16, and the subsets train, val and test, which share
        no person.
    """
    made = [
        clip
        for label, name in enumerate(CLASSES)
        if name in classes
        for person in people
        for clip in _clips(seed, label, person, clips, frames)
    ]
    subsets = {
        subset: [clip.id for clip in made if int(clip.group.removeprefix("person_")) in members]
        for subset, members in _SUBSETS.items()
    }
    return ClipSet(clips=made, classes=list(CLASSES), subsets=subsets)


def _clips(seed: int, label: int, person: int, clips: int, frames: int | None) -> list[Clip]:
    def generator(*key: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_EVERYDAY, *key)))

    bodies = sample_bodies(generator(person), 1)
    made = []
    for number in range(1, clips + 1):
        own = generator(person, label, number)
        low, high = np.log(ACTIONS[CLASSES[label]].seconds)
        fps = own.choice([15, 24, 25, 30, 50])
        length = max(int(np.exp(own.uniform(low, high)) * fps), 12)
        seen = [_detection(own, bodies, CLASSES[label], length, fps, 3.0, 0.0)]
        if own.random() < 0.15:  # somebody else is in the picture
            other = str(own.choice(["standing idle", "sitting", "walking"]))
            stranger = sample_bodies(own, 1)
            aside = float(own.choice([-1, 1]) * own.uniform(0.8, 1.6))
            seen.append(_detection(own, stranger, other, length, fps, 1.4, aside))
        keypoints, scores = fill_slots(seen, len(seen))
        name = CLASSES[label].replace(" ", "_")
        made.append(
            Clip(
                id=f"{name}_p{person:02}_c{number:02}",
                label=label,
                keypoints=keypoints[:, :frames].astype(np.float16),
                scores=scores[:, :frames].astype(np.float16),
                image_size=(HEIGHT, WIDTH),
                group=f"person_{person:02}",
            )
        )
    return made


def _detection(
    generator: np.random.Generator,
    bodies: Bodies,
    name: str,
    length: int,
    fps: float,
    confidence: float,
    aside: float,
) -> Detection:
    """One person who does one thing, `aside` metres from where the camera points."""
    seconds = single(np.arange(length) / fps)[None]
    motion = perform(generator, bodies, np.zeros(1, int), seconds, [name])
    points = mirrored(generator, joints(bodies, motion), motion.heading)
    height = max(float(np.ptp(points[..., Y])), 0.8)
    towards = filming.placed(generator, points, motion.heading, is_wide(motion))[0]
    distance = float(np.exp(generator.normal(1.6, 0.4)).clip(2.2, 14))
    share = float(np.exp(generator.normal(-0.5, 0.3)).clip(0.3, 1.1))
    camera = Camera(
        aim=np.zeros(3),
        centre=np.array([WIDTH, HEIGHT]) * (0.5 + 0.06 * generator.normal(size=2)),
        distance=distance,
        focal=share * HEIGHT / height * distance,
        yaw=0.0,
        pitch=float(generator.normal(0.08, 0.1)),
        roll=float(generator.normal(0, 0.04)),
    )
    away = towards * (1, -1, -1) + (aside, 0, abs(aside))
    sideways, ahead = np.moveaxis(filming.facing(points, motion.heading)[0], -1, 0)
    turned = np.where(ahead < 0, np.sign(sideways) * (2 - np.abs(sideways)), sideways)
    faults = sample_faults(generator, hidden_below=0.08)
    faults = replace(faults, offsets=faults.offsets + _IN_VIEW)
    return detect(generator, camera.project(away), turned, faults, confidence)
