"""Signals that arrive while locks are taken, or while a process is started."""

from __future__ import annotations

import subprocess
import sys

LOCKS = """
import random, signal, threading, time
from fibcore.interrupts import obey_signals

obey_signals()
ready, end = False, time.monotonic() + 2.0
semaphore = threading.Semaphore(10**9)

def interrupt():
    global ready
    while time.monotonic() < end:
        if ready:
            ready = False
            time.sleep(random.random() / 1000)
            signal.raise_signal(signal.SIGINT)
        time.sleep(0.0005)

threading.Thread(target=interrupt, daemon=True).start()
interrupted = locked = 0
while time.monotonic() < end:
    try:
        ready = True
        while time.monotonic() < end + 0.5:
            semaphore.acquire(timeout=0)
    except KeyboardInterrupt:
        interrupted += 1
        free = semaphore._cond._lock.acquire(blocking=False)
        locked += not free
        semaphore = threading.Semaphore(10**9)
print(interrupted > 5, locked)
"""

PROCESSES = """
import os, signal, time
from fibcore.interrupts import Interrupted, obey_signals, starting_process

obey_signals()
steps = []
try:
    with starting_process():
        steps.append(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ()))
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.05)
        steps.append("started")
except Interrupted as error:
    steps.append(error.number)
steps.append(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ()))
print(steps)
"""


def printed(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.strip()


def test_no_lock_of_the_standard_library_stays_taken():
    """Without the delay a third of these interruptions leave the lock taken: the program hangs."""
    assert printed(LOCKS) == "True 0"


def test_a_process_is_started_before_a_signal_is_obeyed():
    assert printed(PROCESSES) == "[True, 'started', 15, False]"
