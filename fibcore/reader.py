"""The seventh kind of plugin: readers, each of one file format."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from fibcore.artefacts import Artefact
from fibcore.context import Context
from fibcore.errors import FibError
from fibcore.files import hash_files
from fibcore.models import Model
from fibcore.plugin import Forecast, Plugin


@dataclass(frozen=True)
class Opened:
    """Files that were opened: what they hold is known, its voxels are not read yet.

    Attributes:
        type: `Labels`, `Images`, `Table` or `Model`: what `read` returns.
        files: every file that is read, in order; they enter the key of a load step.
        read: reads the files; raises `FibError` where their contents cannot be used.
        forecast: for a volume, its spec and the memory that reading takes; what to warn of.
        model: the model, where the files hold one.
    """

    type: type[Artefact]
    files: Sequence[Path]
    read: Callable[[Context], Artefact]
    forecast: Forecast = field(default_factory=Forecast)
    model: Model | None = None


class Reader(Plugin):
    """Opens files of one format; its parameters are those of the load step."""

    kind: ClassVar[str] = "reader"
    verb: ClassVar[str] = "load"
    main_method: ClassVar[str] = "open"

    suffixes: ClassVar[tuple[str, ...]] = ()
    """Ends of the names of its files, in lower case, with their point: ``(".tif", ".tiff")``."""
    holds: ClassVar[tuple[type[Artefact], ...]] = ()
    """What its files may hold."""
    writes: ClassVar[tuple[type[Artefact], ...]] = ()
    """What `write` can write."""
    stacks_files: ClassVar[bool] = False
    """Whether it opens a folder or a glob of files as one volume."""
    key_name: ClassVar[str] = ""
    """What keys of load steps name instead of ``reader/name``.

    Only for the formats that fib could load before readers were plugins: their results stay valid.
    """

    @abstractmethod
    def open(self, source: str | Path, base: Path = Path(), *, trusted: bool = False) -> Opened:
        """Return what files hold, from as little of them as possible.

        Args:
            source: a file, or (where `stacks_files`) a folder or a glob.
            base: folder that a relative source starts from.
            trusted: fib wrote the files itself: checks that look at every voxel may be left out.

        Raises:
            FibError: the files are missing, damaged or unsuitable; says what to do.
        """

    @classmethod
    def matches(cls, source: str | Path, base: Path) -> int:
        """Return how many files of the format a folder or a glob names; see `stacks_files`.

        Raises:
            FibError: nothing is there.
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
            artefact: what to write.
            path: the file; one that exists is replaced.

        Raises:
            FibError: it cannot be written.
        """
        raise NotImplementedError

    @classmethod
    def class_problems(cls) -> list[str]:
        """Return what is wrong with the class beside its methods."""
        wrong = [s for s in cls.suffixes if not s.startswith(".") or s != s.lower() or "/" in s]
        found = []
        if not cls.suffixes or wrong:
            found.append(
                f"{cls.__name__}.suffixes is {cls.suffixes!r}; give the ends of the names of its "
                f'files, in lower case and with their point: (".mrc", ".map")'
            )
        if not cls.holds:
            found.append(
                f"{cls.__name__}.holds is empty; give the types that its files may hold: "
                f"(Labels, Images)"
            )
        return found
