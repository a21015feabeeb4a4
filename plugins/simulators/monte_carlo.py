"""Images by Monte Carlo: every electron is followed through the voxels to its end."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import groupby
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from fib_plugins.electrons.elastic import ENERGY_RANGE_EV, ElasticModel
from fib_plugins.electrons.stopping import EnergyLossModel
from fibcore import Context, FibError, Forecast, Images, Labels, Physics, Simulator, keeps
from fibcore.errors import UsageError

LOWEST_KEV, HIGHEST_KEV = (energy / 1000.0 for energy in ENERGY_RANGE_EV)

EnergyKev = Annotated[float, Field(gt=LOWEST_KEV, le=HIGHEST_KEV)]
Share = Annotated[float, Field(ge=0, le=1)]
Degrees = Annotated[float, Field(ge=0, le=180)]
Range = tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=1)]]


class MonteCarlo(Simulator):
    """Images a structure by following electrons through its voxels one by one.

    Each slice in turn is the imaged face. Electrons hit every pixel, are scattered elastically by
    the atoms of the voxels they get to, lose energy continuously in between, and count when they
    leave the face upwards. Grey values are backscatter yields: counted electrons over electrons
    sent, with the counting noise of so many electrons.

    **Physics.** Elastic scattering by tabulated Mott cross sections (`elastic`: F. Salvat, A.
    Jablonski, C. J. Powell, Comput. Phys. Commun. 165 (2005) 157), or by the closed forms of
    Browning (1994) and of screened Rutherford scattering (Joy 1995). Energy loss by Joy and Luo
    (1989), by a dielectric model, or by a material's own table. Free paths and losses along them
    are exact for the tables: no step length has to be chosen. With `atomic_electrons` collisions
    with single electrons of the atoms deflect, too (Fano 1954), which brings light elements above
    5 keV closer to most measurements, and those below away from that of clean surfaces. The page on
    its validation has the comparison. Secondary electrons, charging and diffraction are not
    simulated.

    **Geometry.** Voxels are boxes of one material with sharp faces. Electrons that leave the
    volume sideways come in on the other side (`lateral`); below the last slice the volume is
    mirrored there, unless `below` says otherwise.

    **Detector.** All electrons above `cutoff_ev` that leave the face count, or those in a window
    of energy and angle. Angles are those to the way back along the beam.

    A pixel depends on the structure, the settings, the seed and its own place alone: `slices` and
    `region` of a large volume give the same pixels as all of it, on any number of threads.
    """

    name: ClassVar[str] = "monte_carlo"

    energies_kev: Annotated[tuple[EnergyKev, ...], Field(min_length=1)] = Field(
        description=f"beam energies, keV, {LOWEST_KEV:g} to {HIGHEST_KEV:g}; one channel each"
    )
    electrons_per_pixel: int = Field(
        default=100, ge=1, le=10**6, description="electrons sent into each pixel"
    )
    beam_diameter_nm: float = Field(
        default=0.0,
        ge=0,
        description="full width at half maximum of the Gaussian beam, nm; 0: as wide as a pixel",
    )
    tilt_deg: float = Field(
        default=0.0,
        gt=-90,
        lt=90,
        description="angle between beam and the normal of the face, towards +y, degrees",
    )
    elastic: ElasticModel = Field(default="mott", description="elastic scattering cross sections")
    energy_loss: EnergyLossModel = Field(default="joy_luo", description="stopping power")
    atomic_electrons: bool = Field(
        default=False,
        description="whether collisions with single electrons of the atoms deflect, too: more "
        "backscatter from light elements",
    )
    cutoff_ev: float = Field(
        default=50.0,
        ge=ENERGY_RANGE_EV[0],
        description="electrons below this energy are given up and never counted, eV",
    )
    detector_energy: tuple[Share, Share] = Field(
        default=(0.0, 1.0),
        description="window of energies that count, [low, high], as fractions of the beam energy",
    )
    detector_polar_deg: tuple[Degrees, Degrees] = Field(
        default=(0.0, 180.0),
        description="window of angles to the way back along the beam that count, [low, high], "
        "degrees",
    )
    detector_weighting: Literal["count", "energy"] = Field(
        default="count",
        description="what an electron adds to the image: 1, or its energy over the beam energy",
    )
    lateral: Literal["periodic", "mirror"] = Field(
        default="periodic", description="what lies beyond the sides of the volume"
    )
    below: Literal["mirror", "repeat"] | Annotated[int, Field(ge=0, le=255)] = Field(
        default="mirror",
        description="what lies below the last slice: the volume mirrored there, its last slice "
        "again and again, or the phase of this number",
    )
    slices: Range | None = Field(
        default=None,
        description="slices to image, [first, one after the last]; all by default",
    )
    region: tuple[Range, Range] | None = Field(
        default=None,
        description="pixels to image, [[first, one after the last] along y, the same along x]; "
        "all by default",
    )
    mean_depth: bool = Field(
        default=False,
        description="whether to keep `depth`: how deep the electrons of each pixel have been",
    )
    precision: Literal["float32", "float64"] = Field(
        default="float32", description="arithmetic; yields agree within counting noise"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(set(self.energies_kev)) < len(self.energies_kev):
            raise ValueError(
                f"energies_kev names a voltage twice: {list(self.energies_kev)}; name each once"
            )
        if min(self.energies_kev) * 1000.0 <= self.cutoff_ev:
            raise ValueError(
                f"cutoff_ev is {self.cutoff_ev:g} eV, at or above the beam energy "
                f"{min(self.energies_kev):g} keV, so that nothing would count: lower it"
            )
        for name in ("detector_energy", "detector_polar_deg"):
            low, high = getattr(self, name)
            if not low < high:
                raise ValueError(f"{name} is [{low:g}, {high:g}]: give [low, high], low below high")
        if self.detector_energy[1] * 1000.0 * min(self.energies_kev) <= self.cutoff_ev:
            raise ValueError(
                f"detector_energy ends at {self.detector_energy[1]:g} of "
                f"{min(self.energies_kev):g} keV, below cutoff_ev {self.cutoff_ev:g}, which "
                f"excludes every electron: raise it"
            )
        if self.detector_polar_deg[0] >= 90.0 + abs(self.tilt_deg):
            raise ValueError(
                f"detector_polar_deg begins at {self.detector_polar_deg[0]:g} degrees, but nothing "
                f"leaves the face beyond {90.0 + abs(self.tilt_deg):g}, which excludes every "
                f"electron: lower it"
            )
        for name, chosen in (("slices", self.slices), *zip("yx", self.region or (), strict=False)):
            if chosen is not None and not chosen[0] < chosen[1]:
                raise ValueError(
                    f"{name}: [{chosen[0]}, {chosen[1]}] is empty; give [first, one after the last]"
                )
        return self

    def forecast(self, method: str, inputs: Mapping[str, Any]) -> Forecast:
        """Tell the images, and how long it takes where that is long."""
        forecast = super().forecast(method, inputs)
        labels = inputs.get("labels")
        if forecast.output is None or labels is None:
            return forecast
        box = self._box(labels.shape)
        if not isinstance(self.below, str) and labels.phases and self.below not in labels.phases:
            raise FibError(self._unknown_below(labels.phases))
        (z0, z1), (y0, y1), (x0, x1) = box
        shape = (z1 - z0, y1 - y0, x1 - x0)
        output = replace(forecast.output, shape=shape)
        kept = {"depth": output} if self.mean_depth else {}
        memory = int(np.prod(labels.shape)) + 16 * shape[1] * shape[2] + 64 * 2**20
        return Forecast(output, kept, memory, self._long(int(np.prod(shape))))

    def _long(self, pixels: int) -> tuple[str, ...]:
        """Return a warning of the time if it is more than ten minutes."""
        cores = os.cpu_count() or 1
        cost = sum(COST_US * energy**COST_EXPONENT for energy in self.energies_kev)
        hours = 1e-6 * cost * self.electrons_per_pixel * pixels / cores / 3600.0
        if hours < 1 / 6:
            return ()
        time = f"{hours:.1f} hours" if hours >= 1.5 else f"{60 * hours:.0f} minutes"
        return (
            f"simulating {pixels} pixels takes about {time} on {cores} CPU cores; it goes on where "
            f"it was if stopped. Shorter: fewer electrons_per_pixel, slices or region, or a GPU",
        )

    @keeps(depth=Images)
    def simulate(
        self,
        labels: Labels,
        physics: Physics | None = None,
        context: Context | None = None,
    ) -> Images:
        """Return backscatter yields, float32 (channel, z, y, x), 0 to 1.

        Slices are on disk as soon as they are done: with the same scratch folder, an interrupted
        simulation goes on with the next one. With `mean_depth` it keeps `depth`: the mean of the
        deepest places in nm that the counted electrons of a pixel have been to, 0 where none
        counts.

        Args:
            labels: the structure; the upper side of each slice is imaged.
            physics: not used; for interchange with other simulators.
            context: surroundings of the step.

        Raises:
            FibError: a phase without a material, slices or a region outside of the volume.
            UsageError: ``cuda`` was asked for and cannot be used.
        """
        from fib_plugins.electrons.finished_slices import FinishedSlices
        from fib_plugins.electrons.tally import DEPTH_UNIT_NM, SHARE_UNIT

        context = Context.of(context)
        box = self._box(labels.shape)
        shape = (len(self.energies_kev), *(stop - start for start, stop in box))
        names = ("images", "depth") if self.mean_depth else ("images",)
        digest = self._fingerprint(labels, context.seed)
        finished = FinishedSlices(context.scratch, digest, names, shape, np.float32)
        todo = [
            (channel, z)
            for channel in range(shape[0])
            for z in range(shape[1])
            if (channel, z) not in finished.done
        ]
        imagers = self._imagers(labels, sorted({channel for channel, _ in todo}), context)
        total = shape[0] * shape[1]
        if todo:
            self._tell_time(imagers, todo, box, context)
        context.progress(total - len(todo), total, "slices imaged")
        for count, (channel, z, tally) in enumerate(
            self._tallies(imagers, todo, box), start=total - len(todo) + 1
        ):
            weighed = self.detector_weighting == "energy"
            signal = tally.shares * SHARE_UNIT if weighed else tally.counts
            planes = {"images": signal / self.electrons_per_pixel}
            if self.mean_depth:
                planes["depth"] = tally.depths * DEPTH_UNIT_NM / np.maximum(tally.counts, 1)
            finished.add(channel, z, **{n: p.reshape(shape[2:]) for n, p in planes.items()})
            context.progress(count, total, "slices imaged")
        if self.mean_depth:
            depth = Images(
                finished.arrays["depth"],
                labels.voxel_size_nm,
                kv=self.energies_kev,
                quantity="mean depth in nm",
            )
            context.keep("depth", depth)
        return Images(
            finished.arrays["images"],
            labels.voxel_size_nm,
            kv=self.energies_kev,
            quantity="backscatter yield",
        )

    @staticmethod
    def _tallies(
        imagers: dict[int, Any], todo: list[tuple[int, int]], box: Any
    ) -> Iterator[tuple[int, int, Any]]:
        """Yield channel, slice and tally of what is to be done, in its order."""
        (z0, _), rows, columns = box
        for channel, part in groupby(todo, key=lambda each: each[0]):
            slices = [z0 + z for _, z in part]
            for z, tally in imagers[channel].images(slices, rows, columns):
                yield channel, z - z0, tally

    def _imagers(self, labels: Labels, channels: list[int], context: Context) -> dict[int, Any]:
        from fib_plugins.electrons.electron import make_beam
        from fib_plugins.electrons.imaging import Imager, make_lattice, phases_in
        from fib_plugins.electrons.medium import build_tables

        gpu = context.device.startswith("cuda") and self._can_use_gpu(context)
        context.device_used = context.device if gpu else "cpu"
        phases = phases_in(labels)
        if not isinstance(self.below, str):
            if self.below not in labels.phases:
                raise FibError(self._unknown_below(labels.phases))
            phases = sorted({*phases, self.below})
        lattice = make_lattice(
            labels, phases, lateral=self.lateral, below=self.below, dtype=self.precision
        )
        if gpu:
            from fib_plugins.electrons.cuda import on_gpu

            lattice = on_gpu(lattice)  # once for all voltages
        imagers = {}
        for channel in channels:
            energy = self.energies_kev[channel]
            tables = build_tables(
                [labels.phases[phase] for phase in phases],
                energy,
                elastic=self.elastic,
                energy_loss=self.energy_loss,
                atomic_electrons=self.atomic_electrons,
                cutoff_ev=self.cutoff_ev,
                dtype=self.precision,
            )
            beam = make_beam(
                energy,
                cutoff_ev=self.cutoff_ev,
                tilt_deg=self.tilt_deg,
                diameter_nm=self.beam_diameter_nm,
                energy_window=self.detector_energy,
                polar_deg=self.detector_polar_deg,
                dtype=self.precision,
            )
            key = int(context.rng_for("electrons", repr(energy)).integers(2**63))
            imagers[channel] = Imager(
                lattice,
                tables,
                beam,
                electrons_per_pixel=self.electrons_per_pixel,
                key=key,
                threads=context.threads,
                gpu=gpu,
            )
        return imagers

    def _can_use_gpu(self, context: Context) -> bool:
        """Return whether Numba can use a GPU; warn of one that it cannot use under ``auto``."""
        from fib_plugins.electrons.cuda import check_gpu

        try:
            check_gpu(int(context.device.partition(":")[2] or 0))
        except UsageError as error:
            if context.device_asked != "auto":
                raise
            context.log.warning("%s. Now the CPU is used", error)
            return False
        return True

    def _tell_time(
        self, imagers: dict[int, Any], todo: list[tuple[int, int]], box: Any, context: Context
    ) -> None:
        """Log how long the work will take, measured on a few pixels of each voltage."""
        _, rows, columns = box
        pixels = (rows[1] - rows[0]) * (columns[1] - columns[0])
        slices = {channel: [c for c, _ in todo].count(channel) for channel in imagers}
        seconds = sum(
            imagers[channel].seconds_per_pixel(rows, columns) * pixels * count
            for channel, count in slices.items()
        )
        context.log.info(
            "%d slices to image, in about %s",
            len(todo),
            f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min",
        )

    def _box(self, shape: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
        """Return the first and the one after the last voxel to image along z, y, x."""
        chosen = (self.slices, *(self.region or (None, None)))
        box = tuple((0, n) if part is None else part for part, n in zip(chosen, shape, strict=True))
        for name, (_, stop), n in zip(
            ("slices", "region along y", "region along x"), box, shape, strict=True
        ):
            if stop > n:
                raise FibError(
                    f"{name} ends at {stop}, but the labels have {n} voxels there; give numbers up "
                    f"to {n}"
                )
        return box

    def _unknown_below(self, phases: Mapping[int, Any]) -> str:
        known = ", ".join(str(phase) for phase in sorted(phases))
        return (
            f"below is phase {self.below}, which the labels do not know; give mirror, repeat or "
            f"one of {known}"
        )

    def _fingerprint(self, labels: Labels, seed: int) -> str:
        """Return a digest of what decides the images, to know finished slices by."""
        from fib_plugins.electrons.imaging import planes

        phases = {p: material.model_dump(mode="json") for p, material in labels.phases.items()}
        facts = [self.model_dump(mode="json"), self.result_version, seed, phases]
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
        digest.update(repr((labels.shape, labels.voxel_size_nm)).encode())
        for plane in planes(labels.data):
            digest.update(np.ascontiguousarray(plane).tobytes())
        return digest.hexdigest()


COST_US, COST_EXPONENT = 0.55, 1.15
"""Time for one electron in a porous metal of fine structure, microseconds of a CPU core at 1 keV,
and how it grows with energy; from `benchmarks/monte_carlo.py`. For warnings only."""
