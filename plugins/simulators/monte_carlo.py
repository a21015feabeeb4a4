"""Images by Monte Carlo simulation of electrons in the voxels of a structure."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from fib_plugins.simulators.end_of_structure import warn_of_end
from fib_plugins.simulators.imaging_of_slices import ImagingOfSlices
from fib_plugins.simulators.monte_carlo_parameters import MonteCarloParameters
from fibcore import Context, FibError, Forecast, Images, Labels, Simulator, keeps
from fibcore.context import held_bytes


class MonteCarlo(MonteCarloParameters, Simulator):
    """Images a structure by following electrons through its voxels one by one.

    Each slice in turn is the imaged face. Electrons hit every pixel, are scattered elastically by
    the atoms of the voxels on their way, lose energy continuously in between, and count when they
    leave the face upwards. Grey values are yields, the ratio of counted to incident electrons, with
    the counting noise of that number of electrons.

    **Physics.** Elastic scattering by tabulated Mott cross sections (`elastic`: F. Salvat, A.
    Jablonski, C. J. Powell, Comput. Phys. Commun. 165 (2005) 157), or by the closed forms of
    Browning (1994) and of screened Rutherford scattering (Joy 1995). Energy loss by Joy and Luo
    (1989), by a dielectric model, or by a material's own table. Free paths and losses along them
    are exact for the tables: no step length has to be chosen. With `atomic_electrons` collisions
    with single electrons of the atoms deflect, too (Fano 1954): light elements backscatter more
    electrons, which above 8 keV is closer to most measurements; up to 6 keV it is closer to those
    of clean surfaces for aluminium, and further from them for carbon. The page on its validation
    has the comparison. Charging and diffraction are not simulated.

    **Secondary electrons.** A fast electron makes one for each `epsilon_ev` that it loses. At a
    distance d from an open surface, the face or the wall of a pore of vacuum, it escapes with
    probability 0.5 exp(-d / `escape_nm`) (Joy 1995); from a pore it counts if its straight way,
    drawn from the cosine law, ends beyond the face. Both constants follow from the composition of a
    material, or are given (`secondary`); `fib_plugins.electrons.emission` has rules and sources.

    **Geometry.** Voxels are boxes of one material with sharp faces. By default, electrons that
    leave the volume sideways enter on the opposite side (`lateral`), and the volume is mirrored
    below the last slice (`below`).

    **Detectors.** `bse` counts all electrons above `cutoff_ev` that leave the face, or those in a
    window of energy and angle; `se` counts secondary electrons; `in_lens` some of both. Angles are
    measured from the direction back along the beam. All detectors see the same electrons, in one
    simulation; channels are all energies of the first detector, then of the next.

    **Noise.** A pixel depends only on the structure, the settings, the seed and its own place:
    `slices` and `region` of a large volume give the same pixels as all of it, on any number of
    threads. Other structures have other noise, even at the same seed.
    """

    name: ClassVar[str] = "monte_carlo"
    result_version: ClassVar[int] = 3

    def forecast(self, method: str, inputs: Mapping[str, Any]) -> Forecast:
        """Return the spec of the images; warn if they take long."""
        forecast = super().forecast(method, inputs)
        labels = inputs.get("labels")
        if forecast.output is None or labels is None:
            return forecast
        box = self.box(labels.shape)
        if labels.phases:
            self.check_below(labels.phases)
            self.check_secondary(labels.phases.values())
        (z0, z1), (y0, y1), (x0, x1) = box
        shape = (z1 - z0, y1 - y0, x1 - x0)
        output = replace(forecast.output, shape=shape).of_channels(self.channels)
        kept = {"depth": output} if self.mean_depth else {}
        voxels = int(np.prod(labels.shape))
        memory = held_bytes(voxels) + 64 * 2**20
        memory += (8 + 8 * len(self.detectors)) * shape[1] * shape[2]
        if self.counts_secondary and "vacuum" in (labels.phases.values() or {"vacuum"}):
            memory += held_bytes(2 * voxels) + FINDING_SURFACES_BYTES
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
            f"simulating {pixels} pixels takes about {time} on {cores} CPU cores; if stopped, it "
            f"can be resumed. To shorten it: fewer electrons_per_pixel, slices or region, or a GPU",
        )

    @keeps(depth=Images)
    def simulate(self, labels: Labels, context: Context | None = None) -> Images:
        """Return yields, float32 (channel, z, y, x); those of backscattered electrons are 0 to 1.

        Slices are on disk as soon as they are done: with the same scratch folder, an interrupted
        simulation resumes with the next one. With `mean_depth` it keeps `depth`: the mean over the
        counted electrons of a pixel of the largest depth they reached, in nm, 0 where none counts;
        of secondary electrons, what the electron that made them had reached by then.

        Args:
            labels: the structure; the upper side of each slice is imaged.
            context: surroundings of the step.

        Raises:
            FibError: a phase without a material, slices or a region outside of the volume.
            UsageError: ``cuda`` was requested and cannot be used.
        """
        from fib_plugins.electrons.finished_slices import FinishedSlices
        from fib_plugins.electrons.imaging import phases_in

        context = Context.of(context)
        self.check_secondary([material.name for material in labels.phases.values()])
        box = self.box(labels.shape)
        slices, height, width = (stop - start for start, stop in box)
        voltages = len(self.energies_kev)
        shape = (len(self.channels), slices, height, width)
        names = ("images", "depth") if self.mean_depth else ("images",)
        occurring = phases_in(labels)
        phases = self.with_below(occurring, labels)
        warn_of_end(self, labels, phases, box[0], context.log)
        structure = digest_of(labels, occurring)
        fingerprint = self._fingerprint(labels, phases, structure, context.seed)
        finished = FinishedSlices(context.scratch, fingerprint, names, shape, np.float32)
        work = ImagingOfSlices(self, labels, phases, structure, context, finished.deposits)
        todo = [
            (voltage, z)
            for voltage in range(voltages)
            for z in range(slices)
            if not {(channel, z) for channel in work.channels(voltage)} <= finished.done
        ]
        total, detectors = voltages * slices, len(self.detectors)
        context.progress(total - len(todo), total, "slices imaged")
        first = total - len(todo) + 1
        if context.spreads:
            # The longest first: workers then end at about the same time.
            order = sorted(todo, key=lambda place: -self.energies_kev[place[0]])
            for count, (place, _) in enumerate(context.spread(work, order), start=first):
                taken = {(channel, place[1]) for channel in work.channels(place[0])}
                for each in sorted(taken):
                    finished.take(*each)
                if not taken <= finished.done:
                    raise FibError(
                        f"slice {box[0][0] + place[1]} of a worker cannot be read; check the disk "
                        f"that the workers share, and run again: finished slices are kept"
                    )
                context.progress(count, total, "slices imaged")
        elif todo:
            self._log_time(work.imagers(sorted({c for c, _ in todo})), todo, box, context)
            for count, (place, planes) in enumerate(work.images(todo), start=1):
                finished.add(*place, **planes)
                if count % detectors == 0:
                    done = total - len(todo) + count // detectors
                    context.progress(done, total, "slices imaged")
        if self.mean_depth:
            depth = Images(
                finished.arrays["depth"],
                labels.voxel_size_nm,
                kv=self.kv,
                detectors=self.detector_names,
                quantity="mean depth in nm",
            )
            context.keep("depth", depth)
        return Images(
            finished.arrays["images"],
            labels.voxel_size_nm,
            kv=self.kv,
            detectors=self.detector_names,
            quantity="electron yield" if self.counts_secondary else "backscatter yield",
        )

    def with_below(self, phases: list[int], labels: Labels) -> list[int]:
        """Return some phases and that below the structure.

        Raises:
            FibError: the labels do not have that phase.
        """
        if isinstance(self.below, str):
            return phases
        self.check_below(labels.phases)
        return sorted({*phases, self.below})

    def _log_time(
        self, imagers: dict[int, Any], todo: list[tuple[int, int]], box: Any, context: Context
    ) -> None:
        """Log the expected time, measured on a few pixels of each voltage."""
        _, rows, columns = box
        pixels = (rows[1] - rows[0]) * (columns[1] - columns[0])
        slices = {voltage: [v for v, _ in todo].count(voltage) for voltage in imagers}
        seconds = sum(
            imagers[voltage].seconds_per_pixel(rows, columns) * pixels * count
            for voltage, count in slices.items()
        )
        context.log.info(
            "%d slices to image, in about %s",
            len(todo),
            f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min",
        )

    def _fingerprint(self, labels: Labels, phases: list[int], structure: str, seed: int) -> str:
        """Return a digest of all that determines the images, which identifies finished slices."""
        settings = self.model_dump(mode="json")
        facts = [settings, self.result_version, seed, structure, _materials(labels, phases)]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _materials(labels: Labels, phases: list[int]) -> dict[int, Any]:
    return {phase: labels.phases[phase].model_dump(mode="json") for phase in phases}


def digest_of(labels: Labels, phases: list[int]) -> str:
    """Return a digest of a structure: its voxels, their size, and their materials."""
    from fib_plugins.electrons.imaging import planes

    facts = [_materials(labels, phases), labels.shape, labels.voxel_size_nm]
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for plane in planes(labels.data):
        digest.update(np.ascontiguousarray(plane).tobytes())
    return digest.hexdigest()


FINDING_SURFACES_BYTES = 150 * 2**20
"""Memory of the search for the walls of pores."""

COST_US, COST_EXPONENT = 0.55, 1.15
"""Time for one electron in a porous metal of fine structure, microseconds of a CPU core at 1 keV,
and the exponent of its growth with energy; from `benchmarks/monte_carlo.py`. For warnings only."""
