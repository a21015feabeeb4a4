"""Phases that count as another one in the labels of a pair."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from fibcore import FibError, Labels, VolumeSpec


def counted_spec(labels: VolumeSpec, counted: Mapping[int, int]) -> VolumeSpec:
    """Return the spec of labels in which some phases count as others.

    Raises:
        FibError: a phase does not exist, or counts as one that counts as another itself.
    """
    for phase, other in counted.items():
        for each in (phase, other):
            if each not in labels.phases:
                raise FibError(
                    f"count_phase_as names phase {each}; the structures have the phases "
                    f"{', '.join(f'{p} ({name})' for p, name in sorted(labels.phases.items()))}"
                )
        if other in counted:
            raise FibError(
                f"count_phase_as: phase {phase} counts as {other}, which counts as "
                f"{counted[other]}; name a phase that stays"
            )
    kept = {phase: name for phase, name in labels.phases.items() if phase not in counted}
    return replace(labels, phases=kept)


def counted_labels(labels: Labels, counted: Mapping[int, int]) -> Labels:
    """Return labels in which some phases count as others."""
    if not counted:
        return labels
    table = np.arange(256, dtype=np.uint8)
    for phase, other in counted.items():
        table[phase] = other
    phases = {phase: each for phase, each in labels.phases.items() if phase not in counted}
    return labels.with_data(table[labels.data], phases=phases)
