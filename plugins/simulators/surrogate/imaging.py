"""Application of a surrogate to a structure: windows of slices, slab after slab."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
import torch

from fib_plugins.simulators.surrogate.forecasts import SLAB
from fib_plugins.simulators.surrogate.geometry import Geometry
from fib_plugins.simulators.surrogate.network import SurrogateNetwork
from fib_plugins.simulators.surrogate.planes import Planes, Surroundings, batch_of
from fib_plugins.training.ordered_work import in_order
from fib_plugins.training.runtime import fabric_on, items_at_once
from fibcore import Context

BYTES_PER_FEATURE = 24
"""Memory of a pixel and feature of the network, for all levels and copies."""
GPU_WINDOW = 1024
GPU_WORKERS = 3
"""Windows in work at a time on a GPU: one is cut, one computed, one copied back."""

Box = tuple[tuple[int, int], ...]


def slabs_between(first: int, stop: int) -> list[range]:
    """Return the slices from the first on in slabs, the last of which may have fewer."""
    return [range(z, min(z + SLAB, stop)) for z in range(first, stop, SLAB)]


class Imaging:
    """A surrogate that images a structure.

    Args:
        geometry: the pyramid.
        network: the network.
        structure: the structure.
        media: number of media.
        outputs: numbers of the wanted outputs of the network.
        window: edge of windows on the CPU, pixels.
        context: surroundings of the step.
    """

    def __init__(
        self,
        geometry: Geometry,
        network: SurrogateNetwork,
        structure: Surroundings,
        media: int,
        outputs: list[int],
        window: int,
        context: Context,
    ) -> None:
        self._geometry, self._structure, self._media = geometry, structure, media
        self._context = context
        self._outputs = outputs
        self._device = torch.device("cpu")
        self._module: torch.nn.Module = network.eval()
        if context.device != "cpu":  # Fabric takes 180 MB, and changes nothing on the CPU
            fabric = fabric_on(context.device, "auto")
            self._device = fabric.device
            self._module = fabric.setup_module(network)
        self._workers = context.threads if self._device.type == "cpu" else GPU_WORKERS
        self._window = window if self._device.type == "cpu" else max(window, GPU_WINDOW)
        self._features = network.last.in_features
        self._buffer: np.ndarray | None = None

    def slabs(self, box: Box) -> Iterator[tuple[int, np.ndarray]]:
        """Yield (first slice, result) slab by slab; a result has axes (output, slice, y, x).

        The array of a result is used again for the next one.
        Windows lie on a grid of the structure, so that a pixel depends on no other choice.

        Args:
            box: range of voxels to image along z, y, x.
        """
        (z0, z1), *sides = box
        tiles = [
            (rows, columns) for rows, columns in product(*(self._windows(*side) for side in sides))
        ]
        slabs = slabs_between(z0, z1)
        jobs = [(slab.start, *tile) for slab in slabs for tile in tiles]
        found = in_order(
            lambda job: self._image(*jobs[job], z1, sides), range(len(jobs)), self._workers, 1
        )
        height, width = (stop - start for start, stop in sides)
        for z in (slab.start for slab in slabs):
            slab: np.ndarray | None = None
            for _ in tiles:
                (y, x), part = next(found)
                if self._buffer is None or self._buffer.shape[2:] != (height, width):
                    shape = (len(part), SLAB, height, width)
                    self._buffer = self._context.empty("slab", shape, np.float32)
                if slab is None:
                    slab = np.asarray(self._buffer[:, : part.shape[1]])
                slab[:, :, y : y + part.shape[2], x : x + part.shape[3]] = part
            assert slab is not None
            yield z, slab

    def _windows(self, start: int, stop: int) -> list[tuple[int, int]]:
        """Return the windows that hold pixels start to stop, on the grid of all windows."""
        edge = self._edge
        return [(low, low + edge) for low in range(start // edge * edge, stop, edge)]

    @property
    def _edge(self) -> int:
        grain = max(self._geometry.grain)
        longest = max(self._structure.shape[1:])
        return max(grain, min(self._window, -(-longest // grain) * grain) // grain * grain)

    def _image(
        self,
        z: int,
        rows: tuple[int, int],
        columns: tuple[int, int],
        last: int,
        sides: list[tuple[int, int]],
    ) -> tuple[tuple[int, int], np.ndarray]:
        """Return the place of a window in the result, and the part of it that is wanted."""
        rows, columns = (
            (low, min(high, -(-stop // grain) * grain))
            for (low, high), (_, stop), grain in zip(
                (rows, columns), sides, self._geometry.grain, strict=True
            )
        )
        count = min(SLAB, last - z)
        y, x = self._geometry.margin
        media = self._structure.cut(
            (z, z + count + self._geometry.depth - 1),
            (rows[0] - y, rows[1] + y),
            (columns[0] - x, columns[1] + x),
        )
        pixels = (rows[1] - rows[0]) * (columns[1] - columns[0])
        at_once = 1  # on the CPU more are no faster
        if self._device.type != "cpu":
            each = BYTES_PER_FEATURE * self._features * pixels
            at_once = items_at_once(self._device, each, SLAB)
        found = []
        with torch.inference_mode():
            planes = Planes(
                self._geometry,
                torch.from_numpy(media).to(self._device),
                self._media,
                margins=True,
            )
            for start in range(0, count, at_once):
                some = range(start, min(start + at_once, count))
                result = self._module(batch_of([planes.at(own) for own in some]), repeats=False)
                found.append(result[:, self._outputs].float().cpu())
        result = torch.cat(found).numpy().swapaxes(0, 1)
        cut = [
            slice(max(start, low) - low, min(stop, high) - low)
            for (low, high), (start, stop) in zip((rows, columns), sides, strict=True)
        ]
        place = (
            max(sides[0][0], rows[0]) - sides[0][0],
            max(sides[1][0], columns[0]) - sides[1][0],
        )
        return place, result[:, :, cut[0], cut[1]]
