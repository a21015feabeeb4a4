"""A world whose truth, images and segmenters are simple enough to know what they do wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pytest
from pydantic import Field
from scipy import ndimage

from fibcore import Context, Forecast, Images, Labels, Segmenter, Source, VolumeSpec, keeps

VOXEL_NM = (5.0, 5.0, 5.0)


class Fields(Source):
    """Level sets of smooth random fields, and noisy images of them with a glow around the solid."""

    name: ClassVar[str] = "fields"

    shape: tuple[int, int, int] = Field(default=(16, 32, 32), description="voxels (z, y, x)")
    widest: float = Field(default=2.5, description="largest width of the fields, voxels")
    fractions: tuple[float, float] = Field(default=(0.35, 0.5), description="solid fractions")
    noise: float = Field(default=0.15, description="of the images")

    def forecast(self, method: str, inputs: Mapping[str, Any]) -> Forecast:
        images = VolumeSpec(Images, self.shape, VOXEL_NM, (2.0,), "float32")
        labels = VolumeSpec(Labels, self.shape, VOXEL_NM, phases={0: "epoxy", 1: "Au"})
        return Forecast(images, {"labels": labels}, memory_bytes=10 * images.nbytes)

    def pair(
        self, purpose: str, number: int, context: Context | None = None
    ) -> tuple[Images, Labels]:
        rng = Context.of(context).rng_for("field", purpose, number)
        field = ndimage.gaussian_filter(
            rng.standard_normal(self.shape), rng.uniform(1.8, self.widest), mode="wrap"
        )
        solid = field > np.quantile(field, 1 - rng.uniform(*self.fractions))
        # Nearby solid glows, in each recording to another width, so that edges are ambiguous.
        grey = ndimage.gaussian_filter(solid.astype(np.float32), rng.uniform(0.6, 1.2))
        grey += self.noise * rng.standard_normal(self.shape)
        return (
            Images(grey.astype(np.float32), VOXEL_NM, (2.0,)),
            Labels(solid.astype(np.uint8), VOXEL_NM),
        )


class Level(Segmenter):
    """A level of grey values, perhaps too low, and a probability that falls around it."""

    name: ClassVar[str] = "level"

    level: float = Field(default=0.35, description="level; 0.5 is right")
    save_probability: bool = Field(default=False, description="whether it keeps probabilities")

    @keeps(probability=Images)
    def predict(self, images: Images, context: Context | None = None) -> Labels:
        context = Context.of(context)
        smooth = ndimage.gaussian_filter(images.data[0], 0.7)
        if self.save_probability:
            solid = 0.5 + 0.5 * np.tanh(10 * (smooth - self.level))
            shares = np.stack([1 - solid, solid]).astype(np.float32)
            context.keep("probability", Images(shares, images.voxel_size_nm, (None, None)))
        return Labels((smooth > self.level).astype(np.uint8), images.voxel_size_nm)


@pytest.fixture(scope="package")
def world() -> Fields:
    return Fields()


@pytest.fixture(scope="package")
def larger() -> Fields:
    """The same world in volumes twelve times as large as a twin."""
    return Fields(shape=(32, 64, 96))


@pytest.fixture(scope="package")
def too_low() -> Level:
    return Level()
