"""The page of the documentation with the measurements."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..pages import table
from .parts import PARTS, TARGETS
from .result import Result, number

HEAD = """# Measured on a GPU

`make gpu` measures these figures and writes this page. The [guide](guide/gpu.md) describes the
measurements and how to read them. The CPU's figures are measured on the same machine in the same
run.
"""

DRY = """# Dry run of `make gpu`

!!! warning "Nothing here was measured on a GPU"
    Sizes are tiny, the Monte Carlo ran in Numba's simulator, and networks on the CPU. This page
    only shows that everything runs.
"""


def page(content: dict[str, Any]) -> str:
    """Return the page for the content of ``gpu.json``."""
    lines = [DRY if content["dry"] else HEAD, _about(content), "## Targets\n"]
    lines.append(_table(("target", "measured", "", "remark"), _targets(content["targets"])))
    for part in PARTS:
        found = content["parts"].get(part.name)
        if found is not None:
            lines += ["", f"## {part.title}\n", *_part(found)]
    if content["machine"]:
        lines += ["", "## Machine and versions\n"]
        lines.append("; ".join(f"{name} {which}" for name, which in content["machine"].items()))
    return "\n".join(lines).rstrip() + "\n"


def _about(content: dict[str, Any]) -> str:
    if not content["parts"]:
        return "Nothing was measured yet.\n"
    machine = content["machine"]
    where = [machine[name] for name in ("GPU", "CPU") if name in machine]
    code = [f"fib {content['version']}", *filter(None, [(content["commit"] or "")[:12]])]
    return f"{content['date']}, {', '.join([*where, *code])}; {content['seconds']:.0f} s in all.\n"


def _targets(results: list[dict[str, Any]]) -> Iterable[tuple[str, ...]]:
    for target, found in zip(TARGETS, results, strict=True):
        verdict = {True: "reached", False: "**missed**", None: ""}[found["met"]]
        measured = found["measured"]
        figure = "not measured" if measured is None else f"{number(measured)} {found['unit']}"
        yield target.words, figure, verdict, found["note"]


def _part(found: dict[str, Any]) -> Iterable[str]:
    """Yield the results of a part, and the reason if it has not finished."""
    if found["status"] != "done":
        yield f"**{found['status'].capitalize()}** after {found['seconds']:.0f} s. {found['why']}\n"
    if found["output"]:
        yield "```text\n" + "\n".join(found["output"]).replace("```", "'''") + "\n```\n"
    results = [Result.of_json(result) for result in found["results"]]
    if results:
        head = ("what", "unit", "GPU", "CPU", "times as fast", "check", "remark")
        yield _table(head, [_row(result) for result in results])


def _row(result: Result) -> tuple[str, ...]:
    beside = number(result.cpu)
    if result.cpu_is:
        beside += f" ({result.cpu_is})"
    check = result.check if result.passed in (None, True) else f"**wrong:** {result.check}"
    figures = (number(result.gpu), beside, number(result.ratio))
    return (result.name, result.unit, *figures, check, result.note)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table without its empty columns."""
    rows = list(rows)
    kept = [i for i in range(len(head)) if any(row[i] for row in rows)]
    return table([head[i] for i in kept], [[row[i] for i in kept] for row in rows])
