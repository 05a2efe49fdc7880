"""Splits: the references' exactly, group-clean ones without a leak, official ones by the book."""

import csv
import itertools
import math
import re
from collections import Counter

import numpy as np
import pytest
from sklearn.model_selection import StratifiedGroupKFold, train_test_split

from har.dataset import splits
from har.errors import UserError

KERAS_CLASSES = (0, 1, 12, 19, 38)


@pytest.fixture(scope="module")
def ucf101(real_data) -> dict[str, np.ndarray]:
    with (real_data / "ucf101_clips.csv").open() as file:
        rows = list(csv.DictReader(file))
    ids = [row["frame_dir"] for row in rows]
    return {
        "ids": np.array(ids),
        "labels": np.array([int(row["label"]) for row in rows]),
        "groups": np.array([re.fullmatch(r"(v_.+_g\d\d)_c\d\d", clip)[1] for clip in ids]),
    }


def clips_of(ucf101, classes):
    keep = np.isin(ucf101["labels"], classes)
    return tuple(ucf101[key][keep] for key in ("ids", "labels", "groups"))


def per_class(labels, subsets, part):
    return [int(np.sum((labels == label) & (subsets == part))) for label in np.unique(labels)]


def leaking(labels, groups, subsets, part):
    """The audit's count by brute force: every held-out clip against every training clip."""
    training = ("train", "val") if part == "test" else ("train",)
    return sum(
        any(
            other in training and (label, group) == (labels[j], groups[j])
            for j, other in enumerate(subsets)
        )
        for label, group, subset in zip(labels, groups, subsets, strict=True)
        if subset == part
    )


def made_up(spanning: bool, seed: int = 3):
    """4 classes with 8 groups of 2 to 7 clips each; groups of one class or of all classes."""
    generator = np.random.default_rng(seed)
    rows = [
        (label, f"g{group}" if spanning else f"c{label}g{group}")
        for label in range(4)
        for group in range(8)
        for _ in range(generator.integers(2, 8))
    ]
    order = generator.permutation(len(rows))
    return np.array([rows[i][0] for i in order]), np.array([rows[i][1] for i in order])


def test_keras_reference_split_and_its_leak(ucf101):
    _, labels, groups = clips_of(ucf101, KERAS_CLASSES)
    subsets = splits.random_split(labels, 0.15, 0.15, seed=42)
    assert per_class(labels, subsets, "train") == [101, 80, 91, 92, 103]
    assert per_class(labels, subsets, "val") == [22, 17, 20, 19, 22]
    assert per_class(labels, subsets, "test") == [22, 17, 20, 20, 22]
    # The same clips as the reference's own two calls, not just as many.
    options = {"random_state": 42, "stratify": labels}
    train, rest = train_test_split(np.arange(668), test_size=0.30, **options)
    options["stratify"] = labels[rest]
    val, test = train_test_split(rest, test_size=0.50, **options)
    for part, members in (("train", train), ("val", val), ("test", test)):
        np.testing.assert_array_equal(np.flatnonzero(subsets == part), np.sort(members))
    report = splits.audit(labels, groups, subsets)
    assert report["val"] == {"clips": 100, "leaking": 100, "leaking_share": 1.0}
    assert report["test"] == {"clips": 101, "leaking": 101, "leaking_share": 1.0}
    assert leaking(labels, groups, subsets, "test") == 101
    assert (report["groups"], report["groups_known"]) == (125, 1)


