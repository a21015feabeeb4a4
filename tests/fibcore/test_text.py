from __future__ import annotations

import pytest

from fibcore.text import LONGEST_WORD, described, escaped, message, shown, text_of


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        ("q[/b].json", "q[/b].json"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("back\x08\x07\x7f\x9b", r"back\x08\x07\x7f\x9b"),
        ("evil\u202egnp.exe", r"evil\u202egnp.exe"),
        ("zero\u200bwidth\ufeff", r"zero\u200bwidth\ufeff"),
        ("half \ud800", r"half \ud800"),
        ("line\u2028break", r"line\u2028break"),
        ("µ é 金 😀 ±", "µ é 金 😀 ±"),
    ],
)
def test_what_cannot_be_shown_is_escaped_and_all_else_stays(given, seen):
    assert escaped(given) == seen
    assert shown(given) == seen
    assert message(f"a {given} b") == f"a {seen} b"
    assert escaped(given).encode()


def test_a_name_is_kept_on_one_line_and_cut_in_the_middle():
    assert shown("a\nb\tc") == r"a\nb\tc"
    name = "start" + "x" * 60_000 + "end.json"
    assert len(shown(name)) == LONGEST_WORD
    assert shown(name).startswith("startxx")
    assert shown(name).endswith("xxend.json")
    assert "[...]" in shown(name)


def test_a_message_is_cut_where_a_word_a_line_or_the_whole_is_endless():
    assert len(message("no file " + "x" * 60_000)) < 500
    assert len(message("word " * 10_000)) < 5000
    assert len(message("line\n" * 1_000_000)) < 110_000
    assert message("two\nlines") == "two\nlines"


def test_exceptions_without_a_readable_text_are_described_all_the_same():
    class Mute(Exception):
        def __str__(self):
            raise SystemExit(3)

    assert described(Mute()) == "Mute: (a Mute that cannot be written)"
    assert described(ValueError("x")) == "ValueError: x"
    assert described(KeyError()) == "KeyError"
    assert text_of(3) == "3"
