"""The ``fib`` command in a process whose libraries are loaded already.

Loading them takes most of the time of a quick command. A server loads them once and forks for each
command, which runs `fibcore.cli.main` in a folder, an environment and with streams of its own. What
happens before and after that call (the start of Python, the order in which libraries are loaded,
what they read from the environment, the end of the interpreter) is not as a user has it: tests of
that start a process.

    python served_command.py SOCKET    serves commands that arrive at a connected socket
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import socket
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path

LOADED = (
    "coverage", "jinja2", "matplotlib.backends.backend_svg", "matplotlib.figure", "numba.typed",
    "psutil", "rich.table", "scipy.fft", "scipy.interpolate", "scipy.ndimage", "skimage.filters",
    "threadpoolctl", "tifffile", "zarr",
    "fib_plugins.report.commands", "fib_plugins.commands.run", "fib_plugins.report.page",
    "fib_plugins.report.writing", "fib_plugins.simulators.projection_kernels",
)  # fmt: skip
"""Modules beside those of all plugins that quick commands use; they keep nothing of a run."""


class Server:
    """Runs commands one after another, each in a fork of one process."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        command = [sys.executable, __file__, str(theirs.fileno())]
        self._socket = ours
        self._process = subprocess.Popen(
            command, env=dict(environment), pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL
        )
        theirs.close()

    def run(
        self, arguments: Sequence[str], folder: Path, environment: Mapping[str, str],
        streams: Sequence[int], seconds: float,
    ) -> int:  # fmt: skip
        """Run a command and return its exit code, negative for a signal.

        Args:
            arguments: those of ``fib``.
            folder: working folder.
            environment: all variables.
            streams: open files for output and messages.
            seconds: time allowed.

        Raises:
            TimeoutError: the time is over; the server has ended.
        """
        request = json.dumps([list(arguments), str(folder), dict(environment)]).encode()
        self._socket.settimeout(seconds)
        try:
            socket.send_fds(self._socket, [len(request).to_bytes(8, "big")], list(streams))
            self._socket.sendall(request)
            answer = self._socket.recv(16)
        except TimeoutError:
            self.close()
            raise
        return int(answer)

    def close(self) -> None:
        """End the server."""
        self._socket.close()
        self._process.wait()


def main() -> None:
    """Serve; return in the process of a command, which then runs it."""
    requests = socket.socket(fileno=int(sys.argv[1]))
    _load()
    gc.freeze()  # a collection in a fork would copy all that is loaded
    while True:
        head, streams, _, _ = socket.recv_fds(requests, 8, 2)
        if not head:
            os._exit(0)
        left = int.from_bytes(head, "big")
        parts = []
        while left:
            parts.append(requests.recv(left))
            left -= len(parts[-1])
        child = os.fork()
        if not child:
            requests.close()
            return _become(*json.loads(b"".join(parts)), streams)
        for stream in streams:
            os.close(stream)
        _, status = os.waitpid(child, 0)
        requests.sendall(str(os.waitstatus_to_exitcode(status)).encode())


def _load() -> None:
    from importlib import import_module

    import fib_plugins
    import fibcore.cli.errors  # noqa: F401
    from fibcore.cli import extensions  # noqa: F401

    for name in dict.fromkeys(fib_plugins._HOMES.values()):
        import_module(f"fib_plugins.{name}")
    for name in LOADED:
        import_module(name)


def _become(
    arguments: list[str], folder: str, environment: dict[str, str], streams: list[int]
) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for number, stream in enumerate(streams, start=1):
        os.dup2(stream, number)
        os.close(stream)
    sys.argv = [str(Path(sys.executable).with_name("fib")), *arguments]
    if any(name.startswith("COVERAGE_PROCESS_") for name in environment):
        import coverage

        coverage.process_startup()


def _execute() -> None:
    """Run the command and end the process, without taking down all that is loaded."""
    from fibcore.cli import main as fib

    code: object = 1
    try:
        fib()
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
    _execute()
