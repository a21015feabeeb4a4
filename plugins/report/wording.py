"""Formats numbers, units, sizes and names for the page."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from datetime import datetime
from typing import Any

TIMES, DASH, MINUS = "\N{MULTIPLICATION SIGN}", "\N{EN DASH}", "\N{MINUS SIGN}"
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: Any) -> str:
    """Return a value as text: floats with four significant digits, a missing value as a dash."""
    if value is None or value == "":
        return DASH
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, int):
        return str(value)
    if not math.isfinite(value):
        return DASH if math.isnan(value) else ("∞" if value > 0 else f"{MINUS}∞")
    text = f"{value:#.4g}" if 1e-3 <= abs(value) < 1e4 else f"{value:.4g}"
    if "e" in text:
        mantissa, exponent = text.split("e")
        text = f"{mantissa} {TIMES} 10{str(int(exponent)).translate(_SUPERSCRIPTS)}"
    return text.rstrip(".").replace("-", MINUS)


def is_number(value: Any) -> bool:
    """Return whether a table cell is formatted as a number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def value_text(value: Any) -> str:
    """Return the value of a parameter on one line: simplified JSON, or the name of a material."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        if isinstance(value.get("name"), str):
            return value["name"]
        return ", ".join(f"{name}: {value_text(item)}" for name, item in value.items())
    if isinstance(value, list):
        return "[" + ", ".join(value_text(item) for item in value) + "]"
    return "none" if value is None else json.dumps(value, ensure_ascii=False)


def times(parts: Iterable[str]) -> str:
    """Return parts joined as ``64 x 128 x 128``, with multiplication signs."""
    return f" {TIMES} ".join(parts)


def length(nm: float) -> str:
    """Return a length in nm or µm: ``250 nm``, ``1.5 µm``."""
    value, unit = (nm / 1000, "µm") if nm >= 1000 else (nm, "nm")
    return f"{value:.3g} {unit}"


def round_length(nm: float) -> float:
    """Return the largest of 1, 2, 5 times a power of ten that is not longer than `nm`."""
    power = 10.0 ** math.floor(math.log10(nm) + 1e-9)
    factor = next(f for f in (5, 2, 1) if f * power <= nm * (1 + 1e-9))
    return factor * power


def duration(seconds: float | None) -> str:
    """Return a time span: ``0.42 s``, ``3 min 20 s``, ``5 h 07 min``; empty if unknown."""
    if seconds is None:
        return ""
    if seconds < 59.95:
        return f"{seconds:.2g} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def moment(text: Any) -> str:
    """Return an ISO time as ``2026-02-03 14:05 UTC``; another text unchanged."""
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        return str(text)
    return f"{at:%Y-%m-%d %H:%M} {at.tzname() or ''}".rstrip()


def seconds_between(start: Any, end: Any) -> float | None:
    """Return the seconds between two ISO times; None if one is missing."""
    try:
        span = datetime.fromisoformat(str(end)) - datetime.fromisoformat(str(start))
    except (ValueError, TypeError):
        return None
    return span.total_seconds()
