"""What code of packages does to the process that it runs in."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from fibcore.guests import guest


def test_the_working_folder_is_that_of_before(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with guest():
        os.chdir("/")
    assert os.getcwd() == str(tmp_path)


def test_a_working_folder_that_is_gone_is_no_failure(tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    with guest():
        (tmp_path / "gone").rmdir()
    with guest():
        pass


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes cannot be forked here")
@pytest.mark.parametrize("ending", ["pass", "raise ValueError", "sys.exit(0)"])
def test_a_forked_process_that_comes_back_ends(ending):
    code = (
        "import os, sys\n"
        "from fibcore.guests import guest\n"
        "with guest():\n"
        "    child = os.fork()\n"
        f"    if child == 0:\n        {ending}\n"
        "    elif os.waitpid(child, 0)[1] == 0: sys.exit(3)\n"
        "print('once')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "once\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes cannot be forked here")
def test_leaving_at_once_raises_and_forked_processes_may_leave():
    code = (
        "import os\n"
        "from fibcore.guests import exits_raise\n"
        "exits_raise()\n"
        "child = os.fork()\n"
        "if child == 0: os._exit(5)\n"
        "assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 5\n"
        "try:\n    os._exit(0)\n"
        "except SystemExit:\n    print('raised')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "raised\n"
