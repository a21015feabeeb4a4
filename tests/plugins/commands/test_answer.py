"""What `fib reconstruct` states of the worth of error bars."""

from __future__ import annotations

import pytest

from fib_plugins.commands.answer import _worth


@pytest.mark.parametrize(
    ("adequate", "outside", "statement"),
    [
        (True, False, "error bars may be believed"),
        (True, True, "error bars may be too narrow"),
        (False, False, "most in noise: error bars may be too narrow"),
        (False, True, "does not look like"),
    ],
)
def test_error_bars_are_believed_only_if_the_twins_are_like_the_stack(
    adequate: bool, outside: bool, statement: str
) -> None:
    row = {"adequate": adequate, "p_value": 0.25, "differs_most": "noise"}
    text = _worth(row, outside)
    assert statement in text
    assert "0.25" in text
    assert ("believed" in text) == (adequate and not outside)
