import os
import subprocess
import sys
import threading
import time

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from fibcore.threads import in_threads, one_blas_thread


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


def blas_threads():
    return {
        library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"
    }


def test_products_use_one_thread_inside_the_outermost_block_and_as_many_as_before_after_it():
    @one_blas_thread
    def inside():
        return blas_threads()

    with threadpool_limits(3, user_api="blas"):
        with one_blas_thread:
            assert inside() == {1}
            assert blas_threads() == {1}
        assert blas_threads() == {3}
        assert inside() == {1}
        assert blas_threads() == {3}


def test_a_block_that_ends_in_another_thread_does_not_end_this_one():
    @one_blas_thread
    def inside():
        return blas_threads()

    with threadpool_limits(3, user_api="blas"), one_blas_thread:
        assert in_threads(lambda _: inside(), range(4), 2) == [{1}] * 4
        assert blas_threads() == {1}


def test_libraries_that_are_loaded_inside_a_block_use_one_thread_too():
    program = (
        "import os, threadpoolctl\n"
        "from fibcore.threads import one_blas_thread\n"
        "with one_blas_thread:\n"
        "    import numpy, scipy.linalg\n"
        "    print(*{i['num_threads'] for i in threadpoolctl.threadpool_info()})\n"
        "print(os.environ['OPENBLAS_NUM_THREADS'])\n"
    )
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "2"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["1", "2"]
