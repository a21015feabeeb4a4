"""Helper processes, which are monitored by the process that starts them and end with it."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import queue
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from typing import Any, cast

from fibcore import FibError
from fibcore.interrupts import leave_ctrl_c, starting_process

LOST_SECONDS = 5.0
"""How long to wait for the cause when an error here may be due to a lost helper."""
END_SECONDS = 60.0
"""How long helpers may take to exit after all work is done."""

Work = Callable[..., None]


@contextmanager
def helped_by(
    work: Work, arguments: Sequence[tuple[Any, ...]], on_loss: Callable[[], None]
) -> Iterator[Callable[[], None]]:
    """Run parts of some work in other processes while the block does its own part.

    The block starts when all of them have called `ready`, and gets a function that raises an error
    if one has failed. If the block ends with an error, they are ended, too.

    Args:
        work: called as work(ready, *arguments) in each process; a function that can be imported.
        arguments: those of each process, which can be pickled.
        on_loss: called in a thread when one has failed; makes the block fail, too, in case it is
            waiting for that one.

    Raises:
        FibError: a process raised it, or ended before its work was done.
        RuntimeError: a process raised another error; the message holds its traceback.
    """
    helpers = _Helpers(on_loss)
    try:
        helpers.start(work, arguments)
        try:
            yield helpers.check
        except Exception as error:
            failure = helpers.failure_behind(error)
            if failure is None:
                raise
            raise failure from error
        helpers.finish()
    finally:
        helpers.end()


class _Helpers:
    def __init__(self, on_loss: Callable[[], None]) -> None:
        self._on_loss = on_loss
        self._processes: dict[Connection, multiprocessing.process.BaseProcess] = {}
        self._watch = threading.Thread(target=self._listen, daemon=True)
        self._started: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()
        self._failure: Exception | None = None
        self._failed = threading.Event()
        self._ending = False

    def start(self, work: Work, arguments: Sequence[tuple[Any, ...]]) -> None:
        """Start the helpers, and wait until each is ready."""
        spawn = multiprocessing.get_context("spawn")
        for own in arguments:
            here, there = spawn.Pipe(duplex=False)
            given = pickle.dumps((work, own))
            with starting_process():
                process = spawn.Process(target=_run, args=(there, given), daemon=True)
                process.start()
                there.close()  # only the process holds this end now, until it exits
                self._processes[here] = process
        self._watch.start()
        for _ in arguments:
            failure = self._started.get()
            if failure is not None:
                raise failure

    def check(self) -> None:
        """Raise the error of a helper that has failed."""
        if self._failure is not None:
            raise self._failure

    def finish(self) -> None:
        """Wait for the helpers to exit after their work is done."""
        self._watch.join(END_SECONDS)

    def end(self) -> None:
        """Kill the helpers that are still running."""
        self._ending = True
        for process in self._processes.values():
            process.kill()
        if self._watch.ident is None:
            self._watch.start()
        self._watch.join()
        for here in self._processes:
            here.close()

    def failure_behind(self, error: Exception) -> Exception | None:
        """Return the error of a failed helper if it may have caused an error here."""
        self._failed.wait(LOST_SECONDS if isinstance(error, RuntimeError) else 0.0)
        return self._failure

    def _listen(self) -> None:
        """Receive messages until all helpers have exited: that one is ready, or its error."""
        left = dict(self._processes)
        ready: set[Connection] = set()
        while left:
            for here in wait(list(left)):
                pipe = cast(Connection, here)
                try:
                    message = pipe.recv()
                except (EOFError, OSError):
                    process = left.pop(pipe)
                    process.join()
                    if process.exitcode:
                        self._fail(_ended(process.exitcode, began=pipe in ready))
                    continue
                if message is None:
                    ready.add(pipe)
                    self._started.put(None)
                else:
                    self._fail(message)

    def _fail(self, failure: Exception) -> None:
        if self._failed.is_set() or self._ending:
            return
        self._failure = failure
        self._failed.set()
        self._started.put(failure)
        self._on_loss()


def _ended(exitcode: int, began: bool) -> FibError:
    how = f"exit code {exitcode}" if exitcode > 0 else f"signal {-exitcode}"
    if not began:
        return FibError(
            f"a training process ended before the training started ({how}). In a script, code that "
            f"starts a training on several devices belongs under `if __name__ == '__main__':`"
        )
    return FibError(
        f"a training process ended before the training did ({how}). If memory ran out, use fewer "
        f"devices or a smaller batch_size; otherwise run again: training resumes from its last "
        f"checkpoint"
    )


def _run(there: Connection, given: bytes) -> None:
    """Do the work of a helper."""
    leave_ctrl_c()  # it reaches the process that started this one
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        work, arguments = pickle.loads(given)
        work(lambda: there.send(None), *arguments)
    except FibError as error:
        there.send(FibError(str(error)))
        raise SystemExit(1) from error
    except Exception as error:
        there.send(RuntimeError(f"a training process failed:\n\n{traceback.format_exc()}"))
        raise SystemExit(1) from error


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)
