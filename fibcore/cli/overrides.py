"""``--set STEP.PARAM=VALUE`` and ``--seed`` applied to the content of a pipeline file."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fibcore.errors import UsageError, did_you_mean, listed


def override(document: dict[str, Any], settings: Sequence[str], seed: int | None) -> dict[str, Any]:
    """Return a pipeline with parameters set from the command line.

    A path given as ``STEP.load=...`` is relative to the working folder, as a shell completes it.

    Raises:
        UsageError: a setting that is not STEP.PARAM=VALUE, or names no step.
    """
    document = copy.deepcopy(document)
    if seed is not None:
        document["seed"] = seed
    listed_steps = document.get("steps")
    steps = {
        step["id"]: step
        for step in (listed_steps if isinstance(listed_steps, list) else [])
        if isinstance(step, dict) and isinstance(step.get("id"), str)
    }
    for setting in settings:
        target, equals, text = setting.partition("=")
        step_id, dot, name = target.partition(".")
        if not (equals and dot and step_id and name):
            raise UsageError(f"--set {setting}: write STEP.PARAM=VALUE, e.g. --set unet.epochs=20")
        if step_id not in steps:
            hint = did_you_mean(step_id, steps) or f" The steps: {listed(steps)}."
            raise UsageError(f"--set {setting}: there is no step {step_id!r}.{hint}")
        step = steps[step_id]
        if name == "load" and "load" in step:
            step["load"] = str(Path(text).absolute())
            continue
        if not isinstance(step.setdefault("params", {}), dict):
            continue  # the check tells what is wrong with it
        try:
            step["params"][name] = json.loads(text)
        except ValueError:
            step["params"][name] = text
    return document
