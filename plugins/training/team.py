"""Trainings on several devices: each has a process that takes a share of every batch.

The step's own process is the first. Only it validates, writes checkpoints, logs and reports
progress. The others are started for the training, draw the same random numbers, and end with it.
Gradients are averaged in one message per step of an optimiser, rather than by wrapping networks
(``DistributedDataParallel``): a training step of a GAN runs a network several times before its
weights are updated, and runs others whose weights are not updated at all.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from lightning.fabric import Fabric
from lightning.fabric.plugins.environments import LightningEnvironment
from lightning.fabric.strategies import DDPStrategy
from torch import nn

from fib_plugins.pickling import pack, unpack
from fib_plugins.training.checkpoint import Checkpoint
from fib_plugins.training.progress import Progress
from fib_plugins.training.runtime import cpu_threads, fabric_on, mixed_precision
from fib_plugins.training.schedule import Computing
from fib_plugins.training.worker_processes import helped_by
from fibcore import Context, FibError

Result = TypeVar("Result")

THIS_MACHINE = "127.0.0.1"
MEETING = timedelta(minutes=5)
"""How long processes wait for each other at the start."""
PATIENCE = timedelta(days=30)
"""How long they wait later: longer than any validation. Lost processes are detected otherwise."""


class Team:
    """The processes of a training, as seen by one of them.

    Attributes:
        fabric: runs networks on this process's device.
        rank: number of this process, from 0.
        size: number of processes.
        share: which patches of a batch belong to this process; it may have none of a small batch.

    Args:
        fabric: that of this process.
        check: raises an error where another process has failed.
    """

    def __init__(self, fabric: Fabric, check: Callable[[], None] = lambda: None) -> None:
        self.fabric, self._check = fabric, check
        self.rank, self.size = fabric.global_rank, fabric.world_size
        self.share = slice(self.rank, None, self.size)

    def by_first(self, work: Callable[[], Result]) -> Result:
        """Return the result of work that only the first process does; it must be picklable."""
        if self.size == 1:
            return work()
        found: Any = work() if self.rank == 0 else None
        return self.fabric.broadcast(found)

    def save(self, checkpoint: Checkpoint, progress: Progress) -> None:
        """Write a checkpoint, in the first process."""
        if self.rank > 0:
            return
        if self.size > 1 and self.fabric.device.type == "cuda":
            # A GPU may still wait for another; sums that lack a lost process are not kept.
            torch.cuda.synchronize(self.fabric.device)
        self._check()
        checkpoint.save(progress)

    def sum(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the sum over all processes of a tensor, which is overwritten."""
        if self.size > 1:
            self.fabric.all_reduce(tensor, reduce_op="sum")
        return tensor

    def whole(self, own: torch.Tensor, items: int) -> torch.Tensor:
        """Return the whole batch of so many items, given this process's share of it."""
        if self.size == 1:
            return own
        batch = own.new_zeros(items, *own.shape[1:])
        batch[self.share] = own
        return self.sum(batch)

    def average(self, losses: dict[str, torch.Tensor], patches: int) -> dict[str, torch.Tensor]:
        """Return losses, means over the patches of each process, as means over the whole batch.

        Args:
            losses: by name, the same names in all processes.
            patches: how many patches the losses of this process are the mean of.
        """
        if self.size == 1:
            return losses
        own = torch.stack([loss.double() for loss in losses.values()])
        return dict(zip(losses, self._mean(own, patches), strict=True))

    def average_gradients(self, parameters: Iterable[nn.Parameter], patches: int) -> None:
        """Set the gradients in all processes to those of the whole batch: means over its patches.

        Args:
            parameters: the same in all processes, and not empty.
            patches: how many patches the gradients of this process are the mean of; with 0 it
                needs no gradients.
        """
        if self.size == 1:
            return
        parameters = list(parameters)
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        own = [parameter.grad.reshape(-1) for parameter in parameters]  # type: ignore[union-attr]
        means = self._mean(torch.cat(own), patches).split([len(part) for part in own])
        for parameter, mean in zip(parameters, means, strict=True):
            # Into the existing gradient, which has the memory layout of its parameter.
            parameter.grad.copy_(mean.reshape(parameter.shape))  # type: ignore[union-attr]

    def _mean(self, own: torch.Tensor, patches: int) -> torch.Tensor:
        """Return the mean over a batch, given the means over the patches of each process."""
        total = self.sum(torch.cat([own, torch.ones_like(own[:1])]) * patches)
        return total[:-1] / total[-1]


