"""Slabs of one structure, imaged by `simulator/surrogate`, here or by the workers of a cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.special import expit

from fib_plugins.electrons.finished_slices import Deposits
from fib_plugins.simulators.surrogate.imaging import Box, Imaging, slabs_between
from fib_plugins.simulators.surrogate.planes import Surroundings
from fib_plugins.simulators.surrogate.signals import are_secondary, counted
from fib_plugins.threads import in_threads
from fib_plugins.training.runtime import cpu_threads
from fibcore import Context

if TYPE_CHECKING:
    from fib_plugins.simulators.surrogate.network import SurrogateNetwork
    from fib_plugins.simulators.surrogate.parameters import SurrogateParameters


class Slab(NamedTuple):
    """Images of some slices.

    Attributes:
        first: the first slice, counted from the first of the structure.
        slices: their number.
        predicted: expected yields at the pixels of the referee in these slices, (channel, pixel).
        images: yields, axes (channel, slice, y, x).
        depths: mean depths in nm, axes as above; None if they are not wanted.
    """

    first: int
    slices: int
    predicted: np.ndarray
    images: np.ndarray
    depths: np.ndarray | None

    def planes(self) -> Iterator[tuple[int, int, dict[str, np.ndarray]]]:
        """Yield channel, slice and the planes of each image; axes (y, x)."""
        for channel, own in product(range(len(self.images)), range(self.slices)):
            planes = {"images": self.images[channel, own]}
            if self.depths is not None:
                planes["depth"] = self.depths[channel, own]
            yield channel, self.first + own, planes


@dataclass
class ImagingOfSlabs:
    """Images slabs of one structure. It can be pickled, for the workers of a cluster.

    Attributes:
        params: the parameters.
        network: the network.
        channels: numbers of the network's outputs that are wanted.
        around: the structure.
        count: number of media of the network.
        depth_scale_nm: typical depth of each wanted channel.
        structure: digest of the structure, which its noise depends on.
        pixels: those at which the referee wants expected yields, (pixel, 3): z, y, x.
        context: surroundings of the step.
        deposits: where slices are left that are imaged one slab at a time.
        spread: of each channel that counts secondary electrons, else None.
    """

    params: SurrogateParameters
    network: SurrogateNetwork
    channels: list[int]
    around: Surroundings
    count: int
    depth_scale_nm: np.ndarray
    structure: str
    pixels: np.ndarray
    context: Context
    deposits: Deposits
    spread: Sequence[float | None]

    def __post_init__(self) -> None:
        self._box: Box = self.params.box(self.around.shape)
        self._made: Imaging | None = None

    def __getstate__(self) -> dict[str, Any]:
        context = self.context
        surroundings = (context.seed, context.device_asked, context.threads)
        return {**self.__dict__, "_made": None, "context": surroundings}

    def __setstate__(self, state: dict[str, Any]) -> None:
        seed, device, threads = state["context"]
        context = Context(seed, device=device, threads=threads)
        self.__dict__.update(state, context=context)

    def __call__(self, z: int) -> np.ndarray:
        """Image and deposit the slab from slice `z` on; return its `Slab.predicted`."""
        with cpu_threads(1):
            (found,) = self.slabs(z, only=True)
        (z0, _), *_ = self._box
        for channel, own, planes in found.planes():
            self.deposits.put(channel, own - z0, planes)
        return found.predicted

    def slabs(self, z: int, *, only: bool = False) -> Iterator[Slab]:
        """Yield the slabs from slice `z` on, or only the first of them.

        Their arrays are used again for the next one. Call it within ``cpu_threads(1)``: windows
        are imaged in threads.
        """
        (_, z1), *sides = self._box
        if only:
            z1 = slabs_between(z, z1)[0].stop
        for first, slab in self._imaging().slabs(((z, z1), *sides)):
            yield self._finished(first, slab)

    def pixels_in(self, first: int, count: int) -> np.ndarray:
        """Return the numbers of the pixels of the referee in some slices."""
        z = self.pixels[:, 0]
        return np.flatnonzero((z >= first) & (z < first + count))

    def _imaging(self) -> Imaging:
        if self._made is None:
            wanted = list(self.channels)
            if self.params.mean_depth:
                depths = self.network.last.out_features // 2
                wanted += [depths + channel for channel in self.channels]
            self._made = Imaging(
                self.network.geometry,
                self.network,
                self.around,
                self.count,
                wanted,
                self.params.window,
                self.context,
            )
        return self._made

    def _finished(self, first: int, slab: np.ndarray) -> Slab:
        """Return the images that outputs of the network, axes (output, slice, y, x), give."""
        channels, count = len(self.channels), slab.shape[1]
        yields = slab[:channels]
        for image, secondary in zip(yields, are_secondary(self.params.channels), strict=True):
            if secondary:
                np.logaddexp(np.float32(0.0), image, out=image)
            else:
                expit(image, out=image)
        _, (y0, _), (x0, _) = self._box
        own = self.pixels[self.pixels_in(first, count)] - [first, y0, x0]
        predicted = yields[:, own[:, 0], own[:, 1], own[:, 2]]
        depths = None
        if self.params.mean_depth:
            softplus = np.logaddexp(np.float32(0.0), slab[channels:])
            depths = softplus * self.depth_scale_nm[:, None, None, None]
        places = list(product(range(channels), range(count)))
        in_threads(partial(self._count, yields, first), places, self.context.threads)
        return Slab(first, count, predicted, yields, depths)

    def _count(self, yields: np.ndarray, z: int, place: tuple[int, int]) -> None:
        """Replace an image of a slab by one with the counting noise of its electrons.

        Args:
            yields: the slab, (channel, slice, y, x).
            z: its first slice.
            place: channel and slice of the image.
        """
        image, electrons = yields[place], self.params.electrons_per_pixel
        if electrons is None:
            return
        channel, own = place
        energy = repr(self.params.kv[channel])
        rng = self.context.rng_for("counts", channel, energy, z + own, self.structure)
        yields[place] = counted(image, electrons, self.spread[channel], rng)
