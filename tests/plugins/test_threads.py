import threading
import time

import pytest

from fib_plugins.threads import in_threads


@pytest.mark.parametrize("threads", [0, 1, 2, 5])
def test_results_come_in_the_order_of_the_items(threads):
    def late_first(item):
        time.sleep(0.02 / (item + 1))
        return item * item

    assert in_threads(late_first, range(7), threads) == [i * i for i in range(7)]


def test_as_many_calls_as_threads_run_at_a_time():
    barrier = threading.Barrier(3, timeout=5)
    assert sorted(in_threads(lambda _: barrier.wait(), range(6), 3)) == [0, 0, 1, 1, 2, 2]


def test_one_thread_is_the_caller_itself():
    assert in_threads(lambda _: threading.current_thread(), [0], 1) == [threading.current_thread()]


@pytest.mark.parametrize("threads", [1, 2])
def test_an_error_is_raised_and_nothing_further_begun(threads):
    begun = []

    def fail(item):
        begun.append(item)
        time.sleep(0.01)
        raise ValueError(f"item {item}")

    with pytest.raises(ValueError, match="item 0"):
        in_threads(fail, range(200), threads)
    assert len(begun) < 100
