"""A jointed body in three dimensions, moved by angles and by where its hands reach.

World axes: x to the right of the image, y down, z away from the camera, in metres. A body's own
axes are the same while it faces the camera: x to its left, y down, z behind its back.
Arrays over time have the shape (T, ...); joints are those of COCO-17.
"""

from dataclasses import dataclass

import numpy as np

LEFT, RIGHT = 0, 1
SIDE = (1.0, -1.0)  # which way along its own x axis a body's left and right lie


@dataclass(frozen=True)
class Body:
    """Bone lengths and head measures of one person, in metres."""

    eye: float  # half the distance between the eyes
    ear: float  # half the distance between the ears
    face: float  # from the middle of the head to the plane of the eyes
    neck: float  # from between the shoulders to the middle of the head
    shoulder: float  # half the distance between the shoulder joints
    upper_arm: float
    forearm: float
    torso: float  # from between the hips to between the shoulders
    hip: float  # half the distance between the hip joints
    thigh: float
    shank: float

    @property
    def mouth(self) -> np.ndarray:
        """Middle of the mouth in the head's axes."""
        return np.array([0.0, 0.075, -1.05]) * (1, 1, self.face)


@dataclass(frozen=True)
class Frames:
    """Moving axes of one person: rotations (T, 3, 3) and origins (T, 3)."""

    torso: np.ndarray
    shoulders: np.ndarray  # origin of the torso's axes: the point between the shoulders
    head: np.ndarray
    skull: np.ndarray  # origin of the head's axes: the middle of the head


def sample_body(generator: np.random.Generator) -> Body:
    """Draw an adult: one stature for all bones and a little of each bone's own."""
    stature = generator.normal(1.0, 0.05)

    def length(mean: float, spread: float = 0.05) -> float:
        return mean * stature * (1 + spread * float(np.clip(generator.normal(), -2, 2)))

    return Body(
        eye=length(0.033),
        ear=length(0.073),
        face=length(0.095),
        neck=length(0.2, 0.07),
        shoulder=length(0.158, 0.08),
        upper_arm=length(0.28),
        forearm=length(0.25),
        torso=length(0.47),
        hip=length(0.1, 0.08),
        thigh=length(0.41),
        shank=length(0.4),
    )


def rotation(yaw: np.ndarray, pitch: np.ndarray, roll: np.ndarray) -> np.ndarray:
    """Rotations (T, 3, 3) from angles (T,) in radians.

    A positive yaw turns the face to the body's left, a positive pitch bows it down, a positive
    roll lays it on the right shoulder.
    """
    cy, sy, cp, sp, cr, sr = (f(a) for a in (yaw, pitch, roll) for f in (np.cos, np.sin))
    zero, one = np.zeros_like(cy), np.ones_like(cy)
    turn = _matrix((cy, zero, -sy), (zero, one, zero), (sy, zero, cy))
    bow = _matrix((one, zero, zero), (zero, cp, -sp), (zero, sp, cp))
    tilt = _matrix((cr, sr, zero), (-sr, cr, zero), (zero, zero, one))
    return turn @ bow @ tilt


def _matrix(*rows: tuple[np.ndarray, ...]) -> np.ndarray:
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def turned(frame: np.ndarray, point: np.ndarray) -> np.ndarray:
    """Rotate points (T, 3) or one point (3,) by rotations (T, 3, 3)."""
    return np.einsum("tij,tj->ti", frame, np.broadcast_to(point, (len(frame), 3)))


def frames(
    body: Body, seat: np.ndarray, torso_angles: np.ndarray, head_angles: np.ndarray
) -> Frames:
    """Axes of torso and head from the pelvis position (T, 3) and angles (T, 3) yaw, pitch, roll.

    Head angles count from the torso.
    """
    torso = rotation(*torso_angles.T)
    head = torso @ rotation(*head_angles.T)
    shoulders = seat + turned(torso, np.array([0, -body.torso, 0]))
    # The lower half of the neck leans with the torso, the upper half with the head.
    skull = (
        shoulders
        + turned(torso, np.array([0, -0.5 * body.neck, -0.02]))
        + turned(head, np.array([0, -0.5 * body.neck, -0.02]))
    )
    return Frames(torso, shoulders, head, skull)


def reach(
    shoulder: np.ndarray, target: np.ndarray, pole: np.ndarray, upper_arm: float, forearm: float
) -> tuple[np.ndarray, np.ndarray]:
    """Elbow and wrist (T, 3) of an arm whose wrist goes to `target`, or as near as it can.

    The two bones and the line from shoulder to target form a triangle; `pole` (T, 3) says to
    which side of that line the elbow points.
    """
    line = target - shoulder
    distance = np.linalg.norm(line, axis=-1, keepdims=True)
    line = line / np.maximum(distance, 1e-6)
    longest, shortest = 0.995 * (upper_arm + forearm), abs(upper_arm - forearm) + 0.05
    distance = np.clip(distance, shortest, longest)
    along = (upper_arm**2 - forearm**2 + distance**2) / (2 * distance)
    aside = pole - (pole * line).sum(-1, keepdims=True) * line
    aside = aside / np.maximum(np.linalg.norm(aside, axis=-1, keepdims=True), 1e-6)
    elbow = shoulder + along * line + np.sqrt(np.maximum(upper_arm**2 - along**2, 0)) * aside
    return elbow, shoulder + distance * line


def joints(
    body: Body,
    axes: Frames,
    hands: tuple[np.ndarray, np.ndarray],
    poles: tuple[np.ndarray, np.ndarray],
    seated: bool,
) -> np.ndarray:
    """COCO-17 joints (T, 17, 3) of a body whose wrists go to `hands`, each (T, 3).

    `poles` are (3,) in the torso's axes: where each elbow points.
    """
    points = np.empty((len(axes.torso), 17, 3))
    face = np.array([[0, 0.03, -1.22], [body.eye, 0, -1], [-body.eye, 0, -1]]) * (1, 1, body.face)
    ears = np.array([[body.ear, 0.01, 0], [-body.ear, 0.01, 0]])
    for joint, point in enumerate((*face, *ears)):
        points[:, joint] = axes.skull + turned(axes.head, point)
    seat = axes.shoulders + turned(axes.torso, np.array([0, body.torso, 0]))
    knee = np.array([0, 0.1, -1.0]) if seated else np.array([0, 1.0, -0.02])
    for side in (LEFT, RIGHT):
        sign = SIDE[side]
        shoulder = axes.shoulders + turned(axes.torso, np.array([sign * body.shoulder, 0, 0]))
        pole = turned(axes.torso, poles[side])
        elbow, wrist = reach(shoulder, hands[side], pole, body.upper_arm, body.forearm)
        hip = seat + turned(axes.torso, np.array([sign * body.hip, 0, 0]))
        thigh = knee + np.array([0.15 * sign, 0, 0])
        points[:, 5 + side], points[:, 7 + side], points[:, 9 + side] = shoulder, elbow, wrist
        points[:, 11 + side] = hip
        points[:, 13 + side] = hip + body.thigh * thigh / np.linalg.norm(thigh)
        points[:, 15 + side] = points[:, 13 + side] + np.array([0, body.shank, 0])
    return points
