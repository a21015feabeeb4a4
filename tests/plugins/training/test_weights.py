import numpy as np
import pytest
import torch
from torch import nn

from fib_plugins.training.weights import set_tensors, set_weights, tensors_of, weights_of
from fibcore import FibError


def network(fill: float) -> nn.Module:
    """A network with running statistics, channels-last weights, and a layer of two names."""
    layer = nn.Conv2d(2, 2, 3, padding=1)
    net = nn.Sequential(layer, nn.BatchNorm2d(2), layer)
    for tensor in tensors_of(net).values():
        tensor.detach().copy_(fill + torch.arange(tensor.numel()).reshape(tensor.shape))
    return net.to(memory_format=torch.channels_last)


NAMES = {"0.weight", "0.bias", "1.weight", "1.bias"}
STATISTICS = {"1.running_mean", "1.running_var", "1.num_batches_tracked"}


def test_each_weight_and_statistic_is_there_once() -> None:
    assert tensors_of(network(0)).keys() == NAMES | STATISTICS


def test_weights_are_c_ordered_copies() -> None:
    net = network(0)
    weights = weights_of(net)
    assert all(array.flags.c_contiguous for array in weights.values())
    assert weights["0.weight"].ravel().tolist() == list(range(36))
    set_tensors(net, tensors_of(network(5)))
    assert weights["0.weight"][0, 0, 0, 0] == 0


def test_weights_set_in_another_network_make_it_the_same() -> None:
    one, two = network(0).eval(), network(7).eval()
    inputs = torch.linspace(-1, 1, 50).reshape(1, 2, 5, 5)
    assert not torch.equal(one(inputs), two(inputs))
    set_weights(two, weights_of(one))
    assert torch.equal(one(inputs), two(inputs))
    assert tensors_of(two)["1.running_var"].tolist() == [0, 1]


@pytest.mark.parametrize(
    "change",
    [
        {"0.weight": np.zeros((2, 2, 3, 4), np.float32)},
        {"another": np.zeros(2, np.float32)},
    ],
)
def test_weights_of_another_network_are_refused_before_any_is_set(
    change: dict[str, np.ndarray],
) -> None:
    net = network(0)
    with pytest.raises(FibError, match="do not fit the network"):
        set_weights(net, {**weights_of(network(5)), **change})
    assert weights_of(net)["0.bias"].tolist() == [0, 1]
