"""Actions: spells of work and of other things, with the places of the hands.

A session is one continuous video of one person, or of one person and a helper who works on that
person's head. It is a chain of spells. In a work spell the hands do what the class does; the other
spells (showing the tool, talking, resting, reaching for something, touching one's own face or
hair) are the same in all classes, so that a single frame often says little.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from har.clips.simulate.bodies import (
    LEFT,
    RIGHT,
    SIDE,
    Body,
    Frames,
    frames,
    joints,
    sample_body,
    turned,
)
from har.clips.simulate.noise import FPS, bursts, smooth, wander

CLASSES = ("ApplyEyeMakeup", "ApplyLipstick", "BlowDryHair", "BrushingTeeth", "HeadMassage")

# Axes in which a hand's place is given: one's own torso or head, or the head or torso worked on.
TORSO, HEAD, OTHER_HEAD, OTHER_TORSO = range(4)


@dataclass(frozen=True)
class Habits:
    """Properties of one person that stay the same through a session."""

    hand: int  # the hand preferred for work
    switch: float  # probability that a work spell uses the other hand
    work: float  # share of the time at work
    spell: float  # mean length of a work spell, seconds
    tempo: float  # factor on the frequency of all strokes
    size: float  # factor on the size of all strokes
    tool: float  # how far the tool's tip is from the wrist, 0 (short) to 1 (long)
    rise: float  # holds the working hand lower (+) or higher (-) than others do, radians
    front: float  # brings it from the front (+) rather than from the side (-)
    liveliness: float  # factor on all movements of head and trunk
    helper_hand: str  # what the idle hand does in work spells: rest, mirror or cheek
    poles: tuple[np.ndarray, np.ndarray]  # where the elbows point, in the torso's axes
    places: np.ndarray  # (8, 3) personal offsets of the resting and showing places, metres
    style: np.ndarray  # (6,) uniform numbers that each class reads in its own way


@dataclass
class Hand:
    """Course of one wrist: a place in moving axes, plus strokes around it."""

    place: np.ndarray  # (T, 3)
    axes: np.ndarray  # (T,) TORSO, HEAD, OTHER_HEAD or OTHER_TORSO
    stroke: np.ndarray  # (T, 3) added to the place in the same axes


@dataclass(frozen=True)
class Stroke:
    """A to-and-fro movement: direction with its size in metres, frequency in Hz."""

    along: np.ndarray
    across: np.ndarray
    frequency: float
    on: float = 3.0  # mean seconds of stroking
    off: float = 0.6  # mean seconds of pausing


@dataclass(frozen=True)
class Grip:
    """Place and movement of a wrist in a work spell."""

    place: np.ndarray
    axes: int
    stroke: Stroke | None = None


@dataclass
class Session:
    """Joints over time (T, 17, 3) of the person worked on first, and of the helper if any."""

    people: list[np.ndarray]
    axes: list[Frames]
    work: np.ndarray  # (T,) True in work spells
    bodies: list[Body] = field(default_factory=list)


def sample_habits(generator: np.random.Generator) -> Habits:
    """Draw one person's habits."""
    hand = RIGHT if generator.random() < 0.65 else LEFT
    poles = tuple(
        np.array([SIDE[side] * (0.5 + 0.25 * generator.normal()), 1.0, 0.2 * generator.normal()])
        for side in (LEFT, RIGHT)
    )
    return Habits(
        hand=hand,
        switch=float(generator.choice([0.0, 0.1, 0.4], p=[0.4, 0.35, 0.25])),
        work=float(generator.beta(6, 1.5)),
        spell=float(np.exp(generator.normal(1.4, 0.35))),
        tempo=float(np.exp(generator.normal(0, 0.2))),
        size=float(np.exp(generator.normal(0, 0.2))),
        tool=float(generator.random()),
        rise=float(generator.normal(0, 0.13)),
        front=float(generator.normal(0, 0.12)),
        liveliness=float(np.exp(generator.normal(0, 0.4))),
        helper_hand=str(generator.choice(["rest", "mirror", "cheek"], p=[0.55, 0.3, 0.15])),
        poles=(poles[0], poles[1]),
        places=generator.normal(0, 1, (8, 3)) * (0.05, 0.06, 0.05),
        style=generator.random(6),
    )


