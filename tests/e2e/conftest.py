"""The ``fib`` command as a user runs it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from processes import without_coverage

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


class Shell:
    """Runs commands in an empty folder."""

    def __init__(self, folder: Path, environment: Mapping[str, str] = os.environ) -> None:
        self.folder = folder
        self.environment = {**environment, "COLUMNS": "200", "NO_COLOR": "1"}

    @property
    def fib(self) -> list[str]:
        return [str(Path(sys.executable).with_name("fib"))]

    def __call__(self, *arguments: str, code: int | None = 0) -> Done:
        done = subprocess.run(
            [*self.fib, *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        result = Done(done.returncode, done.stdout, done.stderr)
        if code is not None:
            assert done.returncode == code, f"{arguments}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr or "--debug" in arguments, done.stderr
        return result

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


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """Commands in an empty folder."""
    return Shell(tmp_path)


@pytest.fixture
def untraced(tmp_path: Path) -> Shell:
    """Commands in an empty folder, for long computations: coverage does not follow them."""
    return Shell(tmp_path, without_coverage())


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
