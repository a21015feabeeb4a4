"""What the class of a reader has to declare and to define."""

from __future__ import annotations

import pytest

from fibcore import Reader, Table


class Complete(Reader):
    """Tables in lines."""

    name = "lines"
    suffixes = (".lines",)
    holds = (Table,)

    def open(self, source, base=None, *, trusted=False):
        """Never called."""


class Writing(Complete):
    """The same, and declares that it writes."""

    writes = (Table,)


class Stacking(Complete):
    """The same, and declares that it reads folders."""

    stacks_files = True


class Nameless(Complete):
    """The same without suffixes and types."""

    suffixes = ()
    holds = ()


def test_a_reader_needs_no_method_for_what_it_does_not_declare():
    assert Complete.class_problems() == []


@pytest.mark.parametrize(("reader", "method"), [(Writing, "write"), (Stacking, "matches")])
def test_what_a_reader_declares_it_has_to_define(reader, method):
    (problem,) = reader.class_problems()
    assert f"has no method {method}" in problem
    defined = type("Defined", (reader,), {method: classmethod(lambda cls, *given: 0)})
    assert defined.class_problems() == []


def test_suffixes_and_types_have_to_be_given():
    assert [problem.split(" is ")[0] for problem in Nameless.class_problems()] == [
        "Nameless.suffixes",
        "Nameless.holds",
    ]
