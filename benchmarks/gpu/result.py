"""One result: the figure of the GPU, that of the CPU, and whether the two agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SECONDS = "s"
"""The unit for which smaller is better; all others are rates."""


@dataclass(frozen=True)
class Result:
    """One measurement.

    Attributes:
        name: of the measurement.
        unit: ``s``, or that of a rate; empty if there is only a check.
        gpu: figure of the GPU; None if it was not measured.
        cpu: figure of the CPU of the same machine.
        cpu_is: the part of the CPU that was used, for instance ``one core``.
        check: text with the result of the comparison.
        passed: whether the check passed; None if nothing was compared.
        note: further remarks.
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
        """Speed of the GPU relative to that of the CPU."""
        if not self.gpu or not self.cpu:
            return None
        return self.cpu / self.gpu if self.unit == SECONDS else self.gpu / self.cpu

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON values, with the ratio."""
        return {**vars(self), "ratio": self.ratio}

    @classmethod
    def of_json(cls, values: Mapping[str, Any]) -> Result:
        """Return a result from the values of `to_json`."""
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
    """Return a figure with three digits, or with all digits before the point."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
