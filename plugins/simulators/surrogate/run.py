"""One simulation by a surrogate: images, referee, and refinement if asked for."""

from __future__ import annotations

import copy
import hashlib
import json
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit

from fib_plugins.electrons.finished_slices import FinishedSlices
from fib_plugins.simulators.monte_carlo import digest_of
from fib_plugins.simulators.surrogate.counting import count_pixels
from fib_plugins.simulators.surrogate.given import Windows
from fib_plugins.simulators.surrogate.imaging import Box, Imaging
from fib_plugins.simulators.surrogate.planes import Surroundings
from fib_plugins.simulators.surrogate.referee import Comparison, compare, draw_pixels
from fib_plugins.simulators.surrogate.refinement import refine
from fib_plugins.simulators.surrogate.saved import save_arrays, saved_arrays
from fib_plugins.simulators.surrogate.training import Trainer
from fib_plugins.threads import in_threads
from fib_plugins.training.runtime import cpu_threads
from fib_plugins.training.weights import weights_of
from fibcore import Context, FibError, Labels

if TYPE_CHECKING:
    from fib_plugins.simulators.surrogate.network import SurrogateNetwork
    from fib_plugins.simulators.surrogate.parameters import SurrogateParameters

MOST_REFINEMENTS = 3


@dataclass
class Simulation:
    """A structure, and the surrogate that images it.

    Attributes:
        params: the parameters.
        network: the network, which a refinement changes.
        channels: numbers of the network's outputs that are wanted.
        labels: the structure.
        phases: those that occur in it, or below it.
        media: number of the medium of each phase.
        count: number of media of the network.
        depth_scale_nm: typical depth of each wanted channel; empty if the network has no depths.
        context: surroundings of the step.
    """

    params: SurrogateParameters
    network: SurrogateNetwork
    channels: list[int]
    labels: Labels
    phases: list[int]
    media: np.ndarray
    count: int
    depth_scale_nm: np.ndarray
    context: Context

    def __post_init__(self) -> None:
        self._box = self.params.box(self.labels.shape)
        self._structure = digest_of(self.labels, self.phases)
        self._around = Surroundings(self.labels, self.media, self.params.lateral, self.params.below)

    def run(self) -> tuple[FinishedSlices, Comparison | None]:
        """Return the images, and what the referee found; None without a referee.

        Raises:
            FibError: the images are wrong, and should not be.
        """
        for attempt in range(MOST_REFINEMENTS + 1):
            context = self._context_of(attempt)
            pixels = self._pixels(context)
            images, predicted = self._images(pixels)
            if not len(pixels):
                return images, None
            params = self.params
            electrons = params.referee_electrons
            counts = count_pixels(params, self.labels, self.phases, pixels, electrons, context)
            comparison = compare(params, self.labels, pixels, predicted, counts)
            if not comparison.faults:
                return images, comparison
            last = attempt == MOST_REFINEMENTS
            if params.on_failure == "refine" and not last:
                self.context.log.info("%s; the network is refined", "; ".join(comparison.faults))
                self._refine(pixels, comparison.wrong, context)
                continue
            message = (
                f"the surrogate is wrong on this structure, compared with {electrons} electrons in "
                f"each of {len(pixels)} pixels: {'; '.join(comparison.faults)}"
            )
            if params.on_failure == "warn":
                self.context.log.warning("%s", message)
                return images, comparison
            tried, advice = "", "'refine' or 'warn'"
            if attempt:
                tried, advice = f", having refined the network {attempt} x", "'warn'"
            raise FibError(
                f"{message}{tried}. Use on_failure {advice}, fit a surrogate on more structures, "
                f"or use simulator/monte_carlo"
            )
        raise AssertionError("the last attempt returns or raises")

    def _context_of(self, attempt: int) -> Context:
        around = self.context
        seed = int(around.rng_for("referee", attempt, self._structure).integers(2**63))
        return Context(
            seed,
            device=around.device_asked,
            threads=around.threads,
            report=lambda what, done, total: around.progress(done, total, what),
            log=around.log,
        )

    def _pixels(self, context: Context) -> np.ndarray:
        if self.params.referee_share == 0:
            return np.empty((0, 3), np.int64)
        return draw_pixels(self._box, self.params.referee_share, context.rng_for("pixels"))

    def _images(self, pixels: np.ndarray) -> tuple[FinishedSlices, np.ndarray]:
        """Return the images, and their expected yields at some pixels, (channel, pixel)."""
        params, context = self.params, self.context
        slices, height, width = (stop - start for start, stop in self._box)
        shape = (len(params.kv), slices, height, width)
        names = ("images", "depth") if params.mean_depth else ("images",)
        fingerprint = self._fingerprint()
        noted = context.scratch / f"at-pixels-{fingerprint[:16]}.npz"
        finished = FinishedSlices(context.scratch, fingerprint, names, shape, np.float32)
        known = saved_arrays(noted, ("predicted", "slices"))
        if known is None:
            nothing = np.zeros((shape[0], len(pixels)), np.float32)
            known = {"predicted": nothing, "slices": np.array(0)}
        complete = {
            z for z in range(shape[1]) if all((c, z) in finished.done for c in range(shape[0]))
        }
        first = next((z for z in range(shape[1]) if z not in complete), shape[1])
        first = min(first, int(known["slices"]))
        z0 = self._box[0][0]
        box: Box = ((z0 + first, z0 + shape[1]), *self._box[1:])
        if first < shape[1]:
            self._image(box, pixels, known["predicted"], noted, finished, shape)
        return finished, known["predicted"]

    def _image(
        self,
        box: Box,
        pixels: np.ndarray,
        predicted: np.ndarray,
        noted: Path,
        finished: FinishedSlices,
        shape: tuple[int, ...],
    ) -> None:
        params, context = self.params, self.context
        (z0, _), (y0, _), (x0, _) = self._box
        channels = len(self.channels)
        wanted = list(self.channels)
        if params.mean_depth:
            wanted += [self.network.last.out_features // 2 + channel for channel in self.channels]
        imaging = Imaging(
            self.network.geometry,
            self.network,
            self._around,
            self.count,
            wanted,
            params.window,
            context,
        )
        with cpu_threads(1):
            for z, slab in imaging.slabs(box):
                yields = expit(slab[:channels], out=slab[:channels])
                here = np.flatnonzero((pixels[:, 0] >= z) & (pixels[:, 0] < z + yields.shape[1]))
                own = pixels[here] - [z, y0, x0]
                predicted[:, here] = yields[:, own[:, 0], own[:, 1], own[:, 2]]
                done = np.array(z - z0 + yields.shape[1])
                save_arrays(noted, predicted=predicted, slices=done)
                depths = np.empty(0)
                if params.mean_depth:
                    softplus = np.logaddexp(np.float32(0.0), slab[channels:])
                    depths = softplus * self.depth_scale_nm[:, None, None, None]
                places = list(product(range(yields.shape[0]), range(yields.shape[1])))
                in_threads(partial(self._count, yields, z), places, context.threads)
                for channel, place in places:
                    planes = {"images": yields[channel, place]}
                    if params.mean_depth:
                        planes["depth"] = depths[channel, place]
                    finished.add(channel, z + place - z0, **planes)
                context.progress(z - z0 + yields.shape[1], shape[1], "slices imaged")

    def _count(self, yields: np.ndarray, z: int, place: tuple[int, int]) -> None:
        """Replace an image of a slab by one with the counting noise of its electrons, a binomial.

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
        rng = self.context.rng_for("counts", channel, energy, z + own, self._structure)
        counts = rng.binomial(electrons, image.astype(np.float64))
        yields[place] = counts / electrons

    def _refine(self, pixels: np.ndarray, wrong: np.ndarray, context: Context) -> None:
        network = copy.deepcopy(self.network)
        trainer = Trainer(self.params, network, self.channels, self.depth_scale_nm, context)
        windows = Windows(network.geometry, self._around, self.count)
        with cpu_threads(1):
            refine(self.params, trainer, windows, self.labels, self.phases, pixels, wrong, context)
        self.network = network.cpu()

    def _fingerprint(self) -> str:
        """Return a digest of all that determines the images, which identifies finished slices."""
        digest = hashlib.sha256(
            json.dumps(
                [
                    self.params.model_dump(mode="json"),
                    self.context.seed,
                    self._structure,
                    self.channels,
                    self.media[self.phases].tolist(),
                ],
                sort_keys=True,
            ).encode()
        )
        for name, array in sorted(weights_of(self.network).items()):
            digest.update(name.encode() + array.tobytes())
        return digest.hexdigest()
