"""Detectors by the names that instruments and people give them.

The words are those of the makers' documentation and of the tags that their programs write: Thermo
Fisher (ETD, TLD, ICD, MD, CBS, T1 to T3), Zeiss (SE2, InLens, EsB, AsB, BSD, VPSE), and the general
ones.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_WORDS = {
    "se": "se etd se1 se2 hese2 vpse vpseg3 vpseg4 c2d c2dx lfd lvd gsed sed everhartthornley",
    "in_lens": "inlens in_lens tld t2 t3 inlensduo ice inbeamse",
    "bse": "bse bsed bsd cbs abs dbs vcd md mdb icd t1 esb asb hdbsd hdasb 4qbsd ntsbsd inbeambse",
}
_KNOWN = {word: name for name, words in _WORDS.items() for word in words.split()}

_SIGNALS = {"se": "se", "bse": "bse"}
"""Signals that a detector may be set to; the lens detectors stay what they are for electrons."""

_IN_NAMES = re.compile(
    r"(?<![a-z])(bse|esb|asb|bsd|cbs|etd|tld|in[-_ ]?lens|se2|se)(?![a-z0-9])", re.IGNORECASE
)


def detector_of(word: str, signal: str = "") -> str | None:
    """Return the detector with a name, or set to a signal; None for one that is unknown.

    Args:
        word: name of the detector, in any case, e.g. ``ETD``, ``In-lens``.
        signal: electrons that it is set to collect, if known, e.g. ``SE``, ``BSE``.
    """
    name = _KNOWN.get(re.sub(r"[^a-z0-9]", "", word.casefold()))
    wanted = _SIGNALS.get(signal.strip().casefold())
    if wanted is None or (name == "in_lens" and wanted == "se"):
        return name
    return wanted


def detector_in(text: str) -> str | None:
    """Return the detector in a name, such as ``stack_SE_2kV``; None for none or several."""
    found = {detector_of(match[1]) for match in _IN_NAMES.finditer(text)}
    return found.pop() if len(found) == 1 else None


def detectors_in(names: Sequence[str]) -> tuple[str | None, ...]:
    """Return the detectors in the names of channels; empty if none contains one."""
    found = tuple(detector_in(name) for name in names)
    return found if any(found) else ()
