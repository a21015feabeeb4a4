"""The pipeline file as a pydantic model: structure only, plugins are not looked up here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

VERBS = ("run", "fit", "apply", "load")
ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]*$"
MOST_STEPS, MOST_INPUTS = 1000, 100
"""Limits of a pipeline and of a step; no sensible file reaches them."""
LONGEST_ID = 100
"""Ids and names become names of folders, which file systems limit to 255 bytes."""

FractionRange = Annotated[
    tuple[Annotated[float, Field(ge=0, le=1)], Annotated[float, Field(ge=0, le=1)]],
    Field(description="[start, stop] as fractions of the edge length, 0 to 1"),
]


class Source(BaseModel):
    """Source of an input: an earlier step, or one of its artefacts, or a part of it."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    step: str = Field(alias="from", description="id of an earlier step")
    artefact: str | None = Field(
        default=None,
        description="one of its artefacts, e.g. 'probability'; default: the one that fits",
    )
    z: FractionRange | None = Field(default=None, description="part along z, as fractions 0 to 1")
    y: FractionRange | None = Field(default=None, description="part along y, as fractions 0 to 1")
    x: FractionRange | None = Field(default=None, description="part along x, as fractions 0 to 1")
    kv: tuple[float, ...] | None = Field(
        default=None, min_length=1, description="only the channels at these voltages, kV"
    )
    detector: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="only the channels of these detectors, e.g. se"
    )

    @property
    def channels(self) -> dict[str, Any]:
        """What chooses channels: ``kv`` and ``detector``, if given."""
        given = {"kv": self.kv, "detector": self.detector}
        return {name: list(values) for name, values in given.items() if values is not None}

    @property
    def cut(self) -> dict[str, tuple[float, float]]:
        """Axis -> (start, stop), for the axes that are cut."""
        ranges = {"z": self.z, "y": self.y, "x": self.x}
        return {axis: part for axis, part in ranges.items() if part is not None}


def _source(value: Any) -> Any:
    return {"from": value} if isinstance(value, str) else value


def _sources(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


Sources = Annotated[
    list[Annotated[Source, BeforeValidator(_source)]],
    BeforeValidator(_sources),
    Field(min_length=1, max_length=MOST_STEPS),
]


class Step(BaseModel):
    """One step of a pipeline: runs a plugin, fits one, applies a fitted one, or loads files."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(
        pattern=ID_PATTERN,
        max_length=LONGEST_ID,
        description="name of the step; later steps refer to it",
    )
    run: str | None = Field(default=None, description="plugin to run, as kind/name")
    fit: str | None = Field(default=None, description="trainable plugin to fit, as kind/name")
    apply: str | None = Field(default=None, description="id of an earlier step that made a model")
    load: str | None = Field(
        default=None, description="file, folder or glob, relative to the pipeline file"
    )
    params: dict[str, Any] = Field(default_factory=dict, description="the plugin's parameters")
    inputs: dict[str, Sources] = Field(
        default_factory=dict,
        max_length=MOST_INPUTS,
        description="input name -> earlier step, a part of it, or a list of these",
    )
    note: str = Field(default="", description="free text for readers")

    @model_validator(mode="before")
    @classmethod
    def _one_verb(cls, data: Any) -> Any:
        if isinstance(data, Mapping):
            given = [verb for verb in VERBS if data.get(verb) is not None]
            if len(given) != 1:
                raise ValueError(
                    f"a step has exactly one of {', '.join(VERBS)}; this one has "
                    + (" and ".join(given) or "none")
                )
        return data

    @property
    def verb(self) -> str:
        """``run``, ``fit``, ``apply`` or ``load``."""
        return next(verb for verb in VERBS if getattr(self, verb) is not None)

    @property
    def target(self) -> str:
        """What the verb names: a plugin, a step, or files."""
        return getattr(self, self.verb)


class Pipeline(BaseModel):
    """An ordered list of steps. Inputs name earlier steps: the file is in run order."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    schema_: str | None = Field(default=None, alias="$schema", description="for editors")
    version: Literal[1] = Field(description="version of the file format")
    name: str = Field(
        pattern=ID_PATTERN,
        max_length=LONGEST_ID,
        description="name of the pipeline, and of its run folder",
    )
    description: str = Field(default="", description="what the pipeline is for")
    seed: int = Field(default=0, ge=0, description="seed of the random numbers of all steps")
    steps: tuple[Step, ...] = Field(min_length=1, max_length=MOST_STEPS)
    keep: Literal["all"] | tuple[str, ...] = Field(
        default="all",
        description="ids of the steps whose volumes stay on disk; those of other steps are deleted "
        "as soon as all steps that read them are finished. Tables, models, and volumes of steps "
        "that no step reads always stay",
    )
