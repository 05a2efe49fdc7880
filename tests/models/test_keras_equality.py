"""Our LSTM is Keras': same weights in, same outputs out, same weights after a step of Adam."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import numpy as np
import pytest
import torch

from har.models import build
from har.params import Model, Windows
from har.skeleton import LAYOUTS
from har.training.optimizers import KerasAdam

tensorflow = pytest.importorskip(
    "tensorflow", reason="TensorFlow is not installed (it has an environment of its own)"
)
keras = tensorflow.keras

CLASSES, FRAMES, VALUES = 5, 40, 34
WINDOWS = Windows(frames=0, longest=200, shortest_share=0.6, test_longest=160, test_windows=3)


def our_model(width: int, layers: int) -> torch.nn.Module:
    """The same, without dropout, from our settings."""
    settings = Model(arch="keras_lstm", width=width, layers=layers, dropout=0.0, windows=WINDOWS)
    return build(settings, CLASSES, LAYOUTS["coco17"])


def keras_model(width: int, layers: int):
    """The reference's layers, without its dropout, which draws random numbers."""
    return keras.Sequential(
        [keras.Input((FRAMES, VALUES)), keras.layers.Masking(0.0)]
        + [keras.layers.LSTM(width, return_sequences=layer < layers - 1) for layer in range(layers)]
        + [keras.layers.Dense(CLASSES)]
    )


def named_weights(arrays: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Keras' weights or gradients under the names and in the orientation of ours."""
    named = {}
    for layer in range(len(arrays) // 3):
        kernel, recurrent, bias = arrays[3 * layer : 3 * layer + 3]
        named[f"lstm.weight_ih_l{layer}"] = kernel.T
        named[f"lstm.weight_hh_l{layer}"] = recurrent.T
        named[f"lstm.bias_ih_l{layer}"] = bias
        named[f"lstm.bias_hh_l{layer}"] = np.zeros_like(bias)
    named["classifier.weight"], named["classifier.bias"] = arrays[-2].T, arrays[-1]
    return named


def sequences() -> np.ndarray:
    """Zero frames nowhere, at the end, in the middle, at the start, and everywhere."""
    x = np.random.default_rng(0).uniform(0, 1, (6, FRAMES, VALUES)).astype(np.float32)
    x[1, 25:] = 0
    x[2, 10:17] = 0
    x[2, 30:] = 0
    x[3, :5] = 0
    x[4] = 0
    x[5, ::2] = 0
    return x


@pytest.mark.parametrize(("width", "layers", "parameters"), [(32, 1, 8741), (64, 2, 58693)])
def test_keras_lstm(width: int, layers: int, parameters: int) -> None:
    keras.utils.set_random_seed(1)
    theirs = keras_model(width, layers)
    ours = our_model(width, layers)
    assert theirs.count_params() == parameters
    assert sum(p.numel() for p in ours.parameters() if p.requires_grad) == parameters

    start = named_weights(theirs.get_weights())
    with torch.no_grad():
        for name, parameter in ours.named_parameters():
            parameter.copy_(torch.from_numpy(np.array(start[name])))
    x, labels = sequences(), np.array([0, 1, 2, 3, 4, 0])
    scores = torch.ones(6, 1, FRAMES, 17, 1)
    batch = torch.cat((torch.from_numpy(x).view(6, 1, FRAMES, 17, 2), scores), -1)
    expected = torch.from_numpy(theirs(x, training=False).numpy()).log_softmax(1)
    torch.testing.assert_close(ours.eval()(batch).detach(), expected, rtol=0, atol=1e-5)

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    their_optimiser = keras.optimizers.Adam(1e-3)
    our_optimiser = KerasAdam(p for p in ours.parameters() if p.requires_grad)
    ours.train()
    for step in range(3):
        with tensorflow.GradientTape() as tape:
            value = loss(labels, theirs(x, training=True))
        gradients = tape.gradient(value, theirs.trainable_variables)
        our_optimiser.zero_grad()
        torch.nn.functional.nll_loss(ours(batch), torch.from_numpy(labels)).backward()
        for name, gradient in named_weights([g.numpy() for g in gradients]).items():
            own = ours.get_parameter(name)
            if own.grad is not None:
                np.testing.assert_allclose(
                    own.grad.numpy(), gradient, atol=1e-6, err_msg=f"gradient of {name}, {step}"
                )
        their_optimiser.apply_gradients(zip(gradients, theirs.trainable_variables, strict=True))
        our_optimiser.step()
    after = named_weights(theirs.get_weights())
    for name, parameter in ours.named_parameters():
        np.testing.assert_allclose(parameter.detach().numpy(), after[name], atol=1e-5)
    # Each weight may move by 1e-3 a step: the comparison is not one of unmoved weights.
    assert np.abs(after["lstm.weight_ih_l0"] - start["lstm.weight_ih_l0"]).max() > 1e-3


def test_keras_starts_the_same_way() -> None:
    """Distributions can't be compared weight by weight: bounds, spread and orthogonality can."""
    torch.manual_seed(0)
    theirs = named_weights(keras_model(64, 2).get_weights())
    ours = our_model(64, 2)
    for name, parameter in ours.named_parameters():
        a, b = parameter.detach().numpy(), theirs[name]
        assert np.std(a) == pytest.approx(np.std(b), rel=0.1), name
        if "weight_ih" in name or name == "classifier.weight":
            assert np.abs(a).max() == pytest.approx(np.abs(b).max(), rel=0.02), name
        elif "weight_hh" in name:
            np.testing.assert_allclose(a.T @ a, np.eye(64), atol=1e-5)
            np.testing.assert_allclose(b.T @ b, np.eye(64), atol=1e-5)
        else:
            np.testing.assert_array_equal(a, b)
