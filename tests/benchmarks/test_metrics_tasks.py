"""The tasks of the benchmark of metrics fit the functions that they measure."""

from __future__ import annotations

import pytest

from benchmarks.metrics import structure, tasks

SIZE = 24


@pytest.mark.parametrize("name", tasks(SIZE, 1))
def test_a_task_runs_on_a_small_volume(name: str) -> None:
    _, _, function = tasks(SIZE, 1)[name]
    function(structure(2 * SIZE)[:SIZE, :SIZE, :SIZE].copy())
