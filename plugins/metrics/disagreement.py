"""Disagreement of segmentations of one volume, for stacks without a truth.

Networks that differ only in the seed of their training make different errors where the images are
ambiguous (deep ensembles: Lakshminarayanan, Pritzel and Blundell, NeurIPS 2017), and so do
different methods. Where they agree they may still all be wrong: errors that all of them have
learned, or that none can see, are not detected.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from fibcore import Context, FibError, Forecast, Images, Labels, Metric, Table, VolumeSpec, keeps
from fibcore.context import held_bytes
from fibcore.roles import Abscissa, Curve

BYTES_PER_PIXEL = 20
"""Memory for each pixel of a slice."""


class Disagreement(Metric):
    """Share of voxels at which other segmentations of the same stack differ, and where.

    Row: ``disagreement_percent``, the share of voxels to which another segmentation assigns another
    phase, mean over the others; ``most_percent`` and ``least_percent``, that of the other that
    differs most and least; ``outvoted_percent``, voxels to which more than half of the others
    assign the same other phase; ``others``, their number.

    Kept: ``map``, for each voxel the share of the others that differ, 0 to 1; ``per_slice``.
    """

    name: ClassVar[str] = "disagreement"
    headline: ClassVar[tuple[str, ...]] = ("disagreement_percent", "outvoted_percent")

    def forecast(self, method: str, inputs: Mapping[str, Any]) -> Forecast:
        """Refuse volumes of different shapes; return the spec of the map."""
        labels, others = inputs.get("labels"), inputs.get("others") or []
        if labels is None:
            return Forecast()
        for number, other in enumerate(others):
            if other is not None and other.shape != labels.shape:
                raise FibError(
                    f"labels have shape {labels.shape}, number {number + 1} of the others "
                    f"{other.shape} (z, y, x): they must be segmentations of the same stack"
                )
        kept = VolumeSpec(Images, labels.shape, labels.voxel_size_nm, (None,), dtype="float32")
        memory = held_bytes(kept.nbytes) + BYTES_PER_PIXEL * kept.shape[1] * kept.shape[2]
        return Forecast(kept={"map": kept}, memory_bytes=memory)

    @keeps(map=Images, per_slice=Table)
    def measure(
        self, labels: Labels, others: list[Labels], context: Context | None = None
    ) -> Table:
        """Return one row; keep the map and the figures per slice.

        Args:
            labels: the segmentation to compare.
            others: further ones of the same stack, by other networks or methods.
            context: surroundings of the step.

        Raises:
            FibError: shapes differ.
        """
        context = Context.of(context)
        self.forecast("measure", {"labels": labels.spec, "others": [o.spec for o in others]})
        differing = context.empty("map", labels.shape, np.float32)
        shares = np.empty((len(labels.data), len(others)))
        outvoted = np.empty(len(labels.data))
        for z in context.track(range(len(labels.data)), "slices compared"):
            votes = np.stack([other.data[z] for other in others])
            differ = votes != labels.data[z]
            differing[z] = differ.mean(axis=0)
            shares[z] = differ.mean(axis=(1, 2))
            outvoted[z] = _outvoted(labels.data[z], votes).mean()
        each = shares.mean(axis=0)
        context.keep(
            "map",
            Images(
                differing, labels.voxel_size_nm, (None,), ("disagreement",), "share of the others"
            ),
        )
        context.keep(
            "per_slice",
            Table(
                {
                    "slice": np.arange(len(shares)),
                    "disagreement_percent": 100.0 * shares.mean(axis=1),
                    "outvoted_percent": 100.0 * outvoted,
                },
                {"slice": Abscissa(), "disagreement_percent": Curve(), "outvoted_percent": Curve()},
            ),
        )
        return Table.from_rows(
            [
                {
                    "disagreement_percent": 100.0 * float(each.mean()),
                    "most_percent": 100.0 * float(each.max()),
                    "least_percent": 100.0 * float(each.min()),
                    "outvoted_percent": 100.0 * float(outvoted.mean()),
                    "others": len(others),
                }
            ]
        )


def _outvoted(own: np.ndarray, votes: np.ndarray) -> np.ndarray:
    """Return where more than half of the votes, axes (other, y, x), are for one other phase."""
    found = np.zeros(own.shape, bool)
    for phase in np.unique(votes):
        found |= (own != phase) & (2 * (votes == phase).sum(axis=0) > len(votes))
    return found
