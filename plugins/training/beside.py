"""Results made by a process beside the training, before the training needs them.

The process is started with ``python -c`` rather than by `multiprocessing`, which would run the
user's script again in it. It ends when its standard input is closed, and so with this process,
however that ends.
"""

from __future__ import annotations

import os
import pickle
import queue
import shutil
import subprocess
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from fib_plugins.pickling import pack
from fibcore import FibError
from fibcore.interrupts import starting_process
from fibcore.threads import one_blas_thread

PROGRAM = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); "
    "from fib_plugins.training.beside import serve; serve()"
)
RESULT = "result"


class CannotServeError(Exception):
    """The process cannot import what the function is made of, such as a class of a notebook."""


class Beside:
    """A process that calls one function with one item after another.

    Args:
        work: called as work(item, folder) with an empty folder for its files; can be pickled, as
            can the items. Large arrays of its results become files (see `pickling`).
        folder: for the files of the results; its content is deleted.
    """

    def __init__(self, work: Callable[[Any, Path], Any], folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)  # left by a process that was killed
        folder.mkdir(parents=True)
        self._folder = folder
        self._requested: deque[Any] = deque()
        self._results = self._deleted = 0
        packed = pickle.dumps(work)
        with starting_process():
            self._process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C on the terminal reaches the training only
            )
            self._send(sys.path)
            self._send((packed, folder))

    def request(self, item: Any) -> None:
        """Have an item worked on, after those requested before; again has no effect."""
        if item not in self._requested:
            self._requested.append(item)
            self._send(item)

    def result(self, item: Any) -> bytes:
        """Wait for the result of the item requested first, and return it packed.

        Raises:
            CannotServeError: the process cannot do this work.
            FibError: the function raised it, or the process ended.
            RuntimeError: the function raised another error; the message holds its traceback.
        """
        oldest = self._requested.popleft()
        assert oldest == item
        assert self._process.stdout is not None
        try:
            error = pickle.load(self._process.stdout)
        except (EOFError, OSError, pickle.UnpicklingError):
            code = self._process.wait()
            how = f"exit code {code}" if code >= 0 else f"signal {-code}"
            raise FibError(
                f"the process that makes training data ended ({how}). If memory ran out, make "
                f"smaller volumes or fewer at a time; otherwise run again: training resumes from "
                f"its last checkpoint"
            ) from None
        if error is not None:
            raise error
        self._results += 1
        return (self._folder / str(self._results - 1) / RESULT).read_bytes()

    def delete_results(self) -> None:
        """Delete the files of all results that were returned; arrays that are open stay usable."""
        for number in range(self._deleted, self._results):
            shutil.rmtree(self._folder / str(number), ignore_errors=True)
        self._deleted = self._results

    def end(self) -> None:
        """Kill the process and delete its files."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with suppress(OSError):  # bytes that were not read by the process
                pipe.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _send(self, message: Any) -> None:
        assert self._process.stdin is not None
        with suppress(OSError):  # the process has ended, which `result` reports
            pickle.dump(message, self._process.stdin)
            self._process.stdin.flush()


def serve() -> None:
    """Work on the items that arrive on standard input, until it is closed."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what plugins print does not mix with answers
    items: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(items,), daemon=True).start()
    pickled, folder = items.get()
    try:
        work = pickle.loads(pickled)
    except Exception as error:
        work = partial(_cannot_serve, f"{type(error).__name__}: {error}")
    for number in count():
        item, own = items.get(), folder / str(number)
        answer: Exception | None = None
        try:
            own.mkdir()
            with one_blas_thread:
                result = pack(work(item, own), own)
            # A file, since a full pipe would stop this process until the result is taken.
            (own / RESULT).write_bytes(result)
        except CannotServeError as error:
            answer = error
        except FibError as error:
            answer = FibError(str(error))
        except Exception:
            answer = RuntimeError(f"training data could not be made:\n\n{traceback.format_exc()}")
        pickle.dump(answer, answers)
        answers.flush()


def _cannot_serve(reason: str, item: Any, folder: Path) -> None:
    raise CannotServeError(reason)


def _receive(items: queue.SimpleQueue[Any]) -> None:
    with suppress(EOFError, OSError, pickle.UnpicklingError):
        while True:
            items.put(pickle.load(sys.stdin.buffer))
    os._exit(1)  # the training has ended
