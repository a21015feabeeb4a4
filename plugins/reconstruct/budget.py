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
    "generate": 0.5,
    "record": 0.6,
    "measure": 3.0,
}
"""Seconds of a core for a million voxels, on the machine of `machine.REFERENCE_S`."""
TRAIN_COST, APPLY_COST = 0.22, 0.13
"""The same of a network, for each of its feature channels."""
START_S = 60.0
"""Seconds of a core to load libraries and to compile, in all steps together."""
CANDIDATE_S = 0.8
"""Seconds of a core for a structure that is compared with the labels."""
PATCH_S, LOOKED_AT = 10.0, 0.5
"""Seconds of a core to compare patches with those of virtual stacks, and for each of these."""
RESERVE = 0.85
"""Part of the budget that is planned; the rest is for what costs do not cover."""
FIRST_SHARE = 0.6
"""Part of the training in the first round."""
LEAST_TRAINING_S = 40.0
"""Seconds of a core, of the reference, below which a training is not worth its time."""
PATCHES, BATCH, PAIRS = 512, 16, 2
FITS = 4
"""Trainings of a candidate for tuning: without each of three parts of the labels, and with all."""
MOST_EPOCHS = 300
MOST_OVER = 1.5
"""A run that would take so many times the budget is refused."""
TRAINING_BYTES, BASE_BYTES = 160, 700 * 2**20
"""Memory per feature channel and pixel of a batch; of libraries and of what else is held."""


@dataclass(frozen=True)
class Effort:
    """How thorough everything but the training is.

    Attributes:
        from_s: seconds of a core of the reference from which it is chosen.
        base_channels: feature channels of the network.
        candidates: structures that are compared with labels, in each round.
        twins_first: twins of the first round.
        twins: twins of the second round.
        pairs: virtual stacks for the calibration of probabilities.
        stacks: virtual stacks that the stack is compared with.
        tuning: training steps on labels of the user.
        learns_alone: whether a network learns from these labels alone, to compare with.
        ligaments: edge of virtual stacks, in ligament diameters.
    """

    from_s: float
    base_channels: int
    candidates: int
    twins_first: int
    twins: int
    pairs: int
    stacks: int
    tuning: int
    learns_alone: bool
    ligaments: float


EFFORTS = (
    Effort(12_000, 16, 160, 16, 48, 12, 39, 480, True, 9.0),
    Effort(3_000, 12, 80, 12, 24, 8, 24, 240, True, 8.0),
    Effort(800, 8, 40, 8, 16, 6, 19, 120, False, 7.0),
    Effort(0, 8, 24, 8, 8, 4, 19, 60, False, 5.0),
)


@dataclass(frozen=True)
class Sizes:
    """Parameters that depend on the time there is.

    Attributes:
        effort: of all but the training.
        patch: edge of the network's patches, pixels.
        epochs: of the first round.
        epochs_again: of the second round.
        pair_shape: voxels of a virtual stack, (z, y, x).
        threads: CPU threads of the training.
        seconds: part of the pipeline -> its time.
        memory_bytes: of the step that needs most.
        disk_bytes: of all results.
    """

    effort: Effort
    patch: int
    epochs: int
    epochs_again: int
    pair_shape: tuple[int, int, int]
    threads: int
    seconds: Mapping[str, float]
    memory_bytes: int
    disk_bytes: int

    @property
    def total_s(self) -> float:
        """Time of the run."""
        return sum(self.seconds.values())


