"""A source whose pairs are made in a moment, and noted in a file."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from fibcore import Context, FibError, Forecast, Images, Labels, Source, VolumeSpec

VOXEL_NM = (5.0, 5.0, 5.0)


class NumberedPairs(Source):
    """Blocks, and their noisy images."""

    name: ClassVar[str] = "numbered_pairs"

    shape: tuple[int, int, int] = Field(default=(8, 64, 64), description="(z, y, x)")
    file: str = Field(default="", description="each pair is noted here: process, purpose, number")
    trouble_at: int = Field(default=-1, description="training pair with which something is wrong")
    trouble: str = Field(default="error", description="error, crash, shape or wait")

    def pair(
        self, purpose: str, number: int, context: Context | None = None
    ) -> tuple[Images, Labels]:
        context = Context.of(context)
        if self.file:
            with Path(self.file).open("a") as file:
                file.write(f"{os.getpid()} {purpose} {number}\n")
        shape = self.shape
        if purpose == "training" and number == self.trouble_at:
            if self.trouble == "error":
                raise FibError("no such structure")
            if self.trouble == "crash":
                os._exit(7)
            if self.trouble == "wait":
                time.sleep(600)
            shape = (shape[0], shape[1], shape[2] + 8)
        rng = context.rng_for(purpose, number)
        blocks = rng.random((shape[0], shape[1] // 8, shape[2] // 8)) < 0.5
        solid = blocks.repeat(8, axis=1).repeat(8, axis=2)
        grey = (solid + rng.normal(0.0, 0.3, shape)).astype(np.float32)
        return Images(grey, VOXEL_NM, kv=(2.0,)), Labels(solid, VOXEL_NM)

    def forecast(self, method: str, inputs: Any) -> Forecast:
        phases = {0: "epoxy", 1: "Au"}
        labels = VolumeSpec(Labels, self.shape, VOXEL_NM, phases=phases)
        images = VolumeSpec(Images, self.shape, VOXEL_NM, kv=(2.0,), dtype="float32")
        return Forecast(images, {"labels": labels}, memory_bytes=1000)


def noted(file: Path) -> tuple[list[int], list[str]]:
    """Return the processes that made pairs, and which pairs in order."""
    lines = [line.split(maxsplit=1) for line in file.read_text().splitlines()]
    return [int(process) for process, _ in lines], [pair for _, pair in lines]
