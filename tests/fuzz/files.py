"""Damaged files of every format, made from the number of a case, and read as a load step reads.

python -m tests.fuzz.files --count 5000 --seed 1
"""

from __future__ import annotations

import io
import logging
import struct
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from fib_plugins.readers.slices.sources import find_slices
from fib_plugins.readers.tiff import write
from fibcore import Images, Labels, Table
from fibcore.context import Context
from fibcore.formats import reader_of, write_volume
from tests.fuzz.command import run_from_command_line
from tests.fuzz.harness import Outcome, run_cases

Random = np.random.Generator
QUIET = logging.getLogger("tests.fuzz")
QUIET.disabled = True
SHAPE = (6, 40, 30)
VOXEL = (10.0, 5.0, 5.0)

TABLES = {
    "plain": "energy_kev,eta,material\n1,0.5,Au\n2,0.45,Au\n4,0.4,C\n",
    "semicolons": "energy_kev;eta\n1,5;0,25\n2,5;0,5\n",
    "tabs": 'name\tx\n"c\td"\t2\n',
    "quoted": 'a,b\n"x, y",1\n"line\nbreak",2\n',
    "marked": "\ufeffa, b\n1, 2\n3, 4\n",
}


def _grey(dtype: str = "uint8", shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 200, shape).astype(dtype)


def _tiff(data: np.ndarray, **options: object) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, data, **{"photometric": "minisblack", **options})  # type: ignore[arg-type]
    return file.getvalue()


def _written(volume: Images | Labels, most: int) -> bytes:
    """Return what fib writes: an ImageJ hyperstack, or above `most` bytes an OME BigTIFF."""
    usual, write.IMAGEJ_MAX_BYTES = write.IMAGEJ_MAX_BYTES, most
    try:
        with tempfile.TemporaryDirectory() as folder:
            write_volume(volume, Path(folder, "v.tif"))
            return Path(folder, "v.tif").read_bytes()
    finally:
        write.IMAGEJ_MAX_BYTES = usual


def _vendor(code: int, text: str) -> dict[str, object]:
    data = text.encode("cp1252") + b"\0"
    return {"extratags": [(code, 2, len(data), data, True)], "metadata": None}


FEI = "[Beam]\r\nHV=2000\r\nBeam=EBeam\r\n[Scan]\r\nPixelWidth=5e-9\r\nPixelHeight=5e-9\r\n"
ZEISS = (
    "0\r\n0\r\nAP_IMAGE_PIXEL_SIZE\r\nImage Pixel Size = 4.5 nm\r\nAP_ACTUALKV\r\nEHT = 2 kV\r\n"
)

FORMS: dict[str, Callable[[], bytes]] = {
    "plain": lambda: _tiff(_grey(), metadata=None),
    "shaped": lambda: _tiff(_grey("uint16")),
    "strips": lambda: _tiff(_grey("uint16"), rowsperstrip=7, metadata=None),
    "deflate": lambda: _tiff(_grey("uint16"), compression="zlib", predictor=True, rowsperstrip=9),
    "lzma": lambda: _tiff(_grey("float32"), compression="lzma"),
    "big": lambda: _tiff(_grey("float32"), bigtiff=True, byteorder=">"),
    "tiles": lambda: _tiff(_grey("uint8", (3, 64, 48)), tile=(16, 16), compression="zlib"),
    "imagej": lambda: _tiff(
        _grey("uint16"), imagej=True, resolution=(0.2, 0.2),
        metadata={"axes": "ZYX", "unit": "nm", "spacing": 10.0, "Labels": list("abcdef")},
    ),
    "truncated": lambda: _tiff(_grey(), imagej=True, truncate=True, metadata={"axes": "ZYX"}),
    "ome": lambda: _tiff(_grey(), ome=True, metadata={"axes": "ZYX", "PhysicalSizeX": 0.005}),
    "images": lambda: _written(Images(_grey("uint16"), VOXEL, kv=(2,)), 10**9),
    "labels": lambda: _written(Labels(_grey() % 2, VOXEL), 0),
    "planar": lambda: _tiff(_grey("uint8", (3, 40, 30)), photometric="rgb"),
    "bilevel": lambda: _tiff(_grey() > 100, photometric="miniswhite"),
    "turned": lambda: _tiff(_grey(), extratags=[(274, 3, 1, 6, False)], metadata=None),
    "fei": lambda: _tiff(_grey(), **_vendor(34682, FEI)),
    "zeiss": lambda: _tiff(_grey(), **_vendor(34118, ZEISS)),
}  # fmt: skip
"""Sound TIFF files of many kinds."""


def _array(save: Callable[..., None], array: np.ndarray) -> bytes:
    file = io.BytesIO()
    save(file, array)
    return file.getvalue()


