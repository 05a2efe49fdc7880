"""Windows against plain loops, and clips whose joints all lie at their frame's number."""

import numpy as np
import pytest
import torch

from har.dataset import windows as windows_of
from har.params import Windows

WINDOWS = Windows(frames=16, longest=40, shortest_share=0.5, test_longest=20, test_windows=3)


def clips(lengths: list[int], persons: int = 2) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Packed random clips with a fifth of the joints missing."""
    generator = torch.Generator().manual_seed(0)
    frames = torch.rand(sum(lengths), persons, 17, 3, generator=generator) * 100
    frames[..., :2] -= 50
    frames[..., 2] = torch.rand(frames.shape[:-1], generator=generator)
    frames *= (torch.rand(frames.shape[:-1], generator=generator) > 0.2)[..., None]
    number = torch.tensor(lengths)
    return frames, number.cumsum(0) - number, number


def counted(number: int) -> torch.Tensor:
    """Frames (number, 1, 17, 3) in which every joint's coordinates are the number of the frame."""
    frames = torch.arange(float(number))[:, None, None, None].expand(number, 1, 17, 3).clone()
    frames[..., 2] = 1
    return frames


def given(frames: torch.Tensor, lengths: torch.Tensor, settings: Windows = WINDOWS) -> tuple:
    """Arguments for clips that all begin with the first frame."""
    return frames, torch.zeros_like(lengths), lengths, settings


def test_interpolation_ignores_unseen_neighbours() -> None:
    frames, offsets, lengths = clips([7, 1, 9])
    positions = torch.rand(3, 5, generator=torch.Generator().manual_seed(1)) * 10 - 1
    found = windows_of.interpolate(frames, offsets, lengths, positions).numpy()
    for n in range(3):
        clip = frames[offsets[n] : offsets[n] + lengths[n]].double().numpy()
        for t in range(5):
            position = min(max(float(positions[n, t]), 0), len(clip) - 1)
            low = int(position)
            high, share = min(low + 1, len(clip) - 1), position - low
            for m in range(2):
                for j in range(17):
                    a, b = clip[low, m, j], clip[high, m, j]
                    expected = (1 - share) * a + share * b
                    if a[2] == 0 and share > 0:
                        expected = b
                    elif b[2] == 0:
                        expected = a
                    np.testing.assert_allclose(found[n, m, t, j], expected, rtol=2e-5, atol=1e-4)


def test_interpolation_never_leaves_the_clip() -> None:
    frames = torch.ones(30, 1, 17, 3)
    frames[:10], frames[20:] = torch.nan, torch.nan
    found = windows_of.interpolate(
        frames, torch.tensor([10]), torch.tensor([10]), torch.tensor([[-3.0, 0.0, 9.0, 12.0]])
    )
    assert (found == 1).all()


def test_training_windows_cover_the_promised_stretch() -> None:
    # The x coordinate of every joint is its frame number.
    frames = counted(100)
    number = 500
    offsets, lengths = torch.zeros(number).long(), torch.full((number,), 100)
    x = windows_of.training_windows(
        frames, offsets, lengths, WINDOWS, torch.Generator().manual_seed(0)
    )[:, 0, :, 0, 0]
    assert x.shape == (number, 16)
    assert (x.diff(dim=1) >= 0).all()
    span = x[:, -1] - x[:, 0]
    # 40 frames at most, half of them at least; the jitter adds a little.
    assert 18 < span.min() < 22 and 37 < span.max() < 41
    assert x.min() < 5 and x.max() > 94


def test_training_windows_start_anywhere_whatever_their_length() -> None:
    frames = counted(100)
    zeros, generator = torch.zeros(1000).long(), torch.Generator().manual_seed(0)
    x = windows_of.training_windows(frames, zeros, zeros + 100, WINDOWS, generator)[:, 0, :, 0, 0]
    assert x.min() < 0.1 and x.max() > 98.9
    span = x[:, -1] - x[:, 0]
    share = x[:, 0] / (99 - span)  # of the room there is
    assert abs(torch.corrcoef(torch.stack((span, share)))[0, 1]) < 0.1
    # Half of a clip of two frames or one is a single frame.
    x = windows_of.training_windows(frames, zeros, zeros + 2, WINDOWS, generator)[:, 0, :, 0, 0]
    assert (x[:, -1] - x[:, 0]).min() < 0.1


def test_training_windows_jitter_by_a_tenth_of_a_step() -> None:
    frames = counted(40)
    zeros, whole = torch.zeros(1000).long(), WINDOWS.model_copy(update={"shortest_share": 1.0})
    x = windows_of.training_windows(
        frames, zeros, zeros + 40, whole, torch.Generator().manual_seed(0)
    )[:, 0, :, 0, 0]
    jitter = (x - torch.linspace(0, 39, 16))[:, 1:-1] / 39 * 16  # the ends can't leave the clip
    assert jitter.mean().abs() < 0.01
    for axis in (0, 1):  # each frame of each clip is drawn by itself
        assert jitter.std(axis).mean() == pytest.approx(0.1, rel=0.05)
    assert 400 < (jitter[:, 7].diff() > 0).sum() < 600


