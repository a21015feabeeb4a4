"""The results so far, in ``gpu.json`` and ``gpu.md``: both are complete after every result."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .page import page
from .parts import TARGETS

FORMAT = 1


class Record:
    """The results, and the two files that hold them.

    Args:
        folder: where the files are written.
        version: of fib.
        commit: of the checkout, if it is known.
        dry: whether this is a dry run.
    """

    def __init__(self, folder: Path, version: str, commit: str | None, dry: bool) -> None:
        self.folder, self.version, self.commit, self.dry = folder, version, commit, dry
        self.machine: dict[str, str] = {}
        self.parts: dict[str, dict[str, Any]] = {}
        self._date = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
        self._start = time.monotonic()

    def begin(self, part: str, budget: float) -> None:
        """Record that a part starts, with its budget in seconds."""
        self.parts[part] = {
            "status": "at work", "seconds": 0.0, "budget": round(budget, 1),
            "why": "", "output": [], "results": [],
        }  # fmt: skip
        self.write()

    def add(self, part: str, message: dict[str, Any]) -> None:
        """Add a report of a part: a result, or facts about the machine."""
        self.machine |= message.get("machine", {})
        if "result" in message:
            self.parts[part]["results"].append(message["result"])
        self.write()

    def end(
        self, part: str, status: str, seconds: float, why: str = "", output: Sequence[str] = ()
    ) -> None:
        """Record the end of a part: done, failed, out of time, interrupted.

        Args:
            part: its name.
            status: one of these words.
            seconds: its time.
            why: the reason, if it has not finished.
            output: its last lines of output, if it has not finished.
        """
        self.parts[part] |= {
            "status": status, "seconds": round(seconds, 1), "why": why, "output": list(output)
        }  # fmt: skip
        self.write()

    def problems(self) -> list[str]:
        """Return messages for parts that have not finished and checks that have failed."""
        found = []
        for name, part in self.parts.items():
            if part["status"] != "done":
                found.append(f"{name}: {part['status']}. {part['why']}".rstrip())
            found += [
                f"{name}: {result['name']}: {result['check']}"
                for result in part["results"]
                if result["passed"] is False
            ]
        return found

    def content(self) -> dict[str, Any]:
        """Return the content of ``gpu.json``."""
        return {
            "format": FORMAT,
            "dry": self.dry,
            "date": self._date,
            "seconds": round(time.monotonic() - self._start, 1),
            "version": self.version,
            "commit": self.commit,
            "machine": self.machine,
            "targets": self._targets(),
            "parts": self.parts,
        }

    def _targets(self) -> list[dict[str, Any]]:
        found = []
        for target in TARGETS:
            results = self.parts.get(target.part, {"results": []})["results"]
            result: dict[str, Any] = next((r for r in results if r["name"] == target.result), {})
            measured = result.get(target.figure)
            found.append(
                {
                    "words": target.words,
                    "measured": measured,
                    "unit": "times" if target.figure == "ratio" else result.get("unit", ""),
                    "met": None if measured is None or self.dry else target.met_by(measured),
                    "note": result.get("note", ""),
                }
            )
        return found

    def write(self) -> None:
        """Rewrite both files; they are complete after a kill at any moment."""
        content = self.content()
        self.folder.mkdir(parents=True, exist_ok=True)
        _replace(self.folder / "gpu.json", json.dumps(content, indent=1) + "\n")
        _replace(self.folder / "gpu.md", page(content))


def _replace(path: Path, text: str) -> None:
    beside = path.with_name(path.name + ".part")
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, path)
