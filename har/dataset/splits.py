"""Train, val and test subsets: random, by group and official; and the leak audit.

Every function works on N clips given as parallel sequences and returns an array of N subset
names: "train", "val", "test", or "" for a clip that is not used. Clips of the same group were cut
from one video (UCF101's gNN within a class) or show one person (KTH), and must not be on both sides
of a split. A clip of unknown group is a group by itself: pass its id as the group.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array, eye_array, kron
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import StratifiedGroupKFold, train_test_split

from har.clips.subsets import official_splits
from har.errors import UserError

TRIES = 300  # random orders of the groups; more brought no closer split of UCF101 or KTH
_FEW_GROUPS = 10  # up to this number, all assignments are compared
_MOST_NUMBERS = 10**7  # in the table of all assignments; beyond it, groups count as many
_MOST_LEFT_OUT = 100  # groups up to which leave_one_group_out is suggested
_MOST_NODES = 2000  # of the search tree of `_repair`, so that a hopeless case ends


def random_split(
    labels: Sequence[int] | np.ndarray, val_fraction: float, test_fraction: float, seed: int
) -> np.ndarray:
    """Split clips at random, stratified by class, as the keras reference does.

    Held-out clips are drawn first and then split into val and test, both with scikit-learn's
    `train_test_split`. Groups are ignored, so held-out clips have clips of the same group in
    training: use it to reproduce published figures, not for new ones.

    Args:
        labels: (N,) class of each clip, in file order.
        val_fraction: share of all clips, above 0.
        test_fraction: share of all clips; 0 for no test subset.
        seed: `random_state` of both draws.

    Raises:
        UserError: the fractions are impossible or a class has too few clips.
    """
    labels = np.asarray(labels)
    _check_fractions(val_fraction, test_fraction)
    held_out_fraction = val_fraction + test_fraction
    subsets = np.full(len(labels), "train", dtype="<U5")
    try:
        _, held_out = train_test_split(
            np.arange(len(labels)),
            test_size=_rounded_up(held_out_fraction * len(labels)),
            stratify=labels,
            random_state=seed,
        )
        subsets[held_out] = "val"
        if test_fraction > 0:
            _, test = train_test_split(
                held_out,
                test_size=_rounded_up(test_fraction / held_out_fraction * len(held_out)),
                stratify=labels[held_out],
                random_state=seed,
            )
            subsets[test] = "test"
    except ValueError as error:
        raise UserError(
            f"split: too few clips per class for a random split ({error}); "
            "take more clips, fewer classes or larger split.val_fraction and split.test_fraction"
        ) from error
    return subsets


def random_split_per_class(
    ids: Sequence[str], labels: Sequence[int] | np.ndarray, val_fraction: float, seed: int
) -> np.ndarray:
    """Split clips at random class by class, as the pytorch reference does; there is no test subset.

    Classes are taken in label order, clips sorted by id, and one legacy NumPy generator shuffles
    the classes one after the other. Groups are ignored (see `random_split`).

    Args:
        ids: (N,) clip ids.
        labels: (N,) classes.
        val_fraction: share of each class, rounded down.
        seed: of the `RandomState`.

    Raises:
        UserError: a class has too few clips for one in val.
    """
    labels = np.asarray(labels)
    _check_fractions(val_fraction, 0.0)
    generator = np.random.RandomState(seed)  # the reference's; default_rng shuffles differently
    subsets = np.full(len(labels), "train", dtype="<U5")
    for label in np.unique(labels):
        members = np.array(
            sorted(np.flatnonzero(labels == label), key=lambda index: ids[int(index)])
        )
        order = np.arange(len(members))
        generator.shuffle(order)
        count = int(val_fraction * len(members))
        if count == 0:
            raise UserError(
                f"split: class {label} has {len(members)} clips, too few for one in val; "
                "raise split.val_fraction or leave the class out"
            )
        subsets[members[order[:count]]] = "val"
    return subsets


def group_split(
    labels: Sequence[int] | np.ndarray,
    groups: Sequence[str] | np.ndarray,
    val_fraction: float,
    test_fraction: float,
    seed: int,
    classes: Sequence[str] = (),
) -> np.ndarray:
    """Split clips so that groups stay whole and classes keep their shares.

    A split with every class in each subset is found where one exists. Of these, the one nearest
    to the wanted shares is taken: the sum over subsets and classes of (clips - wanted)^2 / wanted
    is least. Where groups are few, all assignments are compared. Where they are many, the best
    of `TRIES` random ones is taken; if a subset lacks a class, a few groups are moved. Classes
    that share no group are assigned separately.

    Args:
        labels: (N,) classes.
        groups: (N,) group names; a group may hold clips of several classes.
        val_fraction: wanted share of each class, above 0.
        test_fraction: wanted share of each class; 0 for no test subset.
        seed: of the random assignments, and of the choice among equally near ones; the same
            input gives the same split.
        classes: names by label, for error messages.

    Raises:
        UserError: no such split exists; names the classes in the way.
    """
    _check_fractions(val_fraction, test_fraction)
    shares = {"train": 1 - val_fraction - test_fraction, "val": val_fraction}
    if test_fraction > 0:
        shares["test"] = test_fraction
    labels, groups = np.asarray(labels), np.asarray(groups)
    choice = _assign(labels, groups, list(shares.values()), len(shares), seed)
    if choice is None:
        remedies = []
        if test_fraction > 0 and _assign(labels, groups, [0.5, 0.5], 2, seed) is not None:
            remedies = ["set split.test_fraction to 0 and evaluate.subset to val"]
        raise _refusal(labels, groups, len(shares), _listed(list(shares)), remedies, classes)
    return np.array(list(shares), dtype="<U5")[choice]


def group_folds(
    labels: Sequence[int] | np.ndarray,
    groups: Sequence[str] | np.ndarray,
    folds: int,
    fold: int,
    val_fraction: float,
    seed: int,
    classes: Sequence[str] = (),
) -> np.ndarray:
    """Split for group-clean cross-validation: fold `fold` is the test subset.

    Over all folds each clip is tested once. The folds are scikit-learn's `StratifiedGroupKFold`
    where groups are many and it puts every class into each fold; otherwise groups are assigned
    as in `group_split`.

    Args:
        labels: (N,) classes.
        groups: (N,) group names.
        folds: number of folds, 2 or more.
        fold: the test subset, 1 to `folds`.
        val_fraction: share of the other folds' clips that becomes val, by `group_split`.
        seed: of the folds and of val.
        classes: names by label, for error messages.

    Raises:
        UserError: there is no such fold, or no folds with every class in each of them, in train
            and in val.
    """
    labels, groups = np.asarray(labels), np.asarray(groups)
    if folds < 2 or not 1 <= fold <= folds:
        raise UserError(
            f"split.fold is {fold} of {folds}; split.folds must be 2 or more "
            "and split.fold from 1 to split.folds"
        )
    subsets = np.where(_folds(labels, groups, folds, seed, classes) == fold - 1, "test", "train")
    rest = np.flatnonzero(subsets == "train")
    subsets[rest] = group_split(labels[rest], groups[rest], val_fraction, 0.0, seed, classes)
    return subsets


def _folds(
    labels: np.ndarray, groups: np.ndarray, folds: int, seed: int, classes: Sequence[str]
) -> np.ndarray:
    """Returns the fold (N,) of each clip, counted from 0."""
    scarcest = min(len(np.unique(groups[labels == label])) for label in np.unique(labels))
    if folds > 2 and scarcest >= folds and len(np.unique(groups)) > _FEW_GROUPS:
        splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
        fold_of = np.zeros(len(labels), dtype=int)
        for number, (_, members) in enumerate(splitter.split(labels, labels, groups)):
            fold_of[members] = number
        if all(len(np.unique(fold_of[labels == label])) == folds for label in np.unique(labels)):
            return fold_of
    # The other of two folds has to be split into train and val: assign halves of folds.
    pieces = 4 if folds == 2 else folds
    choice = _assign(labels, groups, [1 / pieces] * pieces, pieces, seed)
    if choice is None:
        where = "2 folds, each with train and val," if folds == 2 else f"{folds} folds"
        raise _refusal(labels, groups, pieces, where, ["lower split.folds"], classes)
    return choice % folds


def leave_one_group_out(
    labels: Sequence[int] | np.ndarray,
    groups: Sequence[str] | np.ndarray,
    fold: int,
    val_fraction: float,
    seed: int,
    classes: Sequence[str] = (),
) -> np.ndarray:
    """Split for cross-validation where groups are very few: one group is the test subset.

    Train holds every class. Val is carved out of the other groups, with as many classes as they
    allow; test holds what its group has.

    Args:
        labels: (N,) classes.
        groups: (N,) group names.
        fold: the group that tests, from 1, in order of names.
        val_fraction: wanted share of each class of the other groups.
        seed: of val.
        classes: names by label, for error messages.

    Raises:
        UserError: there is no such fold, or nothing is left for train or val.
    """
    _check_fractions(val_fraction, 0.0)
    labels, groups = np.asarray(labels), np.asarray(groups)
    names = np.unique(groups)
    if not 1 <= fold <= len(names):
        raise UserError(f"split.fold is {fold}, but there are {len(names)} groups to leave out")
    for label in np.unique(labels):
        holders = np.unique(groups[labels == label])
        if len(holders) == 1:
            raise UserError(
                f"split: only group {holders[0]} has {_name(label, classes)}, so nothing teaches "
                "it when that group is left out; add a group with it or leave the class out"
            )
    subsets = np.where(groups == names[fold - 1], "test", "train")
    rest = np.flatnonzero(subsets == "train")
    choice = _assign(labels[rest], groups[rest], [1 - val_fraction, val_fraction], 1, seed)
    if choice is None or not choice.any():
        raise UserError(
            f"split: with group {names[fold - 1]} left out, train needs all the others to have "
            "every class, and none is left for val; add a group"
        )
    subsets[rest[choice == 1]] = "val"
    return subsets


def official_split(
    ids: Sequence[str],
    labels: Sequence[int] | np.ndarray,
    groups: Sequence[str] | np.ndarray,
    subsets: Mapping[str, Sequence[str]],
    name: str | int,
    val_fraction: float,
    seed: int,
    classes: Sequence[str] = (),
) -> tuple[np.ndarray, str]:
    """Split clips as the data set's file says.

    Keys are such as `train1`/`test1`, `train`/`val`/`test` and `xsub_train`/`xsub_val`; without
    train, val or test, a key is the name of its split (`1`, `xsub`, nothing). Where the file has no
    val, whole groups of train become val. Where it has a val but no test (NTU, Kinetics), papers
    report figures on that val: it becomes the test subset, and val is taken from train.

    Args:
        ids: (N,) clip ids.
        labels: (N,) classes.
        groups: (N,) group names.
        subsets: the file's lists of clip ids; others than `ids` are ignored.
        name: of the split, or `auto` for the first one in the file.
        val_fraction: share of train that becomes val where the file has none.
        seed: of that choice.
        classes: names by label, for error messages.

    Returns:
        (N,) subset names, "" for clips in no list, and a line that describes the split.

    Raises:
        UserError: the file has no such split, the split contradicts itself, or train has
            too few groups for a val.
    """
    labels, groups = np.asarray(labels), np.asarray(groups)
    found = {
        split: keys
        for split, keys in official_splits(subsets).items()
        if "train" in keys and len(keys) > 1
    }
    if not found:
        raise UserError(
            "split: the file has no official split with train and test "
            f"(its keys: {', '.join(subsets) or 'none'}); set split.protocol to group"
        )
    wanted = next(iter(found)) if name == "auto" else str(name)
    if wanted not in found:
        present = ", ".join(split or "auto" for split in found)
        raise UserError(
            f"split: the file has no official split '{name}'; "
            f"set split.official to one of: {present}"
        )
    keys = found[wanted]
    test_key = keys.get("test", keys.get("val", ""))
    own_val = "val" in keys and "test" in keys

    index_of = {clip: index for index, clip in enumerate(ids)}
    result = np.full(len(ids), "", dtype="<U5")
    used = {"train": keys["train"], "test": test_key}
    if own_val:
        used["val"] = keys["val"]
    for subset, key in used.items():
        members = [index_of[clip] for clip in subsets[key] if clip in index_of]
        if not members:
            raise UserError(
                f"split: no clip of '{key}' is left; check the clip ids of the file's split "
                "and prepare.classes"
            )
        for index in members:
            if result[index] not in ("", subset):
                raise UserError(
                    f"split: clip {ids[index]} is in '{used[str(result[index])]}' and in '{key}'; "
                    "correct the file's split or set split.protocol to group"
                )
            result[index] = subset

    note = f"{keys['train']} trains, {test_key} tests"
    if own_val:
        return result, f"{note}, {keys['val']} validates"
    train = np.flatnonzero(result == "train")
    result[train] = group_split(labels[train], groups[train], val_fraction, 0.0, seed, classes)
    note += f", val is carved out of {keys['train']}"
    if "test" not in keys:
        note += f" ({test_key} is the set the field reports on, so it is not used for choosing)"
    return result, note


def audit(
    labels: Sequence[int] | np.ndarray | None,
    groups: Sequence[str] | np.ndarray,
    subsets: Sequence[str] | np.ndarray,
) -> dict[str, dict[str, float] | float]:
    """Count the held-out clips with a clip of the same group in training.

    For test clips, val counts as training too: models are chosen by it, and `train.refit` learns
    from it.

    Args:
        labels: (N,) classes where a group name is valid only within its class (UCF101's bare gNN);
            None where it is valid across classes.
        groups: (N,) group names.
        subsets: (N,) subset names.

    Returns:
        `{"train": {"clips"}, "val": {"clips", "leaking", "leaking_share"}, "test": {...},
        "groups": number of groups, "groups_known": 0 or 1}`. `groups_known` is 0 where
        every clip is a group by itself: zeros then say nothing about leaks.
    """
    subsets = np.asarray(subsets)
    keys = list(zip(groups, [0] * len(groups) if labels is None else labels, strict=True))
    used = [key for key, subset in zip(keys, subsets, strict=True) if subset]
    report: dict[str, dict[str, float] | float] = {
        "train": {"clips": int(np.sum(subsets == "train"))}
    }
    for held, training in (("val", ("train",)), ("test", ("train", "val"))):
        trained = {key for key, subset in zip(keys, subsets, strict=True) if subset in training}
        held_out = [key for key, subset in zip(keys, subsets, strict=True) if subset == held]
        leaking = sum(key in trained for key in held_out)
        report[held] = {
            "clips": len(held_out),
            "leaking": leaking,
            "leaking_share": leaking / len(held_out) if held_out else 0.0,
        }
    report["groups"] = len(set(used))
    report["groups_known"] = int(len(set(used)) < len(used))
    return report


def _assign(
    labels: np.ndarray, groups: np.ndarray, shares: Sequence[float], complete: int, seed: int
) -> np.ndarray | None:
    """Assign groups to subsets with the given shares; see `group_split`.

    The first `complete` subsets must hold every class, the others as many as possible.

    Returns the subset (N,) of each clip, counted from 0, or None where that is impossible.
    """
    table, group_index = _count(labels, groups)
    row, column = table.nonzero()
    # Classes without a common group don't constrain each other.
    count_groups, count_classes = table.shape
    size = count_groups + count_classes
    edges = coo_array((np.ones(len(row)), (row, column + count_groups)), shape=(size, size))
    count, component = connected_components(edges, directed=False)
    generator = np.random.default_rng(seed)
    choice = np.zeros(count_groups, dtype=int)
    for number in range(count):
        rows = np.flatnonzero(component[:count_groups] == number)
        columns = np.flatnonzero(component[count_groups:] == number)
        own = table[rows][:, columns].toarray()
        best = _best_assignment(own, np.array(shares), complete, generator)
        if best is None:
            return None
        choice[rows] = best
    return choice[group_index]


def _count(labels: np.ndarray, groups: np.ndarray) -> tuple[Any, np.ndarray]:
    """Returns the clips (G, K) by group and class, and the group's row (N,) of each clip."""
    known, class_index = np.unique(labels, return_inverse=True)
    names, group_index = np.unique(groups, return_inverse=True)
    # Sparse, since most groups show one class of perhaps hundreds.
    ones = np.ones(len(labels))
    table = coo_array((ones, (group_index, class_index)), shape=(len(names), len(known)))
    return table.tocsr(), group_index


def _best_assignment(
    table: np.ndarray, shares: np.ndarray, complete: int, generator: np.random.Generator
) -> np.ndarray | None:
    """Assign groups, given as (G, K) clips by group and class, to S subsets of given shares.

    Returns the subset (G,) of each group, or None where a class can't be in all complete subsets.
    """
    wanted = shares[:, None] * table.sum(axis=0)  # (S, K)
    few = (
        len(table) <= _FEW_GROUPS
        and len(shares) ** len(table) * max(len(table), wanted.size) <= _MOST_NUMBERS
    )
    if few:
        choices = np.indices((len(shares),) * len(table), dtype=np.int8).reshape(len(table), -1).T
        choices = choices[:, generator.permutation(len(table))]
    else:
        choices = _random_assignments(table, wanted, generator)
    counts = np.stack([(choices == subset) @ table for subset in range(len(shares))], axis=1)
    deviation = ((counts - wanted) ** 2 / wanted).sum(axis=(1, 2))
    if few:
        deviation = deviation.round(9)  # equally near ones differ by rounding errors only
    missing = (counts == 0).sum(axis=2)  # classes by assignment and subset
    missing_where_needed = missing[:, :complete].sum(axis=1)
    best = np.lexsort((deviation, missing.sum(axis=1), missing_where_needed))[0]
    if missing_where_needed[best] and not few:
        return _repair(choices[best], table, len(shares), complete)
    return None if missing_where_needed[best] else choices[best]


def _random_assignments(
    table: np.ndarray, wanted: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    """Assign groups, given as (G, K) clips by group and class, in `TRIES` random orders.

    All tries run side by side: each step adds one group per try to the subset where the sum over
    classes of (clips - wanted)^2 / wanted grows least.

    Returns the subset (TRIES, G) of each group; `wanted` are the clips (S, K) by subset and class.
    """
    tries = np.arange(TRIES)
    orders = generator.permuted(np.tile(np.arange(len(table)), (TRIES, 1)), axis=1)
    counts = np.zeros((TRIES, *wanted.shape))
    choices = np.zeros(orders.shape, dtype=int)
    for group in orders.T:
        added = table[group][:, None]  # (tries, 1, K)
        cost = (added * (added + 2 * (counts - wanted)) / wanted).sum(axis=2)
        best = cost.argmin(axis=1)
        choices[tries, group] = best
        counts[tries, best] += table[group]
    return choices


def _repair(
    choice: np.ndarray, table: np.ndarray, subsets: int, complete: int
) -> np.ndarray | None:
    """Move nearly as few clips as it takes for the complete subsets to hold every class.

    An integer program with one variable per group and subset, 1 where the group is in it.

    Args:
        choice: (G,) subset of each group.
        table: (G, K) clips by group and class.
        subsets: number of subsets.
        complete: how many of them, from the first on, must hold every class.

    Returns:
        (G,) subset of each group, or None where none was found.
    """
    moved = choice[:, None] != np.arange(subsets)
    in_one = kron(eye_array(len(table)), np.ones((1, subsets)))
    holders = kron(table.T > 0, np.eye(complete, subsets))
    found = milp(
        (table.sum(axis=1)[:, None] * moved).ravel(),
        integrality=np.ones(moved.size),
        bounds=Bounds(0, 1),
        constraints=[LinearConstraint(in_one, 1, 1), LinearConstraint(holders, lb=1)],
        options={"node_limit": _MOST_NODES, "mip_rel_gap": 0.2},
    )
    return None if found.x is None else found.x.reshape(moved.shape).argmax(axis=1)


def _refusal(
    labels: np.ndarray,
    groups: np.ndarray,
    needed: int,
    where: str,
    remedies: list[str],
    classes: Sequence[str],
) -> UserError:
    """The error that names the classes that make a split impossible, and what would help.

    Args:
        labels: (N,) classes.
        groups: (N,) group names.
        needed: number of subsets that have to hold every class.
        where: what these are called.
        remedies: what else would help.
        classes: names by label.
    """
    known = np.unique(labels)
    table = _count(labels, groups)[0]
    holders = np.bincount(table.nonzero()[1])
    scarcest = holders.argmin()
    have = int(holders[scarcest])
    if have < needed:
        reason = (
            f"{_name(known[scarcest], classes)} has {have} group{'' if have == 1 else 's'}, "
            f"but {where} need {needed} with it"
        )
        remedies = [f"add {needed - have} more", "leave the class out", *remedies]
    else:
        columns = _in_the_way(table.toarray(), needed)
        names = _listed([_name(known[column], classes) for column in columns])
        reason = f"no assignment of whole groups puts {names} into each of {where}"
        remedies = ["add groups with all of them", "leave one of them out", *remedies]
    if table.shape[0] <= _MOST_LEFT_OUT and _each_can_be_left_out(table.toarray() > 0):
        remedies = [*remedies, "set split.protocol to leave_one_group_out"]
    return UserError(f"split: {reason}; {', '.join(remedies[:-1])}, or {remedies[-1]}")


def _in_the_way(table: np.ndarray, subsets: int) -> list[int]:
    """Returns classes that can't all be in each subset, but could if any of them were left out.

    `table` holds the clips (G, K) by group and class.
    """

    def impossible(columns: list[int]) -> bool:
        return _repair(np.zeros(len(table)), table[:, columns], subsets, subsets) is None

    columns: list[int] = []
    for column in np.argsort((table > 0).sum(axis=0)):  # the scarcest first
        columns.append(column)
        if impossible(columns):
            break
    for column in columns[:]:
        others = [other for other in columns if other != column]
        if impossible(others):
            columns = others
    return columns


def _each_can_be_left_out(has: np.ndarray) -> bool:
    """Whether train can hold every class and val a group, whichever group is left out.

    `has` (G, K) says which group has which class.
    """
    for held_out in range(len(has)):
        rest = np.delete(has, held_out, axis=0)
        if not (rest.sum(axis=0) - rest > 0).all(axis=1).any():
            return False
    return True


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)


def _check_fractions(val_fraction: float, test_fraction: float) -> None:
    if val_fraction <= 0 or test_fraction < 0 or val_fraction + test_fraction >= 1:
        raise UserError(
            f"split.val_fraction {val_fraction} and split.test_fraction {test_fraction}: val must "
            "be above 0, test 0 or more, and both together below 1"
        )


def _rounded_up(count: float) -> int:
    """Round up as scikit-learn does with shares, but take 30.000000000000004 clips for 30."""
    return math.ceil(round(count, 6))


def _name(label: int, classes: Sequence[str]) -> str:
    return f"class {classes[label]}" if label < len(classes) else f"class {label}"
