"""Several persons in a window: each is computed alone, then they are joined.

Only present persons are computed, which is faster and, in training, keeps empty slots out of the
batch statistics. An exported graph computes all slots, since its shapes are fixed. Nothing depends
on the order of the persons, nor on empty ones added.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from har.geometry import body_size, frame_centres
from har.skeleton import Layout


def over_persons(windows: Tensor, encode: Callable[[Tensor], Tensor]) -> Tensor:
    """Encode each person and take the maximum over persons.

    Args:
        windows: (N, M, T, V, C+1) raw windows.
        encode: from (B, T, V, C+1) to (B, H).

    Returns:
        (N, H); zeros where no person is present.
    """
    encoded, present = _each(windows, encode)
    best = encoded.masked_fill(~present[..., None], -torch.inf).amax(1)
    return best.masked_fill(~present.any(1)[:, None], 0.0)


def by_prominence(windows: Tensor, answer: Callable[[Tensor], Tensor], layout: Layout) -> Tensor:
    """Classify each person; of several, the prominent ones count more.

    P(class) = sum over persons of w P(class | person), w proportional to the square of
    `prominence`, with sum 1. In training, one person who explains the label is enough.

    Args:
        windows: (N, M, T, V, C+1) raw windows.
        answer: from (B, T, V, C+1) to log-probabilities (..., B, K).
        layout: the layout of the joints.

    Returns:
        (..., N, K) log-probabilities; all classes are equal where no person is present.
    """
    answers, present = _each(windows, answer)
    answers = answers.masked_fill(~present[..., None], -math.log(answers.shape[-1]))
    if not torch.compiler.is_exporting() and (present.sum(1) <= 1).all():  # nothing to weigh
        clips = torch.arange(len(windows), device=windows.device)
        return answers[..., clips, present.int().argmax(1), :]
    weights = (2 * prominence(windows, layout).log()).masked_fill(~present, -torch.inf)
    weights = weights.masked_fill(~present.any(1)[:, None], 0.0).log_softmax(1)
    return (answers + weights[..., None]).logsumexp(-2)


def prominence(windows: Tensor, layout: Layout) -> Tensor:
    """Body size of each person times the share of joints that are seen, (N, M), above 0.

    Args:
        windows: (N, M, T, V, C+1) raw windows.
        layout: the layout of the joints.
    """
    coordinates, seen = windows[..., :-1], windows[..., -1] > 0
    size = body_size(coordinates, seen, frame_centres(coordinates, seen, layout))
    return (size * seen.to(size.dtype).mean((-2, -1))).clamp(min=1e-9)


def _each(windows: Tensor, compute: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """Compute (..., N, M, H) of each person, 0 for absent ones, and who is present (N, M)."""
    people = windows.flatten(0, 1)
    present = (people[..., -1] > 0).flatten(1).any(1)
    if torch.compiler.is_exporting():
        found = compute(people)
    else:
        rows = present.nonzero()[:, 0] if present.any() else torch.zeros_like(present[:1]).long()
        some = compute(people[rows])
        shape = *some.shape[:-2], len(people), some.shape[-1]
        found = some.new_zeros(shape).index_copy(-2, rows, some)
    return found.unflatten(-2, windows.shape[:2]), present.unflatten(0, windows.shape[:2])
