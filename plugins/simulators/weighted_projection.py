"""Images from weighted slices: the paper's preprocessing, and a physical variant of it."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from fib_plugins.backscatter.shipped_table import shipped_coefficient
from fib_plugins.backscatter.table_range import checked
from fib_plugins.simulators.open_pores import STATE_BYTES, Yields, image_open_pores
from fib_plugins.simulators.projection_planes import (
    check_phases,
    checked_planes,
    planes_between,
)
from fib_plugins.threads import bytes_in_threads, threads_for
from fibcore import Context, FibError, Forecast, Images, Labels, Physics, Simulator
from fibcore.context import held_bytes
from fibcore.materials import VACUUM
from fibcore.params import EnergiesKev

SLAB = 16
"""Number of slices that one thread works on at a time."""
TABLE = "physics/monte_carlo"
"""The plugin whose table of coefficients, which comes with fib, is the default physics."""


class WeightedProjection(Simulator):
    """Images a structure by weighting slices with backscatter coefficients.

    After Sardhara et al., Mach. Learn.: Sci. Technol. 6 (2025) 025023, section 2.3. The imaged
    face is the upper side of a slice. Slice k from there downwards (k = 0: the one just below the
    face) lies under pore filler of k times the slice thickness: its coefficient is eta(material,
    energy, k * thickness).

    **Mode ``sum``** (the paper): the grey value is the sum of the weights of all solid voxels in
    the first `slices` slices; pores have weight 0. The paper normalises the coefficients "across
    groups of atomic numbers and accelerating voltages": here the weights of a phase at an energy
    are its coefficients divided by their sum, so that solid in all slices has grey value 1. Solids
    then differ only in how fast they fade with depth; with several solid phases use
    ``normalize=False``, which divides all of them by the largest of those sums and keeps their
    contrast. As printed, the sum includes solid hidden behind solid, and solid too deep to be seen
    has the weight of bare filler; ``subtract_pore=True`` weights with eta - eta(pore filler), but
    not below 0.

    **Mode ``first_hit``**: the grey value is the eta of the first solid voxel from the face
    downwards, or that of the bare pore filler where there is no solid. Nothing is normalised: the
    image is a backscatter yield, as in a Monte Carlo simulation.

    **Open pores.** If vacuum fills the pores, nothing hides what lies in them: the ground of a pore
    is seen from any depth (to 254 slices), but it is darker the less of the sky is open to the
    electrons on their way out, which is found from rays through the voxels; edges towards open
    pores are brighter. In mode ``sum`` thin layers let what is below them shine through: `slices`
    are those from the first solid one downwards, and 1 is the brightest phase in bulk, so that
    edges exceed 1 and phases keep their contrast. Mode ``first_hit`` gives yields, of solids that
    no electron passes. At its sides the volume repeats. It is a fast approximation: the guide on
    open pores has its errors against Monte Carlo.

    **Noise.** With `electrons_per_pixel` the image is the fraction of so many electrons that is
    backscattered, drawn from a binomial distribution. In mode ``sum`` the expected yield at grey
    value g is taken as eta_pore + g (eta_solid - eta_pore), with eta_solid that of the brightest
    phase at the face.

    Images are float32 from 0 to 1. Any physics plugin can be used; the default is
    `physics/monte_carlo`, whose table comes with fib, under the pore filler of the labels. For the
    analytic law give a step that runs `physics/hunger_kuchler` as the input `physics`. `slices`
    times the slice thickness should cover the depth to which solid is visible: about 20, 50 and
    160 nm for gold under epoxy at 1, 2 and 4 keV.
    """

    name: ClassVar[str] = "weighted_projection"
    result_version: ClassVar[int] = 4

    energies_kev: EnergiesKev = Field(description="beam energies, keV; one image channel each")
    slices: int = Field(
        default=12, ge=1, le=1000, description="slices from the imaged face downwards that count"
    )
    mode: Literal["sum", "first_hit"] = Field(
        default="sum",
        description="sum: weights of all solid voxels below a pixel (the paper); first_hit: only "
        "the first solid voxel",
    )
    normalize: bool = Field(
        default=True,
        description="mode sum: whether the weights of each phase sum to 1; otherwise those of the "
        "brightest phase do, which keeps the contrast between solids",
    )
    subtract_pore: bool = Field(
        default=False,
        description="mode sum: whether to subtract the coefficient of the pore filler from that of "
        "a solid, so that solid too deep to be seen has weight 0",
    )
    below: Literal["mirror", "repeat", "pore"] = Field(
        default="mirror",
        description="continuation below the last slice: the stack mirrored, its last slice "
        "repeated, or pores",
    )
    electrons_per_pixel: int | None = Field(
        default=None, ge=1, description="electrons per pixel for counting noise; none: no noise"
    )

    def forecast(self, method: str, inputs: Mapping[str, Any]) -> Forecast:
        """Return the spec of the images and the memory of the slabs in work at a time."""
        forecast = super().forecast(method, inputs)
        if forecast.output is None:
            return forecast
        labels = inputs.get("labels")
        if labels is not None and labels.phases.get(0) == VACUUM.name:
            plane = forecast.output.shape[1] * forecast.output.shape[2]
            noise = 32 if self.electrons_per_pixel else 0
            memory = plane * (STATE_BYTES + self.slices + noise)
            return replace(forecast, memory_bytes=memory + held_bytes(forecast.output.nbytes))
        slabs = -(-forecast.output.shape[0] // SLAB)
        memory = bytes_in_threads(self._slab_bytes(forecast.output.shape), slabs)
        return replace(forecast, memory_bytes=memory + held_bytes(forecast.output.nbytes))

    def _slab_bytes(self, shape: tuple[int, int, int]) -> int:
        """Return the memory of a slab: its labels and those below; for noise, that of a slice."""
        noise = 32 if self.electrons_per_pixel else 0
        return shape[1] * shape[2] * (min(SLAB, shape[0]) + self.slices + 8 + noise)

    def simulate(
        self,
        labels: Labels,
        physics: Physics | None = None,
        context: Context | None = None,
    ) -> Images:
        """Return images of every slice as the imaged face, float32 (channel, z, y, x), 0 to 1.

        The result is the same for any number of threads; noise depends on the seed, the slice, the
        channel and the image that it is added to.

        Args:
            labels: the structure; slice 0 is imaged first.
            physics: backscatter model; default `physics/monte_carlo` with the pore filler as
                overlayer.
            context: surroundings of the step.

        Raises:
            FibError: a phase without a material, or a physics plugin that returns coefficients
                outside of 0 to 1.
        """
        from .projection_kernels import first_solid, weighted_sum

        context = Context.of(context)
        eta = self._coefficients(labels, physics, context)
        images = context.empty(
            "weighted_projection", (len(self.energies_kev), *labels.shape), np.float32
        )
        if not labels.phases[0].composition:
            asked = TABLE if physics is None else physics.identifier()
            self._image_open_pores(labels, eta, asked, images, context)
            return self._images(labels, images)
        look_up = self._weights(eta, labels) if self.mode == "sum" else _yields(eta)
        kernel = weighted_sum if self.mode == "sum" else first_solid

        def work(start: int) -> None:
            stop = min(start + SLAB, labels.shape[0])
            planes = planes_between(labels.data, start, stop + self.slices - 1, self.below)
            check_phases(planes[: stop - start], labels)
            for channel, weights in enumerate(look_up):
                image = np.asarray(images[channel, start:stop])
                kernel(planes, weights, image)
                if self.electrons_per_pixel:
                    for z in range(start, stop):
                        self._count(image[z - start], z, channel, eta, context)

        starts = range(0, labels.shape[0], SLAB)
        threads = threads_for(self._slab_bytes(labels.shape), context.threads)
        with ThreadPoolExecutor(threads) as pool:
            futures = [pool.submit(work, start) for start in starts]
            _finish(futures, context)
        return self._images(labels, images)

    def _image_open_pores(
        self, labels: Labels, eta: np.ndarray, asked: str, images: np.ndarray, context: Context
    ) -> None:
        """Set the images of a structure with open pores; progress in slices."""
        planes = partial(checked_planes, labels, below=self.below)
        yields = Yields(
            labels.phases,
            eta[..., 0],
            self.energies_kev,
            labels.voxel_size_nm,
            asked,
            first_only=self.mode == "first_hit",
        )
        progress = partial(context.progress, total=len(labels.data), what="weighted projection")
        size = labels.voxel_size_nm
        image_open_pores(planes, yields, size, images, context, self.slices, progress)
        bright = eta[1:, :, 0].max(axis=0)
        for channel, image in enumerate(images):
            for z, plane in enumerate(image):
                if self.mode == "sum" and bright[channel] > 0:
                    plane /= bright[channel]
                if self.electrons_per_pixel:
                    self._count(plane, z, channel, eta, context)

    def _images(self, labels: Labels, images: np.ndarray) -> Images:
        counted = self.mode == "first_hit" or self.electrons_per_pixel is not None
        return Images(
            images,
            labels.voxel_size_nm,
            kv=self.energies_kev,
            quantity="backscatter yield" if counted else "weighted grey value",
        )

    def _coefficients(
        self, labels: Labels, physics: Physics | None, context: Context
    ) -> np.ndarray:
        """Return eta (256, energy, slice); row 0 the bare pore filler, 0 for unused phases."""
        if 0 not in labels.phases:
            raise FibError(
                "phase 0 of the labels has no material: give the material that fills the pores, or "
                "vacuum"
            )
        filler = labels.phases[0]
        asked = TABLE if physics is None else physics.identifier()
        if physics is not None and physics.overlayer_name not in (None, filler.name):
            context.log.warning(
                "%s is for material under %s, but %s fills the pores: the decay with depth differs",
                asked,
                physics.overlayer_name,
                filler.name,
            )
        energies = np.array(self.energies_kev)[:, np.newaxis]
        depths = np.arange(self.slices) * labels.voxel_size_nm[0]
        eta = np.zeros((256, len(energies), self.slices))
        for phase, material in labels.phases.items():
            below = depths if phase else 0.0
            if physics is None:
                found = shipped_coefficient(asked, material, *checked(energies, below), filler)
            else:
                found = physics.coefficient(material, energies, below)
            if not np.all((np.asarray(found) >= 0) & (np.asarray(found) <= 1)):
                raise FibError(
                    f"{asked} gives coefficients of {material.name} between "
                    f"{np.min(found):g} and {np.max(found):g}; a backscatter coefficient is "
                    f"0 to 1. Use a physics plugin that covers this material, energy and depth"
                )
            eta[phase] = found
        return eta

    def _weights(self, eta: np.ndarray, labels: Labels) -> np.ndarray:
        """Return the weights of mode ``sum``, float32 (energy, slice, 256)."""
        solid = eta - eta[0] if self.subtract_pore else eta.copy()
        solid[0] = 0.0
        solid[solid[..., 0] <= 0] = 0.0  # no brighter at the face: deeper values are noise of eta
        solid = np.maximum(solid, 0.0)
        sums = solid.sum(axis=2, keepdims=True)
        if len(labels.phases) > 1 and not np.all(sums.max(axis=0) > 0):
            raise FibError(
                "no solid phase has a larger backscatter coefficient than the pore filler, so that "
                "all weights are 0: use subtract_pore=false, or mode first_hit"
            )
        if not self.normalize:
            sums = np.broadcast_to(sums.max(axis=0), sums.shape)
        weights = np.divide(solid, sums, out=np.zeros_like(solid), where=sums > 0)
        return np.ascontiguousarray(weights.transpose(1, 2, 0), dtype=np.float32)

    def _count(
        self, image: np.ndarray, z: int, channel: int, eta: np.ndarray, context: Context
    ) -> None:
        """Replace a slice by a noisy one: the backscattered fraction of `electrons_per_pixel`."""
        rng = context.rng_on(image, "slice", z, channel, repr(self.energies_kev[channel]))
        expected = image.astype(np.float64)
        if self.mode == "sum":
            pore, bright = eta[0, channel, 0], eta[1:, channel, 0].max()
            expected = pore + expected * (bright - pore)
        electrons = self.electrons_per_pixel or 1
        image[:] = rng.binomial(electrons, np.clip(expected, 0.0, 1.0)) / electrons


def _yields(eta: np.ndarray) -> np.ndarray:
    """Return the yields of mode ``first_hit``, float32 (energy, slice, 256)."""
    return np.ascontiguousarray(eta.transpose(1, 2, 0), dtype=np.float32)


def _finish(futures: list[Future[None]], context: Context) -> None:
    """Wait for all slabs; on an error or an interruption drop those not yet started."""
    try:
        for future in context.track(futures, "weighted projection"):
            future.result()
    except BaseException:
        for future in futures:
            future.cancel()
        raise
