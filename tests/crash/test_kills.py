from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.crash.kills import QUICK, Kills


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is for systems that have it")
def test_killed_runs_go_on_to_the_bytes_of_an_undisturbed_one(tmp_path: Path) -> None:
    kills = Kills(tmp_path, 3, QUICK)
    kills.until(3)
    assert kills.killed.total() == 3
    assert kills.runs >= 1
