"""Executes a task: reads its inputs, calls its plugin, checks and commits its results."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from fibcore.artefacts import Artefact
from fibcore.context import Context, Spread
from fibcore.contracts import Slot
from fibcore.events import RunEvent, StepLogged, StepProgress
from fibcore.guests import guest
from fibcore.interrupts import obey
from fibcore.models import Model
from fibcore.pipeline import logs
from fibcore.pipeline.provenance import peak_memory_bytes
from fibcore.pipeline.store import Entry, Store
from fibcore.pipeline.task import Read, Task
from fibcore.pipeline.wiring import plugin_of
from fibcore.text import described, message, text_of
from fibcore.threads import one_blas_thread
from fibcore.volumes import Images, Volume

PROGRESS_EVERY_S = 0.1

Notify = Callable[[RunEvent], None]


@dataclass(frozen=True)
class Outcome:
    """A finished task.

    Attributes:
        entry: its result.
        device: device that it used.
        peak_memory_bytes: largest size that its process has had.
        worker: name of the process; empty for that of the run.
    """

    entry: Entry
    device: str
    peak_memory_bytes: int
    worker: str = ""


def perform(task: Task, notify: Notify, spread: Spread | None = None) -> Outcome:
    """Execute a task and commit its result; the lock of its key is held.

    Args:
        task: the task.
        notify: gets the events of the step.
        spread: shares the parts of the step among workers.

    Raises:
        TypeError: the plugin returned another type than its signature declares.
        Exception: any error of the plugin.
    """
    clock = time.monotonic()
    store = Store(task.store, volumes=task.format)
    scratch = store.work_folder(task.key) / "scratch"
    warnings: list[str] = []
    with _logging_of(task, warnings, notify) as log:
        context = Context(
            task.work.seed, device=task.device, threads=task.threads, scratch=scratch,
            report=_progress_of(task, notify), log=log, spread=spread,
        )  # fmt: skip
        made = _made(task, context)
        manifest = {
            "key_parts": task.key_parts,
            "read": task.read,
            "started": task.started,
            "seconds": round(time.monotonic() - clock, 3),
            "warnings": warnings,
        }
        entry = store.commit(task.key, made, manifest, task.work.files)
    return Outcome(entry, context.device_used, peak_memory_bytes())


def _made(task: Task, context: Context) -> dict[str, Artefact]:
    """Return the artefacts of a task: name -> artefact, the main one first."""
    work = task.work
    plugin: Any = work.plugin
    if task.model is not None:
        plugin = plugin_of(task.model(), work.params)
    inputs = {
        name: _input(name, work.slots[name], reads, context) for name, reads in task.inputs.items()
    }
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
    return made | _further(task, plugin, context.kept)


def _further(task: Task, plugin: Any, kept: Mapping[str, Any]) -> dict[str, Artefact]:
    """Return the further artefacts of a step, after its main one."""
    _, *others = task.work.products.items()
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


def _input(name: str, slot: Slot, reads: Sequence[Read], context: Context) -> Any:
    parts = []
    for number, read in enumerate(reads):
        artefact = read()
        if isinstance(artefact, Volume) and read.part.cut:
            artefact = artefact.cut(read.part.cut)
        if isinstance(artefact, Images) and read.part.channels:
            empty = partial(context.empty, f"input-{name}-{number}")
            artefact = artefact.select(read.part.kv, read.part.detector, empty=empty)
        parts.append(artefact)
    if slot.as_plugin:
        parts = [plugin_of(part, {}) if isinstance(part, Model) else part for part in parts]
    if slot.several:
        return parts
    if len(parts) == 1:
        return parts[0]
    return Images.stack(parts, partial(context.empty, f"input-{name}"))


def _progress_of(task: Task, notify: Notify) -> Callable[[str, float, float | None], None]:
    """Return the progress callback of a task; it passes on at most ten calls a second."""
    last = 0.0

    def report(what: str, done: float, total: float | None) -> None:
        nonlocal last
        obey()
        clock = time.monotonic()
        if clock - last >= PROGRESS_EVERY_S or done == total:
            last = clock
            notify(StepProgress(**task.about, what=what, done=done, total=total))

    return report


@contextmanager
def _logging_of(task: Task, warnings: list[str], notify: Notify) -> Iterator[logging.Logger]:
    """Return the logger of a task; observers get its records, `warnings` each warning once."""

    def take(record: logging.LogRecord) -> None:
        text = message(_text_of(record))
        if record.levelno >= logging.WARNING:
            if text in warnings:
                return
            warnings.append(text)
        notify(StepLogged(**task.about, level=record.levelname, message=text))

    with logs.logger(take) as log:
        yield log


def _text_of(record: logging.LogRecord) -> str:
    """Return the message of a log record, even if its arguments do not fit."""
    try:
        return record.getMessage()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return f"{text_of(record.msg)} (log call with wrong arguments: {described(error)})"
