"""The inputs of a step: their artefacts, their types, and what the step will make of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fibcore.contracts import Slot
from fibcore.errors import FibError, did_you_mean, listed
from fibcore.models import Model
from fibcore.pipeline.explain import Location
from fibcore.pipeline.findings import Findings
from fibcore.pipeline.plan import Expected, InputRef, Inputs, PlannedStep, Work
from fibcore.pipeline.spec import Source, Step
from fibcore.plugin import Forecast, Plugin
from fibcore.registry import registry
from fibcore.text import described
from fibcore.volumes import Images, Volume, VolumeSpec


def connect(findings: Findings, path: Location, step: Step, work: Work) -> Inputs | None:
    """Return the inputs of a step; or report their problems, and return None."""
    valid = True
    inputs = {}
    for name, sources in step.inputs.items():
        place = (*path, "inputs", name)
        slot = work.slots.get(name)
        if slot is None:
            hint = did_you_mean(name, work.slots)
            findings.add(
                place,
                f"{work.identifier} takes no input {name!r}; it takes {listed(work.slots)}.{hint}",
            )
        refs = [_input(findings, place, slot, source, step.id) for source in sources]
        found = tuple(ref for ref in refs if ref is not None)
        valid = valid and slot is not None and len(found) == len(refs)
        if (
            len(sources) > 1
            and slot is not None
            and not slot.several
            and not all(ref.product.type is Images for ref in found)
        ):
            findings.add(
                place, f"a list stacks images into channels; {name} takes {slot}: give one"
            )
            valid = False
        inputs[name] = found
    for name, slot in work.slots.items():
        if slot.required and name not in step.inputs:
            findings.add(
                (*path, "inputs"),
                f"{work.identifier} needs the input {name!r} ({slot}): add "
                f'"{name}": <id of an earlier step>',
            )
            valid = False
    return inputs if valid else None


def _input(
    findings: Findings, path: Location, slot: Slot | None, source: Source, own: str
) -> InputRef | None:
    step = findings.earlier(path, source.step, own)
    if step is None or slot is None:
        return None
    if source.artefact is not None:
        if source.artefact not in step.products:
            hint = did_you_mean(source.artefact, step.products)
            findings.add(
                path,
                f"step {step.id!r} leaves no artefact {source.artefact!r}; it leaves "
                f"{listed(step.products)}.{hint}",
            )
            return None
        fitting = [source.artefact] if slot.takes(step.products[source.artefact]) else []
    else:
        fitting = slot.fitting(step.products)
    if not fitting:
        left = ", ".join(f"{name} ({product})" for name, product in step.products.items())
        findings.add(path, f"takes {slot}; step {step.id!r} leaves {left}")
        return None
    ref = InputRef(step, fitting[0], source)
    if (source.cut or source.channels) and not issubclass(ref.product.type, Volume):
        findings.add(
            path, f"only volumes can be cut; {fitting[0]!r} of {step.id!r} is {ref.product}"
        )
        return None
    for choice in source.channels if ref.product.type is not Images else ():
        what = f"{fitting[0]!r} of {step.id!r} is {ref.product}"
        findings.add(path, f"{choice} chooses image channels; {what}")
        return None
    return ref


def expect(findings: Findings, path: Location, work: Work, inputs: Inputs) -> Expected | None:
    """Return what is expected of a step; or report why it cannot work, and return None."""
    try:
        specs = {name: _spec(work, name, refs) for name, refs in inputs.items()}
    except FibError as error:
        findings.add((*path, "inputs"), str(error))
        return None
    try:
        forecast = _forecast(work, {**specs, **_plugins_among(work, inputs)})
        memory, disk = int(forecast.memory_bytes), int(forecast.disk_bytes)
    except FibError as error:
        findings.add(path, str(error))
        return None
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        reason = f"{work.identifier} cannot forecast what it will make ({described(error)})"
        return Expected(warnings=(reason,))
    if min(memory, disk) < 0:
        findings.add(path, "the result would be too large to address: make the volume smaller")
        return None
    volumes = {next(iter(work.products)): forecast.output, **forecast.kept}
    known = {name: spec for name, spec in volumes.items() if spec is not None}
    model = forecast.model if work.files is None else work.files.model
    return Expected(known, model, memory, disk, tuple(forecast.warnings))


def _forecast(work: Work, known: Mapping[str, Any]) -> Forecast:
    if work.files is not None:
        return work.files.forecast
    assert work.plugin is not None
    return work.plugin.forecast(work.method, known)


def plugin_of(model: Model, changes: Mapping[str, Any]) -> Plugin:
    """Return the plugin of a model, with some parameters changed."""
    return registry().plugin(model.plugin).from_model(model, **changes)


def _plugins_among(work: Work, inputs: Inputs) -> dict[str, Any]:
    """Return the inputs of a step that are plugins, as far as known before the run."""
    found: dict[str, Any] = {}
    for name, refs in inputs.items():
        slot = work.slots[name]
        if slot.as_plugin:
            plugins = [_plugin_left_by(ref.step) for ref in refs if ref.product.type is Model]
            if plugins:
                found[name] = plugins if slot.several else plugins[0]
    return found


def _plugin_left_by(step: PlannedStep) -> Plugin | None:
    """Return the plugin of the model that a step leaves, as far as known."""
    model = step.expected.model
    return step.work.plugin if model is None else plugin_of(model, {})


def _spec(
    work: Work, name: str, refs: tuple[InputRef, ...]
) -> VolumeSpec | list[VolumeSpec | None] | None:
    """Return what is known of an input: a list if it takes one, else one stack with all channels.

    Raises:
        FibError: a cut leaves nothing, or stacks do not fit together.
    """
    specs = [ref.spec for ref in refs]
    if work.slots[name].several:
        return specs
    known = [spec for spec in specs if spec is not None]
    if len(known) < len(specs):
        return None
    first = known[0]
    for ref, spec in zip(refs, known, strict=True):
        if spec.shape != first.shape or spec.dtype != first.dtype:
            raise FibError(
                f"stacks that become channels must agree in shape and type: step "
                f"{refs[0].step.id!r} has {first.shape} {first.dtype}, step {ref.step.id!r} "
                f"{spec.shape} {spec.dtype}"
            )
    channels = [channel for spec in known for channel in spec.channels]
    return first.of_channels(channels)


def check_references(findings: Findings, path: Location, step: Step) -> None:
    """Report inputs that name no earlier step; for a step that has other problems."""
    for name, sources in step.inputs.items():
        for source in sources:
            findings.earlier((*path, "inputs", name), source.step, step.id)
