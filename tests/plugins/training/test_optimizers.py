"""Adam that works the same on any device."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from fib_plugins.training.optimizers import adam, on_device, rate_of

CPU = torch.device("cpu")


def parameters():
    return [nn.Parameter(torch.tensor([1.0, -2.0, 3.0]))]


def take_steps(optimizer, owned, steps):
    for _ in range(steps):
        optimizer.zero_grad()
        owned[0].square().sum().backward()
        optimizer.step()
    return owned[0].detach().clone()


def test_on_a_cpu_it_is_adam_as_torch_has_it():
    own, theirs = parameters(), parameters()
    found = take_steps(adam(own, 0.1, CPU, betas=(0.5, 0.999)), own, 5)
    torch_adam = torch.optim.Adam(theirs, lr=0.1, betas=(0.5, 0.999))
    torch.testing.assert_close(found, take_steps(torch_adam, theirs, 5), rtol=0, atol=0)


def test_the_state_of_a_gpu_goes_on_on_a_cpu_to_the_same_bytes():
    own = parameters()
    optimizer = adam(own, 0.1, CPU)
    take_steps(optimizer, own, 3)
    other = [nn.Parameter(own[0].detach().clone())]
    state = copy.deepcopy(optimizer.state_dict())
    # as a checkpoint has it that was written on a GPU and read into the memory of the host
    state["param_groups"][0].update(lr=torch.tensor(0.1), capturable=True, fused=True)
    resumed = adam(other, 0.7, CPU)
    resumed.load_state_dict(state)
    on_device(resumed, CPU)
    assert rate_of(resumed) == pytest.approx(0.1)
    optimizer.param_groups[0]["lr"] = rate_of(resumed)  # 0.1 as a GPU has it
    expected = take_steps(optimizer, own, 3)
    torch.testing.assert_close(take_steps(resumed, other, 3), expected, rtol=0, atol=0)


def test_what_lowers_the_rate_reaches_the_tensor_that_a_graph_reads():
    own = parameters()
    optimizer = adam(own, 0.1, CPU)
    rate = torch.tensor(0.1)
    optimizer.param_groups[0]["lr"] = rate  # as on a GPU
    lowering = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=0)
    for loss in (1.0, 1.0, 1.0):
        lowering.step(loss)
    assert rate.item() == pytest.approx(0.025)
    assert rate_of(optimizer) == pytest.approx(0.025)
