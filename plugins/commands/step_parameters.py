"""The parameters that a step takes, found before the pipeline is checked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fibcore.errors import FibError
from fibcore.formats import open_source, reader_of
from fibcore.pipeline.explain import parameter_names
from fibcore.pipeline.spec import VERBS
from fibcore.registry import registry

Steps = Mapping[str, Mapping[str, Any]]


def step_parameters(step: Mapping[str, Any], steps: Steps, base: Path) -> list[str] | None:
    """Return the names of the parameters that a step takes.

    ``run`` and ``fit`` take all parameters of their plugin; ``apply`` takes those that may change
    after the fit (`Plugin.apply_params`); ``load`` takes the parameters of the reader, and ``load``
    itself, which names the files.

    Args:
        step: the step as written.
        steps: id -> step, of the whole pipeline.
        base: folder that paths in the pipeline are relative to.

    Returns:
        The names; None if they are unknown for a reason that the check reports: an unknown plugin,
        a model that cannot be read, an invalid step.
    """
    given = {verb: step[verb] for verb in VERBS if step.get(verb) is not None}
    try:
        match given:
            case {"load": str(source), **others} if not others:
                return ["load", *parameter_names(reader_of(source, base))]
            case {"apply": str(name), **others} if not others:
                identifier = _plugin_behind(name, steps, base)
                return sorted(registry().plugin(identifier).apply_params)
            case {"run": str(name), **others} | {"fit": str(name), **others} if not others:
                return parameter_names(registry().plugin(name))
    except FibError:
        pass
    return None


def _plugin_behind(name: str, steps: Steps, base: Path) -> str:
    """Return the ``kind/name`` of the plugin whose model a step leaves."""
    for _ in steps:  # a chain of ``apply`` steps is not longer than the pipeline
        match steps.get(name):
            case {"run": str(plugin)} | {"fit": str(plugin)}:
                return plugin
            case {"load": str(source)}:
                model = open_source(source, base).model
                if model is not None:
                    return model.plugin
                break
            case {"apply": str(applied)}:
                name = applied
    raise FibError(f"step {name!r} leaves no model")
