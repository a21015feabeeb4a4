"""A result of a step, read from disk for a report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from fibcore.formats import read_artefact
from fibcore.models import Model
from fibcore.pipeline.verification import damage
from fibcore.tables import Table
from fibcore.volumes import Images, Labels

TYPES: dict[str, type] = {cls.__name__: cls for cls in (Labels, Images, Table, Model)}


@dataclass
class Artefact:
    """A result of a step.

    Attributes:
        name: its name in the step.
        type: ``Labels``, ``Images``, ``Table`` or ``Model``.
        files: file name -> size in bytes.
        sha256: hash of the files.
        folder: folder of the files.
        seen: file -> status of the file when the hash was taken.
        roles: roles of the columns of a table, as stored in the record of the step.
        source: record of the files that hold the voxels, if the step has loaded them.
        dropped: whether it was deleted after use.
    """

    name: str
    type: str
    files: dict[str, int]
    sha256: str
    folder: Path
    seen: Mapping[str, str] = field(default_factory=dict)
    roles: Mapping[str, Any] = field(default_factory=dict)
    source: dict[str, Any] | None = None
    dropped: bool = False

    @property
    def places(self) -> dict[str, int]:
        """Name of each file, or of the folder with all files -> size in bytes; none if deleted."""
        sizes: dict[str, int] = {}
        if self.dropped:
            return sizes
        for name, size in self.files.items():
            top = name.partition("/")[0]
            sizes[top] = sizes.get(top, 0) + size
        return sizes

    @cached_property
    def altered(self) -> str:
        """The problem with its files if they differ from those recorded; else an empty text."""
        record = {
            "files": self.files,
            "sha256": self.sha256,
            "source": self.source,
            "dropped": self.dropped,
        }
        manifest = {"artefacts": {self.name: record}, "seen": dict(self.seen)}
        problem = damage(self.folder, manifest)
        return problem and (
            f"{self.name} is not what the run has made: {problem}; run the pipeline again to have "
            f"it back"
        )

    @cached_property
    def read(self) -> tuple[Any, str]:
        """The artefact and an empty text, or None and the reason why it cannot be read.

        Volumes are memory-mapped. Models are not read here: their weights may be large.
        """
        if self.dropped:
            return None, (
                f"{self.name} was deleted after use, as `keep` in the pipeline asks; to see it, "
                f"add its step, and run the pipeline again"
            )
        if self.type not in TYPES:
            return None, f"{self.name} has the unknown type {self.type!r}"
        try:
            return read_artefact(self.folder, self.name, TYPES[self.type], self.roles), ""
        except Exception as error:  # a damaged file may raise any error
            return None, f"{self.name} cannot be read: {error}"

    @property
    def value(self) -> Any:
        """The artefact, or None if it cannot be read."""
        return self.read[0]
