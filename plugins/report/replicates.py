"""Figures of several runs side by side: those that differ by their seed alone are one group."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from fib_plugins.report.collect import Run, Step
from fibcore.tables import Table

NOTHING = "-"
"""Setting of a group that lacks the step."""


@dataclass(frozen=True)
class Figures:
    """What a metric step measured in one run.

    Attributes:
        step: its id.
        plugin: ``metric/name``.
        values: column -> number, of its table of one row.
    """

    step: str
    plugin: str
    values: Mapping[str, float]


@dataclass(frozen=True)
class Group:
    """Runs of one pipeline with the same settings.

    Attributes:
        runs: one for each seed.
        settings: of the whole pipeline, in words (`settings_of`).
    """

    runs: Sequence[Run]
    settings: Mapping[str, str]

    @cached_property
    def figures(self) -> dict[tuple[str, str], dict[str, list[float]]]:
        """(step, plugin) -> column -> the runs' numbers."""
        found: dict[tuple[str, str], dict[str, list[float]]] = {}
        for run in self.runs:
            for item in figures_of(run):
                columns = found.setdefault((item.step, item.plugin), {})
                for name, value in item.values.items():
                    columns.setdefault(name, []).append(value)
        return found


def figures_of(run: Run) -> Iterator[Figures]:
    """Yield what the finished metric steps of a run measured, where it is one row of numbers."""
    for step in run.steps:
        table = step.artefacts["table"].value if "table" in step.artefacts else None
        if step.kind == "metric" and isinstance(table, Table) and len(table) == 1:
            row = table.rows()[0]
            numbers = {name: float(value) for name, value in row.items() if _is_number(value)}
            yield Figures(step.id, step.plugin, numbers)


def grouped(runs: Iterable[Run]) -> list[Group]:
    """Return the runs in groups that differ by more than the seed.

    Of runs with the same settings and the same seed one counts: that with the most figures (a run
    may have ended early), of these the last.
    """
    found: dict[str, dict[object, Run]] = {}
    settings = {}
    for run in runs:
        own = settings_of(run)
        key = json.dumps(own, sort_keys=True)
        settings[key] = own
        by_seed = found.setdefault(key, {})
        if _measured(run) >= _measured(by_seed.get(run.seed)):
            by_seed[run.seed] = run
    return [Group(list(by_seed.values()), settings[key]) for key, by_seed in found.items()]


def differences(groups: Sequence[Group]) -> list[dict[str, str]]:
    """Return for each group the settings that are not the same in all of them.

    Parameters that no pipeline file sets (they follow from others) count where nothing else
    differs; those of steps that some group lacks do not.
    """
    names = dict.fromkeys(name for group in groups for name in group.settings)
    differing = [
        name
        for name in names
        if len({group.settings.get(name) for group in groups}) > 1
        and ("." not in name or all(name in group.settings for group in groups))
    ]
    written = {name for group in groups for run in group.runs for name in _written(run)}
    shown = [name for name in differing if name in written] or differing
    return [{name: group.settings.get(name, NOTHING) for name in shown} for group in groups]


def settings_of(run: Run) -> dict[str, str]:
    """Return all that a run's figures depend on except its seed: name -> value as text.

    Names are ``pipeline``, ``STEP`` (its plugin), ``STEP.PARAM`` and ``STEP.inputs.NAME``.
    """
    settings = {"pipeline": run.name}
    for step in run.steps:
        settings[step.id] = _plugin(step)
        for name, value in step.params.items():
            settings[f"{step.id}.{name}"] = json.dumps(value, ensure_ascii=False)
        for name, sources in step.inputs.items():
            settings[f"{step.id}.inputs.{name}"] = ", ".join(map(str, sources))
    return settings


def mean_and_spread(values: Sequence[float]) -> str:
    """Return the mean, and the standard deviation where there are several values."""
    text = f"{statistics.mean(values):.4g}"
    return text + (f" ± {statistics.stdev(values):.2g}" if len(values) > 1 else "")


def long_table(groups: Mapping[str, Group]) -> Table:
    """Return every figure of every run in a row of its own; groups by their names."""
    return Table.from_rows(
        {
            "group": name, "pipeline": run.name, "run": run.folder.name, "seed": run.seed,
            "step": item.step, "plugin": item.plugin, "figure": figure, "value": value,
        }
        for name, group in groups.items()
        for run in group.runs
        for item in figures_of(run)
        for figure, value in item.values.items()
    )  # fmt: skip


def _written(run: Run) -> Iterator[str]:
    """Yield the names of the settings that the pipeline file itself holds."""
    yield "pipeline"
    for step in run.steps:
        yield step.id
        yield from (f"{step.id}.{name}" for name in step.given)
        yield from (f"{step.id}.inputs.{name}" for name in step.inputs)


def _plugin(step: Step) -> str:
    if step.source:
        return f"{step.verb} {step.source}"
    return f"apply {step.model}" if step.model else step.plugin


def _measured(run: Run | None) -> int:
    return 0 if run is None else sum(1 for _ in figures_of(run))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
