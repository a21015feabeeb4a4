"""Models of the records of a run that only reports read: ``pipeline.json``, ``provenance.json``."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from fibcore.pipeline.records import Record


class WrittenStep(Record):
    """A step in ``pipeline.json``."""

    id: str
    params: dict[str, Any] = Field(default_factory=dict)
    note: str = ""


class PipelineRecord(Record):
    """``pipeline.json``: the pipeline as it was run."""

    steps: list[WrittenStep]


class Times(Record):
    """When results were computed, and with which warnings."""

    started: str | None = None
    seconds: float | None = None
    warnings: list[str] | None = None


class FilesRecord(Record):
    """Files that a load step has read."""

    source: str = ""
    sha256: str = ""


class RunStep(Times):
    """A step in ``provenance.json``."""

    id: str
    outcome: str
    error: str | None = None
    seed: int | None = None
    peak_memory_bytes: int | None = None
    computed: Times | None = None
    files: FilesRecord | None = None


class GitRecord(Record):
    """The commit of the pipeline's folder."""

    commit: str


class ProvenanceRecord(Record):
    """``provenance.json``: what made the results of a run."""

    status: str = "unknown"
    fib: str | None = None
    started: str | None = None
    ended: str | None = None
    command: list[str] = Field(default_factory=list)
    pipeline: str | None = None
    seed: int | None = None
    device: str | None = None
    threads: int | None = None
    python: str | None = None
    platform: str | None = None
    processor: str | None = None
    cpu_count: int | None = None
    packages: dict[str, str] = Field(default_factory=dict)
    plugins: dict[str, str] = Field(default_factory=dict)
    git: GitRecord | None = None
    warnings: list[str] = Field(default_factory=list)
    steps: list[RunStep] = Field(default_factory=list)