def in_team(
    train: Callable[..., Result], params: Computing, context: Context, *given: Any
) -> Result:
    """Return train(params, *given, context, team), called on as many devices as `params` set.

    Every process calls it, with a context and a team of its own; the other processes report and log
    nothing, and what `train` returns there is discarded.

    Args:
        train: a function that can be imported.
        params: devices, precision and threads; can be pickled.
        context: surroundings of the step.
        given: further arguments of `train`; can be pickled.

    Raises:
        FibError: more devices than there are, a precision that they do not support, an error raised
            by `train` in any process, or a process that ended too early.
    """
    if params.devices == 1:
        return train(params, *given, context, Team(fabric_on(context.device, params.precision)))
    devices = _devices(context.device, params.devices)
    mixed_precision(devices[0].type, params.precision)  # refused here rather than in all processes
    with _empty_folder(context.scratch / "team") as folder:
        surroundings = (context.seed, max(1, context.threads // len(devices)), folder)
        parcel = pack((train, params, given, surroundings), folder)
        store = dist.TCPStore(
            THIS_MACHINE, 0, is_master=True, timeout=MEETING, wait_for_workers=False
        )
        others = [(rank, devices, store.port, parcel) for rank in range(1, len(devices))]
        with (
            _group_left_behind(),
            helped_by(_help, others, on_loss=_abort) as check,
            _team(0, devices, params, store, check) as team,
        ):
            return train(params, *given, context, team)


def _help(
    ready: Callable[[], None], rank: int, devices: list[torch.device], port: int, parcel: bytes
) -> None:
    """Train in a process other than the first."""
    train, params, given, (seed, threads, folder) = unpack(parcel)
    context = Context(
        seed,
        device=str(devices[rank]),
        threads=threads,
        scratch=folder / f"process-{rank}",
        log=logging.Logger("fib.team", logging.CRITICAL),
    )
    store = dist.TCPStore(THIS_MACHINE, port, is_master=False, timeout=MEETING)
    torch.empty(1, device=devices[rank])  # an unusable GPU fails here, before all wait
    ready()
    with cpu_threads(params.cpu_threads), _team(rank, devices, params, store) as team:
        train(params, *given, context, team)


def _devices(device: str, number: int) -> list[torch.device]:
    """Return the devices to train on: so many CPU processes, or GPUs from the given one on."""
    kind, _, first = device.partition(":")
    if kind == "cpu":
        return [torch.device("cpu")] * number
    if kind != "cuda":
        raise FibError(
            f"devices {number}: a training on {kind} takes one device; use devices 1, or --device "
            f"cpu or cuda"
        )
    there = torch.cuda.device_count() - int(first or 0)
    if number > there:
        raise FibError(
            f"devices {number}: there are {there} GPUs from {kind}:{first or 0} on; use at most "
            f"{there}"
        )
    return [torch.device("cuda", int(first or 0) + rank) for rank in range(number)]


@contextmanager
def _empty_folder(folder: Path) -> Iterator[Path]:
    shutil.rmtree(folder, ignore_errors=True)  # left by a process that was killed
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _team(
    rank: int,
    devices: list[torch.device],
    params: Computing,
    store: dist.Store,
    check: Callable[[], None] = lambda: None,
) -> Iterator[Team]:
    """Join the group of processes; leave it after a block that ends without error."""
    device = devices[rank]
    on_gpu = device.type == "cuda"
    if on_gpu:  # else NCCL would abort a process that waits for a lost one
        os.environ.setdefault("TORCH_NCCL_ASYNC_ERROR_HANDLING", "0")
    with torch.cuda.device(device) if on_gpu else nullcontext():
        dist.init_process_group(
            "nccl" if on_gpu else "gloo",
            store=store,
            rank=rank,
            world_size=len(devices),
            timeout=MEETING,
            device_id=device if on_gpu else None,
        )
        dist.distributed_c10d._set_pg_timeout(PATIENCE)
        fabric = Fabric(
            accelerator=device.type,
            devices=[each.index for each in devices] if on_gpu else len(devices),
            strategy=_Sharing(),
            plugins=[_Place(rank), *mixed_precision(device.type, params.precision)],
        )
        fabric.launch()
        yield Team(fabric, check)
        dist.destroy_process_group()


@contextmanager
def _group_left_behind() -> Iterator[None]:
    """Leave the group, whose other processes are gone, if the block ends with an error."""
    try:
        yield
    finally:
        if dist.is_initialized() and dist.get_backend() == "nccl":
            dist.distributed_c10d._abort_process_group()
        elif dist.is_initialized():
            dist.destroy_process_group()


def _abort() -> None:
    """Stop this process waiting for others on a GPU; on the CPU a lost process is an error."""
    group = dist.group.WORLD
    if group is not None and dist.get_backend() == "nccl":
        group.abort()


class _Sharing(DDPStrategy):
    """A strategy that only exchanges tensors; networks and threads are left as they are."""

    def _configure_launcher(self) -> None:
        """Launch nothing: the processes run already."""

    def setup_environment(self) -> None:
        """Set up nothing: the process group exists, each process on its device."""

    def setup_module(self, module: nn.Module) -> nn.Module:  # type: ignore[override]
        return module

    def all_reduce(
        self, tensor: torch.Tensor, group: Any = None, reduce_op: Any = "sum"
    ) -> torch.Tensor:
        """Return the sum; unlike Lightning's method, without a barrier before it."""
        dist.all_reduce(tensor, group=group)
        return tensor


class _Place(LightningEnvironment):
    """A process with a given rank; the environment of a cluster is ignored."""

    def __init__(self, rank: int) -> None:
        super().__init__()
        self._rank = rank

    def local_rank(self) -> int:
        return self._rank

    def node_rank(self) -> int:
        return 0
