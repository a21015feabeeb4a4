"""`reader/mapped`: notes of where the voxels of a volume lie in other files."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fib_plugins.readers.stacks import metadata
from fibcore.artefacts import REFERENCE_SUFFIX, Artefact
from fibcore.errors import FibError, faults
from fibcore.files import write_whole
from fibcore.jsontext import read_json
from fibcore.mapping import Place, place_of
from fibcore.plugin import Forecast
from fibcore.reader import Opened, Reader
from fibcore.text import shown
from fibcore.volumes import Images, Labels

_Count = Annotated[int, Field(ge=0)]


class _Place(BaseModel):
    model_config = ConfigDict(strict=True)

    path: str
    offset: _Count
    strides: Annotated[list[int], Field(min_length=3, max_length=4)]
    shape: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=3, max_length=4)]
    dtype: Literal["|u1", "<u2", "<f4", "|b1"]


class _Note(BaseModel):
    model_config = ConfigDict(strict=True)

    format: Literal[1]
    place: _Place
    volume: str


class Mapped(Reader):
    """Volumes that a step has loaded without a copy: the file names their place.

    The files named in it must not change; the record of the step holds their hash.
    """

    name: ClassVar[str] = "mapped"
    suffixes: ClassVar[tuple[str, ...]] = (REFERENCE_SUFFIX,)
    holds: ClassVar[tuple[type[Artefact], ...]] = (Labels, Images)
    writes: ClassVar[tuple[type[Artefact], ...]] = (Labels, Images)

    def open(self, source: str | Path, base: Path = Path(), *, trusted: bool = False) -> Opened:
        """Return the volume.

        Raises:
            FibError: it is not such a file, or the file with the voxels is gone or too short.
        """
        path = base / source
        volume = _volume(path)
        forecast = Forecast(volume.spec, referenced=True)
        return Opened(type(volume), [path], lambda context: volume, forecast)

    @classmethod
    def write(cls, artefact: Any, path: Path) -> None:
        """Write where the voxels lie.

        Raises:
            FibError: they are not mapped from a file.
        """
        place = place_of(artefact.data)
        if place is None:
            raise FibError(
                f"{path}: the voxels of the volume are in memory, not in a file; write it as .tif "
                f"or .ome.zarr"
            )
        note = {"format": 1, "place": asdict(place), "volume": metadata.to_text(artefact)}
        write_whole(path, json.dumps(note, indent=1) + "\n")


def _volume(path: Path) -> Labels | Images:
    try:
        note = _Note.model_validate(read_json(path))
        about = metadata.from_text(note.volume)
        if about is None:
            raise FibError("its volume is not described")
        given = note.place
        place = Place(
            given.path, given.offset, tuple(given.strides), tuple(given.shape), given.dtype
        )
        data = place.map()
    except ValidationError as error:
        raise FibError(f"{shown(path)} is not a note of mapped voxels: {faults(error)}") from None
    except (OSError, ValueError, TypeError, FibError) as error:
        raise FibError(f"{shown(path)} cannot be used: {error}") from None
    if about.type == "labels":
        return Labels(data, about.voxel_size_nm, phases=dict(about.phases))
    return Images(
        data,
        about.voxel_size_nm,
        kv=about.kv,
        names=about.names,
        quantity=about.quantity,
        detectors=about.detectors,
    )
