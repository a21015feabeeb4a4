"""Processes of this machine that execute one step each (``--jobs``)."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import threading
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from fibcore.guests import exits_raise
from fibcore.interrupts import leave_ctrl_c, obey_signals, starting_process
from fibcore.pipeline.execute import Notify, Outcome
from fibcore.pipeline.task import Task
from fibcore.pipeline.workers import Ended, Failure, Workers, attempt, sendable
from fibcore.text import described

WAIT_S = 1.0
END_S = 10.0
"""Time that a process has to end after SIGTERM; then it is killed."""


@dataclass
class _Process:
    process: BaseProcess
    pipe: Connection
    device: str
    task: Task | None = None
    notify: Notify | None = None


class Processes(Workers):
    """Processes that execute one step after another; a process that dies fails only its step.

    Args:
        slots: largest number of processes. They are started when they are needed.
        devices: a device for each process in turn; default: that asked for.
    """

    def __init__(self, slots: int, devices: Sequence[str] = ()) -> None:
        self._slots = slots
        self._free = list(devices)
        self._processes: list[_Process] = []

    @property
    def slots(self) -> int:
        """Largest number of processes."""
        return self._slots

    def start(self, task: Task, notify: Notify) -> None:
        """Send a task to a process that is idle, or to a new one."""
        idle = next((each for each in self._processes if each.task is None), None)
        if idle is None:
            with starting_process():
                idle = _new_process(self._free.pop(0) if self._free else "")
                self._processes.append(idle)
        idle.task, idle.notify = task, notify
        idle.pipe.send_bytes(pickle.dumps(replace(task, device=idle.device or task.device)))

    def wait(self) -> Sequence[Ended]:
        """Receive events and results."""
        ended = []
        of = {each.pipe: each for each in self._processes if each.task is not None}
        for pipe in wait(list(of), WAIT_S):
            each = of[pipe]  # type: ignore[index]
            assert each.task is not None
            assert each.notify is not None
            try:
                message: Any = pickle.loads(each.pipe.recv_bytes())
            except (EOFError, OSError):
                self._processes.remove(each)
                self._free += [each.device] if each.device else []
                ended.append(Ended(each.task, _died(each.process)))
                continue
            if isinstance(message, Outcome | Failure):
                ended.append(Ended(each.task, message))
                each.task = each.notify = None
            else:
                each.notify(message)
        return ended

    def close(self) -> None:
        """End all processes, so that steps in progress can be resumed; kill those that do not."""
        processes, self._processes = self._processes, []
        for each in processes:
            each.process.terminate()
        until = time.monotonic() + END_S
        for each in processes:
            each.process.join(max(0.0, until - time.monotonic()))
            if each.process.is_alive():
                each.process.kill()
                each.process.join()
            each.pipe.close()


def _new_process(device: str) -> _Process:
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe()
    process = spawn.Process(target=_serve, args=(there,), daemon=False)
    process.start()
    there.close()  # only the process holds this end now, until it exits
    return _Process(process, here, device)


def _died(process: BaseProcess) -> Failure:
    process.join()
    code = process.exitcode or 0
    how = f"exit code {code}" if code >= 0 else f"signal {-code}"
    return Failure(
        f"the process that executed the step ended ({how}). If memory ran out, run fewer steps at "
        f"a time (--jobs 1) or make the volume smaller; run again to resume"
    )


def _serve(pipe: Connection) -> None:
    """Execute the tasks that arrive, until the pipe is closed."""
    leave = os._exit
    threading.Thread(target=_end_with_parent, args=(leave,), daemon=True).start()
    leave_ctrl_c()  # it reaches the run, which ends this process
    obey_signals()
    exits_raise()
    sending = threading.Lock()

    def send(message: object) -> None:
        with sending:
            pipe.send_bytes(pickle.dumps(message))

    try:
        while True:
            packed = pipe.recv_bytes()
            try:
                task = pickle.loads(packed)
            except Exception as error:
                text = f"another process cannot load the step ({described(error)}); use --jobs 1"
                send(Failure(text, traceback.format_exc()))
                continue
            send(sendable(attempt(task, send), f"process {os.getpid()}"))
    except (EOFError, OSError, KeyboardInterrupt):
        leave(1)


def _end_with_parent(leave: Any) -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    leave(1)
