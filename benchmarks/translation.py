"""Image translation: ``python -m benchmarks.translation``.

Times a training step against the reference CycleGAN (Zhu et al. 2017: ResNet of nine blocks, 64
filters, instance normalisation, no noise; single precision), the two in turn, on a GPU with the
step replayed as a CUDA graph and without; the translation of a stack of 512 x 512 pixels; measures
memory against the number of slices; and trains all of them for the same time on weighted
projections and Monte Carlo images of two structures, and validates them on other slices.
"""

from __future__ import annotations

import argparse
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from statistics import median
from typing import Any

import numpy as np
from torch import Tensor

from fib_plugins.adapters.cut import CUT
from fib_plugins.adapters.cyclegan import CycleGAN
from fib_plugins.adapters.translation.patches import as_tensor
from fib_plugins.adapters.translation.translator import Translator
from fib_plugins.training.cuda_graphs import Replayed
from fib_plugins.training.prefetch import ahead, depth_for, to_device
from fib_plugins.training.runtime import cpu_threads, fabric_on
from fib_plugins.training.team import Team
from fibcore import Context, Images, Model

from .peak_memory import PeakMemory

VOXEL_NM = (3.26, 3.26, 3.26)
REFERENCE = CycleGAN(
    generator="resnet", base_channels=64, depth=2, blocks=9, norm="instance", noise="none",
    discriminator_channels=64, discriminator_norm="instance", precision="32",
)  # fmt: skip
TRANSLATORS: dict[str, Translator] = {
    "reference CycleGAN (ResNet-9, 64 filters)": REFERENCE,
    "adapter/cyclegan": CycleGAN(),
    "adapter/cut": CUT(),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of steps that are timed")
    parser.add_argument("--slices", type=int, default=512, help="slices translated for the timing")
    parser.add_argument(
        "--wall-time", type=float, default=90.0, help="seconds of training, each; 0: none"
    )
    parser.add_argument("--memory-of", type=int, help="print the peak memory of so many slices")
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    if args.memory_of:
        print(memory_of(args.memory_of))
        return
    steps(args.device, args.rounds, replay=True)
    if args.device != "cpu":
        steps(args.device, args.rounds, replay=False)
    inference(args.device, args.slices)
    if args.device == "cpu":
        memory()
    if args.wall_time:
        equal_time(args.wall_time, args.device)


def steps(device: str, rounds: int, replay: bool) -> None:
    """Print the time of a training step of each translator, one after the other in each round."""
    takers = {name: taker(one, device, replay) for name, one in TRANSLATORS.items()}
    times: dict[str, list[float]] = {name: [] for name in takers}
    number = 1 if device == "cpu" else 50
    with cpu_threads(2):
        for turn in range(rounds + 1):
            for name, take in takers.items():
                start = time.perf_counter()
                take(number)
                if turn:  # the first round warms up
                    times[name].append((time.perf_counter() - start) / number)
    reference = median(next(iter(times.values())))
    title = f"training step, 128 x 128, batch 1{'' if replay else ', no graph'}"
    print(f"{title:<44}{'ms':>8}{'steps/s':>9}{'ratio':>7}")
    for name, found in times.items():
        one = median(found)
        print(f"{name:<44}{1e3 * one:>8.1f}{1 / one:>9.2f}{reference / one:>7.1f}")


def taker(translator: Translator, device: str, replay: bool) -> Callable[[int], None]:
    """Return a function that takes training steps, as training does, but on the same patches.

    Args:
        translator: what is trained.
        device: where.
        replay: whether a GPU records the step as a CUDA graph and replays it.
    """
    rng = np.random.default_rng(0)
    fabric = fabric_on(device, translator.precision)
    method = translator.method()(translator, 1, lambda _: 0, Team(fabric))
    learn = Replayed(method.learn, fabric.device, logging.getLogger()) if replay else method.learn
    patches = {
        stack: as_tensor(rng.standard_normal(method.shape, dtype=np.float32))
        for stack in ("source", "target")
    }
    done = 0

    def make(before: int) -> dict[str, Tensor]:
        return {**patches, **method.draw(rng, before)}

    def take(number: int) -> None:
        nonlocal done
        with closing(ahead(make, range(done, done + number), depth_for(fabric.device))) as made:
            for inputs in made:
                losses = learn({n: to_device(t, fabric.device) for n, t in inputs.items()})
                done += 1
                method.step_done(done)
        float(losses["generator_loss"])  # waits for the GPU

    return take


def inference(device: str, slices: int) -> None:
    """Print the time to translate slices of 512 x 512 pixels, and the effect of `fast`."""
    data = np.random.default_rng(1).random((slices, 512, 512), dtype=np.float32)
    images = Images(data, VOXEL_NM, kv=(2.0,))
    print(f"\n{f'translation, {slices} slices of 512 x 512':<44}{'s':>8}")
    made = {}
    for name, fast in (("default", False), ("fast", True)):
        translator = with_random_weights(CycleGAN(fast=fast))
        start = time.perf_counter()
        translation = translated(translator, images, device)
        print(f"{name:<44}{time.perf_counter() - start:>8.0f}", flush=True)
        made[name] = np.array(translation[:, :8])
    difference = float(np.sqrt(np.mean((made["fast"] - made["default"]) ** 2)))
    print(
        f"fast against default: {difference / made['default'].std():.4f} of the standard deviation"
    )


def memory() -> None:
    """Print the peak memory of translating few and many slices, in processes of their own."""
    print(f"\n{'peak memory, slices of 512 x 512':<44}{'MB':>8}")
    for slices in (16, 64, 256):
        command = [sys.executable, "-m", "benchmarks.translation", "--memory-of", str(slices)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        print(f"{slices:>4} slices{'':<33}{float(done.stdout):>8.0f}")


def memory_of(slices: int) -> float:
    """Return the peak memory in MB while so many slices are translated; the stack is on disk."""
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        path = os.path.join(folder, "stack.npy")
        stack = np.lib.format.open_memmap(path, "w+", np.uint8, (slices, 512, 512))
        rng = np.random.default_rng(2)
        for plane in stack:
            plane[:] = rng.integers(0, 255, (512, 512), dtype=np.uint8)
        translator = with_random_weights(CycleGAN())
        images = Images(np.load(path, mmap_mode="r"), VOXEL_NM, kv=(2.0,))
        with PeakMemory() as peak:
            translator.transform(images, Context(0))
    return peak.highest / 2**20


def with_random_weights(translator: Translator) -> Translator:
    """Return an untrained translator; its speed and memory are those of a trained one."""
    from fib_plugins.adapters.translation.generators import build_generator, network_params
    from fib_plugins.training.weights import weights_of

    network = build_generator(channels=1, **network_params(translator), seed=0)
    info = {
        "kv": [2.0], "target_names": ["2 kV"], "voxel_size_nm": list(VOXEL_NM), "dtype": "float32",
        "quantity": "yield", "source_range": [[0.0, 1.0]], "target_range": [[0.0, 1.0]],
    }  # fmt: skip
    params = {**translator.model_dump(mode="json"), "on_label_change": "warn"}
    return type(translator).from_model(
        Model(translator.identifier(), params, weights_of(network), info)
    )


def translated(translator: Translator, images: Images, device: str) -> np.ndarray:
    return translator.transform(images, Context(0, device=device)).data


def equal_time(seconds: float, device: str) -> None:
    """Print the distances of the reference and the default after trainings of equal time."""
    from fib_plugins.generators.hierarchical_leveled_wave import HierarchicalLeveledWave
    from fib_plugins.simulators.monte_carlo import MonteCarlo
    from fib_plugins.simulators.weighted_projection import WeightedProjection

    gold = [
        HierarchicalLeveledWave(
            shape=(64, 128, 128), voxel_size_nm=3.26, ligament_diameters_nm=(60, 15)
        ).generate(seed=seed)
        for seed in (1, 2)
    ]
    source = WeightedProjection(energies_kev=[2.0]).simulate(gold[0])
    target = MonteCarlo(energies_kev=[2.0], electrons_per_pixel=60).simulate(gold[1])
    print(f"\n{f'after {seconds:.0f} s of training each':<44}{'epochs':>8}{'distance':>10}")
    for name, translator in TRANSLATORS.items():
        params = {
            "learning_rate": 5e-4, "steps_per_epoch": 10, "epochs": 100_000,
            "early_stopping_patience": 100_000, "on_label_change": "warn",
        }  # fmt: skip
        context = Context(0, device=device, report=until(time.monotonic() + seconds))
        given = type(translator)(**{**translator.model_dump(mode="json"), **params})
        # the checkpoint of the stopped training has the number of finished epochs
        try:
            given.fit(source, target, labels=gold[0], context=context)
        except TimeIsUp:
            from torch import load

            state = load(context.scratch / "checkpoint.pt", weights_only=True)["progress"]
            best = state["history"][state["best_epoch"] - 1]["validation_score"]
            print(f"{name:<44}{state['epoch']:>8}{best:>10.3f}")


class TimeIsUp(Exception):
    """Raised to end a training."""


def until(end: float) -> Any:
    """Return a progress callback that raises `TimeIsUp` at a time."""

    def report(*_: Any) -> None:
        if time.monotonic() > end:
            raise TimeIsUp

    return report


if __name__ == "__main__":
    main()
