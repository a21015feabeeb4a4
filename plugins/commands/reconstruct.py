"""``fib reconstruct`` with its options; see `reconstruct` for what it does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fib_plugins.commands.running import SetOption
from fibcore.cli import DebugOption

StackFiles = Annotated[
    list[str],
    typer.Argument(
        metavar="STACK...",
        help="A file of slices, a folder or a glob; several are detectors of the same slices.",
        show_default=False,
    ),
]


def reconstruct(
    stacks: StackFiles,
    solid: Annotated[
        str,
        typer.Option("--solid", help="Material of the solid: see fib materials; or an element."),
    ],
    pore: Annotated[
        str, typer.Option("--pore", help="Material that fills the pores; vacuum: they are open.")
    ] = "epoxy",
    labels: Annotated[
        str | None,
        typer.Option(
            "--labels",
            metavar="FILE",
            help="Labelled slices, whole or in part: 0 pore, 1 solid, 255 unknown.",
        ),
    ] = None,
    label_slices: Annotated[
        str | None,
        typer.Option(
            "--label-slices",
            metavar="N,N,...",
            help="Slices of the stack, counted from 0, that FILE shows (default: all).",
        ),
    ] = None,
    kv: Annotated[
        str | None,
        typer.Option(
            "--kv", metavar="KV,...", help="Accelerating voltage, one for all or for each stack."
        ),
    ] = None,
    detector: Annotated[
        str | None,
        typer.Option(
            "--detector", metavar="NAME,...", help="bse, se or in_lens, one for each stack."
        ),
    ] = None,
    voxel_size_nm: Annotated[
        str | None,
        typer.Option("--voxel-size-nm", metavar="Z,Y,X", help="Voxel size; Z: slice thickness."),
    ] = None,
    slice_thickness_nm: Annotated[
        float | None,
        typer.Option("--slice-thickness-nm", help="Slice thickness; pixel size from the tags."),
    ] = None,
    face_angle_deg: Annotated[
        float | None,
        typer.Option(
            "--face-angle-deg",
            help="Angle between beam and face, if slices are foreshortened (90: not).",
        ),
    ] = None,
    solid_fraction: Annotated[
        float | None, typer.Option("--solid-fraction", help="0 to 1, if you know it.")
    ] = None,
    ligament_nm: Annotated[
        float | None, typer.Option("--ligament-nm", help="Mean ligament diameter, if you know it.")
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option("--budget", metavar="TIME", help="Time of the run: 20m, 2h (default: 45m)."),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="The same as --budget 10m.")] = False,
    device: Annotated[
        str, typer.Option("--device", help="auto, cpu, cuda, cuda:N or mps.")
    ] = "auto",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the pipeline.")] = 0,
    set_: SetOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Look, write the pipeline, and stop.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Folder of pipeline and results.",
            show_default="STACK-reconstruction",
        ),
    ] = None,
    debug: DebugOption = False,
) -> None:
    """Reconstruct a stack: look at it, write a pipeline with reasons, and run it."""
    from fib_plugins.commands.reconstructing import reconstruct_command
    from fib_plugins.reconstruct.request import DEFAULT_S, QUICK_S, Request, numbers, seconds
    from fibcore.errors import UsageError

    if quick and budget is not None:
        raise UsageError(f"--quick and --budget {budget} exclude each other; give one of them")
    request = Request(
        stacks=tuple(stacks),
        solid=solid,
        pore=pore,
        labels=labels or "",
        label_slices=numbers("--label-slices", label_slices, int),
        kv=numbers("--kv", kv, float),
        detectors=tuple(detector.split(",")) if detector else (),
        voxel_size_nm=numbers("--voxel-size-nm", voxel_size_nm, float, (1, 3)),
        slice_thickness_nm=slice_thickness_nm,
        face_angle_deg=face_angle_deg,
        solid_fraction=solid_fraction,
        ligament_nm=ligament_nm,
        budget_s=QUICK_S if quick else DEFAULT_S if budget is None else seconds(budget),
        seed=seed,
    )
    reconstruct_command(request, out, device, set_ or [], dry_run)
