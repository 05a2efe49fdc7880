"""Following persons through frames whose slots are in the detector's order, not a person's.

Functions take and return poses (M, T, V, C + 1): persons, frames, joints, coordinates and score.
"""

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

# Beyond this distance from a person's last position (in body sizes), a detection is someone else.
_SAME_PERSON_WITHIN = 1.0
# Detections of one frame that are followed, and tracks that are remembered (those unseen for
# longest are given up): keeps time and memory in proportion to the clip, however it flickers.
_MOST_TRACKS = 128
# Frames whose distances are computed at once; fewer where there are many slots.
_FRAMES_AT_ONCE = 64
_PAIRS_AT_ONCE = 8192


def track_persons(poses: np.ndarray) -> np.ndarray:
    """Follow persons through frames whose slots are in the detector's order, not a person's.

    Each frame's detections are assigned to the tracks seen so far (Hungarian method on the mean
    distance of joints seen in both, in body sizes); a detection far from every track starts a new
    one. Tracks are then ranked by how much of a body they show, for how long, how large and in
    how early a slot, and laid into person slots: a track goes to the first of at most 2 M slots
    that is empty during its frames, or is left out where there is none.

    Args:
        poses: (M, T, V, C + 1).

    Returns:
        (M', T, V, C + 1), the most prominent person first. A single slot is returned unchanged.
    """
    if len(poses) == 1:
        return poses
    seen = np.greater(poses[..., -1], 0)  # (M, T, V)
    present = seen.any(axis=2)
    if not present[1:].any():
        return poses[:1]
    sizes = _body_sizes(poses, seen)  # (M, T)
    assigned = _assign_tracks(poses, seen, present, sizes)  # (M, T) track of each detection
    # Detectors list the surest person first: the slot says more than the size of a bystander.
    shown = seen.sum(axis=2) * sizes * 0.5 ** np.arange(len(poses))[:, None]
    persons, frames = np.nonzero(assigned >= 0)
    numbers = assigned[persons, frames]
    prominence = np.zeros(numbers.max() + 1)
    np.add.at(prominence, numbers, shown[persons, frames])
    by_track = np.argsort(numbers, kind="stable")
    detections = np.split(by_track, np.cumsum(np.bincount(numbers))[:-1])
    slots: list[np.ndarray] = []
    taken: list[np.ndarray] = []
    for track in np.argsort(-prominence, kind="stable"):
        who, here = persons[detections[track]], frames[detections[track]]
        slot = next((s for s, used in enumerate(taken) if not used[here].any()), len(slots))
        if slot == 2 * len(poses):
            continue
        if slot == len(slots):
            slots.append(np.zeros_like(poses[0]))
            taken.append(np.zeros(poses.shape[1], bool))
        slots[slot][here] = poses[who, here]
        taken[slot][here] = True
    return np.stack(slots)


class PersonSlots:
    """Person slots for frames that arrive one by one, each as `track_persons` would follow it.

    A detection gets the slot of the person that it is nearest to. Anybody else gets the first slot
    in which nobody was seen for long enough, or none.
    """

    def __init__(self, slots: int, patience: float) -> None:
        """Make empty slots, which are kept for somebody unseen for less than `patience` seconds."""
        self.patience = patience
        self._seen_at = np.full(slots, -np.inf)
        self._last: _Seen | None = None

    def place(self, poses: np.ndarray, time: float) -> np.ndarray:
        """The slots (P,) of a frame's poses (P, V, C + 1), -1 for unseen ones and one too many.

        Args:
            poses: the persons in any order, the most prominent first where slots are few.
            time: in seconds, not before that of the last frame.
        """
        from scipy.optimize import linear_sum_assignment

        seen = poses[..., -1] > 0
        sizes = _body_sizes(poses[:, None], seen[:, None])[:, 0]
        here = _Seen(poses[..., :-1].astype(np.float32), seen, sizes)
        if self._last is None:
            self._last = _Seen(
                *(np.zeros((len(self._seen_at), *part.shape[1:]), part.dtype) for part in here)
            )
        found = np.full(len(poses), -1)
        who = np.flatnonzero(seen.any(axis=1))[:_MOST_TRACKS]
        kept = time - self._seen_at < self.patience
        if len(who) and kept.any():
            taken = np.flatnonzero(kept)
            cost = _costs(here.at(who), self._last.at(taken))
            near = cost <= _SAME_PERSON_WITHIN
            rows, columns = linear_sum_assignment(np.where(near, cost, 1e6))
            matched = near[rows, columns]
            found[who[rows[matched]]] = taken[columns[matched]]
        new = who[found[who] < 0]
        free = np.flatnonzero(~kept)[: len(new)]
        found[new[: len(free)]] = free
        placed = found >= 0
        for part, now in zip(self._last, here, strict=True):
            part[found[placed]] = now[placed]
        self._seen_at[found[placed]] = time
        return found