# What a class does in a work spell: from the body worked on and the worker's habits and hand, a
# grip of that hand and one of the other hand, if it has one.
Work = Callable[[np.random.Generator, Body, Habits, int], tuple[Grip, Grip | None]]


def _from_tip(
    habits: Habits, side: int, tip: np.ndarray, tool: float, rise: float, front: float
) -> np.ndarray:
    """Wrist of a hand that holds something to `tip`, in the head's axes.

    Hand and tool together are `tool` metres long and come from `rise` radians below the tip, from
    straight in front of the face (`front` 1) or from its side (0).
    """
    rise, front = rise + habits.rise, front + habits.front
    level = np.array([SIDE[side] * np.cos(front * np.pi / 2), 0, -np.sin(front * np.pi / 2)])
    return tip + tool * (np.cos(rise) * level + (0, np.sin(rise), 0))


def _other_hand(habits: Habits, side: int) -> Grip | None:
    """The hand that does not work: it holds a mirror, lies on the cheek, or (None) rests."""
    if habits.helper_hand == "mirror":
        place = np.array([SIDE[side] * 0.12, 0.06, -0.36]) + habits.places[5]
        return Grip(place, TORSO)
    if habits.helper_hand == "cheek":
        place = np.array([SIDE[side] * 0.09, 0.09, -0.1]) + 0.4 * habits.places[6]
        return Grip(place, HEAD)
    return None


def _eye_makeup(
    generator: np.random.Generator, body: Body, habits: Habits, side: int
) -> tuple[Grip, Grip | None]:
    eye = SIDE[side] if generator.random() < 0.75 else -SIDE[side]
    brow = -0.02 if generator.random() < 0.2 else 0.0
    tip = np.array([eye * body.eye, brow, -1.05 * body.face])
    tip = tip + generator.normal(0, 0.008, 3)
    size = 0.011 * habits.size
    along = np.array([size, 0.2 * size, 0])
    if habits.style[0] < 0.35:  # mascara: upwards along the lashes
        along = np.array([0.2 * size, 1.2 * size, 0.4 * size])
    stroke = Stroke(along, along[[1, 0, 2]] * 0.5, 1.1 * habits.tempo, 2.0, 1.0)
    place = _from_tip(habits, side, tip, 0.11 + 0.04 * habits.tool, 0.1, 0.45)
    return Grip(place, HEAD, stroke), _other_hand(habits, 1 - side)


def _lipstick(
    generator: np.random.Generator, body: Body, habits: Habits, side: int
) -> tuple[Grip, Grip | None]:
    tip = body.mouth + generator.normal(0, 0.008, 3)
    size = 0.015 * habits.size
    stroke = Stroke(
        np.array([size, 0.1 * size, 0.3 * size]),
        np.array([0, 0.4 * size, 0]),
        0.9 * habits.tempo,
        2.0,
        1.0,
    )
    place = _from_tip(habits, side, tip, 0.105 + 0.03 * habits.tool, 1.15, 0.5)
    return Grip(place, HEAD, stroke), _other_hand(habits, 1 - side)


def _brushing(
    generator: np.random.Generator, body: Body, habits: Habits, side: int
) -> tuple[Grip, Grip | None]:
    tip = body.mouth + np.array([generator.normal(0, 0.02), 0, 0.01])
    size = 0.026 * habits.size
    up = generator.random() < 0.35
    along = np.array([0.3 * size, size, 0.2 * size] if up else [size, 0.2 * size, 0.5 * size])
    frequency = 3.0 * habits.tempo * float(np.exp(generator.normal(0, 0.15)))
    stroke = Stroke(along, 0.3 * along[[1, 0, 2]], frequency, 3.5, 0.5)
    place = _from_tip(habits, side, tip, 0.14 + 0.04 * habits.tool, 0.15, 0.2)
    return Grip(place, HEAD, stroke), _other_hand(habits, 1 - side)


def _around_head(angle: float, height: float, radius: float, sign: float) -> np.ndarray:
    """Point around the head: angle from the front (0) over the side to the back (pi)."""
    return np.array(
        [
            sign * radius * np.sin(angle) * np.cos(height),
            -radius * np.sin(height),
            -radius * np.cos(angle) * np.cos(height),
        ]
    )


