import threading
import time
from collections.abc import Iterator

import pytest
import torch

from fib_plugins.training.ordered_work import in_order


def test_results_come_in_order_whatever_takes_longer() -> None:
    def work(item: int) -> int:
        time.sleep(0.02 if item % 3 == 0 else 0.0)
        return item * item

    items = [5, 3, 8, 1, 9, 0, 6]
    assert list(in_order(work, items, workers=3, threads=1)) == [n * n for n in items]


def test_several_items_are_worked_on_at_a_time() -> None:
    meeting = threading.Barrier(3, timeout=30)  # broken if not all three come

    def work(item: int) -> int:
        meeting.wait()
        return item

    assert list(in_order(work, range(6), workers=3, threads=1)) == list(range(6))


@pytest.mark.parametrize(("workers", "items"), [(1, 4), (0, 4), (4, 1), (4, 0)])
def test_one_worker_or_one_item_need_no_threads(workers: int, items: int) -> None:
    found = list(in_order(lambda _: threading.get_ident(), range(items), workers, threads=1))
    assert found == [threading.get_ident()] * items


def test_each_worker_has_its_number_of_torch_threads_and_the_caller_keeps_his() -> None:
    before = torch.get_num_threads()
    found = list(in_order(lambda _: torch.get_num_threads(), range(4), workers=2, threads=3))
    assert found == [3] * 4
    assert torch.get_num_threads() == before


def started(results: Iterator[int], begun: list[int]) -> int:
    """Return how many items were begun, after time enough for all of them."""
    next(results)
    time.sleep(0.1)
    return len(begun)


@pytest.mark.parametrize(("workers", "most"), [(1, 1), (3, 4)])
def test_work_goes_no_further_ahead_than_there_are_workers(workers: int, most: int) -> None:
    begun: list[int] = []

    def work(item: int) -> int:
        begun.append(item)
        return item

    results = in_order(work, range(50), workers, threads=1)
    assert started(results, begun) <= most
    results.close()
    assert len(begun) <= most  # and what was not begun is not begun any more


@pytest.mark.parametrize("workers", [1, 3])
def test_an_error_comes_in_its_turn_and_ends_the_work(workers: int) -> None:
    begun: list[int] = []

    def work(item: int) -> int:
        begun.append(item)
        if item == 2:
            raise KeyError("two")
        return item

    results = in_order(work, range(50), workers, threads=1)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(KeyError, match="two"):
        next(results)
    assert len(begun) <= 2 + 1 + workers
