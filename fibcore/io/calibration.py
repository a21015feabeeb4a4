"""Voxel size and accelerating voltages, settled from what the user and the tags say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fibcore.errors import FibError
from fibcore.io.headers import Header
from fibcore.io.params import LoadParams
from fibcore.io.tags import Found

TOLERANCE = 0.01
"""Relative difference from which two sizes or voltages count as contradicting each other."""


def trusted(header: Header, warnings: list[str]) -> list[Found]:
    """Return what is said about the file, the most trusted first.

    fib's own metadata come first, unless ImageJ's tags contradict them: fib writes both alike, so
    someone has scaled or recalibrated the stack in Fiji since, which leaves fib's text behind.
    """
    if header.own is None:
        return list(header.found)
    own = Found("fib", header.own.voxel_size_nm, header.own.kv)
    for found in header.found:
        if None not in found.voxel_size_nm and _contradictions(own.voxel_size_nm, found):
            warnings.append(
                f"{header.path.name}: fib wrote it with voxels of {_nm(own.voxel_size_nm)} nm, but "
                f"its {found.origin} tags say {_nm(found.voxel_size_nm)} nm: it was changed since, "
                f"and the tags are taken; give voxel_size_nm if that is wrong"
            )
            return [*header.found, Found("fib", kv=own.kv)]
    return [own, *header.found]


def voxel_size(
    source: str | Path, params: LoadParams, founds: Sequence[Found], warnings: list[str]
) -> tuple[float, float, float]:
    """Return the voxel size in nm as (z, y, x).

    Raises:
        FibError: neither the user nor a tag says it, or only that of a pixel within the slices.
    """
    given = params.voxel_size_nm
    if given is not None:
        for found in founds:
            if axes := _contradictions(given, found):
                warnings.append(
                    f"{source}: voxel_size_nm {_nm(given)} nm is given and used; the "
                    f"{found.origin} tags say {_nm(found.voxel_size_nm)} nm (differs along "
                    f"{', '.join(axes)})"
                )
                break
        return given
    pixel: tuple[str, float, float] | None = None
    depth: float | None = None
    for found in founds:
        z, y, x = found.voxel_size_nm
        if y is not None and x is not None:
            pixel = pixel or (found.origin, y, x)
            depth = depth or z
    if pixel is None:
        raise FibError(
            f"{source}: the files do not say how large a voxel is (no such ImageJ, OME, Thermo "
            f"Fisher/FEI, Zeiss or resolution tags); give voxel_size_nm: [z, y, x] in nm, where z "
            f"is the slice thickness, e.g. [10, 5, 5]"
        )
    origin, y, x = pixel
    if depth is None:
        raise FibError(
            f"{source}: the {origin} tags say that a pixel is {y:g} x {x:g} nm (y, x), but the "
            f"slice thickness is nowhere said; give voxel_size_nm: [z, y, x] with it, e.g. "
            f"[10, {y:g}, {x:g}] for slices of 10 nm"
        )
    return (depth, y, x)


def voltages(
    source: str | Path,
    params: LoadParams,
    founds: Sequence[Found],
    channels: int,
    warnings: list[str],
) -> tuple[float | None, ...]:
    """Return the accelerating voltage of each channel in kV.

    Raises:
        FibError: neither the user nor a tag says it, or the user names too many or too few.
    """
    said = next((found for found in founds if len(found.kv) == channels), None)
    if params.kv is None:
        if said is None:
            example = ", ".join(["2", "4", "1", "8"][: min(channels, 4)])
            raise FibError(
                f"{source}: the files do not say the accelerating voltage of their "
                f"{channels} channel{'s' if channels > 1 else ''}; give kv: [{example}] in kV"
            )
        return said.kv
    given = params.kv if isinstance(params.kv, tuple) else (params.kv,)
    if len(given) != channels:
        raise FibError(
            f"{source}: {channels} channel{'s' if channels > 1 else ''}, but kv gives "
            f"{len(given)} voltage{'s' if len(given) > 1 else ''} {list(given)}; give one in kV "
            f"for each channel"
        )
    for mine, yours in zip(given, said.kv if said is not None else (), strict=False):
        if said is not None and yours is not None and differ(mine, yours):
            warnings.append(
                f"{source}: kv {mine:g} kV is given and used; the {said.origin} tags say "
                f"{yours:g} kV"
            )
    return given


def _contradictions(given: Sequence[float | None], found: Found) -> list[str]:
    """Return the axes along which a voxel size differs from what was found."""
    pairs = zip("zyx", given, found.voxel_size_nm, strict=True)
    return [
        axis
        for axis, mine, yours in pairs
        if mine is not None and yours is not None and differ(mine, yours)
    ]


def differ(a: float, b: float) -> bool:
    """Return whether two sizes or voltages differ by more than `TOLERANCE`."""
    return abs(a - b) > TOLERANCE * max(abs(a), abs(b))


def _nm(sizes: Sequence[float | None]) -> str:
    return "[" + ", ".join("?" if size is None else f"{size:g}" for size in sizes) + "]"
