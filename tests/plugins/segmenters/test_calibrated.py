"""Calibration of a segmenter whose distortion of the true shares is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from pydantic import Field

from fib_plugins.segmenters.calibrated.plugin import Calibrated
from fib_plugins.segmenters.calibrated.reliability import calibration_error
from fib_plugins.segmenters.random_forest.plugin import RandomForest
from fib_plugins.segmenters.threshold import Threshold
from fib_plugins.testing import check_plugin
from fibcore import (
    Context,
    FibError,
    Forecast,
    Images,
    Labels,
    Material,
    Segmenter,
    Source,
    VolumeSpec,
    check_pipeline,
    hookimpl,
    keeps,
    read_model,
    run_pipeline,
    write_model,
)
from fibcore.registry import registry

SHAPE, VOXEL = (4, 48, 64), (5.0, 5.0, 5.0)
PHASES = {0: "epoxy", 1: "Au", 2: "C"}


def softmax(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores - scores.max(axis=0))
    return powers / powers.sum(axis=0)


class Shares(Source):
    """Images whose grey values are the scores of phases; labels drawn with their shares."""

    name: ClassVar[str] = "shares"

    phases: int = Field(default=2, description="number of phases")

    def materials(self) -> dict[int, Material]:
        return {n: registry().material(PHASES[n]) for n in range(self.phases)}

    def forecast(self, method: str, inputs: Any) -> Forecast:
        images = VolumeSpec(Images, SHAPE, VOXEL, (2.0,) * (self.phases - 1), "float32")
        names = {n: PHASES[n] for n in range(self.phases)}
        return Forecast(images, {"labels": VolumeSpec(Labels, SHAPE, VOXEL, phases=names)})

    def pair(
        self, purpose: str, number: int, context: Context | None = None
    ) -> tuple[Images, Labels]:
        rng = Context.of(context).rng_for(purpose, number)
        scores = rng.normal(0, 1.5, (self.phases - 1, *SHAPE)).astype(np.float32)
        shares = softmax(np.concatenate([np.zeros((1, *SHAPE)), scores]))
        labels = (rng.random(SHAPE) > np.cumsum(shares, axis=0)).sum(axis=0).astype(np.uint8)
        kv = tuple(2.0 + n for n in range(self.phases - 1))
        return Images(scores, VOXEL, kv=kv), Labels(labels, VOXEL, self.materials())


class Distorted(Segmenter):
    """A segmenter that is too sure, prefers phases, or takes powers of their shares."""

    name: ClassVar[str] = "distorted"

    sureness: float = Field(default=1.0, description="factor of the scores")
    bias: float = Field(default=0.0, description="added to the score of phase 1")
    power: float = Field(default=1.0, description="power of the share of phase 1")
    phases: int = Field(default=2, description="number of phases")
    save_probability: bool = Field(default=False, description="keep the probabilities")

    @keeps(probability=Images)
    def predict(self, images: Images, context: Context | None = None) -> Labels:
        scores = np.concatenate([np.zeros((1, *images.shape)), images.data[: self.phases - 1]])
        scores[1] += self.bias / self.sureness
        p = softmax(self.sureness * scores)
        if self.power != 1:
            p[1] **= self.power
            p[0] = 1 - p[1]
        if self.save_probability:
            kept = Images(p.astype(np.float32), images.voxel_size_nm, kv=(None,) * len(p))
            Context.of(context).keep("probability", kept)
        materials = Shares(phases=self.phases).materials()
        return Labels(p.argmax(axis=0).astype(np.uint8), images.voxel_size_nm, materials)


class Package:
    @staticmethod
    @hookimpl
    def fib_register_segmenters(register: Any) -> None:
        register(Distorted)

    @staticmethod
    @hookimpl
    def fib_register_sources(register: Any) -> None:
        register(Shares)


@pytest.fixture(scope="session", autouse=True)  # registered once, in any order of tests
def _toys() -> None:
    registry().add_module(Package(), "calibrated = tests", "fib-toy-calibrated", "0.1")


def fitted(segmenter: Segmenter, phases: int = 2, **params: Any) -> tuple[Calibrated, Context]:
    context = Context(3)
    plugin = Calibrated(pairs=4, sample_voxels=48_000, **params)
    return plugin.fit(Shares(phases=phases), segmenter, context), context


def applied(plugin: Calibrated, phases: int = 2, threads: int = 1) -> tuple[Labels, Images, Images]:
    images, _ = Shares(phases=phases).pair("training", 9, Context(5))
    context = Context(7, threads=threads)
    return plugin.predict(images, context), context.kept["probability"], images


def test_it_keeps_the_contract() -> None:
    assert check_plugin(Calibrated) == []


def test_temperature_and_bias_are_found_and_move_the_border_between_phases() -> None:
    plugin, context = fitted(Distorted(sureness=2.0, bias=1.2))
    row = context.kept["calibration"].rows()[0]
    assert row["calibration"] == "temperature_and_bias"
    assert row["temperature"] == pytest.approx(2.0, rel=0.03)
    assert row["error_before_percent"] > 5
    assert row["error_after_percent"] < 1
    assert row["log_loss_after"] < row["log_loss_before"]
    labels, probability, images = applied(plugin)
    true = 1 / (1 + np.exp(-images.data[0]))
    assert np.abs(probability.data[1] - true).max() < 0.015
    assert probability.data.sum(axis=0) == pytest.approx(1, abs=1e-6)
    assert np.array_equal(labels.data, probability.data[1] > probability.data[0])
    distorted = images.data[0] > -0.6  # the border of the segmenter alone
    moved = np.mean(labels.solid != distorted)
    assert moved == pytest.approx(np.mean((images.data[0] > -0.6) & (images.data[0] < 0)), abs=0.01)


def test_one_temperature_is_enough_for_a_segmenter_that_is_only_too_sure() -> None:
    plugin, context = fitted(Distorted(sureness=3.0), method="temperature")
    row = context.kept["calibration"].rows()[0]
    assert row["temperature"] == pytest.approx(3.0, rel=0.03)
    assert row["changed_percent"] == 0
    assert plugin.model.weights["bias"].tolist() == [0, 0]


def test_isotonic_regression_finds_any_function_that_does_not_fall() -> None:
    plugin, context = fitted(Distorted(power=4.0))
    row = context.kept["calibration"].rows()[0]
    assert row["calibration"] == "isotonic"
    assert row["temperature"] is None
    assert row["error_after_percent"] < 1 < row["error_before_percent"]
    _, probability, images = applied(plugin)
    true = 1 / (1 + np.exp(-images.data[0]))
    assert np.sqrt(np.mean((probability.data[1] - true) ** 2)) < 0.02
    order = np.argsort(true, axis=None)
    assert (np.diff(probability.data[1].ravel()[order]) > -1e-6).all()


@pytest.mark.parametrize("method", ["best", "isotonic"])
def test_three_phases(method: str) -> None:
    plugin, context = fitted(Distorted(sureness=2.0, bias=0.8, phases=3), 3, method=method)
    row = context.kept["calibration"].rows()[0]
    assert row["error_after_percent"] < 1 < row["error_before_percent"]
    labels, probability, images = applied(plugin, 3)
    true = softmax(np.concatenate([np.zeros((1, *images.shape)), images.data]))
    assert np.abs(probability.data - true).mean() < (0.01 if method == "best" else 0.06)
    assert probability.data.sum(axis=0) == pytest.approx(1, abs=1e-5)
    assert sorted(labels.phases) == [0, 1, 2]
    assert set(context.kept["reliability"]["phase"]) == {"epoxy", "Au", "C"}


def test_the_reliability_diagram_counts_every_voxel_before_and_after() -> None:
    _, context = fitted(Distorted(sureness=2.0))
    table = context.kept["reliability"]
    for name in ("before", "after"):
        own = table["probabilities"] == name
        assert table["voxels"][own].sum() == context.kept["calibration"]["voxels"][0]
    after = table["probabilities"] == "after"
    large = after & (table["voxels"] > 500)
    assert np.abs(table["observed"] - table["predicted"])[large].max() < 0.06


def test_the_calibration_error_of_known_shares() -> None:
    phase = np.array([1, 1, 1, 0] * 100)
    probability = np.full(400, 0.95, np.float32)
    found = calibration_error(np.stack([1 - probability, probability]), phase)
    assert found == pytest.approx(0.2, abs=1e-6)


def test_threads_change_no_byte_and_a_model_gives_the_same_on_disk(tmp_path: Path) -> None:
    plugin, _ = fitted(Distorted(sureness=2.0, bias=0.5))
    labels, probability, _ = applied(plugin)
    write_model(plugin.as_model(), tmp_path / "calibrated.safetensors")
    again = Calibrated.from_model(read_model(tmp_path / "calibrated.safetensors"))
    for other, threads in ((plugin, 3), (again, 2)):
        found = applied(other, threads=threads)
        assert np.array_equal(found[0].data, labels.data)
        assert found[1].data.tobytes() == probability.data.tobytes()


def test_a_fitted_segmenter_is_held_with_its_weights_and_switched_on(tmp_path: Path) -> None:
    images, labels = Shares().pair("training", 0, Context(1))
    forest = RandomForest(trees=5, sigma_max=1.0, min_samples_leaf=20).fit(images, labels)
    forest = RandomForest.from_model(forest.model, normalization="training")
    plugin, _ = fitted(forest)
    write_model(plugin.as_model(), tmp_path / "calibrated.safetensors")
    again = Calibrated.from_model(read_model(tmp_path / "calibrated.safetensors"))
    held = again._held["segmenter"]
    assert (held.save_probability, held.normalization) == (True, "training")
    assert not forest.save_probability
    assert applied(again)[1].data.tobytes() == applied(plugin)[1].data.tobytes()


def test_segmenters_without_probabilities_are_refused_by_name() -> None:
    with pytest.raises(FibError, match=r"threshold keeps no prob.*random_forest.*segmenter/unet"):
        Calibrated().fit(Shares(), Threshold())
    with pytest.raises(FibError, match=r"no prob"):
        Calibrated().forecast("fit", {"images": Shares(), "segmenter": Threshold()})


def test_other_phases_and_stacks_of_one_phase_are_refused() -> None:
    with pytest.raises(FibError, match=r"finds the phases 0 \(epoxy\), 1 \(Au\), the labels .*2 "):
        Calibrated(pairs=2).fit(Shares(phases=3), Distorted())

    class Solid(Shares):
        """One phase only."""

        def pair(self, purpose: str, number: int, context: Any = None) -> Any:
            images, labels = super().pair(purpose, number, context)
            return images, labels.with_data(np.ones_like(labels.data))

    with pytest.raises(FibError, match="all voxels of the stacks are Au"):
        Calibrated(pairs=2).fit(Solid(), Distorted())


def test_a_damaged_model_is_refused() -> None:
    plugin, _ = fitted(Distorted(sureness=2.0))
    model = plugin.as_model()
    del model.weights["temperature"]  # type: ignore[attr-defined]
    with pytest.raises(FibError, match="lacks the array 'temperature'"):
        Calibrated.from_model(model)


def test_it_is_a_step_whose_results_are_known_before_the_run(tmp_path: Path) -> None:
    steps: list[dict[str, Any]] = [
        {"id": "world", "run": "source/shares"},
        {"id": "forest", "fit": "segmenter/random_forest",
         "params": {"trees": 5, "sigma_max": 1.0, "min_samples_leaf": 20},
         "inputs": {"images": "world", "labels": {"step": "world", "artefact": "labels"}}},
        {"id": "calibrated", "fit": "segmenter/calibrated", "params": {"pairs": 2},
         "inputs": {"images": "world", "segmenter": "forest"}},
        {"id": "labels", "apply": "calibrated", "inputs": {"images": "world"}},
    ]  # fmt: skip
    plan = check_pipeline({"version": 1, "name": "x", "steps": steps})
    expected = plan.steps[3].expected.specs
    assert expected["labels"].phases == {0: "epoxy", 1: "Au"}
    assert len(expected["probability"].kv) == 2
    run_pipeline(plan, out=tmp_path / "runs", cache=tmp_path / "cache")
    folder = next((tmp_path / "runs").rglob("04-labels"))
    assert {"labels.tif", "probability.tif"} <= {file.name for file in folder.iterdir()}
