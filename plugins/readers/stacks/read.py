"""Volumes read from TIFF: a multi-page file, a folder of slices, or a glob."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fib_plugins.readers.stacks.checks import check_images
from fib_plugins.readers.stacks.labels import Numbers, settle_labels
from fib_plugins.readers.stacks.params import LoadParams
from fib_plugins.readers.stacks.pixels import read_pixels
from fib_plugins.readers.stacks.stack import open_stack
from fibcore.context import MEMORY_MAP_ABOVE_BYTES, Context
from fibcore.plugin import Forecast
from fibcore.volumes import Images, Labels


def probe(source: str | Path, params: LoadParams | None = None, *, base: Path = Path()) -> Forecast:
    """Tell what `read_volume` would read, from file headers alone.

    Args:
        source: a TIFF file, a folder of slices or a glob, relative to `base`.
        params: what the user says about it.
        base: folder that relative sources start from.

    Returns:
        A forecast whose `output` is the spec of the volume; `memory_bytes` is 0 where the file can
        be memory-mapped.

    Raises:
        FibError: the source cannot be read, or does not say enough; says what to do.
    """
    stack = open_stack(source, params or LoadParams(), base)
    memory = 0 if stack.mapped else min(stack.spec.nbytes, MEMORY_MAP_ABOVE_BYTES)
    return Forecast(stack.spec, memory_bytes=memory, warnings=stack.warnings)


def read_volume(
    source: str | Path,
    params: LoadParams | None = None,
    *,
    base: Path = Path(),
    context: Context | None = None,
    trusted: bool = False,
) -> Labels | Images:
    """Read a volume.

    Voxel size and accelerating voltage come from the user, else from what fib wrote, else from
    ImageJ, OME, Thermo Fisher/FEI, Zeiss or resolution tags. Voxels stay in the file, memory-mapped
    and read-only, where it holds them in one uncompressed run in the machine's byte order; else
    they are decoded plane by plane.

    Args:
        source: a TIFF file, a folder of slices or a glob, relative to `base`.
        params: what the user says about it.
        base: folder that relative sources start from.
        context: for threads, progress, warnings, and a place for large decoded arrays.
        trusted: skip the checks that look at every voxel: for files that fib wrote itself.

    Raises:
        FibError: as `probe`; and images that are constant or hold NaN, labels that are not phases.
    """
    context = Context.of(context)
    stack = open_stack(source, params or LoadParams(), base)
    for warning in stack.warnings:
        context.log.warning("%s", warning)
    numbers = Numbers(stack.phase_of_value)
    data = read_pixels(stack, numbers, context)
    size = stack.spec.voxel_size_nm
    if stack.spec.type is Labels:
        phases = data[0] if trusted else settle_labels(data[0], stack, numbers, context)
        return Labels(phases, size, phases=stack.materials)
    if not trusted:
        check_images(data, stack, context)
    images = Images(data, size, kv=stack.spec.kv, names=stack.names)
    return replace(images, quantity=stack.quantity) if stack.quantity else images
