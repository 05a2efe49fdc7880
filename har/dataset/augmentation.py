"""Augmentation of windows, on whole batches in torch.

Windows are in pixels, and networks normalise them; strengths are relative to the body, so the size
of the picture or the person does not matter.
"""

import functools

import torch
from torch import Tensor

from har.dataset.windows import training_windows
from har.geometry import body_size, frame_centres
from har.params import Augmentation, Windows
from har.skeleton import Layout


def training_batch(
    frames: Tensor,
    offsets: Tensor,
    lengths: Tensor,
    layout: Layout,
    windows: Windows,
    augmentation: Augmentation,
    generator: torch.Generator,
    fps: Tensor | None = None,
) -> Tensor:
    """Draw a window from each clip and augment it; whole clips are left as they are.

    Args:
        frames: (F, M, V, C+1) raw frames of all clips back to back, coordinates and score.
        offsets: (N,) first frame of each wanted clip.
        lengths: (N,) its number of frames, at least 1.
        layout: the layout of the joints.
        windows: how windows are cut.
        augmentation: strength of each augmentation.
        generator: source of randomness, on the frames' device.
        fps: (N,) frames per second, 0 where unknown; None: unknown for all.

    Returns:
        (N, M, T, V, C+1).
    """
    drawn = training_windows(frames, offsets, lengths, windows, generator, fps)
    return augment(drawn, layout, augmentation, generator) if windows.frames else drawn


def mirrored(windows: Tensor, layout: Layout) -> Tensor:
    """Mirror images of windows (N, M, T, V, C+1), left and right joints exchanged."""
    signs = torch.ones(windows.shape[-1], device=windows.device)
    signs[0] = -1
    return windows[..., torch.as_tensor(layout.flip, device=windows.device), :] * signs


@functools.cache
def limbs(layout: Layout) -> Tensor:
    """The joints that go with each bone: its own joint and all further out.

    Returns:
        bool (B, V), one row for each of the layout's bones.
    """
    table = torch.zeros(len(layout.bones), len(layout.joints), dtype=torch.bool)
    for row, (joint, _) in enumerate(layout.bones):
        for other in range(len(layout.joints)):
            step = other
            while step not in (joint, layout.parents[step]):
                step = layout.parents[step]
            table[row, other] = step == joint
    return table


def augment(
    windows: Tensor, layout: Layout, settings: Augmentation, generator: torch.Generator
) -> Tensor:
    """Flip, stretch, rotate, disturb and partly hide the persons of a batch of windows.

    All persons of a clip are moved alike; noise and hidden joints are drawn for each.

    Args:
        windows: (N, M, T, V, C+1) coordinates and score, 0 where missing.
        layout: names the joints that a mirror image exchanges.
        settings: strength of each augmentation.
        generator: source of randomness, on the windows' device.

    Returns:
        (N, M, T, V, C+1); missing joints stay missing.
    """
    number, persons, _, joints, channels = windows.shape
    dimensions, device = channels - 1, windows.device

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, device=device)

    flipped = uniform(number) < settings.flip
    exchanged = windows[..., torch.as_tensor(layout.flip, device=device), :]
    windows = torch.where(flipped[:, None, None, None, None], exchanged, windows)

    # One matrix per clip: mirror and stretch along the axes, then rotate in the image plane.
    stretch = 1 + settings.scale * (2 * uniform(number, dimensions) - 1)
    stretch[:, 0] *= torch.where(flipped, -1.0, 1.0)
    angle = settings.rotation * torch.randn(number, generator=generator, device=device)
    turn = torch.eye(dimensions, device=device).repeat(number, 1, 1)
    turn[:, 0, 0] = turn[:, 1, 1] = angle.cos()
    turn[:, 0, 1], turn[:, 1, 0] = angle.sin(), -angle.sin()
    matrix = stretch[:, :, None] * turn
    coordinates = (windows[..., :-1].flatten(1, 3) @ matrix).view_as(windows[..., :-1])
    score = windows[..., -1]

    if settings.hide > 0:
        chosen = uniform(number, persons, 1) < settings.hide
        hidden = chosen & (uniform(number, persons, joints) < 2 / joints)
        score = score * ~hidden[:, :, None]
    if settings.limb > 0:
        chosen = uniform(number, persons, 1) < settings.limb
        table = limbs(layout).to(device)
        limb = table[(uniform(number, persons) * len(table)).long()]
        # Half of the time the other side's goes too: both legs, both hands, all but the head.
        both = uniform(number, persons, 1) < 0.5
        limb = limb | (limb[..., torch.as_tensor(layout.flip, device=device)] & both)
        score = score * ~(chosen & limb)[:, :, None]
    seen = score > 0
    if settings.noise > 0:
        size = body_size(coordinates, seen, frame_centres(coordinates, seen, layout))
        noise = torch.randn(coordinates.shape, generator=generator, device=device)
        coordinates = coordinates + settings.noise * size[..., None, None, None] * noise
    return torch.cat((coordinates * seen[..., None], score[..., None]), -1)
