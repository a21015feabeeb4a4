"""What plugins and observers may do wrong, and what a run makes of it."""

from __future__ import annotations

import errno
import json
import logging
import shutil
from typing import Any, ClassVar

import pytest
from pydantic import Field, field_validator

from fibcore import Adapter, Context, Forecast, Images, hookimpl
from fibcore.errors import PipelineError
from fibcore.events import RunFinished, RunWarned, StepLogged, StepStarted
from fibcore.pipeline import StepError
from fibcore.registry import Registry, registry


class Gone(BaseException):
    """No `Exception`, as trio's and asyncio's cancellations are none."""


class Mute(Exception):
    def __str__(self) -> str:
        raise ZeroDivisionError


def recurse() -> None:
    recurse()


def one() -> int:
    return 1


DEEDS: dict[str, Any] = {
    "exit 0": lambda: exit(0),
    "exit text": lambda: exit("bye"),
    "own base": lambda: (_ for _ in ()).throw(Gone("gone")),
    "generator exit": lambda: (_ for _ in ()).throw(GeneratorExit()),
    "mute": lambda: (_ for _ in ()).throw(Mute()),
    "recursion": recurse,
    "control characters": lambda: (_ for _ in ()).throw(ValueError("\x1b[31m" + "x" * 60_000)),
    "half a character": lambda: (_ for _ in ()).throw(ValueError("\ud800")),
}


class Bad(Adapter):
    """Misbehaves while it works, is checked, or tells what it will make."""

    name: ClassVar[str] = "toy_bad"

    deed: str = Field(default="", description="what to do while working")
    at_check: str = Field(default="", description="what to do when parameters are checked")
    at_forecast: str = Field(default="", description="what to do when asked what will come")

    @field_validator("at_check")
    @classmethod
    def _checked(cls, value: str) -> str:
        DEEDS.get(value, str)()
        return value

    def forecast(self, method: str, inputs: Any) -> Forecast:
        DEEDS.get(self.at_forecast, str)()
        return super().forecast(method, inputs)

    def transform(self, images: Images, context: Context | None = None) -> Images:
        context = Context.of(context)
        if self.deed == "log":
            log = logging.getLogger("fib")
            log.warning("%d of %s", "three")
            log.warning("too many", 1, 2)
            log.warning("%s", Mute())
            log.critical("plain %s", "words")
            log.warning("red \x1b[31m and \ud800 and \0")
        else:
            DEEDS[self.deed]()
        return images


class Package:
    @hookimpl
    def fib_register_adapters(self, register: Any) -> None:
        register(Bad)


@pytest.fixture(scope="session", autouse=True)  # registered once, in any order of tests
def _bad() -> None:
    registry().add_module(Package(), "bad = tests", "fib-toy-bad", "0.1")


@pytest.fixture
def bad(steps):
    """A pipeline with the bad plugin in its middle, and a function that sets its parameters."""

    def make(**params: str) -> list[dict[str, Any]]:
        step = {
            "id": "bad",
            "run": "adapter/toy_bad",
            "inputs": {"images": "sem"},
            "params": params,
        }
        return [*steps[:2], step, *steps[2:]]

    return make


def provenance(folder):
    return json.loads((folder / "provenance.json").read_text())


@pytest.mark.parametrize("deed", DEEDS)
def test_whatever_a_plugin_raises_is_a_failed_step(bench, bad, deed):
    with pytest.raises(StepError, match=r"adapter/toy_bad of fib-toy-bad 0\.1") as caught:
        bench.run(bad(deed=deed))
    assert caught.value.exit_code == 1
    record = provenance(caught.value.folder)
    assert record["status"] == "failed"
    assert [step["outcome"] for step in record["steps"]] == ["finished", "finished", "failed"]
    assert len(str(caught.value)) < 2000
    assert "\x1b" not in str(caught.value)
    assert str(caught.value).encode()


