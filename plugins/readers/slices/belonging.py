"""Detects files that are not slices of a stack, and suggests a pattern without them."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from fib_plugins.readers.slices.names import Name, copied_from, parse
from fib_plugins.readers.slices.order import independent, numbered_in_front, same_numbers
from fib_plugins.readers.slices.walk import Walk, has_magic
from fibcore.errors import FibError, listed


def check_belonging(groups: Sequence[Sequence[Name]], given: str, base: Path) -> None:
    """Reject files whose names do not belong to one stack.

    Args:
        groups: names by pattern, the largest group first.
        given: the source as given by the user.
        base: folder that a relative source starts from.

    Raises:
        FibError: there are names of another pattern than most, copies, repeated numbers, several
            series, or numbers that vary independently; suggests a glob that leaves them out.
    """
    main = groups[0]
    names = [name for group in groups for name in group]
    others = [name for group in groups[1:] for name in group]
    if others and (copies := _copies(others, names)):
        raise FibError(
            f"{given}: {len(copies)} of {len(names)} files "
            f"{'are named as copies' if len(copies) > 1 else 'is named as a copy'} of another: "
            f"{listed(_shown(copies), 4)}"
            + _advice([n for n in names if n not in copies], given, base)
        )
    if others and 2 * len(main) > len(names):
        raise FibError(
            f"{given}: {len(others)} of {len(names)} files {'is' if len(others) == 1 else 'are'} "
            f"not named like the slices ({main[0].path.name}, {main[1].path.name}, ...): "
            f"{listed(_shown(others), 4)}{_advice(main, given, base)}; rename what belongs to it"
        )
    series = all(len(group) > 1 for group in groups) and numbered_in_front(names) is None
    if others and series:
        first = ", ".join(f"{g[0].path.name} and {len(g) - 1} more" for g in groups[:3])
        raise FibError(
            f"{given}: the names have {len(groups)} patterns, like those of several stacks "
            f"({first}){_advice(main, given, base)}"
        )
    if others:
        return
    if twice := same_numbers(main):
        pairs = listed((" and ".join(_shown(group)) for group in twice), 3)
        keep = _best_named(main, twice)
        raise FibError(
            f"{given}: {len(twice)} slice{'s have' if len(twice) > 1 else ' has'} more than one "
            f"file, with the same number in their names: {pairs}{_advice(keep, given, base)}"
        )
    if columns := independent(main):
        counts = " x ".join(str(len(set(column.values))) for column in columns)
        fewest = min(columns, key=lambda column: len(set(column.values)))
        place = fewest.shown.index(min(fewest.shown))
        part = [n for n, v in zip(main, fewest.values, strict=True) if v == fewest.values[place]]
        raise FibError(
            f"{given}: {len(columns)} numbers vary in the names, and there are files for all their "
            f"combinations ({counts} files): these are tiles or channels, not slices of one "
            f"stack{_advice(part, given, base)}"
        )


def leaving_out(keep: Sequence[Path], given: str, base: Path, suffixes: Sequence[str]) -> str:
    """Return a glob that matches only these files of a source; empty if there is none."""
    return _glob(parse(keep, suffixes), given, base)


def _shown(names: Sequence[Name]) -> list[str]:
    return [name.path.name for name in names]


def _copies(others: Sequence[Name], names: Sequence[Name]) -> list[Name]:
    stems = {name.path.stem.casefold() for name in names}
    return [name for name in others if copied_from(name.path) in stems]


def _best_named(main: Sequence[Name], twice: Sequence[Sequence[Name]]) -> list[Name]:
    """Return one name for each number, with the most frequent suffix and length."""

    def form(name: Name) -> tuple[str, int]:
        return name.path.suffix, len(name.path.name)

    forms = Counter(form(name) for name in main)

    def rank(name: Name) -> tuple[int, int, str]:
        return (-forms[form(name)], len(name.path.name), name.path.name)

    spare = {id(n) for group in twice for n in sorted(group, key=rank)[1:]}
    return [name for name in main if id(name) not in spare]


def _advice(keep: Sequence[Name], given: str, base: Path) -> str:
    pattern = _glob(keep, given, base)
    if pattern:
        return f'. "{pattern}" matches only the other {len(keep)}: load that'
    return ". Move files that do not belong to the stack into another folder"


def _glob(keep: Sequence[Name], given: str, base: Path) -> str:
    folders = {name.path.parent for name in keep}
    if len(folders) != 1 or len({len(name.numbers) for name in keep}) != 1:
        return ""
    folder = _folder(given, folders.pop(), base)
    wanted = {name.path for name in keep}
    for name in _candidates(keep):
        pattern = f"{folder}/{name}" if folder else name
        if {match for match in Walk(pattern).matches(base) if match.is_file()} == wanted:
            return pattern
    return ""


def _folder(given: str, folder: Path, base: Path) -> str:
    """Return the folder of the slices, in the form given by the user."""
    if folder == base / given:
        return "" if os.path.normpath(given) == "." else given.rstrip("/")
    head = os.path.dirname(given)
    if not has_magic(head) and folder == base / head:
        return head
    return folder.relative_to(base).as_posix() if folder.is_relative_to(base) else str(folder)


def _candidates(keep: Sequence[Name]) -> Iterator[str]:
    """Yield patterns of names, the simplest first."""
    suffixes = {name.path.suffix for name in keep}
    suffix = glob.escape(suffixes.pop()) if len(suffixes) == 1 else _either(suffixes)
    count = len(keep[0].numbers)
    for form in ("*", "digits", "*[0-9]", "[0-9]*", "[0-9]*[0-9]"):
        stem = ""
        for i in range(count + 1):
            stem += _text([name.raw_texts[i] for name in keep])
            if i < count:
                stem += _digits([name.numbers[i].raw for name in keep], form)
        last = stem.rpartition("/")[2]
        while "**" in last:
            last = last.replace("**", "*")
        yield last + suffix


def _either(suffixes: Collection[str]) -> str:
    """Return a pattern of the common prefix of suffixes, in either case: ``.[tT][iI][fF]*``."""
    shared = os.path.commonprefix([suffix.lower() for suffix in suffixes])  # noqa: RUF071
    return "".join(f"[{c}{c.upper()}]" if c.isalpha() else glob.escape(c) for c in shared) + "*"


def _text(texts: Sequence[str]) -> str:
    shared = os.path.commonprefix(list(texts))  # noqa: RUF071  # of characters, not folders
    return glob.escape(shared) + ("*" if any(text != shared for text in texts) else "")


def _digits(numbers: Sequence[str], form: str) -> str:
    if len(set(numbers)) == 1:
        return glob.escape(numbers[0])
    if form != "digits":
        return form
    widths = {len(number) for number in numbers}
    return "[0-9]" * widths.pop() if len(widths) == 1 else "*"
