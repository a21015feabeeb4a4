"""Tables of any width: no number is broken over lines."""

from __future__ import annotations

import re

import pytest
from rich.text import Text

from fib_plugins.terminal_tables import Column, table_lines

NUMBERS = ["20.55", "-0.7214", "1.234e-05", "1234567890", "12.34 ± 0.0056"]


def lines(columns, rows, width):
    return [line.plain for line in table_lines(columns, rows, width)]


def figures(steps):
    columns = [Column("metric/overlap"), *(Column(f"step_{i}", right=True) for i in range(steps))]
    names = ["mp_percent", "false_positive_rate", "mds"]
    rows = [
        [name, *(NUMBERS[(i + row) % len(NUMBERS)] for i in range(steps))]
        for row, name in enumerate(names)
    ]
    return columns, rows


@pytest.mark.parametrize("width", [20, 30, 40, 80, 81, 120, 1000])
@pytest.mark.parametrize("steps", [1, 2, 5, 12])
def test_every_number_is_whole_on_one_line_under_its_head(width, steps):
    columns, rows = figures(steps)
    shown = lines(columns, rows, width)
    text = "\n".join(shown)
    for row in rows:
        assert row[0] in text
        for value in row[1:]:
            assert text.count(value) >= sum(other.count(value) for other in row[1:])
    for column in columns[1:]:
        assert re.search(rf"\b{column.head}\b", text)
    wider_than_all = max(len(n) for n in NUMBERS) + 22
    if width >= wider_than_all:
        assert all(len(line) <= width for line in shown)


def test_columns_that_do_not_fit_go_below_the_others_with_the_names_again():
    columns, rows = figures(5)
    shown = lines(columns, rows, 50)
    heads = [line for line in shown if line.startswith("metric/overlap")]
    assert len(heads) > 1
    assert [word for head in heads for word in head.split()[1:]] == [f"step_{i}" for i in range(5)]
    assert sum(line.startswith("mds") for line in shown) == len(heads)
    assert "" in shown  # a blank line between them


def test_a_number_is_below_the_head_of_its_column():
    columns, rows = figures(3)
    head, first, *_ = lines(columns, rows, 200)
    ends = [match.end() for match in re.finditer(r"\S+", head)][1:]
    assert all(first[:end].endswith(value) for end, value in zip(ends, rows[0][1:], strict=True))


def test_text_is_broken_between_words():
    columns = [Column("step"), Column("action"), Column("why", text=True)]
    why = "its result in the cache was damaged and is computed again"
    shown = lines(columns, [["gold", "run", why], ["sem", "reuse", "finished before"]], 50)
    assert all(len(line) <= 50 for line in shown)
    assert " ".join(line[14:] for line in shown[1:-1]).split() == why.split()
    assert shown[-1] == "sem   reuse   finished before"


def test_where_not_even_two_columns_fit_each_cell_has_a_line():
    columns, rows = figures(2)
    shown = lines(columns, rows, 15)
    assert shown[0] == "mp_percent"
    assert shown[1] == "  step_0  20.55"


def test_nothing_in_a_cell_is_read_as_markup_or_moves_the_cursor():
    columns = [Column("[bold]x[/]"), Column("y", right=True)]
    shown = lines(columns, [["a[/b]\x1b[2J", Text("1")]], 80)
    assert shown[0].startswith("[bold]x[/]")
    assert r"a[/b]\x1b[2J" in shown[1]


def test_wide_characters_keep_columns_straight():
    columns = [Column("name"), Column("n", right=True)]
    one, two = lines(columns, [["金属", "1"], ["gold", "2"]], 80)[1:]
    assert one == "金属  1"
    assert two == "gold  2"