def _body_sizes(poses: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Root mean square distance (M, T) of the seen joints to their centre, at least 1e-3.

    Of single frames, where har.geometry.body_size is of whole windows; and in numpy, since the
    stage `preprocess` does without torch, which takes longer to import than the stage to run.
    """
    count = np.maximum(seen.sum(axis=2), 1)[..., None]
    places = poses[..., :-1] * seen[..., None]
    centre = places.sum(axis=2) / count
    offsets = (places - centre[:, :, None]) * seen[..., None]
    return np.maximum(np.sqrt((offsets**2).sum(axis=(2, 3)) / count[..., 0]), 1e-3)


class _Seen(NamedTuple):
    """Detections: places (..., D, V, C), which joints are seen (..., D, V), body sizes (..., D)."""

    places: np.ndarray
    joints: np.ndarray
    sizes: np.ndarray

    def at(self, index: Any) -> "_Seen":
        """Some of them."""
        return _Seen(*(part[index] for part in self))


def _costs(some: _Seen, others: _Seen) -> np.ndarray:
    """Mean distance (..., D, K) of the joints seen in both, in body sizes; infinite without any."""
    gaps = some.places[..., :, None, :, :] - others.places[..., None, :, :, :]
    shared = some.joints[..., :, None, :] & others.joints[..., None, :, :]
    distances = np.sqrt(np.einsum("...c,...c->...", gaps, gaps))
    number = shared.sum(-1)
    size = np.maximum(some.sizes[..., :, None], others.sizes[..., None, :])
    mean = np.einsum("...v,...v->...", distances, shared) / np.maximum(number, 1) / size
    return np.where(number > 0, mean, np.inf)


def _assign_tracks(
    poses: np.ndarray, seen: np.ndarray, present: np.ndarray, sizes: np.ndarray
) -> np.ndarray:
    """The track number (M, T) of each detection, -1 where a slot is empty or one too many.

    Frames that leave no choice are assigned without the Hungarian method, many at a time: those
    in which every detection is nearest to another one of the frame before.
    """
    # Imported where needed: the train stages read this module, and scipy's optimisers take a while.
    from scipy.optimize import linear_sum_assignment

    assigned = np.full(present.shape, -1)
    by_frame = _Seen(poses[..., :-1].swapaxes(0, 1), seen.swapaxes(0, 1), sizes.T)
    last = by_frame.at((0, slice(0)))  # sightings of the tracks that are remembered, none yet,
    last_frames, numbers = np.zeros(0, int), np.zeros(0, int)  # and which they are
    begun = 0
    changes = np.flatnonzero((present[:, 1:] != present[:, :-1]).any(axis=0)) + 1
    at_once = min(_FRAMES_AT_ONCE, max(_PAIRS_AT_ONCE // len(poses) ** 2, 1))
    bounds = {*range(0, poses.shape[1], at_once), *changes.tolist(), poses.shape[1]}
    for start, end in pairwise(sorted(bounds)):
        slots = np.flatnonzero(present[:, start])[:_MOST_TRACKS]
        if not len(slots):
            continue
        stretch = by_frame.at((slice(start, end), slots))
        clear, nearest, nearest_cost = _clear_successors(stretch)
        frame = 0
        while frame < end - start:
            here = stretch.at(frame)
            tracks = np.full(len(slots), -1)
            if len(numbers):
                cost = _costs(here, last)
                near = cost <= _SAME_PERSON_WITHIN
                rows, columns = linear_sum_assignment(np.where(near, cost, 1e6))
                matched = near[rows, columns]
                tracks[rows[matched]] = columns[matched]
            new = np.flatnonzero(tracks < 0)
            if len(new):
                tracks[new] = np.arange(len(numbers), len(numbers) + len(new))
                last = _Seen(*map(np.concatenate, zip(last, here.at(new), strict=True)))
                numbers = np.append(numbers, np.arange(begun, begun + len(new)))
                last_frames = np.append(last_frames, np.zeros(len(new), int))
                begun += len(new)
            last_frames[tracks] = start + frame
            if len(numbers) > _MOST_TRACKS:
                kept = np.sort(np.argsort(-last_frames, kind="stable")[:_MOST_TRACKS])
                last, last_frames, numbers = last.at(kept), last_frames[kept], numbers[kept]
                tracks = np.searchsorted(kept, tracks)

            run = _leading(clear[frame:])
            lost = np.delete(np.arange(len(numbers)), tracks)
            if run and len(lost):  # a lost person may come back
                others = _costs(stretch.at(slice(frame + 1, frame + 1 + run)), last.at(lost))
                run = _leading((others.min(-1) > nearest_cost[frame : frame + run]).all(-1))
            followed = [tracks]
            for number in range(frame, frame + run):
                followed.append(followed[-1][nearest[number]])
            assigned[slots, start + frame : start + frame + run + 1] = numbers[followed].T
            frame += run
            tracks = followed[-1]
            for part, now in zip(last, stretch.at(frame), strict=True):
                part[tracks] = now
            last_frames[tracks] = start + frame
            frame += 1
    return assigned


def _clear_successors(stretch: _Seen) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Whether each frame but the first of (F, D) detections follows from the one before.

    Returns:
        clear (F-1,): every detection is nearest to one of the frame before, each to another;
        nearest (F-1, D): to which; cost (F-1, D): how near.
    """
    costs = _costs(stretch.at(slice(1, None)), stretch.at(slice(None, -1)))
    nearest, cost = costs.argmin(-1), costs.min(-1)
    each_another = np.sort(nearest, axis=-1) == np.arange(costs.shape[-1])
    clear = (cost <= _SAME_PERSON_WITHIN) & each_another & ((costs == cost[..., None]).sum(-1) == 1)
    return clear.all(axis=-1), nearest, cost


def _leading(true: np.ndarray) -> int:
    """Number of true values before the first false one."""
    return len(true) if true.all() else int(true.argmin())
