"""fib's own metadata: what a TIFF's standard tags cannot hold, as JSON text inside it."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fib_plugins.readers.tiff.markup import elements, parse_xml
from fibcore.materials import Material
from fibcore.volumes import Images, Labels

FORMAT = 1

_Positive = Annotated[float, Field(gt=0)]


class VolumeMetadata(BaseModel):
    """Everything about a volume but its voxels; fields as in `Labels` and `Images`."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    fib: Literal[1]
    type: Literal["images", "labels"]
    voxel_size_nm: tuple[_Positive, _Positive, _Positive]
    kv: tuple[_Positive | None, ...] = ()
    names: tuple[str, ...] = ()
    quantity: str = ""
    phases: dict[Annotated[int, Field(ge=0, le=255)], Material] = {}


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
    root = parse_xml(xml)
    entries = elements(root, "M") if root is not None else iter(())
    entry = next((e for e in entries if e.get("K") == "fib"), None)
    return None if entry is None else from_text(entry.text)
