from __future__ import annotations

import os

import pytest

from fib_plugins.hollow import check_content
from fibcore import FibError


@pytest.mark.skipif(not hasattr(os, "SEEK_DATA"), reason="holes cannot be seen here")
def test_a_file_that_is_one_hole_is_not_read_for_hours(tmp_path):
    path = tmp_path / "volume.npy"
    path.write_bytes(b"header")
    os.truncate(path, 10**12)
    with pytest.raises(FibError, match=r"has 1\.0 TB, of which .* are data"):
        check_content(path)
    os.truncate(path, 10**9)
    assert check_content(path) == 10**9
