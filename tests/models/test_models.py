"""Every network keeps the same promises."""

import pytest
import torch
from torch import nn

from har.models import build, fold_batch_norms
from har.models.keras_lstm import pack_steps, quick_dropout
from har.models.two_stream import Stream
from har.params import Model, Windows
from har.skeleton import LAYOUTS, Layout

COCO = LAYOUTS["coco17"]
FRAMES, CLASSES = 32, 5
WINDOWS = Windows(frames=FRAMES, longest=200, shortest_share=0.6, test_longest=160, test_windows=3)
WHOLE = WINDOWS.model_copy(update={"frames": 0})


def settings(arch: str, width: int, layers: int, **other: object) -> Model:
    windows = WHOLE if arch in ("keras_lstm", "pytorch_lstm") else WINDOWS
    about = {"arch": arch, "width": width, "layers": layers, "dropout": 0.1, "windows": windows}
    return Model.model_validate(about | other)


ON_WINDOWS = {
    "two_stream": settings("two_stream", 32, 3, stem_stride=2),
    "lstm": settings("lstm", 32, 1),
    "ddnet": settings("ddnet", 16, 1),
    "stgcn": settings("stgcn", 12, 4),
}
REFERENCES = {
    "keras": settings("keras_lstm", 16, 2),
    "pytorch": settings("pytorch_lstm", 16, 1),
}
ALL = {**ON_WINDOWS, **REFERENCES}


def poses(number: int, persons: int = 2, layout: Layout = COCO, seed: int = 0) -> torch.Tensor:
    """Random smooth windows in pixels, a tenth of the joints missing."""
    generator = torch.Generator().manual_seed(seed)
    joints, channels = len(layout.joints), layout.dimensions + 1
    rest = torch.rand(number, persons, 1, joints, channels, generator=generator) * 200
    steps = torch.randn(number, persons, FRAMES, joints, channels, generator=generator)
    windows = rest + 5 * steps.cumsum(2)
    windows[..., -1] = 0.9
    missing = torch.rand(windows.shape[:-1], generator=generator) < 0.1
    return windows * ~missing[..., None]


def inputs(name: str, windows: torch.Tensor) -> torch.Tensor:
    """Windows as a network takes them: the references' LSTMs know one person and no pixels."""
    return windows[:, :1] / 200 if name in REFERENCES else windows


def network(name: str, layout: Layout = COCO) -> nn.Module:
    torch.manual_seed(0)
    return build(ALL[name], CLASSES, layout)


def used(name: str) -> nn.Module:
    """A network whose batch norms have seen a batch, in evaluation mode."""
    model = network(name)
    model(inputs(name, poses(16)))
    return model.eval()


