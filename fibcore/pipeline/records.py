"""Models of the records of steps and runs; since disks are shared, records are checked when read.

``step.json`` is the record of a finished step, ``resolved.json`` that of a run. Fields that are not
defined here are ignored.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from fibcore.artefacts import FOLDER_SUFFIX, REFERENCE_SUFFIX, SUFFIXES
from fibcore.errors import UsageError, faults
from fibcore.jsontext import read_text_and_json
from fibcore.roles import AnyRole
from fibcore.text import shown

MANIFEST = "step.json"
PIPELINE = "pipeline.json"
RESOLVED = "resolved.json"
PROVENANCE = "provenance.json"

Name = Annotated[str, Field(pattern=r"^\w[\w.-]*$", max_length=255)]
"""Name of an artefact, a file or a folder; it cannot lead out of the folder that it is in."""
FileName = Annotated[str, Field(pattern=r"^\w[\w.-]*(/\w[\w.-]*)*$", max_length=1024)]
"""Name of a file of an artefact; in a folder, relative to the folder of the step."""
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Bounds = Annotated[list[float], Field(min_length=2, max_length=2)]


class Record(BaseModel):
    """Base: types are strict, unknown names are ignored."""

    model_config = ConfigDict(strict=True, extra="ignore")


class SourceFiles(Record):
    """The files that a volume stays in: their reader, their hash, and the status of each."""

    reader: str
    sha256: Sha256
    files: dict[str, str]


class ArtefactRecord(Record):
    """An artefact of a finished step: its type, its files with their sizes, their hash.

    `source`: the files that hold the voxels, if the step has loaded them. `dropped`: whether the
    files were deleted after use, see `keep` of a pipeline.
    """

    source: SourceFiles | None = None
    dropped: bool = False
    type: str
    files: dict[FileName, Annotated[int, Field(ge=0)]]
    sha256: Sha256


class StepRecord(Record):
    """``step.json``: what a finished step made, and from what.

    `roles` are those of the columns of tables (`fibcore.roles`). `seen` is the status of each file
    when its hash was taken (see `verification`). `sha256` is the hash of the rest of the record.
    """

    key: str
    key_parts: dict[str, Any] = {}
    artefacts: dict[Name, ArtefactRecord]
    roles: dict[Name, dict[str, AnyRole]] = {}
    read: dict[str, str] = {}
    started: str | None = None
    seconds: float | None = None
    warnings: list[str] = []
    seen: dict[str, str] = {}
    sha256: str = ""

    @field_validator("artefacts")
    @classmethod
    def _own_files(cls, value: dict[str, ArtefactRecord]) -> dict[str, ArtefactRecord]:
        for name, artefact in value.items():
            groups = [*SUFFIXES.values(), (REFERENCE_SUFFIX,)]
            possible = [[name + suffix for suffix in group] for group in groups]
            tops = {file.partition("/")[0] for file in artefact.files}
            if list(artefact.files) not in possible and tops != {name + FOLDER_SUFFIX}:
                raise ValueError(f"artefact {shown(name)} cannot have these files")
        return value


class SourceRecord(Record):
    """An input of a step in ``resolved.json``."""

    from_: str = Field(alias="from")
    artefact: str
    z: Bounds | None = None
    y: Bounds | None = None
    x: Bounds | None = None
    kv: list[float | None] | None = None
    detector: list[str] | None = None


class ResolvedStep(Record):
    """A step in ``resolved.json``."""

    id: str
    verb: str
    plugin: str
    folder: Name
    key: str = ""
    method: str = ""
    result_version: int = 0
    params: dict[str, Any] = {}
    inputs: dict[str, list[SourceRecord]] = {}
    model: SourceRecord | None = None
    source: str | None = None


class ResolvedRecord(Record):
    """``resolved.json``: every step of a run with its parameters and its key."""

    name: str
    description: str | None = None
    steps: list[ResolvedStep]


def read_record(path: Path, shape: type[Record]) -> dict[str, Any]:
    """Return the content of a record; raises the errors of `read_text_and_record`."""
    return read_text_and_record(path, shape)[1]


def read_text_and_record(path: Path, shape: type[Record]) -> tuple[str, dict[str, Any]]:
    """Return the text of a record and its content, which has the given shape.

    Raises:
        OSError: it cannot be read.
        FibError: it is not JSON.
        UsageError: it is JSON of another shape.
    """
    text, content = read_text_and_json(path, writable=False)  # it holds messages of plugins
    try:
        shape.model_validate(content)
    except ValidationError as error:
        raise UsageError(
            f"{shown(path)} is not what this version of fib writes: {faults(error, 1)}. It was "
            f"changed, or written by another version; remove its folder, and it will be computed "
            f"again"
        ) from None
    return text, content
