"""Figures of several runs; runs that differ only in their seed form one group."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from fib_plugins.report.collect import Run, Step
from fibcore.tables import Table

NOTHING = "-"
"""Setting shown for a group without the step."""


@dataclass(frozen=True)
class Figures:
    """Figures of a metric step in one run.

    Attributes:
        step: id of the step.
        plugin: ``metric/name``.
        values: column -> number, from its table of one row.
    """

    step: str
    plugin: str
    values: Mapping[str, float]


@dataclass(frozen=True)
class Group:
    """Runs of one pipeline with the same settings.

    Attributes:
        runs: one run for each seed.
        settings: settings of the whole pipeline as text (`settings_of`).
    """

    runs: Sequence[Run]
    settings: Mapping[str, str]

    @cached_property
    def figures(self) -> dict[tuple[str, str], dict[str, list[float]]]:
        """(step, plugin) -> column -> numbers of the runs."""
        found: dict[tuple[str, str], dict[str, list[float]]] = {}
        for run in self.runs:
            for item in figures_of(run):
                columns = found.setdefault((item.step, item.plugin), {})
                for name, value in item.values.items():
                    columns.setdefault(name, []).append(value)
        return found


def figures_of(run: Run) -> Iterator[Figures]:
    """Yield the figures of the finished metric steps of a run with one row of numbers."""
    for step in run.steps:
        table = step.artefacts["table"].value if "table" in step.artefacts else None
        if step.measures and isinstance(table, Table) and len(table) == 1:
            row = table.rows()[0]
            numbers = {name: float(value) for name, value in row.items() if _is_number(value)}
            yield Figures(step.id, step.plugin, numbers)


def grouped(runs: Iterable[Run]) -> list[Group]:
    """Return the runs in groups that differ in more than the seed.

    Of several runs with the same settings and the same seed, the one with the most figures is used
    (a run may have ended early); of these, the last.
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
    return [
        Group([by_seed[seed] for seed in sorted(by_seed, key=_in_order)], settings[key])
        for key, by_seed in found.items()
    ]


def _in_order(seed: object) -> tuple[int, str]:
    return len(str(seed)), str(seed)


def differences(groups: Sequence[Group]) -> list[dict[str, str]]:
    """Return for each group the settings that differ between groups.

    Parameters that no pipeline file sets (derived ones) are listed only if nothing else differs.
    Parameters of steps that a group lacks are not listed.
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
    """Return all settings that a run's figures depend on, except the seed: name -> text.

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
    """Return a table with one row for each figure of each run, and the names of groups."""
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
    """Yield the names of the settings given in the pipeline file."""
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
