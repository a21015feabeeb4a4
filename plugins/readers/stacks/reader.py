"""The base of readers of volumes: a format says how its headers and planes are read."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

from fib_plugins.readers.slices.named import find
from fib_plugins.readers.slices.sources import file_hash
from fib_plugins.readers.stacks.header import Header
from fib_plugins.readers.stacks.load import load_stack
from fib_plugins.readers.stacks.params import StackParams
from fib_plugins.readers.stacks.planes import Plane
from fib_plugins.readers.stacks.stack import open_stack
from fibcore.context import MEMORY_MAP_ABOVE_BYTES
from fibcore.plugin import Forecast
from fibcore.reader import Opened


class StackReader(StackParams):
    """Base of readers of volumes: a file with all planes, or one file for each slice.

    A reader of a format implements `header`, and `planes` unless every header has an `offset`.
    Everything else is the same for all formats: files found and put in order, voxel size and
    voltage settled, slices compared with each other, labels numbered, images checked.
    """

    @abstractmethod
    def header(self, path: Path, *, one_slice: bool = False) -> Header:
        """Return what a file states about itself, without reading its voxels.

        Args:
            path: the file; it exists and is a regular one.
            one_slice: it is one of several files, and holds a single plane.

        Raises:
            FibError: damaged, truncated, larger than the file can hold, of a type that is no grey
                value, or several planes where one is wanted.
        """

    def planes(self, header: Header) -> AbstractContextManager[Plane]:
        """Return a context that gives a function which decodes one plane, as it is stored.

        It is called for rising z, by one thread. Only for headers without an `offset`.

        Raises:
            FibError: (from the context, too) a plane cannot be decoded.
        """
        raise NotImplementedError

    def open(self, source: str | Path, base: Path = Path(), *, trusted: bool = False) -> Opened:
        """Return the spec of a volume, from file headers alone.

        Voxel size and accelerating voltage come from the parameters, else from what fib wrote,
        else from the tags of the format. Voxels stay in the file, memory-mapped and read-only,
        where it holds them in one uncompressed run in the machine's byte order; else they are
        decoded plane by plane. The forecast of memory is 0 for a file that is memory-mapped.

        Args:
            source: a file, a folder of slices or a glob.
            base: folder that a relative source starts from.
            trusted: fib wrote the files: skip the checks that look at every voxel.

        Raises:
            FibError: the source cannot be read, or does not say enough; says what to do. On
                reading also: images that are constant or hold NaN, labels that are not phases.
        """
        stack = open_stack(source, self, base, self.header)
        memory = 0 if stack.mapped else min(stack.spec.nbytes, MEMORY_MAP_ABOVE_BYTES)
        return Opened(
            stack.spec.type,
            [header.path for header in stack.headers],
            lambda context: load_stack(stack, self.planes, context, trusted=trusted),
            Forecast(stack.spec, memory_bytes=memory, warnings=stack.warnings),
        )

    @classmethod
    def matches(cls, source: str | Path, base: Path) -> int:
        """Return how many files of the format a folder or a glob names.

        Raises:
            FibError: nothing is there.
        """
        return sum(file.name.lower().endswith(cls.suffixes) for file in find(source, base).files)

    @classmethod
    def content_hash(cls, files: Sequence[Path]) -> str:
        """Return the SHA-256 over the SHA-256 of each file's bytes; names do not matter."""
        total = hashlib.sha256()
        with ThreadPoolExecutor(min(8, len(files))) as pool:
            for digest in pool.map(file_hash, files):
                total.update(digest)
        return total.hexdigest()
