"""Names of subsets as people write them."""

import pytest

from har.clips.subsets import official_splits


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        ("Train Validation", {"": {"train": "Train", "val": "Validation"}}),
        ("training eval", {"": {"train": "training", "val": "eval"}}),
        ("train val eval", {"": {"train": "train", "val": "val", "test": "eval"}}),
        ("train1 test1", {"1": {"train": "train1", "test": "test1"}}),
        ("xsub_train xsub_val", {"xsub": {"train": "xsub_train", "val": "xsub_val"}}),
        (
            "TRAIN_2 dev_2 Testing_2",
            {"2": {"train": "TRAIN_2", "val": "dev_2", "test": "Testing_2"}},
        ),
        ("constrained values latest", {}),
    ],
)
def test_official_splits(names, splits):
    assert official_splits(names.split()) == splits
