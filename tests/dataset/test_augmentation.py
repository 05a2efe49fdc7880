"""Windows and augmentation against plain loops and geometry."""

import numpy as np
import pytest
import torch

from har.dataset import augmentation
from har.dataset import windows as windows_of
from har.models.features import PoseFeatures
from har.params import Augmentation, Windows
from har.skeleton import LAYOUTS
from tests.tiny import FOUR_JOINTS

COCO = LAYOUTS["coco17"]
WINDOWS = Windows(frames=16, longest=40, shortest_share=0.5, test_longest=20, test_windows=3)
NOTHING = Augmentation(flip=0, scale=0, rotation=0, noise=0, hide=0, limb=0)


def clips(lengths: list[int], persons: int = 2) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Packed random clips with a fifth of the joints missing."""
    generator = torch.Generator().manual_seed(0)
    frames = torch.rand(sum(lengths), persons, 17, 3, generator=generator) * 100
    frames[..., :2] -= 50
    frames[..., 2] = torch.rand(frames.shape[:-1], generator=generator)
    frames *= (torch.rand(frames.shape[:-1], generator=generator) > 0.2)[..., None]
    number = torch.tensor(lengths)
    return frames, number.cumsum(0) - number, number


def changed(**settings: float) -> Augmentation:
    return NOTHING.model_copy(update=settings)


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
    frames = torch.arange(100.0)[:, None, None, None].expand(100, 1, 17, 3).clone()
    frames[..., 2] = 1
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
    frames = torch.arange(100.0)[:, None, None, None].expand(100, 1, 17, 3).clone()
    frames[..., 2] = 1
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
    frames = torch.arange(40.0)[:, None, None, None].expand(40, 1, 17, 3).clone()
    frames[..., 2] = 1
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
    frames = torch.arange(81.0)[:, None, None, None].expand(81, 1, 17, 3).clone()
    frames[..., 2] = 1
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
    frames = torch.arange(50.0)[:, None, None, None].expand(50, 1, 17, 3).clone()
    frames[..., 2] = 1
    one = WINDOWS.model_copy(update={"test_windows": 1})
    windows = windows_of.test_windows(frames, torch.tensor([0]), torch.tensor([50]), one)
    assert windows.shape[1] == 1
    assert windows[0, 0, 0, 0, 0, 0] + windows[0, 0, 0, -1, 0, 0] == 49


def test_windows_stay_on_the_device_of_their_frames() -> None:
    """The meta device has no numbers, but refuses to be mixed with another, as an accelerator."""
    frames = torch.ones(100, 2, 17, 3, device="meta")
    offsets = torch.zeros(3, dtype=torch.long, device="meta")
    assert windows_of.test_windows(frames, offsets, offsets + 30, WINDOWS).is_meta
    generator = torch.Generator()
    windows = windows_of.training_windows(frames, offsets, offsets + 30, WINDOWS, generator)
    everything = Augmentation(flip=0.5, scale=0.1, rotation=0.1, noise=0.1, hide=0.5, limb=0.5)
    windows = augmentation.augment(windows, COCO, everything, generator)
    posture, motion = PoseFeatures(COCO).to("meta")(windows[:, 0])
    assert posture.is_meta and motion.is_meta


def test_nothing_switched_on_changes_nothing() -> None:
    windows = clips([16])[0].transpose(0, 1)[None]
    same = augmentation.augment(windows, COCO, NOTHING, torch.Generator().manual_seed(0))
    torch.testing.assert_close(same, windows)


@pytest.mark.parametrize("layout", ["coco17", "ntu25"])
def test_flip_exchanges_left_and_right(layout: str) -> None:
    shape = LAYOUTS[layout]
    windows = torch.rand(3, 2, 4, len(shape.joints), shape.dimensions + 1) + 0.1
    flipped = augmentation.augment(windows, shape, changed(flip=1), torch.Generator())
    left, right = shape.pairs[0]
    torch.testing.assert_close(flipped[..., left, 0], -windows[..., right, 0])
    torch.testing.assert_close(flipped[..., left, 1:], windows[..., right, 1:])
    torch.testing.assert_close(
        augmentation.augment(flipped, shape, changed(flip=1), torch.Generator()), windows
    )


def test_rotation_keeps_lengths_and_scale_keeps_the_axes() -> None:
    windows = torch.rand(50, 1, 4, 17, 3) + 0.1
    generator = torch.Generator().manual_seed(0)
    turned = augmentation.augment(windows, COCO, changed(rotation=0.15), generator)
    torch.testing.assert_close(turned[..., :2].norm(dim=-1), windows[..., :2].norm(dim=-1))
    cosine = (turned[..., :2] * windows[..., :2]).sum(-1) / windows[..., :2].square().sum(-1)
    angle = cosine[:, 0, 0, 0].clamp(max=1).acos()
    assert 0.1 < angle.square().mean().sqrt() < 0.2
    stretched = augmentation.augment(windows, COCO, changed(scale=0.15), generator)
    factor = (stretched / windows)[..., :2]
    torch.testing.assert_close(factor, factor[:, :1, :1, :1].expand_as(factor))
    assert 0.85 <= factor.min() < 0.9 and 1.1 < factor.max() <= 1.15
    axes = factor[:, 0, 0, 0].T  # each clip's x and y
    assert abs(torch.corrcoef(axes)[0, 1]) < 0.5


def test_noise_is_a_share_of_the_body_and_spares_missing_joints() -> None:
    windows = clips([400], persons=1)[0].transpose(0, 1)[None]
    seen = windows[..., 2] > 0
    shift = []
    for factor in (1.0, 10.0):
        noisy = augmentation.augment(
            windows * torch.tensor([factor, factor, 1.0]),
            COCO,
            changed(noise=0.01),
            torch.Generator().manual_seed(0),
        )
        assert (noisy[~seen] == 0).all()
        change = noisy[..., :2] / factor - windows[..., :2]
        shift.append(change[seen].std().item())
    # Uniform in a square of 100: joints are about 41 from the centre, root mean square.
    assert shift[0] == pytest.approx(0.41, rel=0.1)
    assert shift[1] == pytest.approx(shift[0], rel=1e-3)


def test_hidden_joints_are_gone_for_the_whole_window() -> None:
    windows = torch.rand(2000, 2, 3, 17, 3) + 0.1
    generator = torch.Generator().manual_seed(0)
    hidden = augmentation.augment(windows, COCO, changed(hide=0.3), generator)
    gone = hidden[..., 2] == 0
    assert (hidden[gone] == 0).all()
    assert (gone.all(2) == gone.any(2)).all()
    per_person = gone.any(2).sum(-1).float()
    assert per_person.mean() == pytest.approx(0.3 * 2, rel=0.1)
    # Persons are drawn one by one: 30 % of them, less those where none of the joints was hit.
    assert (per_person > 0).float().mean() == pytest.approx(0.3 * (1 - (15 / 17) ** 17), rel=0.1)


def test_the_generator_decides_everything() -> None:
    frames, offsets, lengths = clips([30, 50])
    settings = Augmentation(flip=0.5, scale=0.1, rotation=0.1, noise=0.01, hide=0.3, limb=0.3)

    def once(seed: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        windows = windows_of.training_windows(frames, offsets, lengths, WINDOWS, generator)
        return augmentation.augment(windows, COCO, settings, generator)

    assert torch.equal(once(3), once(3))
    assert not torch.equal(once(3), once(4))


@pytest.mark.parametrize("name", ["coco17", "ntu25"])
def test_a_limb_is_a_joint_and_all_further_out(name: str) -> None:
    layout = LAYOUTS[name]
    table = augmentation.limbs(layout)
    assert len(table) == len(layout.bones)
    for row, (joint, _) in enumerate(layout.bones):
        inside = {joint}
        for _ in layout.joints:  # grow the set until nothing is added
            inside |= {j for j, parent in layout.bones if parent in inside}
        assert set(table[row].nonzero()[:, 0].tolist()) == inside


def test_half_of_the_time_the_other_side_is_hidden_too() -> None:
    # Of four joints, three have bones: the hip with both knees, and each knee.
    windows = torch.ones(3000, 1, 2, 4, 3)
    hidden = augmentation.augment(
        windows, FOUR_JOINTS, changed(limb=1), torch.Generator().manual_seed(0)
    )
    gone = (hidden[:, 0, 0, :, 2] == 0).int()
    whole, shares = gone.unique(dim=0, return_counts=True)
    assert whole.tolist() == [[0, 0, 0, 1], [0, 0, 1, 0], [0, 0, 1, 1], [0, 1, 1, 1]]
    torch.testing.assert_close(
        shares / 3000, torch.tensor([1 / 6, 1 / 6, 1 / 3, 1 / 3]), rtol=0, atol=0.03
    )


def test_limb_hides_whole_limbs_for_the_whole_window() -> None:
    windows = torch.ones(400, 1, 3, 17, 3)
    hidden = augmentation.augment(
        windows, COCO, changed(limb=0.25), torch.Generator().manual_seed(0)
    )
    seen = hidden[:, 0, :, :, 2] > 0
    assert (seen == seen[:, :1]).all()
    table = augmentation.limbs(COCO)
    both = table | table[:, torch.as_tensor(COCO.flip)]
    allowed = {tuple(row.tolist()) for row in torch.cat((table, both))}
    gone = [tuple(row.tolist()) for row in ~seen[:, 0] if not row.all()]
    assert 0.15 < sum(map(any, gone)) / 400 < 0.35
    assert {row for row in gone if any(row)} <= allowed
    assert (hidden[~(hidden[..., 2] > 0)] == 0).all()