def loss_of(found: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of each of a network's classifiers: in training it may have several."""
    heads = found.reshape(-1, *found.shape[-2:])
    return sum(nn.functional.nll_loss(head, labels) for head in heads)


@pytest.mark.parametrize(("stride", "frames"), [(1, 8), (2, 4), (3, 3)])
def test_the_stem_leaves_one_of_so_many_frames(stride: int, frames: int) -> None:
    """Two blocks after the first halve them again."""
    stream = Stream(6, 8, 3, stride).eval()
    assert stream(torch.rand(2, 6, 1, FRAMES)).shape == (2, 16, 1, frames)
    # Every frame is seen by it, whichever are left.
    windows = torch.rand(1, 6, 1, FRAMES, requires_grad=True)
    stream[1](windows).sum().backward()
    assert (windows.grad != 0).all()


@pytest.mark.parametrize("layout", list(LAYOUTS))
@pytest.mark.parametrize("name", list(ALL))
def test_shapes_and_gradients(name: str, layout: str) -> None:
    model = network(name, LAYOUTS[layout])
    found = model(inputs(name, poses(4, layout=LAYOUTS[layout])))
    assert found.shape == ((3, 4, CLASSES) if name == "two_stream" else (4, CLASSES))
    torch.testing.assert_close(found.exp().sum(-1), torch.ones(found.shape[:-1]))
    loss_of(found, torch.tensor([0, 1, 2, 3])).backward()
    for weight_name, weight in model.named_parameters():
        if weight.requires_grad:
            assert weight.grad is not None and weight.grad.isfinite().all(), weight_name
            assert weight.grad.abs().sum() > 0, weight_name
    found = model.eval()(inputs(name, poses(3, layout=LAYOUTS[layout])))
    torch.testing.assert_close(found.exp().sum(-1), torch.ones(3))


@pytest.mark.parametrize("name", list(ON_WINDOWS))
def test_persons_may_come_in_any_order_and_beside_empty_slots(name: str) -> None:
    model, windows = used(name), poses(4, persons=2)
    expected = model(windows)
    torch.testing.assert_close(model(windows.flip(1)), expected)
    empty = torch.zeros_like(windows[:, :1])
    torch.testing.assert_close(model(torch.cat((empty, windows, empty), 1)), expected)
    assert not torch.allclose(model(windows[:, :1]), expected)


@pytest.mark.parametrize("name", list(ON_WINDOWS))
def test_place_and_size_do_not_count(name: str) -> None:
    model, windows = used(name), poses(4)
    seen = windows[..., -1:] > 0
    moved = torch.cat(((windows[..., :-1] * 3 + 70) * seen, windows[..., -1:]), -1)
    torch.testing.assert_close(model(moved), model(windows), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", list(ON_WINDOWS))
def test_a_clip_does_not_depend_on_its_batch(name: str) -> None:
    model, windows = used(name), poses(4)
    torch.testing.assert_close(model(windows)[1:2], model(windows[1:2]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", list(ALL))
def test_windows_without_a_joint_give_numbers(name: str, training: bool) -> None:
    model = used(name).train(training)
    windows = poses(4)
    windows[1] = 0
    windows[2, 0] = 0
    windows[3, :, :, 1:] = 0
    for batch in (windows, windows * 0):
        found = model(inputs(name, batch))
        found.sum().backward()
        assert found.isfinite().all()
    for weight_name, weight in model.named_parameters():
        if weight.grad is not None:
            assert weight.grad.isfinite().all(), weight_name


@pytest.mark.parametrize("name", list(ALL))
def test_learns_eight_clips_by_heart(name: str) -> None:
    model, windows = network(name), inputs(name, poses(8))
    labels = torch.arange(8) % CLASSES
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(20):
        model.train()
        for _ in range(10):
            loss = loss_of(model(windows), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        right = (model.eval()(windows).argmax(1) == labels).sum()
        if right == 8:
            break
    assert right == 8


@pytest.mark.parametrize("name", list(ALL))
def test_weights_carry_the_whole_network(name: str) -> None:
    model, windows = used(name), inputs(name, poses(4, seed=1))
    torch.manual_seed(1)
    other = build(ALL[name], CLASSES, COCO).eval()
    assert not torch.allclose(other(windows), model(windows))
    other.load_state_dict(model.state_dict())
    assert torch.equal(other(windows), model(windows))


@pytest.mark.parametrize(
    ("chosen", "parameters"),
    [
        (settings("keras_lstm", 32, 1, dropout=0.0), 8_741),
        (settings("keras_lstm", 64, 2, dropout=0.5), 58_693),
        (settings("pytorch_lstm", 128, 1, dropout=0.0), 84_613),
        (settings("pytorch_lstm", 128, 1, dropout=0.4), 84_869),
    ],
)
def test_references_have_their_size(chosen: Model, parameters: int) -> None:
    model = build(chosen, 5, COCO)
    assert (
        sum(weight.numel() for weight in model.parameters() if weight.requires_grad) == parameters
    )


def test_peers_have_their_published_size() -> None:
    def size(chosen: Model, classes: int) -> int:
        return sum(weight.numel() for weight in build(chosen, classes, COCO).parameters())

    # DD-Net: 1.82 M for 21 classes of 15 joints; ST-GCN++: 1.39 M for 60 classes of 17 joints.
    assert size(settings("ddnet", 64, 1), 21) == pytest.approx(1.82e6, rel=0.02)
    assert size(settings("stgcn", 64, 10), 60) == pytest.approx(1.39e6, rel=0.01)
    assert size(settings("two_stream", 64, 3), 101) < 1.5e6


@pytest.mark.parametrize("name", ["lstm", "pytorch"])
def test_batch_normalisation_comes_with_dropout(name: str) -> None:
    norms = []
    for dropout in (0.0, 0.4):
        model = build(ALL[name].model_copy(update={"dropout": dropout}), CLASSES, COCO)
        norms.append(isinstance(model.norm, nn.BatchNorm1d))
        assert model.dropout.p == dropout
    assert norms == [False, True]


@pytest.mark.parametrize("name", list(ALL))
def test_what_a_classifier_reads_is_dropped_at_the_settings_rate(name: str) -> None:
    torch.manual_seed(0)
    model = build(ALL[name].model_copy(update={"dropout": 0.7}), CLASSES, COCO)
    read: list[torch.Tensor] = []
    for layer in model.modules():
        if isinstance(layer, nn.Linear) and layer.out_features == CLASSES:
            layer.register_forward_pre_hook(lambda _, given: read.append(given[0]))
    model.train()(inputs(name, poses(16)))
    for given in read:
        assert (given == 0).float().mean().item() == pytest.approx(0.7, abs=0.1)
    assert len(read) == (3 if name == "two_stream" else 1)


def test_masked_lstm_is_the_lstm_of_the_valid_steps() -> None:
    """Each of more clips than are computed together by itself, its zero steps cut out by hand."""
    model = used("keras")
    x = inputs("keras", poses(40)) + 0.01
    x[1, :, 20:] = 0
    x[2, :, 5:12] = 0
    x[3, :, ::2] = 0
    x[4] = 0
    for clip in range(5, 40):
        x[clip, :, clip % FRAMES + 1 :] = 0
    together = model(x)
    for clip in (*range(4), *range(5, 40)):
        steps = x[clip, 0, ..., :-1].flatten(1)
        states, _ = model.lstm(steps[steps.any(1)][None])
        expected = model.classifier(states[0, -1]).log_softmax(0)
        torch.testing.assert_close(together[clip], expected)
    torch.testing.assert_close(together[4], model.classifier.bias.log_softmax(0))
    # In training the layers are computed one by one, with a dropout of their own between them.
    model.lstm.dropout, model.dropout.p = 1e-9, 0.0
    torch.testing.assert_close(model.train()(x), together)


def test_quick_dropout_is_dropout() -> None:
    torch.manual_seed(0)
    x = torch.full((500, 400), 3.0)
    found = quick_dropout(x, 0.2)
    assert set(found.unique().tolist()) == {0.0, 3.0 / 0.8}
    kept = (found > 0).float()
    assert kept.mean().item() == pytest.approx(0.8, abs=0.005)
    for axis in (0, 1):  # each number is drawn by itself
        assert kept.mean(axis).std().item() == pytest.approx((0.16 / x.shape[axis]) ** 0.5, rel=0.2)


def test_classifiers_of_the_default_network_are_averaged() -> None:
    model, windows = used("two_stream"), poses(4)
    found = model(windows).exp()
    model.train()
    for part in model.modules():
        if isinstance(part, (nn.modules.batchnorm._BatchNorm, nn.modules.dropout._DropoutNd)):
            part.eval()
    product = model(windows).exp().prod(0) ** (1 / 3)
    torch.testing.assert_close(found, product / product.sum(-1, keepdim=True))


def test_pack_steps_keeps_the_order() -> None:
    x = torch.tensor([[0.0, 3, 0, 1, 2], [5, 0, 0, 0, 4]])[..., None]
    packed, number = pack_steps(x)
    assert packed[..., 0].tolist() == [[3, 1, 2, 0, 0], [5, 4, 0, 0, 0]]
    assert number.tolist() == [3, 2]


def test_of_nobody_all_classes_are_equal() -> None:
    model, windows = used("two_stream"), poses(2)
    windows[1] = 0
    torch.testing.assert_close(model(windows)[1].exp(), torch.full((CLASSES,), 1 / CLASSES))
    torch.testing.assert_close(model(windows * 0)[0].exp(), torch.full((CLASSES,), 1 / CLASSES))


@pytest.mark.parametrize("name", list(ALL))
def test_folded_batch_norms_give_the_same_answers(name: str) -> None:
    model, windows = used(name), inputs(name, poses(4, seed=1))
    expected, weights = model(windows), len(list(model.parameters()))
    folded = fold_batch_norms(model)
    torch.testing.assert_close(folded(windows), expected, rtol=1e-4, atol=1e-5)
    convolves = name in ("two_stream", "ddnet", "stgcn")
    assert (len(list(folded.parameters())) < weights) == convolves
