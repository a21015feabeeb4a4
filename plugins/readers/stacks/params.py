"""Parameters of all readers of volumes, given in load steps."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from fibcore.artefacts import Artefact
from fibcore.params import MaterialParam, VoxelSize
from fibcore.reader import Reader
from fibcore.volumes import Images, Labels

VoltageKv = Annotated[float, Field(gt=0, le=50)]
DetectorName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=32)]
Phase = Annotated[int, Field(ge=0, le=255)]
VoxelRange = tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=1)]]


class StackParams(Reader):
    """Parameters for reading a stack of slices; they override the metadata of the files."""

    model_config = ConfigDict(populate_by_name=True)

    holds: ClassVar[tuple[type[Artefact], ...]] = (Labels, Images)
    stacks_files: ClassVar[bool] = True
    calibration: ClassVar[str] = ""
    """Metadata of such files with a voxel size, for messages; empty if there are none."""

    voxel_size_nm: VoxelSize | None = Field(
        default=None,
        description="voxel size in nm, one number or [z, y, x] with z the slice thickness; "
        "default: from the files' tags",
    )
    kv: tuple[VoltageKv, ...] | VoltageKv | None = Field(
        default=None,
        description="accelerating voltage of each channel in kV, one number or a list; images "
        "only; default: from the files' tags",
    )
    detector: tuple[DetectorName, ...] | DetectorName | None = Field(
        default=None,
        description="detector of each channel: bse, se, in_lens or another name in lower case, one "
        "or a list; images only; default: from the files' tags, else bse",
    )
    as_: Literal["images", "labels"] | None = Field(
        default=None,
        alias="as",
        description="whether voxels are grey values or phase numbers; default: as fib wrote "
        "into the file, else images",
    )
    materials: tuple[MaterialParam, ...] | None = Field(
        default=None,
        min_length=1,
        max_length=256,
        description="material of phase 0, 1, ...; labels only; default: as fib wrote into the "
        "file, else epoxy and gold",
    )
    phase_of_value: dict[int, Phase] | None = Field(
        default=None,
        min_length=1,
        max_length=256,
        description="number in the files -> phase, for labels with other numbers, e.g. "
        '{"1": 0, "2": 1} for exports of ilastik, {"0": 1, "255": 0} for an inverted mask; '
        "phase 255 marks voxels without a label; default: numbers are phases",
    )
    region: dict[Literal["z", "y", "x"], VoxelRange] | None = Field(
        default=None,
        description="part to read, in voxels: axis -> [start, stop], stop not included, e.g. "
        '{"y": [0, 884]} to leave out a data bar; default: all',
    )

    @model_serializer(mode="wrap")
    def _as_before(self, usual: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out a detector that is not given: the key of a step stays what it was."""
        content: dict[str, Any] = usual(self)
        if self.detector is None:
            del content["detector"]
        return content

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.as_ == "labels" and self.kv is not None:
            raise ValueError("labels have no accelerating voltage: leave out kv, or as: labels")
        if self.as_ == "labels" and self.detector is not None:
            raise ValueError("labels have no detector: leave out detector, or as: labels")
        if self.as_ == "images" and self.materials is not None:
            raise ValueError("images have no materials: leave out materials, or set as: labels")
        if self.as_ == "images" and self.phase_of_value is not None:
            raise ValueError("images have no phases: leave out phase_of_value, or set as: labels")
        for axis, (start, stop) in (self.region or {}).items():
            if start >= stop:
                raise ValueError(
                    f"region {axis}: [{start}, {stop}] is empty; give [start, stop] in voxels "
                    f"with start < stop"
                )
        return self
