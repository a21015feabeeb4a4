"""The pairs of a source for the epochs of a training, made while the epoch before runs."""

from __future__ import annotations

import logging
import pickle
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from fib_plugins.channels import shown
from fib_plugins.pickling import pack, unpack
from fib_plugins.training.beside import Beside, CannotServeError
from fibcore import Context, FibError, Forecast, Images, Labels, Source

if TYPE_CHECKING:  # not at run time: the process beside the training needs no torch
    from fib_plugins.training.team import Team

PROCESS_BYTES = 150 * 2**20
"""Memory of the process beside the training: Python, NumPy, SciPy and Numba, without any pair."""
NOTABLE_WAIT = 0.2
"""Share of a training's time above which it is logged that the training waits for pairs."""

Pair = tuple[Images, Labels]
Item = tuple[str, int]
"""Purpose and number of a pair."""


@dataclass(frozen=True)
class _Maker:
    """Makes pairs, in this process or in the one beside it."""

    source: Source
    seed: int
    device: str
    threads: int

    def __call__(self, item: Item, folder: Path) -> Pair:
        """Return a pair; `folder` is for temporary files."""
        context = Context(
            self.seed,
            device=self.device,
            threads=self.threads,
            scratch=folder,
            # Warnings that concern all pairs are those of the step that draws the example.
            log=logging.Logger("fib.source", logging.CRITICAL),
        )
        return self.source.pair(*item, context)


class Pairs:
    """Pairs of a source, which the first process of a team makes for all of its processes.

    With more than one thread a process beside the training makes them, those of the next epoch
    while this one runs. A pair is the same wherever it is made.

    Args:
        source: the source.
        context: surroundings of the training.
        team: the processes that train, each of which makes the same calls.
    """

    def __init__(self, source: Source, context: Context, team: Team) -> None:
        self.source, self.context, self.team = source, context, team
        self._maker = _Maker(source, context.seed, context.device_asked, context.threads)
        self._folder = context.scratch / "pairs"
        self._beside: Beside | None = None
        self._first: Pair | None = None
        self._began, self._waited = time.monotonic(), 0.0
        if team.rank == 0:
            shutil.rmtree(self._folder, ignore_errors=True)
            if context.threads > 1:
                try:
                    self._beside = Beside(self._maker, self._folder / "beside")
                except (pickle.PicklingError, AttributeError, TypeError, OSError) as error:
                    self._not_beside(error)

    def fixed(self, count: int) -> list[Pair]:
        """Return so many pairs that no epoch trains on; raises the errors of `of_epoch`."""
        return list(self._take([("validation", number) for number in range(count)]))

    def of_epoch(self, epoch: int, last: int) -> Iterator[Pair]:
        """Yield the pairs of an epoch, from 1; then start making those of the next.

        Large arrays are files, which are deleted with the next call. Open ones stay usable.

        Args:
            epoch: the epoch.
            last: the last epoch, after which none are made.

        Raises:
            FibError: an error of the source, or a pair unlike the others.
        """
        yield from self._take(self._items(epoch))
        if epoch < last:
            self._request(self._items(epoch + 1))

    def _items(self, epoch: int) -> list[Item]:
        count = self.source.pairs_per_epoch
        return [("training", number) for number in range((epoch - 1) * count, epoch * count)]

    def _request(self, items: list[Item]) -> None:
        if self._beside is not None:
            for item in items:
                self._beside.request(item)

    def _take(self, items: list[Item]) -> Iterator[Pair]:
        self._delete()
        self._request(items)
        began = time.monotonic()
        for item in self.context.track(items, "training pairs made"):
            pair = unpack(self.team.by_first(partial(self._packed, item)))
            self._check(pair, item)
            yield pair
        seconds = time.monotonic() - began
        if items[0] == ("training", 0):
            self.context.log.info(
                "the %d pairs of an epoch take about %.1f s to make", len(items), seconds
            )
        else:
            self._waited += seconds

    def end(self) -> None:
        """Stop making pairs, and delete files."""
        share = self._waited / (time.monotonic() - self._began)
        if share > NOTABLE_WAIT:
            self.context.log.info(
                "%.0f %% of the time the training waited for pairs: with fewer pairs_per_epoch or "
                "more patches in an epoch it waits less",
                100 * share,
            )
        if self._beside is not None:
            self._beside.end()
        if self.team.rank == 0:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _packed(self, item: Item) -> bytes:
        if self._beside is not None:
            try:
                return self._beside.result(item)
            except CannotServeError as error:
                self._beside.end()
                self._beside = None
                self._not_beside(error)
        folder = self._folder / "-".join(map(str, item))
        folder.mkdir(parents=True)
        return pack(self._maker(item, folder), folder)

    def _delete(self) -> None:
        if self._beside is not None:
            self._beside.delete_results()
        elif self.team.rank == 0:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _not_beside(self, error: Exception) -> None:
        self.context.log.info(
            "training pairs are made between epochs, since another process cannot make them (%s)",
            error,
        )

    def _check(self, pair: Pair, item: Item) -> None:
        """Refuse a pair whose images and labels do not fit, or that is unlike the first one."""
        self._first = self._first or pair
        (images, labels), first = pair, self._first
        facts = [
            ("images of shape", images.shape, first[0].shape),
            ("labels of shape", labels.shape, first[0].shape),
            ("images of", shown(images.channels), shown(first[0].channels)),
            ("labels with the phases", sorted(labels.phases), sorted(first[1].phases)),
        ]
        for what, found, wanted in facts:
            if found != wanted:
                purpose, number = item
                raise FibError(
                    f"{self.source.identifier()} made {what} {found} as {purpose} pair {number}, "
                    f"not {wanted} as before: all pairs of a source must be alike"
                )


def memory_to_make(pair: Forecast) -> int:
    """Return the memory to make pairs during a training, given the forecast of one."""
    return pair.memory_bytes + PROCESS_BYTES


@contextmanager
def pairs_of(source: Source, context: Context, team: Team) -> Iterator[Pairs]:
    """Give a block the pairs of a source; stop making them at its end."""
    pairs = Pairs(source, context, team)
    try:
        yield pairs
    finally:
        pairs.end()
