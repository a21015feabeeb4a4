"""The weights of a network by name, as tensors while it trains and as arrays in a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import nn

from fibcore import FibError
from fibcore.text import described


def tensors_of(network: nn.Module) -> dict[str, torch.Tensor]:
    """Return all weights and running statistics by name: the network's own, not copies.

    Each tensor appears once, under its first name, even if the network has several names for it.
    """
    return {**dict(network.named_parameters()), **dict(network.named_buffers())}


def set_tensors(network: nn.Module, tensors: Mapping[str, torch.Tensor]) -> None:
    """Copy tensors, named and shaped as those of `tensors_of`, into a network on any device."""
    with torch.no_grad():
        for name, tensor in tensors_of(network).items():
            tensor.copy_(tensors[name])


def shapes_of(build: Callable[[], nn.Module]) -> dict[str, tuple[int, ...]]:
    """Return name -> shape of the weights of a network, built without allocating them.

    Raises:
        FibError: a network of this size cannot be built.
    """
    try:
        with torch.device("meta"):
            network = build()
    except (RuntimeError, OverflowError, TypeError, ValueError) as error:
        raise FibError(
            f"the model's parameters describe a network that cannot be built ({described(error)}): "
            f"the model is damaged; restore its files, or train another network"
        ) from error
    return {name: tuple(tensor.shape) for name, tensor in tensors_of(network).items()}


def weights_of(network: nn.Module) -> dict[str, np.ndarray]:
    """Return copies of all weights and running statistics as arrays."""
    return {
        name: np.array(tensor.detach().cpu().numpy(), order="C")
        for name, tensor in tensors_of(network).items()
    }


def set_weights(network: nn.Module, weights: Mapping[str, np.ndarray]) -> None:
    """Copy arrays, as `weights_of` gave them, into a network.

    Raises:
        FibError: they belong to another network.
    """
    tensors = tensors_of(network)
    fits = tensors.keys() == weights.keys() and all(
        tensors[name].numel() == array.size for name, array in weights.items()
    )
    if not fits:
        raise FibError(
            "the weights of the model do not fit the network that its parameters describe; "
            "its .safetensors and .json do not belong together: train again, or restore the pair"
        )
    shaped = {
        name: torch.from_numpy(np.array(weights[name])).reshape(tensor.shape)
        for name, tensor in tensors.items()
    }
    set_tensors(network, shaped)
