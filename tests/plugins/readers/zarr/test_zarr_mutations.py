"""Folders changed at random: they are read, or refused with one message; nothing else happens."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fib_plugins.readers.zarr import levels
from fib_plugins.readers.zarr.reader import Zarr
from fibcore import Context, FibError, Images
from fibcore.formats import write_volume

ODD: list[Any] = [
    None, True, -1, 0, 1, 2**62, 1e300, "", "c", "z", "..", "/", "\u0000", "nanometer", "uint8",
    [], [[]], [0], [1, 1, 1], {}, {"name": "bytes"}, {"id": "pickle"}, "sharding_indexed", 2, 3,
    "zstd", "float16", "<f8", "0", "0.4", [4, 4, 4], [3, 2, 1], {"type": "scale"},
]  # fmt: skip
CASES = 150


def mutated_json(content: Any, draw: random.Random) -> Any:
    """Replace, remove or repeat one value somewhere in JSON."""
    places: list[tuple[Any, Any]] = []
    todo = [content]
    while todo:
        item = todo.pop()
        keys = list(item) if isinstance(item, dict) else range(len(item))
        for key in keys:
            places.append((item, key))
            if isinstance(item[key], dict | list):
                todo.append(item[key])
    if not places:
        return draw.choice(ODD)
    owner, key = draw.choice(places)
    match draw.randrange(4):
        case 0:
            del owner[key]
        case 1 if isinstance(owner, list):
            owner.append(owner[key])
        case _:
            owner[key] = draw.choice(ODD)
    return content


def mutate(path: Path, draw: random.Random) -> None:
    files = sorted(file for file in path.rglob("*") if file.is_file())
    main = [file for file in files if file.name in ("zarr.json", ".zarray", ".zattrs", ".zgroup")]
    if draw.random() < 0.7:
        file = draw.choice(main)
        content = mutated_json(json.loads(file.read_text()), draw)
        file.write_text(json.dumps(content))
        return
    file = draw.choice(files)
    data = bytearray(file.read_bytes())
    match draw.randrange(4):
        case 0:
            del data[draw.randrange(len(data)) :]
        case 1:
            data += bytes(draw.randrange(200))
        case 2:
            file.unlink()
            return
        case _:
            for _ in range(draw.choice((1, 1, 20))):
                data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    file.write_bytes(data)


@pytest.fixture(params=["fib", "v2", "v3", "sharded", "raw"])
def original(
    request: pytest.FixtureRequest,
    foreign: Callable,
    grey: Callable,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    data = grey((9, 10, 11), "uint16")
    if request.param == "fib":
        monkeypatch.setattr(levels, "SMALL_ENOUGH", 8)
        write_volume(Images(data, (5, 5, 5), kv=(2,)), tmp_path / "image.ome.zarr")
        return tmp_path / "image.ome.zarr"
    options: dict[str, Any] = {
        "v2": {"version": 2},
        "v3": {},
        "sharded": {"shards": (12, 12, 12)},
        "raw": {"version": 2, "compressors": None, "chunks": (9, 10, 11)},
    }[request.param]
    return foreign(data, **options)


def test_every_change_gives_a_volume_or_one_message(original: Path, tmp_path: Path) -> None:
    read, messages = 0, []
    for case in range(CASES):
        path = tmp_path / "changed.zarr"
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(original, path)
        draw = random.Random(case)
        mutate(path, draw)
        level = draw.choice((0, 0, 0, 1))
        try:
            opened = Zarr(kv=2, voxel_size_nm=5, level=level).open(path)
            Zarr.content_hash(opened.files)
            volume: Any = opened.read(Context())
        except FibError as error:
            messages.append(str(error))
        else:
            read += 1
            assert np.isfinite(volume.data).all()
    assert all(20 < len(text) < 2000 and "\n" not in text for text in messages)
    assert read > 5
    assert len(messages) > 30
