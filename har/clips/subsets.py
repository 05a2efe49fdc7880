"""Official splits by the names of a file's subsets."""

import re
from collections.abc import Iterable

_ROLES = {
    word: role
    for role, words in (
        ("train", "training train trn"),
        ("val", "validation valid val dev"),
        ("test", "testing test"),
        ("eval", "evaluation eval"),
    )
    for word in words.split()
}
_SUBSET_NAME = re.compile(
    rf"(?:(?P<before>.+)[_ -])?(?P<role>{'|'.join(_ROLES)})"
    r"(?:[_ -]?(?P<number>\d.*)|[_ -](?P<after>.+))?",
    re.IGNORECASE,
)


def official_splits(names: Iterable[str]) -> dict[str, dict[str, str]]:
    """Group subset names by split: split -> role (train, val, test) -> subset name.

    `train1` and `test1` are split 1, `xsub_train` and `xsub_val` are split xsub, `Train` and
    `validation` are the split without a name. `eval` is val, or test where there is a val.
    """
    found: dict[str, dict[str, str]] = {}
    evaluated: list[tuple[str, str]] = []
    for name in names:
        match = _SUBSET_NAME.fullmatch(name)
        if not match:
            continue
        split = "_".join(filter(None, match.group("before", "number", "after")))
        role = _ROLES[match["role"].casefold()]
        if role == "eval":
            evaluated.append((split, name))
        else:
            found.setdefault(split, {}).setdefault(role, name)
    for split, name in evaluated:
        keys = found.setdefault(split, {})
        keys.setdefault("test" if "val" in keys else "val", name)
    return found
