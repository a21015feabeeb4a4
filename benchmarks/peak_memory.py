"""The peak of a process's anonymous memory (Linux).

Memory-mapped files, whose pages the system reads and drops as it likes, are not counted.
"""

from __future__ import annotations

import threading
from pathlib import Path

INTERVAL_S = 0.002


class PeakMemory:
    """Highest anonymous memory of this process within a block.

    Attributes:
        highest: in bytes.
    """

    def __enter__(self) -> PeakMemory:
        self._before = self.highest = anonymous_bytes()
        self._done = threading.Event()
        self._watcher = threading.Thread(target=self._watch)
        self._watcher.start()
        return self

    def _watch(self) -> None:
        while not self._done.wait(INTERVAL_S):
            self.highest = max(self.highest, anonymous_bytes())

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._watcher.join()

    @property
    def bytes(self) -> int:
        """Highest anonymous memory above that at the beginning."""
        return self.highest - self._before


def anonymous_bytes() -> int:
    """Return the anonymous memory of this process in bytes."""
    return status_bytes("RssAnon")


def status_bytes(name: str, process: int | None = None) -> int:
    """Return an entry of the status of a process in bytes, such as ``VmHWM``.

    Args:
        name: of the entry.
        process: its id; default: this process. One that has ended has 0.

    Raises:
        SystemExit: the system does not report it.
    """
    status = Path(f"/proc/{process or 'self'}/status")
    for line in status.read_text().splitlines() if status.exists() else ():
        if line.startswith(f"{name}:"):
            return 1024 * int(line.split()[1])
    if process is not None and Path("/proc/self/status").exists():
        return 0
    raise SystemExit(f"this system does not report {name} in {status}")
