"""What a translator takes, refuses and gives."""

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fib_plugins.adapters.cut import CUT
from fib_plugins.adapters.cyclegan import CycleGAN
from fib_plugins.adapters.translation.translator import Translator
from fib_plugins.testing import check_plugin
from fibcore import Context, FibError, Images, Labels, Model
from fibcore.formats import read_model, write_model

BOTH = pytest.mark.parametrize("cls", [CycleGAN, CUT])

Tiny = Callable[..., Translator]
ByHand = Callable[..., CycleGAN]


@BOTH
def test_it_keeps_the_contract(cls: type[Translator]) -> None:
    assert check_plugin(cls) == []


# -- before a run --------------------------------------------------------------------------------


@BOTH
def test_parameters_that_do_not_fit_say_what_to_change(cls: type[Translator]) -> None:
    with pytest.raises(ValueError, match=r"patch 32 halved 5 times .* single pixel.* at least 64"):
        CycleGAN(patch=32, depth=5)
    with pytest.raises(ValueError, match=r"patch 36 cannot be halved 3 times .*: use 32"):
        cls(patch=36, depth=3)


def test_what_cannot_be_learned_from_is_refused_before_a_run(
    tiny: Tiny, source: Images, target: Images, structure: Labels
) -> None:
    specs = {"source": source.spec, "target": target.spec}
    with pytest.raises(FibError, match=r"source has 2 channels .*target 1.* with \"kv\""):
        tiny().forecast("fit", specs | {"source": replace(source.spec, kv=(1.0, 2.0))})
    small = replace(target.spec, shape=(8, 48, 30))
    with pytest.raises(FibError, match=r"target has slices of 48 x 30.*use a patch of 30 at most"):
        tiny().forecast("fit", specs | {"target": small})
    labels = structure.cut({"z": (0.0, 0.5)}).spec
    with pytest.raises(FibError, match="must show the same volume"):
        tiny().forecast("fit", specs | {"labels": labels})


def test_what_may_go_wrong_is_warned_of_before_a_run(
    tiny: Tiny, source: Images, target: Images
) -> None:
    def warnings(**changes: Any) -> str:
        spec = replace(target.spec, **changes)
        return " ".join(tiny().forecast("fit", {"source": source.spec, "target": spec}).warnings)

    assert warnings() == ""
    assert "target has 1 slice(s): none is kept out" in warnings(shape=(1, 48, 48))
    assert "change the shine-through" in warnings(kv=(5.0,))
    assert "bring both to one pixel size" in warnings(voxel_size_nm=(5.0, 5.0, 4.0))
    assert warnings(voxel_size_nm=(10.0, 5.0, 5.1)) == ""  # slices may be further apart


def test_the_forecast_tells_the_type_of_what_will_come_out(
    tiny: Tiny, source: Images, target: Images
) -> None:
    forecast = tiny().forecast("fit", {"source": source.spec, "target": target.spec})
    assert forecast.memory_bytes > 0
    fitted = CycleGAN.from_model(forecast.model)
    output = fitted.forecast("transform", {"images": source.spec}).output
    assert output == replace(source.spec, dtype="uint8")
    with pytest.raises(FibError, match=r"2 channels .*trained on 1.*choose the channels"):
        fitted.forecast("transform", {"images": replace(source.spec, kv=(1.0, 2.0))})
    with pytest.raises(FibError, match=r"slices of 48 x 10 pixels.*use larger images"):
        fitted.forecast("transform", {"images": replace(source.spec, shape=(1, 48, 10))})


# -- images to learn from ------------------------------------------------------------------------


def test_images_without_a_look_are_refused(tiny: Tiny, source: Images, target: Images) -> None:
    flat = target.with_data(np.full_like(target.data, 9))
    with pytest.raises(FibError, match="the target have the same grey value"):
        tiny().fit(source, flat)
    broken = source.data.copy()
    broken[0, 1, 2, 3] = np.inf
    with pytest.raises(FibError, match="the source hold values that are not finite"):
        tiny().fit(source.with_data(broken), target)


@BOTH
def test_one_slice_of_the_target_is_enough(
    tiny: Tiny, cls: type[Translator], source: Images, target: Images
) -> None:
    fitted = tiny(cls, on_label_change="warn").fit(
        source, target.cut({"z": (0.0, 0.125)}), context=Context(1)
    )
    assert fitted.transform(source, Context(1)).shape == source.shape


