"""The run of a checked pipeline, step by step."""

from __future__ import annotations

import errno
import json
import logging
import os
import secrets
import shutil
import time
import traceback
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from fibcore.artefacts import Artefact
from fibcore.context import Context
from fibcore.errors import FibError
from fibcore.events import (
    RunEvent,
    RunFinished,
    RunStarted,
    StepFailed,
    StepFinished,
    StepLogged,
    StepProgress,
    StepStarted,
)
from fibcore.models import Model
from fibcore.pipeline import loading
from fibcore.pipeline.check import document_text
from fibcore.pipeline.plan import InputRef, Plan, PlannedStep
from fibcore.pipeline.provenance import Provenance, now, peak_memory_bytes
from fibcore.pipeline.status import StepStatus, check_resources, is_current, previous_run, statuses
from fibcore.pipeline.store import Entry, Store, make_writable
from fibcore.plugin import Trainable
from fibcore.registry import registry
from fibcore.volumes import Images, Volume

PROGRESS_EVERY_S = 0.1


class StepError(FibError):
    """A step failed; what was finished before is kept."""

    def __init__(self, step: PlannedStep, message: str, folder: Path, details: str) -> None:
        self.step = step
        self.folder = folder
        self.details = details
        super().__init__(message)


@dataclass(frozen=True)
class RunResult:
    """A finished run.

    Attributes:
        folder: its folder.
        plan: what was run.
        entries: step id -> finished step, of the steps that ran or were reused.
    """

    folder: Path
    plan: Plan
    entries: dict[str, Entry]

    def __getitem__(self, reference: str) -> Artefact:
        """Return the main artefact of a step, or another one as ``step.artefact``."""
        identifier, _, artefact = reference.partition(".")
        step = next((s for s in self.plan.steps if s.id == identifier), None)
        if step is None or identifier not in self.entries:
            raise FibError(f"no finished step {identifier!r}; there are {', '.join(self.entries)}")
        name = artefact or next(iter(step.products))
        return self.entries[identifier].read(name, step.products[name].type)


def run_pipeline(
    plan: Plan,
    *,
    out: Path,
    cache: Path,
    device: str = "auto",
    threads: int | None = None,
    start: str | None = None,
    stop: str | None = None,
    force: Collection[str] = (),
    check_memory_and_disk: bool = True,
    observers: Sequence[object] = (),
    command: Sequence[str] = (),
) -> RunResult:
    """Run a plan: reuse what is finished, compute the rest, leave a run folder.

    Args:
        plan: as `check_pipeline` returned it.
        out: folder for run folders; this run's is ``<out>/<name>/<time>-<id>``.
        cache: folder of finished steps; runs at the same time may share it.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        threads: CPU threads; default all.
        start: first step that may run.
        stop: last step that runs.
        force: steps to run again.
        check_memory_and_disk: refuse a run for which they will not do.
        observers: objects with a ``fib_run_event`` hook, besides the installed ones.
        command: command line to record.

    Raises:
        UsageError, PipelineError: nothing was run.
        StepError: a step failed; finished steps are kept.
        KeyboardInterrupt: interrupted; finished steps are kept, the present one goes on next time.
    """
    store = Store(cache)
    runs = out.absolute() / plan.pipeline.name
    make_writable(runs)
    before = previous_run(runs)
    planned = statuses(plan, store, previous=before, start=start, stop=stop, force=force)
    if check_memory_and_disk:
        check_resources(planned, store, plan.pipeline.name)
    folder = _new_folder(runs)
    (folder / "pipeline.json").write_text(document_text(plan.document), encoding="utf-8")
    resolved = json.dumps(plan.resolved(), indent=1) + "\n"
    (folder / "resolved.json").write_text(resolved, encoding="utf-8")
    threads = threads or os.cpu_count() or 1
    run = _Run(plan, store, folder, device, threads, force, command)
    with run.observed_by(observers):
        return run.all(planned)


