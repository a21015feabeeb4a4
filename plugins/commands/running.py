"""``fib run`` and ``fib check``, with their options; see `run` for what they do."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fibcore.cli import CacheOption, DebugOption, OutOption
from fibcore.errors import UsageError

PipelineFile = Annotated[Path, typer.Argument(help="Pipeline file (JSON).", show_default=False)]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="STEP.PARAM=VALUE",
        help="Set a parameter (or STEP.load); VALUE is JSON or text; STEP may be a pattern, as in "
        "'unet_*.epochs=20'. May be repeated.",
    ),
]
SettingsOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--settings",
        metavar="FILE",
        help="Set the parameters that a JSON file lists (STEP.PARAM: value); --set overrides it. "
        "May be repeated: later files override earlier ones.",
    ),
]
SeedOption = Annotated[
    int | None, typer.Option("--seed", min=0, help="Replaces the seed of the pipeline.")
]
StepOption = str | None


def run(
    pipeline: PipelineFile,
    settings: SettingsOption = None,
    set_: SetOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Show what would run and why; run nothing.")
    ] = False,
    from_: Annotated[
        StepOption, typer.Option("--from", metavar="ID", help="First step that may run.")
    ] = None,
    to: Annotated[
        StepOption, typer.Option("--to", metavar="ID", help="Last step that runs.")
    ] = None,
    force: Annotated[
        list[str] | None,
        typer.Option("--force", metavar="ID", help="Run this step again. May be repeated."),
    ] = None,
    seed: SeedOption = None,
    out: OutOption = Path("runs"),
    cache: CacheOption = Path(".fib-cache"),
    device: Annotated[
        str, typer.Option("--device", help="auto, cpu, cuda, cuda:N or mps.")
    ] = "auto",
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, help="CPU threads (default: all).")
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            "-j",
            min=1,
            help="Steps at a time that do not need one another (default: one for every two cores).",
        ),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            "--cluster",
            metavar="WHERE",
            help="Share the work among Dask workers: local:N, the address of a scheduler "
            "(tcp://host:8786), or a YAML file with the jobs of a batch system.",
        ),
    ] = None,
    resource_check: Annotated[
        bool,
        typer.Option("--resource-check/--no-resource-check", help="Refuse runs that do not fit."),
    ] = True,
    format: Annotated[
        str, typer.Option("--format", help="Volumes: tiff, zarr, or auto (zarr above 4 GB).")
    ] = "auto",
    debug: DebugOption = False,
) -> None:
    """Run a pipeline: reuse finished steps, compute the others, write a report."""
    from fib_plugins.commands.run import run_command

    run_command(
        pipeline, settings or [], set_ or [], dry_run, from_, to, force or [], seed, out, cache,
        device, threads, _where(jobs, cluster), resource_check, format,
    )  # fmt: skip


def check(
    pipeline: PipelineFile,
    settings: SettingsOption = None,
    set_: SetOption = None,
    seed: SeedOption = None,
    debug: DebugOption = False,
) -> None:
    """Check a pipeline without running it: report all problems at once, with their places."""
    from fib_plugins.commands.run import check_command

    check_command(pipeline, settings or [], set_ or [], seed)


def _where(jobs: int | None, cluster: str | None) -> str:
    """Return the name of the workers; see `fib_plugins.workers.workers_named`."""
    if cluster is None:
        return f"jobs:{jobs or 'auto'}"
    if jobs is not None:
        raise UsageError(
            f"--jobs {jobs} and --cluster {cluster} exclude each other: a cluster has its own "
            f"number of workers; give one of them"
        )
    return cluster
