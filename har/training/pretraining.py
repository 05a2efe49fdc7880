"""Pre-training: a network learns to name simulated movements; others start from its encoder.

Every window is made for one batch and never seen again: bodies, styles, cameras and
detectors are those of har/clips/simulate/everyday.py. No recordings of people are used.
"""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn

from har.clips.simulate import everyday
from har.dataset.augmentation import augment
from har.dataset.windows import interpolate
from har.models import build
from har.params import Pretraining
from har.skeleton import LAYOUTS
from har.training.optimizers import adamw
from har.training.trainer import cross_entropy

LAYOUT = LAYOUTS["coco17"]
_DRAWN_AT_ONCE = 2048  # windows: the simulator takes about as long for one
_REPORT_EVERY = 250  # batches


def pretrain(
    settings: Pretraining, report: Callable[[int, float, float], None] = lambda *figures: None
) -> nn.Module:
    """Train a network to tell the classes of `everyday.CLASSES` apart.

    Args:
        settings: network, batches, optimiser, augmentation.
        report: called now and then with the number of batches so far, and loss and accuracy on
            the windows since the last call, all of them new to the network.

    Returns:
        The network in evaluation mode.
    """
    torch.manual_seed(settings.seed)
    network = build(settings.model, len(everyday.CLASSES), LAYOUT).train()
    groups = [(list(network.parameters()), settings.lr)]
    optimizer = adamw(groups, settings.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.lr, settings.iterations)
    losses, hits = [], []
    windows = simulated_windows(settings)
    for batch in range(1, settings.iterations + 1):
        poses, labels = next(windows)
        heads = network(poses)
        heads = heads if heads.ndim == 3 else heads[None]
        loss = torch.stack(
            [cross_entropy(head, labels, settings.label_smoothing) for head in heads]
        ).sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item() / len(heads))
        hits.append((heads.detach().mean(0).argmax(1) == labels).float().mean().item())
        if batch % _REPORT_EVERY == 0 or batch == settings.iterations:
            report(batch, float(np.mean(losses)), float(np.mean(hits)))
            losses, hits = [], []
    return network.eval()


def simulated_windows(settings: Pretraining) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of augmented windows (N, 1, T, 17, 3) and their labels (N,), without end."""
    simulator = np.random.default_rng(settings.seed)
    generator = torch.Generator().manual_seed(settings.seed)
    while True:
        drawn = everyday.draw(
            _DRAWN_AT_ONCE,
            simulator,
            settings.model.windows.frames,
            seconds=(settings.shortest_seconds, settings.longest_seconds),
        )
        labels = torch.from_numpy(drawn.labels)
        poses = held(
            torch.from_numpy(drawn.poses),
            torch.from_numpy(drawn.seconds),
            settings.held_seconds,
            generator,
        )
        for index in torch.arange(_DRAWN_AT_ONCE).split(settings.batch_size):
            yield augment(poses[index], LAYOUT, settings.augmentation, generator), labels[index]


def held(windows: Tensor, seconds: Tensor, least: float, generator: torch.Generator) -> Tensor:
    """Make short windows last `least` seconds, as short clips do (har/dataset/windows.py).

    The movement comes at a random time; before and after it the first and last pose are held.

    Args:
        windows: (N, M, T, V, C+1).
        seconds: (N,) their lengths.
        least: the shortest length that they are to have.
        generator: source of randomness.
    """
    number, _, frames = windows.shape[:3]
    own = seconds[:, None]
    total = own.clamp(min=least)
    start = (own - total) * torch.rand(number, 1, generator=generator)
    positions = (start + total * torch.linspace(0, 1, frames)) / own * (frames - 1)
    flat = windows.transpose(1, 2).flatten(0, 1)
    lengths = torch.full((number,), frames)
    return interpolate(flat, torch.arange(number) * frames, lengths, positions)
