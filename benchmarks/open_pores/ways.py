"""Ways to train a network, and what each of them misplaces."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from fibcore import Context, Images, Labels

from .images import SHOWN_NM, first_solid, images_of, monte_carlo
from .structures import (
    TEACHERS,
    TEACHING_SLICES,
    TWIN_SLICES,
    electrodes,
    plain_particles,
    plugin,
    twin_structure,
)
from .untrained import misplaced, untrained_errors

TWIN_ELECTRONS, TEACHING_ELECTRONS = 120, 60
UNET: dict[str, Any] = {
    "dimensions": "2.5d",
    "slices_above": 1,
    "slices_below": 2,
    "base_channels": 8,
    "patch": 48,
    "batch_size": 16,
    "patches_per_epoch": 256,
    "epochs": 25,
    "early_stopping_patience": 25,
    "learning_rate": 0.003,
    "normalization": "slice",
    "augment_offset": 0.3,
    "augment_gain": 0.3,
}


@dataclass(frozen=True)
class Way:
    """A way to train a network: its structures, how they are imaged, and the channels it sees."""

    caption: str
    structure: Callable[[int, int], np.ndarray]
    simulate: str
    detectors: tuple[str, ...]
    old: bool


WAYS = {
    "first_solid": Way(
        "particles, first solid, BSE", plain_particles, "first_solid", ("bse",), True
    ),
    "two_phase": Way("particles, Monte Carlo, BSE", plain_particles, "monte_carlo", ("bse",), True),
    "electrode_bse": Way(
        "electrodes, Monte Carlo, BSE", electrodes, "monte_carlo", ("bse",), False
    ),
    "electrode": Way(
        "electrodes, Monte Carlo, BSE and SE", electrodes, "monte_carlo", ("bse", "se"), False
    ),
}


class Work:
    """Makes what a seed needs, and keeps arrays in a folder."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.seed, self._folder = seed, folder
        folder.mkdir(parents=True, exist_ok=True)

    def kept(self, name: str, make: Callable[[], np.ndarray]) -> np.ndarray:
        """Return an array, made or read."""
        path = self._folder / f"{name}_{self.seed}.npy"
        if not path.exists():
            np.save(path, make())
        return np.asarray(np.load(path))

    def twin(self) -> tuple[Images, np.ndarray]:
        """Return the recorded twin and its truth: active material."""
        seed = self.seed
        data = self.kept("twin", lambda: twin_structure(seed))
        ideal = self.kept(
            "twin_images", lambda: monte_carlo(data, TWIN_SLICES, TWIN_ELECTRONS, 7000 + seed)
        )
        adapter = plugin("adapter/twin", preset="typical", white_level=0.5)
        recorded = adapter.transform(images_of(ideal, ("bse", "se")), Context(8000 + seed))
        return recorded, data[slice(*TWIN_SLICES)] == 1

    def teaching(self, way: Way) -> tuple[Images, Labels]:
        """Return training images and labels of a way, of several structures one after the other."""
        parts, truths = [], []
        for number in range(TEACHERS):
            name = f"{way.structure.__name__}{number}"
            data = self.kept(name, partial(way.structure, self.seed, number))
            parts.append(self.kept(f"{name}_{way.simulate}", partial(self._imaged, way, data)))
            truths.append(data[slice(*TEACHING_SLICES)] == 1)
        images = images_of(np.concatenate(parts, axis=1), way.detectors)
        return images, Labels(np.concatenate(truths), (SHOWN_NM,) * 3)

    def _imaged(self, way: Way, data: np.ndarray) -> np.ndarray:
        if way.simulate == "first_solid":
            return first_solid(data, TEACHING_SLICES)
        return monte_carlo(data, TEACHING_SLICES, TEACHING_ELECTRONS, self.seed)

    def labels(self, way: Way, stack: Images) -> np.ndarray:
        """Return what a network of a way takes for active material in a stack."""
        stack = stack.select(detectors=way.detectors)
        images, truth = self.teaching(way)
        acquisition = plugin("adapter/acquisition")
        acquisition.fit(target=stack, source=images, context=Context(self.seed))
        network = plugin("segmenter/unet", **UNET)
        network.fit(images, truth, Context(self.seed), instrument=acquisition)
        return np.asarray(network.predict(stack).data == 1)


def measured(seed: int, folder: Path, ways: Mapping[str, Way]) -> dict[str, float]:
    """Return MP in percent of each way, and of segmenters without a network."""
    work = Work(seed, folder)
    stack, truth = work.twin()
    found = dict(untrained_errors(stack, truth, seed))
    for name, way in ways.items():
        found[name] = misplaced(work.labels(way, stack), truth)
        print(f"seed {seed}: {way.caption}: MP {found[name]:.2f} %", flush=True)
    return found
