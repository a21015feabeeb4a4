"""Groups and arrays of a zarr folder: their metadata files, in version 2 or 3 of the format."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fibcore.errors import FibError, listed
from fibcore.jsontext import read_json
from fibcore.text import shown


@dataclass(frozen=True)
class Node:
    """A group or an array.

    Attributes:
        path: its folder.
        version: version of the zarr format, 2 or 3.
        is_array: whether it is an array.
        content: its metadata, without the attributes.
        attributes: attributes that users and NGFF add.
        files: the files that were read.
    """

    path: Path
    version: int
    is_array: bool
    content: dict[str, Any]
    attributes: dict[str, Any]
    files: tuple[Path, ...]


def read_node(path: Path, root: Path) -> Node:
    """Read the metadata of a group or an array.

    Args:
        path: its folder.
        root: folder that no link may lead out of.

    Raises:
        FibError: there are none, they are damaged, or of an unknown version.
    """
    inside(path, root)
    main = path / "zarr.json"
    if os.path.lexists(main):
        content = _object(main, root)
        if content.get("zarr_format") != 3 or content.get("node_type") not in ("array", "group"):
            raise _unknown(main, content)
        attributes = content.get("attributes") or {}
        is_array = content["node_type"] == "array"
        return Node(path, 3, is_array, content, _checked(main, attributes), (main,))
    for name in (".zarray", ".zgroup"):
        main = path / name
        if os.path.lexists(main):
            content = _object(main, root)
            if content.get("zarr_format") != 2:
                raise _unknown(main, content)
            beside = path / ".zattrs"
            there = os.path.lexists(beside)
            attributes = _object(beside, root) if there else {}
            files = (main, beside) if there else (main,)
            return Node(path, 2, name == ".zarray", content, attributes, files)
    names = sorted(os.listdir(path)) if path.is_dir() else []
    raise FibError(
        f"{path} is not a zarr folder: it has no file zarr.json, .zgroup or .zarray, but "
        f"{listed(map(shown, names), 5) if names else 'nothing'}; give the folder of an OME-Zarr "
        f"image, or copy it again if the file was lost"
    )


def inside(path: Path, root: Path) -> None:
    """Reject a path that a link leads out of a folder.

    Raises:
        FibError: names it.
    """
    if not path.resolve().is_relative_to(root.resolve()):
        raise FibError(
            f"{shown(path)} leads out of {shown(root)}, by a link; the files of an image have to "
            f"be in its folder: replace the link by a copy"
        )


def children(path: Path) -> list[str]:
    """Return the names of groups and arrays in a group."""
    found = []
    for entry in sorted(os.scandir(path), key=lambda entry: entry.name):
        if entry.is_dir() and any(
            os.path.lexists(os.path.join(entry.path, name))
            for name in ("zarr.json", ".zarray", ".zgroup")
        ):
            found.append(entry.name)
    return found


def _object(path: Path, root: Path) -> dict[str, Any]:
    inside(path, root)
    try:
        return _checked(path, read_json(path))
    except OSError as error:
        raise FibError(f"{shown(path)} cannot be read ({error.strerror or error})") from error


def _checked(path: Path, content: Any) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise FibError(f"{shown(path)} is damaged: it holds no object; copy it again")
    return content


def _unknown(path: Path, content: dict[str, Any]) -> FibError:
    version = shown(content.get("zarr_format"), 20)
    what = shown(content.get("node_type", "group or array"), 40)
    return FibError(
        f"{shown(path)} describes a {what} of zarr format {version}; fib reads arrays and groups "
        f"of the formats 2 and 3: save it again in one of them, or update fib"
    )
