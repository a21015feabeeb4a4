"""The compressions of chunks that fib decodes; others are refused by name.

Not every codec is safe: one of version 2 of the format unpickles objects.
"""

from __future__ import annotations

from typing import Any

from fibcore.errors import FibError
from fibcore.text import shown

_FILTERS = {"bz2", "crc32", "crc32c", "adler32", "fletcher32", "jenkins_lookup3", "lz4", "lzma"}
_FILTERS |= {"zlib", "zstd", "gzip", "blosc", "shuffle", "delta", "fixedscaleoffset", "astype"}
_FILTERS |= {"bitround", "quantize", "packbits"}
_PACKAGES = {"pcodec": "pcodec", "zfpy": "zfpy"}
"""Codec -> the package that decodes it, which does not come with fib."""
KNOWN = (
    {"bytes", "endian", "transpose", "gzip", "zstd", "blosc", "crc32c", "sharding_indexed"}
    | {f"numcodecs.{name}" for name in _FILTERS | set(_PACKAGES)}
    | _FILTERS
    | set(_PACKAGES)
)


def check_codecs(where: str, names: list[str]) -> None:
    """Reject codecs that cannot be decoded here.

    Args:
        where: the array, for messages.
        names: names of the codecs.

    Raises:
        FibError: one is unknown, or its package is not installed.
    """
    for name in names:
        if name not in KNOWN:
            usual = "blosc, gzip, lz4, zlib, zstd"
            raise FibError(
                f"{where}: its chunks are encoded by {shown(name, 60)!r}, which fib does not "
                f"decode; save the image again with one of {usual}, or without compression"
            )
        package = _PACKAGES.get(name.removeprefix("numcodecs."))
        if package is not None and not _installed(package):
            raise FibError(
                f"{where}: its chunks are encoded by {shown(name, 60)}, for which the package "
                f"{package} is not installed: pip install {package}, or save the image again with "
                f"zstd"
            )


def codec_name(where: str, codec: Any) -> tuple[str, dict[str, Any]]:
    """Return name and settings of a codec of format 3.

    Raises:
        FibError: it is not one.
    """
    name = codec if isinstance(codec, str) else codec.get("name") if isinstance(codec, dict) else 0
    settings = codec.get("configuration") or {} if isinstance(codec, dict) else {}
    if not isinstance(name, str) or not isinstance(settings, dict):
        raise FibError(
            f"{where}: {shown(codec, 60)} is not a codec; the metadata are damaged: copy them again"
        )
    return name, settings


def codec_names(where: str, codecs: Any) -> list[str]:
    """Return the names of codecs of format 3, those within shards included.

    Raises:
        FibError: they are not a list of codecs.
    """
    if not isinstance(codecs, list) or len(codecs) > 20:
        raise FibError(f"{where}: its list of codecs is damaged: {shown(codecs, 60)}")
    found: list[str] = []
    for codec in codecs:
        name, settings = codec_name(where, codec)
        found.append(name)
        if name == "sharding_indexed":
            for inner in ("codecs", "index_codecs"):
                found += codec_names(where, settings.get(inner, []))
    return found


def _installed(package: str) -> bool:
    from importlib.util import find_spec

    return find_spec(package) is not None
