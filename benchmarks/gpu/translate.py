"""Seconds in which a stack of 512 slices is translated."""

from __future__ import annotations

import time

import numpy as np

from fib_plugins.adapters.cyclegan import CycleGAN
from fibcore import Context, Images, Model

from .machine import cores
from .part import Part
from .parts import TRANSLATION
from .result import SECONDS, Result
from .stacks import stack
from .translator import SMALL

FEW = 16
"""Slices that are compared."""

TOLERANCE = 0.02
"""Allowed difference, as a fraction of a translation's standard deviation. Factors of convolutions
have 10 bits on a GPU (TF32), and 7 with `fast` (bfloat16)."""

PAPER = "the paper, on an RTX 3090: 20 s"


def measure(part: Part) -> None:
    """Translate some slices on GPU and CPU, compare, then translate the whole stack."""
    edge, slices, few = part.size(512, 48), part.size(512, 3), part.size(FEW, 2)
    translator = _fitted(part)
    sample, whole = stack(few, edge)[0], stack(slices, edge)[0]
    for name, fast in (("default", False), ("fast", True)):
        if not part.time_for(15, TRANSLATION.format(name)):
            continue
        model = translator.model
        given = CycleGAN.from_model(
            Model(model.plugin, {**model.params, "fast": fast}, model.weights, model.info)
        )
        made, _ = _translated(given, sample, part.device)
        expected, core = _translated(given, sample, "cpu")
        difference = float(np.sqrt(np.mean((made - expected) ** 2)) / expected.std())
        _, seconds = _translated(given, whole, part.device)
        part.result(
            Result(
                TRANSLATION.format(name),
                SECONDS, seconds, core / few * slices, f"{cores()} cores",
                f"differs by {difference:.1e} of the standard deviation", difference < TOLERANCE,
                f"{PAPER}; the CPU's time is extrapolated from {few} slices",
            )
        )  # fmt: skip


def _fitted(part: Part) -> CycleGAN:
    """Return a translator after a very short training; its speed is that of any other."""
    edge = part.size(256, 48)
    stacks = stack(8, edge, 1)[0], stack(8, edge, 2, bright=0.8)[0]
    params = {"epochs": 1, "steps_per_epoch": 2, "validation_slices": 1, "on_label_change": "warn"}
    translator = CycleGAN(**params | part.size({}, SMALL))
    return translator.fit(*stacks, context=Context(0, device=part.device))


def _translated(translator: CycleGAN, images: Images, device: str) -> tuple[np.ndarray, float]:
    """Return the first slices of a translation, and the seconds for all of it."""
    context = Context(0, device=device, threads=cores())
    start = time.perf_counter()
    made = translator.transform(images, context)
    seconds = time.perf_counter() - start
    return np.array(made.data[:, :FEW]), seconds
