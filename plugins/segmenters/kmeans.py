"""Segmentation by k-means on grey values, over all channels together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from fib_plugins.image_statistics.grey_scale import GreyScale
from fib_plugins.image_statistics.histogram import Histogram
from fibcore import Context, FibError, Images, Labels, MaterialParam, Segmenter, Table, keeps
from fibcore.context import held_bytes
from fibcore.plugin import Forecast
from fibcore.threads import one_blas_thread

ITERATIONS = 300
BLOCK_PIXELS = 2**18
"""Pixels of a slice that are grouped at a time."""
BYTES_PER_PIXEL = 9
"""Memory for each pixel of a slice, for its histogram."""


class KMeans(Segmenter):
    """Groups voxels by grey value (k-means, Lloyd 1982), all channels together.

    A single channel is clustered exactly, on its whole histogram. Several channels are clustered on
    a random sample of voxels, each channel in units of its own standard deviation; then every voxel
    is assigned to the nearest centre. Clusters are ordered by brightness, the mean of a centre's
    channels. With two clusters of one channel the criterion is Otsu's, and the result usually the
    same.
    """

    name: ClassVar[str] = "kmeans"

    clusters: int = Field(
        default=2,
        ge=2,
        le=32,
        description="number of clusters; with more than two, shine-through gets one of its own",
    )
    solid_clusters: int = Field(
        default=1, ge=1, description="number of the brightest (darkest) clusters that are solid"
    )
    solid: Literal["bright", "dark"] = Field(
        default="bright", description="whether the brightest or the darkest clusters are solid"
    )
    sample_voxels: int = Field(
        default=200_000,
        ge=1000,
        description="several channels: number of voxels from which the centres are computed",
    )
    materials: tuple[MaterialParam, MaterialParam] = Field(
        default=("epoxy", "Au"),  # type: ignore[assignment]  # names that validation looks up
        description="materials of pore (phase 0) and solid (phase 1)",
    )

    @model_validator(mode="after")
    def _some_cluster_is_pore(self) -> Self:
        if self.solid_clusters >= self.clusters:
            raise ValueError(
                f"{self.solid_clusters} solid of {self.clusters} clusters leave none for the "
                f"pore: give at most {self.clusters - 1} solid_clusters, or more clusters"
            )
        return self

    def forecast(self, method: str, inputs: Mapping[str, Any]) -> Forecast:
        """Return the spec of the labels, and the memory of a slice and of the sampled voxels."""
        base, spec = super().forecast(method, inputs), inputs.get("images")
        if spec is None or base.output is None:
            return base
        channels, pixels = len(spec.kv), spec.shape[1] * spec.shape[2]
        block = (40 + 24 * channels) * min(pixels, BLOCK_PIXELS)
        memory = held_bytes(base.output.nbytes) + max(block, BYTES_PER_PIXEL * pixels)
        if channels > 1:
            memory += 16 * channels * self.sample_voxels
        return replace(base, memory_bytes=memory)

    @keeps(clusters=Table)
    def predict(self, images: Images, context: Context | None = None) -> Labels:
        """Return 1 where the solid is, else 0; keeps the centres of the clusters.

        The table `clusters` has the columns cluster (0 is the darkest), solid, share and one
        `<channel>_grey_value` per channel.

        Raises:
            FibError: constant or non-finite images, or fewer grey values than clusters.
        """
        context = Context.of(context)
        if len(images.data) == 1:
            histogram = Histogram.of(images.data[0], f"the {images.names[0]} images")
            centres = centres_of_histogram(histogram, self.clusters)[:, None]
            scale = np.ones((1, 1))
        else:
            grey_scale = GreyScale.of(images)
            centres = self._centres_of_sample(images, grey_scale, context)
            scale = grey_scale.scale
        solid_ones = np.arange(self.clusters) >= self.clusters - self.solid_clusters
        if self.solid == "dark":
            solid_ones = solid_ones[::-1]
        solid = context.empty("labels", images.shape, np.uint8)
        counts = np.zeros(self.clusters, np.int64)
        rows = max(1, BLOCK_PIXELS // images.shape[2])
        for z in context.track(range(images.shape[0]), "slices grouped"):
            for y in range(0, images.shape[1], rows):
                nearest = _nearest(images.data[:, z, y : y + rows], centres, scale)
                counts += np.bincount(nearest.ravel(), minlength=self.clusters)
                solid[z, y : y + rows] = solid_ones[nearest]
        context.keep("clusters", self._table(images, centres, counts, solid_ones))
        return Labels(solid, images.voxel_size_nm, dict(enumerate(self.materials)))

    @one_blas_thread
    def _centres_of_sample(
        self, images: Images, grey_scale: GreyScale, context: Context
    ) -> np.ndarray:
        from scipy.cluster.vq import kmeans2

        depth, height, width = images.shape
        per_slice = max(1, min(height * width, self.sample_voxels // depth))
        parts = []
        for z in range(depth):
            voxels = context.rng_for("sample", z).integers(0, height * width, per_slice)
            parts.append(images.data[:, z].reshape(len(images.data), -1)[:, voxels])
        sample = np.concatenate(parts, axis=1).astype(float) / grey_scale.scale
        # The start is clustering by brightness alone: no random start, no empty cluster.
        brightness = sample.mean(axis=0).astype(np.float32)
        histogram = Histogram.of(brightness[None, None], "the sampled voxels")
        levels = centres_of_histogram(histogram, self.clusters)
        group = np.abs(brightness[:, None] - levels).argmin(axis=1)
        start = np.stack([sample[:, group == i].mean(axis=1) for i in range(self.clusters)])
        centres, _ = kmeans2(sample.T, start, iter=ITERATIONS, minit="matrix")
        centres = centres[np.argsort(centres.mean(axis=1), kind="stable")]
        return centres * grey_scale.scale[:, 0]

    def _table(
        self, images: Images, centres: np.ndarray, counts: np.ndarray, solid: np.ndarray
    ) -> Table:
        columns = {
            "cluster": np.arange(self.clusters),
            "solid": solid,
            "share": counts / counts.sum(),
        }
        for name, values in zip(images.names, centres.T, strict=True):
            columns[f"{name.replace(' ', '_')}_grey_value"] = values
        return Table(columns)


def centres_of_histogram(histogram: Histogram, clusters: int) -> np.ndarray:
    """Return the exact centres of k-means on one channel's histogram, ascending.

    The start is greedy: the most frequent grey value, then repeatedly the one that adds most to the
    squared distances (its count times the square of its distance to the nearest centre).

    Raises:
        FibError: fewer grey values than clusters.
    """
    counts, values = histogram.counts, histogram.values
    if np.count_nonzero(counts) < clusters:
        raise FibError(
            f"the images have {np.count_nonzero(counts)} grey values, fewer than {clusters} "
            f"clusters: set clusters lower"
        )
    start = [values[np.argmax(counts)]]
    while len(start) < clusters:
        squared = np.min([(values - centre) ** 2 for centre in start], axis=0)
        start.append(values[np.argmax(counts * squared)])
    centres = np.sort(start)
    number = np.concatenate(([0], np.cumsum(counts)))
    moment = np.concatenate(([0.0], np.cumsum(counts * values)))
    for _ in range(ITERATIONS):
        inner = np.searchsorted(values, (centres[1:] + centres[:-1]) / 2, "right")
        borders = np.concatenate(([0], inner, [len(values)]))
        moved = np.diff(moment[borders]) / np.diff(number[borders])
        if np.array_equal(moved, centres):
            break
        centres = moved
    return centres


def _nearest(channels: np.ndarray, centres: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Return the number of the nearest centre for each pixel of one slice (channel, y, x)."""
    best = np.full(channels.shape[1:], np.inf)
    nearest = np.zeros(channels.shape[1:], np.intp)
    for number, centre in enumerate(centres):
        apart = (channels - centre[:, None, None]) / scale[:, :, None]
        squared = (apart**2).sum(axis=0)
        nearer = squared < best
        best[nearer] = squared[nearer]
        nearest[nearer] = number
    return nearest
