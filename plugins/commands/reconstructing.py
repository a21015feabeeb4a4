"""``fib reconstruct``: what it prints, and the run."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from fib_plugins.commands.answer import show_answer
from fib_plugins.commands.run import plan_of, run_command
from fib_plugins.reconstruct.budget import in_words
from fib_plugins.reconstruct.folder import Folder
from fib_plugins.reconstruct.machine import Machine, machine_for
from fib_plugins.reconstruct.plan import Plan, plan_for
from fib_plugins.reconstruct.request import Request
from fib_plugins.terminal_tables import Column, print_table
from fibcore.cli import console, echo
from fibcore.cli.terminal import print_warning
from fibcore.devices import resolve_device
from fibcore.errors import sized


def reconstruct_command(
    request: Request, out: Path | None, device: str, options: Sequence[str], dry_run: bool
) -> None:
    """Look at a stack and write its pipeline, unless there is one; run it.

    Args:
        request: what the user has given.
        out: folder of pipeline and results; None: named after the stack.
        device: device of networks.
        options: values of ``--set``, for this run.
        dry_run: stop before the run.
    """
    if device != "auto":
        resolve_device(device)
    folder = Folder.of(request.stacks[0], out)
    state = folder.state(request)
    if state == "new":
        machine = machine_for(folder.path, device)
        plan = plan_for(request, machine)
        folder.write(plan)
        _show(plan, machine)
        plan_of(folder.pipeline, [], options, None)
        echo(f"wrote {folder.pipeline}")
    else:
        edited = ", which was edited," if state == "edited" else ""
        echo(f"resuming {folder.pipeline}{edited}; it is not written again")
        plan_of(folder.pipeline, [], options, None)
    command = shlex.join(["fib", "run", str(folder.pipeline), *_places(folder)])
    if dry_run:
        echo(f"next: the same command without --dry-run, or {command}")
        return
    result = run_command(
        folder.pipeline, [], options, False, None, None, [], None, folder.path / "runs",
        folder.path / ".fib-cache", device, None, "jobs:auto", True,
    )  # fmt: skip
    if result is not None:
        show_answer(result)


def _places(folder: Folder) -> list[str]:
    return ["--out", str(folder.path / "runs"), "--cache", str(folder.path / ".fib-cache")]


def _show(plan: Plan, machine: Machine) -> None:
    warnings = console(err=True)
    print_table(
        [Column("what"), Column("found in a sample", text=True), Column("what is done", text=True)],
        [[line.subject, line.found, line.done] for line in plan.findings],
    )
    echo()
    sizes = plan.sizes
    rows = [[part, in_words(seconds)] for part, seconds in sizes.seconds.items()]
    print_table(
        [Column("part"), Column("time", right=True)], [*rows, ["all", in_words(sizes.total_s)]]
    )
    echo(
        f"on {machine}; about {sized(sizes.memory_bytes)} of memory and {sized(sizes.disk_bytes)} "
        f"of disk"
    )
    for warning in plan.warnings:
        print_warning(warnings, warning)
