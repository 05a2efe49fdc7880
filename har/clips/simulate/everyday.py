"""Simulated everyday and sports actions: windows for training, made on the fly, and a clip set.

Each class is a movement written from its mechanics (locomotion, exercises, sports, gestures); see
docs/simulated.md for sources. Nothing here was fitted to recordings.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from har.clips.simulate import exercises, filming, gestures, household, locomotion, sports
from har.clips.simulate.filming import film, observe, wander
from har.clips.simulate.kinematics import Bodies, Motion, Z, joints, sample_bodies, single, standing
from har.clips.simulate.programs import Programs, none
from har.clips.simulate.programs import perform as perform_programs
from har.clips.simulate.scene import Scene
from har.skeleton import LAYOUTS

_FLIP = LAYOUTS["coco17"].flip
# From which side people are filmed: how probably from the front, the side, the back, anywhere.
FRONT, SIDE, ANY = (0.7, 0.15, 0.05, 0.1), (0.1, 0.65, 0.05, 0.2), (0.3, 0.3, 0.15, 0.25)
BEHIND = (0.1, 0.3, 0.4, 0.2)  # where the game goes away from those who watch
_DETECTORS = (filming.HRNET, filming.MOVENET, filming.BY_HAND)


@dataclass(frozen=True)
class Action:
    """A class of the catalogue.

    Attributes:
        move: writes the movement of N instances.
        seconds: shortest and longest window.
        view: probabilities of front, side, back and any view.
    """

    move: Callable[[Motion, Scene], None]
    seconds: tuple[float, float]
    view: tuple[float, float, float, float] = ANY


ACTIONS = {
    "walking": Action(locomotion.walking, (1.0, 8.0), SIDE),
    "jogging": Action(locomotion.jogging, (0.8, 8.0), SIDE),
    "running": Action(locomotion.running, (0.6, 8.0), SIDE),
    "climbing stairs": Action(locomotion.climbing_stairs, (1.0, 6.0), SIDE),
    "jumping": Action(locomotion.jumping, (0.8, 6.0)),
    "standing idle": Action(household.standing_idle, (1.0, 8.0)),
    "sitting": Action(household.sitting, (1.0, 8.0)),
    "sitting down": Action(household.sitting_down, (0.9, 4.0)),
    "standing up": Action(household.standing_up, (0.9, 4.0)),
    "lying down": Action(household.lying_down, (1.5, 6.0)),
    "picking up": Action(household.picking_up, (1.0, 4.5)),
    "boxing": Action(gestures.boxing, (1.0, 8.0)),
    "clapping": Action(gestures.clapping, (1.0, 8.0), FRONT),
    "waving one hand": Action(gestures.waving_one_hand, (1.0, 8.0), FRONT),
    "waving both hands": Action(gestures.waving_both_hands, (1.0, 8.0), FRONT),
    "jumping jacks": Action(exercises.jumping_jacks, (0.8, 7.0), FRONT),
    "jump rope": Action(exercises.jump_rope, (0.7, 7.0)),
    "squats": Action(exercises.squats, (1.2, 8.0)),
    "push-ups": Action(exercises.push_ups, (1.0, 8.0), SIDE),
    "sit-ups": Action(exercises.sit_ups, (1.0, 8.0), SIDE),
    "pull-ups": Action(exercises.pull_ups, (1.0, 8.0)),
    "bench press": Action(exercises.bench_press, (1.0, 8.0)),
    "clean and jerk": Action(exercises.clean_and_jerk, (2.0, 12.0)),
    "baseball pitch": Action(sports.baseball_pitch, (0.8, 4.0), BEHIND),
    "baseball swing": Action(sports.baseball_swing, (0.6, 3.0)),
    "golf swing": Action(sports.golf_swing, (0.8, 4.0)),
    "tennis serve": Action(sports.tennis_serve, (0.8, 4.0), BEHIND),
    "tennis forehand": Action(sports.tennis_forehand, (0.7, 3.0), BEHIND),
    "bowling": Action(sports.bowling, (0.9, 4.5), BEHIND),
    "throwing": Action(sports.throwing, (0.8, 4.0)),
    "kicking": Action(sports.kicking, (0.8, 4.0)),
    "catching": Action(sports.catching, (0.8, 4.0)),
    "playing guitar": Action(gestures.strumming_guitar, (1.0, 8.0), FRONT),
    "drinking": Action(household.drinking, (1.0, 6.0), FRONT),
    "eating": Action(household.eating, (1.5, 8.0), FRONT),
    "phoning": Action(household.phoning, (1.0, 8.0)),
    "reading": Action(household.reading, (1.0, 8.0), FRONT),
    "writing": Action(household.writing, (1.0, 8.0), FRONT),
    "typing": Action(household.typing, (1.0, 8.0)),
    "cleaning": Action(household.cleaning, (1.0, 8.0)),
    "pointing": Action(household.pointing, (0.8, 5.0)),
    "none": Action(none, (0.8, 8.0)),
}
CLASSES = tuple(ACTIONS)


@dataclass(frozen=True)
class Windows:
    """A batch of simulated windows.

    Attributes:
        poses: (N, M, T, 17, 3) x, y in pixels and score; zeros where a joint is missing.
        labels: (N,) index into the classes asked for, then into the programs.
        truth: (N, T, 17, 3) of the first person, before the detector's faults: pixels, and depth
            towards the camera in pixels, from the middle of the trunk.
        view: (N, T) turn of the body from facing the camera to its left, radians.
        image_size: (N, 2) width and height of the picture in pixels.
        seconds: (N,) length of each window.
    """

    poses: np.ndarray
    labels: np.ndarray
    truth: np.ndarray
    view: np.ndarray
    image_size: np.ndarray
    seconds: np.ndarray


def draw(
    number: int,
    generator: np.random.Generator,
    frames: int = 64,
    classes: Sequence[str] = CLASSES,
    persons: int = 1,
    programs: Programs | None = None,
    seconds: tuple[float, float] = (0.0, 60.0),
    shares: tuple[float, float, float] = (0.5, 0.25, 0.25),
) -> Windows:
    """Draw windows of random classes; every one has a body, a style and a camera of its own.

    Draw thousands at once: the time goes by the batch, not by the window.

    Args:
        number: of windows, N.
        generator: source of all randomness.
        frames: of each window, T.
        classes: names out of CLASSES, may be none.
        persons: slots, M; other people stand in a few of those after the first.
        programs: further classes, one for each program. All classes are equally probable.
        seconds: shortest and longest window, within what each class allows. Windows of nearly
            one length show the tempo, which separates running from jogging.
        shares: of windows whose joints come from HRNet, from MoveNet and from people's hands.
    """
    count = len(classes) + (0 if programs is None else len(programs))
    labels = np.sort(generator.integers(count, size=number))
    span = np.empty(number)
    for label, name in enumerate(classes):
        members = labels == label
        span[members] = _spans(generator, members.sum(), ACTIONS[name].seconds, seconds)
    members = labels >= len(classes)
    span[members] = _spans(generator, members.sum(), ACTIONS["none"].seconds, seconds)
    times = single(span)[:, None] * np.linspace(0, 1, frames, dtype=np.float32)
    bodies = sample_bodies(generator, number)
    motion = perform(generator, bodies, labels, times, classes, programs)
    rate = generator.choice([15, 24, 25, 30, 50, 60], number, p=[0.1, 0.15, 0.3, 0.3, 0.1, 0.05])
    native = np.maximum(single(span * rate), 4)
    points = mirrored(generator, joints(bodies, motion), motion.heading)
    # People who mark joints by hand often name the sides of the picture, not the person's.
    detector = generator.choice(len(_DETECTORS), number, p=shares)
    by_hand = np.array([one.by_hand for one in _DETECTORS])[detector]
    swapped = np.flatnonzero(by_hand & (generator.random(number) < 0.6))
    points[swapped] = points[swapped][:, :, _FLIP]
    view = film(generator, points, motion.heading, is_wide(motion))
    poses = np.zeros((number, frames, 17, 3), np.float32)
    for index, one in enumerate(_DETECTORS):
        some = np.flatnonzero(detector == index)
        poses[some] = observe(generator, view[some], native[some], one)
    slots = np.zeros((number, persons, frames, 17, 3), np.float32)
    slots[:, 0] = poses
    for slot in range(1, persons):
        others = np.flatnonzero(generator.random(number) < 0.12)
        if len(others):
            slots[others, slot] = poses[generator.integers(number, size=len(others))]
    depth = (view.depth[..., 11:13].mean(-1, keepdims=True) - view.depth) * view.scale[..., None]
    order = generator.permutation(number)
    return Windows(
        poses=slots[order],
        labels=labels[order],
        truth=np.concatenate([view.pixels, depth[..., None]], axis=-1, dtype=np.float32)[order],
        view=motion.heading[order],
        image_size=view.image_size[order],
        seconds=single(span)[order],
    )


def perform(
    generator: np.random.Generator,
    bodies: Bodies,
    labels: np.ndarray,
    seconds: np.ndarray,
    classes: Sequence[str],
    programs: Programs | None = None,
) -> Motion:
    """Let N bodies do the actions of their labels.

    Args:
        generator: source of all randomness.
        bodies: N.
        labels: (N,) ascending indices into `classes`, then into `programs`.
        seconds: (N, T) time of each frame, from 0.
        classes: names out of CLASSES.
        programs: that the labels after the classes stand for.
    """
    motion = standing(*seconds.shape)
    for label, name in enumerate(classes):
        part = slice(*np.searchsorted(labels, (label, label + 1)))
        if part.start < part.stop:
            ACTIONS[name].move(motion[part], _scene(generator, bodies, seconds, part))
            motion.heading[part] += _direction(
                generator, part.stop - part.start, ACTIONS[name].view
            )
    first = int(np.searchsorted(labels, len(classes)))
    if programs is not None and first < len(labels):
        part = slice(first, len(labels))
        chosen = programs[labels[part] - len(classes)]
        perform_programs(motion[part], _scene(generator, bodies, seconds, part), chosen)
        motion.heading[part] += _direction(generator, len(chosen), ANY)
    _live(generator, motion, seconds)
    return motion


def mirrored(generator: np.random.Generator, points: np.ndarray, heading: np.ndarray) -> np.ndarray:
    """Make half of the people (N, T, 17, 3) left-handed; their `heading` is mirrored in place."""
    chosen = np.flatnonzero(generator.random(len(points)) < 0.5)
    points[chosen] = points[chosen][:, :, _FLIP] * single([-1, 1, 1])
    heading[chosen] *= -1
    return points


def is_wide(motion: Motion) -> np.ndarray:
    """Whether (N,) a camera can take in the whole way."""
    return np.abs(motion.root[..., Z]).max(1) < 3


def _scene(
    generator: np.random.Generator, bodies: Bodies, seconds: np.ndarray, part: slice
) -> Scene:
    return Scene(generator, bodies[part], seconds[part], seconds[part, -1:])


def _spans(
    generator: np.random.Generator,
    number: int,
    limits: tuple[float, float],
    wanted: tuple[float, float],
) -> np.ndarray:
    """Seconds (number,) of windows; short ones are as frequent as those twice as long."""
    low, high = np.log(np.clip(wanted, *limits))
    return np.exp(generator.uniform(low, high, number))


def _direction(generator: np.random.Generator, size: int, view: Sequence[float]) -> np.ndarray:
    """Direction (size, 1) in which bodies look: 0 is into the camera."""
    kind = generator.choice(4, size, p=view)
    side = np.where(generator.random(size) < 0.5, np.pi / 2, -np.pi / 2)
    centre = np.choose(kind, [np.zeros(size), side, np.full(size, np.pi), np.zeros(size)])
    spread = np.choose(kind, [0.3, 0.25, 0.3, 3.0])
    return (centre + spread * generator.standard_normal(size))[:, None].astype(np.float32)


def _live(generator: np.random.Generator, motion: Motion, seconds: np.ndarray) -> None:
    """Nobody holds still or moves like another: posture, sway and unsteady joints of each body."""
    number, frames = seconds.shape
    waves = seconds[:, -1] / 1.2
    lively = np.exp(generator.normal(-0.3, 0.6, (number, 1, 1))).astype(np.float32)
    for angles, own, sway in (
        (motion.spine, 0.06, 0.02),
        (motion.head, 0.12, 0.05),
        (motion.pelvis, 0.03, 0.015),
    ):
        angles += (own * generator.standard_normal((number, 1, 3))).astype(np.float32)
        angles += sway * lively * wander(generator, number, frames, 3, waves)
    posture = generator.standard_normal((2, number, 1, 2, 4)).astype(np.float32)
    motion.arms += 0.1 * posture[0]
    motion.arms += (0.04 * lively * wander(generator, number, frames, 8, waves)).reshape(
        motion.arms.shape
    )
    np.maximum(motion.arms[..., 3], 0.02, out=motion.arms[..., 3])
    motion.legs += 0.03 * posture[1]
    np.maximum(motion.legs[..., 3], 0.02, out=motion.legs[..., 3])
    motion.hands += (0.012 * lively * wander(generator, number, frames, 6, waves)).reshape(
        motion.hands.shape
    )