@dataclass(frozen=True)
class _Costs:
    """Costs in seconds of a core of the reference, and what they are for."""

    spec: VolumeSpec
    simulation: Simulation
    shape: tuple[int, int, int]
    patch: int
    labelled: bool
    network: float

    @property
    def million(self) -> float:
        return math.prod(self.spec.shape) * len(self.spec.kv) / 1e6

    @property
    def pair(self) -> float:
        return math.prod(self.shape) * len(self.spec.kv) / 1e6

    @property
    def made(self) -> float:
        """Of a virtual stack."""
        each = COSTS[self.simulation.cost] + COSTS["generate"] + COSTS["record"]
        return self.pair * each

    def step(self, effort: Effort) -> float:
        """Of a training step on patches."""
        pixels = BATCH * self.patch**2 / 1e6
        return pixels * TRAIN_COST * effort.base_channels * self.network

    def epoch(self, effort: Effort) -> float:
        """Of an epoch, with validation."""
        return 1.2 * PATCHES / BATCH * self.step(effort) + PAIRS * self.made

    def fixed(self, effort: Effort) -> dict[str, float]:
        """Return part -> cost of all but the training."""
        applied = APPLY_COST * effort.base_channels * self.network
        twin = self.made + self.pair * (applied + 2 * COSTS["measure"])
        found = {
            "prepare": START_S + self.million * (COSTS["prepare"] + COSTS["first"]),
            "structure and instrument": 2 * CANDIDATE_S * effort.candidates + 4 * self.made,
            "labels": 2 * applied * self.million + effort.pairs * (self.made + applied * self.pair),
            "error bars": (effort.twins_first + effort.twins + 8) * twin
            + 2 * self.million * COSTS["measure"],
            "comparison with the world": PATCH_S + effort.stacks * (self.made + LOOKED_AT),
        }
        if self.labelled:
            steps = effort.tuning * (7 if effort.learns_alone else 4) / 3
            found["tuning"] = FITS * steps * self.step(effort)
        return found


def sizes_for(
    spec: VolumeSpec,
    simulation: Simulation,
    ligament_nm: float,
    budget_s: float,
    machine: Machine,
    *,
    labelled: bool = False,
) -> Sizes:
    """Return sizes for which the run takes about the time that there is.

    Args:
        spec: the stack, all channels.
        simulation: the simulator of virtual stacks.
        ligament_nm: mean ligament diameter.
        budget_s: the time.
        machine: what it will run on.
        labelled: whether there are labels of the user.

    Raises:
        UsageError: not even a short training fits into the time or the memory; the message has
            what to change.
    """
    factor = machine.slowness / machine.cores
    core_s = budget_s * RESERVE / factor
    network = machine.network_slowness / factor
    least = 0.0
    for effort in EFFORTS:
        patch, shape = _shapes(spec, ligament_nm, effort.ligaments)
        costs = _Costs(spec, simulation, shape, patch, labelled, network)
        fixed, epoch = costs.fixed(effort), costs.epoch(effort)
        left = core_s - sum(fixed.values())
        least = sum(fixed.values()) + LEAST_TRAINING_S + 3 * epoch
        if core_s >= max(effort.from_s, least) and (left > 0.25 * core_s or not effort.from_s):
            break
    if least > MOST_OVER * core_s:
        minutes = math.ceil(least / RESERVE * factor / 60)
        raise UsageError(
            f"too little time: this stack takes at least {minutes} minutes on {machine} "
            f"(--budget {minutes}m). Or leave out a part of the stack (fewer slices, a smaller "
            f"field) or a detector, or use a GPU (--device cuda)"
        )
    left = max(left, LEAST_TRAINING_S + 3 * epoch)
    epochs = max(2, min(MOST_EPOCHS, int(FIRST_SHARE * left / epoch)))
    again = max(1, min(MOST_EPOCHS, int((1 - FIRST_SHARE) * left / epoch)))
    memory = BASE_BYTES + TRAINING_BYTES * effort.base_channels * BATCH * patch**2
    memory += 24 * math.prod(shape)
    disk = int(6 * spec.nbytes + 12 * math.prod(spec.shape))
    _check_room(memory, disk, machine)
    seconds = {
        **fixed,
        "training, first round": epochs * epoch,
        "training, second round": again * epoch,
    }
    return Sizes(
        effort, patch, epochs, again, shape, min(machine.cores, 8),
        {name: cost * factor for name, cost in seconds.items()}, memory, disk,
    )  # fmt: skip


def _shapes(
    spec: VolumeSpec, ligament_nm: float, ligaments: float
) -> tuple[int, tuple[int, int, int]]:
    """Return the edge of patches, and the shape of virtual stacks that hold several ligaments."""
    depth_nm, _, pixel_nm = spec.voxel_size_nm
    across = ligament_nm / pixel_nm
    patch = 64 if across < 24 else 96 if across < 40 else 128
    edge = 16 * math.ceil(min(max(ligaments * across, 1.25 * patch), 224) / 16)
    depth = 8 * math.ceil(min(max(0.75 * ligaments * ligament_nm / depth_nm, 24), 64) / 8)
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
