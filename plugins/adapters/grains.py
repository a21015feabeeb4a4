"""Grains: the orientation of crystals makes grains of one phase differ in brightness."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self, TypeVar

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from fib_plugins.adapters.instrument_base.recording import check_labels
from fib_plugins.threads import bytes_in_threads, in_threads
from fibcore import Adapter, Context, FibError, Forecast, Images, Labels, Table, VolumeSpec, keeps
from fibcore.context import held_bytes
from fibcore.params import PositiveNm
from fibcore.roles import Key

if TYPE_CHECKING:
    from fib_plugins.cells.nearest import NearestSeed

T = TypeVar("T")

SLICES = 4
"""Slices of a slab: their grains are found in threads."""
BYTES_PER_PIXEL = 24
"""Memory of a thread per pixel of a slice."""
BYTES_PER_GRAIN = 400
MOST_GRAINS = 2_000_000
MARGIN = 2.0
"""Width of the region around the volume that has grains, too, in grain diameters."""

Diameters = dict[Annotated[int, Field(ge=0, le=255)], PositiveNm]
Contrast = Annotated[float, Field(ge=0, le=1)]


def _one_or_more(value: Any) -> Any:
    return (value,) if isinstance(value, (int, float)) else value


class Grains(Adapter):
    """Gives the grains of crystalline phases different brightness: channelling contrast.

    Electrons that enter along lattice planes penetrate deeper, and fewer come back: the yield of a
    crystal depends on its orientation by a few per cent, up to about 10 % (Joy, Newbury, Davidson,
    J. Appl. Phys. 53 (1982) R81; Lloyd, Mineral. Mag. 51 (1987) 3; Reimer, Scanning Electron
    Microscopy, 2nd ed. 1998, section 6.2). Fewer backscattered electrons also release fewer
    secondary ones.

    Grains are the Voronoi cells of random points within each phase. Each has one factor for every
    voltage, uniform in 1 - contrast / 2 to 1 + contrast / 2: detectors at one voltage see the same
    orientations, other voltages other ones, since Bragg angles change with energy. The signal, the
    grey value above `black_level`, is multiplied by the factor of the grain that the beam enters:
    that of the face, or through open pores (vacuum) that of the first solid below. Electrons that
    have crossed a filled pore have lost their direction: pores that are filled keep their grey
    value, as do phases without grains. What comes back from deeper grains is not distinguished.

    Give ideal images, before an instrument blurs and counts, and the labels that they show.
    """

    name: ClassVar[str] = "grains"

    grain_diameter_nm: PositiveNm | Diameters = Field(
        description="diameter of the sphere of a grain's mean volume: one for all phases from 1 "
        'on, or one for each phase with grains, such as {"1": 300}'
    )
    contrast: Annotated[
        tuple[Contrast, ...],
        Field(min_length=1),
        BeforeValidator(_one_or_more, json_schema_input_type=Contrast | tuple[Contrast, ...]),
    ] = Field(
        default=(0.05,),
        description="brightest minus darkest orientation, as a fraction of the mean signal: one "
        "number for all channels, or one for each",
    )
    black_level: float = Field(default=0.0, description="grey value without signal")
    periodic: bool = Field(
        default=False, description="whether grains repeat with the volume along every axis"
    )

    @model_validator(mode="after")
    def _has_phases(self) -> Self:
        if isinstance(self.grain_diameter_nm, Mapping) and not self.grain_diameter_nm:
            raise ValueError("grain_diameter_nm names no phase; give one diameter, or phases")
        return self

    def forecast(self, method: str, inputs: Mapping[str, Any]) -> Forecast:
        """Return the spec of the given stack; refuse labels of another shape, too many grains."""
        spec, labels = inputs.get("images"), inputs.get("labels")
        if spec is None:
            return Forecast()
        self._check_channels(len(spec.kv))
        labels = _needed(labels)
        check_labels(spec, labels)
        counts = self._counts(labels)
        kept = replace(
            spec, kv=(None,), detectors=(None,), dtype=_number_dtype(sum(counts.values()))
        )
        pixels = spec.shape[1] * spec.shape[2]
        memory = bytes_in_threads(BYTES_PER_PIXEL * pixels) + 8 * SLICES * pixels
        memory += BYTES_PER_GRAIN * sum(counts.values())
        memory += held_bytes(spec.nbytes) + held_bytes(kept.nbytes)
        return Forecast(spec, {"grain_numbers": kept}, memory_bytes=memory)

    @keeps(grain_numbers=Images, grains=Table)
    def transform(
        self, images: Images, labels: Labels | None = None, context: Context | None = None
    ) -> Images:
        """Return the images with grains; keeps their numbers and factors.

        `grain_numbers` has the number of the grain at each voxel, from 1; 0 where there is none.
        The table `grains` has the columns grain, phase, voxels and for each channel
        `<channel>_factor`, a row for each grain with a voxel.

        Args:
            images: ideal images; uint8 and uint16 are rounded and clipped.
            labels: the structure that they show.
            context: seed of grains and factors, threads, progress.

        Raises:
            FibError: no labels or labels of another shape, contrasts for another number of
                channels, or too many grains.
        """
        context, labels = Context.of(context), _needed(labels)
        self._check_channels(len(images.data))
        check_labels(images.spec, labels.spec)
        grains = _Grains(self, labels, context)
        factors = grains.factors(images, self._of_channels(len(images.data)), context)
        made = context.empty("images", images.data.shape, images.data.dtype)
        dtype = _number_dtype(grains.count)
        numbers = context.empty("grain_numbers", (1, *images.shape), dtype)
        empty = [p for p, material in labels.phases.items() if not material.density_g_cm3]
        voxels = np.zeros(grains.count + 1, np.int64)
        seen = np.zeros(images.shape[1:], np.int32)
        slabs = range(0, images.shape[0], SLICES)
        # From the last slice to the first: what is below an open pore is known when it is reached.
        for start in context.track(reversed(slabs), "grains", len(slabs)):
            part = range(start, min(start + SLICES, images.shape[0]))
            for z, plane in reversed(
                list(zip(part, in_threads(grains.plane, part, context.threads), strict=True))
            ):
                numbers[0, z] = plane
                voxels += np.bincount(plane.ravel(), minlength=len(voxels))
                open_here = np.isin(labels.data[z], empty)
                seen = np.where(open_here, seen, plane)
                for channel in range(len(images.data)):
                    grey = np.asarray(images.data[channel, z])
                    made[channel, z] = _scaled(grey, factors[channel][seen], self.black_level)
        shown = replace(
            images, data=numbers, kv=(None,), detectors=(None,), names=("grain",), quantity=QUANTITY
        )
        context.keep("grain_numbers", shown)
        context.keep("grains", _table(grains.phases, voxels, factors, images.names))
        return images.with_data(made)

    def randomised(self, rng: np.random.Generator, spread: float = 0.5) -> Grains:
        """Return grains of another size and contrast.

        Diameters and contrasts are each multiplied by a factor that is log-uniform from
        1 / (1 + spread) to 1 + spread. Places and factors of grains follow from the seed of the
        step.

        Raises:
            FibError: a negative spread.
        """
        if spread < 0:
            raise FibError(f"spread {spread:g} is negative; 0 changes nothing, 0.5 is usual")
        size, strength = ((1.0 + spread) ** rng.uniform(-1.0, 1.0, 2)).tolist()
        given = self.grain_diameter_nm
        if isinstance(given, Mapping):
            diameters: Any = {phase: size * diameter for phase, diameter in given.items()}
        else:
            diameters = size * given
        contrast = tuple(min(1.0, strength * each) for each in self.contrast)
        return self.model_copy(update={"grain_diameter_nm": diameters, "contrast": contrast})

    def diameters(self, phases: Mapping[int, Any]) -> dict[int, float]:
        """Return the grain diameter in nm of each phase with grains, for a stack's phases."""
        given = self.grain_diameter_nm
        if isinstance(given, Mapping):
            return {phase: given[phase] for phase in sorted(given)}
        return {phase: given for phase in sorted(phases) if phase > 0}

    def region_nm(self, extent_nm: np.ndarray, diameter_nm: float) -> np.ndarray:
        """Return the edges of the region with grains; the volume is in its middle."""
        return extent_nm if self.periodic else extent_nm + 2 * MARGIN * diameter_nm

    def _counts(self, labels: VolumeSpec) -> dict[int, int]:
        """Return the number of grains of each phase.

        Raises:
            FibError: there would be too many.
        """
        extent = np.multiply(labels.shape, labels.voxel_size_nm)
        counts = {}
        for phase, diameter in self.diameters(labels.phases).items():
            region = float(self.region_nm(extent, diameter).prod())
            counts[phase] = max(1, round(region / (math.pi / 6 * diameter**3)))
        if sum(counts.values()) > MOST_GRAINS:
            raise FibError(
                f"the volume would have {sum(counts.values()):.2g} grains, at most {MOST_GRAINS} "
                f"are possible. Is grain_diameter_nm in nm? Use larger ones"
            )
        return counts

    def _check_channels(self, channels: int) -> None:
        if len(self.contrast) not in (1, channels):
            raise FibError(
                f"contrast is given for {len(self.contrast)} channels, the images have {channels}: "
                f"give one number for all, or one for each channel"
            )

    def _of_channels(self, channels: int) -> tuple[float, ...]:
        return self.contrast if len(self.contrast) == channels else self.contrast * channels


