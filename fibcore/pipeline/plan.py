"""A checked pipeline: every step with its work, its inputs, its key, and what is expected of it.

A step is planned in stages, which are immutable: its `Work`, which depends only on the step; its
inputs; and what is `Expected` of it, which depends on the inputs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from fibcore.artefacts import Artefact
from fibcore.context import Context
from fibcore.contracts import Product, Slot
from fibcore.errors import listed
from fibcore.models import Model
from fibcore.pipeline.spec import Pipeline, Source
from fibcore.plugin import Forecast, Plugin
from fibcore.volumes import VolumeSpec


@dataclass(frozen=True, eq=False)
class InputRef:
    """One source of an input: an artefact of an earlier step, or a part of it."""

    step: PlannedStep
    artefact: str
    source: Source

    @property
    def product(self) -> Product:
        """Type of the artefact."""
        return self.step.products[self.artefact]

    @property
    def spec(self) -> VolumeSpec | None:
        """Spec of the volume that is read, with cut and chosen channels; None if unknown."""
        spec = self.step.expected.specs.get(self.artefact)
        source = self.source
        return None if spec is None else spec.cut(source.cut, source.kv, source.detector)

    @property
    def key_parts(self) -> dict[str, Any]:
        """Its part of the key of the step that reads it."""
        parts: dict[str, Any] = {"step": self.step.key, "artefact": self.artefact}
        parts |= {axis: list(cut) for axis, cut in self.source.cut.items()}
        return parts | self.source.channels

    @property
    def resolved(self) -> dict[str, Any]:
        """Its record in ``resolved.json``."""
        return {"from": self.step.id, **self.key_parts}


Inputs = Mapping[str, tuple[InputRef, ...]]
"""Input name -> sources, in the order of the file."""


@dataclass(frozen=True, eq=False)
class Files:
    """Files that a step loads.

    Attributes:
        source: file, folder or pattern in the pipeline.
        sha256: hash of their contents.
        read: function that reads them.
        forecast: forecast of the volume, if they hold one.
        model: the model, if they hold one.
        reader: ``reader/name``.
        paths: the files.
    """

    source: str
    sha256: str
    read: Callable[[Context], Artefact]
    forecast: Forecast
    model: Model | None
    reader: str
    paths: tuple[Path, ...]


@dataclass(frozen=True, eq=False)
class Work:
    """The work of a step: a method of a plugin, or the reading of files.

    Attributes:
        identifier: ``kind/name`` of the plugin; for files see `Reader.key_name`.
        method: method of the plugin; empty for files.
        result_version: that of the plugin or the reader.
        params: parameters as JSON values with defaults; if a model is applied, only those that are
            changed.
        seed: seed of the step.
        products: artefact name -> type, the main one first.
        plugin: the plugin with its parameters, and with what is known of a model that is applied;
            None for files.
        slots: input name -> what it takes.
        model: the model that is applied, or None.
        files: the files that are read, or None.
    """

    identifier: str
    method: str
    result_version: int
    params: Mapping[str, Any]
    seed: int
    products: Mapping[str, Product]
    plugin: Plugin | None = None
    slots: Mapping[str, Slot] = field(default_factory=dict)
    model: InputRef | None = None
    files: Files | None = None


@dataclass(frozen=True, eq=False)
class Expected:
    """What a step is expected to leave and to need.

    Attributes:
        specs: artefact name -> spec of the volume, if known.
        model: what is known of the model; see `Forecast.model`.
        memory_bytes: peak memory.
        disk_bytes: size of its volumes.
        warnings: warnings for the user.
    """

    specs: Mapping[str, VolumeSpec] = field(default_factory=dict)
    model: Model | None = None
    memory_bytes: int = 0
    disk_bytes: int = 0
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class PlannedStep:
    """One step, checked and ready to run.

    Attributes:
        index: position in the pipeline, from 1.
        id: id of the step.
        verb: ``run``, ``fit``, ``apply`` or ``load``.
        work: what it does.
        inputs: what it reads; several sources of an input become channels or a list.
        expected: what it is expected to leave and to need.
    """

    index: int
    id: str
    verb: str
    work: Work
    inputs: Inputs
    expected: Expected

    @property
    def identifier(self) -> str:
        """``kind/name`` of the plugin; for a load step see `Reader.key_name`."""
        return self.work.identifier

    @property
    def products(self) -> Mapping[str, Product]:
        """Artefact name -> type, the main one first."""
        return self.work.products

    @property
    def folder(self) -> str:
        """Name of the step's folder in a run, e.g. ``01-gold``."""
        return f"{self.index:02d}-{self.id}"

    @property
    def sources(self) -> list[InputRef]:
        """All artefacts that the step reads."""
        refs = [ref for group in self.inputs.values() for ref in group]
        return refs if self.work.model is None else [self.work.model, *refs]

    @cached_property
    def key_parts(self) -> dict[str, Any]:
        """All that the result depends on, as JSON values."""
        work = self.work
        parts: dict[str, Any] = {
            "plugin": work.identifier,
            "method": work.method,
            "result_version": work.result_version,
            "params": dict(work.params),
            "inputs": {
                name: [ref.key_parts for ref in refs] for name, refs in sorted(self.inputs.items())
            },
        }
        if work.model is not None:
            parts["model"] = work.model.key_parts
        if work.files is not None:
            parts["files"] = work.files.sha256
        else:
            parts["seed"] = work.seed
        return parts

    @cached_property
    def key(self) -> str:
        """SHA-256 of `key_parts`: same key, same result."""
        return sha256_of(self.key_parts)

    def resolved(self) -> dict[str, Any]:
        """Return the step as ``resolved.json`` records it."""
        resolved: dict[str, Any] = {
            "id": self.id,
            "verb": self.verb,
            "folder": self.folder,
            "key": self.key,
            **self.key_parts,
            "products": {name: str(product) for name, product in self.products.items()},
        }
        resolved["inputs"] = {
            name: [ref.resolved for ref in refs] for name, refs in self.inputs.items()
        }
        if self.work.model is not None:
            resolved["model"] = self.work.model.resolved
        if self.work.files is not None:
            resolved["source"] = self.work.files.source
        return resolved


