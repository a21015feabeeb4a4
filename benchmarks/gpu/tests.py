"""The tests of the project that need a GPU.

These are the tests with the fixture ``gpu``, or with a mark ``skipif`` whose reason names a GPU.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

import pytest

from .bootstrap import ROOT
from .part import Part
from .result import Result

FIXTURE = "gpu"

ASKS = re.compile(
    rf"""usefixtures\(["']{FIXTURE}["']\)|def test_\w+\([^)]*\b{FIXTURE}\b|skipif\(.*\bGPU\b"""
)
"""Text in files whose tests need a GPU."""


def measure(part: Part) -> None:
    """Run the tests; report the number that passed, and each failure."""
    files = [
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        if ASKS.search(path.read_text("utf-8"))
    ]
    report = Path(tempfile.mkdtemp()) / "tests.xml"
    command = [sys.executable, "-m", "pytest", "--junitxml", str(report)]
    command += ["--continue-on-collection-errors"]
    command += ["-p", "benchmarks.gpu.tests", "-p", "no:cacheprovider", *files]
    # pytest plugins installed on this machine must not take part
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    subprocess.run(command, cwd=ROOT, env=environment, check=False)
    cases = list(ElementTree.parse(report).iter("testcase"))
    failed = [case for case in cases if {"failure", "error"} & {item.tag for item in case}]
    skipped = [case for case in cases if case.find("skipped") is not None]
    passed = len(cases) - len(failed) - len(skipped)
    check = f"{passed} passed, {len(failed)} failed, {len(skipped)} skipped"
    well = not failed and (passed > 0 or (part.dry and bool(skipped)))
    part.result(Result(f"tests in {', '.join(files)}", check=check, passed=well))
    for case in failed:
        problem = next(item for item in case if item.tag in ("failure", "error"))
        part.result(Result(f"{case.get('name')}", check=_short(problem), passed=False))


def _short(problem: ElementTree.Element) -> str:
    return (problem.get("message") or problem.text or "no message").strip()[:300]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect tests that need no GPU; a hook of pytest, see `measure`."""
    needed = [item for item in items if _needs_a_gpu(item)]
    config.hook.pytest_deselected(items=[item for item in items if item not in needed])
    items[:] = needed


def _needs_a_gpu(item: pytest.Item) -> bool:
    reasons = (str(mark.kwargs.get("reason")) for mark in item.iter_markers("skipif"))
    return FIXTURE in getattr(item, "fixturenames", ()) or any("GPU" in text for text in reasons)
