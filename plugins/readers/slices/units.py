"""Units of length in the spellings of files."""

from __future__ import annotations

import html
import re
import unicodedata
from typing import Any

NM_PER_UNIT = {"m": 1e9, "cm": 1e7, "mm": 1e6, "μm": 1e3, "nm": 1.0, "å": 0.1, "pm": 1e-3}
"""nm in a unit, by its symbol in lower case."""

INCH_NM = 2.54e7

_PREFIXES = {"": 1e9, "centi": 1e7, "milli": 1e6, "micro": 1e3, "nano": 1.0, "pico": 1e-3}
_WORDS = {
    **NM_PER_UNIT,
    **{f"{p}{w}": nm for p, nm in _PREFIXES.items() for w in ("meter", "metre")},
    "um": 1e3,
    "mum": 1e3,
    "mcm": 1e3,
    "micron": 1e3,
    "angstrom": 0.1,
    "angström": 0.1,
    "ångstrom": 0.1,
    "ångström": 0.1,
    "a": 0.1,
    "ã": 0.1,  # Å in UTF-8 read as Latin-1, cut off at its second byte, which is a line break
    "in": INCH_NM,
    "inch": INCH_NM,
    "inche": INCH_NM,
    '"': INCH_NM,
}
_NO_LENGTH = ("", "pixel", "px", "voxel", "none", "null", "unknown", "-")
_ESCAPE = re.compile(r"\\+[ux]0*(?P<code>[0-9a-f]{2,4})", re.IGNORECASE)


def unit_in_nm(unit: Any) -> float | None:
    """Return the size of a unit of length in nm; None for pixels, no unit or an unknown unit.

    It accepts words in singular and plural, British and American spelling, both signs for micro,
    escapes (``\\u00b5m``, ``&micro;m``) and letters whose UTF-8 was read as Latin-1.
    """
    return _WORDS.get(_plain(unit)) if isinstance(unit, str) else None


def is_unknown(unit: Any) -> bool:
    """Return whether a text is a unit other than the known units of length."""
    return isinstance(unit, str) and unit_in_nm(unit) is None and _plain(unit) not in _NO_LENGTH


def is_print_unit(unit: Any) -> bool:
    """Return whether a unit is one of print resolutions: inch or cm."""
    return unit_in_nm(unit) in (INCH_NM, 1e7)


def _plain(unit: str) -> str:
    """Return a unit in normal form: lower case, composed Unicode, singular."""
    text = _ESCAPE.sub(lambda match: chr(int(match["code"], 16)), html.unescape(unit))
    text = unicodedata.normalize("NFKC", _once_decoded(text)).casefold()
    text = "".join(text.split()).strip("\0()[]")
    if len(text) > 3:
        text = text.removesuffix("s")
    return text


def _once_decoded(text: str) -> str:
    """Restore a text whose UTF-8 was decoded as Latin-1 or Windows-1252."""
    for encoding in ("latin-1", "cp1252"):
        try:
            return text.encode(encoding).decode("utf-8")
        except UnicodeError:
            continue
    return text
