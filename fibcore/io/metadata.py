"""fib's own metadata: what a TIFF's standard tags cannot hold, as JSON text inside it."""

from __future__ import annotations

import json
from typing import Any, Literal
from xml.etree import ElementTree

from pydantic import BaseModel, ConfigDict, ValidationError

from fibcore.materials import Material
from fibcore.volumes import Images, Labels

FORMAT = 1


class VolumeMetadata(BaseModel):
    """Everything about a volume but its voxels; fields as in `Labels` and `Images`."""

    model_config = ConfigDict(frozen=True)

    fib: Literal[1]
    type: Literal["images", "labels"]
    voxel_size_nm: tuple[float, float, float]
    kv: tuple[float | None, ...] = ()
    names: tuple[str, ...] = ()
    quantity: str = ""
    phases: dict[int, Material] = {}


def to_text(volume: Labels | Images) -> str:
    """Return the metadata of a volume as JSON; floats read back to the same bits."""
    content: dict[str, Any] = {"fib": FORMAT, "type": volume.artefact}
    content["voxel_size_nm"] = list(volume.voxel_size_nm)
    if isinstance(volume, Labels):
        content["phases"] = {
            str(int(phase)): material.model_dump(mode="json")
            for phase, material in volume.phases.items()
        }
    else:
        content["kv"] = list(volume.kv)
        content["names"] = list(volume.names)
        content["quantity"] = volume.quantity
    return json.dumps(content, allow_nan=False)


def from_text(text: Any) -> VolumeMetadata | None:
    """Return the metadata in a text that `to_text` made; None for any other text."""
    if not isinstance(text, str) or not text.lstrip().startswith('{"fib"'):
        return None
    try:
        content, _ = json.JSONDecoder().raw_decode(text.lstrip())  # programs append to Info
        return VolumeMetadata.model_validate(content)
    except (ValueError, ValidationError):
        return None  # altered by hand: the standard tags and the user still have their say


def from_ome(xml: str) -> VolumeMetadata | None:
    """Return the metadata in the map annotation ``fib`` of an OME-XML text, if there is one."""
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError:
        return None
    entries = (e for e in root.iter() if e.tag.rpartition("}")[2] == "M" and e.get("K") == "fib")
    entry = next(entries, None)
    return None if entry is None else from_text(entry.text)
