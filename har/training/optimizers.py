"""Optimisers: torch's, and Adam as Keras has it."""

import math
from collections.abc import Callable, Collection, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from har.params import Train


def make_optimizer(
    network: nn.Module, settings: Train, pretrained: Collection[str] = ()
) -> torch.optim.Optimizer:
    """Adam with L2 on every weight, AdamW that decays matrices only, or Adam as Keras has it.

    Args:
        network: the network to train.
        settings: which optimiser, its rates.
        pretrained: names of weights that learn at `settings.encoder_lr` of the learning rate;
            AdamW only.
    """
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    if settings.optimizer == "keras_adam":
        return KerasAdam(weights, settings.lr, settings.epsilon)
    if settings.optimizer == "adam":
        return torch.optim.Adam(
            weights, settings.lr, eps=settings.epsilon, weight_decay=settings.weight_decay
        )
    new = [weight for name, weight in network.named_parameters() if name not in pretrained]
    groups = [(new, settings.lr)]
    if pretrained:
        started = [weight for name, weight in network.named_parameters() if name in pretrained]
        groups.append((started, settings.lr * settings.encoder_lr))
    return adamw(groups, settings.weight_decay, settings.epsilon)


def adamw(
    groups: Iterable[tuple[list[nn.Parameter], float]], weight_decay: float, epsilon: float = 1e-8
) -> torch.optim.AdamW:
    """AdamW that decays matrices and leaves vectors alone.

    Args:
        groups: weights and their learning rate.
        weight_decay: of the matrices.
        epsilon: keeps a step finite where gradients are 0.
    """
    return torch.optim.AdamW(
        [
            {"params": some, "weight_decay": decay, "lr": lr}
            for weights, lr in groups
            for some, decay in (
                ([weight for weight in weights if weight.ndim > 1], weight_decay),
                ([weight for weight in weights if weight.ndim <= 1], 0.0),
            )
        ],
        eps=epsilon,
        fused=True,
    )


class KerasAdam(torch.optim.Adam):
    """Adam that adds epsilon where Keras does: before the second moment's bias is corrected.

    torch adds it afterwards: Keras' 1e-7 is like 3e-6 in torch's first step, and like 1e-7 in the
    end.
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