def test_pytorch_reference_split_and_its_leak(ucf101):
    ids, labels, groups = clips_of(ucf101, range(5))
    subsets = splits.random_split_per_class(ids, labels, 0.2, seed=42)
    assert per_class(labels, subsets, "val") == [29, 22, 29, 26, 21]
    assert np.sum(subsets == "train") == 517
    # The same clips as the reference's own loop, whatever the order they come in.
    generator, val = np.random.RandomState(42), set()
    for label in range(5):
        names = sorted(clip for clip, of in zip(ids, labels, strict=True) if of == label)
        numbers = list(range(len(names)))
        generator.shuffle(numbers)
        val |= {names[number] for number in numbers[: int(0.2 * len(names))]}
    assert set(ids[subsets == "val"]) == val
    turned = splits.random_split_per_class(ids[::-1], labels[::-1], 0.2, seed=42)
    assert set(ids[::-1][turned == "val"]) == val
    assert splits.audit(labels, groups, subsets)["val"] == {
        "clips": 127,
        "leaking": 127,
        "leaking_share": 1.0,
    }


def test_official_ucf101_splits_do_not_leak(ucf101, real_data):
    ids, labels, groups = (ucf101[key] for key in ("ids", "labels", "groups"))
    bare = np.array([re.search(r"_g(\d\d)_", clip)[1] for clip in ids]).astype(int)
    folder = real_data / "ucf101_splits"
    lists = {}
    for number in (1, 2, 3):
        for part in ("train", "test"):
            lines = (folder / f"{part}list0{number}.txt").read_text().split("\n")
            lists[f"{part}{number}"] = [
                line.split("/")[1].split(".avi")[0] for line in lines if line
            ]
    for number, size in ((1, (9537, 3783)), (2, (9586, 3734)), (3, (9624, 3696))):
        subsets, note = splits.official_split(
            ids, labels, groups, lists, str(number), val_fraction=0.15, seed=0
        )
        assert (
            note == f"train{number} trains, test{number} tests, val is carved out of train{number}"
        )
        assert (np.sum(subsets != "test"), np.sum(subsets == "test")) == size
        # The rule behind the lists: groups 1-7 are tested by split 1, 8-14 by 2, 15-21 by 3.
        np.testing.assert_array_equal(subsets == "test", (bare - 1) // 7 == number - 1)
        report = splits.audit(labels, groups, subsets)
        assert report["val"]["leaking"] == report["test"]["leaking"] == 0
        shares = np.array(per_class(labels, subsets, "val")) / per_class(
            labels, np.where(subsets == "test", "test", "rest"), "rest"
        )
        assert shares.min() > 0.12 and shares.max() < 0.18


@pytest.mark.parametrize("classes", [KERAS_CLASSES, range(101)])
def test_group_split_of_ucf101_is_clean_and_stratified(ucf101, classes):
    _, labels, groups = clips_of(ucf101, classes)
    subsets = splits.group_split(labels, groups, 0.15, 0.15, seed=0)
    parts_of_group = Counter(group for group, _ in {*zip(groups, subsets, strict=True)})
    assert max(parts_of_group.values()) == 1
    for part, share in (("train", 0.7), ("val", 0.15), ("test", 0.15)):
        counts = np.array(per_class(labels, subsets, part))
        assert np.all(np.abs(counts - share * np.unique(labels, return_counts=True)[1]) < 3)


@pytest.mark.parametrize("spanning", [False, True])
def test_group_split_keeps_groups_together(spanning):
    labels, groups = made_up(spanning)
    subsets = splits.group_split(labels, groups, 0.2, 0.2, seed=1)
    for group in np.unique(groups):
        assert len(set(subsets[groups == group])) == 1
    for part, share in (("train", 0.6), ("val", 0.2), ("test", 0.2)):
        shares = np.array(per_class(labels, subsets, part)) / np.bincount(labels)
        assert np.all(np.abs(shares - share) < (0.15 if spanning else 0.05))


def test_the_seed_decides_among_many_and_among_equally_near_splits():
    performers = [f"p{number // 4}" for number in range(24)]
    for labels, groups in (made_up(spanning=False), ([0, 1] * 12, performers)):
        first = splits.group_split(labels, groups, 0.2, 0.2, seed=1)
        np.testing.assert_array_equal(first, splits.group_split(labels, groups, 0.2, 0.2, seed=1))
        others = [splits.group_split(labels, groups, 0.2, 0.2, seed=seed) for seed in range(2, 6)]
        assert any(np.any(first != other) for other in others)


def test_many_groups_are_dealt_closely_to_the_shares():
    clips = np.random.default_rng(0).integers(1, 5, (60, 3))  # by group and class
    rows = [(k, f"g{g}") for (g, k), number in np.ndenumerate(clips) for _ in range(number)]
    labels, groups = np.array([k for k, _ in rows]), [group for _, group in rows]
    subsets = splits.group_split(labels, groups, 0.2, 0.2, seed=0)
    for part, share in (("train", 0.6), ("val", 0.2), ("test", 0.2)):
        shares = np.array(per_class(labels, subsets, part)) / np.bincount(labels)
        np.testing.assert_allclose(shares, share, atol=0.015)


def test_group_split_does_not_depend_on_the_labels_values():
    labels, groups = made_up(spanning=True)
    expected = splits.group_split(labels, groups, 0.2, 0.2, seed=1)
    np.testing.assert_array_equal(
        splits.group_split(labels * 10 + 7, groups, 0.2, 0.2, seed=1), expected
    )


def test_a_class_in_every_subset_goes_before_closeness_to_the_shares():
    # Clips by group and class: the closest deal of these has no clip of the last class in val.
    table = [[3, 3, 3], [0, 3, 3], [1, 0, 0], [3, 3, 2], [2, 3, 0], [3, 3, 0]]
    rows = [(k, f"g{g}") for (g, k), clips in np.ndenumerate(table) for _ in range(clips)]
    labels, groups = np.array([k for k, _ in rows]), [group for _, group in rows]
    subsets = splits.group_split(labels, groups, 0.2, 0.2, seed=0)
    assert min(min(per_class(labels, subsets, part)) for part in ("train", "val", "test")) > 0


def clips_by_group_and_class(table):
    """Labels and groups of the clips that a table counts by group (row) and class (column)."""
    rows = [(k, f"g{g}") for (g, k), clips in np.ndenumerate(table) for _ in range(clips)]
    return np.array([k for k, _ in rows]), np.array([group for _, group in rows])


def small_table(generator):
    """Clips by group and class of up to 6 groups, some of which lack some classes."""
    shape = generator.integers((2, 1), (7, 4))
    table = generator.integers(1, 6, shape) * (generator.random(shape) < generator.choice([0.5, 1]))
    table[0, 0] = 1
    return table[table.any(axis=1)][:, table.any(axis=0)]


def all_deals(table, subsets):
    """Clips by subset and class of every deal, by plain loops."""
    for choice in itertools.product(range(subsets), repeat=len(table)):
        counts = np.zeros((subsets, table.shape[1]))
        for group, subset in enumerate(choice):
            counts[subset] += table[group]
        yield counts


@pytest.mark.parametrize("shares", [(0.7, 0.15, 0.15), (0.5, 0.3, 0.2), (0.8, 0.2)])
def test_the_nearest_split_is_found_where_one_exists(shares):
    generator = np.random.default_rng(len(shares))
    found = 0
    for seed in range(60):
        table = small_table(generator)
        labels, groups = clips_by_group_and_class(table)
        wanted = np.array(shares)[:, None] * table.sum(axis=0)
        deviations = [
            ((counts - wanted) ** 2 / wanted).sum()
            for counts in all_deals(table, len(shares))
            if np.all(counts > 0)
        ]
        fractions = (shares[1], shares[2] if len(shares) == 3 else 0.0)
        if not deviations:
            with pytest.raises(UserError, match="class"):
                splits.group_split(labels, groups, *fractions, seed)
            continue
        subsets = splits.group_split(labels, groups, *fractions, seed)
        names = ("train", "val", "test")[: len(shares)]
        counts = np.array([np.bincount(labels[subsets == name]) for name in names])
        assert ((counts - wanted) ** 2 / wanted).sum() == pytest.approx(min(deviations))
        assert all(len(set(subsets[groups == group])) == 1 for group in groups)
        found += 1
    assert found > 20


def test_folds_with_every_class_are_found_where_they_exist():
    generator = np.random.default_rng(4)
    found = 0
    for seed in range(60):
        folds = 2 + seed % 2
        table = small_table(generator)
        labels, groups = clips_by_group_and_class(table)
        # Each of two folds must itself be parted into train and val.
        exist = any(np.all(counts > 0) for counts in all_deals(table, 4 if folds == 2 else folds))
        if not exist:
            with pytest.raises(UserError, match=r"class.*folds"):
                splits.group_folds(labels, groups, folds, 1, 0.2, seed)
            continue
        every = [splits.group_folds(labels, groups, folds, k + 1, 0.2, seed) for k in range(folds)]
        np.testing.assert_array_equal(sum((subsets == "test") * 1 for subsets in every), 1)
        for subsets in every:
            for part in ("train", "val", "test"):
                assert min(per_class(labels, subsets, part)) > 0
        found += 1
    assert found > 10


def test_many_groups_are_dealt_so_that_rare_classes_are_everywhere():
    # A class of three groups, which random deals of 40 mostly leave out of val or test, and a
    # second one that shares two of these groups.
    table = np.ones((40, 3), dtype=int) * [9, 0, 0]
    table[:3, 1] = table[1:4, 2] = 1
    labels, groups = clips_by_group_and_class(table)
    for seed in range(5):
        subsets = splits.group_split(labels, groups, 0.02, 0.02, seed)
        for part, share in (("train", 0.96), ("val", 0.02), ("test", 0.02)):
            counts = per_class(labels, subsets, part)
            assert min(counts) > 0 and abs(counts[0] - share * 360) < 60


def test_three_people_who_each_do_everything_are_one_for_each_subset():
    labels, groups = [0, 1, 2] * 24, ["ann"] * 24 + ["bob"] * 24 + ["eve"] * 24
    subsets = splits.group_split(labels, groups, 0.15, 0.15, seed=42)
    assert Counter(subsets) == {"train": 24, "val": 24, "test": 24}
    tested = [splits.group_folds(labels, groups, 3, fold, 0.15, seed=42) for fold in (1, 2, 3)]
    assert [Counter(subsets)["test"] for subsets in tested] == [24] * 3


def test_the_class_in_the_way_is_named_with_what_helps():
    labels, groups = np.array([0, 0, 0, 1, 1, 1]), list("abccdd")
    with pytest.raises(UserError) as error:
        splits.group_split(labels, groups, 0.2, 0.2, seed=0, classes=["walk", "run"])
    assert str(error.value) == (
        "split: class run has 2 groups, but train, val and test need 3 with it; add 1 more, leave "
        "the class out, set split.test_fraction to 0 and evaluate.subset to val, "
        "or set split.protocol to leave_one_group_out"
    )
    assert set(splits.group_split(labels, groups, 0.2, 0.0, seed=0)) == {"train", "val"}
    assert set(splits.leave_one_group_out(labels, groups, 4, 0.2, seed=0)) >= {"train", "val"}
    with pytest.raises(UserError, match=r"class 1 has 2 groups, but 3 folds need 3.*lower split"):
        splits.group_folds(labels, groups, 3, 1, 0.2, seed=0)
    with pytest.raises(UserError, match=r"class 1 has 1 group, but train and val need 2 with it"):
        splits.group_split([0, 0, 1, 1], list("abcc"), 0.2, 0.0, seed=0)


def test_classes_in_each_others_way_are_named():
    # Three groups for each of classes 1 to 3, but they cannot be dealt; class 0 is in all groups.
    table = np.array([[1, 1, 0, 1], [1, 1, 1, 0], [1, 1, 0, 1], [1, 0, 1, 1], [1, 0, 1, 0]])
    assert not any(np.all(counts > 0) for counts in all_deals(table, 3))
    labels, groups = clips_by_group_and_class(table)
    with pytest.raises(UserError, match=r"puts class 1, class 2 and class 3 into each of train, v"):
        splits.group_split(labels, groups, 0.2, 0.2, seed=0)
    for left_out in (1, 2, 3):
        kept = labels != left_out
        splits.group_split(labels[kept], groups[kept], 0.2, 0.2, seed=0)


def test_each_group_is_left_out_once_and_train_has_every_class():
    # No group-clean split into three has every class: class 2 has two groups, and eve lacks it.
    table = np.array([[4, 4, 3], [5, 2, 6], [4, 0, 0], [2, 3, 0]])
    labels, groups = clips_by_group_and_class(table)
    for fold in range(1, 5):
        subsets = splits.leave_one_group_out(labels, groups, fold, 0.2, seed=0)
        np.testing.assert_array_equal(subsets == "test", groups == f"g{fold - 1}")
        assert set(labels[subsets == "train"]) == {0, 1, 2}
        assert leaking(np.zeros_like(labels), groups, subsets, "test") == 0
        assert leaking(np.zeros_like(labels), groups, subsets, "val") == 0
        # Val has class 2 where one of its groups can be spared.
        assert (2 in labels[subsets == "val"]) == (fold > 2)
    with pytest.raises(UserError, match=r"split\.fold is 5, but there are 4 groups"):
        splits.leave_one_group_out(labels, groups, 5, 0.2, seed=0)
    with pytest.raises(UserError, match=r"only group g1 has class jump, so nothing teaches it"):
        splits.leave_one_group_out(
            [0, 0, 0, 1], ["g0", "g1", "g2", "g1"], 1, 0.2, seed=0, classes=["sit", "jump"]
        )
    with pytest.raises(UserError, match="with group g0 left out, train needs all the others"):
        splits.leave_one_group_out([0, 0, 1, 1], ["g0", "g1", "g0", "g1"], 1, 0.2, seed=0)


def test_random_split_needs_clips_and_sane_fractions():
    with pytest.raises(UserError, match="too few clips per class"):
        splits.random_split([0, 0, 0, 1], 0.25, 0.25, seed=0)
    with pytest.raises(UserError, match=r"val_fraction 0\.6 and split\.test_fraction 0\.5"):
        splits.random_split([0, 1] * 9, 0.6, 0.5, seed=0)
    with pytest.raises(UserError, match="val must be above 0"):
        splits.random_split([0, 1] * 9, 0.0, 0.5, seed=0)
    with pytest.raises(UserError, match="class 1 has 2 clips, too few for one in val"):
        splits.random_split_per_class(list("abcdefg"), [0] * 5 + [1] * 2, 0.2, seed=0)


def test_random_splits_are_the_references_on_any_labels():
    labels, _ = made_up(spanning=False)
    clips, options = np.arange(len(labels)), {"random_state": 7}
    expected = np.full(len(labels), "train")
    held = math.ceil(0.3 * len(labels))
    _, rest = train_test_split(clips, test_size=held, stratify=labels, **options)
    expected[rest] = "val"
    half = math.ceil(held / 2)
    expected[train_test_split(rest, test_size=half, stratify=labels[rest], **options)[1]] = "test"
    np.testing.assert_array_equal(splits.random_split(labels, 0.15, 0.15, seed=7), expected)

    ids = [f"clip{number}" for number in np.random.default_rng(0).permutation(len(labels))]
    generator, expected = np.random.RandomState(7), np.full(len(labels), "train")
    for label in range(4):
        members = sorted((ids[clip], clip) for clip in clips if labels[clip] == label)
        generator.shuffle(members)
        for _, clip in members[: int(0.2 * len(members))]:
            expected[clip] = "val"
    np.testing.assert_array_equal(splits.random_split_per_class(ids, labels, 0.2, 7), expected)


def test_random_split_takes_awkward_fractions_and_no_test():
    subsets = splits.random_split([0, 1] * 50, 0.1, 0.2, seed=0)  # 0.1 + 0.2 > 0.3 in binary
    assert Counter(subsets) == {"train": 70, "val": 10, "test": 20}
    assert Counter(splits.random_split([0, 1] * 50, 0.1, 0, seed=0)) == {"train": 90, "val": 10}
    # Shares are rounded up, as scikit-learn's are: 15.3 clips are 16.
    assert Counter(splits.random_split([0, 1] * 51, 0.15, 0, seed=0)) == {"train": 86, "val": 16}


@pytest.mark.parametrize("spanning", [False, True])
def test_every_clip_is_tested_in_one_fold(spanning):
    labels, groups = made_up(spanning)
    tested = np.zeros(len(labels), dtype=int)
    for fold in range(1, 5):
        subsets = splits.group_folds(labels, groups, 4, fold, 0.2, seed=0)
        tested += subsets == "test"
        assert leaking(np.zeros_like(labels), groups, subsets, "test") == 0
        assert leaking(np.zeros_like(labels), groups, subsets, "val") == 0
        assert min(per_class(labels, subsets, "val") + per_class(labels, subsets, "test")) > 0
    assert set(tested) == {1}
    with pytest.raises(UserError, match=r"split\.fold is 5 of 4"):
        splits.group_folds(labels, groups, 4, 5, 0.2, seed=0)


@pytest.mark.parametrize("folds,clips", [(3, range(2, 8)), (8, [3])])
def test_folds_of_many_groups_are_those_of_scikit_learn(folds, clips):
    generator = np.random.default_rng(folds)
    rows = [(k, f"c{k}g{g}") for k in range(3) for g in range(8) for _ in range(clips[-1])]
    rows = [row for row in rows if generator.random() < 0.8] if len(clips) > 1 else rows
    labels, groups = np.array([k for k, _ in rows]), np.array([group for _, group in rows])
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=5)
    for fold, (rest, members) in enumerate(splitter.split(labels, labels, groups), 1):
        subsets = splits.group_folds(labels, groups, folds, fold, 0.2, seed=5)
        np.testing.assert_array_equal(np.flatnonzero(subsets == "test"), members)
        val = splits.group_split(labels[rest], groups[rest], 0.2, 0.0, seed=5)
        np.testing.assert_array_equal(subsets[rest], val)


