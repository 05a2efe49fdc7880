import numpy as np
import pytest
import torch
from torch import nn

from har.params import Train
from har.training.optimizers import KerasAdam, make_optimizer
from tests.training.test_trainer import TRAIN


def after_a_step(settings: Train) -> nn.Module:
    """A layer with weights 2 and biases 3 after a step without any gradient."""
    layer = nn.Linear(2, 2)
    with torch.no_grad():
        layer.weight.fill_(2)
        layer.bias.fill_(3)
    for weight in layer.parameters():
        weight.grad = torch.zeros_like(weight)
    make_optimizer(layer, settings).step()
    return layer


def test_adamw_decays_matrices_and_leaves_vectors_alone() -> None:
    changes = {"optimizer": "adamw", "lr": 0.1, "weight_decay": 0.5}
    layer = after_a_step(TRAIN.model_copy(update=changes))
    torch.testing.assert_close(layer.weight, torch.full((2, 2), 2 * (1 - 0.1 * 0.5)))
    assert layer.bias.tolist() == [3, 3]


@pytest.mark.parametrize("optimizer", ["adam", "keras_adam"])
def test_the_references_adam_moves_all_weights_or_none(optimizer: str) -> None:
    """L2 moves every weight by the learning rate, whatever its size; Keras' Adam has none."""
    changes = {"optimizer": optimizer, "lr": 0.1, "weight_decay": 0.5}
    layer = after_a_step(TRAIN.model_copy(update=changes))
    step = 0.1 if optimizer == "adam" else 0.0
    torch.testing.assert_close(layer.weight, torch.full((2, 2), 2 - step))
    torch.testing.assert_close(layer.bias, torch.full((2,), 3 - step))


def test_keras_adam_adds_epsilon_before_the_correction() -> None:
    weight = nn.Parameter(torch.tensor([1.0, 1.0]))
    optimizer = KerasAdam([weight], lr=0.1, eps=1e-2)
    gradients = np.array([[0.5, 1e-3], [0.1, 2e-3], [-0.2, 1e-3]])
    expected, mean, square = np.ones(2), np.zeros(2), np.zeros(2)
    for step, gradient in enumerate(gradients, start=1):
        weight.grad = torch.tensor(gradient, dtype=torch.float32)
        optimizer.step()
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient**2
        rate = 0.1 * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
        expected -= rate * mean / (np.sqrt(square) + 1e-2)
    np.testing.assert_allclose(weight.detach().numpy(), expected, rtol=1e-5)
