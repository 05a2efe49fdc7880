"""Split: train, val and test clips by the chosen protocol, and the leak audit."""

import numpy as np

from har.dataset import splits
from har.dataset.prepared import Row, read_rows
from har.errors import UserError, user_errors_end_the_program
from har.files import write_csv, write_json
from har.params import Split, load_params
from stages import METRICS, PREPARED, SPLIT
from stages.summary import audit_line


def choose_subsets(rows: list[Row], settings: Split) -> tuple[np.ndarray, str]:
    """Returns the subset name (N,) of each clip by the protocol, and a line that describes it."""
    ids = [row.id for row in rows]
    labels = np.array([row.label for row in rows])
    groups = [row.group for row in rows]
    classes = [name for _, name in sorted({(row.label, row.class_name) for row in rows})]
    val, test, seed = settings.val_fraction, settings.test_fraction, settings.seed
    if settings.protocol == "official":
        lists: dict[str, list[str]] = {}
        for row in rows:
            for name in row.official:
                lists.setdefault(name, []).append(row.id)
        return splits.official_split(
            ids, labels, groups, lists, settings.official, val, seed, classes
        )
    if settings.protocol == "random":
        if settings.shuffle == "per_class":
            return splits.random_split_per_class(ids, labels, val, seed), "random, class by class"
        return splits.random_split(labels, val, test, seed), "random, stratified by class"
    if settings.protocol == "leave_one_group_out":
        subsets = splits.leave_one_group_out(labels, groups, settings.fold, val, seed, classes)
        return subsets, f"group {np.unique(groups)[settings.fold - 1]} is the test subset"
    if settings.folds:
        subsets = splits.group_folds(
            labels, groups, settings.folds, settings.fold, val, seed, classes
        )
        return subsets, f"fold {settings.fold} of {settings.folds} is the test subset"
    return splits.group_split(labels, groups, val, test, seed, classes), "groups kept together"


def main() -> None:
    """Read the table of prepared clips, write split.csv and the leak audit."""
    params = load_params()
    rows = read_rows(PREPARED / "clips.csv")
    labels = np.array([row.label for row in rows])
    if len(np.unique(labels)) < 2:
        raise UserError(
            f"{PREPARED}/clips.csv has one class ({rows[0].class_name}): a classifier needs two; "
            "name more in prepare.classes or take all with -S 'prepare.classes=[]'"
        )
    subsets, note = choose_subsets(rows, params.split)
    groups = np.array([row.group for row in rows])
    audit = splits.audit(None, groups, subsets)

    write_csv(
        SPLIT,
        ({"id": row.id, "subset": name} for row, name in zip(rows, subsets, strict=True) if name),
        ["id", "subset"],
    )
    write_json(METRICS / "split.json", audit)

    print(f"split {params.split.protocol}: {note}")
    for name in ("train", "val", "test"):
        here = subsets == name
        print(f"{name}: {here.sum()} clips, {len(set(groups[here]))} groups", end="")
        print(f", {len(set(labels[here]))} of {len(set(labels))} classes")
    print(audit_line(audit))


if __name__ == "__main__":
    with user_errors_end_the_program():
        main()
