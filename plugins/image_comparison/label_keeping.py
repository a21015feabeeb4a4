"""Limits for the agreement of images with their labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from pydantic import BaseModel, Field, model_validator

BYTES_PER_PIXEL = 33
"""Memory of a thread for each pixel of a slice: sums over its phases, displacement of its edges."""


class LabelKeepingParameters(BaseModel):
    """How images are compared with their labels, and the limits beyond which labels are lost."""

    max_slices: int = Field(
        default=32,
        ge=1,
        description="Slices whose edges and information are measured at most: every n-th, evenly "
        "spread. The contrast is measured in all.",
    )
    search_pixels: int = Field(
        default=4, ge=2, le=16, description="Largest displacement of edges that is searched."
    )
    block_pixels: int = Field(
        default=32, ge=8, description="Edge of the blocks whose shift is measured, in pixels."
    )
    dark_to_bright: tuple[int, ...] | None = Field(
        default=None,
        description="Phases from dark to bright, as expected in the images. Default: as in the "
        "images before the translation, or without them by mean atomic number.",
    )
    max_inverted_slices: int = Field(
        default=0, ge=0, description="Limit: slices with swapped phases, beyond those before."
    )
    max_inverted_edges_percent: float = Field(
        default=10.0, ge=0, le=100, description="Limit: swapped edges, beyond those before, in %."
    )
    min_contrast: float = Field(
        default=0.1, ge=-1, le=1, description="Limit: median correlation of grey value and phase."
    )
    max_edge_shift_pixels: float = Field(
        default=0.5,
        gt=0,
        description="Limit: median displacement, mean displacement and growth of edges, each "
        "beyond that before, in pixels.",
    )
    min_information_ratio: float = Field(
        default=0.25,
        ge=0,
        description="Limit: mutual information over that before. Noise that a translator adds to "
        "images without noise reduces information, too, but is no loss of structure.",
    )
    max_mds_loss: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Limit: decrease of the segmenter's score. Default: none, since it is lower on "
        "images with another look.",
    )

    @model_validator(mode="after")
    def _phases_are_named_once(self) -> Self:
        order = self.dark_to_bright
        if order is not None and (len(order) < 2 or len(set(order)) < len(order)):
            raise ValueError(
                f"dark_to_bright {list(order)}: name each phase once, at least two of them"
            )
        return self

    def problems(self, row: Mapping[str, Any]) -> list[str]:
        """Return descriptions of what is beyond the limits; empty if all labels were kept.

        Args:
            row: from `measure`. If it has figures of the images before, only what is worse than
                there counts.
        """

        def beyond(name: str) -> float:
            return float(row[name]) - float(row.get(f"before_{name}", 0.0))

        ratio = row.get("information_ratio")
        lost = ratio is not None and ratio < self.min_information_ratio
        drift = np.hypot(beyond("mean_shift_y_pixels"), beyond("mean_shift_x_pixels"))
        shift = max(beyond("edge_shift_pixels"), float(drift))
        moved = shift > self.max_edge_shift_pixels
        gone = lost and moved  # edges of noise, with any sign
        found = []
        if beyond("inverted_slices") > self.max_inverted_slices:
            found.append(
                f"phases are inverted: in {row['inverted_slices']} of {row['slices']} slices the "
                f"phase that should be bright is darker than the one that should be dark "
                f"(max_inverted_slices is {self.max_inverted_slices})"
            )
        elif beyond("inverted_edges_percent") > self.max_inverted_edges_percent and not gone:
            found.append(
                f"phases are inverted in places: {row['inverted_edges_percent']:.0f} % of the "
                f"edges go from bright to dark (max_inverted_edges_percent is "
                f"{self.max_inverted_edges_percent:g})"
            )
        elif not row["contrast"] >= self.min_contrast:
            found.append(
                f"phases can hardly be distinguished: the correlation of grey value and phase is "
                f"{row['contrast']:.2f} (min_contrast is {self.min_contrast:g})"
            )
        if ratio is not None and lost:
            found.append(
                f"structure was lost: grey values hold {100 * ratio:.0f} % of the information on "
                f"labels that they held before (min_information_ratio is "
                f"{self.min_information_ratio:g})"
            )
        limit = f"(max_edge_shift_pixels is {self.max_edge_shift_pixels:g})"
        if moved:
            found.append(f"edges have moved: by {shift:.1f} pixels from the labels {limit}")
        growth = beyond("edge_growth_pixels")
        if abs(growth) > self.max_edge_shift_pixels and not gone:
            what = "thicker" if growth > 0 else "thinner"
            found.append(
                f"the brighter phase has become {what}: its edges have moved outwards by "
                f"{growth:+.1f} pixels {limit}"
            )
        if self.max_mds_loss is not None and "mds" in row and -beyond("mds") > self.max_mds_loss:
            found.append(
                f"a segmenter finds less than before: MDS {row['mds']:.3f} "
                f"(max_mds_loss is {self.max_mds_loss:g})"
            )
        return found
