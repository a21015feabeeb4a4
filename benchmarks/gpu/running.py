"""Run parts one after the other, each in a separate process that is ended after its time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from .parts import Part, ends
from .record import Record
from .result import Result

POLL = 0.1
TO_END = 3.0
"""Seconds that processes have to end after a signal."""

LAST_LINES = 25

Command = Callable[[Part, Path, float], tuple[Sequence[str], Mapping[str, str]]]
"""Returns the command of a part and its environment, from the file for its messages and the time
until which it may run (as of `time.time`)."""


def run_parts(
    parts: Sequence[Part], record: Record, command: Command, folder: Path, factor: float = 1.0
) -> None:
    """Run parts and record their reports and their ends.

    Args:
        parts: in their order.
        record: receives every message immediately.
        command: returns the command of a part.
        folder: for messages.
        factor: of all budgets.
    """
    begin = time.time()
    for part in parts:
        start = time.time()
        until = begin + ends(parts, factor)[part.name]
        record.begin(part.name, until - start)
        print(f"\n== {part.name}, at most {until - start:.0f} s", flush=True)
        messages = folder / f"{part.name}.jsonl"
        line, environment = command(part, messages, until)
        _run(part, record, line, environment, messages, until)
        ended = record.parts[part.name]
        print(f"== {part.name}: {ended['status']}, {ended['seconds']:.0f} s. {ended['why']}")


def _run(
    part: Part,
    record: Record,
    command: Sequence[str],
    environment: Mapping[str, str],
    messages: Path,
    until: float,
) -> None:
    start = time.time()
    messages.touch()
    last: deque[str] = deque(maxlen=LAST_LINES)
    process = subprocess.Popen(
        command, env=dict(environment), start_new_session=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
    )  # fmt: skip
    assert process.stdout is not None
    reader = threading.Thread(target=_show, args=(process.stdout, last), daemon=True)
    reader.start()
    try:
        with messages.open(encoding="utf-8") as file:
            while process.poll() is None and time.time() < until:
                _take(file, part, record)
                time.sleep(POLL)
            in_time = process.poll() is not None
            end_group(process)
            reader.join(TO_END)
            _take(file, part, record)
    except BaseException:  # Ctrl-C, or a request to end
        end_group(process)
        why = "It was stopped from outside."
        record.end(part.name, "interrupted", time.time() - start, why)
        raise
    seconds = time.time() - start
    if not in_time:
        why = f"Its {until - start:.0f} s were spent; what it had found until then is kept."
        record.end(part.name, "out of time", seconds, why, last)
    elif process.returncode:
        why = f"Its process ended with {process.returncode}; the last lines it printed:"
        record.end(part.name, "failed", seconds, why, last)
    else:
        record.end(part.name, "done", seconds)


def _take(file: IO[str], part: Part, record: Record) -> None:
    """Record new messages; an incomplete line is left for later."""
    while True:
        position = file.tell()
        line = file.readline()
        if not line.endswith("\n"):
            file.seek(position)
            return
        message = json.loads(line)
        record.add(part.name, message)
        if "result" in message:
            print(f"   {Result.of_json(message['result']).line()}", flush=True)


def _show(output: IO[str], last: deque[str]) -> None:
    for line in output:
        last.append(line.rstrip())
        print(f"     | {line.rstrip()}", flush=True)


def end_group(process: subprocess.Popen[str]) -> None:
    """End a process that leads a group, and all others of the group."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:  # no process is left
            break
        deadline = time.time() + TO_END
        while time.time() < deadline and _alive(process):
            time.sleep(POLL / 2)
    process.wait()


def _alive(process: subprocess.Popen[str]) -> bool:
    process.poll()  # a leader that has ended stays a member until it is waited for
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return False
    return True
