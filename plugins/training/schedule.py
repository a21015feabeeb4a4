"""Parameters of every training: how long, at what rate, on how many threads.

Defaults are those of the paper's table 1, which applies to all its networks.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, Field, model_validator


class Schedule(BaseModel):
    """When the learning rate falls, and when training ends."""

    epochs: int = Field(default=100, ge=1, description="maximum number of epochs")
    learning_rate_patience: int = Field(
        default=10,
        ge=0,
        description="epochs without a better validation loss before the learning rate is lowered",
    )
    learning_rate_factor: float = Field(
        default=0.1, gt=0, lt=1, description="factor by which it is then lowered"
    )
    early_stopping_patience: int = Field(
        default=25,
        ge=1,
        description="epochs without a better validation loss before training ends",
    )


class Computing(BaseModel):
    """How convolutions are computed, and on how many devices a training runs."""

    precision: Literal["auto", "32", "bf16", "16"] = Field(
        default="auto",
        description="precision of floating-point numbers, below 32 bits in convolutions only; "
        "auto: 32; on cuda bf16, or 16 where that is not supported",
    )
    cpu_threads: int = Field(
        default=2,
        ge=1,
        description="CPU threads of each torch operation, on any machine: the last bits of the "
        "result depend on it. Raise it to train faster on more cores; a trained network is applied "
        "on all cores in any case",
    )
    devices: int = Field(
        default=1,
        ge=1,
        description="number of GPUs (on cuda) or of processes with `cpu_threads` threads each (on "
        "the CPU) that training runs on, each with its share of every batch. The last bits of the "
        "result depend on it",
    )

    @model_validator(mode="after")
    def _each_device_has_a_share(self) -> Self:
        batch_size = getattr(self, "batch_size", self.devices)
        if batch_size < self.devices:
            raise ValueError(
                f"a batch_size of {batch_size} has no share for each of {self.devices} devices: "
                f"use a batch_size of at least {self.devices}, or at most {batch_size} devices"
            )
        return self
