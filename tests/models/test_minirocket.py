"""MiniRocket's features against loops, and against aeon's where that is installed."""

import numpy as np
import pytest
import torch

from har.models.minirocket import KERNELS, MiniRocket, dilations
from har.skeleton import LAYOUTS

FRAMES, WIDTH = 40, 12


def windows(number: int, persons: int = 2, frames: int = FRAMES) -> torch.Tensor:
    """Random smooth windows in pixels, all joints seen."""
    generator = torch.Generator().manual_seed(number)
    steps = torch.randn(number, persons, frames, 17, 3, generator=generator)
    found = 100 + 5 * steps.cumsum(2)
    found[..., -1] = 0.9
    return found


def network(frames: int = FRAMES, width: int = WIDTH) -> MiniRocket:
    torch.manual_seed(0)
    model = MiniRocket(LAYOUTS["coco17"], 5, width, frames)
    people = windows(8, frames=frames).flatten(0, 1)
    model.choose_biases(people, torch.Generator().manual_seed(1))
    return model.eval()


def in_loops(series: np.ndarray, model: MiniRocket) -> np.ndarray:
    """Features (84, width) of one series (C, T), by the definition."""
    frames, found = series.shape[1], []
    for index, dilation in enumerate(model.dilations):
        start = sum(model.counts[:index])
        for number, heavy in enumerate(KERNELS):
            own = series[model.channels[index, number].numpy() > 0].sum(0)
            response = np.zeros(frames)
            for frame in range(frames):
                for tap in range(9):
                    place = frame + (tap - 4) * dilation
                    if 0 <= place < frames:
                        response[frame] += own[place] * (2 if tap in heavy else -1)
            if (index + number) % 2:
                response = response[4 * dilation : frames - 4 * dilation]
            for column in range(start, start + model.counts[index]):
                bias = model.biases[number, column].item()
                found.append((number, column, (response > bias).mean()))
    features = np.empty((len(KERNELS), sum(model.counts)))
    for number, column, share in found:
        features[number, column] = share
    return features


def test_features_are_those_of_plain_loops():
    model = network()
    people = windows(1, persons=1).flatten(0, 1)
    expected = in_loops(model._series(people)[0].numpy().astype(np.float64), model)
    found = model.encode(people)[0].view(expected.shape).numpy()
    # A response that equals a bias up to rounding may count or not.
    assert (np.abs(found - expected) < 1e-6).mean() > 0.999
    assert np.abs(found - expected).max() <= 2 / 8


def test_biases_are_quantiles_of_responses_and_kernels_read_a_few_coordinates():
    model = network(width=60)
    read = model.channels.sum(-1)
    assert read.min() == 1 and read.max() == 9
    shares = model.encode(windows(64).flatten(0, 1))
    assert 0.45 < shares.mean().item() < 0.55  # the quantiles fill 0 to 1 evenly
    assert shares.mean(0).min().item() < 0.1 and shares.mean(0).max().item() > 0.9


@pytest.mark.parametrize(("frames", "width"), [(9, 30), (64, 119), (300, 7)])
def test_dilations_reach_over_the_window_and_share_the_features(frames, width):
    found, counts = dilations(frames, width)
    assert sum(counts) == width and min(counts) > 0
    assert found[0] == 1 and 8 * found[-1] + 1 <= frames
    torch.manual_seed(0)
    model = MiniRocket(LAYOUTS["coco17"], 5, width, frames)
    assert model(windows(2, frames=frames)).isfinite().all()


def test_persons_place_and_size_do_not_count():
    model, some = network(), windows(4)
    expected = model(some)
    empty = torch.zeros_like(some[:, :1])
    torch.testing.assert_close(model(torch.cat((empty, some.flip(1)), 1)), expected)
    moved = torch.cat((some[..., :-1] * 3 + 70, some[..., -1:]), -1)
    torch.testing.assert_close(model(moved), expected, atol=0.02, rtol=0)
    assert not torch.allclose(model(some[:, :1]), expected, atol=0.02)
    assert model(some * 0).isfinite().all()


def test_features_are_those_of_aeon():
    reason = "aeon is not installed (it has an environment of its own: make test-aeon)"
    pytest.importorskip("aeon", reason=reason)
    from aeon.transformations.collection.convolution_based import MiniRocket as Aeon

    model = network(64, 119)
    people = windows(12, persons=1, frames=64).flatten(0, 1)
    series = model._series(people).numpy()
    theirs = Aeon(n_kernels=84 * 119, random_state=3).fit(series)
    numbers, channels, spread, counts, biases = theirs.parameters
    assert (model.dilations, model.counts) == (spread.tolist(), counts.tolist())
    # Theirs are ordered by dilation first, ours by kernel.
    model.channels.zero_()
    starts = np.cumsum(numbers) - numbers
    for place, (start, number) in enumerate(zip(starts, numbers, strict=True)):
        model.channels.view(-1, 34)[place, channels[start : start + number]] = 1
    parts = np.split(biases, 84 * np.cumsum(counts)[:-1])
    model.biases.copy_(torch.cat([torch.from_numpy(part).view(84, -1) for part in parts], 1))
    found = model.encode(people).view(12, 84, 119).split(model.counts, 2)
    ours = torch.cat([part.flatten(1) for part in found], 1).numpy()
    gaps = np.abs(ours - theirs.transform(series))
    assert (gaps < 1e-6).mean() > 0.999 and gaps.max() < 0.15
