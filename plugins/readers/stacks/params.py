"""Parameters of all readers of volumes: what a load step may state about its files."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from fibcore.artefacts import Artefact
from fibcore.params import MaterialParam, VoxelSize
from fibcore.reader import Reader
from fibcore.volumes import Images, Labels

VoltageKv = Annotated[float, Field(gt=0, le=50)]
Phase = Annotated[int, Field(ge=0, le=255)]
VoxelRange = tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=1)]]


class StackParams(Reader):
    """How to read a stack of slices; what is given here wins over what the files say."""

    model_config = ConfigDict(populate_by_name=True)

    holds: ClassVar[tuple[type[Artefact], ...]] = (Labels, Images)
    stacks_files: ClassVar[bool] = True
    calibration: ClassVar[str] = ""
    """What in such files states a voxel size, for messages; empty: nothing."""

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
    as_: Literal["images", "labels"] | None = Field(
        default=None,
        alias="as",
        description="whether voxels are grey values or phase numbers; default: what fib wrote "
        "into the file, else images",
    )
    materials: tuple[MaterialParam, ...] | None = Field(
        default=None,
        min_length=1,
        max_length=256,
        description="material of phase 0, 1, ...; labels only; default: what fib wrote into the "
        "file, else epoxy and gold",
    )
    phase_of_value: dict[int, Phase] | None = Field(
        default=None,
        min_length=1,
        max_length=256,
        description="number in the files -> phase, for labels that count otherwise, e.g. "
        '{"1": 0, "2": 1} for what ilastik exports, {"0": 1, "255": 0} for an inverted mask; '
        "default: numbers are phases",
    )
    region: dict[Literal["z", "y", "x"], VoxelRange] | None = Field(
        default=None,
        description="part to read, in voxels: axis -> [start, stop], stop not included, e.g. "
        '{"y": [0, 884]} to leave out a data bar; default: everything',
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.as_ == "labels" and self.kv is not None:
            raise ValueError("labels have no accelerating voltage: leave out kv, or as: labels")
        if self.as_ == "images" and self.materials is not None:
            raise ValueError("images have no materials: leave out materials, or say as: labels")
        if self.as_ == "images" and self.phase_of_value is not None:
            raise ValueError("images have no phases: leave out phase_of_value, or say as: labels")
        for axis, (start, stop) in (self.region or {}).items():
            if start >= stop:
                raise ValueError(
                    f"region {axis}: [{start}, {stop}] is empty; give [start, stop] in voxels "
                    f"with start < stop"
                )
        return self