def _blow_dry(
    generator: np.random.Generator, body: Body, habits: Habits, side: int, by_helper: bool = False
) -> tuple[Grip, Grip | None]:
    axes = OTHER_HEAD if by_helper else HEAD
    sign = SIDE[side]
    radius = 0.2 + 0.14 * habits.style[0]
    angle = generator.normal(1.3 if not by_helper else 1.9, 0.35)
    dryer = _around_head(angle, generator.normal(0.1, 0.4), radius, sign)
    size = 0.05 * habits.size
    sweep = Stroke(
        np.array([0.4 * size, size, 0.7 * size]),
        np.array([0.3 * size, 0, 0.3 * size]),
        0.45 * habits.tempo,
        4.0,
        0.7,
    )
    if habits.style[1] < 0.3:  # shakes the dryer
        sweep = Stroke(sweep.along * 0.4, sweep.across * 0.4, 1.8 * habits.tempo, 3.0, 0.7)
    if habits.style[2] < 0.3 and not by_helper:
        return Grip(dryer, axes, sweep), None
    # The other hand lifts hair, with or without a brush, and draws it away from the head.
    hair = _around_head(
        generator.normal(1.6, 0.4), generator.normal(0.3, 0.4), 0.15, -sign * (1 - 2 * by_helper)
    )
    draw = 0.04 * habits.size
    combing = Stroke(
        np.array([-sign * 0.5 * draw, draw, 0]), np.zeros(3), 0.5 * habits.tempo, 3.0, 1.0
    )
    return Grip(dryer, axes, sweep), Grip(hair, axes, combing)


def _massage(
    generator: np.random.Generator, body: Body, habits: Habits, side: int
) -> tuple[Grip, Grip | None]:
    """The helper's hands; the helper stands behind, so left and right are the head's own."""
    sign = SIDE[side]
    kind = generator.random()
    size, frequency, axes = 0.018 * habits.size, 1.3 * habits.tempo, OTHER_HEAD
    if kind < 0.6:  # kneading the scalp
        place = _around_head(generator.uniform(1.2, 2.6), generator.uniform(0.2, 1.1), 0.13, sign)
    elif kind < 0.75:  # temples and forehead
        place = _around_head(generator.uniform(0.8, 1.4), generator.uniform(-0.1, 0.4), 0.13, sign)
    elif kind < 0.9:  # neck and shoulders
        place, axes = np.array([sign * 0.1, -0.06, 0.05]), OTHER_TORSO
    else:  # chopping
        place = _around_head(generator.uniform(1.0, 2.2), generator.uniform(0.6, 1.2), 0.16, sign)
        size, frequency = 0.02 * habits.size, 3.4 * habits.tempo
    along = np.array([0.5 * sign, 1.0, 0.3]) * size
    stroke = Stroke(along, np.array([0.4, 0, 0.8]) * size, frequency, 4.0, 0.5)
    mirrored = np.array([-1, 1, 1])
    across = stroke.across * mirrored
    lag = 1.0 if habits.style[1] < 0.6 else -1.0  # both hands together or in turn
    other = Stroke(lag * along * mirrored, across, frequency, 4.0, 0.5)
    return Grip(place, axes, stroke), Grip(place * mirrored, axes, other)


def _on_another_face(grips: Work) -> Work:
    """The same work done on another person's face: the hand comes from the helper's side."""

    def work(
        generator: np.random.Generator, body: Body, habits: Habits, side: int
    ) -> tuple[Grip, Grip | None]:
        main, _ = grips(generator, body, habits, side)
        place = np.array([_helper_side(habits) * abs(main.place[0]), *main.place[1:]])
        return Grip(place, OTHER_HEAD, main.stroke), None

    return work


_ALONE: dict[str, Work] = {
    "ApplyEyeMakeup": _eye_makeup,
    "ApplyLipstick": _lipstick,
    "BlowDryHair": _blow_dry,
    "BrushingTeeth": _brushing,
}


def _blow_dry_other(
    generator: np.random.Generator, body: Body, habits: Habits, side: int
) -> tuple[Grip, Grip | None]:
    return _blow_dry(generator, body, habits, side, by_helper=True)


_BY_HELPER: dict[str, Work] = {
    "ApplyEyeMakeup": _on_another_face(_eye_makeup),
    "ApplyLipstick": _on_another_face(_lipstick),
    "BlowDryHair": _blow_dry_other,
    "HeadMassage": _massage,
}