def test_few_groups_are_dealt_more_evenly_than_scikit_learn_does():
    generator = np.random.default_rng(2)
    better = 0
    for seed in range(4):
        table = generator.integers(1, 20, (10, 2))
        labels, groups = clips_by_group_and_class(table)
        wanted = table.sum(axis=0) / 3

        def unevenness(folds, labels=labels, wanted=wanted):
            counts = np.array([np.bincount(labels[members]) for members in folds])
            return ((counts - wanted) ** 2 / wanted).sum()

        ours = [splits.group_folds(labels, groups, 3, k, 0.2, seed) == "test" for k in (1, 2, 3)]
        splitter = StratifiedGroupKFold(3, shuffle=True, random_state=seed)
        theirs = [members for _, members in splitter.split(labels, labels, groups)]
        assert unevenness(ours) <= unevenness(theirs) + 1e-9
        better += unevenness(ours) < unevenness(theirs) - 1e-9
    assert better


def test_each_of_two_folds_has_groups_for_train_and_val():
    # One fold with the large group of a class and one with all others would balance the clips.
    table = np.kron(np.eye(4, dtype=int), [[30], [1], [1], [1]])
    labels, groups = clips_by_group_and_class(table)
    for fold in (1, 2):
        subsets = splits.group_folds(labels, groups, 2, fold, 0.2, seed=0)
        for part in ("train", "val", "test"):
            assert min(per_class(labels, subsets, part)) > 0


