"""Several persons in a window: each is read alone, the strongest evidence of any counts."""

from collections.abc import Callable

import torch
from torch import Tensor


def over_persons(windows: Tensor, encode: Callable[[Tensor], Tensor]) -> Tensor:
    """Encode each present person and keep the maximum over persons.

    Only present persons are computed, which is faster and, in training, keeps empty slots out of
    the batch statistics. An exported graph computes all slots, since its shapes are fixed.

    Args:
        windows: (N, M, T, V, C+1) raw windows.
        encode: from (B, T, V, C+1) to (B, H).

    Returns:
        (N, H); zeros where no person is present. Independent of the order of the persons and of
        empty ones added.
    """
    people = windows.flatten(0, 1)
    present = (people[..., -1] > 0).flatten(1).any(1)
    if torch.compiler.is_exporting():
        encoded = encode(people)
    else:
        rows = present.nonzero()[:, 0] if present.any() else torch.zeros_like(present[:1]).long()
        some = encode(people[rows])
        encoded = some.new_zeros(len(people), some.shape[1]).index_copy(0, rows, some)
    best = (
        encoded.masked_fill(~present[:, None], -torch.inf).unflatten(0, windows.shape[:2]).amax(1)
    )
    return best.masked_fill(~present.unflatten(0, windows.shape[:2]).any(1)[:, None], 0.0)