@BOTH
def test_detectors_of_one_voltage_are_translated_each_to_its_own(
    tiny: Tiny, cls: type[Translator], source: Images, target: Images
) -> None:
    def two(images: Images) -> Images:
        data = np.concatenate([images.data, images.data[:, :, ::-1]])
        return Images(data, images.voxel_size_nm, kv=(2.0, 2.0), detectors=("bse", "se"))

    swapped = two(target).select(detectors=["se", "bse"])
    fitted = tiny(cls, on_label_change="warn").fit(two(source), swapped, context=Context(1))
    assert fitted.model.info["detectors"] == ["bse", "se"]
    made = fitted.transform(two(source).select(detectors=["se", "bse"]), Context(1))
    assert [channel.detector for channel in made.channels] == ["bse", "se"]
    same = tiny(cls, on_label_change="warn").fit(two(source), two(target), context=Context(1))
    assert np.array_equal(same.transform(two(source), Context(1)).data, made.data)


@BOTH
def test_voltages_are_channels_that_are_told_apart_by_their_kv(
    tiny: Tiny, cls: type[Translator], source: Images, target: Images
) -> None:
    def two(images: Images) -> Images:
        data = np.concatenate([images.data, images.data[:, :, ::-1]])
        return Images(data, images.voxel_size_nm, kv=(1.0, 2.0))

    fitted = tiny(cls, on_label_change="warn").fit(two(source), two(target), context=Context(1))
    made = fitted.transform(two(source), Context(1))
    assert made.kv == (1.0, 2.0)
    assert made.data.shape == two(source).data.shape
    assert not np.array_equal(made.data[0], made.data[1, :, ::-1])
    swapped = two(source).select([2.0, 1.0])
    assert np.array_equal(fitted.transform(swapped, Context(1)).select([1.0, 2.0]).data, made.data)
    with pytest.raises(FibError, match=r"1 channel .*trained on 2"):
        fitted.transform(source, Context(1))


# -- images to translate -------------------------------------------------------------------------


def warned(fitted: CycleGAN, images: Images, caplog: pytest.LogCaptureFixture) -> str:
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        fitted.transform(images, Context(1))
    return caplog.text


def test_images_unlike_those_in_training_are_warned_of(
    by_hand: ByHand, source: Images, caplog: pytest.LogCaptureFixture
) -> None:
    fitted = by_hand()
    assert warned(fitted, source, caplog) == ""
    assert "trained on 2 kV BSE, these images are 5 kV BSE" in warned(
        fitted, replace(source, kv=(5.0,)), caplog
    )
    assert "trained on voxels of [5.0, 5.0, 5.0] nm, these are [5.0, 5.0, 8.0]" in warned(
        fitted, replace(source, voxel_size_nm=(5.0, 5.0, 8.0)), caplog
    )
    assert warned(fitted, replace(source, voxel_size_nm=(5.0, 5.0, 5.1)), caplog) == ""


def test_images_that_cannot_be_translated_are_refused(by_hand: ByHand, source: Images) -> None:
    with pytest.raises(FibError, match=r"nothing in common with those.*on the same scale"):
        by_hand().transform(source.with_data(source.data + np.float32(100.0)))
    broken = source.data.copy()
    broken[0, 1, 2, 3] = np.nan
    with pytest.raises(FibError, match="not finite"):
        by_hand().transform(source.with_data(broken))
    with pytest.raises(FibError, match="same grey value"):
        by_hand().transform(source.with_data(np.full_like(source.data, 0.5)))
    with pytest.raises(FibError, match="has to be fitted first"):
        CycleGAN().transform(source)


def test_weights_of_another_network_are_refused(model: Model, source: Images) -> None:
    wider = Model(model.plugin, {**model.params, "base_channels": 6}, model.weights, model.info)
    with pytest.raises(FibError, match="do not fit the network"):
        CycleGAN.from_model(wider).transform(source)


@pytest.mark.parametrize("shape", [(3, 20, 48), (1, 13, 17)])
def test_slices_smaller_than_a_patch_can_be_translated(
    by_hand: ByHand, source: Images, shape: tuple[int, int, int]
) -> None:
    z, y, x = shape
    part = source.with_data(source.data[:, :z, 20 : 20 + y, :x])
    made = by_hand().transform(part, Context(1))
    assert made.shape == shape


# -- what comes out ------------------------------------------------------------------------------


def scaled_by_hand(images: Images, low: float, high: float) -> np.ndarray:
    a, b = np.quantile(images.data, [0.001, 0.999])
    return low + (images.data - a) * (high - low) / (b - a)


