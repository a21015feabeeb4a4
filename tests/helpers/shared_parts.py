"""Parts of a step as other processes do them, without other processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from fib_plugins.pickling import pack, unpack


def sent(work: Any, folder: Path) -> Any:
    """Return the work as a worker has it."""
    return unpack(pack(work, folder))


class Backwards:
    """Shares parts like a cluster: they are done by pickled work, the last one first.

    Attributes:
        count: number of parts so far.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.count = folder, 0

    def __call__(self, work: Any, items: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
        there = sent(work, self.folder)
        for item in items[::-1]:
            self.count += 1
            yield item, there(item)
