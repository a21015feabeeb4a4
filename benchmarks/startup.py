"""Time of commands that must respond immediately."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

COMMANDS = (["--help"], ["--version"], ["plugins", "list"], ["materials"])
RUNS = 9


def main() -> None:
    fib = str(Path(sys.executable).with_name("fib"))
    # as for a user, Python caches compiled modules
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    print(f"{'command':<20}{'median s':>10}{'fastest s':>11}")
    for arguments in COMMANDS:
        times = []
        for _ in range(RUNS + 1):
            start = time.perf_counter()
            subprocess.run([fib, *arguments], capture_output=True, check=True, env=environment)
            times.append(time.perf_counter() - start)
        warm = times[1:]
        name = "fib " + " ".join(arguments)
        print(f"{name:<20}{statistics.median(warm):>10.2f}{min(warm):>11.2f}")


if __name__ == "__main__":
    main()
