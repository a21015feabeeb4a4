"""fib's own metadata, which standard tags cannot store, as JSON text."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from fibcore.channels import Channel, channels_from
from fibcore.materials import Material
from fibcore.volumes import Images, Labels

FORMAT = 1

_Positive = Annotated[float, Field(gt=0)]


class VolumeMetadata(BaseModel):
    """All of a volume except its voxels; fields as in `Labels` and `Images`."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    fib: Literal[1]
    type: Literal["images", "labels"]
    voxel_size_nm: tuple[_Positive, _Positive, _Positive]
    kv: tuple[_Positive | None, ...] = ()
    names: tuple[str, ...] = ()
    quantity: str = ""
    phases: dict[Annotated[int, Field(ge=0, le=255)], Material] = {}
    detectors: tuple[str | None, ...] = ()

    @property
    def channels(self) -> tuple[Channel, ...]:
        """Voltage and detector of each channel."""
        return channels_from(self.kv, self.detectors)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(self.detectors) not in (0, len(self.kv)):
            raise ValueError("another number of detectors than of voltages")
        return self


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
        if volume.channels != channels_from(volume.kv, ()):  # as files of earlier versions
            content["detectors"] = list(volume.detectors)
    return json.dumps(content, allow_nan=False)


def from_text(text: Any) -> VolumeMetadata | None:
    """Return the metadata in a text made by `to_text`; None for any other text."""
    if not isinstance(text, str) or not text.lstrip().startswith('{"fib"'):
        return None
    try:
        content, _ = json.JSONDecoder().raw_decode(text.lstrip())  # programs append to Info
        return VolumeMetadata.model_validate(content)
    except (ValueError, ValidationError):
        return None  # edited by hand: the standard tags and parameters are used
