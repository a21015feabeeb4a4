"""The base of readers of volumes; a format implements the reading of headers and planes."""

from __future__ import annotations

import hashlib
import math
from abc import abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np

from fib_plugins.readers.slices.known_hashes import hashes_of
from fib_plugins.readers.slices.named import find
from fib_plugins.readers.slices.order import Order
from fib_plugins.readers.slices.sources import find_slices
from fib_plugins.readers.stacks.header import Header
from fib_plugins.readers.stacks.load import load_stack
from fib_plugins.readers.stacks.params import StackParams
from fib_plugins.readers.stacks.planes import Plane
from fib_plugins.readers.stacks.stack import Stack, open_stack
from fibcore.context import held_bytes
from fibcore.errors import FibError
from fibcore.plugin import Forecast
from fibcore.reader import Opened
from fibcore.roles import Abscissa, Curve, Key
from fibcore.tables import Table


def _tables(stack: Stack) -> dict[str, Table]:
    """Return the tables of what names and tags contain; the key of a step depends on them."""
    tables = {"positions": _positions(stack)} if stack.positions_nm else {}
    if stack.detectors_of_tags:
        channels = [(str(i), *channel) for i, channel in enumerate(stack.spec.channels)]
        tables["channels"] = Table.from_rows(
            [
                {"channel": number, "kv": math.nan if kv is None else kv, "detector": name or ""}
                for number, kv, name in channels
            ],
            {"channel": Key()},
        )
    return tables


def _positions(stack: Stack) -> Table:
    """Return the positions along z that the names of slices contain."""
    nm = np.array(stack.positions_nm)
    columns = {"slice": np.arange(len(nm)), "position_nm": nm}
    return Table(columns, {"slice": Abscissa(), "position_nm": Curve()})


class StackReader(StackParams):
    """Base of readers of volumes: a file with all planes, or one file for each slice.

    The reader of a format implements `header`, and `planes` unless all headers have an `offset`.
    All else is the same for all formats: finding and ordering files, determining voxel size and
    voltage, comparing slices, numbering labels, checking images.
    """

    @abstractmethod
    def header(self, path: Path, *, one_slice: bool = False) -> Header:
        """Return the header of a file, without reading its voxels.

        Args:
            path: the file, which exists and is a regular file.
            one_slice: whether it is one of several files, with a single plane.

        Raises:
            FibError: the file is damaged, truncated, or declares more than it can hold; its values
                are not grey values; or it has several planes instead of one.
        """

    def planes(self, header: Header) -> AbstractContextManager[Plane]:
        """Return a context manager with a function that decodes one plane, as stored.

        The function is called by one thread, with increasing z, for headers without an `offset`.

        Raises:
            FibError: a plane cannot be decoded; also raised within the context.
        """
        raise FibError(
            f"{header.path}: {type(self).identifier()} gives no offset of its voxels, and has no "
            f"method planes that decodes them: report it to the author of the reader"
        )

    def find(self, source: str | Path, base: Path) -> Order:
        """Return the files of a source, in the order of the stack; see `find_slices`.

        Raises:
            FibError: nothing is found, or the names do not belong to one stack.
        """
        return find_slices(source, base, self.suffixes)

    def open(self, source: str | Path, base: Path = Path(), *, trusted: bool = False) -> Opened:
        """Return the spec of a volume, from file headers only.

        Voxel size and accelerating voltage come from the parameters, else from fib's own metadata,
        else from the tags of the format. Voxels that are contiguous, uncompressed and in the
        machine's byte order are memory-mapped, read-only; others are decoded plane by plane. The
        forecast of memory is 0 for a memory-mapped file. If the names of slices contain positions
        in a unit of length, these are the table ``positions`` with the columns slice, position_nm.
        If tags name detectors other than ``bse``, the table ``channels`` has the columns channel,
        kv, detector.

        Args:
            source: a file, a folder of slices or a glob.
            base: folder that a relative source starts from.
            trusted: the files were written by fib: skip the checks of all voxels.

        Raises:
            FibError: the source cannot be read, or lacks metadata. When voxels are read, also:
                images are constant or have NaN, labels are not phases.
        """
        stack = open_stack(source, self, base, self.header, self.find(source, base))
        memory = 0 if stack.mapped else held_bytes(stack.spec.nbytes)
        return Opened(
            stack.spec.type,
            [file for header in stack.headers for file in header.files or (header.path,)],
            lambda context: load_stack(stack, self.planes, context, trusted=trusted),
            Forecast(
                stack.spec,
                memory_bytes=memory,
                warnings=stack.warnings,
                referenced=stack.mapped,
            ),
            tables=_tables(stack),
        )

    @classmethod
    def matches(cls, source: str | Path, base: Path) -> int:
        """Return the number of files of the format in a folder or a glob.

        Raises:
            FibError: there are no files.
        """
        return sum(file.name.lower().endswith(cls.suffixes) for file in find(source, base).files)

    @classmethod
    def content_hash(cls, files: Sequence[Path]) -> str:
        """Return the SHA-256 over the SHA-256 of each file; names do not matter."""
        return hashlib.sha256(b"".join(hashes_of(files))).hexdigest()
