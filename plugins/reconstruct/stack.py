"""The stack that is to be reconstructed: calibration, channels, and a sample of its slices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from fib_plugins.channels import shown
from fib_plugins.reconstruct.request import Request
from fibcore import Context, FibError, Images, VolumeSpec
from fibcore.errors import UsageError
from fibcore.formats import reader_of
from fibcore.reader import Opened

SAMPLED_SLICES = 24
"""Neighbouring slices, from the middle of the stack, that are looked at."""
SAMPLED_BYTES = 192 * 2**20
"""The sample takes no more than about this, but at least `LEAST_SLICES` slices."""
LEAST_SLICES = 5
LEAST_PIXELS = 48
"""Shortest edge of slices."""
DUMMY_NM = 1.0

OPTIONS = {
    "set voxel_size_nm": "--voxel-size-nm Z,Y,X, or --slice-thickness-nm Z alone if the files have "
    "the pixel size",
    "set kv": "--kv",
    "detector gives": "--detector",
    "kv gives": "--kv",
}
"""What messages of readers ask for -> the options of the command that give it."""


@dataclass(frozen=True)
class Stack:
    """The opened files.

    Attributes:
        sources: as given by the user.
        params: parameters of the load step of each source.
        specs: spec of each source.
        warnings: remarks of the readers.
    """

    sources: tuple[str, ...]
    params: tuple[dict[str, Any], ...]
    specs: tuple[VolumeSpec, ...]
    warnings: tuple[str, ...]

    @property
    def spec(self) -> VolumeSpec:
        """Spec with the channels of all sources."""
        channels = [channel for spec in self.specs for channel in spec.channels]
        return self.specs[0].of_channels(channels)

    def sample(self, context: Context) -> Images:
        """Return neighbouring slices from the middle, all channels.

        Raises:
            FibError: files that are damaged, channels that are constant or not finite.
        """
        spec = self.spec
        count = max(LEAST_SLICES, SAMPLED_BYTES // max(spec.nbytes // spec.shape[0], 1))
        count = min(count, SAMPLED_SLICES, spec.shape[0])
        start = (spec.shape[0] - count) // 2
        region = {"z": [start, start + count]}
        found = []
        for source, params in zip(self.sources, self.params, strict=True):
            images = opened(source, {**params, "region": region}).read(context)
            assert isinstance(images, Images)
            found.append(images)
        return Images.stack(found, partial(context.empty, "sample"))


def open_stack(request: Request) -> Stack:
    """Open the files of a request; see `Stack`.

    Raises:
        FibError: files are missing or unsuitable, or do not name what they must: voxel size,
            voltage; stacks of different shapes, a single slice, slices that are too small.
    """
    specs: list[VolumeSpec] = []
    every: list[dict[str, Any]] = []
    warnings: list[str] = []
    for number, source in enumerate(request.stacks):
        params = _params(request, number, source)
        found = opened(source, params)
        spec = found.forecast.output
        if found.type is not Images or not isinstance(spec, VolumeSpec):
            raise UsageError(
                f"{source} holds {found.type.__name__.lower()}, not images; give the grey values "
                f"of the microscope"
            )
        specs.append(spec)
        every.append(params)
        warnings += found.forecast.warnings
    stack = Stack(request.stacks, tuple(every), tuple(specs), tuple(warnings))
    _check_alike(stack)
    _check(stack, request)
    return stack


def opened(source: str, params: dict[str, Any]) -> Opened:
    """Open a source, with the options of the command in messages about what is missing."""
    try:
        return reader_of(source)(**params).open(source)
    except FibError as error:
        wanted = next((option for text, option in OPTIONS.items() if text in str(error)), None)
        hint = "" if wanted is None else f"\non the command line: {wanted}"
        raise UsageError(f"{error}{hint}") from None


def _params(request: Request, number: int, source: str) -> dict[str, Any]:
    params: dict[str, Any] = {}
    if request.voxel_size_nm:
        sizes = request.voxel_size_nm
        params["voxel_size_nm"] = list(sizes * 3 if len(sizes) == 1 else sizes)
    elif request.slice_thickness_nm is not None:
        params["voxel_size_nm"] = [request.slice_thickness_nm, *_pixel_nm(source)]
    for name, given in (("kv", request.kv), ("detector", request.detectors)):
        if given:
            params[name] = _of_source(name, given, number, request.stacks)
    return params


def _of_source(name: str, given: Sequence[Any], number: int, stacks: Sequence[str]) -> Any:
    """Return what is given for one source: one for all, one for each, or those of its channels."""
    if len(stacks) == 1:
        return given[0] if len(given) == 1 else list(given)
    if len(given) == 1 and name == "kv":
        return given[0]
    if len(given) != len(stacks):
        raise UsageError(
            f"--{name} gives {len(given)} for {len(stacks)} stacks; give one for each, in their "
            f"order, separated by commas"
        )
    return given[number]


def _pixel_nm(source: str) -> list[float]:
    """Return the pixel size (y, x) in the tags of a source.

    Raises:
        UsageError: the tags do not give it.
    """
    reader: Any = reader_of(source)()
    found: list[Any] = []
    if hasattr(reader, "header") and hasattr(reader, "find"):
        files = reader.find(source, Path()).files
        header = reader.header(files[0], one_slice=len(files) > 1)
        found = [header.own, *header.found] if header.own is not None else list(header.found)
    for each in found:
        _, y, x = each.voxel_size_nm
        if y is not None and x is not None:
            return [float(y), float(x)]
    raise UsageError(
        f"{source}: the files do not give the pixel size within slices, which --slice-thickness-nm "
        f"needs; give --voxel-size-nm Z,Y,X"
    )


def _check_alike(stack: Stack) -> None:
    first = stack.specs[0]
    for source, spec in zip(stack.sources[1:], stack.specs[1:], strict=True):
        for what, one, other in (
            ("shape", first.shape, spec.shape),
            ("type", first.dtype, spec.dtype),
            ("voxel size in nm", first.voxel_size_nm, spec.voxel_size_nm),
        ):
            same = one == other
            if what.startswith("voxel"):
                same = bool(np.allclose(first.voxel_size_nm, spec.voxel_size_nm, rtol=1e-3))
            if not same:
                raise UsageError(
                    f"the stacks differ in {what} (z, y, x): {stack.sources[0]} has {one}, "
                    f"{source} has {other}; several stacks are channels of the same slices: give "
                    f"stacks that were recorded together, cut alike"
                )
    channels = stack.spec.channels
    if len(set(channels)) < len(channels):
        raise UsageError(
            f"two channels are of one voltage and detector ({shown(channels)}); give their "
            f"detectors in their order, e.g. --detector bse,se"
        )


def _check(stack: Stack, request: Request) -> None:
    depth, height, width = stack.spec.shape
    if depth < LEAST_SLICES:
        raise UsageError(
            f"{stack.sources[0]} has {depth} slice{'s' if depth > 1 else ''}; at least "
            f"{LEAST_SLICES} are needed for a reconstruction"
        )
    if min(height, width) < LEAST_PIXELS:
        raise UsageError(
            f"{stack.sources[0]} has slices of {height} x {width} pixels; at least "
            f"{LEAST_PIXELS} x {LEAST_PIXELS} are needed"
        )
    if None in stack.spec.kv:
        raise UsageError(f"{stack.sources[0]}: the voltage of a channel is not known; give --kv")
    if not math.isfinite(sum(stack.spec.voxel_size_nm)):
        raise UsageError("the voxel size is not finite; give --voxel-size-nm")