SHOW, REST, FETCH, TOUCH, WORK = "show", "rest", "fetch", "touch", "work"


def _spells(
    generator: np.random.Generator, frame_count: int, habits: Habits
) -> list[tuple[int, int, str]]:
    """(start, end, kind) of the spells that fill a session."""
    mean = {SHOW: 2.0, REST: 1.8, FETCH: 1.2, TOUCH: 1.2}
    other = np.array([0.4, 0.25, 0.2, 0.15]) * (0.3 + generator.random(4))
    other /= other.sum()
    pause = float(other @ list(mean.values()))
    # After work comes another thing, after that work, or a further thing so often that the
    # person's share of work comes out.
    work_rate = habits.work / habits.spell / ((1 - habits.work) / pause)
    to_work = float(np.clip(work_rate, 0.15, 1.0))
    spells, time, kind = [], 0, WORK if generator.random() < habits.work else SHOW
    while time < frame_count:
        seconds = habits.spell if kind == WORK else mean[kind]
        length = max(6, int(seconds * FPS * generator.gamma(2.5, 1 / 2.5)))
        spells.append((time, min(time + length, frame_count), kind))
        time += length
        if kind != WORK and generator.random() < to_work:
            kind = WORK
        else:
            kind = str(generator.choice(list(mean), p=other))
    return spells


def _stroke(generator: np.random.Generator, frame_count: int, stroke: Stroke) -> np.ndarray:
    """Course (frames, 3) of a stroke with its pauses and an unsteady tempo."""
    tempo = stroke.frequency * np.exp(0.15 * wander(generator, frame_count, 0.6))[:, 0]
    phase = 2 * np.pi * (generator.random() + np.cumsum(tempo) / FPS)
    strength = smooth(
        bursts(generator, frame_count, stroke.on, stroke.off)[:, None].astype(float), 0.3
    )
    strength = strength * np.exp(0.25 * wander(generator, frame_count, 0.8))
    return strength * (
        np.sin(phase)[:, None] * stroke.along + np.sin(phase / 2 + 1)[:, None] * stroke.across
    )


def _empty_hand(frame_count: int) -> Hand:
    return Hand(np.zeros((frame_count, 3)), np.zeros(frame_count, int), np.zeros((frame_count, 3)))


def _rest_place(body: Body, habits: Habits, side: int, raised: bool) -> np.ndarray:
    if raised:
        return np.array([SIDE[side] * 0.14, 0.16, -0.28]) + habits.places[side]
    return np.array([SIDE[side] * 0.16, 0.42, -0.2]) + habits.places[2 + side]


def _plan(
    generator: np.random.Generator,
    frame_count: int,
    body: Body,
    habits: Habits,
    spells: list[tuple[int, int, str]],
    work: Work | None,
) -> tuple[tuple[Hand, Hand], np.ndarray]:
    """Courses of both hands and which hand works (frames,), LEFT or RIGHT."""
    hands = (_empty_hand(frame_count), _empty_hand(frame_count))
    working = np.full(frame_count, habits.hand)
    main = habits.hand
    raised_rest = habits.style[5] < 0.4  # the idle hand is kept up before the chest
    talk = bursts(generator, frame_count, 2.5, 2.5)[:, None]
    gesture = [0.05 * habits.liveliness * wander(generator, frame_count, 0.25, 3) for _ in "lr"]
    for start, end, kind in spells:
        count, span = end - start, slice(start, end)
        for side in (LEFT, RIGHT):
            hands[side].place[span] = _rest_place(body, habits, side, raised_rest)
            hands[side].axes[span] = TORSO
        if kind == WORK and work is not None:
            main = 1 - habits.hand if generator.random() < habits.switch else habits.hand
            for side, grip in zip(
                (main, 1 - main), work(generator, body, habits, main), strict=True
            ):
                if grip is None:
                    continue
                hands[side].place[span] = grip.place + 0.012 * wander(generator, count, 0.7, 3)
                hands[side].axes[span] = grip.axes
                if grip.stroke is not None:
                    hands[side].stroke[span] = _stroke(generator, count, grip.stroke)
        elif kind == SHOW:
            place = np.array([SIDE[main] * 0.12, generator.uniform(-0.12, 0.1), -0.33])
            hands[main].place[span] = place + habits.places[4] + gesture[main][span] * talk[span]
            if generator.random() < 0.3:
                other = 1 - main
                hands[other].place[span] = (
                    place * (-1, 1, 1) + habits.places[5] + gesture[other][span] * talk[span]
                )
        elif kind == FETCH:
            place = np.array([SIDE[main] * 0.2, 0.38, -0.38]) + generator.normal(0, 0.05, 3)
            hands[main].place[span] = place
        elif kind == TOUCH:
            side = main if generator.random() < 0.5 else 1 - main
            angle, height = generator.uniform(0.3, 2.2), generator.normal(0.1, 0.5)
            hands[side].place[span] = _around_head(angle, height, 0.15, SIDE[side])
            hands[side].axes[span] = HEAD
            stroke = Stroke(generator.normal(0, 0.015, 3), np.zeros(3), 1.0 * habits.tempo)
            hands[side].stroke[span] = _stroke(generator, count, stroke)
        working[span] = main
    return hands, working


