"""Text from outside - names of files, values, messages of other libraries - made fit to be shown.

Whatever of it reaches a terminal, a message or a page goes through here: control characters would
move the cursor or recolour the screen, reversed writing would show another name than the one that
is meant, halves of characters (lone surrogates) cannot be encoded, and a name of 60 kB would push
everything else out of sight.
"""

from __future__ import annotations

import re
import unicodedata

LONGEST_WORD = 400
"""Characters of a word (what stands between blanks) that are shown; paths are seldom longer."""
LONGEST_LINE = 4000
LONGEST_TEXT = 100_000
GAP = "[...]"
"""What stands in the place of what is left out."""

_UNFIT = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
"""Unicode categories that are escaped: control, format (reversed writing, no width), halves of
characters, private use, separators of lines and paragraphs."""
_KEPT = "\n\t\u200d\u00ad"
"""Members of these that do no harm: joiners of emoji and soft hyphens among them."""
_MAYBE_UNFIT = re.compile(r"[^\x20-\x7e\n\t]")
_WORD = re.compile(rf"\S{{{LONGEST_WORD + 1},}}")


def escaped(text: str) -> str:
    r"""Return text with what cannot be shown written as an escape, e.g. ``\x1b``.

    Line breaks and tabs stay.
    """
    return _MAYBE_UNFIT.sub(_escape, text)


def cut(text: str, longest: int) -> str:
    """Return text of at most so many characters, its middle left out: ends tell names apart."""
    if len(text) <= longest:
        return text
    head = (longest - len(GAP)) * 2 // 3
    return text[:head] + GAP + text[head + len(GAP) - longest :]


def shown(text: object, longest: int = LONGEST_WORD) -> str:
    r"""Return a name or value for one line of a message: escaped, line breaks too, and cut."""
    return cut(escaped(str(text)), longest).replace("\n", r"\n").replace("\t", r"\t")


def message(text: str) -> str:
    """Return a message for a reader: escaped, its words, lines and the whole cut."""
    lines = escaped(cut(text, LONGEST_TEXT)).split("\n")
    return "\n".join(
        cut(_WORD.sub(lambda word: cut(word.group(), LONGEST_WORD), line), LONGEST_LINE)
        for line in lines
    )


def text_of(thing: object) -> str:
    """Return the text of an object, whatever its own `__str__` does."""
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
