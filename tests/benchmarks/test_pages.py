"""The pages of results: how they are written, and that those in the documentation are of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks import pages
from benchmarks.adaptation import page as adaptation
from benchmarks.study import page as study
from benchmarks.study import simulation_page as simulations
from benchmarks.validation import __main__ as validation

MAKEFILE = (Path(pages.__file__).parents[1] / "Makefile").read_text(encoding="utf-8")
TEMPLATES = {
    "study": [study.ABOUT, study.TEXT.read_text(encoding="utf-8")],
    "simulations": [simulations.ABOUT, simulations.TEXT.read_text(encoding="utf-8")],
    "adaptation": [adaptation.HEAD, adaptation.TWINS, adaptation.SIMULATION],
    "validation": [validation.HEAD, validation.ABOUT],
}
"""Text that a page has wherever its runs were made; names in braces stand for results."""


def recorded(name: str) -> str:
    return (pages.EXPLANATION / f"{name}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_page_in_the_documentation_has_the_text_that_would_be_written(name: str) -> None:
    for template in TEMPLATES[name]:
        for words in re.split(r"\{\w+(?::[^}]*)?\}", template):
            assert words.strip() in recorded(name)


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_page_names_the_command_that_makes_it(name: str) -> None:
    assert f"Made by `make {name}` (" in recorded(name)
    assert f"\n{name}: " in MAKEFILE


def test_cells_cannot_break_a_table() -> None:
    assert pages.table(("a", "b"), [("|x|", "two\nlines")], right=True).splitlines() == [
        "| a | b |",
        "| --- | ---: |",
        r"| \|x\| | two lines |",
    ]


def test_a_figure_of_several_runs_has_its_spread() -> None:
    assert pages.spread([1.0, 2.0, 3.0], 1) == "2.0 ± 1.0"
    assert pages.spread([1.0]) == "1.00"
    assert pages.spread([]) == "-"
