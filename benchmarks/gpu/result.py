"""One result: what the GPU does, what the CPU beside it does, and whether the two agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SECONDS = "s"
"""The unit of which less is better; all others are rates."""


@dataclass(frozen=True)
class Result:
    """What was measured.

    Attributes:
        name: what of.
        unit: ``s``, or that of a rate; empty if only the check counts.
        gpu: what the GPU does; None if it was not measured.
        cpu: what the CPU of the same machine does.
        cpu_is: how much of a CPU that is, ``one core`` say.
        check: what was compared, and how it came out, in words.
        passed: whether it came out well; None if nothing was compared.
        note: what else is to be known.
    """

    name: str
    unit: str = ""
    gpu: float | None = None
    cpu: float | None = None
    cpu_is: str = ""
    check: str = ""
    passed: bool | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times faster than the CPU the GPU is."""
        if not self.gpu or not self.cpu:
            return None
        return self.cpu / self.gpu if self.unit == SECONDS else self.gpu / self.cpu

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON values, the ratio among them."""
        return {**vars(self), "ratio": self.ratio}

    @classmethod
    def of_json(cls, values: Mapping[str, Any]) -> Result:
        """Return the result that `to_json` gave the values of."""
        return cls(**{name: value for name, value in values.items() if name != "ratio"})

    def line(self) -> str:
        """Return the result as a line for a terminal."""
        words = [self.name + ":"]
        if self.gpu is not None:
            words.append(f"{number(self.gpu)} {self.unit}")
        if self.cpu is not None:
            words.append(f"(CPU, {self.cpu_is}: {number(self.cpu)} {self.unit})")
        if self.ratio is not None:
            words.append(f"{number(self.ratio)} times")
        if self.check:
            words.append(f"[{'ok' if self.passed else 'WRONG'}: {self.check}]")
        return " ".join([*words, self.note]).rstrip()


def number(value: float | None) -> str:
    """Return a figure with three digits, or all before the point."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
