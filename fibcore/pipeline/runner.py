"""Runs a checked pipeline step by step."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import time
import traceback
from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from fibcore.context import Context
from fibcore.errors import FibError
from fibcore.events import (
    RunFinished,
    RunStarted,
    StepFailed,
    StepFinished,
    StepLogged,
    StepStarted,
)
from fibcore.files import own_folder, write_whole
from fibcore.interrupts import held_back
from fibcore.pipeline.announce import Announcer
from fibcore.pipeline.check import document_text
from fibcore.pipeline.execute import execute
from fibcore.pipeline.failures import explain_failure
from fibcore.pipeline.plan import InputRef, Plan, PlannedStep
from fibcore.pipeline.provenance import Provenance, now, peak_memory_bytes
from fibcore.pipeline.records import PIPELINE, PROVENANCE, RESOLVED
from fibcore.pipeline.result import RunResult, StepError
from fibcore.pipeline.status import StepStatus, check_resources, is_current, previous_run, statuses
from fibcore.pipeline.store import Entry, Store, make_writable


def run_pipeline(
    plan: Plan,
    *,
    out: Path = Path("runs"),
    cache: Path = Path(".fib-cache"),
    device: str = "auto",
    threads: int | None = None,
    start: str | None = None,
    stop: str | None = None,
    force: Collection[str] = (),
    check_memory_and_disk: bool = True,
    observers: Sequence[object] = (),
    command: Sequence[str] = (),
) -> RunResult:
    """Run a plan: reuse finished steps, compute the others, write a run folder.

    Args:
        plan: plan returned by `check_pipeline`.
        out: folder for run folders; that of this run is ``<out>/<name>/<time>-<id>``.
        cache: folder of finished steps; several runs may share it at the same time.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        threads: number of CPU threads; default: all.
        start: first step that may run.
        stop: last step that runs.
        force: steps to run again.
        check_memory_and_disk: refuse a run that needs more than is free.
        observers: objects with a ``fib_run_event`` hook, besides the installed observers.
        command: command line to record.

    Raises:
        UsageError, PipelineError: no step was run.
        StepError: a step failed; finished steps are kept.
        KeyboardInterrupt: interrupted; finished steps are kept, the current one can be resumed.
    """
    store = Store(cache)
    make_writable(out.absolute())
    runs = own_folder(out.absolute() / plan.pipeline.name)
    make_writable(runs)
    previous = previous_run(runs)
    planned = statuses(plan, store, previous=previous, start=start, stop=stop, force=force)
    if check_memory_and_disk:
        check_resources(planned, store, plan.pipeline.name)
    folder = _new_folder(runs)
    write_whole(folder / PIPELINE, document_text(plan.document), lasting=False)
    write_whole(folder / RESOLVED, json.dumps(plan.resolved(), indent=1) + "\n", lasting=False)
    threads = threads or os.cpu_count() or 1
    provenance = Provenance(
        folder / PROVENANCE, plan, device=device, threads=threads, command=command
    )
    announcer = Announcer(folder, provenance.record["warnings"], observers, command)
    run = _Run(plan, store, folder, provenance, announcer, device, threads)
    with store.run_at_work(folder):
        run.all(planned)
    return RunResult(folder, plan, run.finished, tuple(announcer.files))


class _Run:
    def __init__(
        self,
        plan: Plan,
        store: Store,
        folder: Path,
        provenance: Provenance,
        announcer: Announcer,
        device: str,
        threads: int,
    ) -> None:
        self.plan = plan
        self.store = store
        self.folder = folder
        self.provenance = provenance
        self.device = device
        self.threads = threads
        self.announcer = announcer
        self.finished: dict[str, Entry] = {}

    def all(self, planned: list[StepStatus]) -> None:
        started = time.monotonic()
        reused = tuple(item.step.id for item in planned if item.action == "reuse")
        steps = tuple(item.step.id for item in planned if item.action != "leave")
        name = self.plan.pipeline.name
        status = "failed"
        try:
            self.provenance.write()
            self.announcer.notify(
                RunStarted(run=self.folder, name=name, steps=steps, reused=reused)
            )
            for item in planned:
                if item.action != "leave":
                    self.step(item)
            status = "finished"
        except KeyboardInterrupt:
            status = "interrupted"
            raise
        finally:
            self._close(status)
            seconds = time.monotonic() - started
            known = len(self.announcer.warnings)
            self.announcer.notify(RunFinished(run=self.folder, status=status, seconds=seconds))
            if len(self.announcer.warnings) > known:
                self._close(status)

    def _close(self, status: str) -> None:
        """Record how the run ended; an error here does not replace the one that ended the run."""
        with held_back():
            try:
                self.provenance.close(status)
            except FibError:
                if status == "finished":
                    raise

    def step(self, item: StepStatus) -> None:
        step, about = item.step, self.announcer.about(item.step)
        record = self._begin_record(step)
        clock = time.monotonic()
        try:
            with self.store.lock(step.key, lambda: self._log_waiting(step)):
                entry = self._reusable(item)
                reused = entry is not None
                if entry is None:
                    entry = self._compute(step, record, clock)
            _link(self.folder / step.folder, entry.folder)
        except KeyboardInterrupt:
            self._ended(record, "interrupted", clock)
            raise
        except BaseException as error:  # plugins may raise SystemExit or errors of their own
            record["error"] = message = self._explained(step, error)
            self._ended(record, "failed", clock)
            details = "".join(traceback.format_exception(error))
            self.announcer.notify(StepFailed(**about, message=message, traceback=details))
            raise StepError(step, message, self.folder) from error
        self.finished[step.id] = entry
        seconds = time.monotonic() - clock
        record |= {
            "outcome": "reused" if reused else "finished",
            "seconds": round(seconds, 3),
            "peak_memory_bytes": peak_memory_bytes(),
            "outputs": entry.manifest["artefacts"],
        }
        if reused:
            kept = ("started", "seconds", "warnings")
            record["computed"] = {name: entry.manifest.get(name) for name in kept}
        self.provenance.add_step(record)
        self.announcer.notify(
            StepFinished(**about, reused=reused, seconds=seconds, folder=step.folder)
        )

    def _ended(self, record: dict[str, Any], outcome: str, clock: float) -> None:
        record |= {"outcome": outcome, "seconds": round(time.monotonic() - clock, 3)}
        with (
            held_back(),
            contextlib.suppress(FibError),
        ):  # the cause is reported
            self.provenance.add_step(record)

    def _explained(self, step: PlannedStep, error: BaseException) -> str:
        gone = self.store.vanished(self.finished.values())
        if gone is None and not self.folder.is_dir():
            gone = self.folder
        return explain_failure(step, error, gone)

    def _reusable(self, item: StepStatus) -> Entry | None:
        """Return the finished result of the step, which another run may just have made."""
        if item.forced:
            return None
        entry = self.store.find(item.step.key)
        if entry is None or not is_current(item.step, entry, self.store):
            return None
        self.store.used(entry)
        return entry

    def _compute(self, step: PlannedStep, record: dict[str, Any], clock: float) -> Entry:
        resumed = self.store.interrupted(step.key)
        if step.key in self.store.damaged:
            problem = self.store.damaged[step.key]
            self.announcer.warn(
                f"{step.id}: its result in the cache was damaged ({problem}); it is computed again"
            )
        self.announcer.notify(StepStarted(**self.announcer.about(step), resumed=resumed))
        scratch = self.store.work_folder(step.key) / "scratch"
        with self.announcer.logging_of(step, record["warnings"]) as log:
            report = self.announcer.progress_of(step)
            context = Context(
                step.work.seed, device=self.device, threads=self.threads, scratch=scratch,
                report=report, log=log,
            )  # fmt: skip
            made = execute(step, self.finished, context)
            record["device"] = context.device_used
            manifest = {
                "key_parts": step.key_parts,
                "read": {
                    f"{ref.step.key}/{ref.artefact}": self.finished[ref.step.id].hash_of(
                        ref.artefact
                    )
                    for ref in step.sources
                },
                "started": record["started"],
                "seconds": round(time.monotonic() - clock, 3),
                "warnings": record["warnings"],
            }
            return self.store.commit(step.key, made, manifest)

    def _begin_record(self, step: PlannedStep) -> dict[str, Any]:
        record: dict[str, Any] = {
            "id": step.id,
            "plugin": step.identifier,
            "outcome": "running",
            "key": step.key,
            "seed": step.key_parts.get("seed"),
            "params": dict(step.work.params),
            "started": now(),
            "inputs": {
                f"{ref.step.id}.{ref.artefact}": self._hash_of(ref)
                for ref in step.sources
                if ref.artefact in self.finished[ref.step.id].manifest["artefacts"]
            },
            "warnings": [],
        }
        files = step.work.files
        if files is not None:
            record["files"] = {"source": files.source, "sha256": files.sha256}
        return record

    def _hash_of(self, ref: InputRef) -> str:
        return self.finished[ref.step.id].hash_of(ref.artefact)

    def _log_waiting(self, step: PlannedStep) -> None:
        message = "another run is working on the same step; waiting for its result"
        about = self.announcer.about(step)
        self.announcer.notify(StepLogged(**about, level="INFO", message=message))


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
    """Link a finished step into the run folder; copy it if links are not supported."""
    try:
        place.symlink_to(os.path.relpath(target, place.parent), target_is_directory=True)
    except (OSError, ValueError, NotImplementedError):
        if not place.parent.is_dir():  # the run folder itself is gone
            raise
        shutil.copytree(target, place, dirs_exist_ok=True)
