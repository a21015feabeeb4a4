"""The parameters of a tuning on few labels."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

Name = Literal["start", "cautious", "full", "forest", "alone"]


class TunedParameters(BaseModel):
    """The candidates of a tuning, how they learn, and how they are compared."""

    candidates: Annotated[tuple[Name, ...], Field(min_length=1)] = Field(
        default=("start", "cautious", "full", "forest", "alone"),
        description="what is compared: the network as it is; with normalization and last layer "
        "tuned; with all weights tuned, pulled towards the start; a random forest, and a network "
        "of the same form, trained on the labels alone",
    )
    folds: int = Field(
        default=3,
        ge=2,
        le=20,
        description="parts of the labels, each of which is left out once to compare candidates: "
        "groups of slices, or strips if fewer slices have labels",
    )
    steps: int = Field(
        default=320,
        ge=4,
        description="most training steps where all weights learn (full, alone); a quarter and half "
        "of them are compared, too",
    )
    steps_cautious: int = Field(default=80, ge=4, description="the same where few weights learn")
    batch_size: int = Field(default=16, ge=1, description="patches in a training step")
    learning_rate: float = Field(
        default=3e-3,
        gt=0,
        le=1,
        description="of the Adam optimiser at the start, where few weights are tuned, and from the "
        "labels alone; it falls to 0",
    )
    learning_rate_full: float = Field(
        default=2e-3, gt=0, le=1, description="the same where all weights are tuned"
    )
    pull_to_start: float = Field(
        default=0.01,
        ge=0,
        description="weight of half the squared distance from the weights of the start, where all "
        "are tuned (L2-SP)",
    )
    least_voxels: int = Field(
        default=2000,
        ge=0,
        description="fewest labelled voxels with which all weights are tuned, or a network is "
        "trained on the labels alone",
    )
    augment_gain: float = Field(
        default=0.1, ge=0, lt=1, description="contrast of patches varies by up to this fraction"
    )
    augment_offset: float = Field(
        default=0.1,
        ge=0,
        description="brightness of patches varies by up to this many standard deviations",
    )
    augment_noise: float = Field(
        default=0.1, ge=0, description="noise added to patches, in standard deviations"
    )
    save_probability: bool = Field(
        default=False, description="keep the probability of each phase, too"
    )
