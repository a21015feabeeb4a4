"""Splits names of slices into the text that all share and the numbers that vary."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from fib_plugins.readers.slices.units import unit_in_nm

_MONTHS = (
    "jan january januar",
    "feb february februar",
    "mar march mrz märz",
    "apr april",
    "may mai",
    "jun june juni",
    "jul july juli",
    "aug august",
    "sep sept september",
    "oct october okt oktober",
    "nov november",
    "dec december dez dezember",
)
_MONTH_OF_WORD = {
    word: number for number, words in enumerate(_MONTHS, start=1) for word in words.split()
}
"""Months in words, English and German."""

_NUMBER = re.compile(
    rf"""
    (?P<month>(?<![^\W\d_])(?:{"|".join(_MONTH_OF_WORD)})(?![^\W\d_]))
    |
    (?P<digits>\d+(?:[.,p]\d+)*)
    (?P<exponent>e[-+]\d+)?
    (?:(?P<gap>[ _]?)(?P<unit>nm|[uµμ]m|mm|å|microns?|nanomet(?:er|re)s?|micromet(?:er|re)s?
       |(?(exponent)m|(?!)))(?![^\W\d_]))?
    """,
    re.VERBOSE | re.IGNORECASE,
)
_SIGN = re.compile(r"[-+−–]$")  # noqa: RUF001  # a minus and a dash that people type for it
_WORD_SIGN = re.compile(r"(?:^|(?<=[^a-z]))(?:minus|plus|neg|pos|m|n|p)$|(?<=[xyz])[mnp]$")
_COPY = re.compile(r" \(\d+\)$| - copy(?: \(\d+\))?$|[ _-]copy(?: ?\d+)?$|^copy (?:\(\d+\) )?of ")
_KV = re.compile(r"(?<![\d.])(\d+(?:[.,p]\d+)?)[ _]?kv(?![^\W\d_])", re.IGNORECASE)


@dataclass(frozen=True)
class Number:
    """One number in a name.

    Attributes:
        whole: its digits before the decimal point.
        point: possible decimal point: ``.``, ``,``, ``p`` or nothing.
        part: the digits after it.
        exponent: exponent as written, e.g. ``e-08``.
        sign: possible sign before it: ``-``, ``+`` or nothing.
        unit_nm: nm in the unit of length after it; None if there is none.
        is_month: whether it is a month, written as a word.
        raw: the number as written in the name, with sign and unit.
    """

    whole: str
    point: str = ""
    part: str = ""
    exponent: str = ""
    sign: str = ""
    unit_nm: float | None = None
    is_month: bool = False
    raw: str = ""

    @property
    def value(self) -> float:
        """The number read as a decimal, without its sign, in its unit."""
        return float(f"{self.whole}.{self.part or 0}{self.exponent}")


@dataclass(frozen=True)
class Name:
    """The parts of the name of one file; there is one more text than numbers.

    Attributes:
        path: the file.
        texts: texts before, between and after the numbers, in lower case, without signs.
        numbers: the numbers.
        raw_texts: the texts as written in the name.
    """

    path: Path
    texts: tuple[str, ...]
    numbers: tuple[Number, ...]
    raw_texts: tuple[str, ...]

    @property
    def pattern(self) -> tuple[object, ...]:
        """The parts that names of one stack share."""
        kinds = tuple((number.unit_nm is None, number.is_month) for number in self.numbers)
        return (self.texts, kinds)


def parse(files: Sequence[Path], suffixes: Sequence[str]) -> list[Name]:
    """Split the names of files, starting below their deepest common folder.

    Args:
        files: the files.
        suffixes: suffixes of their format, in lower case; they are not part of the pattern.
    """
    if len({file.parent for file in files}) == 1:
        return [_parse(file, file.name, suffixes) for file in files]
    depth = _shared_depth(files)
    return [_parse(file, "/".join(file.parts[depth:]), suffixes) for file in files]


def parse_label(label: str, suffixes: Sequence[str]) -> Name:
    """Split the label of a slice within a file."""
    return _parse(Path(label), label, suffixes)


def _shared_depth(files: Sequence[Path]) -> int:
    depth = 0
    for parts in zip(*(file.parts[:-1] for file in files), strict=False):
        if len(set(parts)) > 1:
            break
        depth += 1
    return depth


def _parse(path: Path, name: str, suffixes: Sequence[str]) -> Name:
    name = unicodedata.normalize("NFC", name)
    if PurePosixPath(name).suffix.lower() in suffixes:
        name = name[: name.rfind(".")]
    texts, numbers, end = [], [], 0
    for match in _NUMBER.finditer(name):
        start = match.start()
        for number, length in _split(match):
            text = name[end:start]
            sign = _SIGN.search(text)
            if sign is not None:
                sign_text = "+" if sign[0] == "+" else "-"
                number = replace(number, sign=sign_text, raw=sign[0] + number.raw)
                text = text[:-1]
            texts.append(text)
            numbers.append(number)
            end = start + length
            start = end + 1  # the separator between two numbers of a chain
    texts.append(name[end:])
    return Name(path, tuple(text.casefold() for text in texts), tuple(numbers), tuple(texts))


def _split(match: re.Match[str]) -> list[tuple[Number, int]]:
    """Return the numbers of a run of digits with separators, and their lengths in the name.

    One separator may be a decimal point; with several (a date, a version) the numbers are whole.
    """
    if match["month"] is not None:
        month = str(_MONTH_OF_WORD[match[0].casefold()])
        return [(Number(month, is_month=True, raw=match[0]), len(match[0]))]
    pieces = re.split(r"([.,p])", match["digits"], flags=re.IGNORECASE)
    unit = None if match["unit"] is None else unit_in_nm(match["unit"])
    exponent = match["exponent"] or ""
    if len(pieces) <= 3:
        whole, point, part = (*pieces, "", "")[:3]
        number = Number(whole, point.lower(), part, exponent, "", unit, raw=match[0])
        return [(number, len(match[0]))]
    numbers = [(Number(digits, raw=digits), len(digits)) for digits in pieces[::2]]
    rest = match[0][len(match["digits"]) :]
    last = replace(numbers[-1][0], unit_nm=unit, exponent=exponent, raw=pieces[-1] + rest)
    return [*numbers[:-1], (last, len(pieces[-1]) + len(rest))]


def by_pattern(names: Sequence[Name]) -> list[list[Name]]:
    """Return names grouped by pattern, the largest group first."""
    groups = _grouped(names)
    for spelled in (_with_word_signs, _with_dashes_apart):
        if len(groups) > 1 and len(one := _grouped([spelled(name) for name in names])) == 1:
            groups = one
    return sorted(groups, key=len, reverse=True)


def _grouped(names: Sequence[Name]) -> list[list[Name]]:
    groups: dict[object, list[Name]] = {}
    for name in names:
        groups.setdefault(name.pattern, []).append(name)
    return list(groups.values())


def _with_word_signs(name: Name) -> Name:
    """Return a name in which ``z_m4`` is read as -4, ``z_p4`` and ``z_pos4`` as 4."""
    texts, numbers = list(name.texts), list(name.numbers)
    raw_texts = list(name.raw_texts)
    for i, number in enumerate(numbers):
        word = _WORD_SIGN.search(texts[i])
        if word is not None and not number.sign:
            sign = "-" if word[0][0] in "mn" else "+"
            numbers[i] = replace(number, sign=sign, raw=raw_texts[i][word.start() :] + number.raw)
            texts[i], raw_texts[i] = texts[i][: word.start()], raw_texts[i][: word.start()]
    return Name(name.path, tuple(texts), tuple(numbers), tuple(raw_texts))


def _with_dashes_apart(name: Name) -> Name:
    """Return a name in which the dash of ``z-0`` is a separator, as the first one of ``z--4``."""
    texts, numbers = list(name.texts), list(name.numbers)
    raw_texts = list(name.raw_texts)
    for i, number in enumerate(numbers):
        if number.sign == "-" and texts[i][-1:].isalnum():
            numbers[i] = replace(number, sign="", raw=number.raw[1:])
            texts[i], raw_texts[i] = f"{texts[i]}-", raw_texts[i] + number.raw[0]
    return Name(name.path, tuple(texts), tuple(numbers), tuple(raw_texts))


def leading(name: Name) -> Name | None:
    """Return a name cut off after its first number; None if it has no number.

    In names that end in a date in words, or a checksum, the first number may still count slices.
    """
    if not name.numbers:
        return None
    return Name(name.path, (name.texts[0], ""), name.numbers[:1], (name.raw_texts[0], ""))


def copied_from(name: Path) -> str:
    """Return the original stem of a file manager's name for a copy; empty for other names."""
    stem = unicodedata.normalize("NFC", name.stem).casefold()
    original = _COPY.sub("", stem)
    return original if original != stem else ""


def kv_in(name: Path) -> float | None:
    """Return the accelerating voltage in a name, in kV; None if there is none."""
    match = _KV.search(name.stem)
    return None if match is None else float(re.sub("[,pP]", ".", match[1]))
