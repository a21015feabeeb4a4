"""The parameters of the network for backscatter coefficients."""

from __future__ import annotations

from pydantic import Field

from fib_plugins.training.schedule import Schedule


class ANNParameters(Schedule):
    """The training of the network; by default that of table 1 of the paper, except the rate."""

    epochs: int = Field(default=100, ge=1, description="maximum number of epochs")
    batch_size: int = Field(default=8, ge=1, description="rows of the table per training step")
    learning_rate: float = Field(
        default=5e-3, gt=0, le=1, description="of the Adam optimiser at the start"
    )
    validation_fraction: float = Field(
        default=0.2,
        gt=0,
        le=0.5,
        description="share of the rows, drawn at random, that is held out of training and "
        "determines the best epoch",
    )
