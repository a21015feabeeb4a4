"""The metadata that fib writes: NGFF 0.5, and its own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from fib_plugins.readers.stacks import metadata
from fib_plugins.readers.stacks.display import display_range
from fib_plugins.readers.zarr.headers import OWN
from fib_plugins.readers.zarr.levels import Level
from fibcore.volumes import Images, Labels

NGFF = "0.5"
COLOURS = (
    (0, 0, 0, 0),
    (230, 159, 0, 255),
    (86, 180, 233, 255),
    (0, 158, 115, 255),
    (240, 228, 66, 255),
    (0, 114, 178, 255),
    (213, 94, 0, 255),
    (204, 121, 167, 255),
)
"""Colours of phases in viewers (Okabe and Ito); phase 0 is transparent."""


def group_metadata(volume: Labels | Images, data: np.ndarray, levels: Sequence[Level]) -> Any:
    """Return the content of ``zarr.json`` of an image.

    Args:
        volume: the volume.
        data: its voxels in axes (channel, z, y, x).
        levels: its levels of resolution, the full one first.
    """
    images = isinstance(volume, Images)
    axes = [{"name": axis, "type": "space", "unit": "nanometer"} for axis in "zyx"]
    if images:
        axes.insert(0, {"name": "c", "type": "channel"})
    ones, zeros = ([1.0], [0.0]) if images else ([], [])
    datasets = []
    for number, level in enumerate(levels):
        transformations = [{"type": "scale", "scale": [*ones, *level.voxel_size_nm]}]
        if number:
            shift = (
                (size - full) / 2
                for size, full in zip(level.voxel_size_nm, volume.voxel_size_nm, strict=True)
            )
            transformations.append({"type": "translation", "translation": [*zeros, *shift]})
        datasets.append({"path": str(number), "coordinateTransformations": transformations})
    from ome_zarr_models.v05.image import ImageAttrs
    from ome_zarr_models.v05.image_label import ImageLabelAttrs

    kind = "mean" if images else "mode"
    ome: dict[str, Any] = {
        "version": NGFF,
        "multiscales": [
            {"name": volume.artefact, "axes": axes, "datasets": datasets, "type": kind}
        ],
    }
    if isinstance(volume, Images):
        ome["omero"] = {"channels": _channels(volume, data)}
        ImageAttrs.model_validate(ome)  # nothing is written that other programs do not open
    else:
        ome["image-label"] = _phases(volume)
        ImageLabelAttrs.model_validate(ome)
    return {
        "zarr_format": 3,
        "node_type": "group",
        "attributes": {"ome": ome, OWN: json.loads(metadata.to_text(volume))},
    }


def array_metadata(data: np.ndarray, axes: str) -> dict[str, Any]:
    """Return the content of ``zarr.json`` of the full level: one shard of uncompressed planes.

    Args:
        data: the voxels, in the axes of the array.
        axes: their names.
    """
    raw = {"name": "bytes", "configuration": {"endian": "little"}}
    sharding = {
        "chunk_shape": [*(1 for _ in data.shape[:-2]), *data.shape[-2:]],
        "codecs": [raw],
        "index_codecs": [raw, {"name": "crc32c"}],
        "index_location": "end",
    }
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(data.shape),
        "data_type": data.dtype.name,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(data.shape)}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0,
        "codecs": [{"name": "sharding_indexed", "configuration": sharding}],
        "attributes": {},
        "dimension_names": list(axes),
    }


def _channels(volume: Images, data: np.ndarray) -> list[dict[str, Any]]:
    low, high = display_range(volume, data)
    window = {"start": low, "end": high, "min": low, "max": high}
    return [
        {"label": name, "color": "FFFFFF", "active": True, "window": window}
        for name in volume.names
    ]


def _phases(volume: Labels) -> dict[str, Any]:
    phases = sorted(volume.phases.items())
    if not phases:
        return {}
    colours = [COLOURS[0 if p == 0 else 1 + (p - 1) % (len(COLOURS) - 1)] for p, _ in phases]
    return {
        "colors": [
            {"label-value": int(phase), "rgba": list(colour)}
            for (phase, _), colour in zip(phases, colours, strict=True)
        ],
        "properties": [
            {"label-value": int(phase), "material": material.name} for phase, material in phases
        ],
    }
