"""Makes text from outside (file names, values, messages of other libraries) safe to show.

All such text in terminal output, messages and pages is passed through this module. Control
characters could move the cursor or recolour the screen, bidirectional controls could disguise a
name, lone surrogates cannot be encoded, and a name of 60 kB would hide all other text.
"""

from __future__ import annotations

import re
import unicodedata

LONGEST_WORD = 400
"""Number of characters shown of a word (text between blanks); paths are seldom longer."""
LONGEST_LINE = 4000
LONGEST_TEXT = 100_000
GAP = "[...]"
"""Replaces the part that is left out."""

_UNFIT = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
"""Unicode categories that are escaped: control, format (bidirectional, zero width), surrogates,
private use, separators of lines and paragraphs."""
_KEPT = "\n\t\u200d\u00ad"
"""Harmless characters of these categories, such as joiners of emoji and soft hyphens."""
_MAYBE_UNFIT = re.compile(r"[^\x20-\x7e\n\t]")
_WORD = re.compile(rf"\S{{{LONGEST_WORD + 1},}}")


def escaped(text: str) -> str:
    r"""Return text in which characters that cannot be shown are escaped, e.g. ``\x1b``.

    Line breaks and tabs are kept.
    """
    return _MAYBE_UNFIT.sub(_escape, text)


def cut(text: str, longest: int) -> str:
    """Shorten text to at most `longest` characters in its middle, as names differ at their ends."""
    if len(text) <= longest:
        return text
    head = (longest - len(GAP)) * 2 // 3
    return text[:head] + GAP + text[head + len(GAP) - longest :]


def shown(text: object, longest: int = LONGEST_WORD) -> str:
    r"""Return a name or value for one line of a message: escaped, with line breaks, and cut."""
    return cut(escaped(str(text)), longest).replace("\n", r"\n").replace("\t", r"\t")


def message(text: str) -> str:
    """Return a message to be shown: escaped, with words, lines and the whole text cut."""
    lines = escaped(cut(text, LONGEST_TEXT)).split("\n")
    return "\n".join(
        cut(_WORD.sub(lambda word: cut(word.group(), LONGEST_WORD), line), LONGEST_LINE)
        for line in lines
    )


def text_of(thing: object) -> str:
    """Return the text of an object, even if its `__str__` fails."""
    try:
        return str(thing)
    except KeyboardInterrupt:
        raise
    except BaseException:
        return f"(a {type(thing).__name__} that cannot be written)"


def described(error: BaseException) -> str:
    """Return type and text of an exception."""
    text = text_of(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _escape(found: re.Match[str]) -> str:
    character = found.group()
    if character in _KEPT or unicodedata.category(character) not in _UNFIT:
        return character
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")
