"""The folder of a reconstruction: its pipeline, and what it was written for."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fib_plugins.reconstruct.labels import write_labels
from fib_plugins.reconstruct.plan import Plan
from fib_plugins.reconstruct.preparation import LABELS_FILE
from fib_plugins.reconstruct.request import Request, changed
from fib_plugins.reconstruct.steps import document
from fibcore.errors import UsageError, listed
from fibcore.files import write_whole
from fibcore.pipeline.check import document_text
from fibcore.pipeline.store import make_writable

PIPELINE, RECORD = "pipeline.json", "reconstruct.json"


@dataclass(frozen=True)
class Folder:
    """The folder.

    Attributes:
        path: the folder; need not exist.
    """

    path: Path

    @property
    def pipeline(self) -> Path:
        """The pipeline file."""
        return self.path / PIPELINE

    @classmethod
    def of(cls, stack: str, out: Path | None) -> Folder:
        """Return the given folder, or ``<stack>-reconstruction`` in the working folder."""
        if out is not None:
            return cls(out)
        first = stack.split("*", 1)[0].rstrip("/")
        name = Path(first).name.split(".", 1)[0] or "stack"
        return cls(Path(f"{name}-reconstruction"))

    def state(self, request: Request) -> str:
        """Return ``new``, ``written`` (by these options), or ``edited`` (since then).

        Raises:
            UsageError: there is a pipeline for other options, or not of this command; the message
                names what to delete to start over.
        """
        if not self.pipeline.exists():
            return "new"
        begin = f"To start over, delete {self.pipeline} or give another folder with --out"
        record = self._record()
        if record is None:
            raise UsageError(
                f"{self.pipeline} was not written by fib reconstruct, and is not overwritten. "
                f"{begin}"
            )
        differing = changed(record["options"], request.options())
        if differing:
            raise UsageError(
                f"{self.pipeline} was written for other options ({listed(differing)}). To go on "
                f"with it: fib run {self.pipeline}. {begin}"
            )
        return "written" if record["pipeline"] == self._digest() else "edited"

    def write(self, plan: Plan) -> dict[str, Any]:
        """Write the pipeline of a plan, with the labels of the user; return its content."""
        make_writable(self.path)
        if plan.labels:
            write_labels(plan.labels, plan.stack, plan.request, self.path / LABELS_FILE)
        name = "".join(c if c.isalnum() or c in "_-" else "_" for c in self.path.absolute().name)
        content = document(plan, name.lstrip("_-")[:80] or "reconstruction", self.path.absolute())
        write_whole(self.pipeline, document_text(content), lasting=False)
        record = {"options": plan.request.options(), "pipeline": self._digest()}
        write_whole(self.path / RECORD, json.dumps(record, indent=1) + "\n", lasting=False)
        return content

    def _record(self) -> dict[str, Any] | None:
        try:
            record = json.loads((self.path / RECORD).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        known = isinstance(record, dict) and {"options", "pipeline"} <= set(record)
        return record if known and isinstance(record["options"], dict) else None

    def _digest(self) -> str:
        return hashlib.sha256(self.pipeline.read_bytes()).hexdigest()
