"""The metadata of an array, alike for version 2 and 3 of the zarr format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

import numpy as np

from fib_plugins.readers.zarr.codecs import check_codecs, codec_name, codec_names
from fib_plugins.readers.zarr.nodes import Node
from fibcore.errors import FibError
from fibcore.text import shown

_TYPES = {"bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"}
_TYPES |= {"float16", "float32", "float64"}
MOST_AXES = 6

ByteOrder = Literal["<", ">", "="]


@dataclass(frozen=True)
class Shards:
    """How each file of an array holds several chunks (sharding codec).

    Attributes:
        at_end: whether the index is at the end of the file, or at its start.
        checksum: whether a CRC-32C follows the index.
        plain: whether the index is stored in this way; else it is not examined.
    """

    at_end: bool
    checksum: bool
    plain: bool


@dataclass(frozen=True)
class Array:
    """An array.

    Attributes:
        node: its folder.
        shape: its shape.
        dtype: type of its elements; with their byte order if they are stored raw.
        files: shape of the part in one file: a chunk, or a shard.
        chunks: shape of a chunk.
        raw: whether chunks are stored uncompressed in C order.
        shards: how a file holds several chunks; None if it is one chunk.
        prefix: beginning of the names of chunk files.
        separator: what separates the numbers in the names of chunk files.
        names: names of the axes, if the array has them.
    """

    node: Node
    shape: tuple[int, ...]
    dtype: np.dtype
    files: tuple[int, ...]
    chunks: tuple[int, ...]
    raw: bool
    shards: Shards | None
    prefix: str
    separator: str
    names: tuple[str, ...] = ()

    @property
    def chunk_bytes(self) -> int:
        """Size of a decoded chunk in bytes."""
        return prod(self.chunks) * self.dtype.itemsize


def read_array(node: Node) -> Array:
    """Return the metadata of an array.

    Raises:
        FibError: they are damaged, or the array is stored in a way that fib does not know.
    """
    array = _version_3(node) if node.version == 3 else _version_2(node)
    if len(array.files) != len(array.shape) or len(array.chunks) != len(array.shape):
        raise FibError(
            f"{node.path} is damaged: its chunks {array.files} do not have the axes of its shape "
            f"{array.shape}; copy its metadata again"
        )
    if any(file % chunk for file, chunk in zip(array.files, array.chunks, strict=True)):
        raise FibError(
            f"{node.path} is damaged: its shards {array.files} do not consist of whole chunks "
            f"{array.chunks}; copy its metadata again"
        )
    return array


def _version_3(node: Node) -> Array:
    where, content = str(node.path), node.content
    if content.get("storage_transformers"):
        raise FibError(f"{where} uses storage transformers, which fib does not know; save it again")
    kind = content.get("data_type")
    if not isinstance(kind, str) or kind not in _TYPES:
        raise _other_type(where, kind)
    grid, settings = codec_name(where, content.get("chunk_grid"))
    files = _sizes(where, settings.get("chunk_shape"), "chunks")
    if grid != "regular":
        raise FibError(
            f"{where} has {shown(grid, 40)} chunks; fib reads regular ones: save it again"
        )
    encoding, keys = codec_name(where, content.get("chunk_key_encoding"))
    default = "/" if encoding == "default" else "."
    separator = keys.get("separator", default)
    if encoding not in ("default", "v2") or separator not in ("/", "."):
        raise FibError(
            f"{where} names its chunks in a way that fib does not know ({shown(encoding, 40)}): "
            f"save it again"
        )
    codecs = content.get("codecs")
    check_codecs(where, codec_names(where, codecs))
    assert isinstance(codecs, list)
    chunks, shards, inner = files, None, codecs
    first, options = codec_name(where, codecs[0]) if codecs else ("", {})
    if first == "sharding_indexed" and len(codecs) == 1:
        chunks = _sizes(where, options.get("chunk_shape"), "chunks within shards")
        inner = options.get("codecs", [])
        shards = _shards(where, options)
    raw, order = _raw(where, inner)
    names = content.get("dimension_names") or ()
    return Array(
        node=node,
        shape=_sizes(where, content.get("shape"), "shape"),
        dtype=np.dtype(kind).newbyteorder(order) if raw else np.dtype(kind),
        files=files,
        chunks=chunks,
        raw=raw,
        shards=shards,
        prefix=f"c{separator}" if encoding == "default" else "",
        separator=separator,
        names=_axes(names),
    )


def _version_2(node: Node) -> Array:
    where, content = str(node.path), node.content
    chunks = _sizes(where, content.get("chunks"), "chunks")
    try:
        dtype = np.dtype(content.get("dtype"))
    except (TypeError, ValueError):
        raise _other_type(where, content.get("dtype")) from None
    if dtype.name not in _TYPES or not isinstance(content.get("dtype"), str):
        raise _other_type(where, dtype.name)
    codecs = [*(content.get("filters") or []), content.get("compressor")]
    codecs = [codec for codec in codecs if codec is not None]
    check_codecs(
        where, [str(codec.get("id")) if isinstance(codec, dict) else str(codec) for codec in codecs]
    )
    separator = content.get("dimension_separator", ".")
    if separator not in ("/", ".") or content.get("order") not in ("C", "F"):
        raise FibError(f"{where} is damaged: its .zarray is not one of version 2; copy it again")
    return Array(
        node=node,
        shape=_sizes(where, content.get("shape"), "shape"),
        dtype=dtype,
        files=chunks,
        chunks=chunks,
        raw=not codecs and content["order"] == "C",
        shards=None,
        prefix="",
        separator=separator,
        names=_axes(node.attributes.get("_ARRAY_DIMENSIONS", ())),
    )


def _raw(where: str, codecs: Any) -> tuple[bool, ByteOrder]:
    """Return whether codecs store elements as they are, and in which byte order."""
    if not isinstance(codecs, list) or len(codecs) != 1:
        return False, "="
    name, settings = codec_name(where, codecs[0])
    orders: dict[str, ByteOrder] = {"little": "<", "big": ">", "None": "="}
    order = str(settings.get("endian"))
    return name == "bytes" and order in orders, orders.get(order, "=")


def _shards(where: str, options: dict[str, Any]) -> Shards:
    codecs = options.get("index_codecs", [])
    names = codec_names(where, codecs)
    little = bool(codecs) and _raw(where, codecs[:1]) == (True, "<")
    plain = little and names[1:] in ([], ["crc32c"])
    return Shards(options.get("index_location", "end") == "end", names[1:] == ["crc32c"], plain)


def _sizes(where: str, value: Any, what: str) -> tuple[int, ...]:
    whole = isinstance(value, list) and all(type(size) is int and size > 0 for size in value)
    if not whole or not 1 <= len(value) <= MOST_AXES:
        raise FibError(
            f"{where}: its {what} {shown(value, 60)} is not a list of 1 to {MOST_AXES} sizes above "
            f"0: the metadata are damaged, or the array is empty"
        )
    return tuple(value)


def _axes(names: Any) -> tuple[str, ...]:
    listed = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return tuple(names) if listed else ()


def _other_type(where: str, kind: Any) -> FibError:
    return FibError(
        f"{where} holds {shown(kind, 40)}; fib reads real numbers: convert it to uint8, uint16 or "
        f"float32"
    )


def raw_offset(array: Array, offsets: Sequence[int] | None) -> int | None:
    """Return the offset of all elements in the only file of an array, in C order; else None.

    Args:
        array: the array.
        offsets: offset of each chunk in a shard, in C order; None if the file is one chunk.
    """
    if not array.raw or array.files != array.shape:
        return None
    if array.shards is None:
        return 0
    if offsets is None:
        return None
    shape, chunks = array.shape, array.chunks
    axis = next((i for i, n in enumerate(chunks) if n > 1), len(chunks))
    contiguous = all(chunks[i] == shape[i] for i in range(axis + 1, len(shape)))
    begin = offsets[0]
    whole = all(offset == begin + i * array.chunk_bytes for i, offset in enumerate(offsets))
    return begin if contiguous and whole and begin % array.dtype.itemsize == 0 else None
