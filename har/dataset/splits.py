"""Who trains and who is examined: random, group-clean and official splits, and the leak audit.

Every function works on N clips given as parallel sequences and returns an array of N subset
names: "train", "val", "test", or "" for a clip that is not used. A group is what clips must not
be parted from: the video they were cut from (UCF101's gNN within a class) or the person who
acts (KTH). A clip whose group is unknown is a group of its own: pass its id as the group.
"""

import math
import re
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import StratifiedGroupKFold, train_test_split

from har.errors import UserError

TRIES = 300  # random orders of the groups; more brought no closer split of UCF101 or KTH


def random_split(
    labels: Sequence[int] | np.ndarray, val_fraction: float, test_fraction: float, seed: int
) -> np.ndarray:
    """Split clips at random, stratified by class, as the keras reference does.

    Held-out clips are drawn first and then parted into val and test, both with scikit-learn's
    `train_test_split`. Groups are ignored, so sister clips of training clips are held out: use it
    to reproduce published figures, not to make new ones.

    Args:
        labels: (N,) class of each clip, in file order.
        val_fraction: share of all clips, above 0.
        test_fraction: share of all clips; 0 for no test part.
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
    """Split clips at random class by class, as the pytorch reference does; there is no test part.

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
    """Split clips so that no group is in two subsets and classes keep their shares.

    Groups are dealt out in random order, each to the subset it brings nearest to its wanted
    number of clips per class; the best of `TRIES` deals is taken. Classes that share no group
    are dealt separately.

    Args:
        labels: (N,) classes.
        groups: (N,) group names; a group may hold clips of several classes.
        val_fraction: wanted share of each class, above 0.
        test_fraction: wanted share of each class; 0 for no test part.
        seed: of the deal; the same input gives the same split.
        classes: names by label, for error messages.

    Raises:
        UserError: a class has too few groups to be in each subset.
    """
    _check_fractions(val_fraction, test_fraction)
    shares = {"train": 1 - val_fraction - test_fraction, "val": val_fraction}
    if test_fraction > 0:
        shares["test"] = test_fraction
    return _deal(np.asarray(labels), np.asarray(groups), shares, seed, classes)


