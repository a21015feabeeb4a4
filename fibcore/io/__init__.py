"""Volumes read from and written to TIFF.

`write_volume` writes what Fiji opens with the right voxel size, `read_volume` reads a multi-page
file, a folder or a glob of slices, `probe` tells from the headers alone what it would read.
Names are loaded at first use: tifffile is imported by what needs it only.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fibcore.io.params import LoadParams
    from fibcore.io.read import probe, read_volume
    from fibcore.io.sources import content_hash
    from fibcore.io.write import write_volume

_HOMES = {
    "LoadParams": "params",
    "content_hash": "sources",
    "probe": "read",
    "read_volume": "read",
    "write_volume": "write",
}

__all__ = ["LoadParams", "content_hash", "probe", "read_volume", "write_volume"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"fibcore.io.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'fibcore.io' has no attribute {name!r}")