def test_val_of_many_groups_has_its_share_and_is_drawn_by_the_seed():
    labels, groups = clips_by_group_and_class(np.ones((41, 2), dtype=int))

    def left_out(seed):
        return splits.leave_one_group_out(labels, groups, 1, 0.4, seed)

    assert [np.sum(left_out(seed) == "val") for seed in range(3)] == [32] * 3  # of 80
    np.testing.assert_array_equal(left_out(1), left_out(1))
    assert np.any(left_out(1) != left_out(2))


def test_random_assignments_add_each_group_where_the_deviation_grows_least():
    table = np.random.default_rng(0).integers(0, 5, (12, 3)).astype(float)
    wanted = np.array([0.6, 0.25, 0.15])[:, None] * table.sum(axis=0)
    found = splits._random_assignments(table, wanted, np.random.default_rng(1))
    orders = np.random.default_rng(1).permuted(np.tile(np.arange(12), (splits.TRIES, 1)), axis=1)
    for choice, order in zip(found[:20], orders, strict=False):
        counts = np.zeros((3, 3))
        for group in order:
            after = [counts + np.eye(3)[[subset]].T * table[group] for subset in range(3)]
            deviations = [((clips - wanted) ** 2 / wanted).sum() for clips in after]
            assert deviations[choice[group]] == pytest.approx(min(deviations))
            counts = after[choice[group]]


