"""Grains: the orientation of crystals makes grains of one phase differ in brightness."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from fib_plugins.adapters.grains.numbers import (
    GivenGrains,
    GrainNumbers,
    VoronoiGrains,
    voronoi_counts,
)
from fib_plugins.adapters.instrument_base.recording import check_labels
from fib_plugins.threads import bytes_in_threads, in_threads
from fibcore import Adapter, Context, FibError, Forecast, Images, Labels, Table, VolumeSpec, keeps
from fibcore.channels import Channel
from fibcore.context import held_bytes
from fibcore.params import PositiveNm
from fibcore.roles import Key

SLICES = 4
"""Slices of a slab: their grains are found in threads."""
BYTES_PER_PIXEL = 24
"""Memory of a thread per pixel of a slice."""
BYTES_PER_GRAIN = 400

Diameters = dict[Annotated[int, Field(ge=0, le=255)], PositiveNm]
Contrast = Annotated[float, Field(ge=0, le=1)]


def _one_or_more(value: Any) -> Any:
    return (value,) if isinstance(value, (int, float)) else value


class Grains(Adapter):
    """Gives the grains of crystalline phases different brightness: channelling contrast.

    Electrons that enter along lattice planes penetrate deeper, and fewer come back: the yield of a
    crystal depends on its orientation. Contrasts of a few per cent, up to about 10 %, are usual.
    The review that is cited for it (D. C. Joy, D. E. Newbury, D. L. Davidson, J. Appl. Phys. 53
    (1982) R81) could not be read for fib: compare with your own stack. Fewer backscattered
    electrons also release fewer secondary ones.

    Grains are the Voronoi cells of random points within each phase, or those of a volume of grain
    numbers, as `generator/foam` keeps for its grains. Each has one factor for every
    voltage, uniform in 1 - contrast / 2 to 1 + contrast / 2: detectors at one voltage see the same
    orientations, other voltages other ones, since Bragg angles change with energy. The signal, the
    grey value above `black_level`, is multiplied by the factor of the grain that the beam enters:
    that of the face, or through open pores (vacuum) that of the first solid below. Electrons that
    have crossed a filled pore have lost their direction: pores that are filled keep their grey
    value, as do phases without grains. What comes back from deeper grains is not distinguished.

    Give ideal images, before an instrument blurs and counts, and the labels that they show.
    """

    name: ClassVar[str] = "grains"

    grain_diameter_nm: PositiveNm | Diameters | None = Field(
        default=None,
        description="diameter of the sphere of a grain's mean volume: one for all phases from 1 "
        'on, or one for each phase with grains, such as {"1": 300}; not used with the input '
        "`grain_numbers`",
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
        spec, labels, given = (inputs.get(name) for name in ("images", "labels", "grain_numbers"))
        if spec is None:
            return Forecast()
        self._check(spec, labels, given)
        pixels = spec.shape[1] * spec.shape[2]
        memory = bytes_in_threads(BYTES_PER_PIXEL * pixels) + 8 * SLICES * pixels
        memory += held_bytes(spec.nbytes)
        if given is not None or labels is None:
            return Forecast(spec, memory_bytes=memory)
        count = sum(voronoi_counts(self._diameters(labels), labels, self.periodic).values())
        kept = spec.of_channels([Channel(None, None)])
        kept = replace(kept, dtype=_number_dtype(count))
        memory += BYTES_PER_GRAIN * count + held_bytes(kept.nbytes)
        return Forecast(spec, {"grain_numbers": kept}, memory_bytes=memory)

    @keeps(grain_numbers=Images, grains=Table)
    def transform(
        self,
        images: Images,
        labels: Labels | None = None,
        grain_numbers: Images | None = None,
        context: Context | None = None,
    ) -> Images:
        """Return the images with grains; keeps their numbers and factors.

        `grain_numbers` has the number of the grain at each voxel, from 1; 0 where there is none. It
        is not kept if it is given. The table `grains` has the columns grain, phase, voxels and for
        each channel `<channel>_factor`, a row for each grain with a voxel.

        Args:
            images: ideal images; uint8 and uint16 are rounded and clipped.
            labels: the structure that they show.
            grain_numbers: number of the grain at each voxel, 0 where there is none; default:
                Voronoi cells.
            context: seed of grains and factors, threads, progress.

        Raises:
            FibError: no labels or labels of another shape, contrasts for another number of
                channels, no or too many grains, or numbers that are none.
        """
        context = Context.of(context)
        given = None if grain_numbers is None else grain_numbers.spec
        self._check(images.spec, None if labels is None else labels.spec, given)
        assert labels is not None
        grains: GrainNumbers
        if grain_numbers is not None:
            grains = GivenGrains(grain_numbers)
        else:
            grains = VoronoiGrains(self._diameters(labels.spec), labels, self.periodic, context)
            shape = (1, *images.shape)
            numbers = context.empty("grain_numbers", shape, _number_dtype(grains.count))
        factors = self._factors(images, grains.count, context)
        made = context.empty("images", images.data.shape, images.data.dtype)
        empty = [p for p, material in labels.phases.items() if not material.density_g_cm3]
        voxels, phases = np.zeros((2, grains.count + 1), np.int64)
        seen = np.zeros(images.shape[1:], np.int32)
        slabs = range(0, images.shape[0], SLICES)
        # From the last slice to the first: what is below an open pore is known when it is reached.
        for start in context.track(reversed(slabs), "grains", len(slabs)):
            part = range(start, min(start + SLICES, images.shape[0]))
            planes = in_threads(grains.plane, part, context.threads)
            for z, plane in zip(reversed(part), reversed(planes), strict=True):
                here = np.asarray(labels.data[z])
                if grain_numbers is None:
                    numbers[0, z] = plane
                voxels += np.bincount(plane.ravel(), minlength=len(voxels))
                phases[plane.ravel()] = here.ravel()
                seen = np.where(np.isin(here, empty), seen, plane)
                for channel, factor in enumerate(factors):
                    grey = np.asarray(images.data[channel, z])
                    made[channel, z] = _scaled(grey, factor[seen], self.black_level)
        if grain_numbers is None:
            none = {"kv": (None,), "detectors": (None,), "names": ("grain",)}
            shown = images.with_data(numbers, **none, quantity="grain number")
            context.keep("grain_numbers", shown)
        context.keep("grains", _table(phases, voxels, factors, images.names))
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
            diameters = None if given is None else size * given
        contrast = tuple(min(1.0, strength * each) for each in self.contrast)
        return self.model_copy(update={"grain_diameter_nm": diameters, "contrast": contrast})

    def _diameters(self, labels: VolumeSpec) -> dict[int, float]:
        """Return the grain diameter in nm of each phase with grains.

        Raises:
            FibError: none is given.
        """
        given = self.grain_diameter_nm
        if given is None:
            raise FibError(
                "there are no grains: give grain_diameter_nm, or the input grain_numbers, such as "
                "generator/foam keeps"
            )
        if isinstance(given, Mapping):
            return {phase: given[phase] for phase in sorted(given)}
        return {phase: given for phase in sorted(labels.phases) if phase > 0}

    def _check(
        self, images: VolumeSpec, labels: VolumeSpec | None, numbers: VolumeSpec | None
    ) -> None:
        """Refuse inputs that are missing or do not fit."""
        channels = len(images.kv)
        if len(self.contrast) not in (1, channels):
            raise FibError(
                f"contrast is given for {len(self.contrast)} channels, the images have {channels}: "
                f"give one number for all, or one for each channel"
            )
        if labels is None:
            raise FibError(
                "adapter/grains needs the structure: give the labels that the images show as input "
                "labels (in source/virtual_stacks name it among effects, not as instrument)"
            )
        check_labels(images, labels)
        if numbers is not None and (numbers.shape != images.shape or len(numbers.kv) != 1):
            raise FibError(
                f"grain_numbers have shape {numbers.shape} and {len(numbers.kv)} channels, the "
                f"images {images.shape}: give one number for each voxel"
            )

    def _factors(self, images: Images, count: int, context: Context) -> list[np.ndarray]:
        """Return the factor of each grain, float32 with 1 for number 0, for each channel."""
        channels = len(images.kv)
        contrasts = self.contrast if len(self.contrast) == channels else self.contrast * channels
        found = []
        for kv, contrast in zip(images.kv, contrasts, strict=True):
            drawn = context.rng_for("orientations", str(kv)).random(count) - 0.5
            found.append(np.concatenate([[1.0], 1.0 + contrast * drawn]).astype(np.float32))
        return found


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