def _picture(plane: np.ndarray, form: str, **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(plane).save(file, form, **options)  # type: ignore[arg-type]
    return file.getvalue()


OTHERS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "npy": (".npy", lambda: _array(np.save, _grey("uint16"))),
    "fortran": (".npy", lambda: _array(np.save, np.asfortranarray(_grey("float32")))),
    "channels": (".npy", lambda: _array(np.save, _grey("uint8", (1, *SHAPE)))),
    "stored": (".npz", lambda: _array(np.savez, _grey("uint16"))),
    "deflated": (".npz", lambda: _array(np.savez_compressed, _grey("uint16"))),
    "png": (".png", lambda: _picture(_grey()[0], "PNG", dpi=(5e6, 5e6))),
    "png16": (".png", lambda: _picture(_grey("uint16")[0], "PNG")),
    "png1": (".png", lambda: _picture(_grey()[0] > 100, "PNG")),
    "jpeg": (".jpg", lambda: _picture(_grey()[0], "JPEG", quality=90)),
}
"""Sound files of other formats, with their suffix; of pictures one slice."""


@cache
def _sound(form: str) -> bytes:
    return OTHERS[form][1]() if form in OTHERS else FORMS[form]()


def _flip_bits(data: bytearray, random: Random) -> None:
    for place in random.integers(0, len(data), random.integers(1, 8)):
        data[place] ^= 1 << int(random.integers(0, 8))


def _cut(data: bytearray, random: Random) -> None:
    del data[int(random.integers(0, len(data))) :]


def _insert(data: bytearray, random: Random) -> None:
    place = int(random.integers(0, len(data)))
    data[place:place] = random.bytes(int(random.integers(1, 64)))


def _remove(data: bytearray, random: Random) -> None:
    place = int(random.integers(0, len(data)))
    del data[place : place + int(random.integers(1, 64))]