def test_groups_are_moved_only_as_far_as_complete_subsets_need():
    # The first subset needs both classes; group 1 has both and costs less than groups 0 and 2.
    table = np.array([[9, 0], [2, 2], [0, 9], [1, 0]])
    np.testing.assert_array_equal(
        splits._repair(np.ones(4, dtype=int), table, subsets=2, complete=1), [1, 0, 1, 1]
    )
    table = np.array([[9, 0], [2, 2], [1, 0]])  # one group has the second class
    np.testing.assert_array_equal(
        splits._repair(np.ones(3, dtype=int), table, subsets=2, complete=1), [1, 0, 1]
    )
    assert splits._repair(np.ones(3, dtype=int), table, subsets=2, complete=2) is None


def test_a_class_that_is_not_in_the_way_is_not_named():
    # Of three groups, each of classes 1 to 3 has two: no two subsets have all. Class 0 is apart.
    table = np.zeros((5, 4), dtype=int)
    table[3:, 0] = table[[0, 1], 1] = table[[1, 2], 2] = table[[0, 2], 3] = 1
    labels, groups = clips_by_group_and_class(table)
    with pytest.raises(UserError, match=r"puts class 1, class 2 and class 3 into each of train, v"):
        splits.group_split(np.append(labels, [0, 1, 2, 3]), [*groups, *"aaaa"], 0.2, 0.2, seed=0)


