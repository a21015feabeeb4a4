"""Each step of a pipeline checked by itself: its plugin, its parameters, the files it loads."""

from __future__ import annotations

from typing import Any

from fibcore.contracts import products, slots, verbs
from fibcore.errors import listed
from fibcore.pipeline import loading
from fibcore.pipeline.explain import Location
from fibcore.pipeline.findings import Findings
from fibcore.pipeline.plan import InputRef, PlannedStep, step_seed
from fibcore.pipeline.spec import Source, Step
from fibcore.pipeline.wiring import check_references, connect, plugin_of


def plan_step(findings: Findings, seed: int, index: int, step: Step) -> PlannedStep | None:
    """Return a step ready to run, or note in `findings` what is wrong with it.

    Args:
        findings: what is known of the earlier steps.
        seed: seed of the pipeline.
        index: place of the step in the file, from 0.
        step: the step as written.
    """
    path: Location = ("steps", index)
    settle = {"load": _load_step, "apply": _apply_step}.get(step.verb, _plugin_step)
    planned = None
    with findings.blaming((*path, step.verb), step.target):
        planned = settle(findings, path, index, step)
    if planned is None:
        check_references(findings, path, step)
        return None
    planned.seed = step_seed(seed, step.id)
    if planned.plugin is not None:
        connect(findings, path, step, planned)
    return planned


def _load_step(findings: Findings, path: Location, index: int, step: Step) -> PlannedStep | None:
    assert step.load is not None
    if step.inputs:
        findings.say((*path, "inputs"), "a load step has no inputs; remove them")
    params = findings.params(loading.params_model(step.load), step.params, (*path, "params"))
    if params is None:
        return None
    found = loading.probe(step.load, findings.base, params)
    if found.model is not None:
        plugin_of(found.model, {})  # refuses what its plugin cannot use
    files_hash = loading.content_hash(step.load, findings.base)
    findings.warnings += [f"{step.id}: {text}" for text in found.forecast.warnings]
    planned = PlannedStep(
        index + 1, step.id, "load", "load", "", None, loading.LOADER_VERSION,
        params.model_dump(mode="json", by_alias=True), 0,
        products=found.products, files_hash=files_hash, load=(step.load, findings.base, params),
        memory_bytes=found.forecast.memory_bytes, disk_bytes=found.forecast.disk_bytes,
    )  # fmt: skip
    if found.forecast.output is not None:
        planned.specs = dict.fromkeys(found.products, found.forecast.output)
    planned.foretold = found.model
    return planned


def _plugin_step(findings: Findings, path: Location, index: int, step: Step) -> PlannedStep | None:
    verb = step.verb
    plugin_class = findings.plugin((*path, verb), step.target)
    if plugin_class is None:
        return None
    methods = verbs(plugin_class)
    name = plugin_class.identifier()
    if verb == "fit" and verb not in methods:
        findings.say((*path, verb), f'{name} has nothing to learn; write "run" instead of "fit"')
        return None
    if verb == "run" and verb not in methods:
        findings.say(
            (*path, verb),
            f'{name} must learn first: a step {{"fit": "{name}"}}, then one that says '
            f'{{"apply": <id of that step>}}',
        )
        return None
    plugin = findings.params(plugin_class, step.params, (*path, "params"))
    if plugin is None:
        return None
    params = plugin.model_dump(mode="json")
    return _planned(index, step, plugin, methods[verb], params)


def _apply_step(findings: Findings, path: Location, index: int, step: Step) -> PlannedStep | None:
    assert step.apply is not None
    fitted = findings.earlier((*path, "apply"), step.apply, step.id)
    if fitted is None:
        return None
    if "model" not in fitted.products:
        findings.say(
            (*path, "apply"),
            f"step {fitted.id!r} makes {listed(map(str, fitted.products.values()))}, no model; "
            f"apply a step that fits a plugin or loads a model",
        )
        return None
    known = fitted.foretold
    identifier = known.plugin if known else fitted.identifier
    plugin_class = findings.plugin((*path, "apply"), identifier)
    if plugin_class is None:
        return None
    for name in step.params:
        if name not in plugin_class.apply_params and name in plugin_class.model_fields:
            allowed = sorted(plugin_class.apply_params)
            findings.say(
                (*path, "params", name),
                f"{name!r} is settled when {identifier} is fitted (step {fitted.id!r}); "
                f"here you may change: {listed(allowed)}",
            )
            return None
    base = known.params if known else fitted.params
    plugin = findings.params(plugin_class, {**base, **step.params}, (*path, "params"))
    if plugin is None:
        return None
    if known is not None:
        plugin = plugin_of(known, step.params)
    values = plugin.model_dump(mode="json")
    changes = {name: values[name] for name in step.params}
    planned = _planned(index, step, plugin, plugin_class.main_method, changes)
    planned.model = InputRef(fitted, "model", Source.model_validate({"from": fitted.id}))
    return planned


def _planned(
    index: int, step: Step, plugin: Any, method: str, params: dict[str, Any]
) -> PlannedStep:
    plugin_class = type(plugin)
    return PlannedStep(
        index + 1, step.id, step.verb, plugin_class.identifier(), method, plugin_class,
        plugin_class.result_version, params, 0, plugin,
        slots=slots(plugin_class, method), products=products(plugin_class, method),
    )  # fmt: skip
