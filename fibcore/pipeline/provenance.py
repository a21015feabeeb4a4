"""``provenance.json``: how the results of a run were made; written again after each step."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fibcore.errors import FibError
from fibcore.files import write_whole
from fibcore.packages import packages
from fibcore.pipeline.plan import Plan
from fibcore.registry import registry
from fibcore.text import shown, text_of
from fibcore.version import __version__


class Provenance:
    """The record of one run; `write` replaces the file as a whole."""

    def __init__(
        self, path: Path, plan: Plan, *, device: str, threads: int, command: Sequence[str]
    ) -> None:
        self.path = path
        self.record: dict[str, Any] = {
            "fib": __version__,
            "status": "running",
            "started": now(),
            "ended": None,
            "command": list(command),
            "pipeline": plan.pipeline.name,
            "seed": plan.pipeline.seed,
            "device": device,
            "threads": threads,
            "plugins": {e.distribution: e.version for e in registry().entries() if e.distribution},
            **_facts(plan.base),
            "warnings": list(plan.warnings),
            "steps": [],
        }

    def add_step(self, record: dict[str, Any]) -> None:
        """Add the record of a step, and write the file."""
        self.record["steps"].append(record)
        self.write()

    def dropped(self, step: str, names: Sequence[str]) -> None:
        """Record that volumes of a step were deleted after use, and write the file."""
        for record in self.record["steps"]:
            if record["id"] == step:
                outputs = record["outputs"]
                changes = {name: {**outputs[name], "dropped": True} for name in names}
                record["outputs"] = {**outputs, **changes}
        self.write()

    def close(self, status: str) -> None:
        """Record how the run ended, and write the file."""
        self.record["status"] = status
        self.record["ended"] = now()
        self.write()

    def write(self) -> None:
        """Replace the file.

        Raises:
            FibError: it cannot be written.
        """
        try:
            write_whole(self.path, json.dumps(self.record, indent=1, default=text_of) + "\n")
        except OSError as error:
            raise FibError(
                f"cannot write {shown(self.path)}: {error.strerror or error}; finished steps are "
                f"kept"
            ) from error


def now() -> str:
    """Return the time in UTC as ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def peak_memory_bytes() -> int:
    """Return the largest resident size that this process has had; 0 if unknown."""
    try:
        import resource
    except ImportError:  # Windows
        import psutil

        return int(getattr(psutil.Process().memory_info(), "peak_wset", 0))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _facts(base: Path) -> dict[str, Any]:
    """Return the facts that packages add to the record."""
    found: dict[str, Any] = {}
    for source, describe in packages().implementations("fib_describe_run"):
        with packages().noting(source, "fib_describe_run failed"):
            found |= dict(describe(base=base) or {})
    return found
