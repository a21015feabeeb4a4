"""Small trainings for teams of processes."""

from __future__ import annotations

import os
import signal
from typing import Any

import numpy as np
import torch
from torch import nn

from fib_plugins.training.schedule import Computing
from fib_plugins.training.team import Team
from fibcore import Context, FibError


class Small(Computing):
    """Parameters of a training that takes no time."""

    batch_size: int = 5
    cpu_threads: int = 1


def descend(
    params: Small, samples: np.ndarray, context: Context, team: Team
) -> dict[str, np.ndarray | float]:
    """Fit a small network to samples by a loss that is a mean over them, batch by batch."""
    torch.manual_seed(7)
    network = nn.Sequential(nn.Conv2d(2, 6, 3), nn.Tanh(), nn.Flatten(), nn.Linear(6, 1))
    network = network.double().to(memory_format=torch.channels_last)
    unused = nn.Linear(2, 2).double()
    parameters = [*network.parameters(), *unused.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=0.05)
    module = team.fabric.setup_module(network)
    whole = torch.from_numpy(np.array(samples))
    total = torch.zeros((), dtype=torch.float64)
    for _ in range(3):
        for batch in whole.split(params.batch_size):
            own = batch[team.share]
            optimizer.zero_grad()
            if len(own):
                loss = ((module(own) - own.mean(dim=(1, 2, 3))[:, None]) ** 2).mean()
                team.fabric.backward(loss)
                total += loss.detach() * len(own)
            team.average_gradients(parameters, len(own))
            optimizer.step()
    weights = {name: array.detach().numpy() for name, array in network.named_parameters()}
    return {**weights, "unused": unused.weight.detach().numpy(), "loss": float(team.sum(total))}


def meet(
    params: Small, given: dict[str, Any], context: Context, team: Team
) -> list[dict[str, Any]]:
    """Return what each process knows."""
    own = {
        "rank": team.rank,
        "process": os.getpid(),
        "first": team.by_first(os.getpid),
        "threads": torch.get_num_threads(),
        "seed": context.seed,
        "scratch": str(context.scratch),
        "bytes": given["large"].tobytes(),
    }
    found: list[Any] = [None] * team.size
    torch.distributed.all_gather_object(found, own)
    return found


def lose(params: Small, how: str, context: Context, team: Team) -> None:
    """Train until something goes wrong in one of the processes."""
    for step in range(1000):
        if step == 3 and team.rank == 0 and how == "mine":
            raise FibError("wrong in the first")
        if step == 3 and team.rank == 1:
            if how == "its":
                raise FibError("wrong in another")
            if how == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
        team.sum(torch.ones(10))
