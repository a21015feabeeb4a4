"""What is measured of one segmentation, of a twin or of the stack; kept as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fib_plugins.metrics.curves import curves_along_axes
from fib_plugins.metrics.error_bars.blocks import Blocks, measured_blocks
from fib_plugins.metrics.error_bars.quantities import QUANTITIES
from fibcore import Labels
from fibcore.files import write_whole

CURVES = ("s2_solid", "lineal_path_solid", "lineal_path_pore")


@dataclass(frozen=True)
class Structure:
    """Figures of a structure.

    Attributes:
        blocks: sums over its blocks.
        curves: name -> two-point correlation or lineal path at common distances, mean over x, y, z.
    """

    blocks: Blocks
    curves: Mapping[str, np.ndarray]

    @property
    def figures(self) -> dict[str, float]:
        """Name of each of `QUANTITIES` -> value, nan if the structure has none."""
        return {quantity.name: self.blocks.figure(quantity) for quantity in QUANTITIES}

    def write(self, path: Path) -> None:
        """Write a file that is complete or absent."""
        write_json(path, self.to_json())

    @classmethod
    def read(cls, path: Path) -> Structure:
        """Return the structure of a file."""
        return cls.from_json(read_json(path))

    def to_json(self) -> dict[str, Any]:
        """Return JSON values from which `from_json` makes the same structure."""
        return {
            "sums": self.blocks.sums.tolist(),
            "surface": self.blocks.surface,
            "shape": list(self.blocks.shape),
            "curves": {name: values.tolist() for name, values in self.curves.items()},
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Structure:
        """Return the structure of JSON values."""
        nz, ny, nx = values["shape"]
        blocks = Blocks(np.array(values["sums"], float), values["surface"], (nz, ny, nx))
        return cls(blocks, {name: np.array(curve) for name, curve in values["curves"].items()})


def measured_structure(
    labels: Labels, blocks: int, distances_nm: np.ndarray, threads: int
) -> Structure:
    """Measure a structure.

    Args:
        labels: phases above 0 are solid.
        blocks: blocks along an axis.
        distances_nm: of the curves.
        threads: number of CPU threads; the result does not depend on it.
    """
    solid = curves_along_axes(labels, "solid", distances_nm, threads)
    pore = curves_along_axes(labels, "pore", distances_nm, threads)
    along = (solid["s2"], solid["lineal_path"], pore["lineal_path"])
    curves = {
        name: np.mean([axes[axis] for axis in "xyz"], axis=0)
        for name, axes in zip(CURVES, along, strict=True)
    }
    return Structure(measured_blocks(labels, blocks, threads), curves)


@dataclass(frozen=True)
class Twin:
    """What a twin shows.

    Attributes:
        truth: its true structure.
        found: its segmentation.
        scores: column of `metric/overlap` -> value.
        statistics: truth and segmentation -> further statistics by name.
        separation: see `features.separation`.
        doubt: see `features.doubt`.
        excess: see `features.excess`.
        indicators: name -> value, which are compared with the scores.
    """

    truth: Structure
    found: Structure
    scores: Mapping[str, float]
    statistics: Mapping[str, Mapping[str, float]]
    separation: float
    doubt: float
    excess: float
    indicators: Mapping[str, float]

    def write(self, path: Path) -> None:
        """Write a file that is complete or absent, whenever the program is interrupted."""
        values = {
            "truth": self.truth.to_json(),
            "found": self.found.to_json(),
            **{name: value for name, value in vars(self).items() if name not in ("truth", "found")},
        }
        write_json(path, values)

    @classmethod
    def read(cls, path: Path) -> Twin:
        """Return the twin of a file."""
        values = read_json(path)
        values |= {name: Structure.from_json(values[name]) for name in ("truth", "found")}
        return cls(**values)


@dataclass(frozen=True)
class Part:
    """A part of the stack as large as a twin, segmented in the same way.

    Attributes:
        doubt: see `features.doubt`.
        excess: see `features.excess`.
        differing: share of its voxels where it differs from the segmentation of the stack.
        indicators: name -> value.
    """

    doubt: float
    excess: float
    differing: float
    indicators: Mapping[str, float]

    def write(self, path: Path) -> None:
        """Write a file that is complete or absent."""
        write_json(path, asdict(self))

    @classmethod
    def read(cls, path: Path) -> Part:
        """Return the part of a file."""
        return cls(**read_json(path))


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write values, among which may be NaN, as a whole file."""
    write_whole(path, json.dumps(values), lasting=False)


def read_json(path: Path) -> dict[str, Any]:
    """Return the values of a file of `write_json`."""
    values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return values
