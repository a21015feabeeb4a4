"""Toy plugins for tests of the core, which knows no real one."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
from processes import follow_no_process
from pydantic import Field

import fibcore
from fibcore import (
    Adapter,
    Context,
    FibError,
    Forecast,
    Generator,
    Images,
    LabelMetric,
    Labels,
    Material,
    MaterialParam,
    Metric,
    Model,
    Physics,
    Segmenter,
    Simulator,
    Table,
    Trainable,
    keeps,
)
from fibcore.params import EnergiesKev, Shape, VoxelSize
from fibcore.pipeline import Plan, RunResult, check_pipeline, run_pipeline
from fibcore.registry import registry

os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # as the command does, before torch comes in

CALLS: list[str] = []
"""Which toy methods did work, in order."""


class ToyBlocks(Generator):
    """Random blocks."""

    name: ClassVar[str] = "toy_blocks"

    shape: Shape = Field(default=(8, 16, 16), description="voxels")
    voxel_size_nm: VoxelSize = Field(default=(5.0, 5.0, 5.0), description="voxel size, nm")
    block: int = Field(default=4, ge=1, description="edge of a block, voxels")
    materials: tuple[MaterialParam, ...] = Field(default=("epoxy", "Au"), description="phases")

    def generate(self, context: Context | None = None, *, seed: int | None = None) -> Labels:
        context = Context.of(context, seed)
        CALLS.append("generate")
        coarse = context.rng.integers(0, 2, [n // self.block + 1 for n in self.shape])
        fine = np.kron(coarse, np.ones([self.block] * 3))
        z, y, x = self.shape
        data = np.ascontiguousarray(fine[:z, :y, :x], np.uint8)
        return Labels(data, self.voxel_size_nm, phases=dict(enumerate(self.materials)))


class ToyLaw(Physics):
    """Half of everything comes back."""

    name: ClassVar[str] = "toy_law"

    eta: float = Field(default=0.5, description="coefficient")

    def coefficient(self, material: Material, energy_kev: Any, depth_nm: Any = 0.0) -> np.ndarray:
        return np.full(np.broadcast(energy_kev, depth_nm).shape, self.eta)


class ToyLearnedLaw(Trainable, Physics):
    """Learns its coefficient from a table."""

    name: ClassVar[str] = "toy_learned_law"

    def coefficient(self, material: Material, energy_kev: Any, depth_nm: Any = 0.0) -> np.ndarray:
        return np.full(np.broadcast(energy_kev, depth_nm).shape, self.model.weights["eta"][0])

    def fit(self, table: Table, context: Context | None = None) -> ToyLearnedLaw:
        Context.of(context)
        CALLS.append("fit law")
        eta = np.array([table["eta"].mean() / 2])
        self._model = Model(self.identifier(), self.model_dump(mode="json"), {"eta": eta})
        return self


class ToyCamera(Simulator):
    """Solid is bright, with noise."""

    name: ClassVar[str] = "toy_camera"

    energies_kev: EnergiesKev = Field(default=(2.0,), description="beam energies, keV")
    noise: float = Field(default=0.1, ge=0, description="standard deviation of the noise")

    @keeps(clean=Images)
    def simulate(
        self, labels: Labels, physics: Physics | None = None, context: Context | None = None
    ) -> Images:
        context = Context.of(context)
        CALLS.append("simulate")
        gold = labels.phases[1]
        eta = [
            1.0 if physics is None else float(physics.coefficient(gold, e))
            for e in self.energies_kev
        ]
        clean = np.stack([e * labels.data for e in eta]).astype(np.float32)
        noisy = clean + self.noise * context.rng.standard_normal(clean.shape, np.float32)
        context.keep("clean", Images(clean, labels.voxel_size_nm, kv=self.energies_kev))
        return Images(noisy, labels.voxel_size_nm, kv=self.energies_kev)


class ToyTrouble(Adapter):
    """Does what is asked to go wrong."""

    name: ClassVar[str] = "toy_trouble"

    trouble: Literal[
        "none", "fib", "bug", "interrupt", "memory", "disk", "wrong type", "undeclared", "greedy"
    ] = Field(default="none", description="what to do")

    def transform(self, images: Images, context: Context | None = None) -> Images:
        context = Context.of(context)
        CALLS.append("transform")
        match self.trouble:
            case "fib":
                raise FibError("the images are upside down; turn them")
            case "bug":
                raise ZeroDivisionError("oops")
            case "interrupt":
                raise KeyboardInterrupt
            case "memory":
                raise MemoryError("9 TB")
            case "disk":
                raise OSError(28, "No space left on device")
            case "wrong type":
                return images.data  # type: ignore[return-value]
            case "undeclared":
                context.keep("surprise", images)
        context.log.warning("nothing was changed")
        return images

    def forecast(self, method: str, inputs: Any) -> Any:
        found = super().forecast(method, inputs)
        if self.trouble == "greedy":
            return Forecast(found.output, memory_bytes=10**15)
        return found


class ToyType(Trainable, Adapter):
    """Gives images the element type of others; bytes if not fitted."""

    name: ClassVar[str] = "toy_type"
    works_unfitted: ClassVar[bool] = True

    @property
    def dtype(self) -> str:
        return str(self.model.info["dtype"]) if self.fitted else "uint8"

    def fit(self, images: Images, context: Context | None = None) -> ToyType:
        Context.of(context)
        self._model = self.forecast("fit", {"images": images.spec}).model
        return self

    def transform(self, images: Images, context: Context | None = None) -> Images:
        Context.of(context)
        return images.with_data(images.data.astype(self.dtype))

    def forecast(self, method: str, inputs: Any) -> Any:
        spec = inputs["images"]
        if method == "fit":
            params = self.model_dump(mode="json")
            return Forecast(model=Model(self.identifier(), params, info={"dtype": spec.dtype}))
        return Forecast(replace(spec, dtype=self.dtype))


class ToyLevel(Trainable, Segmenter):
    """Learns a grey level, in rounds that survive an interruption."""

    name: ClassVar[str] = "toy_level"
    apply_params: ClassVar[frozenset[str]] = frozenset({"offset"})

    rounds: int = Field(default=3, ge=1, description="rounds of training")
    offset: float = Field(default=0.0, description="added to the level")

    @keeps(history=Table)
    def fit(self, images: Images, labels: Labels, context: Context | None = None) -> ToyLevel:
        context = Context.of(context)
        file = context.scratch / "level.txt"
        levels = [float(v) for v in file.read_text().split()] if file.exists() else []
        for round_ in range(len(levels), self.rounds):
            CALLS.append(f"round {round_}")
            grey = images.data[0]
            middle = (grey[labels.solid].mean() + grey[~labels.solid].mean()) / 2
            levels.append(float(middle) + float(context.rng_for(round_).normal(0, 1e-3)))
            file.write_text(" ".join(map(repr, levels)))
            context.progress(round_ + 1, self.rounds, "rounds")
        context.keep("history", Table({"round": np.arange(len(levels)), "level": np.array(levels)}))
        weights = {"level": np.array([levels[-1]])}
        self._model = Model(self.identifier(), self.model_dump(mode="json"), weights)
        return self

    def predict(self, images: Images, context: Context | None = None) -> Labels:
        Context.of(context)
        CALLS.append("predict")
        data = images.data[0] > self.model.weights["level"][0] + self.offset
        return Labels(data.astype(np.uint8), images.voxel_size_nm)


class ToyScore(LabelMetric):
    """Share of wrong voxels."""

    name: ClassVar[str] = "toy_score"

    def measure(self, prediction: Labels, truth: Labels, context: Context | None = None) -> Table:
        Context.of(context)
        CALLS.append("measure")
        wrong = float(np.mean(prediction.data != truth.data))
        return Table.from_rows([{"wrong_percent": 100 * wrong}])


class ToyVotes(Metric):
    """Counts voxels that all segmentations call solid."""

    name: ClassVar[str] = "toy_votes"

    def forecast(self, method: str, inputs: Any) -> Forecast:
        shapes = [spec.shape for spec in inputs["labels"]]
        if len(set(shapes)) > 1:
            raise FibError("shapes " + " and ".join(map(str, shapes)))
        return Forecast()

    def measure(self, labels: list[Labels], context: Context | None = None) -> Table:
        Context.of(context)
        agreed = np.all([one.data > 0 for one in labels], axis=0)
        return Table.from_rows([{"members": len(labels), "solid_voxels": int(agreed.sum())}])


class Toys:
    """The hooks of the toy package."""

    @fibcore.hookimpl
    def fib_register_generators(self, register: Any) -> None:
        register(ToyBlocks)

    @fibcore.hookimpl
    def fib_register_physics(self, register: Any) -> None:
        register(ToyLaw)
        register(ToyLearnedLaw)

    @fibcore.hookimpl
    def fib_register_simulators(self, register: Any) -> None:
        register(ToyCamera)

    @fibcore.hookimpl
    def fib_register_adapters(self, register: Any) -> None:
        register(ToyTrouble)
        register(ToyType)

    @fibcore.hookimpl
    def fib_register_segmenters(self, register: Any) -> None:
        register(ToyLevel)

    @fibcore.hookimpl
    def fib_register_metrics(self, register: Any) -> None:
        register(ToyScore)
        register(ToyVotes)

    @fibcore.hookimpl
    def fib_register_materials(self, register: Any) -> None:
        register(Material(name="toyium", composition={"Ti": 1}, density_g_cm3=4.5))


@pytest.fixture(scope="session", autouse=True)
def _processes_are_not_followed() -> None:
    follow_no_process()


@pytest.fixture(scope="session", autouse=True)
def _toys() -> None:
    registry().add_module(Toys(), "toys = tests", "fib-toys", "1.0")


@pytest.fixture
def calls() -> list[str]:
    """Which toy methods did work since the test began."""
    CALLS.clear()
    return CALLS


def toy_steps() -> list[dict[str, Any]]:
    """Return a whole toy pipeline: structure, images, training on one part, score on the other."""
    return [
        {"id": "gold", "run": "generator/toy_blocks"},
        {"id": "sem", "run": "simulator/toy_camera", "inputs": {"labels": "gold"}},
        {
            "id": "level",
            "fit": "segmenter/toy_level",
            "inputs": {
                "images": {"from": "sem", "z": [0, 0.5]},
                "labels": {"from": "gold", "z": [0, 0.5]},
            },
        },
        {"id": "solid", "apply": "level", "inputs": {"images": "sem"}},
        {
            "id": "score",
            "run": "metric/toy_score",
            "inputs": {"prediction": "solid", "truth": "gold"},
        },
    ]


class Workbench:
    """A folder to check and run toy pipelines in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def plan(self, steps: list[dict[str, Any]], **fields: Any) -> Plan:
        document = {"version": 1, "name": "toy", "seed": 7, "steps": steps, **fields}
        return check_pipeline(document, base=self.folder)

    def run(
        self, steps: list[dict[str, Any]], *, seed: int = 7, keep: Any = "all", **options: Any
    ) -> RunResult:
        plan = self.plan(steps, seed=seed, keep=keep)
        options = {"out": self.folder / "runs", "cache": self.folder / "cache"} | options
        return run_pipeline(plan, **options)


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    """A workbench in an empty folder."""
    return Workbench(tmp_path)


@pytest.fixture
def steps() -> list[dict[str, Any]]:
    """The steps of a whole toy pipeline."""
    return toy_steps()
