"""Checks that all slices of a stack have the same properties."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from fib_plugins.readers.slices.belonging import leaving_out
from fib_plugins.readers.stacks import orientation
from fib_plugins.readers.stacks.calibration import differ
from fib_plugins.readers.stacks.found import Found
from fib_plugins.readers.stacks.header import Header
from fib_plugins.readers.stacks.params import StackParams
from fibcore.errors import FibError


def check_alike(headers: Sequence[Header], params: StackParams, given: str, base: Path) -> None:
    """Reject slices of different size, type, pixel size or voltage.

    Args:
        headers: one header for each slice.
        params: parameters of the user; values given here may differ between files.
        given: the source as given by the user.
        base: folder that a relative source starts from.

    Raises:
        FibError: names one slice of the majority and one of the others.
    """
    looks = [_looks(header) for header in headers]
    usual, count = Counter(looks).most_common(1)[0]
    if count < len(headers):
        like = [header for header, look in zip(headers, looks, strict=True) if look == usual]
        other, theirs = next((h, k) for h, k in zip(headers, looks, strict=True) if k != usual)
        few = f" ({len(headers) - count} of {len(headers)} differ)" if len(headers) > 2 else ""
        pattern = "a narrower pattern"
        most = [header.path for header in like] if 2 * count > len(headers) else []
        if most and (glob := leaving_out(most, given, base, params.suffixes)):
            pattern = f'"{glob}", which matches only the other {count}'
        raise FibError(
            f"the slices are not alike: {like[0].path.name} is {usual}, {other.path.name} is "
            f"{theirs}{few}. All slices of a stack must have one size and type: crop or convert "
            f"them, or give {pattern}"
        )
    first = headers[0]
    for header in headers[1:]:
        mine, yours = ((one.path.name, _founds(one)) for one in (first, header))
        _check_found_alike(mine, yours, params, "Give a pattern that matches one stack, or set")


def check_pages_alike(header: Header, params: StackParams) -> None:
    """Reject a file whose pages have tags with different pixel sizes, voltages or detectors.

    Raises:
        FibError: names the first page that differs, and the parameter to set.
    """
    for number, found in header.pages_found.items():
        first = (f"the first page of {header.path.name}", header.found)
        _check_found_alike(first, (f"page {number}", found), params, "Set")


_Origin = tuple[str, Sequence[Found]]
"""Name of a file or page, and its metadata."""


def _check_found_alike(first: _Origin, other: _Origin, params: StackParams, todo: str) -> None:
    for ours, theirs, who in _detectors_in_both(first[1], other[1]):
        if params.detector is None and ours != theirs:
            raise FibError(
                f"the slices are not alike: the detector is {ours} in {first[0]} and {theirs} in "
                f"{other[0]} ({who}): images of different signals are different stacks. {todo} "
                f"detector to the right name"
            )
    for what, mine, yours, who in _found_in_both(first[1], other[1]):
        unit, name = ("kV", "kv") if what == "accelerating voltage" else ("nm", "voxel_size_nm")
        if getattr(params, name) is None and differ(mine, yours):
            raise FibError(
                f"the slices are not alike: {what} is {mine:g} {unit} in {first[0]} and "
                f"{yours:g} {unit} in {other[0]} ({who}). {todo} {name} to the right value"
            )


def _found_in_both(
    first: Sequence[Found], other: Sequence[Found]
) -> Iterator[tuple[str, float, float, str]]:
    """Yield values given in both files: the quantity, both values, and their tags.

    Tags of the same kind are compared, and the values used of one file with those of the other,
    for any kinds of tags.
    """
    of = {found.origin: found for found in other}
    pairs = [(found, of[found.origin]) for found in first if found.origin in of]
    for a, b in [*pairs, (_used(first), _used(other))]:
        values = [*zip(("z", "y", "x"), a.voxel_size_nm, b.voxel_size_nm, strict=True)]
        values += [("accelerating voltage", p, q) for p, q in zip(a.kv, b.kv, strict=False)]
        for what, mine, yours in values:
            if mine is not None and yours is not None:
                yield what, mine, yours, a.who if a.who == b.who else f"{a.who}, {b.who}"


def _detectors_in_both(
    first: Sequence[Found], other: Sequence[Found]
) -> Iterator[tuple[str, str, str]]:
    """Yield detectors given in tags of the same kind of both files, and the tags."""
    of = {found.origin: found for found in other}
    for found in first:
        if found.origin in of:
            for mine, yours in zip(found.detectors, of[found.origin].detectors, strict=False):
                if mine is not None and yours is not None:
                    yield mine, yours, found.who


def _used(founds: Sequence[Found]) -> Found:
    """Return the pixel size and the voltage of the most trusted tags that give one."""
    sized = next((found for found in founds if None not in found.voxel_size_nm[1:]), Found("no"))
    kv = next((found.kv for found in founds if found.kv), ())
    return Found(sized.origin, (None, *sized.voxel_size_nm[1:]), kv)


def _founds(header: Header) -> list[Found]:
    own = header.own
    if own is None:
        return [*header.found]
    names = tuple(channel.detector for channel in own.channels)
    return [Found("fib", own.voxel_size_nm, own.kv, detectors=names), *header.found]


def _looks(header: Header) -> str:
    """Describe the properties that all slices of a stack must share."""
    grey = "" if header.grey == "grey" else f" ({header.grey})"
    turn = orientation.WORDS.get(header.orientation, "")
    kind = "" if header.own is None else f" of {header.own.type}"
    return (
        f"{header.shape[2]} x {header.shape[3]} {header.dtype.name}{grey}{kind}"
        f"{', ' if turn else ''}{turn}"
    )
