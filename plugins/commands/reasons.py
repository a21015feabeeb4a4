"""Why steps of a pipeline run: what changed since the last run."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fibcore.errors import FibError, listed
from fibcore.pipeline.plan import PlannedStep
from fibcore.pipeline.records import RESOLVED, ResolvedRecord, read_record


def previous_run(folder: Path) -> dict[str, Any] | None:
    """Return ``resolved.json`` of the newest run of a pipeline; None if there is none."""
    for path in sorted(folder.glob(f"*/{RESOLVED}"), reverse=True):
        with contextlib.suppress(OSError, FibError):
            return read_record(path, ResolvedRecord)
    return None


def why(step: PlannedStep, before: Mapping[str, Any] | None) -> str:
    """Return why a step is not finished: what differs from its record in an earlier run."""
    if before is None:
        return "not run before"
    now = step.resolved()
    changes = []
    if before.get("plugin") != now["plugin"] or before.get("method") != now["method"]:
        return f"plugin changed: {before.get('plugin')} -> {now['plugin']}"
    if before.get("result_version") != now["result_version"]:
        changes.append(f"result version {before.get('result_version')} -> {now['result_version']}")
    old, new = before.get("params", {}), now["params"]
    for name in [*new, *(name for name in old if name not in new)]:
        if old.get(name) != new.get(name):
            changes.append(f"{name} {_short(old.get(name))} -> {_short(new.get(name))}")
    if before.get("seed") != now.get("seed"):
        changes.append("seed changed")
    if before.get("files") != now.get("files"):
        changes.append("files changed")
    for name in [*now["inputs"], *(n for n in before.get("inputs", {}) if n not in now["inputs"])]:
        if before.get("inputs", {}).get(name) != now["inputs"].get(name):
            sources = [ref.step.id for ref in step.inputs.get(name, ())]
            changes.append(f"input {name} ({listed(sources)}) changed")
    model = step.work.model
    if model is not None and before.get("model") != now.get("model"):
        changes.append(f"model {model.step.id} changed")
    return "; ".join(changes) if changes else "not finished before"


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else text[:37] + "..."
