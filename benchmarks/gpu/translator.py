"""Training steps per second of the translator, and of the reference CycleGAN."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from fib_plugins.adapters.cyclegan import CycleGAN
from fib_plugins.adapters.translation.translator import Translator
from fibcore import Images

from .agreement import same_losses
from .part import Part
from .parts import STEPS
from .result import Result
from .stacks import stack
from .stopwatch import steps_per_second

PAPER = "the paper, on an RTX 3090: 16.7"
BATCHES = (1, 4, 16, 32)
SMALL = {
    "patch": 32, "depth": 1, "base_channels": 4, "blocks": 1, "discriminator_channels": 4,
    "cpu_threads": 1,
}  # fmt: skip
"""Networks of a dry run."""

Stacks = tuple[Images, Images]


def measure(part: Part) -> None:
    """Compare the first steps with the CPU's, then time steps at several batch sizes."""
    edge = part.size(256, 48)
    stacks = stack(8, edge, 1)[0], stack(8, edge, 2, bright=0.8)[0]
    few = _like(part, CycleGAN(), precision="32", steps_per_epoch=2)
    check, passed = same_losses(part.device, lambda context: few.fit(*stacks, context=context))
    default = _like(part, CycleGAN())
    threads = f"{default.cpu_threads} threads"
    core = _rate(part, default, stacks, "cpu")
    best = 0.0
    for batch in part.size(BATCHES, (1, 4)):
        if not part.time_for(8, STEPS.format(batch)):
            continue
        rate = _rate(part, _like(part, CycleGAN(), batch_size=batch), stacks, part.device)
        if batch == 1:
            name = STEPS.format(1)
            part.result(Result(name, "steps/s", rate, core, threads, check, passed, PAPER))
        else:
            part.result(Result(STEPS.format(batch), "patches/s", rate * batch))
        best = max(best, rate * batch)
    if best:
        name = "adapter/cyclegan, best batch"
        part.result(Result(name, "patches/s", best, core, threads))
    if part.time_for(25, name := "reference CycleGAN, batch 1"):
        reference = _like(part, import_module("benchmarks.translation").REFERENCE)
        gpu, core = (_rate(part, reference, stacks, on) for on in (part.device, "cpu"))
        part.result(Result(name, "steps/s", gpu, core, threads, note="as in make bench"))


def _like(part: Part, translator: Translator, **changes: Any) -> Translator:
    """Return a translator that trains for longer than is measured."""
    params: dict[str, Any] = {
        **translator.model_dump(mode="json"), "epochs": 1, "steps_per_epoch": 20_000,
        "validation_slices": 1, "on_label_change": "warn",
    }  # fmt: skip
    return type(translator)(**params | part.size({}, SMALL) | changes)


def _rate(part: Part, translator: Translator, stacks: Stacks, device: str) -> float:
    return steps_per_second(part, device, lambda context: translator.fit(*stacks, context=context))
