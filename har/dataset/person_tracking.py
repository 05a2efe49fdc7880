"""Following persons through frames whose slots are in the detector's order, not a person's.

Functions take and return poses (M, T, V, C + 1): persons, frames, joints, coordinates and score.
"""

from bisect import bisect_left
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

# Beyond this distance from a person's last position (in body sizes), a detection is someone else.
_SAME_PERSON_WITHIN = 1.0
# Detections of one frame that are followed, and tracks that are remembered (those unseen for
# longest are given up): keeps time and memory in proportion to the clip, however it flickers.
_MOST_TRACKS = 128
# Pairs of detections whose distances are computed at once: bounds memory, and fits the cache.
_PAIRS_AT_ONCE = 4096


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
    present = np.greater(poses[..., -1], 0).any(axis=2)  # (M, T)
    if not present[1:].any():
        return poses[:1]
    frames, persons = np.nonzero(present.T)  # of each detection, frame by frame
    if len(poses) > _MOST_TRACKS:
        kept = present.cumsum(axis=0)[persons, frames] <= _MOST_TRACKS
        frames, persons = frames[kept], persons[kept]
    detections = _Seen.of(poses[persons, frames])
    numbers = _Tracks(detections, frames).numbers
    # Detectors list the surest person first: the slot says more than the size of a bystander.
    shown = detections.joints.sum(axis=0) * detections.sizes * 0.5**persons
    by_track = np.argsort(numbers, kind="stable")
    of_track = np.split(by_track, np.cumsum(np.bincount(numbers))[:-1])
    laid = np.full(len(frames), -1)  # slot of each detection
    taken: list[np.ndarray] = []
    for track in np.argsort(-np.bincount(numbers, shown), kind="stable"):
        here = frames[of_track[track]]
        slot = next((s for s, used in enumerate(taken) if not used[here].any()), len(taken))
        if slot == 2 * len(poses):
            continue
        if slot == len(taken):
            taken.append(np.zeros(poses.shape[1], bool))
        taken[slot][here] = True
        laid[of_track[track]] = slot
    tracked = np.zeros((len(taken), *poses.shape[1:]), poses.dtype)
    laid, frames, persons = (part[laid >= 0] for part in (laid, frames, persons))
    tracked[laid, frames] = poses[persons, frames]
    return tracked


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
        here = _Seen.of(poses.astype(np.float32))
        if self._last is None:
            self._last = _Seen(
                *(np.zeros((*part.shape[:-1], len(self._seen_at)), part.dtype) for part in here)
            )
        found = np.full(len(poses), -1)
        who = np.flatnonzero(here.joints.any(axis=0))[:_MOST_TRACKS]
        kept = time - self._seen_at < self.patience
        if len(who) and kept.any():
            taken = np.flatnonzero(kept)
            cost = _costs(here.at(who, None), self._last.at(None, taken))
            rows, columns = _match(cost)
            found[who[rows]] = taken[columns]
        new = who[found[who] < 0]
        free = np.flatnonzero(~kept)[: len(new)]
        found[new[: len(free)]] = free
        placed = found >= 0
        for part, now in zip(self._last, here, strict=True):
            part[..., found[placed]] = now[..., placed]
        self._seen_at[found[placed]] = time
        return found


class _Seen(NamedTuple):
    """Detections: places (C, V, ...), 1 for joints that are seen (V, ...), body sizes (...)."""

    places: np.ndarray
    joints: np.ndarray
    sizes: np.ndarray

    @classmethod
    def of(cls, poses: np.ndarray) -> "_Seen":
        """Those in poses (D, V, C + 1).

        A body's size is the root mean square distance of the seen joints to their centre, at least
        1e-3: of single frames, where har.geometry.body_size is of whole windows; and in numpy,
        since the stage `preprocess` does without torch, which takes longer to import than the
        stage to run.
        """
        *places, scores = parts = np.ascontiguousarray(poses.T)  # (V, D): numpy is quickest so
        joints = (scores > 0).astype(poses.dtype)
        count = np.maximum(np.count_nonzero(joints, axis=0), 1)
        squares = np.zeros(len(poses))
        for x in places:
            offsets = (x - (x * joints).sum(axis=0) / count) * joints
            squares += np.einsum("vd,vd->d", offsets, offsets)
        return cls(parts[:-1], joints, np.maximum(np.sqrt(squares / count), 1e-3))

    def at(self, *index: Any) -> "_Seen":
        """Some of them."""
        return _Seen(*(part[(..., *index)] for part in self))


