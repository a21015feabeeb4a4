"""Voxel size, voltages and detectors, from the parameters of the user and the tags of files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fib_plugins.readers.stacks.found import Found
from fib_plugins.readers.stacks.header import Header
from fib_plugins.readers.stacks.params import StackParams
from fibcore.errors import FibError

TOLERANCE = 0.01
"""Relative difference above which two sizes or voltages contradict each other."""

SMALLEST_NM, LARGEST_NM, LARGEST_RATIO = 0.1, 1e5, 200.0
"""Voxels smaller than an atom, larger than 0.1 mm or flatter than this indicate a wrong unit."""


def trusted(header: Header, warnings: list[str]) -> list[Found]:
    """Return the metadata of a file, the most trusted first.

    fib's own metadata come first, unless ImageJ's tags contradict them. Since fib writes the same
    values in both, the stack was then scaled or recalibrated in Fiji, which does not change fib's
    text.
    """
    if header.own is None:
        return list(header.found)
    names = tuple(channel.detector for channel in header.own.channels)
    own = Found("fib", header.own.voxel_size_nm, header.own.kv, detectors=names)
    for found in header.found:
        if None not in found.voxel_size_nm and _contradictions(own.voxel_size_nm, found):
            warnings.append(
                f"{header.path.name}: fib wrote it with voxels of {_nm(own.voxel_size_nm)} nm, but "
                f"its {found.who} give {_nm(found.voxel_size_nm)} nm: it was changed since, "
                f"and the tags are used; set voxel_size_nm if that is wrong"
            )
            return [*header.found, Found("fib", kv=own.kv, detectors=names)]
    return [own, *header.found]


def voxel_size(
    source: str | Path, params: StackParams, founds: Sequence[Found], warnings: list[str]
) -> tuple[float, float, float]:
    """Return the voxel size in nm as (z, y, x).

    Raises:
        FibError: neither the user nor a tag gives it, or only the pixel size within the slices.
    """
    size = params.voxel_size_nm or _size_in_files(source, params, founds)
    if params.voxel_size_nm is not None:
        for found in founds:
            if axes := _contradictions(size, found):
                warnings.append(
                    f"{source}: voxel_size_nm {_nm(size)} nm is set and used; the "
                    f"{found.who} give {_nm(found.voxel_size_nm)} nm (differs along "
                    f"{', '.join(axes)})"
                )
                break
    else:
        _warn_of_disagreement(source, size, founds, warnings)
    if min(size) < SMALLEST_NM or max(size) > LARGEST_NM or max(size) > LARGEST_RATIO * min(size):
        warnings.append(
            f"{source}: voxels of {_nm(size)} nm (z, y, x) are unusual for a SEM; a unit may be "
            f"wrong: set voxel_size_nm in nm"
        )
    return size


def _size_in_files(
    source: str | Path, params: StackParams, founds: Sequence[Found]
) -> tuple[float, float, float]:
    """Return the voxel size in the tags of the files, for each axis from the most trusted tag."""
    pixel = next((f for f in founds if None not in f.voxel_size_nm[1:]), None)
    remarks = "".join(f". {remark}" for found in founds for remark in found.remarks)
    if pixel is None:
        none = f" (no such {params.calibration})" if params.calibration else ""
        raise FibError(
            f"{source}: the files do not give a voxel size{none}; set voxel_size_nm: "
            f"[z, y, x] in nm, where z is the slice thickness, e.g. [10, 5, 5]{remarks}"
        )
    _, y, x = pixel.voxel_size_nm
    assert y is not None
    assert x is not None
    depth = next((f.voxel_size_nm[0] for f in founds if f.voxel_size_nm[0] is not None), None)
    if depth is None:
        raise FibError(
            f"{source}: the {pixel.who} give a pixel of {y:g} x {x:g} nm (y, x), but "
            f"no slice thickness is given; set voxel_size_nm: [z, y, x] with it, e.g. "
            f"[10, {y:g}, {x:g}] for slices of 10 nm{remarks}"
        )
    return (depth, y, x)


def _warn_of_disagreement(
    source: str | Path,
    taken: Sequence[float],
    founds: Sequence[Found],
    warnings: list[str],
) -> None:
    """Warn if the files give several different sizes."""
    for found in founds:
        if axes := _contradictions(taken, found):
            warnings.append(
                f"{source}: the voxel size {_nm(taken)} nm (z, y, x) of the "
                f"{_origin_of(taken, founds)} is used; the {found.who} give "
                f"{_nm(found.voxel_size_nm)} nm (differs along {', '.join(axes)}); set "
                f"voxel_size_nm to choose"
            )


def _origin_of(taken: Sequence[float], founds: Sequence[Found]) -> str:
    """Return the origin of the pixel size, and that of the thickness if it differs."""
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
        FibError: neither the user nor a tag gives them, or the user gives too many or too few.
    """
    found = next((each for each in founds if len(each.kv) == channels), None)
    if params.kv is None:
        if found is None:
            example = ", ".join(["2", "4", "1", "8"][: min(channels, 4)])
            raise FibError(
                f"{source}: the files do not give the accelerating voltage of their "
                f"{channels} channel{'s' if channels > 1 else ''}; set kv: [{example}] in kV"
            )
        for other in founds:
            _warn_of_other_voltage(source, found, other, warnings)
        return found.kv
    given = params.kv if isinstance(params.kv, tuple) else (params.kv,)
    if len(given) != channels:
        raise FibError(
            f"{source}: {channels} channel{'s' if channels > 1 else ''}, but kv gives "
            f"{len(given)} voltage{'s' if len(given) > 1 else ''} {list(given)}; give one in kV "
            f"for each channel"
        )
    for mine, yours in zip(given, found.kv if found is not None else (), strict=False):
        if found is not None and yours is not None and differ(mine, yours):
            warnings.append(
                f"{source}: kv {mine:g} kV is set and used; the {found.who} give {yours:g} kV"
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
                f"{source}: the {ours:g} kV of the {taken.who} are used; the "
                f"{other.who} give {theirs:g} kV; set kv to choose"
            )


def detectors(
    source: str | Path,
    params: StackParams,
    founds: Sequence[Found],
    kv: Sequence[float | None],
    warnings: list[str],
) -> tuple[str | None, ...]:
    """Return the detector of each channel: as given, as found, else ``bse`` with a voltage.

    Raises:
        FibError: the user gives too many or too few.
    """
    known = [found for found in founds if len(found.detectors) == len(kv)]
    given: Sequence[str | None] = (None,) * len(kv)
    if params.detector is not None:
        given = params.detector if isinstance(params.detector, tuple) else (params.detector,)
    if len(given) != len(kv):
        raise FibError(
            f"{source}: {len(kv)} channel{'s' if len(kv) > 1 else ''}, but detector gives "
            f"{len(given)} {list(given)}; give one for each channel"
        )
    taken: list[str | None] = []
    for channel, name in enumerate(given):
        named = [(f.detectors[channel], f) for f in known if f.detectors[channel] is not None]
        used, who = (name, None) if name or not named else named[0]
        for other, found in named:
            if other != used:
                origin = "is set and used" if who is None else f"of the {who.who} is used"
                warnings.append(
                    f"{source}: the detector {used} {origin}; the {found.who} give {other}"
                    + ("" if who is None else "; set detector to choose")
                )
        taken.append(used or (None if kv[channel] is None else "bse"))
    return tuple(taken)


def _contradictions(given: Sequence[float | None], found: Found) -> list[str]:
    """Return the axes along which a voxel size differs from that found."""
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
