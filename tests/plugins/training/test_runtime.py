import pytest
import torch
from torch import nn

from fib_plugins.training.runtime import (
    check_bfloat16,
    cpu_threads,
    fabric_on,
    items_at_once,
    multiplies_bfloat16,
)
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


@pytest.mark.parametrize(
    ("bytes_each", "most", "expected"),
    [(100, 64, 5), (100, 4, 4), (2000, 64, 1), (1, 10**6, 500)],
)
def test_a_gpu_gets_what_fits_in_half_of_its_free_memory(
    monkeypatch: pytest.MonkeyPatch, bytes_each: int, most: int, expected: int
) -> None:
    # 400 bytes are free, and 600 more that torch holds but does not use.
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (400, 2000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 700)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 100)
    assert items_at_once(torch.device("cuda", 0), bytes_each, most) == expected


def test_the_cpu_gets_one_item_at_a_time() -> None:
    assert items_at_once(torch.device("cpu"), 1, 64) == 1


@pytest.mark.parametrize(
    ("found", "multiplies"),
    [
        ({"architecture": "x86_64", "avx512_f": True, "avx512_bf16": False}, False),
        ({"architecture": "x86_64", "avx512_bf16": True}, True),
        ({"architecture": "x86_64", "amx_bf16": True}, True),
        ({"architecture": "aarch64", "bf16": True}, True),
        ({"architecture": "aarch64", "neon": True}, False),
    ],
    ids=str,
)
def test_bfloat16_is_refused_where_it_would_be_emulated(
    monkeypatch: pytest.MonkeyPatch, found: dict[str, object], multiplies: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: found, raising=False)
    assert multiplies_bfloat16() == multiplies
    if multiplies:
        check_bfloat16()
    else:
        with pytest.raises(FibError, match="would have to emulate it, which takes longer"):
            check_bfloat16()
