"""Training steps per second and inference of the U-Net segmenter."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from fib_plugins.segmenters.unet.plugin import UNet
from fibcore import Context, Images, Labels

from .agreement import same_losses
from .machine import cores
from .part import Part
from .result import Result
from .stacks import stack
from .stopwatch import steps_per_second

SAME_LABELS = 0.999
"""Share of the voxels that must have the same phase on GPU and CPU."""

SMALL = {"patch": 16, "depth": 2, "base_channels": 4, "batch_size": 4, "cpu_threads": 1}
"""Networks of a dry run."""


def measure(part: Part) -> None:
    """Time training steps; train a little, and segment a stack."""
    _training(part, *stack(part.size(32, 12), part.size(256, 32), 1))
    if part.time_for(15, name := "inference, 128 slices of 512 x 512"):
        _inference(part, name)


def _training(part: Part, images: Images, labels: Labels) -> None:
    unet = _unet(part, patches_per_epoch=part.size(200_000, 200))
    gpu, core = (
        steps_per_second(part, device, lambda context: unet.fit(images, labels, context))
        for device in (part.device, "cpu")
    )
    few = _unet(part, precision="32", patches_per_epoch=2 * unet.batch_size)
    check, passed = same_losses(part.device, lambda context: few.fit(images, labels, context))
    name = f"training, batch {unet.batch_size} of {unet.patch} x {unet.patch}"
    part.result(Result(name, "steps/s", gpu, core, f"{unet.cpu_threads} threads", check, passed))


def _inference(part: Part, name: str) -> None:
    """Segment a stack with a network trained on its phases."""
    edge, slices, few = part.size(512, 32), part.size(128, 3), part.size(16, 2)
    patches = part.size(60, 20) * _unet(part).batch_size
    unet = _unet(part, learning_rate=3e-3, patches_per_epoch=patches)
    images, labels = stack(part.size(32, 12), part.size(256, 32), 1)
    unet.fit(images, labels, Context(0, device=part.device))
    sample, whole = stack(few, edge, 2)[0], stack(slices, edge, 2)[0]
    made, _ = _segmented(unet, sample, part.device)
    expected, on_cpu = _segmented(unet, sample, "cpu")
    _, on_gpu = _segmented(unet, whole, part.device)
    same = float(np.mean(made == expected))
    part.result(
        Result(
            name, "voxels/s", whole.data.size / on_gpu, sample.data.size / on_cpu,
            f"{cores()} cores, {few} slices",
            f"{100 * same:.3f} % of the labels are the same", same > SAME_LABELS,
        )
    )  # fmt: skip


def _unet(part: Part, **params: Any) -> UNet:
    return UNet(**{"epochs": 1} | part.size({}, SMALL) | params)


def _segmented(unet: UNet, images: Images, device: str) -> tuple[np.ndarray, float]:
    """Return the labels of the network, and its time in seconds."""
    start = time.perf_counter()
    labels = unet.predict(images, Context(0, device=device, threads=cores()))
    return labels.data, time.perf_counter() - start
