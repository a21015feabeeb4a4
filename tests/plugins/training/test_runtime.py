import pytest
import torch
from torch import nn

from fib_plugins.training.runtime import cpu_threads, fabric_on
from fibcore import FibError


@pytest.mark.parametrize(
    ("precision", "expected"),
    [("auto", torch.float32), ("32", torch.float32), ("bf16", torch.bfloat16)],
)
def test_on_the_cpu_a_network_computes_with_the_bits_asked_for(
    precision: str, expected: torch.dtype, capfd: pytest.CaptureFixture[str]
) -> None:
    found: list[torch.dtype] = []
    network = nn.Linear(2, 2)
    network.register_forward_hook(lambda module, given, output: found.append(output.dtype))
    fabric = fabric_on("cpu", precision)
    fabric.setup_module(network)(torch.ones(1, 2))
    assert found == [expected]
    assert network.weight.dtype == torch.float32
    assert fabric.device == torch.device("cpu")
    assert capfd.readouterr() == ("", "")


def test_half_precision_is_refused_on_the_cpu() -> None:
    with pytest.raises(FibError, match="use '32' or 'bf16'"):
        fabric_on("cpu", "16")


def test_threads_are_set_inside_and_as_before_outside_even_after_an_error() -> None:
    before = torch.get_num_threads()
    with cpu_threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
    with pytest.raises(ZeroDivisionError), cpu_threads(before + 1):
        raise ZeroDivisionError
    assert torch.get_num_threads() == before
