"""The colours of the page, which are legible on light and dark backgrounds."""

from __future__ import annotations

PHASES = ("#4f6679", "#e3b75f", "#6fae9b", "#c9807d", "#8f9fd3", "#b5c06a", "#b58bc0", "#9c7f62")
"""Pore first, then solids; they repeat from the ninth phase."""

SERIES = ("#3d85c6", "#e07b39", "#45a06f", "#b3589a", "#9a8429", "#5f7f95", "#d2565b", "#7a6fc0")
"""Curves; colour-blind readers can distinguish adjacent ones."""

MISSED, FALSE = "#f76707", "#228be6"
"""Missed solid and false solid of a prediction: orange and blue."""

PREDICTION, TRUTH = "#ffd43b", "#22d3ee"
"""Outlines on grey images."""


def phase(number: int) -> str:
    """Return the colour of a phase."""
    return PHASES[number % len(PHASES)]


def series(number: int) -> str:
    """Return the colour of a curve."""
    return SERIES[number % len(SERIES)]


def rgb(colour: str) -> tuple[int, int, int]:
    """Return red, green, blue of ``#rrggbb``."""
    return (int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16))