def group_folds(
    labels: Sequence[int] | np.ndarray,
    groups: Sequence[str] | np.ndarray,
    folds: int,
    fold: int,
    val_fraction: float,
    seed: int,
    classes: Sequence[str] = (),
) -> np.ndarray:
    """Split for group-clean cross-validation: fold `fold` is the test part.

    The folds are scikit-learn's `StratifiedGroupKFold`; over all folds each clip is tested once.

    Args:
        labels: (N,) classes.
        groups: (N,) group names.
        folds: number of folds, 2 or more.
        fold: which one is the test part, 1 to `folds`.
        val_fraction: share of the other folds' clips that becomes val, by `group_split`.
        seed: of the folds and of val.
        classes: names by label, for error messages.

    Raises:
        UserError: there is no such fold, or a class has too few groups.
    """
    labels, groups = np.asarray(labels), np.asarray(groups)
    if folds < 2 or not 1 <= fold <= folds:
        raise UserError(
            f"split.fold is {fold} of {folds}; split.folds must be 2 or more "
            "and split.fold from 1 to split.folds"
        )
    for label in np.unique(labels):
        count = len(np.unique(groups[labels == label]))
        if count < folds:
            raise UserError(
                f"split: {_name(label, classes)} has {count} groups, fewer than {folds} folds; "
                "lower split.folds or leave the class out"
            )
    splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
    rest, _ = list(splitter.split(labels, labels, groups))[fold - 1]
    subsets = np.full(len(labels), "test", dtype="<U5")
    subsets[rest] = group_split(labels[rest], groups[rest], val_fraction, 0.0, seed, classes)
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

    Understood are `train1`/`test1`, `train`/`val`/`test` and `xsub_train`/`xsub_val`; the name of
    the split is what is left of the key without train, val or test (`1`, `xsub`, nothing). Where
    the file has no val, val is carved out of train without parting groups. Where it has a val but
    no test (NTU, Kinetics), that val is what the field reports on: it becomes the test part, and
    val is carved out of train.

    Args:
        ids: (N,) clip ids.
        labels: (N,) classes.
        groups: (N,) group names.
        subsets: the file's lists of clip ids; ids that are not in `ids` are passed over.
        name: of the split, or `auto` for the first one in the file.
        val_fraction: share of train that is carved out where the file has no val of its own.
        seed: of the carving.
        classes: names by label, for error messages.

    Returns:
        (N,) subset names, "" for clips in no list, and one line saying what was taken.

    Raises:
        UserError: the file has no such split, the split contradicts itself, or val cannot be
            carved out.
    """
    labels, groups = np.asarray(labels), np.asarray(groups)
    found: dict[str, dict[str, str]] = {}
    for key in subsets:
        match = re.fullmatch(r"(?:(.+)_)?(train|val|test)_?(.*)", key)
        if match:
            prefix, part, suffix = match.groups(default="")
            found.setdefault("_".join(filter(None, (prefix, suffix))), {})[part] = key
    found = {split: keys for split, keys in found.items() if "train" in keys and len(keys) > 1}
    if not found:
        raise UserError(
            "split: the file has no official split with a train and a test part "
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
    parts = {"train": keys["train"], "test": test_key}
    if own_val:
        parts["val"] = keys["val"]
    for part, key in parts.items():
        members = [index_of[clip] for clip in subsets[key] if clip in index_of]
        if not members:
            raise UserError(
                f"split: no clip of '{key}' is left; check the clip ids of the file's split "
                "and prepare.classes"
            )
        for index in members:
            if result[index] not in ("", part):
                raise UserError(
                    f"split: clip {ids[index]} is in '{parts[str(result[index])]}' and in '{key}'; "
                    "correct the file's split or set split.protocol to group"
                )
            result[index] = part

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
    """Count the held-out clips that have a sister clip, one of the same group, in training.

    For test clips, val counts as training too: models are chosen by it, and `train.refit` learns
    from it.

    Args:
        labels: (N,) classes where a group name means something only within its class (UCF101's
            bare gNN); None where a group is one thing through all classes.
        groups: (N,) group names.
        subsets: (N,) subset names.

    Returns:
        `{"train": {"clips"}, "val": {"clips", "leaking", "leaking_share"}, "test": {...},
        "groups": number of groups, "groups_known": 0 or 1}`. Where every clip is a group of its
        own nothing can leak by definition, and `groups_known` 0 says that the zeros mean nothing.
    """
    subsets = np.asarray(subsets)
    keys = list(zip(groups, [0] * len(groups) if labels is None else labels, strict=True))
    used = [key for key, subset in zip(keys, subsets, strict=True) if subset]
    report: dict[str, dict[str, float] | float] = {
        "train": {"clips": int(np.sum(subsets == "train"))}
    }
    for part, training in (("val", ("train",)), ("test", ("train", "val"))):
        trained = {key for key, subset in zip(keys, subsets, strict=True) if subset in training}
        held_out = [key for key, subset in zip(keys, subsets, strict=True) if subset == part]
        leaking = sum(key in trained for key in held_out)
        report[part] = {
            "clips": len(held_out),
            "leaking": leaking,
            "leaking_share": leaking / len(held_out) if held_out else 0.0,
        }
    report["groups"] = len(set(used))
    report["groups_known"] = int(len(set(used)) < len(used))
    return report


def _deal(
    labels: np.ndarray,
    groups: np.ndarray,
    shares: Mapping[str, float],
    seed: int,
    classes: Sequence[str],
) -> np.ndarray:
    """Deal groups out to subsets with the given shares; see `group_split`."""
    known, class_index = np.unique(labels, return_inverse=True)
    names, group_index = np.unique(groups, return_inverse=True)
    # Clips by group and class; sparse, since most groups show one class of perhaps hundreds.
    ones = np.ones(len(labels))
    table = coo_array((ones, (group_index, class_index)), shape=(len(names), len(known))).tocsr()
    row, column = table.nonzero()
    for label, count in zip(known, np.bincount(column), strict=True):
        if count < len(shares):
            raise UserError(
                f"split: {_name(label, classes)} has {count} "
                f"group{'' if count == 1 else 's'}, too few to be in {', '.join(shares)} without "
                "a leak; take more clips, leave the class out or set split.protocol to random"
            )

    # Classes without a common group don't constrain each other.
    size = len(names) + len(known)
    edges = coo_array((np.ones(len(row)), (row, column + len(names))), shape=(size, size))
    count, component = connected_components(edges, directed=False)
    generator = np.random.default_rng(seed)
    choice = np.zeros(len(names), dtype=int)
    for number in range(count):
        rows = np.flatnonzero(component[: len(names)] == number)
        columns = np.flatnonzero(component[len(names) :] == number)
        part = table[rows][:, columns].toarray()
        choice[rows], counts = _best_deal(part, np.array(list(shares.values())), generator)
        empty = np.argwhere(counts == 0)
        if len(empty):
            subset, label = list(shares)[empty[0, 0]], known[columns[empty[0, 1]]]
            raise UserError(
                f"split: found no group-clean split with {_name(label, classes)} in {subset}; "
                "take more clips, leave the class out or set split.protocol to random"
            )
    return np.array(list(shares), dtype="<U5")[choice[group_index]]


def _best_deal(
    table: np.ndarray, shares: np.ndarray, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Deal (G, K) clips by group and class out to S shares.

    Returns the subset (G,) of each group and the clips (S, K) by subset and class. All tries run
    side by side: each step adds one group per try to the subset where the sum over classes of
    (clips - wanted)^2 / wanted grows least.
    """
    wanted = shares[:, None] * table.sum(axis=0)  # (S, K)
    tries = np.arange(TRIES)
    orders = generator.permuted(np.tile(np.arange(len(table)), (TRIES, 1)), axis=1)
    counts = np.zeros((TRIES, *wanted.shape))
    choice = np.zeros(orders.shape, dtype=int)
    for group in orders.T:
        added = table[group][:, None]  # (tries, 1, K)
        cost = (added * (added + 2 * (counts - wanted)) / wanted).sum(axis=2)
        best = cost.argmin(axis=1)
        choice[tries, group] = best
        counts[tries, best] += table[group]
    deviation = ((counts - wanted) ** 2 / wanted).sum(axis=(1, 2))
    deviation[(counts == 0).any(axis=(1, 2))] += table.sum() ** 2  # a class missing is worst
    winner = deviation.argmin()
    return choice[winner], counts[winner]


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
