"""Slices imaged by `simulator/monte_carlo`, here or by the workers of a cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from fib_plugins.simulators.detectors import detector_of
from fibcore import Context, Labels
from fibcore.errors import UsageError

if TYPE_CHECKING:
    from fib_plugins.electrons.finished_slices import Deposits
    from fib_plugins.electrons.imaging import Imager
    from fib_plugins.electrons.tally import Tally
    from fib_plugins.simulators.monte_carlo_parameters import MonteCarloParameters

Place = tuple[int, int]
"""Number of a voltage, or of a channel, and slice counted from the first that is imaged."""


class ImagingOfSlices:
    """Images slices of one structure. It can be pickled; then it makes its tables again.

    Args:
        plugin: the parameters.
        labels: the structure.
        phases: those that occur in it and below it.
        structure: digest of the structure, which its noise depends on.
        context: surroundings of the step.
        deposits: where slices are left that are imaged one at a time.
    """

    def __init__(
        self,
        plugin: MonteCarloParameters,
        labels: Labels,
        phases: list[int],
        structure: str,
        context: Context,
        deposits: Deposits,
    ) -> None:
        self._plugin, self._labels, self._phases = plugin, labels, phases
        self._structure, self._context, self._deposits = structure, context, deposits
        self._imagers: dict[int, Imager] = {}

    def __getstate__(self) -> dict[str, Any]:
        context = self._context
        surroundings = (context.seed, context.device_asked, context.threads)
        return {**self.__dict__, "_imagers": {}, "_context": surroundings}

    def __setstate__(self, state: dict[str, Any]) -> None:
        seed, device, threads = state["_context"]
        context = Context(seed, device=device, threads=threads)
        self.__dict__.update(state, _context=context)

    def __call__(self, place: Place) -> None:
        """Image one slice at one voltage and deposit its channels."""
        for each, planes in self.images([place]):
            self._deposits.put(*each, planes)

    def channels(self, voltage: int) -> range:
        """Return the numbers of the channels at a voltage, one for each detector."""
        voltages = len(self._plugin.energies_kev)
        return range(voltage, voltages * len(self._plugin.detectors), voltages)

    def images(self, places: Sequence[Place]) -> Iterator[tuple[Place, dict[str, Any]]]:
        """Yield channel, slice and planes, axes (y, x), for all channels of voltages and slices."""
        (z0, _), rows, columns = self._plugin.box(self._labels.shape)
        shape = (rows[1] - rows[0], columns[1] - columns[0])
        for voltage, part in groupby(places, key=lambda place: place[0]):
            slices = [z0 + z for _, z in part]
            imager = self.imagers([voltage])[voltage]
            for z, tally in imager.images(slices, rows, columns):
                for detector, channel in enumerate(self.channels(voltage)):
                    planes = self._planes(tally.of_detector(detector))
                    shaped = {name: plane.reshape(shape) for name, plane in planes.items()}
                    yield (channel, z - z0), shaped

    def imagers(self, voltages: list[int]) -> dict[int, Imager]:
        """Return the imagers of some voltages, which are kept until others are wanted."""
        if not set(voltages) <= set(self._imagers):
            self._imagers = imagers_of(
                self._plugin, self._labels, self._phases, voltages, self._structure, self._context
            )
        return self._imagers

    def _planes(self, tally: Tally) -> dict[str, Any]:
        from fib_plugins.electrons.tally import DEPTH_UNIT_NM, SHARE_UNIT

        weighed = self._plugin.detector_weighting == "energy"
        signal = tally.shares * SHARE_UNIT if weighed else tally.counts
        planes = {"images": signal / self._plugin.electrons_per_pixel}
        if self._plugin.mean_depth:
            planes["depth"] = tally.depths * DEPTH_UNIT_NM / np.maximum(tally.counts, 1)
        return planes


def imagers_of(
    parameters: MonteCarloParameters,
    labels: Labels,
    phases: list[int],
    voltages: list[int],
    structure: str,
    context: Context,
) -> dict[int, Imager]:
    """Return an `Imager` for each of some voltages, which serves all detectors.

    Args:
        parameters: the parameters of the simulation.
        labels: the structure.
        phases: those that occur in it and below it.
        voltages: numbers of the voltages.
        structure: digest of the structure, which its noise depends on.
        context: surroundings of the step; its seed determines the noise.
    """
    from fib_plugins.electrons.electron import make_beam
    from fib_plugins.electrons.imaging import Imager, make_lattice, surfaces_in
    from fib_plugins.electrons.medium import build_tables
    from fib_plugins.electrons.secondary import emissions_of, make_secondary, reach_nm

    gpu = context.device.startswith("cuda") and _can_use_gpu(context)
    context.device_used = context.device if gpu else "cpu"
    lattice = make_lattice(
        labels,
        phases,
        lateral=parameters.lateral,
        below=parameters.below,
        dtype=parameters.precision,
        empty=partial(context.empty, "lattice"),
    )
    media = [labels.phases[phase] for phase in phases]
    emissions = emissions_of(media, parameters.secondary)
    surfaces = None
    if parameters.counts_secondary:
        surfaces = surfaces_in(
            labels,
            phases,
            reach_nm(emissions),
            lateral=parameters.lateral,
            below=parameters.below,
            empty=partial(context.empty, "surfaces"),
        )
    if gpu:
        from fib_plugins.electrons.cuda import on_gpu

        lattice = on_gpu(lattice)  # once for all voltages
        surfaces = None if surfaces is None else on_gpu(surfaces)
    bse, in_lens = parameters.bse, parameters.in_lens
    detectors = [detector_of(detector, bse, in_lens) for detector in parameters.detectors]
    imagers = {}
    for voltage in voltages:
        energy = parameters.energies_kev[voltage]
        tables = build_tables(
            media,
            energy,
            elastic=parameters.elastic,
            energy_loss=parameters.energy_loss,
            atomic_electrons=parameters.atomic_electrons,
            cutoff_ev=parameters.cutoff_ev,
            dtype=parameters.precision,
        )
        beam = make_beam(
            energy,
            cutoff_ev=parameters.cutoff_ev,
            tilt_deg=parameters.tilt_deg,
            diameter_nm=parameters.beam_diameter_nm,
            detectors=detectors,
            dtype=parameters.precision,
        )
        secondary = None
        if surfaces is not None:
            secondary = make_secondary(
                emissions,
                tables,
                energy,
                parameters.cutoff_ev,
                surfaces,
                min(labels.voxel_size_nm[1:]),
            )
        # depends on the structure, too: two structures have different noise at one seed
        key = int(context.rng_for("electrons", repr(energy), structure).integers(2**63))
        imagers[voltage] = Imager(
            lattice,
            tables,
            beam,
            electrons_per_pixel=parameters.electrons_per_pixel,
            key=key,
            threads=context.threads,
            gpu=gpu,
            secondary=secondary,
        )
    return imagers


def _can_use_gpu(context: Context) -> bool:
    """Return whether Numba can use the GPU; with ``auto`` warn if it cannot."""
    from fib_plugins.electrons.cuda import check_gpu

    try:
        check_gpu(int(context.device.partition(":")[2] or 0))
    except UsageError as error:
        if context.device_asked != "auto":
            raise
        context.log.warning("%s. The CPU is used instead", error)
        return False
    return True
