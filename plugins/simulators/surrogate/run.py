"""One simulation by a surrogate: images, referee, and refinement if asked for."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fib_plugins.electrons.finished_slices import FinishedSlices
from fib_plugins.simulators.monte_carlo import digest_of
from fib_plugins.simulators.surrogate.counting import count_pixels
from fib_plugins.simulators.surrogate.given import Windows
from fib_plugins.simulators.surrogate.imaging import slabs_between
from fib_plugins.simulators.surrogate.imaging_of_slabs import ImagingOfSlabs
from fib_plugins.simulators.surrogate.planes import Surroundings
from fib_plugins.simulators.surrogate.referee import Comparison, compare, draw_pixels
from fib_plugins.simulators.surrogate.refinement import refine
from fib_plugins.simulators.surrogate.saved import save_arrays, saved_arrays
from fib_plugins.simulators.surrogate.training import Trainer
from fib_plugins.training.runtime import cpu_threads
from fib_plugins.training.weights import weights_of
from fibcore import Context, FibError, Labels

if TYPE_CHECKING:
    from fib_plugins.simulators.surrogate.network import SurrogateNetwork
    from fib_plugins.simulators.surrogate.parameters import SurrogateParameters

MOST_REFINEMENTS = 3

SHARED_ABOVE_PIXELS, SHARED_ON_GPU = 2**19, 2**23
"""Images of up to so many pixels take about as long as it takes to share them among workers; a GPU
images faster."""


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
        spread: variance of counts over their mean, of each wanted channel that counts secondary
            electrons; None of others.
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
    spread: Sequence[float | None]

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
        if first < shape[1]:
            first += self._box[0][0]
            self._image(first, pixels, known["predicted"], noted, finished)
        return finished, known["predicted"]

    def _image(
        self,
        first: int,
        pixels: np.ndarray,
        predicted: np.ndarray,
        noted: Path,
        finished: FinishedSlices,
    ) -> None:
        """Image the slices from `first` on, here or by other workers; fill in `predicted`."""
        context, (z0, z1) = self.context, self._box[0]
        work = ImagingOfSlabs(
            self.params,
            self.network,
            self.channels,
            self._around,
            self.count,
            self.depth_scale_nm,
            self._structure,
            pixels,
            context,
            finished.deposits,
            self.spread,
        )

        def note(slab: range, values: np.ndarray, until: int) -> None:
            predicted[:, work.pixels_in(slab.start, len(slab))] = values
            save_arrays(noted, predicted=predicted, slices=np.array(until - z0))

        total = z1 - z0
        least = SHARED_ABOVE_PIXELS if context.device == "cpu" else SHARED_ON_GPU
        if context.spreads and finished.arrays["images"][0].size > least:
            missing = {slab.start: slab for slab in slabs_between(first, z1)}
            imaged = first - z0
            for z, values in context.spread(work, list(missing)):
                slab = missing.pop(z)
                places = {(c, own - z0) for c in range(len(self.channels)) for own in slab}
                for place in sorted(places):
                    finished.take(*place)
                if not places <= finished.done:
                    raise FibError(
                        f"slices that a worker imaged cannot be read in {context.scratch}: check "
                        f"the disk, and run it again; it resumes with slice {min([z, *missing])}"
                    )
                # An interrupted simulation resumes with the first slice that is missing.
                note(slab, values, min(missing, default=z1))
                imaged += len(slab)
                context.progress(imaged, total, "slices imaged")
            return
        with cpu_threads(1):
            for found in work.slabs(first):
                slab = range(found.first, found.first + found.slices)
                note(slab, found.predicted, slab.stop)
                for channel, own, planes in found.planes():
                    finished.add(channel, own - z0, **planes)
                context.progress(slab.stop - z0, total, "slices imaged")

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
