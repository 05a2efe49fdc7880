"""How the persons of a window are joined, by numbers worked out by hand."""

import math

import pytest
import torch

from har.models.persons import by_prominence, over_persons, prominence
from tests.tiny import FOUR_JOINTS


def square(side: float) -> torch.Tensor:
    """Somebody (5, 4, 3) whose joints are the corners of a square, seen in all frames."""
    person = torch.zeros(5, 4, 3)
    person[:, :, 0] = torch.tensor([0, 0, side, side]) - 300
    person[:, :, 1] = torch.tensor([0, side, 0, side]) - 300
    person[..., 2] = 0.5
    return person


def test_only_present_persons_are_computed() -> None:
    """The strongest evidence of any person counts; an empty slot is never encoded."""
    windows = torch.zeros(3, 2, 1, 1, 3)
    windows[0, :, 0, 0] = torch.tensor([[1.0, -5, 1], [-2, 7, 1]])
    windows[1, 1, 0, 0] = torch.tensor([-3.0, -4, 1])
    rows = []

    def encode(people: torch.Tensor) -> torch.Tensor:
        rows.append(len(people))
        return people[:, 0, 0, :2]

    best = over_persons(windows, encode)
    assert rows == [3]
    assert best.tolist() == [[1, 7], [-3, -4], [0, 0]]
    assert over_persons(windows[2:], encode).tolist() == [[0, 0]]
    assert rows == [3, 1]  # a network can't be given nobody


def test_prominence_is_size_times_the_share_of_joints_seen() -> None:
    half = square(30)
    half[::2] = 0  # three of five frames
    found = prominence(
        torch.stack((square(30), square(60), half, square(30) * 0))[None], FOUR_JOINTS
    )
    # The shoulder and the hip at x = 0 count 1 each, the knees 0.05: the centre is at 30 / 21.
    size = math.sqrt(((30 / 21) ** 2 + (30 - 30 / 21) ** 2) / 2 + 15**2)
    expected = torch.tensor([[size, 2 * size, 0.4 * size, 1e-9]])
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=0)


def test_persons_count_by_the_square_of_their_prominence() -> None:
    """Somebody of twice the size counts four times; an empty slot counts nothing."""
    chances = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]])
    nobody = torch.zeros(5, 4, 3)
    windows = torch.stack((square(20), nobody, square(10)))[None]
    answers = chances.log()
    found = by_prominence(windows, lambda people: answers[: len(people)], FOUR_JOINTS)
    torch.testing.assert_close(found.exp(), (4 * chances[:1] + chances[1:]) / 5)
    several = torch.stack((answers, answers.flip(-1)))  # two classifiers
    found = by_prominence(windows, lambda people: several[:, : len(people)], FOUR_JOINTS)
    expected = (4 * chances[:1] + chances[1:]) / 5
    torch.testing.assert_close(found.exp(), torch.stack((expected, expected.flip(-1))))


@pytest.mark.parametrize("crowded", [False, True])
def test_a_single_person_decides_and_nobody_says_nothing(crowded: bool) -> None:
    """Both by the short cut, where no clip of the batch shows two persons, and without it."""
    nobody = torch.zeros(5, 4, 3)
    clips = [(nobody, square(10)), (square(5), nobody), (nobody, nobody)]
    clips += [(square(10), square(10))] * crowded
    chances = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8], [0.2, 0.3, 0.5], [0.4, 0.3, 0.3]])
    found = by_prominence(
        torch.stack([torch.stack(clip) for clip in clips]),
        lambda people: chances[: len(people)].log(),
        FOUR_JOINTS,
    ).exp()
    torch.testing.assert_close(found[:2], chances[:2])
    torch.testing.assert_close(found[2], torch.full((3,), 1 / 3))
    if crowded:
        torch.testing.assert_close(found[3], chances[2:].mean(0))
