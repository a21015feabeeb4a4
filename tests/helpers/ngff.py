"""Metadata of NGFF images, as other programs write them."""

from __future__ import annotations

from typing import Any


def multiscales(axes: str, scales: list[list[float]], unit: str | None, **more: Any) -> Any:
    """Return the NGFF metadata of an image with one level for each scale."""
    kinds = {"c": "channel", "t": "time"}
    described: list[dict[str, Any]] = []
    for axis in axes:
        kind = kinds.get(axis, "space")
        described.append({"name": axis, "type": kind})
        if kind == "space" and unit is not None:
            described[-1]["unit"] = unit
    return [
        {
            "axes": described,
            "datasets": [
                {
                    "path": str(i),
                    "coordinateTransformations": [{"type": "scale", "scale": scale}],
                }
                for i, scale in enumerate(scales)
            ],
            **more,
        }
    ]
