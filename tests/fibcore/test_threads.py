import os
import subprocess
import sys

from threadpoolctl import threadpool_info, threadpool_limits

from fib_plugins.threads import in_threads
from fibcore.threads import one_blas_thread


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
