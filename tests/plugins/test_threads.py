import threading
import time
from types import SimpleNamespace

import pytest

from fib_plugins import threads
from fib_plugins.threads import bytes_in_threads, in_threads, threads_for


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


@pytest.fixture
def one_gigabyte(monkeypatch):
    monkeypatch.setattr(threads, "_most_bytes", lambda: 10**9)


@pytest.mark.usefixtures("one_gigabyte")
def test_fewer_threads_are_at_work_where_each_takes_much_memory():
    assert threads_for(0, 8) == 8
    assert threads_for(10**9 // 8, 8) == 8
    assert threads_for(10**9 // 3, 8) == 3
    assert threads_for(10**10, 8) == 1


def test_a_large_machine_gives_threads_a_share_of_its_memory(monkeypatch):
    for total, most in ((2**34, threads.WORK_BYTES), (2**38, 2**34)):
        monkeypatch.setattr(
            "psutil.virtual_memory", lambda total=total: SimpleNamespace(total=total)
        )
        assert threads._most_bytes.__wrapped__() == most


@pytest.mark.usefixtures("one_gigabyte")
def test_a_forecast_counts_the_threads_that_have_work(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 6)
    assert bytes_in_threads(1000) == 6000
    assert bytes_in_threads(1000, parts=2) == 2000
    assert bytes_in_threads(10**9) == 10**9