@dataclass(frozen=True)
class Plan:
    """A whole pipeline, checked.

    Attributes:
        pipeline: content of the file.
        document: the same as plain JSON, with the settings of the command line.
        base: folder that paths in the pipeline are relative to.
        steps: steps in run order.
    """

    pipeline: Pipeline
    document: Mapping[str, Any]
    base: Path
    steps: tuple[PlannedStep, ...]

    def __repr__(self) -> str:
        return f"<Plan of {self.pipeline.name}: {listed(step.id for step in self.steps)}>"

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings of all steps, as ``step: text``."""
        return tuple(f"{step.id}: {text}" for step in self.steps for text in step.expected.warnings)

    def keeps(self, step: PlannedStep) -> bool:
        """Return whether the volumes of a step stay after use."""
        return self.pipeline.keep == "all" or step.id in self.pipeline.keep

    def resolved(self) -> dict[str, Any]:
        """Return the plan as ``resolved.json`` records it."""
        return {
            "name": self.pipeline.name,
            "description": self.pipeline.description,
            "seed": self.pipeline.seed,
            "base": str(self.base),
            "steps": [{**step.resolved(), "keep": self.keeps(step)} for step in self.steps],
        }


def step_seed(pipeline_seed: int, step_id: str) -> int:
    """Return the seed of a step; it depends only on the pipeline's seed and the step's id."""
    digest = hashlib.sha256(f"{pipeline_seed}/{step_id}".encode()).digest()
    return int.from_bytes(digest[:7], "big")  # 56 bits: exact in JSON and in every library


def sha256_of(value: Any) -> str:
    """Return the SHA-256 of JSON values in canonical form."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
