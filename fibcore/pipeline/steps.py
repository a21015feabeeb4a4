"""Plans each step of a pipeline: its plugin, its parameters, the files that it loads."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path
from typing import Any

from fibcore.artefacts import Artefact
from fibcore.context import Context
from fibcore.contracts import Product, products, slots, verbs
from fibcore.errors import listed
from fibcore.formats import reader_of
from fibcore.pipeline.explain import Location
from fibcore.pipeline.findings import Findings
from fibcore.pipeline.plan import Files, InputRef, PlannedStep, Work, step_seed
from fibcore.pipeline.spec import Source, Step
from fibcore.pipeline.wiring import check_references, connect, expect, plugin_of
from fibcore.plugin import Plugin
from fibcore.reader import Reader
from fibcore.tables import Table


def plan_step(findings: Findings, seed: int, index: int, step: Step) -> PlannedStep | None:
    """Return a step ready to run, or add its problems to `findings`.

    Args:
        findings: findings on the earlier steps.
        seed: seed of the pipeline.
        index: position of the step in the file, from 0.
        step: the step as written.
    """
    path: Location = ("steps", index)
    work = None
    with findings.reporting((*path, step.verb), step.target):
        work = _WORK.get(step.verb, _plugin_work)(findings, path, step, step_seed(seed, step.id))
    if work is None:
        check_references(findings, path, step)
        return None
    inputs = connect(findings, path, step, work)
    if inputs is None:
        return None
    expected = expect(findings, path, work, inputs)
    if expected is None:
        return None
    return PlannedStep(index + 1, step.id, step.verb, work, inputs, expected)


def _plugin_work(findings: Findings, path: Location, step: Step, seed: int) -> Work | None:
    place = (*path, step.verb)
    plugin_class = findings.plugin(place, step.target)
    if plugin_class is None:
        return None
    method = verbs(plugin_class).get(step.verb)
    name = plugin_class.identifier()
    if method is None and issubclass(plugin_class, Reader):
        ends = listed(plugin_class.suffixes)
        findings.add(place, f'{name} opens files: write {{"load": <a file that ends in {ends}>}}')
        return None
    if method is None:
        findings.add(
            place,
            f'{name} is not trainable; write "run" instead of "fit"'
            if step.fit
            else f'{name} must be fitted first: a step {{"fit": "{name}"}}, then one with '
            f'{{"apply": <id of that step>}}',
        )
        return None
    plugin = findings.params(plugin_class, step.params, (*path, "params"))
    if plugin is None:
        return None
    return _work(plugin, method, plugin.model_dump(mode="json"), seed)


def _applied_work(findings: Findings, path: Location, step: Step, seed: int) -> Work | None:
    assert step.apply is not None
    fitted = findings.earlier((*path, "apply"), step.apply, step.id)
    if fitted is None:
        return None
    if "model" not in fitted.products:
        findings.add(
            (*path, "apply"),
            f"step {fitted.id!r} makes {listed(map(str, fitted.products.values()))}, no model; "
            f"apply a step that fits a plugin or loads a model",
        )
        return None
    known = fitted.expected.model
    identifier = known.plugin if known else fitted.identifier
    plugin_class = findings.plugin((*path, "apply"), identifier)
    if plugin_class is None:
        return None
    for name in step.params:
        if name not in plugin_class.apply_params and name in plugin_class.model_fields:
            allowed = sorted(plugin_class.apply_params)
            findings.add(
                (*path, "params", name),
                f"{name!r} is fixed when {identifier} is fitted (step {fitted.id!r}); "
                f"this step can change: {listed(allowed)}",
            )
            return None
    base = known.params if known else fitted.work.params
    plugin = findings.params(plugin_class, {**base, **step.params}, (*path, "params"))
    if plugin is None:
        return None
    if known is not None:
        plugin = plugin_of(known, step.params)
    values = plugin.model_dump(mode="json")
    changes = {name: values[name] for name in step.params}
    model = InputRef(fitted, "model", Source.model_validate({"from": fitted.id}))
    return _work(plugin, plugin_class.main_method, changes, seed, model)


def _loading_work(findings: Findings, path: Location, step: Step, seed: int) -> Work | None:
    assert step.load is not None
    reader_class = reader_of(step.load, findings.base)
    reader = findings.params(reader_class, step.params, (*path, "params"))
    if reader is None:
        return None
    opened = reader.open(step.load, findings.base)
    if opened.model is not None:
        plugin_of(opened.model, {})  # raises if its plugin cannot use it
    sha256 = reader.content_hash(opened.files)
    for name, table in opened.tables.items():
        sha256 = hashlib.sha256(f"{sha256}\n{name}\n{table.to_csv()}".encode()).hexdigest()
    read = partial(_read, reader, step.load, findings.base)
    product = Product(opened.type, "" if opened.model is None else opened.model.kind)
    return Work(
        identifier=reader_class.key_name or reader_class.identifier(),
        method="",
        result_version=reader_class.result_version,
        params=reader.model_dump(mode="json", by_alias=True),
        seed=seed,
        products={opened.type.artefact: product} | dict.fromkeys(opened.tables, Product(Table)),
        files=Files(
            step.load,
            sha256,
            read,
            opened.forecast,
            opened.model,
            reader.identifier(),
            tuple(opened.files),
        ),
    )


def _read(reader: Reader, source: str, base: Path, context: Context) -> Artefact:
    """Open the files when the step runs, and read them."""
    opened = reader.open(source, base)
    for name, table in opened.tables.items():
        context.keep(name, table)
    return opened.read(context)


_WORK = {"load": _loading_work, "apply": _applied_work}


def _work(
    plugin: Plugin, method: str, params: dict[str, Any], seed: int, model: InputRef | None = None
) -> Work:
    plugin_class = type(plugin)
    return Work(
        identifier=plugin.identifier(),
        method=method,
        result_version=plugin.result_version,
        params=params,
        seed=seed,
        products=products(plugin_class, method),
        plugin=plugin,
        slots=slots(plugin_class, method),
        model=model,
    )