def _head_course(
    generator: np.random.Generator, frame_count: int, habits: Habits, work: np.ndarray
) -> np.ndarray:
    """Angles (T, 3) of the head on the trunk: posture, slow turns, nods of speech, work posture."""
    posture = generator.normal(0, 1, 3) * (0.12, 0.08, 0.06)
    slow = wander(generator, frame_count, 1.5, 3) * (0.07, 0.045, 0.04)
    quick = wander(generator, frame_count, 0.25, 3) * (0.025, 0.025, 0.015)
    talking = smooth((bursts(generator, frame_count, 2.5, 2.5) & ~work)[:, None].astype(float), 0.4)
    glance = smooth(bursts(generator, frame_count, 0.8, 5.0)[:, None].astype(float), 0.5)
    aside = generator.normal(0, 1, 3) * (0.35, 0.1, 0.05)
    at_work = generator.normal(0, 1, 3) * (0.12, 0.08, 0.06)
    steady = smooth(work[:, None].astype(float), 0.5)
    movement = slow * (1 - 0.4 * steady) + quick * (0.3 + talking) + aside * glance * (1 - steady)
    return posture + habits.liveliness * movement + at_work * steady


def _place_hand(hand: Hand, axes: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """World course (T, 3) of a wrist: its place in moving axes, with smooth ways between places."""
    target = np.zeros_like(hand.place)
    stroke = np.zeros_like(hand.place)
    for number, (turn, origin) in enumerate(axes):
        here = hand.axes == number
        if here.any():
            target[here] = origin[here] + turned(turn[here], hand.place[here])
            stroke[here] = turned(turn[here], hand.stroke[here])
    return smooth(target, 0.5) + stroke


# How far work lowers the chin, radians.
_CHIN = {
    "ApplyEyeMakeup": -0.12,
    "ApplyLipstick": -0.05,
    "BlowDryHair": 0.12,
    "BrushingTeeth": 0.1,
    "HeadMassage": 0.05,
}


def act(generator: np.random.Generator, name: str, assisted: bool, frame_count: int) -> Session:
    """One session of a class: `assisted` when a helper works on the first person's head."""
    body, habits = sample_body(generator), sample_habits(generator)
    spells = _spells(generator, frame_count, habits)
    work = np.zeros(frame_count, bool)
    for start, end, kind in spells:
        work[start:end] = kind == WORK

    seat = 0.012 * habits.liveliness * wander(generator, frame_count, 1.5, 3)
    torso = generator.normal(0, 1, 3) * (0.15, 0.06, 0.04) + (0, 0.05, 0)
    torso = torso + 0.018 * habits.liveliness * wander(generator, frame_count, 1.5, 3)
    head = _head_course(generator, frame_count, habits, work)
    # Towards the mirror chin up, over the basin chin down; the head yields to the dryer.
    head[:, 1] += _CHIN[name] * smooth(work[:, None].astype(float), 0.5)[:, 0]
    if name == "BrushingTeeth":  # bows to the basin now and then
        bow = bursts(generator, frame_count, 1.5, 14.0)[:, None].astype(float)
        torso = torso + smooth(bow, 0.8) * (0, 0.45, 0) * (habits.style[3] < 0.6)
    if name == "BlowDryHair" and not assisted:  # lays the head over towards the dryer
        lean = smooth(work[:, None] * 1.0, 0.6) * wander(generator, frame_count, 1.5)
        head = head + lean * (0.1, 0.12, 0.2)

    if not assisted:
        hands, _ = _plan(generator, frame_count, body, habits, spells, _ALONE[name])
        axes = frames(body, seat, torso, head)
        own = [(axes.torso, axes.shoulders), (axes.head, axes.skull)]
        wrists = tuple(_place_hand(hand, own) for hand in hands)
        person = joints(body, axes, (wrists[0], wrists[1]), habits.poles, seated=True)
        return Session([person], [axes], work, [body])

    helper, helper_habits = sample_body(generator), sample_habits(generator)
    # The client's own hands rest, show and touch, but never work.
    client_spells = [
        (start, end, REST if kind == WORK or generator.random() < 0.7 else kind)
        for start, end, kind in spells
    ]
    client_hands, _ = _plan(generator, frame_count, body, habits, client_spells, None)
    hands, _ = _plan(generator, frame_count, body, helper_habits, spells, _BY_HELPER[name])
    # The head gives way to the hands that work on it.
    push = sum(
        (hand.stroke * (hand.axes >= OTHER_HEAD)[:, None] for hand in hands),
        start=np.zeros((frame_count, 3)),
    )
    give = generator.uniform(0.5, 2.5) * (1.5 if name == "HeadMassage" else 0.3)
    head = head + give * smooth(push, 0.12)[:, [0, 1, 0]]
    axes = frames(body, seat, torso, head)
    # Helpers face the seated client: from behind, from the side, or from the side in front.
    behind = name == "HeadMassage" or (name == "BlowDryHair" and generator.random() < 0.5)
    around = 0.0 if behind else 1.2 if name == "BlowDryHair" else 2.0
    angle = _helper_side(helper_habits) * around + generator.normal(0, 0.2)
    stand = np.array([0.45 * np.sin(angle), -0.3, 0.45 * np.cos(angle)])
    stand = stand + generator.normal(0, 0.04, 3) + 0.03 * wander(generator, frame_count, 1.5, 3)
    turn = np.array([-angle, 0.2, 0]) + 0.05 * wander(generator, frame_count, 1.2, 3)
    helper_head = _head_course(generator, frame_count, helper_habits, work)
    helper_head[:, 1] += 0.3  # looks down at what the hands do
    helper_axes = frames(helper, seat.mean(0) + stand, turn, helper_head)
    world = [
        (helper_axes.torso, helper_axes.shoulders),
        (helper_axes.head, helper_axes.skull),
        (axes.head, axes.skull),
        (axes.torso, axes.shoulders),
    ]
    wrists = tuple(_place_hand(hand, world) for hand in hands)
    own = world[2:][::-1]
    client_wrists = tuple(_place_hand(hand, own) for hand in client_hands)
    people = [
        joints(body, axes, (client_wrists[0], client_wrists[1]), habits.poles, seated=True),
        joints(helper, helper_axes, (wrists[0], wrists[1]), helper_habits.poles, seated=False),
    ]
    return Session(people, [axes, helper_axes], work, [body, helper])


def _helper_side(habits: Habits) -> float:
    """The side of the client (+1 its left) at which a helper stands."""
    return 1.0 if habits.style[4] < 0.5 else -1.0


def bystander(generator: np.random.Generator, frame_count: int) -> np.ndarray:
    """Joints (T, 17, 3) of somebody who does nothing in particular."""
    body, habits = sample_body(generator), sample_habits(generator)
    spells = _spells(generator, frame_count, habits)
    idle = [(start, end, REST if kind == WORK else kind) for start, end, kind in spells]
    hands, _ = _plan(generator, frame_count, body, habits, idle, None)
    seat = 0.04 * wander(generator, frame_count, 2.0, 3)
    torso = generator.normal(0, 1, 3) * (0.6, 0.08, 0.05)
    torso = torso + 0.05 * wander(generator, frame_count, 1.5, 3)
    head = _head_course(generator, frame_count, habits, np.zeros(frame_count, bool))
    axes = frames(body, seat, torso, head)
    own = [(axes.torso, axes.shoulders), (axes.head, axes.skull)]
    wrists = tuple(_place_hand(hand, own) for hand in hands)
    return joints(body, axes, (wrists[0], wrists[1]), habits.poles, seated=habits.style[0] < 0.5)
