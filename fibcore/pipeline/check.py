"""The check of a pipeline before anything runs: all problems at once, each with its place."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from fibcore.contracts import Slot, products, slots
from fibcore.errors import FibError, PipelineError, Problem, did_you_mean, listed
from fibcore.pipeline import loading
from fibcore.pipeline.explain import explain
from fibcore.pipeline.locate import LocatedJson, place_of
from fibcore.pipeline.plan import InputRef, Plan, PlannedStep, step_seed
from fibcore.pipeline.spec import Pipeline, Source, Step
from fibcore.plugin import Plugin, Trainable
from fibcore.registry import registry
from fibcore.volumes import Images, Volume, VolumeSpec

Path_ = tuple[str | int, ...]


def read_pipeline(path: Path) -> LocatedJson:
    """Return the text of a pipeline file as located JSON.

    Raises:
        PipelineError: missing, unreadable, or not a JSON object.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        near = ""
        if isinstance(error, FileNotFoundError) and path.parent.is_dir():
            near = did_you_mean(path.name, [p.name for p in path.parent.glob("*.json")])
        raise PipelineError([Problem("file", f"cannot read it: {reason}.{near}")], str(path)) from None
    document = LocatedJson(text)
    if not document.problems and not isinstance(document.data, dict):
        message = 'a pipeline is a JSON object: {"version": 1, "name": ..., "steps": [...]}'
        document.problems.append(Problem("file", message, 1, 1))
    if document.problems:
        raise PipelineError(document.problems, str(path))
    return document


def check_pipeline(
    document: Mapping[str, Any],
    *,
    base: Path,
    source: str = "pipeline",
    located: LocatedJson | None = None,
) -> Plan:
    """Check a pipeline and return the plan of its run.

    Args:
        document: content of a pipeline file.
        base: folder that paths in it are relative to.
        source: what to call it in messages.
        located: the text it came from, for line numbers.

    Raises:
        PipelineError: with every problem that was found.
    """
    checker = _Checker(document, base, located)
    plan = checker.check()
    if checker.problems:
        ordered = sorted(checker.problems, key=lambda p: (p.line or 0, p.column or 0))
        raise PipelineError(ordered, source)
    assert plan is not None  # without problems there is a plan
    return plan


@dataclass
class _Warnings(logging.Handler):
    """Collects what readers warn of while a file is probed."""

    texts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(logging.WARNING)

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


