"""What a training asks of its device while it runs, for a GPU that must not wait for the host."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from fib_plugins.segmenters.unet.network import build_network
from fib_plugins.segmenters.unet.patches import Patches, Variation
from fib_plugins.segmenters.unet.plugin import UNet
from fib_plugins.segmenters.unet.training import learning_step, loss_function, validate
from fib_plugins.training.optimizers import adam
from fib_plugins.training.runtime import fabric_on
from fib_plugins.training.team import Team

SETTINGS: list[dict[str, Any]] = [
    {"dimensions": "2d"},
    {"loss": "dice_ce", "augment_noise": 0.1},
    {"dimensions": "3d", "norm": "instance", "patch_depth": 8, "batch_size": 4},
]


class ReadBacks(TorchDispatchMode):
    """Counts how often a number is read from a tensor."""

    count = 0

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if operation is torch.ops.aten._local_scalar_dense.default:
            self.count += 1
        return operation(*args, **(kwargs or {}))


@pytest.mark.parametrize("params", SETTINGS)
def test_a_step_reads_nothing_back_and_mixes_no_devices(
    small: Callable[..., UNet], params: dict[str, Any]
) -> None:
    # Tensors on "meta" have no values that could be read, and refuse company from elsewhere.
    meta = torch.device("meta")
    unet = small(**params)
    network = build_network(**unet.network_params(1, 3), seed=0).to(meta)
    optimizer = adam(network.parameters(), 1e-3, meta)
    team = Team(fabric_on("cpu", "32"))
    learn = learning_step(network, loss_function(unet), optimizer, team)
    depth = () if unet.flat else (8,)
    channels = 6 if unet.dimensions == "2.5d" else 1
    batch = {
        "inputs": torch.empty(4, channels, *depth, 32, 32, device=meta),
        "target": torch.empty(4, 1, *depth, 32, 32, dtype=torch.int64, device=meta),
    }
    for _ in range(2):
        loss = learn(batch)["loss"]
    assert (loss.device, loss.shape, loss.requires_grad) == (meta, (), False)


@pytest.mark.parametrize("params", SETTINGS)
def test_patches_are_cut_and_judged_without_a_word_from_the_device(
    small: Callable[..., UNet], params: dict[str, Any]
) -> None:
    unet = small(**{"batch_size": 3, **params})
    rng = np.random.default_rng(0)
    patches = Patches(
        unet, torch.rand(1, 2, 16, 64, 64), torch.randint(2, (1, 16, 64, 64), dtype=torch.uint8)
    )
    network = build_network(**unet.network_params(1, 2), seed=0)
    counts = []
    for number in (4, 13):
        corners = patches.at_random(rng, number)
        variation = Variation.draw(unet, rng, number, 1, 2)
        with ReadBacks() as read_backs:
            for _ in patches.batches(corners, variation):
                pass
        assert read_backs.count == 0
        with ReadBacks() as read_backs:
            batches = patches.batches(corners, variation)
            validate(network, batches, loss_function(unet), lambda: None)
        counts.append(read_backs.count)
    assert counts[0] == counts[1] > 0  # once for all batches
