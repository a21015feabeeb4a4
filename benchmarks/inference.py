"""Inference of `segmenter/unet`: time per voxel, and what bfloat16 changes.

    python -m benchmarks.inference [--slices 4]

Time is that of the CPU, of all threads together, so that other programs matter little. Each way
takes its turn in every round, and the fastest round counts.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from monai.inferers import sliding_window_inference

from fib_plugins.generators.leveled_wave import LeveledWave
from fib_plugins.image_statistics.grey_scale import GreyScale
from fib_plugins.metrics.overlap import Overlap
from fib_plugins.segmenters.segmentation import Segmentation
from fib_plugins.segmenters.unet.inference import segment, with_neighbours
from fib_plugins.segmenters.unet.network import build_network
from fib_plugins.segmenters.unet.plugin import UNet
from fib_plugins.simulators.surrogate.plugin import Surrogate
from fib_plugins.training.runtime import cpu_threads
from fib_plugins.training.weights import set_weights
from fibcore import Context, Images, Labels
from fibcore.materials import EPOXY, GOLD

MATERIALS = {0: EPOXY, 1: GOLD}
SHAPE = (2048, 3072)
WINDOW = 512
BLOCK = (32, 256, 256)
ROUNDS = 3
TRAINED = (48, 256, 256)
SEGMENTED = (24, 640, 768)
SEEDS = (11, 12)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=int, default=4)
    args = parser.parse_args()
    speed(args.slices)
    print()
    blocks()
    print()
    quality()


def speed(slices: int) -> None:
    """Print the time of each way for a stack of so many slices."""
    images, network = noise((slices, *SHAPE)), untrained("2.5d")
    ways: dict[str, Callable[[], object]] = {
        "windows of 512, overlap 0.25, 32 bits": lambda: windows(network, images),
        "exact tiles, 32 bits (the default)": lambda: exact(network, images, "32"),
        "exact tiles, bf16": lambda: exact(network, images, "bf16"),
    }
    compared(f"{slices} slices of {SHAPE[0]} x {SHAPE[1]}, 2.5d", images.data.size, ways)


def blocks() -> None:
    """Print the time of inference in 3d."""
    images, network = noise(BLOCK), untrained("3d")
    ways: dict[str, Callable[[], object]] = {
        f"windows of 128, overlap 0.25, {name}": partial(exact, network, images, precision, "3d")
        for name, precision in (("32 bits", "32"), ("bf16", "bf16"))
    }
    compared(f"{' x '.join(map(str, BLOCK))}, 3d", images.data.size, ways)


def noise(shape: tuple[int, int, int]) -> Images:
    """Return images of noise."""
    grey = np.random.default_rng(0).integers(0, 256, (1, *shape), np.uint8)
    return Images(grey, (5.0, 5.0, 5.0), (2.0,))


def untrained(dimensions: str) -> torch.nn.Module:
    """Return a network with random weights."""
    unet = UNet.model_validate({"dimensions": dimensions})
    return build_network(**unet.network_params(1, len(MATERIALS)), seed=0)


def compared(head: str, voxels: int, ways: dict[str, Callable[[], object]]) -> None:
    """Print the CPU time of each way, the fastest of several rounds."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            start = time.process_time()
            way()
            seconds[name].append(time.process_time() - start)
    first = min(seconds[next(iter(ways))])
    print(f"{head:<40}{'us/voxel':>10}{'ratio':>8}")
    for name, taken in seconds.items():
        print(f"{name:<40}{1e6 * min(taken) / voxels:>10.2f}{min(taken) / first:>8.2f}")


def exact(
    network: torch.nn.Module, images: Images, precision: str, dimensions: str = "2.5d"
) -> Labels:
    """Segment a stack as the segmenter does, with one thread."""
    context = Context(0, threads=1)
    unet = UNet.model_validate({"precision": precision, "dimensions": dimensions})
    result = Segmentation(images, MATERIALS, False, context)
    with cpu_threads(1):
        for _ in segment(unet, network, images, GreyScale.of(images), result, context):
            pass
    return result.finish()


def windows(network: torch.nn.Module, images: Images) -> Labels:
    """Segment a stack as fib did before: batch normalisation as it is, windows blended."""
    unet = UNet()
    result = Segmentation(images, MATERIALS, False, Context(0))
    scale = GreyScale.of(images)
    network.eval()
    with cpu_threads(1), torch.inference_mode():
        for z in range(images.shape[0]):
            inputs = with_neighbours(unet, images, scale, np.array([z]), torch.device("cpu"))
            made = sliding_window_inference(
                inputs,
                [min(WINDOW, edge) for edge in inputs.shape[2:]],
                sw_batch_size=1,
                predictor=lambda window: network(window).float().softmax(dim=1),
                overlap=0.25,
                mode="gaussian",
            )
            height, width = images.shape[1:]
            result.add(z, np.asarray(made)[..., :height, :width].swapaxes(0, 1))
    return result.finish()


def quality() -> None:
    """Print how good the labels are in 32 bits and in bfloat16, on images of other structures."""
    params = {"learning_rate": 3e-3, "epochs": 6, "patches_per_epoch": 40 * 64}
    unet = UNet.model_validate(params).fit(*pair(TRAINED, 1), Context(1))
    network = build_network(**unet.network_params(1, len(MATERIALS)), seed=0)
    set_weights(network, unet.model.weights)
    head = f"{len(SEEDS)} structures of {' x '.join(map(str, SEGMENTED))}"
    print(f"{head:<40}{'MDS':>10}{'Dice of solid':>16}{'differ':>10}")
    rows: dict[str, list[tuple[float, float, float]]] = {}
    for seed in SEEDS:
        images, truth = pair(SEGMENTED, seed)
        made = {
            "exact tiles, 32 bits": exact(network, images, "32"),
            "exact tiles, bf16": exact(network, images, "bf16"),
            "windows of 512, overlap 0.25, 32 bits": windows(network, images),
        }
        reference = made["exact tiles, 32 bits"].data
        for name, labels in made.items():
            row = Overlap().measure(labels, truth).rows()[0]
            differ = 100 * float(np.mean(labels.data != reference))
            rows.setdefault(name, []).append((row["mds"], row["dice_solid"], differ))
    for name, found in rows.items():
        mds, dice, differ = np.mean(found, axis=0)
        print(f"{name:<40}{mds:>10.5f}{dice:>16.5f}{differ:>8.3f} %")


def pair(shape: tuple[int, int, int], seed: int) -> tuple[Images, Labels]:
    """Return simulated images of a structure, and the structure."""
    context = Context(seed)
    structure = LeveledWave.model_validate(
        {"shape": shape, "voxel_size_nm": 3.26, "ligament_diameter_nm": 32, "solid_fraction": 0.35}
    ).generate(context)
    surrogate = Surrogate.model_validate(
        {"energies_kev": [2], "electrons_per_pixel": 100, "below": "mirror"}
    )
    return surrogate.simulate(structure, context=context), structure


if __name__ == "__main__":
    main()
