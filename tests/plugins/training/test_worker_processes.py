import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helper_work import fail, sleep, write

from fib_plugins.training.worker_processes import helped_by
from fibcore import FibError


def nothing() -> None:
    pass


def gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


def in_time(happened: Callable[[], bool], seconds: float = 20.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end and not happened():
        time.sleep(0.05)
    return happened()


def test_the_block_begins_when_all_are_ready_and_ends_when_all_are_done(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("one", "two")]
    with helped_by(write, [(file, file.name) for file in files], nothing) as check:
        assert [file.read_text() for file in files] == ["one", "two"]
        check()
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("began", [True, False])
@pytest.mark.parametrize(
    ("how", "error", "text"),
    [
        ("FibError", FibError, "^the images have the same grey value everywhere$"),
        ("another error", RuntimeError, "a training process failed:(.|\n)*KeyError: 'no such"),
        ("exit", FibError, "a training process ended before the training .*exit code 7"),
        ("signal", FibError, "a training process ended before the training .*signal 9"),
    ],
)
def test_what_was_wrong_with_a_helper_is_why_the_block_fails(
    began: bool, how: str, error: type[Exception], text: str
) -> None:
    begun = []

    def wait_for_helper() -> None:
        lost = threading.Event()
        with helped_by(fail, [(began, how)], lost.set) as check:
            begun.append(True)
            assert lost.wait(20)
            with pytest.raises(error, match=text):
                check()
            raise RuntimeError("connection closed")  # as one that waits for the helper would see

    with pytest.raises(error, match=text):
        wait_for_helper()
    assert begun == [True] * began
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("error", [FibError("mine"), KeyboardInterrupt()])
def test_an_error_in_the_block_is_told_as_it_is_and_ends_helpers_at_once(
    tmp_path: Path, error: BaseException
) -> None:
    began = time.monotonic()
    with pytest.raises(type(error)) as raised, helped_by(sleep, [(tmp_path / "pid",)], nothing):
        raise error
    assert raised.value is error
    assert time.monotonic() - began < 20
    assert gone(int((tmp_path / "pid").read_text()))


def test_what_cannot_be_sent_to_a_helper_leaves_none_behind(tmp_path: Path) -> None:
    arguments: list[tuple[Any, ...]] = [(tmp_path / "pid",), (lambda: None,)]
    with pytest.raises(Exception, match="pickle"), helped_by(sleep, arguments, nothing):
        pytest.fail("must not begin")
    assert multiprocessing.active_children() == []


PARENT = """
import sys, time
from pathlib import Path
from helper_work import sleep
from fib_plugins.training.worker_processes import helped_by

if __name__ == "__main__":
    with helped_by(sleep, [(Path(sys.argv[1]),)], lambda: None):
        print("begun", flush=True)
        time.sleep(600)
"""


def script(tmp_path: Path, text: str) -> subprocess.Popen[str]:
    path = tmp_path / "script.py"
    path.write_text(text)
    return subprocess.Popen(
        [sys.executable, str(path), str(tmp_path / "pid")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_helpers_end_when_the_one_that_started_them_is_killed(tmp_path: Path) -> None:
    with script(tmp_path, PARENT) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "begun\n"
        helper = int((tmp_path / "pid").read_text())
        parent.kill()
    assert in_time(lambda: gone(helper))


def test_ctrl_c_reaches_the_one_that_started_them_alone(tmp_path: Path) -> None:
    with script(tmp_path, PARENT) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "begun\n"
        helper = int((tmp_path / "pid").read_text())
        os.kill(helper, signal.SIGINT)
        time.sleep(0.2)
        assert not gone(helper)
        parent.send_signal(signal.SIGINT)
        _, output = parent.communicate(timeout=30)
    assert output.count("Traceback") == 1
    assert gone(helper)


def test_a_script_that_every_process_would_begin_anew_is_told_what_to_do(tmp_path: Path) -> None:
    unguarded = PARENT.replace('if __name__ == "__main__":', "if True:")
    with script(tmp_path, unguarded) as parent:
        _, output = parent.communicate(timeout=60)
    assert "belongs under `if __name__ == '__main__':`" in output.rpartition("FibError")[2]
