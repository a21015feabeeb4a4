"""The ``fib`` command as a user runs it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from processes import following
from served_command import Server

OTSU: dict[str, Any] = {
    "version": 1,
    "name": "otsu",
    "seed": 3,
    "steps": [
        {
            "id": "gold",
            "run": "generator/leveled_wave",
            "params": {
                "shape": [24, 40, 48],
                "voxel_size_nm": 4.0,
                "ligament_diameter_nm": 20,
                "solid_fraction": 0.4,
                "waves": 200,
            },
        },
        {
            "id": "sem",
            "run": "simulator/weighted_projection",
            "inputs": {"labels": "gold"},
            "params": {"energies_kev": [2], "slices": 6},
        },
        {"id": "solid", "run": "segmenter/threshold", "inputs": {"images": "sem"}},
        {
            "id": "score",
            "run": "metric/overlap",
            "inputs": {"prediction": "solid", "truth": "gold"},
        },
    ],
}
"""A quick pipeline without learning."""


@dataclass(frozen=True)
class Done:
    """What a command left on the terminal."""

    code: int
    out: str
    err: str


ONLY_SHOWN = {"COLUMNS"}
"""Variables that are read when text is shown, not when a process starts."""


class Shell:
    """Runs commands in an empty folder.

    Each is a process, or, with a server, a fork of a process that has loaded the libraries. The
    server is not asked if the test has changed what a process reads at its start.
    """

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str] = os.environ,
        server: Server | None = None,
    ) -> None:
        self.folder = folder
        self.server = server
        self.environment = {**environment, "COLUMNS": "200", "NO_COLOR": "1"}
        self._first = dict(self.environment)

    @property
    def fib(self) -> list[str]:
        return [str(Path(sys.executable).with_name("fib"))]

    def __call__(self, *arguments: str, code: int | None = 0) -> Done:
        changed = {name for name, _ in self.environment.items() ^ self._first.items()}
        served = self.server is not None and changed <= ONLY_SHOWN
        done = self._asked(arguments) if served else self._started(arguments)
        if code is not None:
            assert done.code == code, f"{arguments}\n{done.out}\n{done.err}"
        assert "Traceback" not in done.err or "--debug" in arguments, done.err
        return done

    def _started(self, arguments: tuple[str, ...]) -> Done:
        done = subprocess.run(
            [*self.fib, *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def _asked(self, arguments: tuple[str, ...]) -> Done:
        assert self.server is not None
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            streams = [out.fileno(), err.fileno()]
            environment = {**self.environment, **following()}
            code = self.server.run(arguments, self.folder, environment, streams, 300)
            texts = []
            for file in (out, err):
                file.seek(0)
                texts.append(file.read().decode())
        return Done(code, *texts)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*self.fib, *arguments],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def write(self, name: str, document: Any) -> str:
        (self.folder / name).write_text(json.dumps(document, indent=1))
        return name

    def artefacts(self, cache: str = ".fib-cache") -> dict[str, bytes]:
        """Bytes of every finished artefact by step key and file name."""
        root = self.folder / cache
        return {
            str(path.relative_to(root)): path.read_bytes()
            for path in sorted(root.glob("*/*"))
            if path.is_file()
            and path.name != "step.json"
            and path.parent.name != "locks"
            and not path.parent.name.endswith(".partial")
        }


@pytest.fixture(scope="session")
def server() -> Iterator[Server | None]:
    """What runs commands in forks of one process; None where processes cannot be forked."""
    if not hasattr(os, "fork"):
        yield None
        return
    found = Server(Shell(Path()).environment)
    yield found
    found.close()


@pytest.fixture
def shell(tmp_path: Path, server: Server | None) -> Shell:
    """Commands in an empty folder."""
    return Shell(tmp_path, server=server)


@pytest.fixture
def processes(tmp_path: Path) -> Shell:
    """Commands in an empty folder, each a process from its start."""
    return Shell(tmp_path)


@pytest.fixture
def otsu() -> dict[str, Any]:
    """A quick pipeline without learning, to change or run."""
    return deepcopy(OTSU)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a quick pipeline, ``p.json``, and its finished run."""
    shell = Shell(tmp_path_factory.mktemp("finished"))
    shell("run", shell.write("p.json", OTSU))
    return shell.folder


@pytest.fixture
def cached(shell: Shell, finished: Path) -> Shell:
    """Commands in a copy of the folder with a finished run."""
    shutil.copytree(finished, shell.folder, symlinks=True, dirs_exist_ok=True)
    return shell
