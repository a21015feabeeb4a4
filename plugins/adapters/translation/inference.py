"""Translation of whole stacks: slice by slice, in tiles that do not show.

No layer of the generators looks further than `reach` pixels, and none depends on statistics of
what is shown at a time. So a tile with a margin of `reach` gives the very pixels that the whole
slice would give (to the rounding of floating-point numbers), whatever the tile size; and slices
keep the grey scale of the stack, however much solid they hold. Noise is drawn for whole slices.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from fib_plugins.adapters.translation.generators import Generator, Translation
from fib_plugins.adapters.translation.grey_range import GreyRange
from fib_plugins.adapters.translation.normalization import take_statistics
from fib_plugins.adapters.translation.parameters import MOST_WORKERS
from fib_plugins.adapters.translation.patches import Patches, as_tensor
from fib_plugins.training.in_order import in_order
from fib_plugins.training.runtime import cpu_threads, fabric_on
from fibcore import Context, Images

if TYPE_CHECKING:
    from fib_plugins.adapters.translation.parameters import TranslationParameters

STATISTICS_PATCHES = 64
"""Patches that instance normalisation takes its statistics from."""


def translated(
    params: TranslationParameters,
    generator: Generator,
    images: Images,
    grey_range: GreyRange,
    context: Context,
    slices: Sequence[int] | None = None,
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (z, translated slice) in order, slices as scaled float32 in axes (channel, y, x).

    Args:
        params: the adapter.
        generator: the network that translates; left in evaluation mode.
        images: the stack to be translated.
        grey_range: what becomes -1 to 1 of it.
        context: device, threads, and the seed of the noise.
        slices: which ones; default: all.
    """
    fabric = fabric_on(context.device, "bf16" if params.fast else "32")
    module = fabric.setup_module(generator)
    multiple = generator.multiple
    edge = min(params.patch, *(length // multiple * multiple for length in images.shape[1:]))
    patches = Patches(images, grey_range, images.shape[0], edge, 1.0)
    with cpu_threads(1):
        take_statistics(module, _statistics_patches(patches, fabric.device))

    def work(z: int) -> tuple[int, np.ndarray]:
        plane = grey_range.scaled(images.data[:, z])
        with torch.inference_mode():
            mean, deviation = _in_tiles(module, generator, plane, params.tile, fabric.device)
        if deviation is not None:
            noise = context.rng_for("noise", z).standard_normal(mean.shape, dtype=np.float32)
            mean += deviation * noise
        return z, mean

    # On the CPU one slice per core, each computed by one thread: faster than all threads on one
    # slice, and the last bits do not depend on their number.
    workers = min(context.threads, MOST_WORKERS) if context.device == "cpu" else 1
    wanted = range(images.shape[0]) if slices is None else slices
    with cpu_threads(1):
        yield from in_order(work, wanted, workers, 1)


def _statistics_patches(patches: Patches, device: torch.device) -> Iterator[torch.Tensor]:
    corners = patches.grid()
    chosen = np.linspace(0, len(corners) - 1, min(STATISTICS_PATCHES, len(corners)))
    for number in chosen.round().astype(int):
        yield as_tensor(patches.cut(corners[number : number + 1]), device)


def _in_tiles(
    module: torch.nn.Module,
    generator: Generator,
    plane: np.ndarray,
    tile: int,
    device: torch.device,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return mean and deviation of the noise of one slice, float32 in axes (channel, y, x)."""
    multiple = generator.multiple
    height, width = plane.shape[1:]
    # Mirrored, not zero: the network knows mirrored edges from its own padding.
    padding = [(0, 0), (0, -height % multiple), (0, -width % multiple)]
    padded = np.pad(plane, padding, mode="reflect")
    margin = -(-generator.reach // multiple) * multiple
    step = max(multiple, tile // multiple * multiple)
    mean = np.empty_like(padded)
    deviation = np.empty_like(padded) if generator.added is not None else None
    for rows in _tiles(padded.shape[1], step, margin):
        for columns in _tiles(padded.shape[2], step, margin):
            shown = padded[np.newaxis, :, rows.shown, columns.shown]
            made: Translation = module(as_tensor(shown, device))
            here = np.s_[:, rows.own, columns.own]
            inner = np.s_[0, :, rows.inner, columns.inner]
            mean[here] = made.mean[inner].cpu().numpy()
            if deviation is not None:
                assert made.deviation is not None
                deviation[here] = made.deviation[inner].cpu().numpy()
    box = np.s_[:, :height, :width]
    return mean[box], None if deviation is None else deviation[box]


class _Span:
    """A stretch of an axis: what a tile is responsible for, and what it is shown beside it."""

    def __init__(self, start: int, stop: int, margin: int, length: int) -> None:
        begin, end = max(0, start - margin), min(length, stop + margin)
        self.own = slice(start, stop)
        self.shown = slice(begin, end)
        self.inner = slice(start - begin, stop - begin)


def _tiles(length: int, step: int, margin: int) -> list[_Span]:
    return [
        _Span(start, min(start + step, length), margin, length) for start in range(0, length, step)
    ]
