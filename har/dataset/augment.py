"""Windows of clips, and their augmentation, on whole batches in torch.

Clips lie back to back in one array of raw frames; a window is a stretch of one clip resampled to a
fixed number of frames. Everything here works in pixels: the networks normalise what they are
given, so no figure below depends on the size of the picture or of the person in it.
"""

import functools

import torch
from torch import Tensor

from har.models.features import body_size, frame_centres
from har.params import Augmentation, Windows
from har.skeleton import Layout

# Of the length of a test clip's first window; cross-validated on KTH and Penn (docs/model.md).
OTHER_WINDOWS_SHARE = 0.8


def training_windows(
    frames: Tensor,
    offsets: Tensor,
    lengths: Tensor,
    settings: Windows,
    generator: torch.Generator,
) -> Tensor:
    """Draw one random window from each clip.

    Args:
        frames: (F, M, V, C+1) raw frames of all clips back to back, coordinates and score.
        offsets: (N,) first frame of each wanted clip.
        lengths: (N,) its number of frames, at least 1.
        settings: how windows are cut.
        generator: source of randomness, on the frames' device.

    Returns:
        (N, M, T, V, C+1) windows.
    """
    draw = torch.rand(2, len(offsets), 1, generator=generator, device=frames.device)
    length = lengths[:, None].float()
    share = settings.shortest_share + (1 - settings.shortest_share) * draw[0]
    span = (length.clamp(max=settings.longest) * share - 1).clamp(min=0)
    start = (length - 1 - span) * draw[1]
    grid = torch.linspace(0, 1, settings.frames, device=frames.device)
    jitter = torch.randn(
        len(offsets), settings.frames, generator=generator, device=frames.device
    ) * (0.1 / settings.frames)
    return interpolate(frames, offsets, lengths, start + span * (grid + jitter).sort(-1).values)


def test_windows(frames: Tensor, offsets: Tensor, lengths: Tensor, settings: Windows) -> Tensor:
    """Cut the fixed windows a clip is judged by.

    The first one lies in the middle and is as long as can be; the others are shorter and spread
    from the clip's start to its end.

    Args:
        frames: (F, M, V, C+1) raw frames of all clips back to back, coordinates and score.
        offsets: (N,) first frame of each wanted clip.
        lengths: (N,) its number of frames, at least 1.
        settings: how windows are cut.

    Returns:
        (N, W, M, T, V, C+1) windows.
    """
    others = settings.test_windows - 1
    share = torch.tensor([1.0] + [OTHER_WINDOWS_SHARE] * others, device=frames.device)
    place = torch.tensor([0.5, *torch.linspace(0, 1, others).tolist()], device=frames.device)
    span = (lengths.clamp(max=settings.test_longest)[:, None] - 1) * share
    start = (lengths[:, None] - 1 - span) * place
    grid = torch.linspace(0, 1, settings.frames, device=frames.device)
    positions = start[..., None] + span[..., None] * grid  # (N, W, T)
    each = settings.test_windows
    windows = interpolate(
        frames,
        offsets.repeat_interleave(each),
        lengths.repeat_interleave(each),
        positions.flatten(0, 1),
    )
    return windows.unflatten(0, (len(offsets), each))


def interpolate(frames: Tensor, offsets: Tensor, lengths: Tensor, positions: Tensor) -> Tensor:
    """Resample clips at fractional frame positions, linearly, ignoring unseen neighbours.

    A joint seen in one of the two neighbouring frames only is taken from there; one seen in
    neither stays missing.

    Args:
        frames: (F, M, V, C+1) raw frames of all clips back to back.
        offsets: (N,) first frame of each clip.
        lengths: (N,) frames of each clip.
        positions: (N, T) positions counted from the clip's first frame; clamped to the clip.

    Returns:
        (N, M, T, V, C+1) float32.
    """
    last = lengths[:, None] - 1
    positions = torch.minimum(positions.clamp(min=0), last)
    before = positions.long()
    after = torch.minimum(before + 1, last)
    left = frames[offsets[:, None] + before]
    right = frames[offsets[:, None] + after]
    weight = (positions - before)[:, :, None, None]
    left_weight = (1 - weight) * (left[..., -1] > 0)
    right_weight = weight * (right[..., -1] > 0)
    total = left_weight + right_weight
    # Dividing by 1 where nothing was seen leaves the zeros of a missing joint.
    total = torch.where(total > 0, total, 1)
    mixed = left * (left_weight / total)[..., None] + right * (right_weight / total)[..., None]
    return mixed.transpose(1, 2)


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
        layout: names the joints that change places in a mirror image.
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
    mirrored = windows[..., torch.as_tensor(layout.flip, device=device), :]
    windows = torch.where(flipped[:, None, None, None, None], mirrored, windows)

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
