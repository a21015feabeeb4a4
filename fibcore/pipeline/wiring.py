"""The inputs of a step: which artefacts they are, whether their types fit, what will come out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fibcore.contracts import Slot
from fibcore.errors import FibError, did_you_mean, listed
from fibcore.models import Model
from fibcore.pipeline.explain import Location
from fibcore.pipeline.findings import Findings
from fibcore.pipeline.plan import InputRef, PlannedStep
from fibcore.pipeline.spec import Source, Step
from fibcore.plugin import Plugin, Trainable, restored
from fibcore.registry import registry
from fibcore.text import described
from fibcore.volumes import Images, Volume, VolumeSpec


def connect(findings: Findings, path: Location, step: Step, planned: PlannedStep) -> None:
    """Give a planned step its inputs and its forecast, or note what is wrong with them."""
    complete = True
    for name, sources in step.inputs.items():
        place = (*path, "inputs", name)
        slot = planned.slots.get(name)
        if slot is None:
            hint = did_you_mean(name, planned.slots)
            findings.say(
                place,
                f"{planned.identifier} takes no input {name!r}; it takes "
                f"{listed(planned.slots)}.{hint}",
            )
        refs = [_input(findings, place, slot, source, step.id) for source in sources]
        found = [ref for ref in refs if ref is not None]
        complete = complete and slot is not None and len(found) == len(refs)
        if (
            len(sources) > 1
            and slot is not None
            and not slot.several
            and not any(product.type is Images for product in slot.accepts)
        ):
            findings.say(
                place, f"a list stacks images into channels; {name} takes {slot}: give one"
            )
            complete = False
        planned.inputs[name] = found
    for name, slot in planned.slots.items():
        if slot.required and name not in step.inputs:
            findings.say(
                (*path, "inputs"),
                f"{planned.identifier} needs the input {name!r} ({slot}): add "
                f'"{name}": <id of an earlier step>',
            )
            complete = False
    if complete:
        _forecast(findings, path, planned)


def _input(
    findings: Findings, path: Location, slot: Slot | None, source: Source, own: str
) -> InputRef | None:
    step = findings.earlier(path, source.step, own)
    if step is None or slot is None:
        return None
    if source.artefact is not None:
        if source.artefact not in step.products:
            hint = did_you_mean(source.artefact, step.products)
            findings.say(
                path,
                f"step {step.id!r} leaves no artefact {source.artefact!r}; it leaves "
                f"{listed(step.products)}.{hint}",
            )
            return None
        fitting = [source.artefact] if slot.takes(step.products[source.artefact]) else []
    else:
        fitting = [name for name, product in step.products.items() if slot.takes(product)]
    if not fitting:
        left = ", ".join(f"{name} ({product})" for name, product in step.products.items())
        findings.say(path, f"takes {slot}; step {step.id!r} leaves {left}")
        return None
    ref = InputRef(step, fitting[0], source)
    if (source.cut or source.kv) and not issubclass(ref.product.type, Volume):
        findings.say(
            path, f"only volumes can be cut; {fitting[0]!r} of {step.id!r} is {ref.product}"
        )
        return None
    if source.kv and ref.product.type is not Images:
        findings.say(
            path, f"kv chooses image channels; {fitting[0]!r} of {step.id!r} is {ref.product}"
        )
        return None
    return ref


def _forecast(findings: Findings, path: Location, planned: PlannedStep) -> None:
    try:
        specs: dict[str, Any] = {}
        read = 0
        for name, refs in planned.inputs.items():
            found = [_spec(ref) for ref in refs]
            read += sum(spec.nbytes for spec in found if spec is not None)
            specs[name] = found if planned.slots[name].several else _joined(refs, found)
    except FibError as error:
        findings.say((*path, "inputs"), str(error))
        return
    assert planned.plugin is not None
    try:
        known = {**specs, **_plugins_among(planned)}
        forecast = planned.plugin.forecast(planned.method, known)
        needs = (int(forecast.memory_bytes), int(forecast.disk_bytes))
    except FibError as error:
        findings.say(path, str(error))
        return
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        findings.warnings.append(
            f"{planned.id}: {planned.identifier} could not say what it will make "
            f"({described(error)})"
        )
        return
    if min(needs) < 0:
        findings.say(path, "it would make more than can be counted: make the volume smaller")
        return
    main = next(iter(planned.products))
    volumes = {main: forecast.output, **forecast.kept}
    planned.specs = {name: spec for name, spec in volumes.items() if spec is not None}
    planned.foretold = forecast.model
    planned.memory_bytes, planned.disk_bytes = needs[0] + read, needs[1]
    findings.warnings += [f"{planned.id}: {text}" for text in forecast.warnings]


def plugin_of(model: Model, changes: Mapping[str, Any]) -> Plugin:
    """Return the plugin that a model stands for, with some parameters changed."""
    plugin_class = registry().plugin(model.plugin)
    if issubclass(plugin_class, Trainable):
        return plugin_class.from_model(model, **changes)
    return restored(plugin_class, model)


def _plugins_among(planned: PlannedStep) -> dict[str, Any]:
    """Return the inputs of a step that are plugins, as far as they are known before the run."""
    found: dict[str, Any] = {}
    for name, refs in planned.inputs.items():
        slot = planned.slots[name]
        if slot.as_plugin:
            steps = [ref.step for ref in refs]
            plugins = [plugin_of(s.foretold, {}) if s.foretold else s.plugin for s in steps]
            found[name] = plugins if slot.several else plugins[0]
    return found


def _spec(ref: InputRef) -> VolumeSpec | None:
    """Return what is known of a volume that is read: cut, channels chosen."""
    spec = ref.step.specs.get(ref.artefact)
    return None if spec is None else spec.cut(ref.source.cut, ref.source.kv)


def _joined(refs: list[InputRef], specs: list[VolumeSpec | None]) -> VolumeSpec | None:
    """Return the spec of an input; several stacks become channels of one."""
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
    return replace(first, kv=tuple(k for spec in known for k in spec.kv))


def check_references(findings: Findings, path: Location, step: Step) -> None:
    """Note inputs that name no earlier step, of a step that is wrong in itself."""
    for name, sources in step.inputs.items():
        for source in sources:
            findings.earlier((*path, "inputs", name), source.step, step.id)
