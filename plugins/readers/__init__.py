"""Volumes read from and written to TIFF.

`write_volume` writes what Fiji opens with the right voxel size, `read_volume` reads a multi-page
file, a folder or a glob of slices, `probe` tells from the headers alone what it would read.
Names are loaded at first use: tifffile is imported by what needs it only.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fib_plugins.readers.slices.sources import content_hash
    from fib_plugins.readers.stacks.params import LoadParams
    from fib_plugins.readers.stacks.read import probe, read_volume
    from fib_plugins.readers.tiff.write import write_volume

_HOMES = {
    "LoadParams": "stacks.params",
    "content_hash": "slices.sources",
    "probe": "stacks.read",
    "read_volume": "stacks.read",
    "write_volume": "tiff.write",
}

__all__ = ["LoadParams", "content_hash", "probe", "read_volume", "write_volume"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"fib_plugins.readers.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'fib_plugins.readers' has no attribute {name!r}")
