"""The findings of a check: problems, and steps planned so far."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from fibcore.errors import FibError, Problem, did_you_mean, listed
from fibcore.pipeline.explain import Location, booleans_as_numbers, explain
from fibcore.pipeline.locate import LocatedJson, place_of
from fibcore.pipeline.plan import PlannedStep
from fibcore.plugin import Plugin
from fibcore.registry import registry
from fibcore.text import described, shown, text_of


class Findings:
    """Problems, and the steps that are valid.

    Attributes:
        base: folder that paths in the pipeline are relative to.
        ids: ids of all steps in the order of the file.
        problems: all problems so far.
        done: id -> planned step, of valid steps.
        broken: ids of steps with a problem; references to them are not reported again.
    """

    def __init__(self, base: Path, located: LocatedJson | None) -> None:
        self.base = base
        self.ids: Sequence[str] = ()
        self.problems: list[Problem] = []
        self.done: dict[str, PlannedStep] = {}
        self.broken: set[str] = set()
        self._located = located

    def add(self, path: Location, message: str) -> None:
        """Add a problem at a place of the document."""
        if self._located is not None:
            self.problems.append(self._located.problem(path, message))
        else:
            self.problems.append(Problem(place_of(path), message))

    def plugin(self, path: Location, identifier: str) -> type[Plugin] | None:
        """Return the plugin of an identifier, or report why it cannot be used."""
        try:
            return registry().plugin(identifier)
        except FibError as error:
            self.add(path, str(error))
            return None

    def params(self, model: type[BaseModel], values: Mapping[str, Any], path: Location) -> Any:
        """Return an object made from parameters, or report the problems of each of them."""
        try:
            made = model.model_validate(dict(values))
            if not self.refuse_booleans(values, made, path):
                return made
        except ValidationError as error:
            for location, message in explain(error, model, values):
                self.add((*path, *location), message)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a third party's validator
            self.add(path, f"{model.__name__} rejected them: {described(error)}")
        return None

    def refuse_booleans(self, given: Mapping[str, Any], made: BaseModel, path: Location) -> bool:
        """Report each boolean that was given for a number; return whether there are any."""
        places = list(booleans_as_numbers(given, made.model_dump(by_alias=True)))
        for place in places:
            self.add((*path, *place), "must be a number, not true or false")
        return bool(places)

    @contextmanager
    def reporting(self, path: Location, what: str) -> Iterator[None]:
        """Report all errors raised while a step is checked, including those of plugins."""
        try:
            yield
        except KeyboardInterrupt:
            raise
        except FibError as error:
            self.add(path, text_of(error))
        except BaseException as error:
            self.add(
                path,
                f"{shown(what)} cannot be checked: {described(error)} (not an error in your "
                f"pipeline; please report it)",
            )

    def earlier(self, path: Location, name: str, own: str) -> PlannedStep | None:
        """Return the earlier step to which step `own` refers, or report why there is none."""
        if name in self.done:
            return self.done[name]
        if name == own:
            self.add(path, f"step {name!r} cannot read its own result; name an earlier step")
        elif name in self.broken:
            pass  # its own problem is reported
        elif name in self.ids:
            self.add(
                path,
                f"step {name!r} comes later in the file; inputs name earlier steps: move it up",
            )
        else:
            known = self.ids[: self.ids.index(own)]
            hint = did_you_mean(name, known) or f" Earlier steps: {listed(known)}."
            self.add(path, f"there is no step {name!r}.{hint}")
        return None
