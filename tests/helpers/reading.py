"""Stacks opened and read with a reader of given parameters, as a load step does it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fib_plugins.readers.slices.order import Order
from fib_plugins.readers.slices.sources import find_slices
from fib_plugins.readers.tiff.reader import Tiff
from fibcore import Context, Forecast, Reader
from fibcore.formats import reader_of


def probe(source: str | Path, reader: Reader | None = None, *, base: Path = Path()) -> Forecast:
    """Return the forecast of a load step; by default of one that loads a TIFF."""
    return (reader or Tiff()).open(source, base).forecast


def read(
    source: str | Path,
    reader: Reader | None = None,
    *,
    base: Path = Path(),
    context: Context | None = None,
    trusted: bool = False,
) -> Any:
    """Return what files hold; by default a TIFF."""
    opened = (reader or Tiff()).open(source, base, trusted=trusted)
    return opened.read(Context.of(context))


def find_tiffs(source: str | Path, base: Path) -> Order:
    """Return the slices that a source names, as the reader of TIFF finds them."""
    return find_slices(source, base, Tiff.suffixes)


def content_hash(source: str | Path, base: Path) -> str:
    """Return the hash that enters the key of a load step, of files that need be no sound ones."""
    reader = reader_of(source, base)
    if reader.stacks_files:
        return reader.content_hash(find_slices(source, base, reader.suffixes).files)
    return reader.content_hash(reader().open(source, base).files)
