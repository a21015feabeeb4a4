"""The parts of the measurement, their order, time budgets and targets.

The cheapest come first. A part may use its own seconds and those left over by earlier parts; a part
that takes longer is ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

INSTALLATION = 15.0
"""Seconds before the first part."""


@dataclass(frozen=True)
class Part:
    """One part.

    Attributes:
        name: its module, and its name on the command line.
        title: its heading.
        seconds: its share of the time.
        simulated: whether a dry run needs Numba's simulator of a GPU for it.
    """

    name: str
    title: str
    seconds: float
    simulated: bool = False


PARTS = (
    Part("environment", "The machine", 30, simulated=True),
    Part("compilation", "Compilation of the Monte Carlo", 60, simulated=True),
    Part("tests", "Tests that need a GPU", 45),
    Part("monte_carlo", "Monte Carlo", 130, simulated=True),
    Part("surrogate", "Learned Monte Carlo", 30),
    Part("translator", "Training of a translator", 80),
    Part("translate", "Translation", 45),
    Part("unet", "U-Net", 45),
)
"""With the installation eight minutes."""

BULK = "bulk gold, 2 keV"
SLICES = "512 x 512 slices of 512^3, {} kV"
WHOLE = "512^3 at 2 kV, all slices"
SURROGATE = "512^3 at 2 kV, 100 electrons per pixel, referee included"
STEPS = "adapter/cyclegan, batch {}"
TRANSLATION = "512 slices of 512 x 512, {}"
"""Names of results used in targets or several parts."""


@dataclass(frozen=True)
class Target:
    """The target of a result.

    Attributes:
        words: description.
        part: name of the part that measures it.
        result: name of the result.
        figure: the figure of the GPU, or its ratio to that of the CPU.
        bound: whether the limit is the ``least`` or the ``most`` allowed.
        limit: the required figure.
    """

    words: str
    part: str
    result: str
    figure: Literal["gpu", "ratio"]
    bound: Literal["least", "most"]
    limit: float

    def met_by(self, figure: float) -> bool:
        """Return whether a figure meets the target."""
        return figure >= self.limit if self.bound == "least" else figure <= self.limit


TARGETS = (
    Target(
        "Monte Carlo, 512 x 512 slices at 2 kV: at least 150 times one CPU core",
        "monte_carlo", SLICES.format(2), "ratio", "least", 150,
    ),
    Target("Monte Carlo, 512^3 at 2 kV: at most 300 s", "monte_carlo", WHOLE, "gpu", "most", 300),
    Target(
        "learned Monte Carlo, 512^3 at 2 kV: at most 5 s", "surrogate", SURROGATE, "gpu", "most", 5
    ),
    Target(
        "training of adapter/cyclegan at batch 1: at least 50 steps/s",
        "translator", STEPS.format(1), "gpu", "least", 50,
    ),
    Target(
        "translation of 512 slices of 512 x 512: at most 10 s",
        "translate", TRANSLATION.format("default"), "gpu", "most", 10,
    ),
)  # fmt: skip


def chosen(names: str) -> list[Part]:
    """Return parts by name, in their order; all if no name is given.

    Args:
        names: separated by blanks or commas.

    Raises:
        ValueError: a name that no part has.
    """
    wanted = names.replace(",", " ").split()
    known = [part.name for part in PARTS]
    if unknown := set(wanted) - set(known):
        raise ValueError(
            f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(known)}"
        )
    return [part for part in PARTS if not wanted or part.name in wanted]


def ends(parts: Sequence[Part], factor: float) -> dict[str, float]:
    """Return when each part must have ended, in seconds after the start of the first one.

    Parts that are not run leave their seconds to later ones.
    """
    found, total = {}, 0.0
    for part in PARTS:
        total += part.seconds * factor
        if part in parts:
            found[part.name] = total
    return found