class _Checker:
    def __init__(
        self, document: Mapping[str, Any], base: Path, located: LocatedJson | None
    ) -> None:
        self.document = document
        self.base = base
        self.located = located
        self.problems: list[Problem] = []
        self.warnings: list[str] = []
        self.done: dict[str, PlannedStep] = {}
        self.broken: set[str] = set()
        self.loaded_models: dict[str, Mapping[str, Any]] = {}

    def check(self) -> Plan | None:
        try:
            pipeline = Pipeline.model_validate(self.document)
        except ValidationError as error:
            for location, message in explain(error, Pipeline, self.document):
                self.say(location, message)
            pipeline = self._salvage()
            if pipeline is None:
                return None
        ids = [step.id for step in pipeline.steps]
        for index, step in enumerate(pipeline.steps):
            path: Path_ = ("steps", index)
            if step.id in ids[:index]:
                first = ids.index(step.id)
                self.say((*path, "id"), f"id {step.id!r} is taken by steps[{first}]; ids are unique")
                continue
            count = len(self.problems)
            planned = self._step(pipeline, index, step, ids)
            if planned is None or len(self.problems) > count:
                self.broken.add(step.id)
            else:
                self.done[step.id] = planned
        if self.problems:
            return None
        steps = tuple(self.done.values())
        return Plan(pipeline, self.document, self.base, steps, tuple(self.warnings))

    def say(self, path: Path_, message: str) -> None:
        """Note a problem at a place of the document."""
        if self.located is not None:
            self.problems.append(self.located.problem(path, message))
        else:
            self.problems.append(Problem(place_of(path), message))

    def _salvage(self) -> Pipeline | None:
        """Return the pipeline with its sound steps, so that these are checked as well."""
        steps = self.document.get("steps")
        if not isinstance(steps, list):
            return None
        sound: list[Any] = []
        for number, step in enumerate(steps):
            try:
                sound.append(Step.model_validate(step))
            except ValidationError:
                name = step.get("id") if isinstance(step, dict) else None
                identifier = name if isinstance(name, str) else f"step-{number}"
                self.broken.add(identifier)
                sound.append(Step.model_construct(id=identifier))
        return Pipeline.model_construct(name="unsound", seed=0, steps=tuple(sound))

    # -- one step ------------------------------------------------------------------------------

    def _step(
        self, pipeline: Pipeline, index: int, step: Step, ids: list[str]
    ) -> PlannedStep | None:
        if step.id in self.broken:
            return None
        path: Path_ = ("steps", index)
        if step.verb == "load":
            planned = self._load_step(path, index, step)
        elif step.verb == "apply":
            planned = self._apply_step(path, index, step, ids)
        else:
            planned = self._plugin_step(path, index, step)
        if planned is None:
            self._check_references(path, step, ids)
            return None
        planned.seed = step_seed(pipeline.seed, step.id)
        if planned.plugin_class is not None:
            self._connect(path, step, planned, ids)
        return planned

    def _load_step(self, path: Path_, index: int, step: Step) -> PlannedStep | None:
        assert step.load is not None
        if step.inputs:
            self.say((*path, "inputs"), "a load step has no inputs; remove them")
        params = self._params(loading.params_model(step.load), step.params, (*path, "params"))
        if params is None:
            return None
        log, collected = logging.Logger("probe"), _Warnings()
        log.addHandler(collected)
        try:
            found, specs, header = loading.probe(step.load, self.base, params, log)
            files_hash = loading.content_hash(step.load, self.base)
        except FibError as error:
            self.say((*path, "load"), str(error))
            return None
        self.warnings += [f"{step.id}: {text}" for text in collected.texts]
        planned = PlannedStep(
            index + 1, step.id, "load", "load", "", None, loading.LOADER_VERSION,
            params.model_dump(mode="json", by_alias=True), 0,
            products=found, specs=specs, files_hash=files_hash,
            load=(step.load, self.base, params),
        )  # fmt: skip
        if header:
            self.loaded_models[step.id] = header
        planned.disk_bytes = sum(spec.nbytes for spec in specs.values())
        planned.memory_bytes = planned.disk_bytes
        return planned

    def _plugin_step(self, path: Path_, index: int, step: Step) -> PlannedStep | None:
        verb = step.verb
        plugin_class = self._plugin((*path, verb), step.target)
        if plugin_class is None:
            return None
        learns = issubclass(plugin_class, Trainable)
        name = plugin_class.identifier()
        if verb == "fit" and not learns:
            self.say((*path, verb), f"{name} has nothing to learn; write \"run\" instead of \"fit\"")
            return None
        if verb == "run" and learns:
            self.say(
                (*path, verb),
                f'{name} must learn first: a step {{"fit": "{name}"}}, then one that says '
                f'{{"apply": <id of that step>}}',
            )
            return None
        plugin = self._params(plugin_class, step.params, (*path, "params"))
        if plugin is None:
            return None
        method = "fit" if verb == "fit" else plugin_class.main_method
        return self._planned(path, index, step, plugin, method, plugin.model_dump(mode="json"))

    def _apply_step(
        self, path: Path_, index: int, step: Step, ids: list[str]
    ) -> PlannedStep | None:
        assert step.apply is not None
        fitted = self._reference((*path, "apply"), step.apply, step.id, ids)
        if fitted is None:
            return None
        if "model" not in fitted.products:
            self.say(
                (*path, "apply"),
                f"step {fitted.id!r} makes {listed(map(str, fitted.products.values()))}, no model; "
                f"apply a step that fits a plugin or loads a model",
            )
            return None
        header = self.loaded_models.get(fitted.id)
        identifier = header["plugin"] if header else fitted.identifier
        plugin_class = self._plugin((*path, "apply"), identifier)
        if plugin_class is None:
            return None
        for name in step.params:
            if name not in plugin_class.apply_params and name in plugin_class.model_fields:
                allowed = sorted(plugin_class.apply_params)
                self.say(
                    (*path, "params", name),
                    f"{name!r} is settled when {identifier} is fitted (step {fitted.id!r}); "
                    f"here you may change: {listed(allowed)}",
                )
                return None
        base = header["params"] if header else fitted.params
        plugin = self._params(plugin_class, {**base, **step.params}, (*path, "params"))
        if plugin is None:
            return None
        values = plugin.model_dump(mode="json")
        changes = {name: values[name] for name in step.params}
        planned = self._planned(path, index, step, plugin, plugin_class.main_method, changes)
        if planned is not None:
            planned.model = InputRef(fitted, "model", Source.model_validate({"from": fitted.id}))
        return planned

    def _planned(
        self, path: Path_, index: int, step: Step, plugin: Any, method: str, params: dict[str, Any]
    ) -> PlannedStep | None:
        plugin_class = type(plugin)
        try:
            planned = PlannedStep(
                index + 1, step.id, step.verb, plugin_class.identifier(), method, plugin_class,
                plugin_class.result_version, params, 0,
                slots=slots(plugin_class, method), products=products(plugin_class, method),
            )  # fmt: skip
        except FibError as error:
            self.say((*path, step.verb), str(error))
            return None
        planned.plugin = plugin
        return planned

    # -- names and values ----------------------------------------------------------------------

    def _plugin(self, path: Path_, identifier: str) -> type[Plugin] | None:
        try:
            return registry().plugin(identifier)
        except FibError as error:
            self.say(path, str(error))
            return None

    def _params(self, model: type[BaseModel], values: Mapping[str, Any], path: Path_) -> Any:
        try:
            return model.model_validate(dict(values))
        except ValidationError as error:
            for location, message in explain(error, model, values):
                self.say((*path, *location), message)
        except Exception as error:
            self.say(path, f"{model.__name__} refused them: {type(error).__name__}: {error}")
        return None

    def _reference(
        self, path: Path_, name: str, own: str, ids: list[str]
    ) -> PlannedStep | None:
        if name in self.done:
            return self.done[name]
        if name == own:
            self.say(path, f"step {name!r} cannot read its own result; name an earlier step")
        elif name in self.broken:
            pass  # its own problem has been told
        elif name in ids:
            self.say(
                path, f"step {name!r} comes later in the file; inputs name earlier steps: move it up"
            )
        else:
            earlier = ids[: ids.index(own)]
            hint = did_you_mean(name, earlier) or f" Earlier steps: {listed(earlier)}."
            self.say(path, f"there is no step {name!r}.{hint}")
        return None

    def _check_references(self, path: Path_, step: Step, ids: list[str]) -> None:
        for name, sources in step.inputs.items():
            for source in sources:
                self._reference((*path, "inputs", name), source.step, step.id, ids)

    # -- inputs --------------------------------------------------------------------------------

    def _connect(self, path: Path_, step: Step, planned: PlannedStep, ids: list[str]) -> None:
        complete = True
        for name, sources in step.inputs.items():
            place = (*path, "inputs", name)
            slot = planned.slots.get(name)
            if slot is None:
                hint = did_you_mean(name, planned.slots)
                self.say(
                    place,
                    f"{planned.identifier} has no input {name!r} in {planned.method}; "
                    f"its inputs: {listed(planned.slots)}.{hint}",
                )
            refs = [self._input(place, slot, source, step.id, ids) for source in sources]
            found = [ref for ref in refs if ref is not None]
            complete = complete and slot is not None and len(found) == len(refs)
            if len(sources) > 1 and slot is not None and not any(
                product.type is Images for product in slot.accepts
            ):
                self.say(place, f"a list stacks images into channels; {name} takes {slot}: give one")
                complete = False
            planned.inputs[name] = found
        for name, slot in planned.slots.items():
            if slot.required and name not in step.inputs:
                self.say(
                    (*path, "inputs"),
                    f'{planned.identifier} needs the input {name!r} ({slot}): add '
                    f'"{name}": <id of an earlier step>',
                )
                complete = False
        if complete:
            self._forecast(path, planned)

    def _input(
        self, path: Path_, slot: Slot | None, source: Source, own: str, ids: list[str]
    ) -> InputRef | None:
        step = self._reference(path, source.step, own, ids)
        if step is None or slot is None:
            return None
        if source.artefact is not None:
            if source.artefact not in step.products:
                hint = did_you_mean(source.artefact, step.products)
                self.say(
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
            self.say(path, f"takes {slot}; step {step.id!r} leaves {left}")
            return None
        ref = InputRef(step, fitting[0], source)
        if (source.cut or source.kv) and not issubclass(ref.product.type, Volume):
            self.say(path, f"only volumes can be cut; {fitting[0]!r} of {step.id!r} is {ref.product}")
            return None
        if source.kv and ref.product.type is not Images:
            self.say(path, f"kv chooses image channels; {fitting[0]!r} of {step.id!r} is {ref.product}")
            return None
        return ref

    def _forecast(self, path: Path_, planned: PlannedStep) -> None:
        try:
            specs = {name: _joined(refs) for name, refs in planned.inputs.items()}
        except FibError as error:
            self.say((*path, "inputs"), str(error))
            return
        try:
            forecast = planned.plugin.forecast(planned.method, specs)
        except FibError as error:
            self.say(path, str(error))
            return
        except Exception as error:
            self.warnings.append(
                f"{planned.id}: {planned.identifier} could not say what it will make "
                f"({type(error).__name__}: {error})"
            )
            return
        main = next(iter(planned.products))
        volumes = {main: forecast.output, **forecast.kept}
        planned.specs = {name: spec for name, spec in volumes.items() if spec is not None}
        read = sum(spec.nbytes for spec in specs.values() if spec is not None)
        planned.memory_bytes = forecast.memory_bytes + read
        planned.disk_bytes = forecast.disk_bytes
        self.warnings += [f"{planned.id}: {text}" for text in forecast.warnings]


def _joined(refs: list[InputRef]) -> VolumeSpec | None:
    """Return the spec of an input: cut, channels chosen, several stacks as channels of one."""
    specs = []
    for ref in refs:
        spec = ref.step.specs.get(ref.artefact)
        if spec is None:
            return None
        specs.append(spec.cut(ref.source.cut, ref.source.kv))
    first = specs[0]
    for ref, spec in zip(refs, specs, strict=True):
        if spec.shape != first.shape or spec.dtype != first.dtype:
            raise FibError(
                f"stacks that become channels must agree in shape and type: step "
                f"{refs[0].step.id!r} has {first.shape} {first.dtype}, step {ref.step.id!r} "
                f"{spec.shape} {spec.dtype}"
            )
    return replace(first, kv=tuple(k for spec in specs for k in spec.kv))


def document_text(document: Mapping[str, Any]) -> str:
    """Return a pipeline as the text of a file."""
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"
