"""Numba compiles the same whatever variables and files in the working folder say."""

from __future__ import annotations

import json
import os
import subprocess
import sys

SHOW = """
import sys, json
import fib_plugins
from numba import njit
from numba.core import config

@njit
def total(n):
    sum = 0
    for i in range(n):
        sum += i
    return sum

total(5)
names = ("OPT", "DISABLE_JIT", "CPU_NAME", "LOOP_VECTORIZE", "NUMBA_NUM_THREADS", "CACHE_DIR")
found = {name: repr(getattr(config, name)) for name in names}
print(json.dumps(found | {"signatures": len(getattr(total, "signatures", ()))}))
"""


def shown(folder, **variables):
    environment = {name: text for name, text in os.environ.items() if name[:6] != "NUMBA_"}
    done = subprocess.run(
        [sys.executable, "-c", SHOW], cwd=folder, env={**environment, **variables},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stderr == ""
    return json.loads(done.stdout)


def test_no_variable_and_no_file_changes_how_numba_compiles(tmp_path):
    plain = shown(tmp_path)
    assert plain["signatures"] == 1
    variables = {
        "NUMBA_OPT": "0", "NUMBA_DISABLE_JIT": "1", "NUMBA_CPU_NAME": "generic",
        "NUMBA_LOOP_VECTORIZE": "0", "NUMBA_NUM_THREADS": "junk", "NUMBA_DEBUG_CACHE": "1",
    }  # fmt: skip
    assert shown(tmp_path, **variables) == plain
    (tmp_path / ".numba_config.yaml").write_text(
        "opt: 0\ndisable_jit: 1\ncpu_name: generic\nnum_threads: 0\ncache_dir: evil\n"
        "loop_vectorize: 0\n"
    )
    assert shown(tmp_path) == plain
    (tmp_path / ".numba_config.yaml").write_text("[1, 2")
    assert shown(tmp_path) == plain


def test_where_code_is_kept_and_the_simulator_of_gpus_can_be_set(tmp_path):
    simulator = {"NUMBA_ENABLE_CUDASIM": "1", "NUMBA_DISABLE_JIT": "1"}
    found = shown(tmp_path, NUMBA_CACHE_DIR=str(tmp_path), **simulator)
    assert found["CACHE_DIR"] == repr(str(tmp_path))
    assert found["DISABLE_JIT"] == "1"