@pytest.mark.parametrize(
    ("dtype", "low", "high"), [("uint8", 20, 230), ("uint16", 1000, 60000), ("float32", -2.0, 7.0)]
)
def test_images_come_out_on_the_grey_scale_of_the_target(
    by_hand: ByHand, model: Model, source: Images, dtype: str, low: float, high: float
) -> None:
    fitted = by_hand()
    info = {**model.info, "dtype": dtype, "target_range": [[low, high]], "quantity": "counts"}
    fitted = CycleGAN.from_model(Model(model.plugin, model.params, fitted.model.weights, info))
    made = fitted.transform(source, Context(1))
    assert made.data.dtype == dtype
    assert made.quantity == "counts"
    width = high - low
    # A generator set by hand bends the ends a little, and adds the least noise there is.
    error = made.data.astype(float) - scaled_by_hand(source, low, high)
    assert np.abs(error).mean() < 0.02 * width
    assert np.ptp(made.data.astype(float)) > 0.95 * width
    if dtype != "uint8":
        assert len(np.unique(made.data)) > 2000


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_training_takes_the_type_and_range_of_the_target(
    tiny: Tiny, source: Images, target: Images, dtype: str
) -> None:
    factor = 200 if dtype == "uint16" else np.float32(0.004)
    wanted = target.with_data((target.data * np.array(factor, dtype)).astype(dtype))
    info = tiny().fit(source, wanted, context=Context(1)).model.info
    assert info["dtype"] == dtype
    expected = np.quantile(wanted.data, [0.001, 0.999])
    np.testing.assert_allclose(info["target_range"][0], expected, rtol=0.05)


def test_large_results_are_written_to_a_file_and_are_the_same(
    by_hand: ByHand, source: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = by_hand(noise=0.1).transform(source, Context(1))
    monkeypatch.setattr("fibcore.context.MEMORY_MAP_ABOVE_BYTES", 1000)
    np.save(tmp_path / "source.npy", source.data)
    mapped = source.with_data(np.load(tmp_path / "source.npy", mmap_mode="r"))
    large = by_hand(noise=0.1).transform(mapped, Context(1, scratch=tmp_path))
    assert isinstance(large.data, np.memmap)
    assert np.array_equal(large.data, small.data)


@BOTH
def test_a_model_from_disk_translates_the_same(
    tiny: Tiny, cls: type[Translator], source: Images, target: Images, tmp_path: Path
) -> None:
    fitted = tiny(cls, on_label_change="warn", norm="instance")
    fitted.fit(source, target, context=Context(1))
    write_model(fitted.model, tmp_path / "model.safetensors")
    read = cls.from_model(read_model(tmp_path / "model.safetensors"))
    made = fitted.transform(source, Context(1))
    assert np.array_equal(read.transform(source, Context(1)).data, made.data)
    info = json.loads((tmp_path / "model.json").read_text())["info"]
    assert info["kv"] == [2.0]


def test_tile_and_threads_can_be_changed_when_a_model_is_applied(
    by_hand: ByHand, source: Images
) -> None:
    plain = by_hand(noise=0.1).transform(source, Context(1, threads=1))
    other = by_hand({"tile": 32, "cpu_threads": 2}, noise=0.1)
    assert np.array_equal(other.transform(source, Context(1, threads=3)).data, plain.data)


# -- in a pipeline -------------------------------------------------------------------------------


@BOTH
def test_one_line_of_a_pipeline_chooses_between_them(
    tiny: Tiny, cls: type[Translator], bench: Any
) -> None:
    names = ("base_channels", "depth", "blocks", "discriminator_channels", "patch", "epochs",
             "steps_per_epoch", "cpu_threads", "on_label_change")  # fmt: skip
    params = tiny(cls, on_label_change="warn").model_dump(mode="json", include=set(names))
    shape = {"shape": [8, 32, 32], "block": 8}
    steps = [
        {"id": "one", "run": "generator/toy_blocks", "params": shape},
        {"id": "two", "run": "generator/toy_blocks", "params": shape},
        {"id": "sim", "run": "simulator/toy_camera", "inputs": {"labels": "one"}},
        {"id": "sem", "run": "simulator/toy_camera", "inputs": {"labels": "two"},
         "params": {"noise": 0.3}},
        {"id": "gan", "fit": cls.identifier(), "params": params,
         "inputs": {"source": "sim", "target": "sem", "labels": "one"}},
        {"id": "made", "apply": "gan", "inputs": {"images": "sim", "labels": "one"}},
    ]  # fmt: skip
    result = bench.run(steps)
    assert result["made"].shape == (8, 32, 32)
    assert len(result["gan.history"]) == 1
    assert result["gan.samples"].shape == (1, 32, 96)
