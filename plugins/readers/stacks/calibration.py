"""Voxel size and accelerating voltages, settled from what the user and the tags say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fib_plugins.readers.stacks.found import Found
from fib_plugins.readers.stacks.header import Header
from fib_plugins.readers.stacks.params import StackParams
from fibcore.errors import FibError

TOLERANCE = 0.01
"""Relative difference from which two sizes or voltages count as contradicting each other."""

SMALLEST_NM, LARGEST_NM, LARGEST_RATIO = 0.1, 1e5, 200.0
"""Voxels smaller than an atom, larger than 0.1 mm, or so flat are none of a SEM: units mixed up."""


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
                f"its {found.who} say {_nm(found.voxel_size_nm)} nm: it was changed since, "
                f"and the tags are taken; give voxel_size_nm if that is wrong"
            )
            return [*header.found, Found("fib", kv=own.kv)]
    return [own, *header.found]


def voxel_size(
    source: str | Path, params: StackParams, founds: Sequence[Found], warnings: list[str]
) -> tuple[float, float, float]:
    """Return the voxel size in nm as (z, y, x).

    Raises:
        FibError: neither the user nor a tag says it, or only that of a pixel within the slices.
    """
    size = params.voxel_size_nm or _told(source, params, founds)
    if params.voxel_size_nm is not None:
        for found in founds:
            if axes := _contradictions(size, found):
                warnings.append(
                    f"{source}: voxel_size_nm {_nm(size)} nm is given and used; the "
                    f"{found.who} say {_nm(found.voxel_size_nm)} nm (differs along "
                    f"{', '.join(axes)})"
                )
                break
    else:
        _warn_of_disagreement(source, size, founds, warnings)
    if min(size) < SMALLEST_NM or max(size) > LARGEST_NM or max(size) > LARGEST_RATIO * min(size):
        warnings.append(
            f"{source}: voxels of {_nm(size)} nm (z, y, x) are unlike those of a SEM: is a unit "
            f"wrong? Give voxel_size_nm in nm"
        )
    return size


def _told(
    source: str | Path, params: StackParams, founds: Sequence[Found]
) -> tuple[float, float, float]:
    """Return the voxel size that the files tell, each axis as the most trusted tag has it."""
    pixel = next((f for f in founds if None not in f.voxel_size_nm[1:]), None)
    remarks = "".join(f". {remark}" for found in founds for remark in found.remarks)
    if pixel is None:
        none = f" (no such {params.calibration})" if params.calibration else ""
        raise FibError(
            f"{source}: the files do not say how large a voxel is{none}; give voxel_size_nm: "
            f"[z, y, x] in nm, where z is the slice thickness, e.g. [10, 5, 5]{remarks}"
        )
    _, y, x = pixel.voxel_size_nm
    assert y is not None
    assert x is not None
    depth = next((f.voxel_size_nm[0] for f in founds if f.voxel_size_nm[0] is not None), None)
    if depth is None:
        raise FibError(
            f"{source}: the {pixel.who} say that a pixel is {y:g} x {x:g} nm (y, x), but "
            f"the slice thickness is nowhere said; give voxel_size_nm: [z, y, x] with it, e.g. "
            f"[10, {y:g}, {x:g}] for slices of 10 nm{remarks}"
        )
    return (depth, y, x)


def _warn_of_disagreement(
    source: str | Path,
    taken: Sequence[float],
    founds: Sequence[Found],
    warnings: list[str],
) -> None:
    """Say where the files tell a size twice, and differently."""
    for found in founds:
        if axes := _contradictions(taken, found):
            warnings.append(
                f"{source}: voxels of {_nm(taken)} nm (z, y, x) are taken, as the "
                f"{_origin_of(taken, founds)} say; the {found.who} say "
                f"{_nm(found.voxel_size_nm)} nm (differs along {', '.join(axes)}); give "
                f"voxel_size_nm to settle it"
            )


def _origin_of(taken: Sequence[float], founds: Sequence[Found]) -> str:
    """Return what says the size of a pixel, and what the thickness if it is something else."""
    pixel = next(f.who for f in founds if f.voxel_size_nm[1:] == tuple(taken[1:]))
    depth = next(f.who for f in founds if f.voxel_size_nm[0] == taken[0])
    return pixel if pixel == depth else f"{pixel} and {depth}"


def voltages(
    source: str | Path,
    params: StackParams,
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
        for other in founds:
            _warn_of_other_voltage(source, said, other, warnings)
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
                f"{source}: kv {mine:g} kV is given and used; the {said.who} say {yours:g} kV"
            )
    return given


def _warn_of_other_voltage(
    source: str | Path, taken: Found, other: Found, warnings: list[str]
) -> None:
    if len(other.kv) != len(taken.kv):
        return
    for ours, theirs in zip(taken.kv, other.kv, strict=True):
        if ours is not None and theirs is not None and differ(ours, theirs):
            warnings.append(
                f"{source}: {ours:g} kV is taken, as the {taken.who} say; the "
                f"{other.who} say {theirs:g} kV; give kv to settle it"
            )


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
