"""Slices near the end of a structure, whose images depend on what lies below it."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence

from fib_plugins.electrons.stopping import range_nm
from fib_plugins.simulators.monte_carlo_parameters import ImagingParameters
from fibcore import Labels


def warn_of_end(
    params: ImagingParameters,
    labels: Labels,
    phases: Sequence[int],
    imaged: tuple[int, int],
    log: logging.Logger,
) -> None:
    """Warn of slices that depend on what is below the structure, unless `below` was given.

    Electrons return from depths of up to half their range, or more where pores are empty.

    Args:
        params: the parameters of the simulation.
        labels: the structure.
        phases: those that occur in it.
        imaged: range of the imaged slices.
        log: where the warning goes.
    """
    matter = [labels.phases[phase] for phase in phases if labels.phases[phase].composition]
    if "below" in params.model_fields_set or not matter:
        return
    energy = max(params.energies_kev)
    depth_nm = 0.5 * max(
        range_nm(params.energy_loss, material, energy, params.cutoff_ev) for material in matter
    )
    slices, thickness_nm = labels.shape[0], labels.voxel_size_nm[0]
    first = max(imaged[0], slices - math.ceil(depth_nm / thickness_nm))
    if first >= imaged[1]:
        return
    which = f"the last {imaged[1] - first} of {imaged[1] - imaged[0]} slices lie"
    advice = f"Leave them out (slices [{imaged[0]}, {first}])"
    if first == imaged[0]:
        which, advice = "all slices lie", "Use a deeper structure"
    log.warning(
        "%s less than %.0f nm above the end of the structure, and electrons of %g keV return "
        "from such depths: these images depend on what is below the end, by default the "
        "structure mirrored. %s, or set below to what is there",
        which,
        depth_nm,
        energy,
        advice,
    )
