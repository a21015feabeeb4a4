"""Volumes that stay in the files that they were loaded from: a result refers to these files.

The record of the result holds the hash and the status of each file. While size, times and inode are
the same, so are the bytes; otherwise the hash is taken again.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from fibcore.artefacts import Artefact
from fibcore.errors import FibError, listed
from fibcore.files import status_text
from fibcore.mapping import place_of
from fibcore.pipeline.plan import Files
from fibcore.registry import registry
from fibcore.volumes import Volume


def source_of(artefact: Artefact, files: Files | None) -> dict[str, Any] | None:
    """Return the record of the files that a loaded volume is mapped from; None for others.

    Args:
        artefact: the result of a step.
        files: the files that the step loads, if it does.

    Raises:
        FibError: they have changed since the pipeline was checked.
    """
    if files is None or not isinstance(artefact, Volume):
        return None
    place, paths = place_of(artefact.data), [os.path.abspath(path) for path in files.paths]
    if place is None or place.path not in paths:
        return None
    states = {path: status_text(os.stat(path)) for path in paths}
    source = {"reader": files.reader, "sha256": files.sha256, "files": states}
    if problem := change_of(source, thorough=True):
        raise FibError(f"{problem} while it was read; run the pipeline again")
    return source


def change_of(source: dict[str, Any], *, thorough: bool = False) -> str:
    """Return how files of a record differ from what they were; an empty text if they do not.

    Args:
        source: the record; its states are updated if the files were only moved or touched.
        thorough: take the hash even if the status of the files is the same.
    """
    try:
        now = {path: status_text(os.stat(path)) for path in source["files"]}
        if now == source["files"] and not thorough:
            return ""
        reader = registry().entry(source["reader"]).item
        sha256 = reader.content_hash([Path(path) for path in now])
    except (OSError, FibError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return f"its source {listed(source['files'], 1)} cannot be read ({reason})"
    if sha256 != source["sha256"]:
        return f"its source {listed(source['files'], 1)} has changed"
    source["files"] = now
    return ""