class _Run:
    def __init__(
        self,
        plan: Plan,
        store: Store,
        folder: Path,
        device: str,
        threads: int,
        force: Collection[str],
        command: Sequence[str],
    ) -> None:
        self.plan = plan
        self.store = store
        self.folder = folder
        self.device = device
        self.threads = threads
        self.force = force
        self.provenance = Provenance(
            folder / "provenance.json", plan, device=device, threads=threads, command=command
        )
        self.entries: dict[str, Entry] = {}

    # -- the whole -----------------------------------------------------------------------------

    def all(self, planned: list[StepStatus]) -> RunResult:
        started = time.monotonic()
        self.provenance.write()
        reused = tuple(s.step.id for s in planned if s.action == "reuse")
        steps = tuple(s.step.id for s in planned if s.action != "leave")
        self.tell(RunStarted(run=self.folder, name=self.plan.pipeline.name, steps=steps, reused=reused))
        status = "failed"
        try:
            for item in planned:
                if item.action != "leave":
                    self.step(item)
            status = "finished"
        except KeyboardInterrupt:
            status = "interrupted"
            raise
        finally:
            self.provenance.close(status)
            seconds = time.monotonic() - started
            self.tell(RunFinished(run=self.folder, status=status, seconds=seconds))
        return RunResult(self.folder, self.plan, self.entries)

    @contextmanager
    def observed_by(self, observers: Sequence[object]) -> Iterator[None]:
        manager = registry().hook_manager
        added = [o for o in observers if not manager.is_registered(o)]
        for observer in added:
            manager.register(observer)
        try:
            yield
        finally:
            for observer in added:
                manager.unregister(observer)

    def tell(self, event: RunEvent) -> None:
        """Hand an event to every observer; one that raises is noted and disturbs nothing."""
        for impl in registry().hook_manager.hook.fib_run_event.get_hookimpls():
            try:
                impl.function(*[event][: len(impl.argnames)])
            except Exception as error:
                text = f"observer {impl.plugin_name} failed: {type(error).__name__}: {error}"
                warnings = self.provenance.record["warnings"]
                if text not in warnings:
                    warnings.append(text)

    # -- one step ------------------------------------------------------------------------------

    def step(self, item: StepStatus) -> None:
        step = item.step
        started, clock = now(), time.monotonic()
        about = {"run": self.folder, "step": step.id, "index": step.index, "plugin": step.identifier}
        warnings: list[str] = []
        try:
            with self.store.lock(step.key, lambda: self._say_waiting(about)):
                entry = self._finished(item)
                reused = entry is not None
                if entry is None:
                    resumed = self.store.interrupted(step.key)
                    self.tell(StepStarted(**about, resumed=resumed))
                    with self._logging(about, warnings):
                        entry = self._compute(step, about, started, clock, warnings)
        except Exception as error:
            message, details = _explain_failure(step, error), traceback.format_exc()
            self.provenance.add_step(self._record(step, started, clock, "failed", warnings, message))
            self.tell(StepFailed(**about, message=message, traceback=details))
            raise StepError(step, message, self.folder, details) from error
        except KeyboardInterrupt:
            self.provenance.add_step(self._record(step, started, clock, "interrupted", warnings))
            raise
        self.entries[step.id] = entry
        _link(self.folder / step.folder, entry.folder)
        outcome = "reused" if reused else "finished"
        record = self._record(step, started, clock, outcome, warnings)
        record["outputs"] = entry.manifest["artefacts"]
        if reused:
            record["computed"] = {k: entry.manifest.get(k) for k in ("started", "seconds", "warnings")}
        self.provenance.add_step(record)
        seconds = time.monotonic() - clock
        self.tell(StepFinished(**about, reused=reused, seconds=seconds, folder=step.folder))

    def _finished(self, item: StepStatus) -> Entry | None:
        """Return the step's result if it is there, perhaps from a run that just ended."""
        if item.reason == "forced":
            return None
        entry = self.store.find(item.step.key)
        return entry if entry is not None and is_current(item.step, entry, self.store) else None

    def _compute(
        self, step: PlannedStep, about: dict[str, Any], started: str, clock: float, warnings: list[str]
    ) -> Entry:
        work = self.store.work_folder(step.key)
        context = Context(
            step.seed, device=self.device, threads=self.threads, scratch=work / "scratch",
            report=self._progress(about), log=logging.getLogger("fib"),
        )  # fmt: skip
        made = self._load(step) if step.load else self._call(step, context)
        read = {
            f"{ref.step.key}/{ref.artefact}": self.entries[ref.step.id].hash_of(ref.artefact)
            for ref in step.sources
        }
        record = {
            "key_parts": step.key_parts,
            "read": read,
            "started": started,
            "seconds": round(time.monotonic() - clock, 3),
            "warnings": warnings,
        }
        return self.store.commit(step.key, made, record)

    def _load(self, step: PlannedStep) -> dict[str, Artefact]:
        assert step.load is not None
        source, base, params = step.load
        artefact = loading.load(source, base, params, logging.getLogger("fib"))
        return {artefact.artefact: artefact}

    def _call(self, step: PlannedStep, context: Context) -> dict[str, Artefact]:
        plugin = step.plugin
        if step.model is not None:
            assert step.plugin_class is not None
            assert issubclass(step.plugin_class, Trainable)
            plugin = step.plugin_class.from_model(self._read(step.model), **step.params)
        inputs = {name: self._input(step, name, refs) for name, refs in step.inputs.items()}
        result = getattr(plugin, step.method)(**inputs, context=context)
        main, *others = step.products.items()
        if step.method == "fit":
            result = plugin.model
        if not isinstance(result, main[1].type):
            raise TypeError(
                f"{step.method} returned {type(result).__name__}, not {main[1].type.__name__}"
            )
        made: dict[str, Artefact] = {main[0]: result}
        for name, product in others:
            if name == "model":
                made[name] = Model(step.identifier, plugin.model_dump(mode="json"))
            elif name in context.kept:
                made[name] = context.kept[name]
                if not isinstance(made[name], product.type):
                    raise TypeError(f"kept {name} is {type(made[name]).__name__}, not {product}")
        for name in context.kept:
            if name not in made:
                raise TypeError(f"{name!r} was kept but is not declared with @keeps")
        return made

    # -- inputs --------------------------------------------------------------------------------

    def _read(self, ref: InputRef) -> Any:
        entry = self.entries[ref.step.id]
        if ref.artefact not in entry.manifest["artefacts"]:
            raise FibError(
                f"step {ref.step.id!r} left no {ref.artefact!r} this time; its parameters decide "
                f"whether it is kept"
            )
        return entry.read(ref.artefact, ref.product.type)

    def _input(self, step: PlannedStep, name: str, refs: list[InputRef]) -> Any:
        parts = []
        for ref in refs:
            artefact = self._read(ref)
            if isinstance(artefact, Volume) and ref.source.cut:
                artefact = artefact.cut(ref.source.cut)
            if isinstance(artefact, Images) and ref.source.kv:
                artefact = artefact.select(ref.source.kv)
            parts.append(artefact)
        if step.slots[name].as_plugin:
            model = parts[0]
            plugin_class = registry().plugin(model.plugin)
            if issubclass(plugin_class, Trainable):
                return plugin_class.from_model(model)
            return plugin_class(**model.params)
        return Images.stack(parts) if len(parts) > 1 else parts[0]

    # -- telling -------------------------------------------------------------------------------

    def _record(
        self,
        step: PlannedStep,
        started: str,
        clock: float,
        outcome: str,
        warnings: list[str],
        message: str = "",
    ) -> dict[str, Any]:
        record = {
            "id": step.id,
            "plugin": step.identifier,
            "outcome": outcome,
            "key": step.key,
            "seed": step.seed if step.verb != "load" else None,
            "params": step.params,
            "started": started,
            "seconds": round(time.monotonic() - clock, 3),
            "peak_memory_bytes": peak_memory_bytes(),
            "inputs": {
                f"{ref.step.id}.{ref.artefact}": self.entries[ref.step.id].hash_of(ref.artefact)
                for ref in step.sources
                if ref.step.id in self.entries
                and ref.artefact in self.entries[ref.step.id].manifest["artefacts"]
            },
            "warnings": warnings,
        }
        if step.load is not None:
            record["files"] = {"source": step.load[0], "sha256": step.files_hash}
        if message:
            record["error"] = message
        return record

    def _progress(self, about: dict[str, Any]) -> Callable[[str, float, float | None], None]:
        last = 0.0

        def report(what: str, done: float, total: float | None) -> None:
            nonlocal last
            clock = time.monotonic()
            if clock - last >= PROGRESS_EVERY_S or done == total:
                last = clock
                self.tell(StepProgress(**about, what=what, done=done, total=total))

        return report

    def _say_waiting(self, about: dict[str, Any]) -> None:
        message = "another run is working on the same step; waiting for its result"
        self.tell(StepLogged(**about, level="INFO", message=message))

    @contextmanager
    def _logging(self, about: dict[str, Any], warnings: list[str]) -> Iterator[None]:
        run = self

        class Handler(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                text = record.getMessage()
                if record.levelno >= logging.WARNING:
                    if text in warnings:
                        return
                    warnings.append(text)
                run.tell(StepLogged(**about, level=record.levelname, message=text))

        log, handler = logging.getLogger("fib"), Handler()
        before = log.level, log.propagate
        log.setLevel(logging.INFO)
        log.propagate = False
        log.addHandler(handler)
        try:
            yield
        finally:
            log.removeHandler(handler)
            log.level, log.propagate = before


def _new_folder(runs: Path) -> Path:
    while True:
        stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
        folder = runs / f"{stamp}-{secrets.token_hex(2)}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder


def _link(place: Path, target: Path) -> None:
    """Link a finished step into the run folder; where links are not to be had, copy."""
    try:
        place.symlink_to(os.path.relpath(target, place.parent), target_is_directory=True)
    except (OSError, ValueError, NotImplementedError):
        shutil.copytree(target, place, dirs_exist_ok=True)


def _explain_failure(step: PlannedStep, error: Exception) -> str:
    if isinstance(error, FibError):
        return str(error)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            "the disk is full; finished steps are whole. Free some space, or choose another disk "
            "with --cache"
        )
    if isinstance(error, MemoryError):
        return f"not enough memory ({error}); make the volume smaller or cut the step's inputs"
    who = ""
    if step.plugin_class is not None:
        entry = registry().entry(step.identifier)
        who = f" in {step.identifier} of {entry.distribution} {entry.version}"
    return (
        f"{type(error).__name__}: {error} (an error{who}, not in your pipeline; "
        f"--debug shows where; please report it)"
    )
