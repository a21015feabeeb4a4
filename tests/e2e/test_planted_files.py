"""Files that come with a pipeline and that libraries would obey."""

from __future__ import annotations

import os
import pickle

import pytest


@pytest.fixture
def shell(processes):
    """Commands that are processes: what matters is what they read while they start."""
    return processes


class Executes:
    """Makes a file when it is unpickled."""

    def __init__(self, mark: str) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.system, (f"touch {self.mark}",)


def test_a_numba_configuration_in_the_folder_names_no_cache(shell, otsu):
    evil = shell.folder / "evil"
    evil.mkdir()
    (shell.folder / ".numba_config.yaml").write_text(f"cache_dir: {evil}\n")
    file = shell.write("p.json", otsu)
    shell("run", file)
    assert list(evil.rglob("*")) == []
    mark = shell.folder / "executed"
    for folder in (evil, *evil.glob("*")):
        (folder / "index.nbi").write_bytes(pickle.dumps(Executes(str(mark))))
    shell("run", file, "--cache", "other")
    assert not mark.exists()


def test_a_matplotlib_configuration_in_the_folder_changes_no_report(cached):
    (cached.folder / "matplotlibrc").write_text("text.usetex: True\nlines.linewidth: 40\n")
    folders = list((cached.folder / "runs" / "otsu").iterdir())
    before = (folders[0] / "report.html").read_bytes()
    cached("report", str(folders[0]))
    assert (folders[0] / "report.html").read_bytes() == before


def test_modules_in_the_folder_are_not_imported(shell, otsu):
    for name in ("numpy", "torch", "json", "fibcore", "fib_plugins", "sitecustomize", "pydantic"):
        (shell.folder / f"{name}.py").write_text("raise SystemExit('imported')\n")
    info = shell.folder / "evil-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: evil\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[fib.plugins]\nevil = numpy\n")
    shell("run", shell.write("p.json", otsu))
    assert "evil" not in shell("plugins", "list").out
