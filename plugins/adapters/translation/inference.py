"""Translation of whole stacks: slice by slice, in tiles without visible borders.

No layer of the generators looks further than `reach` pixels, and none depends on statistics of
its input. A tile with a margin of `reach` therefore gives the same pixels as the whole slice (up to
floating-point rounding) at any tile size, and slices keep the grey scale of the stack at any solid
fraction. Noise is drawn for whole slices.

On a GPU the tiles at the same place of several slices go through the network together. Meanwhile
other threads read slices and finish the previous ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from fib_plugins.adapters.translation.generators import Generator, Translation
from fib_plugins.adapters.translation.grey_range import GreyRange
from fib_plugins.adapters.translation.normalization import take_statistics
from fib_plugins.adapters.translation.parameters import INFERENCE_BYTES, MOST_WORKERS
from fib_plugins.adapters.translation.patches import Patches, as_tensor
from fib_plugins.training.ordered_work import in_order
from fib_plugins.training.prefetch import to_device, to_host
from fib_plugins.training.runtime import cpu_threads, fabric_on, items_at_once
from fibcore import Context, Images

if TYPE_CHECKING:
    from fib_plugins.adapters.translation.parameters import TranslationParameters

STATISTICS_PATCHES = 64
"""Number of patches for the statistics of instance normalisation."""
PIXELS_AT_ONCE = 2**21
"""Pixels of the slices that a GPU translates together: 8 of 512 x 512 are enough to fill it."""


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
        grey_range: its grey values that become -1 to 1.
        context: device, threads, and the seed of the noise.
        slices: the slices to translate; default: all.
    """
    fabric = fabric_on(context.device, "bf16" if params.fast else "32")
    device = fabric.device
    module = fabric.setup_module(generator)
    multiple = generator.multiple
    edge = min(params.patch, *(length // multiple * multiple for length in images.shape[1:]))
    patches = Patches(images, grey_range, images.shape[0], edge, 1.0)
    with cpu_threads(1):
        take_statistics(module, _statistics_patches(patches, device))

    rows, columns = (_spans(length, generator, params.tile) for length in images.shape[1:])
    # One batch per worker, each with one thread. On the CPU, where a batch is one slice, that is
    # faster than all threads on one slice, and the last bits do not depend on their number.
    workers = min(context.threads, MOST_WORKERS) if device.type in ("cpu", "cuda") else 1
    tile_bytes = INFERENCE_BYTES * params.base_channels * _longest(rows) * _longest(columns)
    most = max(1, PIXELS_AT_ONCE // math.prod(images.shape[1:]))
    at_once = items_at_once(device, workers * tile_bytes, most)
    wanted = range(images.shape[0]) if slices is None else slices

    def work(first: int) -> list[tuple[int, np.ndarray]]:
        batch = wanted[first : first + at_once]
        planes = np.stack([grey_range.scaled(images.data[:, z]) for z in batch])
        with torch.inference_mode():
            made, deviations = _in_tiles(module, generator, planes, (rows, columns), device)
        if deviations is not None:
            for z, mean, deviation in zip(batch, made, deviations, strict=True):
                rng = context.rng_on(images.data[:, z], "noise", z)
                mean += deviation * rng.standard_normal(mean.shape, dtype=np.float32)
        return list(zip(batch, made, strict=True))

    with cpu_threads(1):
        for made in in_order(work, range(0, len(wanted), at_once), workers, 1):
            yield from made


def _statistics_patches(patches: Patches, device: torch.device) -> Iterator[torch.Tensor]:
    corners = patches.grid()
    chosen = np.linspace(0, len(corners) - 1, min(STATISTICS_PATCHES, len(corners)))
    for number in chosen.round().astype(int):
        yield to_device(as_tensor(patches.cut(corners[number : number + 1])), device)


class _Span:
    """A stretch of an axis: the pixels that a tile yields, and its margins."""

    def __init__(self, start: int, stop: int, margin: int, length: int) -> None:
        begin, end = max(0, start - margin), min(length, stop + margin)
        self.own = slice(start, stop)
        self.shown = slice(begin, end)
        self.inner = slice(start - begin, stop - begin)


def _spans(length: int, generator: Generator, tile: int) -> list[_Span]:
    """Return the tiles of an axis of so many pixels, padded as the network needs it."""
    multiple = generator.multiple
    padded = length + -length % multiple
    margin = -(-generator.reach // multiple) * multiple
    step = max(multiple, tile // multiple * multiple)
    return [
        _Span(start, min(start + step, padded), margin, padded) for start in range(0, padded, step)
    ]


def _longest(spans: Sequence[_Span]) -> int:
    return max(span.shown.stop - span.shown.start for span in spans)


def _in_tiles(
    module: torch.nn.Module,
    generator: Generator,
    planes: np.ndarray,
    tiles: tuple[Sequence[_Span], Sequence[_Span]],
    device: torch.device,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return means and deviations of the noise of slices.

    Args:
        module: the network as Fabric runs it.
        generator: the network.
        planes: slices, scaled float32 in axes (slice, channel, y, x), like both results.
        tiles: spans of rows, and of columns.
        device: where the network is.
    """
    height, width = planes.shape[2:]
    # Mirrored, not zero: the network knows mirrored edges from its own padding.
    padding = [(0, 0), (0, 0), *((0, -length % generator.multiple) for length in (height, width))]
    padded = np.pad(planes, padding, mode="reflect")
    mean = np.empty_like(padded)
    deviation = np.empty_like(padded) if generator.added is not None else None
    for rows in tiles[0]:
        for columns in tiles[1]:
            shown = as_tensor(padded[:, :, rows.shown, columns.shown])
            made: Translation = module(to_device(shown, device))
            here = np.s_[:, :, rows.own, columns.own]
            inner = np.s_[:, :, rows.inner, columns.inner]
            mean[here] = to_host(made.mean[inner]).numpy()
            if deviation is not None:
                assert made.deviation is not None
                deviation[here] = to_host(made.deviation[inner]).numpy()
    box = np.s_[:, :, :height, :width]
    return mean[box], None if deviation is None else deviation[box]
