"""Scores without a truth: their pages say that they have ranked segmentations backwards."""

import inspect
import re
from pathlib import Path

import pytest

from fib_plugins.metrics.anisotropy import Anisotropy
from fib_plugins.metrics.reprojection import Reprojection

DOCS = Path(__file__).parents[3] / "docs"
MEASURED = {Anisotropy: "-0.90", Reprojection: "-0.88"}


@pytest.mark.parametrize("metric", MEASURED)
def test_the_page_of_the_plugin_says_that_it_must_not_choose_a_method_and_why(metric):
    text = " ".join(inspect.getdoc(metric).split())
    assert re.search("must not be (used|the only reason) to choose a method", text)
    assert "reverse order" in text
    assert MEASURED[metric] in text


@pytest.mark.parametrize("page", ["guide/trust.md", "explanation/limits.md"])
def test_pages_on_trust_say_so_with_both_figures(page):
    text = " ".join((DOCS / page).read_text().split())
    assert all(figure in text for figure in MEASURED.values())
    assert "open pores" in text
