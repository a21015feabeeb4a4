from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
import torch

from fib_plugins.training.prefetch import ahead, depth_for, to_device, to_host

DEPTHS = pytest.mark.parametrize("depth", [0, 1, 4])
CPU = torch.device("cpu")


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("ahead")]


@DEPTHS
def test_items_come_in_order(depth: int) -> None:
    def make(item: int) -> int:
        time.sleep(0.005 if item % 3 == 0 else 0.0)
        return item * item

    assert list(ahead(make, [5, 3, 8, 0, 9], depth)) == [25, 9, 64, 0, 81]
    assert list(ahead(make, [], depth)) == []
    assert threads() == []


def test_items_are_made_while_the_one_before_is_used() -> None:
    made = threading.Event()

    def make(item: int) -> int:
        if item == 1:
            made.set()
        return item

    with closing(ahead(make, range(2), 1)) as items:
        assert next(items) == 0
        assert made.wait(timeout=30)  # item 1 was not asked for yet
        assert next(items) == 1


@DEPTHS
def test_items_are_made_by_one_thread_no_further_ahead_than_told(depth: int) -> None:
    begun: list[tuple[int, int]] = []

    def make(item: int) -> int:
        begun.append((item, threading.get_ident()))
        return item

    with closing(ahead(make, range(50), depth)) as items:
        for item in range(3):
            assert next(items) == item
            time.sleep(0.02)
            assert item < len(begun) <= item + 1 + depth
    makers = {thread for _, thread in begun}
    assert len(makers) == 1
    assert (makers == {threading.get_ident()}) is (depth == 0)


@DEPTHS
def test_an_error_comes_where_its_item_would_have(depth: int) -> None:
    def make(item: int) -> int:
        if item == 2:
            raise KeyError("two")
        return item

    items = ahead(make, range(50), depth)
    assert [next(items), next(items)] == [0, 1]
    with pytest.raises(KeyError, match="two"):
        next(items)
    assert threads() == []


def left_early(items: Iterator[int]) -> None:
    for item in items:
        if item == 1:
            raise KeyboardInterrupt


@pytest.mark.parametrize("depth", [1, 4])
def test_the_thread_ends_when_the_loop_is_left_early(depth: int) -> None:
    begun: list[int] = []

    def make(item: int) -> int:
        begun.append(item)
        return item

    with pytest.raises(KeyboardInterrupt), closing(ahead(make, range(1000), depth)) as items:
        left_early(items)
    assert threads() == []
    assert len(begun) <= 2 + depth


def test_on_the_cpu_nothing_is_made_ahead_and_nothing_is_copied() -> None:
    assert depth_for(CPU) == 0
    assert depth_for(torch.device("cuda")) > 0
    tensor = torch.arange(24.0).reshape(1, 2, 3, 4).to(memory_format=torch.channels_last)
    assert to_device(tensor, CPU) is tensor
    assert to_host(tensor) is tensor


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_tensors_survive_the_way_to_a_gpu_and_back() -> None:
    device = torch.device("cuda", 0)
    tensor = torch.randn(2, 3, 40, 50).to(memory_format=torch.channels_last)
    there = to_device(tensor, device)
    assert there.device == device
    assert there.stride() == tensor.stride()
    assert torch.equal(to_host(there), tensor)
    assert torch.equal(to_host(there[:, :, 3:9, 5:]), tensor[:, :, 3:9, 5:])
