"""Readers of file formats, the seventh kind of plugins."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from fibcore.artefacts import Artefact
from fibcore.context import Context
from fibcore.errors import FibError
from fibcore.files import hash_files
from fibcore.models import Model
from fibcore.plugin import Forecast, Plugin
from fibcore.tables import Table


@dataclass(frozen=True)
class Opened:
    """Opened files: their content is known, but voxels are not read yet.

    Attributes:
        type: type of the artefact that `read` returns: `Labels`, `Images`, `Table` or `Model`.
        files: all files that are read, in order; the key of a load step depends on them.
        read: function that reads the files; raises `FibError` if their content cannot be used.
        forecast: for a volume, its spec and the memory needed to read it; warnings.
        model: the model, if the files hold one.
        tables: name -> table of what else is known of the files, which a load step keeps, such as
            ``positions`` of slices in their names; they are part of its key.
    """

    type: type[Artefact]
    files: Sequence[Path]
    read: Callable[[Context], Artefact]
    forecast: Forecast = field(default_factory=Forecast)
    model: Model | None = None
    tables: Mapping[str, Table] = field(default_factory=dict)


class Reader(Plugin):
    """Reads files of one format; its parameters are those of the load step."""

    kind: ClassVar[str] = "reader"
    verb: ClassVar[str] = "load"
    main_method: ClassVar[str] = "open"

    suffixes: ClassVar[tuple[str, ...]] = ()
    """Suffixes of its files, in lower case, with the dot: ``(".tif", ".tiff")``."""
    holds: ClassVar[tuple[type[Artefact], ...]] = ()
    """Types of artefacts that its files may hold."""
    writes: ClassVar[tuple[type[Artefact], ...]] = ()
    """Types of artefacts that `write` can write."""
    stacks_files: ClassVar[bool] = False
    """Whether it can open the files of a folder or a glob as one volume."""
    key_name: ClassVar[str] = ""
    """Name of the reader in keys of load steps, instead of ``reader/name``.

    Only for formats that fib could load before readers were plugins: cached results stay valid.
    """

    @abstractmethod
    def open(self, source: str | Path, base: Path = Path(), *, trusted: bool = False) -> Opened:
        """Return the content of files, reading as little of them as possible.

        Args:
            source: a file, or (if `stacks_files`) a folder or a glob.
            base: folder that a relative source starts from.
            trusted: the files were written by fib: checks of all voxels may be left out.

        Raises:
            FibError: the files are missing, damaged or unsuitable.
        """

    @classmethod
    def matches(cls, source: str | Path, base: Path) -> int:
        """Return the number of files of the format in a folder or a glob; see `stacks_files`.

        Raises:
            FibError: there are no files.
        """
        raise NotImplementedError

    @classmethod
    def content_hash(cls, files: Sequence[Path]) -> str:
        """Return the SHA-256 of the contents of opened files; their names do not matter."""
        try:
            return hash_files(files)
        except OSError as error:
            raise FibError(f"cannot read {error.filename}: {error.strerror or error}") from error

    @classmethod
    def write(cls, artefact: Any, path: Path) -> None:
        """Write an artefact of a type in `writes`; the same artefact gives the same bytes.

        Args:
            artefact: the artefact.
            path: the file; an existing file is replaced.

        Raises:
            FibError: it cannot be written.
        """
        raise NotImplementedError

    @classmethod
    def take(cls, artefact: Any, path: Path, scratch: Path) -> None:
        """Write like `write`; .npy files of voxels in `scratch` may be moved instead of copied.

        They are moved by `fibcore.moves`, and `path` is beside `scratch`.
        """
        cls.write(artefact, path)

    @classmethod
    def class_problems(cls) -> list[str]:
        """Return the problems of the class, except its methods."""
        wrong = [s for s in cls.suffixes if not s.startswith(".") or s != s.lower() or "/" in s]
        found = []
        if not cls.suffixes or wrong:
            found.append(
                f"{cls.__name__}.suffixes is {cls.suffixes!r}; give the suffixes of its files, "
                f'in lower case and with the dot: (".mrc", ".map")'
            )
        if not cls.holds:
            found.append(
                f"{cls.__name__}.holds is empty; give the types that its files may hold: "
                f"(Labels, Images)"
            )
        for declared, method in (("stacks_files", "matches"), ("writes", "write")):
            own = getattr(cls, method).__func__ is not getattr(Reader, method).__func__
            if getattr(cls, declared) and not own:
                found.append(
                    f"{cls.__name__}.{declared} is {getattr(cls, declared)!r}, but it has no "
                    f"method {method}: define it, or leave out {declared}"
                )
        return found