QUANTITY = "grain number"


class _Grains:
    """The grains of a stack: numbers from 1, phase after phase."""

    def __init__(self, settings: Grains, labels: Labels, context: Context) -> None:
        from fib_plugins.cells.nearest import NearestSeed

        self._labels = labels
        extent = np.asarray(labels.extent_nm)
        diameters = settings.diameters(labels.phases)
        self._of_phase: list[tuple[int, int, NearestSeed]] = []
        phases = [np.zeros(1, np.int64)]
        self.count = 0
        for phase, count in settings._counts(labels.spec).items():
            region = settings.region_nm(extent, diameters[phase])
            seeds = context.rng_for("grains", phase).random((count, 3)) * region
            seeds += (extent - region) / 2
            period = extent if settings.periodic else None
            nearest = NearestSeed(seeds, labels.voxel_size_nm, period)
            self._of_phase.append((phase, self.count + 1, nearest))
            phases.append(np.full(count, phase))
            self.count += count
        self.phases = np.concatenate(phases)

    def plane(self, z: int) -> np.ndarray:
        """Return the number of the grain at each pixel of a slice, int32 (y, x); 0: none."""
        phases = np.asarray(self._labels.data[z])
        found = np.zeros(phases.shape, np.int32)
        for phase, first, nearest in self._of_phase:
            here = phases == phase
            if here.any():
                found[here] = nearest.plane(z, here)[here] + first
        return found

    def factors(
        self, images: Images, contrasts: tuple[float, ...], context: Context
    ) -> list[np.ndarray]:
        """Return the factor of each grain, float32 with 1 for number 0, for each channel."""
        found = []
        for kv, contrast in zip(images.kv, contrasts, strict=True):
            drawn = context.rng_for("orientations", str(kv)).random(self.count) - 0.5
            found.append(np.concatenate([[1.0], 1.0 + contrast * drawn]).astype(np.float32))
        return found


def _needed(labels: T | None) -> T:
    if labels is None:
        raise FibError(
            "adapter/grains needs the structure: give the labels that the images show as input "
            "labels (in source/virtual_stacks name it among effects, not as instrument)"
        )
    return labels


def _number_dtype(count: int) -> str:
    return "uint16" if count < 2**16 else "float32"


def _scaled(grey: np.ndarray, factor: np.ndarray, black: float) -> np.ndarray:
    """Return grey values with their distance from black multiplied."""
    values = black + (grey - np.float32(black)) * factor
    if grey.dtype.kind == "u":
        values = np.clip(np.rint(values), 0, np.iinfo(grey.dtype).max)
    return values.astype(grey.dtype)


def _table(
    phases: np.ndarray, voxels: np.ndarray, factors: list[np.ndarray], names: tuple[str, ...]
) -> Table:
    there = np.flatnonzero(voxels[1:]) + 1
    columns = {"grain": there, "phase": phases[there], "voxels": voxels[there]}
    for name, factor in zip(names, factors, strict=True):
        columns[f"{name.replace(' ', '_')}_factor"] = factor[there].astype(float)
    return Table(columns, {"grain": Key(), "phase": Key()})