IDS = [f"clip{number}" for number in range(12)]
LABELS = [0, 1] * 6
GROUPS = [f"g{number // 2}" for number in range(12)]


def official(lists, name="auto"):
    return splits.official_split(IDS, LABELS, GROUPS, lists, name, val_fraction=0.25, seed=0)


def test_official_split_with_its_own_val():
    subsets, note = official({"train": IDS[:6], "val": IDS[6:8], "test": [*IDS[8:10], "dropped"]})
    assert list(subsets) == ["train"] * 6 + ["val"] * 2 + ["test"] * 2 + [""] * 2
    assert note == "train trains, test tests, val validates"


def test_official_split_of_the_ntu_kind_tests_on_its_val():
    lists = {
        "xview_train": IDS[6:],
        "xview_val": IDS[:6],
        "xsub_train": IDS[:8],
        "xsub_val": IDS[8:],
    }
    subsets, note = official(lists, "xsub")
    assert list(subsets[8:]) == ["test"] * 4
    assert Counter(subsets[:8]) == {"train": 6, "val": 2}
    assert splits.audit(None, GROUPS, subsets)["val"]["leaking"] == 0
    assert "xsub_val tests, val is carved out of xsub_train (xsub_val is the set" in note
    assert official(lists)[1].startswith("xview_train trains")  # the first one in the file