def test_a_full_disk_is_the_one_where_numba_keeps_code_if_a_package_lets_it(
    bench, bad, monkeypatch
):
    from numba import njit
    from numba.core import caching

    def full(*given: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(caching.IndexDataCacheFile, "_open_for_write", full)
    monkeypatch.setitem(DEEDS, "compile", lambda: njit(cache=True)(one)())
    with pytest.raises(StepError, match="NUMBA_CACHE_DIR") as caught:
        bench.run(bad(deed="compile"))
    assert "--cache" not in str(caught.value)


def test_ctrl_c_stays_an_interruption(bench, bad, monkeypatch):
    monkeypatch.setitem(DEEDS, "interrupt", lambda: (_ for _ in ()).throw(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        bench.run(bad(deed="interrupt"))
    (file,) = bench.folder.glob("runs/toy/*/provenance.json")
    record = json.loads(file.read_text())
    assert record["status"] == "interrupted"
    assert record["steps"][-1]["outcome"] == "interrupted"


@pytest.mark.parametrize("deed", DEEDS)
def test_whatever_is_raised_while_parameters_are_checked_is_a_problem(bench, bad, deed):
    with pytest.raises(PipelineError, match=r"steps\[2\]\.params"):
        bench.plan(bad(at_check=deed))


@pytest.mark.parametrize("deed", DEEDS)
def test_whatever_is_raised_by_a_forecast_is_a_warning(bench, bad, deed):
    plan = bench.plan(bad(at_forecast=deed))
    assert any("cannot forecast what it will make" in warning for warning in plan.warnings)


@pytest.mark.parametrize("told", [None, 3, {}, Forecast(memory_bytes="much"), Forecast({})])
def test_a_forecast_that_is_none_is_a_warning(bench, bad, monkeypatch, told):
    monkeypatch.setattr(Bad, "forecast", lambda *_: told)
    plan = bench.plan(bad())
    assert any("cannot forecast what it will make" in warning for warning in plan.warnings)


def test_log_calls_that_do_not_fit_their_arguments_do_no_harm(bench, bad):
    heard = []

    class Listens:
        @hookimpl
        def fib_run_event(self, event):
            heard.append(event)

    result = bench.run(bad(deed="log"), observers=[Listens()])
    texts = [event.message for event in heard if isinstance(event, StepLogged)]
    assert texts[0].startswith("%d of %s (log call with wrong arguments: TypeError")
    assert texts[1].startswith("too many (log call")
    assert "ZeroDivisionError" in texts[2] or "cannot be written" in texts[2]
    assert texts[3:] == ["plain words", r"red \x1b[31m and \ud800 and \x00"]
    again = bench.run(bad(deed="log"))
    assert provenance(again.folder)["steps"][2]["outcome"] == "reused"
    assert provenance(result.folder)["steps"][2]["warnings"] == texts


@pytest.mark.parametrize("deed", DEEDS)
def test_an_observer_that_raises_anything_disturbs_nothing(bench, steps, deed):
    heard = []

    class Raises:
        @hookimpl
        def fib_run_event(self, event):
            DEEDS[deed]()

    class Listens:
        @hookimpl
        def fib_run_event(self, event):
            heard.append(event)

    result = bench.run(steps, observers=[Raises(), Listens()])
    warned = [event for event in heard if isinstance(event, RunWarned)]
    assert len(warned) == 1
    assert "failed" in warned[0].message
    assert provenance(result.folder)["warnings"] == [warned[0].message]
    assert provenance(result.folder)["status"] == "finished"


def test_an_observer_that_always_fails_otherwise_is_reported_once(bench, steps):
    class Counts:
        number = 0

        @hookimpl
        def fib_run_event(self, event):
            self.number += 1
            raise ValueError(f"failure {self.number}")

    result = bench.run(steps, observers=[Counts()])
    assert len(provenance(result.folder)["warnings"]) == 1


def test_an_observer_that_fails_at_the_very_end_is_reported_in_the_provenance(bench, steps):
    class Late:
        @hookimpl
        def fib_run_event(self, event):
            if isinstance(event, RunFinished):
                raise RuntimeError("the tracker is down")

    result = bench.run(steps, observers=[Late()])
    assert any("tracker" in text for text in provenance(result.folder)["warnings"])


def test_an_observer_whose_hook_does_not_fit_is_reported(bench, steps):
    class Misfit:
        @hookimpl
        def fib_run_event(self, happening):
            raise AssertionError

    result = bench.run(steps, observers=[Misfit()])
    assert any("Misfit failed" in text for text in provenance(result.folder)["warnings"])
    assert provenance(result.folder)["status"] == "finished"


@pytest.mark.parametrize("deed", DEEDS)
def test_a_package_that_raises_anything_is_reported_and_stops_no_other(deed):
    class Raises:
        @hookimpl
        def fib_register_adapters(self, register):
            DEEDS[deed]()

    found = Registry()
    found.add_module(Raises(), "raises = tests", "fib-raises")
    found.add_module(Package(), "bad = tests", "fib-toy-bad")
    assert [entry.identifier for entry in found.entries()] == ["adapter/toy_bad"]
    assert "fib_register_adapters failed" in found.broken[0].reason


# -- the machine -----------------------------------------------------------------------------


def deleting(what):
    class Deletes:
        @hookimpl
        def fib_run_event(self, event):
            if isinstance(event, StepStarted) and event.step == "level":
                shutil.rmtree(what(event.run))

    return Deletes()


def test_a_cache_that_vanishes_is_named_as_the_cause(bench, steps):
    with pytest.raises(StepError, match=r"cache.* disappeared during the run") as caught:
        bench.run(steps, observers=[deleting(lambda run: bench.folder / "cache")])
    assert str(bench.folder / "cache") in str(caught.value)
    assert provenance(caught.value.folder)["status"] == "failed"
    assert bench.run(steps)["score"]["wrong_percent"][0] < 1


def test_a_finished_step_that_vanishes_is_named_as_the_cause(bench, steps):
    with pytest.raises(StepError, match="disappeared during the run"):
        bench.run(steps, observers=[deleting(lambda run: (run / "02-sem").resolve())])


def test_a_run_folder_that_vanishes_is_named_as_the_cause(bench, steps):
    with pytest.raises(StepError, match=r"runs/toy/\S+ disappeared during the run"):
        bench.run(steps, observers=[deleting(lambda run: run)])


@pytest.mark.parametrize("number", [errno.EIO, errno.EROFS, errno.EACCES, errno.EMFILE])
def test_what_the_machine_refuses_is_no_bug_of_a_plugin(bench, bad, monkeypatch, number):
    def refuse() -> None:
        raise OSError(number, "no way", "/scratch/a")

    monkeypatch.setitem(DEEDS, "refuse", refuse)
    with pytest.raises(StepError, match=r"operating system reported: no way \(/scratch/a\)"):
        bench.run(bad(deed="refuse"))
