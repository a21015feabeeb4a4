"""Executes one step: reads its inputs, calls its plugin, checks its results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fibcore.artefacts import Artefact
from fibcore.context import Context
from fibcore.contracts import Slot
from fibcore.errors import FibError
from fibcore.guests import guest
from fibcore.models import Model
from fibcore.pipeline.plan import InputRef, PlannedStep, Work
from fibcore.pipeline.store import Entry
from fibcore.pipeline.wiring import plugin_of
from fibcore.threads import one_blas_thread
from fibcore.volumes import Images, Volume


def execute(
    step: PlannedStep, finished: Mapping[str, Entry], context: Context
) -> dict[str, Artefact]:
    """Execute a step and return its artefacts: name -> artefact, the main one first.

    Args:
        step: the step.
        finished: step id -> results, of all steps that it reads.
        context: context of the step.

    Raises:
        TypeError: the plugin returned another type than its signature declares.
        Exception: any error of the plugin.
    """
    work = step.work
    plugin: Any = work.plugin
    if work.model is not None:
        plugin = plugin_of(_read(work.model, finished), work.params)
    inputs = {name: _input(work.slots[name], refs, finished) for name, refs in step.inputs.items()}
    result: Any
    with guest(), one_blas_thread:
        if work.files is not None:
            result = work.files.read(context)
        else:
            result = getattr(plugin, work.method)(**inputs, context=context)
    name, product = next(iter(work.products.items()))
    if plugin is not None and product.type is Model:  # `fit` returns the plugin itself
        result = plugin.model
    made: dict[str, Artefact] = {name: result}
    if not isinstance(result, product.type):
        what = work.method or work.identifier
        raise TypeError(f"{what} returned {type(result).__name__}, not {product.type.__name__}")
    return made | _further(work, plugin, context.kept)


def _further(work: Work, plugin: Any, kept: Mapping[str, Any]) -> dict[str, Artefact]:
    """Return the further artefacts of a step, after its main one."""
    _, *others = work.products.items()
    made: dict[str, Any] = {}
    for name, product in others:
        if name == "model":
            made[name] = plugin.as_model()
        elif name in kept:
            if not isinstance(kept[name], product.type):
                raise TypeError(f"kept {name} is {type(kept[name]).__name__}, not {product}")
            made[name] = kept[name]
    for name in kept:
        if name not in made:
            raise TypeError(f"{name!r} was kept but is not declared with @keeps")
    return made


def _input(slot: Slot, refs: Sequence[InputRef], finished: Mapping[str, Entry]) -> Any:
    parts = []
    for ref in refs:
        artefact = _read(ref, finished)
        if isinstance(artefact, Volume) and ref.source.cut:
            artefact = artefact.cut(ref.source.cut)
        if isinstance(artefact, Images) and ref.source.kv:
            artefact = artefact.select(ref.source.kv)
        parts.append(artefact)
    if slot.as_plugin:
        parts = [plugin_of(part, {}) if isinstance(part, Model) else part for part in parts]
    if slot.several:
        return parts
    return Images.stack(parts) if len(parts) > 1 else parts[0]


def _read(ref: InputRef, finished: Mapping[str, Entry]) -> Any:
    entry = finished[ref.step.id]
    if ref.artefact not in entry.manifest["artefacts"]:
        raise FibError(
            f"step {ref.step.id!r} did not keep {ref.artefact!r}; its parameters decide whether "
            f"it does"
        )
    return entry.read(ref.artefact, ref.product.type)
