"""Observers belong to a run: each gets the events of its own run and of no other."""

from __future__ import annotations

import json
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import pytest

import fib_plugins
from fib_plugins.event_log import EventLog
from fib_plugins.threads import in_threads
from fibcore import Adapter, Context, Images, hookimpl
from fibcore.events import RunFinished, RunStarted, StepFinished, StepLogged, StepProgress
from fibcore.packages import Packages, Source
from fibcore.registry import registry

MEETING = threading.Barrier(2, timeout=20)
KINDS_OF_LINE = ("own", "shared", "thread", "thread", "thread")


class ToyMeeting(Adapter):
    """Waits for the other run at every turn, logs in all ways there are, reports progress."""

    name: ClassVar[str] = "toy_meeting"
    who: str
    alone: bool = False

    def transform(self, images: Images, context: Context | None = None) -> Images:
        context = Context.of(context)
        for turn in range(3):
            self.meet()
            context.log.info("%s own %d", self.who, turn)
            logging.getLogger("fib").info("%s shared %d", self.who, turn)
            in_threads(self._from_thread, [turn], 1)
            in_threads(self._from_thread, [turn, turn], 2)
            context.progress(turn + 1, 3, self.who)
            self.meet()
        context.log.warning("%s warns", self.who)
        self.meet()
        return images

    def meet(self) -> None:
        if not self.alone:
            MEETING.wait()

    def _from_thread(self, turn: int) -> None:
        logging.getLogger("fib").info("%s thread %d", self.who, turn)


class Counter:
    """Counts the events of one run; its file is what it leaves."""

    made: ClassVar[list[Counter]] = []

    def __init__(self, run, command):
        self.run, self.command, self.events = run, command, []
        self.made.append(self)

    @hookimpl
    def fib_run_event(self, event):
        self.events.append(event)
        if isinstance(event, RunFinished):
            path = self.run / "count.txt"
            path.write_text(str(len(self.events)))
            return path
        return None


class ToyObservers:
    """A package: an observer of each run, and a function for the events of all."""

    heard: ClassVar[list] = []

    @hookimpl
    def fib_observe_run(self, command, run):
        return [Counter(run, command)]

    @hookimpl
    def fib_run_event(self, event):
        self.heard.append(event)


class ToyPackage:
    @hookimpl
    def fib_register_adapters(self, register):
        register(ToyMeeting)


@pytest.fixture(scope="session", autouse=True)  # registered once, in any order of tests
def _package():
    registry().add_module(ToyPackage(), "meeting = tests", "fib-toy-meeting")


@pytest.fixture(autouse=True)
def _observers(monkeypatch):
    """Runs here are watched by the observers of a package that no other test has."""
    Counter.made.clear()
    ToyObservers.heard.clear()
    watched = Packages()
    watched.add_module(ToyObservers(), Source("observers = tests", "fib-toy-observers", ""))
    watched.add_module(fib_plugins, Source("builtin = fib_plugins", "fibtomo", ""))
    monkeypatch.setattr("fibcore.pipeline.announce.packages", lambda: watched)


class Listens:
    def __init__(self):
        self.events = []

    @hookimpl
    def fib_run_event(self, event):
        self.events.append(event)


def steps(who, alone=False):
    return [
        {"id": "gold", "run": "generator/toy_blocks"},
        {"id": "sem", "run": "simulator/toy_camera", "inputs": {"labels": "gold"}},
        {
            "id": who,
            "run": "adapter/toy_meeting",
            "params": {"who": who, "alone": alone},
            "inputs": {"images": "sem"},
        },
    ]


def test_of_two_runs_in_two_threads_neither_hears_the_other(bench):
    listeners = {"anna": Listens(), "bert": Listens()}
    bench.run(steps("anna")[:2])  # so that no run waits for the other's lock

    def run(who):
        observers = [listeners[who], EventLog()]
        return bench.run(steps(who), observers=observers, command=["fib", who])

    with ThreadPoolExecutor(2) as pool:
        results = dict(zip(listeners, pool.map(run, listeners), strict=True))
    for who, result in results.items():
        events = listeners[who].events
        assert {event.run for event in events} == {result.folder}
        assert [type(event) for event in events[:1] + events[-1:]] == [RunStarted, RunFinished]
        logged = [event.message for event in events if isinstance(event, StepLogged)]
        own = [f"{who} {what} {turn}" for turn in range(3) for what in KINDS_OF_LINE]
        assert logged == [*own, f"{who} warns"]
        assert {event.what for event in events if isinstance(event, StepProgress)} == {who}
        lines = [json.loads(line) for line in (result.folder / "log.jsonl").open()]
        assert [line["message"] for line in lines if "message" in line] == logged
        provenance = json.loads((result.folder / "provenance.json").read_text())
        assert provenance["status"] == "finished"
        assert provenance["command"] == ["fib", who]
        assert [step["id"] for step in provenance["steps"]] == ["gold", "sem", who]
        assert provenance["steps"][-1]["warnings"] == [f"{who} warns"]
        report = (result.folder / "report.html").read_text()
        assert f"{who} warns" in report
        assert all(f"{other} warns" not in report for other in results if other != who)
        (counter,) = [made for made in Counter.made if made.run == result.folder]
        assert counter.command == ("fib", who)
        assert {event.run for event in counter.events} == {result.folder}
        assert result.files == (result.folder / "count.txt", result.folder / "report.html")
    assert {event.run for event in ToyObservers.heard} >= {r.folder for r in results.values()}
    log = logging.getLogger("fib")
    assert (log.handlers, log.level, log.propagate) == ([], logging.NOTSET, True)


def test_a_run_that_an_observer_starts_is_a_run_of_its_own(bench):
    inner = Listens()

    class Starts:
        @hookimpl
        def fib_run_event(self, event):
            if isinstance(event, StepFinished) and event.step == "gold":
                bench.run(steps("inner", alone=True), observers=[inner])

    outer = Listens()
    result = bench.run(steps("outer", alone=True), observers=[Starts(), outer])
    assert {event.run for event in outer.events} == {result.folder}
    assert result.folder not in {event.run for event in inner.events}
    lines = [event.message for event in outer.events if isinstance(event, StepLogged)]
    assert lines
    assert all(line.startswith("outer") for line in lines)


def test_one_observer_may_watch_two_runs_one_after_the_other(bench):
    both = Listens()
    for seed in (1, 2):
        bench.run(steps("twice", alone=True), seed=seed, observers=[both])
    assert len({event.run for event in both.events}) == 2


def test_an_observer_that_has_no_hook_is_reported(bench):
    class Forgets:
        def fib_run_event(self, event):
            raise AssertionError

    result = bench.run(steps("forgets", alone=True), observers=[Forgets()])
    warnings = json.loads((result.folder / "provenance.json").read_text())["warnings"]
    assert warnings == [
        "observer Forgets gets no events: mark its method fib_run_event with hookimpl"
    ]


def test_a_run_from_python_writes_no_report_unless_asked(bench):
    result = bench.run(steps("quiet", alone=True))
    assert result.files == (result.folder / "count.txt",)
    assert not (result.folder / "report.html").exists()
    again = bench.run(steps("quiet", alone=True), command=["fib", "run", "quiet.json"])
    assert (again.folder / "report.html").is_file()
