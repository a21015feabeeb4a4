"""The history of a training as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fibcore.roles import Abscissa, Curve, Role
from fibcore.tables import Table

LEARNING_RATE = {"learning_rate": Curve(scale="logarithmic")}
LOSSES = {
    "train_loss": Curve("loss", of="train", dashed=True, scale="steep"),
    "validation_loss": Curve("loss", of="validation", scale="steep"),
    **LEARNING_RATE,
}
"""Roles of the columns that trainings on known targets share."""


def history_table(
    rows: Sequence[Mapping[str, Any]], best_epoch: int, curves: Mapping[str, Curve]
) -> Table:
    """Return a training's history, drawn over the epochs.

    Args:
        rows: one per epoch, each with ``epoch``.
        best_epoch: the one whose weights are kept.
        curves: roles of columns that are more than a curve of their own.
    """
    roles: dict[str, Role] = {name: Curve() for name in rows[0]}
    epoch = Abscissa(best=best_epoch, drawn_from=3)
    return Table.from_rows(rows, {**roles, **curves, "epoch": epoch})