def _swap(data: bytearray, random: Random) -> None:
    length = int(random.integers(1, max(2, len(data) // 4)))
    a, b = (int(n) for n in random.integers(0, len(data), 2))
    first, second = bytes(data[a : a + length]), bytes(data[b : b + length])
    data[a : a + len(first)] = second[: len(first)].ljust(len(first), b"\0")
    data[b : b + len(second)] = first[: len(second)].ljust(len(second), b"\0")


def _overwrite(data: bytearray, random: Random) -> None:
    place = int(random.integers(0, len(data)))
    value = int(random.choice([0, 1, 0x7F, 0x80, 0xFF]))
    length = int(random.integers(1, 16))
    data[place : place + length] = bytes([value] * length)


def _edit_header(data: bytearray, random: Random) -> None:
    """Give a tag of a page, its type, count or value, another number, or a page another place."""
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    word, size, count, step = ("Q", 8, "Q", 20) if big else ("I", 4, "H", 12)
    numbers = [0, 1, 2, 3, 8, 255, 65535, 2**31 - 1, 2**31, 2**32 - 1, len(data), len(data) - 1]
    value = int(random.choice(numbers))
    try:
        where = struct.unpack_from(f"{order}{word}", data, 8 if big else 4)[0]
        for _ in range(int(random.integers(0, 4))):
            entries = struct.unpack_from(f"{order}{count}", data, where)[0]
            following = where + struct.calcsize(count) + entries * step
            where = struct.unpack_from(f"{order}{word}", data, following)[0] or where
        entries = struct.unpack_from(f"{order}{count}", data, where)[0]
        entry = where + struct.calcsize(count) + int(random.integers(0, max(1, entries))) * step
        match random.integers(0, 6):
            case 0:
                struct.pack_into(f"{order}{count}", data, where, value & 0xFFFF)
            case 1:
                place = where + struct.calcsize(count) + entries * step
                struct.pack_into(f"{order}{word}", data, place, int(random.choice([where, value])))
            case 2:
                struct.pack_into(f"{order}H", data, entry, int(random.integers(254, 340)))
            case 3:
                struct.pack_into(f"{order}H", data, entry + 2, int(random.integers(0, 20)))
            case 4:
                struct.pack_into(f"{order}{word}", data, entry + 4, value)
            case _:
                short = struct.unpack_from(f"{order}H", data, entry + 2)[0] == 3
                form = "H" if short else word
                struct.pack_into(
                    f"{order}{form}", data, entry + 4 + size, value & 0xFFFF if short else value
                )
    except (
        struct.error,
        OverflowError,
        ValueError,
        IndexError,
    ):  # damaged before
        _flip_bits(data, random)


def _edit_text(data: bytearray, random: Random) -> None:
    """Give a number in a text of the file (OME-XML, ImageJ, shape) another value of the length."""
    digits = [i for i, byte in enumerate(data) if 48 <= byte <= 57]
    if digits:
        start = digits[int(random.integers(0, len(digits)))]
        while start < len(data) and 48 <= data[start] <= 57:
            data[start] = int(random.choice(list(b"0192-.eN")))
            start += 1


MUTATIONS = (
    _flip_bits, _cut, _insert, _remove, _swap, _overwrite, _edit_header, _edit_header,
    _edit_header, _edit_text,
)  # fmt: skip


def mutant(case: int) -> tuple[str, bytes]:
    """Return the suffix and the content of the damaged file with a number."""
    random = np.random.default_rng(case)
    if random.random() < 0.15:
        suffix = ".csv"
        content = TABLES[str(random.choice(list(TABLES)))].encode()
    elif random.random() < 0.3:
        form = str(random.choice(list(OTHERS)))
        suffix, content = OTHERS[form][0], _sound(form)
    else:
        suffix = ".tif"
        content = _sound(str(random.choice(list(FORMS))))
    data = bytearray(content)
    for _ in range(int(random.choice([1, 1, 2, 3]))):
        if data:
            MUTATIONS[int(random.integers(0, len(MUTATIONS)))](data, random)
    return suffix, bytes(data)


TEXTS = (
    "slice", "z", "x", "_", "-", "--", "+", ".", ",", "p", "=", " ", "(1)", " - Copy", "copy", "nm",
    "um", "µm", "mm", "e-08m", "[1]", "*", "?", "\u0301", "ö", "ch", "kV", "~", "", "",
)  # fmt: skip
NUMBERS = (
    "0", "00", "1", "9", "10", "007", "0.5", "1.10", "1.5", "-5", "-1", "5", "05", "15", "3p5",
    "99999999999999999999999", "\u0661", "2024-01-05", "10.33.12", "900nm", "1um", "1.2um", "2,5",
)  # fmt: skip
"""What names of files are put together from."""


def names(random: Random) -> list[str]:
    """Return names of files that share their texts, but for a few, and differ in their numbers."""
    head, middle, tail = ("".join(random.choice(TEXTS, 2)) for _ in range(3))
    found = set()
    for _ in range(int(random.integers(2, 12))):
        first, second = random.choice(NUMBERS, 2)
        second = second if len(head) % 2 else ""
        odd = str(random.choice(TEXTS)) if random.random() < 0.05 else ""
        suffix = ".tiff" if random.random() < 0.02 else ".tif"
        found.add(f"{head}{first}{middle}{second}{tail}{odd}{suffix}")
    return sorted(found)


def judge_names(random: Random) -> str:
    """Put files in order by their names."""
    with tempfile.TemporaryDirectory() as folder:
        made = [Path(folder, name) for name in names(random)]
        for path in made:
            path.write_bytes(b"x")
        files = find_slices(".", Path(folder), (".tif", ".tiff")).files
        shown = [path for path in made if not path.name.startswith(".")]
        assert sorted(files) == sorted(shown), "files are missing, or come twice"
        return f"{len(files)} names"


def judge(case: int) -> str:
    """Read the file with a number: alone, or as one slice among others; or order names."""
    if case % 10 == 0:
        return judge_names(np.random.default_rng(case))
    suffix, content = mutant(case)
    random = np.random.default_rng([case, 1])
    labels = bool(random.random() < 0.3)
    given = {"as": "labels"} if labels else {"kv": 2.0}
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        source = f"s{suffix}"
        (base / source).write_bytes(content)
        if suffix in (".png", ".jpg") or (suffix == ".tif" and random.random() < 0.2):
            for number in (1, 2):
                path = base / f"s{number}{suffix}"
                if suffix == ".tif":
                    tifffile.imwrite(path, _grey()[number])
                else:
                    path.write_bytes(content)
            (base / source).rename(base / f"s3{suffix}")
            source = "."
        params = reader_of(source, base)
        values = {"voxel_size_nm": 5.0, **given} if params.stacks_files else {}
        if params.stacks_files and random.random() < 0.3:
            del values["voxel_size_nm"]
        found = params.model_validate(values).open(source, base)
        params.content_hash(found.files)
        artefact = found.read(Context(scratch=base / "scratch", log=QUIET))
        if isinstance(artefact, Table):
            return f"a table of {len(artefact)} rows"
        assert found.forecast.output == artefact.spec, "what was forecast is not what was read"
        assert artefact.data.nbytes <= 100_000 * len(content), "more than the bytes can hold"
        return f"a volume of {artefact.shape}"


def check(count: int, seed: int, workers: int = 2) -> list[Outcome]:
    """Judge `count` cases, in a row from one that the seed names."""
    return run_cases(judge, range(seed * 1_000_000, seed * 1_000_000 + count), workers=workers)


if __name__ == "__main__":
    sys.exit(run_from_command_line(check, __doc__, "files"))
