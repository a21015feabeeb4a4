"""How notebooks show volumes and tables comes from packages."""

from __future__ import annotations

import numpy as np
import pytest

from fibcore import Labels, Table, hookimpl
from fibcore.packages import Packages, Source

TABLE = Table({"depth_nm": [1.0, 2.0]})
VOLUME = Labels(np.zeros((2, 3, 4), np.uint8), (5.0, 5.0, 5.0))


class Shows:
    """A package that shows objects of one type."""

    def __init__(self, type_: type, html: str) -> None:
        self.type, self.html = type_, html

    @hookimpl
    def fib_repr_html(self, item: object) -> str | None:
        return self.html if isinstance(item, self.type) else None


class Fails:
    @hookimpl
    def fib_repr_html(self, item: object) -> str | None:
        raise ImportError("no Pillow")


@pytest.fixture
def installed(monkeypatch):
    """A function that installs packages in place of those that there are."""

    def install(*modules: object) -> Packages:
        found = Packages()
        for number, module in enumerate(modules):
            found.add_module(module, Source(f"x{number} = tests", f"package-{number}", "1"))
        for module in ("tables", "voxels"):
            monkeypatch.setattr(f"fibcore.{module}.packages", lambda: found)
        return found

    return install


def test_the_first_package_that_shows_an_item_is_taken(installed):
    installed(Shows(Table, "a table"), Shows(object, "anything"), Shows(Labels, "never asked"))
    assert TABLE._repr_html_() == "a table"
    assert VOLUME._repr_html_() == "anything"


def test_without_a_package_that_shows_it_a_notebook_has_the_text(installed):
    installed(Shows(Table, "a table"))
    assert VOLUME._repr_html_() is None


def test_a_package_that_fails_is_noted_and_the_next_one_is_asked(installed):
    packages = installed(Fails(), Shows(Table, "a table"))
    assert TABLE._repr_html_() == "a table"
    (broken,) = packages.broken
    assert (broken.distribution, broken.reason) == (
        "package-0",
        "fib_repr_html failed: ImportError: no Pillow",
    )