def test_test_windows_lie_in_the_middle_and_at_both_ends() -> None:
    frames = counted(81)
    offsets, lengths = torch.tensor([0, 21]), torch.tensor([21, 60])
    settings = WINDOWS.model_copy(update={"test_longest": 41})
    windows = windows_of.test_windows(frames, offsets, lengths, settings)
    assert windows.shape == (2, 3, 1, 16, 17, 3)
    x = windows[:, :, 0, :, 0, 0]
    ends = torch.stack([x[..., 0], x[..., -1]], dim=-1)
    # A clip of 21 frames is seen whole, one of 60 frames for at most 41 of them.
    expected = [[(0, 20), (0, 16), (4, 20)], [(30.5, 70.5), (21, 53), (48, 80)]]
    torch.testing.assert_close(ends, torch.tensor(expected))


def test_a_single_test_window_lies_in_the_middle() -> None:
    frames = counted(50)
    one = WINDOWS.model_copy(update={"test_windows": 1})
    windows = windows_of.test_windows(frames, torch.tensor([0]), torch.tensor([50]), one)
    assert windows.shape[1] == 1
    assert windows[0, 0, 0, 0, 0, 0] + windows[0, 0, 0, -1, 0, 0] == 49


def test_windows_of_short_clips_hold_their_first_and_last_frame() -> None:
    usual = WINDOWS.model_copy(update={"test_longest": 60})
    least = usual.model_copy(update={"shortest": 31})
    frames, lengths = counted(100), torch.tensor([1, 11, 100])
    zeros = torch.zeros(3).long()
    x = windows_of.test_windows(frames, zeros, lengths, least)[:, :, 0, :, 0, 0]
    steps = torch.linspace(0, 30, 16)
    # In the middle, at the start, at the end; 30 steps for 10 in the clip.
    for window, start in zip(x[1], (-10, 0, -20), strict=True):
        torch.testing.assert_close(window, (start + steps).clamp(0, 10))
    assert (x[0] == 0).all()
    same = windows_of.test_windows(*given(frames, lengths[2:], usual))[0, :, 0, :, 0, 0]
    assert torch.equal(x[2], same)
    many = torch.full((300,), 11)
    drawn = windows_of.training_windows(
        *given(frames, many, least), torch.Generator().manual_seed(0)
    )[:, 0, :, 0, 0]
    moves = (drawn.diff(dim=1) > 0).float()
    assert moves.sum(1).max() <= 7  # 5 steps of 2 frames take it all, two are cut
    first = moves.argmax(1)
    assert first.min() == 0 and first.max() == 10  # at any time of the window


@pytest.mark.parametrize("rate", [0.5, 2.0])
def test_windows_are_as_long_in_seconds_at_any_frame_rate(rate: float) -> None:
    zeros, lengths = torch.zeros(200).long(), torch.full((200,), 101)
    usual = counted(101)
    other = counted(round(100 * rate) + 1)  # the same movement
    other[..., :2] /= rate
    fps = torch.full((200,), 25 * rate)
    given = other, zeros, torch.full((200,), len(other))
    found = windows_of.test_windows(*given, WINDOWS, fps)
    expected = windows_of.test_windows(usual, zeros, lengths, WINDOWS)
    assert (found - expected).abs().max() <= 1  # frame in 25 of them a second
    drawn = windows_of.training_windows(*given, WINDOWS, torch.Generator().manual_seed(0), fps)
    seeded = torch.Generator().manual_seed(0)
    expected = windows_of.training_windows(usual, zeros, lengths, WINDOWS, seeded)
    assert (drawn - expected).abs().max() <= 1.1  # the jitter is a share of the window
    untold = windows_of.test_windows(*given, WINDOWS)
    assert (untold - found).abs().max() > 5


def test_an_unknown_rate_and_25_are_the_same_to_the_bit() -> None:
    frames, offsets, lengths = clips([7, 90, 31, 1])
    given = frames, offsets, lengths, WINDOWS
    for fps in (torch.zeros(4), torch.full((4,), 25.0)):
        assert torch.equal(windows_of.test_windows(*given, fps), windows_of.test_windows(*given))
        drawn = [
            windows_of.training_windows(*given, torch.Generator().manual_seed(0), some)
            for some in (None, fps)
        ]
        assert torch.equal(*drawn)


def test_a_rate_told_wrong_gives_windows_all_the_same() -> None:
    frames, offsets, lengths = clips([7, 90])
    for fps in (1e-30, 1e30):
        rates = torch.full((2,), fps)
        assert windows_of.test_windows(frames, offsets, lengths, WINDOWS, rates).isfinite().all()


def test_without_a_number_of_frames_clips_are_taken_whole() -> None:
    frames, offsets, lengths = clips([6, 6, 6, 6])
    chosen = torch.tensor([2, 0, 1])
    whole = WINDOWS.model_copy(update={"frames": 0})
    given = frames, offsets[chosen], lengths[chosen]
    expected = torch.stack([frames[start : start + 6] for start in (12, 0, 6)]).transpose(1, 2)
    assert torch.equal(windows_of.training_windows(*given, whole, torch.Generator()), expected)
    assert torch.equal(windows_of.test_windows(*given, whole), expected[:, None])
