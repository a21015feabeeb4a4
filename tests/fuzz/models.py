"""Model files changed at random, made from the number of a case: checked, and applied if accepted.

python -m tests.fuzz.models --count 5000 --seed 1
"""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from fib_plugins.adapters.acquisition import Acquisition
from fib_plugins.adapters.cut import CUT
from fib_plugins.adapters.cyclegan import CycleGAN
from fib_plugins.adapters.histogram_match import HistogramMatch
from fib_plugins.physics.ann import ANN
from fib_plugins.physics.hunger_kuchler import HungerKuchler
from fib_plugins.physics.monte_carlo import MonteCarloLookup
from fib_plugins.segmenters.random_forest.plugin import RandomForest
from fib_plugins.segmenters.unet.plugin import UNet
from fib_plugins.simulators.surrogate.plugin import Surrogate
from fib_plugins.sources.virtual_stacks import VirtualStacks
from fibcore import Context, Images, Labels, Model, Table
from fibcore.formats import write_model, write_volume
from tests.fuzz.command import run_from_command_line
from tests.fuzz.harness import Outcome, run_cases
from tests.fuzz.json_mutations import Random, changed, written
from tests.fuzz.pipelines import judged

BASES = "FIB_FUZZ_MODELS"
"""Environment variable: folder of the sound models, made once for all workers."""
SHAPE = (6, 64, 64)
VOXEL = (5.0, 5.0, 5.0)
UNET = {"dimensions": "2d", "patch": 16, "epochs": 1, "batch_size": 4, "base_channels": 4,
        "depth": 2, "patches_per_epoch": 4, "cpu_threads": 1}  # fmt: skip
GAN = {"base_channels": 4, "depth": 1, "blocks": 1, "discriminator_channels": 4, "patch": 32,
       "epochs": 1, "steps_per_epoch": 1, "validation_slices": 2, "cpu_threads": 1,
       "on_label_change": "warn"}  # fmt: skip
SURROGATE = {"energies_kev": [2], "voxel_size_nm": 5, "teaching_structures": 8, "rounds": 1,
             "teaching_shape": [4, 16, 16], "teaching_slices": 1, "teaching_electrons": 2,
             "steps": 1, "features": 4, "planes": 4, "batch_size": 1, "cpu_threads": 1,
             "slices": [0, 2], "referee_electrons": 2, "on_failure": "warn"}  # fmt: skip


def _stacks() -> tuple[Labels, Images, Images]:
    """Return a structure, images of it, and others."""
    random = np.random.default_rng(1)
    coarse = np.kron(random.integers(0, 2, (3, 8, 8)), np.ones((2, 8, 8)))
    labels = Labels(coarse.astype(np.uint8), VOXEL, phases=_phases())
    noise = random.normal(0, 10, (2, *SHAPE))
    images = Images((100 * coarse + 60 + noise[0])[None].astype(np.float32), VOXEL, kv=(2.0,))
    other = (80 * coarse[:, ::-1] + 90 + noise[1]).clip(0, 255)[None].astype(np.uint8)
    return labels, images, Images(other, VOXEL, kv=(2.0,))


def _phases() -> dict[int, Any]:
    from fibcore.materials import EPOXY, GOLD

    return {0: EPOXY, 1: GOLD}


def _coefficients() -> Table:
    rows = [
        {"material": name, "atomic_number": z, "energy_kev": energy, "depth_nm": depth,
         "eta": 0.005 * z * float(np.exp(-depth / (20 * energy))), "overlayer": "epoxy"}
        for name, z in (("C", 6.0), ("Cu", 29.0), ("Au", 79.0))
        for energy in (1.0, 2.0, 4.0)
        for depth in (0.0, 20.0, 50.0)
    ]  # fmt: skip
    return Table.from_rows(rows)


def _source() -> VirtualStacks:
    """Return a source that holds a fitted instrument."""
    waves = {"shape": [6, 32, 32], "voxel_size_nm": 5, "waves": 20,
             "ligament_diameter_nm": {"between": [20, 30]}, "solid_fraction": 0.4}  # fmt: skip
    source = VirtualStacks(
        structures=[{"plugin": "generator/leveled_wave", "params": waves}],
        simulator={"plugin": "simulator/weighted_projection", "params": {"energies_kev": [2]}},
        pairs_per_epoch=1,
    )
    source.sample(Context(1), instrument=Acquisition(gain=0.5).fit())
    return source


def write_bases(folder: Path) -> None:
    """Write a sound model of every plugin that learns, and of one that does not."""
    labels, images, other = _stacks()
    table = _coefficients()
    models = {
        "histogram": HistogramMatch(quantiles=32).fit(images, other, Context(1)).model,
        "instrument": Acquisition(black_level=0, white_level=255)
        .fit(other, context=Context(1))
        .model,
        "forest": RandomForest(trees=3, sample_voxels=500).fit(images, labels, Context(1)).model,
        "network": ANN(epochs=1).fit(table, context=Context(1)).model,
        "lookup": MonteCarloLookup().fit(table, Context(1)).model,
        "law": Model("physics/hunger_kuchler", HungerKuchler().model_dump(mode="json")),
        "unet": UNet(**UNET).fit(images, labels, Context(1)).model,
        "cyclegan": CycleGAN(**GAN).fit(images, other, Context(1)).model,
        "cut": CUT(**GAN).fit(images, other, Context(1)).model,
        "source": _source().as_model(),
        "surrogate": Surrogate(**SURROGATE).fit(context=Context(1)).model,
    }
    for name, model in models.items():
        write_model(model, folder / f"{name}.safetensors")


