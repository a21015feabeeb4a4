"""Sizes of training and of virtual worlds that fit into a time, and the time of each step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from fib_plugins.reconstruct.machine import Machine
from fib_plugins.reconstruct.simulation import Simulation
from fibcore import VolumeSpec
from fibcore.errors import UsageError, sized

COSTS = {
    "prepare": 0.8,
    "first": 0.1,
    "surrogate": 2.4,
    "projection": 0.05,
    "open_projection": 0.5,
    "monte_carlo": 12.0,
    "generate": 0.3,
    "record": 0.6,
    "measure": 3.0,
}
"""Seconds of a core for a million voxels, on the machine of `machine.REFERENCE_S`."""
TRAIN_COST, APPLY_COST = 0.22, 0.13
"""The same of a network, for each of its feature channels."""
START_S = 40.0
"""Seconds of a core to load libraries and to compile, in all steps together."""
RESERVE = 0.85
"""Part of the budget that is planned; the rest is for what costs do not cover."""
TWINS_SHARE, FIRST_SHARE = 0.2, 0.6
"""Part of what is left for learning that twins take; part of the training in the first round."""
LEAST_TRAINING_S = 40.0
"""Seconds of a core, of the reference, below which a training is not worth its time."""
PATCHES, BATCH = 512, 16
LEAST_TWINS, MOST_TWINS = 8, 48
MOST_EPOCHS = 120
TRAINING_BYTES, BASE_BYTES = 160, 700 * 2**20
"""Memory per feature channel and pixel of a batch; of libraries and of what else is held."""


@dataclass(frozen=True)
class Sizes:
    """Parameters that depend on the time there is.

    Attributes:
        base_channels: feature channels of the network.
        patch: edge of its patches, pixels.
        epochs: of the first round.
        epochs_again: of the second round.
        patches: in an epoch.
        pairs: of virtual stacks in an epoch.
        pair_shape: voxels of a virtual stack, (z, y, x).
        twins: virtual stacks for error bars.
        threads: CPU threads of the training.
        seconds: part of the pipeline -> its time.
        memory_bytes: of the step that needs most.
        disk_bytes: of all results.
    """

    base_channels: int
    patch: int
    epochs: int
    epochs_again: int
    patches: int
    pairs: int
    pair_shape: tuple[int, int, int]
    twins: int
    threads: int
    seconds: Mapping[str, float]
    memory_bytes: int
    disk_bytes: int

    @property
    def total_s(self) -> float:
        """Time of the run."""
        return sum(self.seconds.values())


def sizes_for(
    spec: VolumeSpec, simulation: Simulation, ligament_nm: float, budget_s: float, machine: Machine
) -> Sizes:
    """Return sizes for which the run takes about the time that there is.

    Args:
        spec: the stack, all channels.
        simulation: the simulator of virtual stacks.
        ligament_nm: mean ligament diameter.
        budget_s: the time.
        machine: what it will run on.

    Raises:
        UsageError: not even a short training fits into the time or the memory;
            the message has what to change.
    """
    core_s = budget_s * RESERVE * machine.cores / machine.slowness
    base = 8 if core_s < 2500 else 12 if core_s < 12000 else 16
    million = math.prod(spec.shape) * len(spec.kv) / 1e6
    patch, shape = _shapes(spec, ligament_nm)
    pair = math.prod(shape) * len(spec.kv) / 1e6
    network = machine.network_slowness * machine.cores / machine.slowness
    made = pair * (COSTS[simulation.cost] + COSTS["generate"] + COSTS["record"])
    applied = APPLY_COST * base * network
    fixed = {
        "prepare": START_S + million * (COSTS["prepare"] + COSTS["first"]),
        "look and structure": million * COSTS["first"] + 40.0 + 4 * made,
        "labels": 2 * applied * million + million * COSTS["measure"] * min(1.0, 10 / million),
    }
    left = core_s - sum(fixed.values())
    twin = made + pair * (applied + COSTS["measure"])
    twins = max(LEAST_TWINS, min(MOST_TWINS, int(TWINS_SHARE * left / twin)))
    left -= 1.5 * twins * twin
    pixels = PATCHES * patch**2 / 1e6
    pairs = 2
    epoch = 1.2 * pixels * TRAIN_COST * base * network + pairs * made
    if left < LEAST_TRAINING_S + 2 * epoch:
        least = sum(fixed.values()) + 1.5 * LEAST_TWINS * twin + LEAST_TRAINING_S + 3 * epoch
        minutes = least / RESERVE * machine.slowness / machine.cores / 60
        raise UsageError(
            f"too little time: this stack takes at least {minutes:.0f} minutes on {machine} "
            f"(--budget {math.ceil(minutes)}m). Or leave out a part of the stack (fewer slices, a "
            f"smaller field) or a detector, or use a GPU (--device cuda)"
        )
    epochs = max(2, min(MOST_EPOCHS, round(FIRST_SHARE * left / epoch)))
    again = max(1, min(MOST_EPOCHS, round((1 - FIRST_SHARE) * left / epoch)))
    memory = BASE_BYTES + TRAINING_BYTES * base * BATCH * patch**2 + 24 * math.prod(shape)
    disk = int(6 * spec.nbytes + 3 * math.prod(spec.shape))
    sizes = {
        **fixed,
        "training, first round": epochs * epoch,
        "training, second round": again * epoch,
        "error bars": 1.5 * twins * twin,
    }
    factor = machine.slowness / machine.cores
    _check_room(memory, disk, machine)
    return Sizes(
        base, patch, epochs, again, PATCHES, pairs, shape, twins, min(machine.cores, 8),
        {name: seconds * factor for name, seconds in sizes.items()}, memory, disk,
    )  # fmt: skip


def _shapes(spec: VolumeSpec, ligament_nm: float) -> tuple[int, tuple[int, int, int]]:
    """Return the edge of patches, and the shape of virtual stacks that hold several ligaments."""
    depth_nm, _, pixel_nm = spec.voxel_size_nm
    across = ligament_nm / pixel_nm
    patch = 64 if across < 24 else 96 if across < 40 else 128
    edge = 16 * math.ceil(min(max(8 * across, 1.5 * patch, 96), 224) / 16)
    depth = 8 * math.ceil(min(max(6 * ligament_nm / depth_nm, 24), 64) / 8)
    return patch, (depth, edge, edge)


def _check_room(memory: int, disk: int, machine: Machine) -> None:
    if memory > machine.memory_bytes:
        raise UsageError(
            f"too little memory: training takes about {sized(memory)}, "
            f"{sized(machine.memory_bytes)} are free. End other programs, or give a shorter "
            f"--budget, whose network is smaller"
        )
    if disk > machine.disk_bytes:
        raise UsageError(
            f"too little room: the results take about {sized(disk)}, {sized(machine.disk_bytes)} "
            f"are free on this disk. Choose another with --out, or leave out a part of the stack"
        )


def in_words(seconds: float) -> str:
    """Return a time such as ``40 s``, ``12 min``, ``1.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
