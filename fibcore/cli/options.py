"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
OutOption = Annotated[Path, typer.Option("--out", "-o", help="Folder for run folders.")]
CacheOption = Annotated[
    Path, typer.Option("--cache", envvar="FIB_CACHE", help="Folder of finished steps.")
]
SeedOption = Annotated[
    int | None, typer.Option("--seed", min=0, help="Replaces the seed of the pipeline.")
]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show tracebacks.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
StepOption = str | None
