"""Structures that resemble given labels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from fib_plugins.generators.resembling.families import FAMILIES, REPRESENTATIVE
from fib_plugins.generators.resembling.posterior import PosteriorInfo
from fibcore import Context, FibError, Forecast, Generator, Labels, Model, Table, Trainable, keeps
from fibcore.materials import Material
from fibcore.params import MaterialParam, Shape, VoxelSize
from fibcore.volumes import VolumeSpec

FamilyName = Literal[
    "leveled_wave",
    "hierarchical_leveled_wave",
    "spinodal",
    "particles",
    "electrode",
    "foam",
]
FEWEST_VOXELS = (8, 16, 16)
"""Least shape (z, y, x) of labels that a structure is fitted to."""
FIT_BYTES = 250
"""Memory for each voxel of a box that is compared: generator, local thickness."""
VOXEL_BYTES = 40
"""Memory for each voxel of a structure of a family that is not known yet."""
MOST_DRAWS = 20
"""Draws that a generator cannot make in such a volume are drawn again, so many times."""
BINDER = (0.1, 0.3)
"""Share of the binder in what is not active material, if the labels do not show it."""
BINDER_POROSITY = 0.5


class Resembling(Trainable, Generator):
    """Structures like those of given labels: family and parameters are drawn from a posterior.

    The fit makes virtual structures of each family, measures them as the labels, and keeps those
    that come near (approximate Bayesian computation). Compared are two-point correlations, mean and
    variation of chord lengths of solid and pore, in plane and along z, specific surface, mean and
    variation of ligament and pore diameters, and the largest components. Solid fraction and size
    are those of the labels: the former is made exactly, the latter follows from ligament diameters,
    since structures are scale-free up to the voxel size. A difference counts in units of its
    standard deviation from volume to volume, found by replicates, with a tolerance of 2 %
    (5 % along z, where segmentations smear). The root mean square is the distance of a structure: 1
    for the same one, at most 2.5 for one that is rather similar.

    `generator/leveled_wave`, `hierarchical_leveled_wave`, `spinodal`, `particles`, `electrode` and
    `foam` are tried, with isotropic structures and the ranges given in the method. If none
    resembles the labels, a warning is given, and structures of all families are generated, with
    broader parameters.

    Labels of two phases are the solid and all else. With three `materials`, electrodes have the
    binder as phase 2; else it counts as pore. In labels of three phases, 1 is the solid.
    """

    name: ClassVar[str] = "resembling"
    info_type: ClassVar[type[PosteriorInfo]] = PosteriorInfo
    learner: ClassVar[str] = "generator"
    apply_params: ClassVar[frozenset[str]] = frozenset(
        {"shape", "voxel_size_nm", "materials", "spread"}
    )

    shape: Shape = Field(
        default=(64, 128, 128),
        description="number of voxels of a structure: one for a cube, or [z, y, x]",
    )
    voxel_size_nm: VoxelSize | None = Field(
        default=None, description="voxel size in nm; default: that of the labels"
    )
    materials: Annotated[tuple[MaterialParam, ...], Field(min_length=2, max_length=3)] | None = (
        Field(
            default=None,
            description="materials of pore (phase 0), solid (1) and perhaps binder (2); default: "
            "those of the labels",
        )
    )
    families: Annotated[tuple[FamilyName, ...], Field(min_length=1)] = Field(
        default=tuple(FAMILIES),  # type: ignore[arg-type]  # these names
        description="families that are tried",
    )
    candidates: Annotated[int, Field(ge=10, le=10_000)] = Field(
        default=80, description="about how many structures the fit makes; 40 is quick"
    )
    spread: Annotated[float, Field(ge=0, le=10)] = Field(
        default=1.0,
        description="factor by which generated structures deviate from those that were kept; 0: "
        "parameters as kept",
    )

    @keeps(posterior=Table, families=Table)
    def fit(
        self, labels: Labels, twins: Table | None = None, *, context: Context | None = None
    ) -> Self:
        """Find the families and parameters of structures that resemble the labels.

        Keeps ``posterior``, a row for each kept structure (family, weight, distance, parameters of
        its generator), and ``families``, a row for each family (distance, probability, verdict,
        least_alike: the statistic that differs most).

        Args:
            labels: phases of a stack, above 0 solid; at least 8 x 16 x 16 voxels.
            twins: `twins` of `metric/error_bars`: what the segmentation does to statistics, by
                which those of the labels are corrected. Columns quantity, truth, measured, with
                quantities named as by `fib_plugins.structure_statistics.summary.statistics_of`.
            context: context of the step.

        Raises:
            FibError: one phase is missing, the labels are too small, or no family is possible.
        """
        from fib_plugins.generators.resembling.fitting import searched
        from fib_plugins.generators.resembling.observed import observed
        from fib_plugins.generators.resembling.posterior import (
            families_table,
            posterior_of,
            posterior_table,
            verdict,
        )

        context = Context.of(context)
        self.forecast("fit", {"labels": labels.spec})
        context.progress(0, self.candidates, "measuring the labels")
        target = observed(labels, twins, context.threads, context.log)
        search = searched(target, list(self.families), self.candidates, context)
        info = posterior_of(search)
        materials = [labels.phases[phase] for phase in sorted(labels.phases)][:3]
        info |= {
            "voxel_size_nm": list(labels.voxel_size_nm),
            "materials": [material.model_dump(mode="json") for material in materials],
            "binder_share": _binder_share(labels),
        }
        nearest = search.families[0]
        distance = search.distance(nearest)
        if not info["resembles"]:
            context.log.warning(
                "no family of structures resembles the labels: the nearest, %s, is at a distance "
                "of %.1f, where %s resembles them roughly; structures of all families are "
                "generated, with broader parameters. See the table `families`; is the segmentation "
                "sound?",
                nearest,
                distance,
                "one of at most 2.5",
            )
        else:
            context.log.info("%s %s the labels", nearest, verdict(distance))
        context.keep("posterior", posterior_table(info))
        context.keep("families", families_table(search, list(self.families)))
        self._model = replace(super().as_model(), info=info)
        return self

    def generate(self, context: Context | None = None, *, seed: int | None = None) -> Labels:
        """Return a structure, of a family and with parameters drawn from the posterior.

        Raises:
            FibError: no draw can be made in such a volume.
        """
        context = Context.of(context, seed)
        info = self.model.info
        rng = context.rng_for("posterior")
        for _ in range(MOST_DRAWS):
            try:
                generator = self._drawn(info, rng)
                return self._made(generator, context)
            except FibError as error:
                last = error
        raise FibError(f"{last}. (The last of {MOST_DRAWS} structures drawn from the posterior)")

    def as_model(self) -> Model:
        """Return the fitted model, with the parameters of this plugin."""
        return replace(super().as_model(), params=self.model_dump(mode="json"))

    def forecast(self, method: str, inputs: Mapping[str, Any]) -> Forecast:
        """Refuse labels that are too small; return the spec of structures, and the memory."""
        if method == "fit":
            labels = inputs.get("labels")
            return Forecast() if labels is None else self._forecast_fit(labels)
        if not self.fitted:
            return Forecast()
        info = self.model.info
        voxel = self.voxel_size_nm or tuple(info["voxel_size_nm"])
        names = [m["name"] if isinstance(m, Mapping) else m for m in info["materials"]]
        if self.materials is not None:
            names = [material.name for material in self.materials]
        spec = VolumeSpec(Labels, self.shape, voxel, phases=dict(enumerate(names)))
        return Forecast(spec, memory_bytes=VOXEL_BYTES * math.prod(self.shape))

    def _forecast_fit(self, labels: VolumeSpec) -> Forecast:
        from fib_plugins.generators.resembling.observed import BOX_VOXELS

        short = [
            axis
            for axis, n, least in zip("zyx", labels.shape, FEWEST_VOXELS, strict=True)
            if n < least
        ]
        if short:
            raise FibError(
                f"the labels have {labels.shape} voxels (z, y, x), too few along "
                f"{', '.join(short)} to fit a structure to; give at least "
                f"{' x '.join(map(str, FEWEST_VOXELS))}"
            )
        names = [labels.phases[phase] for phase in sorted(labels.phases)][:3]
        info = {"voxel_size_nm": list(labels.voxel_size_nm), "materials": names or ["pore", "Au"]}
        model = Model(self.identifier(), self.model_dump(mode="json"), info=info)
        box = min(BOX_VOXELS, math.prod(labels.shape))
        return Forecast(model=model, memory_bytes=FIT_BYTES * box)

    # -- work ----------------------------------------------------------------------------------

    def _drawn(self, info: Mapping[str, Any], rng: np.random.Generator) -> Generator:
        """Return the generator of a structure drawn from the posterior."""
        from fib_plugins.generators.resembling.posterior import drawn

        place, size, fraction = drawn(info, rng, self.spread)
        voxel = self.voxel_size_nm or tuple(info["voxel_size_nm"])
        box: dict[str, Any] = {"shape": self.shape, "voxel_size_nm": voxel}
        materials = self._materials
        if place.family in ("particles", "electrode"):
            few = float(np.multiply(self.shape, voxel).min()) < REPRESENTATIVE * size
            box["fraction"] = "expected" if few else "exact"
        if place.family != "electrode":
            box["materials"] = materials[:2]
        elif len(materials) == 3:
            share = info["binder_share"] or float(rng.uniform(*BINDER))
            # Binder and its pores leave some of the pores open.
            most = 0.9 * (1 - BINDER_POROSITY) * (0.95 - fraction)
            box["materials"] = materials
            box["binder_porosity"] = BINDER_POROSITY
            box["binder_fraction"] = max(0.0, min(share * (1 - fraction), most))
        return FAMILIES[place.family].generator(place.variant, place.shares, size, fraction, box)

    def _made(self, generator: Generator, context: Context) -> Labels:
        inner = Context(
            int(context.rng_for("structure").integers(2**63)),
            device=context.device_asked,
            threads=context.threads,
            scratch=context.scratch / "structure",
            report=lambda what, done, total: context.progress(done, total, what),
            log=context.log,
        )
        labels = generator.generate(inner)
        return replace(labels, phases=dict(enumerate(self._materials)))

    @property
    def _materials(self) -> tuple[Material, ...]:
        if self.materials is not None:
            return self.materials
        return tuple(Material.model_validate(each) for each in self.model.info["materials"])


def _binder_share(labels: Labels) -> float | None:
    """Return the share of phase 2 in all that is not phase 1; None if there is no phase 2."""
    if 2 not in labels.phases:
        return None
    other, rest = 0, 0
    for plane in labels.data:
        other += int(np.count_nonzero(plane == 2))
        rest += int(np.count_nonzero(plane != 1))
    return other / max(1, rest)
