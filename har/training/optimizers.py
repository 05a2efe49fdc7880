"""Optimisers: torch's, and Adam as Keras has it."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from har.params import Train


def make_optimizer(network: nn.Module, settings: Train) -> torch.optim.Optimizer:
    """Adam with L2 on every weight, AdamW that decays matrices only, or Adam as Keras has it."""
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    if settings.optimizer == "keras_adam":
        return KerasAdam(weights, settings.lr, settings.epsilon)
    if settings.optimizer == "adam":
        return torch.optim.Adam(
            weights, settings.lr, eps=settings.epsilon, weight_decay=settings.weight_decay
        )
    matrices = [weight for weight in weights if weight.ndim > 1]
    vectors = [weight for weight in weights if weight.ndim <= 1]
    return torch.optim.AdamW(
        [
            {"params": matrices, "weight_decay": settings.weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ],
        settings.lr,
        eps=settings.epsilon,
    )


class KerasAdam(torch.optim.Adam):
    """Adam that adds epsilon where Keras does: before the second moment's bias is corrected.

    torch adds it afterwards, so Keras' 1e-7 acts like 3e-6 in torch's first step and like 1e-7 in
    the end.
    """

    def __init__(self, weights: Iterable[Tensor], lr: float = 1e-3, eps: float = 1e-7) -> None:
        """Make the optimiser; the defaults are those of Keras."""
        super().__init__(weights, lr, eps=eps, fused=True)
        self.epsilon = eps

    def step(self, closure: Callable[[], float] | None = None) -> Any:
        """Take one step."""
        steps = 1 + max((int(state["step"]) for state in self.state.values()), default=0)
        for group in self.param_groups:
            group["eps"] = self.epsilon / math.sqrt(1 - group["betas"][1] ** steps)
        return super().step(closure)
