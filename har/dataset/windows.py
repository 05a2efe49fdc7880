"""Windows of clips, cut and resampled on whole batches in torch.

Clips lie back to back in one array of raw frames; a window is a stretch of one clip resampled to a
fixed number of frames, still in pixels. Settings tell lengths in frames of clips with 25 frames per
second: a window of 100 frames is one of 4 s, 240 frames of a clip with 60 frames per second.

A window shorter than `settings.shortest` is made as long as that. What lies before and after its
clip shows the clip's first and last frame: stretching it would hide the tempo of the movement.
"""

import torch
from torch import Tensor

from har.clips import USUAL_FPS
from har.params import Windows

# Length of the other test windows over the first one's, cross-validated (docs/model.md).
OTHER_WINDOWS_SHARE = 0.8


def whole_clips(frames: Tensor, offsets: Tensor, lengths: Tensor) -> Tensor:
    """Clips of one length T as they are, (N, M, T, V, C+1); arguments as for `training_windows`."""
    index = offsets[:, None] + torch.arange(int(lengths[0]), device=offsets.device)
    return frames[index].transpose(1, 2)


def training_windows(
    frames: Tensor,
    offsets: Tensor,
    lengths: Tensor,
    settings: Windows,
    generator: torch.Generator,
    fps: Tensor | None = None,
) -> Tensor:
    """Draw one random window from each clip, or take clips whole where `settings.frames` is 0.

    Args:
        frames: (F, M, V, C+1) raw frames of all clips back to back, coordinates and score.
        offsets: (N,) first frame of each wanted clip.
        lengths: (N,) its number of frames, at least 1.
        settings: how windows are cut.
        generator: source of randomness, on the frames' device.
        fps: (N,) frames per second, 0 where unknown; None: unknown for all.

    Returns:
        (N, M, T, V, C+1) windows.
    """
    if not settings.frames:
        return whole_clips(frames, offsets, lengths)
    draw = torch.rand(2, len(offsets), 1, generator=generator, device=frames.device)
    length = lengths[:, None].float()
    share = settings.shortest_share + (1 - settings.shortest_share) * draw[0]
    longest = own_frames(settings.longest, lengths, fps)[:, None]
    shortest = own_frames(settings.shortest, lengths, fps)[:, None]
    span = torch.maximum(torch.minimum(length, longest) * share, shortest) - 1
    span = span.clamp(min=0)
    start = (length - 1 - span) * draw[1]
    grid = torch.linspace(0, 1, settings.frames, device=frames.device)
    jitter = torch.randn(
        len(offsets), settings.frames, generator=generator, device=frames.device
    ) * (0.1 / settings.frames)
    return interpolate(frames, offsets, lengths, start + span * (grid + jitter).sort(-1).values)


def test_windows(
    frames: Tensor,
    offsets: Tensor,
    lengths: Tensor,
    settings: Windows,
    fps: Tensor | None = None,
) -> Tensor:
    """Cut the fixed windows that a clip is tested on.

    The first one lies in the middle and is as long as can be; the others are shorter and spread
    from the clip's start to its end. Where `settings.frames` is 0 it is the whole clip.

    Args:
        frames: (F, M, V, C+1) raw frames of all clips back to back, coordinates and score.
        offsets: (N,) first frame of each wanted clip.
        lengths: (N,) its number of frames, at least 1.
        settings: how windows are cut.
        fps: (N,) frames per second, 0 where unknown; None: unknown for all.

    Returns:
        (N, W, M, T, V, C+1) windows.
    """
    if not settings.frames:
        return whole_clips(frames, offsets, lengths)[:, None]
    others = settings.test_windows - 1
    share = torch.tensor([1.0] + [OTHER_WINDOWS_SHARE] * others, device=frames.device)
    place = torch.tensor([0.5, *torch.linspace(0, 1, others).tolist()], device=frames.device)
    longest = own_frames(settings.test_longest, lengths, fps)
    shortest = own_frames(settings.shortest, lengths, fps)[:, None]
    span = torch.minimum(lengths, longest)[:, None] - 1
    span = torch.maximum(span * share, shortest - 1).clamp(min=0)
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


def own_frames(number: int, lengths: Tensor, fps: Tensor | None) -> Tensor:
    """A length in frames of 25 per second as frames of each clip (N,), float32."""
    own = torch.full_like(lengths, number, dtype=torch.float32)
    return own if fps is None else torch.where(fps > 0, own * (fps / USUAL_FPS), own)


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