STEPS: dict[str, dict[str, Any]] = {
    "segmenter": {"apply": "model", "inputs": {"images": "images"}},
    "adapter": {"apply": "model", "inputs": {"images": "images"}},
    "source": {"fit": "segmenter/unet", "params": UNET, "inputs": {"images": "model"}},
    "simulator": {"apply": "model", "inputs": {"labels": "labels"}},
    "physics": {"run": "simulator/weighted_projection", "params": {"energies_kev": [2]},
                "inputs": {"labels": "labels", "physics": "model"}},
}  # fmt: skip


def pipeline(kind: str) -> dict[str, Any]:
    """Return a pipeline that loads a model and applies it."""
    steps = [
        {"id": "images", "load": "images.tif", "params": {"voxel_size_nm": 5, "kv": 2}},
        {"id": "labels", "load": "labels.tif",
         "params": {"as": "labels", "voxel_size_nm": 5, "materials": ["epoxy", "Au"]}},
        {"id": "model", "load": "model.safetensors"},
        {"id": "applied", **STEPS[kind]},
    ]  # fmt: skip
    return {"version": 1, "name": "model", "steps": steps}


def _other_weights(weights: dict[str, np.ndarray], random: Random) -> dict[str, np.ndarray]:
    """Return weights of which one array is other than it was."""
    weights = {name: array.copy() for name, array in weights.items()}
    name = str(random.choice(list(weights))) if weights else "weight"
    array = weights.pop(name, np.zeros(3, np.float32))
    ways = [
        lambda: None,
        lambda: array.reshape(-1),
        lambda: array[..., :-1] if array.ndim else array,
        lambda: np.concatenate([array.reshape(-1), array.reshape(-1)]),
        lambda: array.astype(np.float64),
        lambda: array.astype(np.int64) if np.isfinite(array).all() else array,
        lambda: array.astype(bool),
        lambda: array.astype(np.float16),
        lambda: array.T,
        lambda: array[None],
        lambda: np.zeros((0,), array.dtype),
        lambda: np.zeros((0, *array.shape), array.dtype),
        lambda: np.full_like(array, np.nan if array.dtype.kind == "f" else 255),
        lambda: np.full_like(array, np.inf if array.dtype.kind == "f" else 0),
        lambda: array * 0,
        lambda: -array if array.dtype.kind != "b" else array,
        lambda: np.roll(array, 1),
        lambda: (array * 1e6).astype(array.dtype),
        lambda: (array + 1).astype(array.dtype),
        lambda: array.astype(np.uint8),
    ]
    found = ways[int(random.integers(len(ways)))]()
    if found is not None:
        key = name if random.random() < 0.9 else f"{name}\x1b[/b]" + "x" * 300
        weights[key] = np.ascontiguousarray(found)
    return weights


def write_mutant(case: int, bases: Path, folder: Path) -> str:
    """Write the model with a number, and the pipeline that uses it; return the model's name."""
    random = np.random.default_rng(case)
    names = sorted(path.stem for path in bases.glob("*.json"))
    name = names[int(random.integers(len(names)))]
    header = json.loads((bases / f"{name}.json").read_text())
    kind = header["plugin"].split("/")[0]
    weights = load_file(bases / f"{name}.safetensors")
    what = random.random()
    text = json.dumps(header).encode()
    if what < 0.6:
        part = str(random.choice(["info", "params", "all"], p=[0.5, 0.3, 0.2]))
        if part == "all":
            text = written(changed(header, random), random)
        elif header[part]:
            text = written({**header, part: changed(header[part], random)}, random)
    elif what < 0.65:
        other = names[int(random.integers(len(names)))]
        text = (bases / f"{other}.json").read_bytes()
    else:
        weights = _other_weights(weights, random)
    (folder / "model.json").write_bytes(text)
    save_file(weights, folder / "model.safetensors")
    if what > 0.92:
        data = bytearray((folder / "model.safetensors").read_bytes())
        for place in random.integers(0, min(len(data), 2000), 3):
            data[place] = int(random.integers(256))
        cut = int(random.integers(len(data))) if random.random() < 0.3 else len(data)
        (folder / "model.safetensors").write_bytes(bytes(data[:cut]))
    (folder / "p.json").write_text(json.dumps(pipeline(kind), indent=1))
    return name


@cache
def sound_models() -> Path:
    """Return the folder of the sound models."""
    if BASES not in os.environ:
        os.environ[BASES] = tempfile.mkdtemp(prefix="fib-fuzz-")
        log = logging.getLogger("fib")
        before, log.level = log.level, logging.CRITICAL  # tiny trainings have much to warn of
        try:
            write_bases(Path(os.environ[BASES]))
        finally:
            log.level = before
    return Path(os.environ[BASES])


@cache
def _stack_files() -> dict[str, bytes]:
    labels, images, _ = _stacks()
    with tempfile.TemporaryDirectory() as folder:
        write_volume(labels, Path(folder, "labels.tif"))
        write_volume(images, Path(folder, "images.tif"))
        return {name: Path(folder, name).read_bytes() for name in ("labels.tif", "images.tif")}


def judge(case: int) -> str:
    """Check the pipeline that loads the model with a number, and run it if it is accepted."""
    logging.getLogger("fib").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        for name, content in _stack_files().items():
            (base / name).write_bytes(content)
        return (
            write_mutant(case, sound_models(), base)
            + " "
            + judged(base, base / "p.json", quick=True)
        )


def check(count: int, seed: int, workers: int = 2) -> list[Outcome]:
    """Judge `count` cases, in a row from one that the seed names."""
    sound_models()
    cases = range(seed * 1_000_000, seed * 1_000_000 + count)
    return run_cases(judge, cases, workers=workers, seconds=60.0, memory_bytes=6 << 30)


if __name__ == "__main__":
    sys.exit(run_from_command_line(check, __doc__, "models"))
