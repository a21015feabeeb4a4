"""A checked pipeline: every step with its plugin, its inputs, its seed and its key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from fibcore.contracts import Product, Slot
from fibcore.models import Model
from fibcore.pipeline.spec import Pipeline, Source
from fibcore.plugin import Plugin
from fibcore.volumes import VolumeSpec


@dataclass(frozen=True, eq=False)
class InputRef:
    """One source of one input: an artefact of an earlier step, perhaps cut."""

    step: PlannedStep
    artefact: str
    source: Source

    @property
    def product(self) -> Product:
        """Type of the artefact."""
        return self.step.products[self.artefact]

    @property
    def key_parts(self) -> dict[str, Any]:
        """What of it enters the key of the step that reads it."""
        parts: dict[str, Any] = {"step": self.step.key, "artefact": self.artefact}
        parts |= {axis: list(cut) for axis, cut in self.source.cut.items()}
        if self.source.kv is not None:
            parts["kv"] = list(self.source.kv)
        return parts


@dataclass(eq=False)
class PlannedStep:
    """One step, checked and ready to run.

    Attributes:
        index: place in the pipeline, from 1.
        id: its name.
        verb: ``run``, ``fit``, ``apply`` or ``load``.
        identifier: ``kind/name`` of the plugin; ``load`` for a load step.
        method: method of the plugin that does the work; empty for a load step.
        plugin_class: class of the plugin; None for a load step.
        plugin: the plugin with its parameters; for an apply step, with what is known of its
            model.
        result_version: of the plugin, or of the loader.
        params: parameters with defaults filled, as JSON values; for an apply step only those
            that it changes.
        seed: seed of the step.
        inputs: input name -> sources (several become channels).
        slots: input name -> what it takes.
        model: for an apply step, the model that is applied.
        products: artefact name -> type, the main one first.
        specs: artefact name -> what is known of the volume.
        foretold: what is known of the model that it leaves; see `Forecast.model`.
        memory_bytes: expected peak memory, inputs included.
        disk_bytes: expected size of its volumes.
        files_hash: SHA-256 of the files that a load step reads.
        load: how to read them: (source, folder it is relative to, load parameters).
    """

    index: int
    id: str
    verb: str
    identifier: str
    method: str
    plugin_class: type[Plugin] | None
    result_version: int
    params: dict[str, Any]
    seed: int
    plugin: Plugin | None = None
    inputs: dict[str, list[InputRef]] = field(default_factory=dict)
    slots: dict[str, Slot] = field(default_factory=dict)
    model: InputRef | None = None
    products: dict[str, Product] = field(default_factory=dict)
    specs: dict[str, VolumeSpec] = field(default_factory=dict)
    foretold: Model | None = None
    memory_bytes: int = 0
    disk_bytes: int = 0
    files_hash: str = ""
    load: tuple[str, Path, Any] | None = None

    @property
    def folder(self) -> str:
        """Name of the step's folder in a run, e.g. ``01-gold``."""
        return f"{self.index:02d}-{self.id}"

    @property
    def sources(self) -> list[InputRef]:
        """Every artefact that the step reads."""
        refs = [ref for group in self.inputs.values() for ref in group]
        return refs if self.model is None else [self.model, *refs]

    @cached_property
    def key_parts(self) -> dict[str, Any]:
        """Everything that the result depends on, as JSON values."""
        parts: dict[str, Any] = {
            "plugin": self.identifier,
            "method": self.method,
            "result_version": self.result_version,
            "params": self.params,
            "inputs": {
                name: [ref.key_parts for ref in refs] for name, refs in sorted(self.inputs.items())
            },
        }
        if self.model is not None:
            parts["model"] = self.model.key_parts
        if self.verb == "load":
            parts["files"] = self.files_hash
        else:
            parts["seed"] = self.seed
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
            name: [{"from": ref.step.id, **ref.key_parts} for ref in refs]
            for name, refs in self.inputs.items()
        }
        if self.model is not None:
            resolved["model"] = {"from": self.model.step.id, **self.model.key_parts}
        if self.load is not None:
            resolved["source"] = self.load[0]
        return resolved


@dataclass(frozen=True)
class Plan:
    """A whole pipeline, checked.

    Attributes:
        pipeline: the file's content.
        document: the same as plain JSON, with what the command line set.
        base: folder that paths in the pipeline are relative to.
        steps: in run order.
        warnings: what the user should know but need not change.
    """

    pipeline: Pipeline
    document: Mapping[str, Any]
    base: Path
    steps: tuple[PlannedStep, ...]
    warnings: tuple[str, ...] = ()

    def resolved(self) -> dict[str, Any]:
        """Return the plan as ``resolved.json`` records it."""
        return {
            "name": self.pipeline.name,
            "description": self.pipeline.description,
            "seed": self.pipeline.seed,
            "base": str(self.base),
            "steps": [step.resolved() for step in self.steps],
        }


def step_seed(pipeline_seed: int, step_id: str) -> int:
    """Return the seed of a step: it depends on the pipeline's seed and the step's id alone."""
    digest = hashlib.sha256(f"{pipeline_seed}/{step_id}".encode()).digest()
    return int.from_bytes(digest[:7], "big")  # 56 bits: exact in JSON and in every library


def sha256_of(value: Any) -> str:
    """Return the SHA-256 of JSON values in canonical form."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