def test_official_split_errors_name_what_is_there():
    lists = {"train1": IDS[:6], "test1": IDS[6:], "train2": IDS[6:], "test2": IDS[:6]}
    with pytest.raises(
        UserError, match=r"no official split '4'; set split\.official to one of: 1, 2"
    ):
        official(lists, "4")
    subsets, note = official(lists, 2)  # params.yaml gives a number
    assert list(subsets[:6]) == ["test"] * 6
    assert note == "train2 trains, test2 tests, val is carved out of train2"
    with pytest.raises(UserError, match="its keys: none"):
        official({})
    with pytest.raises(UserError, match="its keys: train, half"):
        official({"train": IDS, "half": IDS})
    with pytest.raises(UserError, match="clip clip5 is in 'train1' and in 'test1'"):
        official({"train1": IDS[:6], "test1": IDS[5:]})
    with pytest.raises(UserError, match="no clip of 'test1' is left"):
        official({"train1": IDS[:6], "test1": ["other"]})


def test_val_of_an_official_split_is_that_of_its_train_groups():
    labels, groups = clips_by_group_and_class(np.random.default_rng(0).integers(1, 4, (40, 2)))
    ids = [f"clip{number}" for number in range(len(labels))]
    tests = np.isin(groups, ["g0", "g1", "g2"])
    lists = {
        "train": [clip for clip, test in zip(ids, tests, strict=True) if not test],
        "test": [clip for clip, test in zip(ids, tests, strict=True) if test],
    }
    train = np.flatnonzero(~tests)
    for seed in (3, 4, 5):
        subsets, _ = splits.official_split(ids, labels, groups, lists, "auto", 0.3, seed)
        expected = splits.group_split(labels[train], groups[train], 0.3, 0.0, seed)
        np.testing.assert_array_equal(subsets[train], expected)
    lists, names = {"train": ["a", "b", "c"], "test": ["d"]}, ["sit", "jump"]
    with pytest.raises(UserError, match="class jump has 1 group, but train and val need 2"):
        splits.official_split([*"abcd"], [0, 0, 1, 1], [*"abcd"], lists, "auto", 0.3, 0, names)


