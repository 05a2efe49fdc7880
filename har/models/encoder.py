"""The encoder of a pre-trained network: all of it but its classifiers."""

from collections.abc import Mapping

from torch import Tensor, nn


def encoder_of(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A network's weights without its classifiers."""
    return {
        name: weight.float() if weight.is_floating_point() else weight
        for name, weight in weights.items()
        if not name.startswith("classifiers.")
    }


def fits(encoder: Mapping[str, Tensor], network: nn.Module) -> bool:
    """Whether every weight of an encoder has its place, of its shape, in a network."""
    own = network.state_dict()
    return bool(encoder) and all(
        name in own and own[name].shape == weight.shape for name, weight in encoder.items()
    )
