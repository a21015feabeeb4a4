import subprocess
import sys

import numba
import pytest

from fibcore.threads import numba_threads


def test_the_limit_holds_within_the_block_and_is_restored_after_it():
    before = numba.get_num_threads()
    with numba_threads(1) as granted:
        assert granted == 1
        assert numba.get_num_threads() == 1
    assert numba.get_num_threads() == before


def test_the_limit_is_restored_after_an_error():
    before = numba.get_num_threads()
    with pytest.raises(RuntimeError, match="stop"), numba_threads(1):
        raise RuntimeError("stop")
    assert numba.get_num_threads() == before


@pytest.mark.parametrize(
    ("wanted", "granted"), [(-3, 1), (0, 1), (10_000, numba.config.NUMBA_NUM_THREADS)]
)
def test_what_numba_cannot_give_is_cut_to_what_it_can(wanted, granted):
    with numba_threads(wanted) as given:
        assert given == granted == numba.get_num_threads()


def test_importing_the_helper_does_not_import_numba():
    code = "import sys, fibcore.threads; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