def test_a_split_without_a_name_is_chosen_as_auto():
    with pytest.raises(UserError, match=r"set split\.official to one of: auto, 2"):
        official({"train": IDS[:6], "test": IDS[6:], "train2": IDS[6:], "test2": IDS[:6]}, "3")


def test_audit_counts_by_class_and_group():
    labels, groups = [0, 0, 1, 1, 1], ["g1", "g1", "g1", "g2", "g2"]
    subsets = ["train", "test", "test", "val", ""]
    report = splits.audit(labels, groups, subsets)
    assert report["train"] == {"clips": 1}
    assert report["test"] == {"clips": 2, "leaking": 1, "leaking_share": 0.5}
    assert report["val"] == {"clips": 1, "leaking": 0, "leaking_share": 0.0}
    assert report["groups"] == 3
    assert splits.audit(None, groups, subsets)["test"]["leaking"] == 2  # groups span classes


def test_val_counts_as_training_for_test_clips():
    report = splits.audit(None, ["a", "b", "b", "c"], ["train", "val", "test", "test"])
    assert report["val"]["leaking"] == 0
    assert report["test"]["leaking"] == 1


def test_val_leaks_where_train_has_its_groups_and_an_absent_subset_does_not():
    report = splits.audit(None, ["a", "b", "a", "a", "c"], ["train", "train", "val", "val", "val"])
    assert report["val"] == {"clips": 3, "leaking": 2, "leaking_share": 2 / 3}
    assert report["test"] == {"clips": 0, "leaking": 0, "leaking_share": 0.0}


def test_audit_says_when_it_is_blind():
    report = splits.audit(None, IDS, ["train"] * 6 + ["test"] * 6)
    assert report["groups_known"] == 0 and report["test"]["leaking"] == 0
