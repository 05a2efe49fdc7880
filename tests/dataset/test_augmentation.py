"""Augmentation against geometry and by counting."""

import pytest
import torch

from har.dataset import augmentation
from har.dataset.windows import test_windows as cut_test_windows
from har.dataset.windows import training_windows
from har.models.features import PoseFeatures
from har.params import Augmentation
from har.skeleton import LAYOUTS
from tests.dataset.test_windows import WINDOWS, clips
from tests.tiny import FOUR_JOINTS

COCO = LAYOUTS["coco17"]
NOTHING = Augmentation(flip=0, scale=0, rotation=0, noise=0, hide=0, limb=0)


def changed(**settings: float) -> Augmentation:
    return NOTHING.model_copy(update=settings)


def test_windows_stay_on_the_device_of_their_frames() -> None:
    """The meta device has no numbers, but refuses to be mixed with another, as an accelerator."""
    frames = torch.ones(100, 2, 17, 3, device="meta")
    offsets = torch.zeros(3, dtype=torch.long, device="meta")
    assert cut_test_windows(frames, offsets, offsets + 30, WINDOWS).is_meta
    whole = WINDOWS.model_copy(update={"frames": 0})
    assert cut_test_windows(frames, offsets, torch.full((3,), 30), whole).is_meta
    generator = torch.Generator()
    windows = training_windows(frames, offsets, offsets + 30, WINDOWS, generator)
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
        windows = training_windows(frames, offsets, lengths, WINDOWS, generator)
        return augmentation.augment(windows, COCO, settings, generator)

    assert torch.equal(once(3), once(3))
    assert not torch.equal(once(3), once(4))


def test_a_batch_of_windows_is_augmented_and_one_of_whole_clips_is_not() -> None:
    frames, offsets, lengths = clips([6, 6])
    for number, same in ((0, True), (8, False)):
        settings = WINDOWS.model_copy(update={"frames": number})
        given = frames, offsets, lengths, COCO, settings, changed(flip=1)
        batch = augmentation.training_batch(*given, torch.Generator().manual_seed(0))
        drawn = training_windows(*given[:3], settings, torch.Generator().manual_seed(0))
        torch.testing.assert_close(
            batch[..., 0], drawn[..., 0] if same else -drawn[..., COCO.flip, 0]
        )


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