def _costs(some: _Seen, others: _Seen) -> np.ndarray:
    """Mean distance (...) of the joints seen in both, in body sizes; infinite for someone else."""
    gaps = some.places - others.places
    shared = some.joints * others.joints
    distances = np.sqrt(np.einsum("c...,c...->...", gaps, gaps))
    number = shared.sum(axis=0)
    mean = np.einsum("v...,v...->...", distances, shared) / np.maximum(number, 1)
    mean = mean / np.maximum(some.sizes, others.sizes)
    return np.where((number > 0) & (mean <= _SAME_PERSON_WITHIN), mean, np.inf)


def _match(costs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows and the columns of (D, K) costs that belong together, by the Hungarian method."""
    # Imported where needed: the train stages read this module, and scipy's optimisers take a while.
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(np.minimum(costs, 1e6))
    matched = np.isfinite(costs[rows, columns])
    return rows[matched], columns[matched]


class _Tracks:
    """The track number (D,) of each detection, all given frame by frame.

    Most frames leave no choice: every detection is nearest to another one of the frame before, and
    nearer than to anybody lost. They are linked all at once. Only events are gone through one by
    one: frames in which somebody comes or goes, and those that leave a choice.
    """

    def __init__(self, detections: _Seen, frames: np.ndarray) -> None:
        """Follow detections (D,) of frames (D,)."""
        self._detections, self._frames = detections, frames
        counts = np.bincount(frames)
        self._ends = counts.cumsum()
        self._starts = self._ends - counts
        self._before = np.append(0, counts[:-1])  # number of detections in the frame before
        self._choice, self._event = np.zeros(len(counts), bool), counts != self._before
        self.numbers = np.zeros_like(frames)
        # Whose number each detection has: that of the one in an event which its links lead to.
        self._heads = np.arange(len(frames))
        self._lost: dict[int, int] = {}  # last detection of each track that the frame before lacks
        self._begun = 0
        # Blocks of frames: of 256 detections where a frame has few, else of fewer.
        pairs = np.cumsum(counts * np.maximum(self._before, 16))
        blocks = np.flatnonzero(np.diff(pairs // _PAIRS_AT_ONCE)) + 1
        for first, last in pairwise([0, *blocks.tolist(), len(counts)]):
            self._follow(first, last)

    def _follow(self, first: int, last: int) -> None:
        """Number the detections of a block of frames."""
        block = self._block = slice(int(self._starts[first]), int(self._ends[last - 1]))
        frames, index = self._frames[block], np.arange(block.start, block.stop)
        before = self._before[frames]
        others = self._starts[frames] - before  # the first one of the frame before
        number = np.arange(max(before.max(), 1))
        rows, columns = np.nonzero(number < before[:, None])
        self._costs = np.full((len(frames), len(number)), np.inf)
        self._costs[rows, columns] = _costs(
            self._detections.at(index[rows]), self._detections.at(others[rows] + columns)
        )
        self._nearest = others + self._costs.argmin(axis=1)
        cost = self._costs.min(axis=1)
        self._near = np.isfinite(cost)
        self._limit = np.minimum(cost, _SAME_PERSON_WITHIN)
        chosen = np.bincount(self._nearest[self._near], minlength=block.stop)
        two = ((self._costs == cost[:, None]).sum(axis=1) > 1) | (chosen[self._nearest] > 1)
        self._choice[frames[two & self._near]] = True
        self._event[frames[two | ~self._near]] = self._event[first] = True
        self._link()
        # Who is not followed by another one may be lost, and found in a later frame.
        self._leavers = index[(chosen[block] == 0) & (frames < last - 1)].tolist()
        self._away: dict[int, tuple[np.ndarray, list[int]]] = {}
        frame = first
        while (frame := self._next(frame, last)) < last:
            self._number(frame)
            frame += 1
        self.numbers[block] = self.numbers[self._heads[block]]
        self._heads[block] = index

    def _link(self) -> None:
        """Find the head of each detection of the block."""
        start, frames = self._block.start, self._frames[self._block]
        heads = np.where(self._event[frames], np.arange(len(frames)), self._nearest - start)
        for _ in range(len(frames).bit_length()):
            heads = heads[heads]
        self._heads[self._block] = start + heads

    def _next(self, frame: int, last: int) -> int:
        """The next event, or frame in which somebody lost is as near as who was there before."""
        if frame == last:
            return last
        steps = self._event[frame:last]
        found = frame + int(steps.argmax()) if steps.any() else last
        if unwatched := [one for one in self._lost.values() if one not in self._away]:
            self._watch(unwatched, frame)
        for one in self._lost.values():
            back = self._away[one][1]
            place = bisect_left(back, frame)
            if place < len(back) and back[place] <= found:
                found = back[place]
                self._choice[found] = True
        return found

    def _watch(self, lost: list[int], frame: int) -> None:
        """Compare the lost, and some who will be, with all later detections of the block."""
        ahead = slice(self._starts[frame], self._block.stop)
        limit = self._limit[ahead.start - self._block.start :]
        frames, at_once = self._frames[ahead], max(_PAIRS_AT_ONCE // max(len(limit), 1), 1)
        while lost:
            some, lost = lost[:at_once], lost[at_once:]
            more = at_once - len(some)
            some, self._leavers = some + self._leavers[:more], self._leavers[more:]
            costs = _costs(self._detections.at(some, None), self._detections.at(None, ahead))
            for one, cost, back in zip(some, costs, costs <= limit, strict=True):
                self._away[one] = cost, frames[back].tolist()

    def _number(self, frame: int) -> None:
        """Number a frame's detections."""
        here = range(self._starts[frame], self._ends[frame])
        there = range(here.start - self._before[frame], here.start)
        own = slice(here.start - self._block.start, here.stop - self._block.start)
        tracks = {int(self.numbers[self._heads[one]]): one for one in there}
        found: dict[int, int] = {}
        if self._choice[frame]:
            known = sorted((tracks | self._lost).items())
            costs = [
                self._costs[own, one - there.start]
                if one in there
                else self._away[one][0][here.start - self._block.stop :][: len(here)]
                for _, one in known
            ]
            rows, columns = _match(np.stack(costs, axis=1))
            found = {here[row]: known[column][0] for row, column in zip(rows, columns, strict=True)}
        else:
            numbers = self.numbers[self._heads[self._nearest[own]]].tolist()
            found = {one: numbers[n] for n, one in enumerate(here) if self._near[own][n]}
        for one in here:
            if one not in found:
                found[one], self._begun = self._begun, self._begun + 1
        if not self._event[frame]:
            if all(self.numbers[self._heads[one]] == number for one, number in found.items()):
                return  # as linked
            self._event[frame] = True
            self._link()
        for one, number in found.items():
            self.numbers[one] = number
        seen = set(found.values())
        gone = {number: one for number, one in tracks.items() if number not in seen}
        self._lost = {n: one for n, one in self._lost.items() if n not in seen} | gone
        if (many := len(self._lost) + len(here) - _MOST_TRACKS) > 0:
            longest = sorted(self._lost, key=lambda n: (self._frames[self._lost[n]], -n))
            for number in longest[:many]:
                del self._lost[number]
