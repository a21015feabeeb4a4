"""Structures with parameters from ranges, simulated and recorded, each pair another one."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fib_plugins.adapters.acquisition import Acquisition
from fib_plugins.generators.leveled_wave import LeveledWave
from fib_plugins.generators.resembling.plugin import Resembling
from fib_plugins.simulators.weighted_projection import WeightedProjection
from fib_plugins.sources.virtual_stacks import VirtualStacks
from fibcore import Context, FibError, check_pipeline, read_model, run_pipeline, write_model
from fibcore.errors import PipelineError
from fibcore.pipeline.plan import PlannedStep

SHAPE = [8, 32, 32]
WAVES = {
    "shape": SHAPE,
    "voxel_size_nm": 5,
    "ligament_diameter_nm": {"between": [20, 40]},
    "solid_fraction": {"between": [0.3, 0.5]},
    "waves": {"between": [20, 40]},
}
BALLS = {
    "shape": SHAPE,
    "voxel_size_nm": 5,
    "solid_fraction": {"among": [0.1, 0.2]},
    "diameter_nm": 20,
    "mode": "overlapping",
    "fraction": "expected",
    "materials": ["epoxy", "Au"],
}
PARAMS: dict[str, Any] = {
    "structures": [
        {"plugin": "generator/leveled_wave", "params": WAVES, "weight": 3},
        {"plugin": "generator/particles", "params": BALLS},
    ],
    "simulator": {
        "plugin": "simulator/weighted_projection",
        "params": {"energies_kev": [1, 2], "electrons_per_pixel": {"between": [50, 100]}},
    },
    "instrument": {"plugin": "adapter/acquisition", "params": {"preset": "typical"}},
}

Change = Callable[[dict[str, Any]], Any]


def planned(change: Change = lambda params: None, **step: Any) -> PlannedStep:
    params = copy.deepcopy(PARAMS)
    change(params)
    steps = [{"id": "endless", "run": "source/virtual_stacks", "params": params, **step}]
    return check_pipeline({"version": 1, "name": "x", "steps": steps}).steps[0]


# -- pairs ---------------------------------------------------------------------------------------


def test_a_pair_depends_on_seed_purpose_and_number_alone() -> None:
    source = VirtualStacks(**PARAMS)

    def pair(purpose: str, number: int, seed: int = 1, threads: int = 1) -> list[bytes]:
        images, labels = source.pair(purpose, number, Context(seed, threads=threads))
        return [images.data.tobytes(), labels.data.tobytes()]

    first = [pair("training", number) for number in range(3)]
    again = [pair("training", number, threads=2) for number in (2, 1, 0)]
    assert first == again[::-1]
    others = [pair("validation", 0), pair("training", 0, seed=2)]
    assert len({images for images, _ in first + others}) == 5
    assert len({labels for _, labels in first + others}) == 5


def test_the_specs_of_all_pairs_are_known_before_any_is_made() -> None:
    source = VirtualStacks(**PARAMS)
    forecast = source.forecast("sample", {})
    assert forecast.output is not None
    expected = forecast.output.of_channels(forecast.output.channels)
    for number in range(3):
        images, labels = source.pair("training", number, Context(1))
        assert images.spec == expected
        assert labels.spec == forecast.kept["labels"]


def test_pairs_have_the_channels_of_all_detectors() -> None:
    params = copy.deepcopy(PARAMS)
    params["simulator"] = {
        "plugin": "simulator/monte_carlo",
        "params": {"energies_kev": [2], "detectors": ["bse", "se"], "electrons_per_pixel": 4},
    }
    forecast = VirtualStacks(**params).forecast("sample", {})
    assert [str(channel) for channel in forecast.output.channels] == ["2 kV BSE", "2 kV SE"]


def test_parameters_are_drawn_from_their_ranges_and_integers_stay_integers() -> None:
    waves, particles = VirtualStacks(**PARAMS).structures
    drawn: list[Any] = [waves.drawn(np.random.default_rng(n)) for n in range(200)]
    for name, low, high in (
        ("ligament_diameter_nm", 20, 40),
        ("solid_fraction", 0.3, 0.5),
        ("waves", 20, 40),
    ):
        values = np.array([getattr(plugin, name) for plugin in drawn])
        assert low <= values.min() < low + 0.1 * (high - low)
        assert high - 0.1 * (high - low) < values.max() <= high
    assert {type(plugin.waves) for plugin in drawn} == {int}
    assert {plugin.waves for plugin in drawn} == set(range(20, 41))  # both ends as often as others
    assert any(plugin.ligament_diameter_nm % 1 for plugin in drawn)
    chosen: list[Any] = [particles.drawn(np.random.default_rng(n)) for n in range(20)]
    assert {plugin.solid_fraction for plugin in chosen} == {0.1, 0.2}


def test_structures_have_their_shares_of_the_pairs() -> None:
    params = copy.deepcopy(PARAMS)
    for structure, fraction in zip(params["structures"], (0.5, 0.1), strict=True):
        structure["params"]["solid_fraction"] = fraction
    source = VirtualStacks(**params)
    solid = [source.pair("training", n, Context(0))[1].solid.mean() for n in range(16)]
    assert 8 <= np.sum(np.array(solid) > 0.3) <= 15  # three of four expected


def test_recordings_are_by_variants_of_the_instrument_unless_its_spread_is_none() -> None:
    steady = {"preset": "clean", "gain": 0.5, "bits": None}
    levels = {}
    for spread in (0.0, 1.0):
        source = VirtualStacks(
            structures=[{"plugin": "generator/leveled_wave",
                         "params": {**WAVES, "solid_fraction": 0.4}}],
            simulator={"plugin": "simulator/weighted_projection",
                       "params": {"energies_kev": [2], "mode": "first_hit"}},
            instrument={"plugin": "adapter/acquisition", "params": steady},
            instrument_spread=spread,
        )  # fmt: skip
        pairs = [source.pair("training", n, Context(0)) for n in range(4)]
        levels[spread] = [images.data[0][labels.solid].mean() for images, labels in pairs]
    assert np.std(levels[0.0]) < 0.02 < np.std(levels[1.0])


# -- before a run --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("structures.0.plugin", "generator/level_wave",
         r"structures\[0\].plugin: there is no plugin.*Did you mean 'generator/leveled_wave'"),
        ("structures.0.plugin", "simulator/monte_carlo", "simulator/monte_carlo is no generator"),
        ("structures.0.params.solid", 1, r"params.solid: unknown name 'solid'; allowed: shape"),
        ("structures.0.params.solid_fraction", {"between": [0, 0.5]},
         r"params.solid_fraction: must be greater than 0, not 0.0 \(between 0 and 0.5\)"),
        ("structures.0.params.solid_fraction", {"between": [0.5, 1]}, "must be less than 1"),
        ("structures.0.params.solid_fraction", {"between": [0.5, 0.4]},
         r"between takes \[lowest, highest\], two numbers, not \[0.5, 0.4\]"),
        ("structures.0.params.solid_fraction", {"among": []}, "among takes a list of values"),
        ("structures.0.params.level", {"among": ["exact", "none"]},
         r"params.level: must be 'exact' or 'expected', not 'none'"),
        ("structures.0.params.waves", {"between": [10.5, 20]}, "params.waves: must be a valid int"),
        ("structures.1.params.diameter_std_nm", {"between": [0, 30]},
         "diameter_std_nm 30 is above diameter_nm 20"),
        ("structures.0.params.shape", {"among": [[8, 32, 32], [16, 32, 32]]},
         r"structures\[0\]: the structures differ in shape .*\(8, 32, 32\) and \(16, 32, 32\)"),
        ("structures.1.params.voxel_size_nm", 4, r"structures\[1\]: .* differ in voxel size in nm"),
        ("structures.1.params.materials", ["epoxy", "Ag"], r"differ in materials: .*'Au'.*'Ag'"),
        ("structures", [], "there is no structure: give the parameter structures"),
        ("simulator.params.energies_kev", [{"between": [1, 2]}], "simulator differ in channels"),
        ("simulator.params.electrons_per_pixel", {"between": [0, 9]}, "greater than or equal to 1"),
        ("simulator", None, "there is no simulator: give the parameter simulator"),
        ("instrument.plugin", "adapter/cyclegan", "adapter/cyclegan must be fitted first"),
        ("instrument.params.gain", [1, 1, 1], "gain is given for 3 channels, the images have 2"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_reported_at_its_place_before_the_run(
    place: str, value: Any, message: str
) -> None:
    def change(params: dict[str, Any]) -> None:
        *path, last = [int(part) if part.isdigit() else part for part in place.split(".")]
        part: Any = params
        for name in path:
            part = part[name]
        part[last] = value

    with pytest.raises(PipelineError, match=message):
        planned(change)


def test_combinations_that_a_plugin_rejects_are_found_between_allowed_values() -> None:
    def change(params: dict[str, Any]) -> None:
        params["structures"][1]["params"] |= {
            "diameter_nm": {"between": [10, 30]},
            "diameter_std_nm": {"between": [5, 20]},
        }

    with pytest.raises(PipelineError, match=r"diameter_std_nm 20 .* \(with .*diameter_nm 10"):
        planned(change)


def test_a_key_depends_on_nested_parameters_and_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    def set_default(params: dict[str, Any]) -> None:
        params["structures"][0]["params"]["level"] = "exact"

    def set_other(params: dict[str, Any]) -> None:
        params["structures"][0]["params"]["level"] = "expected"

    def widen(params: dict[str, Any]) -> None:
        params["simulator"]["params"]["electrons_per_pixel"] = {"between": [50, 101]}

    key = planned().key
    assert planned(set_default).key == key
    assert len({key, planned(set_other).key, planned(widen).key}) == 3
    for plugin in (LeveledWave, WeightedProjection, Acquisition):
        with monkeypatch.context() as changed:
            changed.setattr(plugin, "result_version", plugin.result_version + 1)
            assert planned().key != key, plugin


# -- plugins of other steps ------------------------------------------------------------------------


def test_a_source_keeps_the_plugins_that_steps_have_fitted(tmp_path: Path) -> None:
    params = {**PARAMS, "instrument": None}
    steps = [
        {"id": "law", "run": "physics/hunger_kuchler"},
        {"id": "microscope", "fit": "adapter/acquisition", "params": {"blur_fwhm_nm": 12}},
        {"id": "endless", "run": "source/virtual_stacks", "params": params,
         "inputs": {"instrument": "microscope", "physics": "law"}},
    ]  # fmt: skip
    document = {"version": 1, "name": "x", "seed": 2, "steps": steps}
    run_pipeline(check_pipeline(document), out=tmp_path / "runs", cache=tmp_path / "cache")
    folder = next((tmp_path / "runs").rglob("03-endless"))
    source = VirtualStacks.from_model(read_model(folder / "model.safetensors"))
    held = source._held
    assert isinstance(held["instrument"], Acquisition)
    assert held["instrument"].estimated.blur_fwhm_nm == (12.0,)
    assert held["physics"].identifier() == "physics/hunger_kuchler"
    bare = VirtualStacks(**params)
    images = [each.pair("training", 0, Context(1))[0].data for each in (source, bare)]
    assert not np.array_equal(*images)

    write_model(source.as_model(), tmp_path / "again.safetensors")
    again = VirtualStacks.from_model(read_model(tmp_path / "again.safetensors"))
    assert np.array_equal(again.pair("training", 0, Context(1))[0].data, images[0])
    training = [
        {"id": "loaded", "load": str(tmp_path / "again.safetensors")},
        {"id": "unet", "fit": "segmenter/unet", "inputs": {"images": "loaded"},
         "params": {"patch": 32}},
    ]  # fmt: skip
    plan = check_pipeline({"version": 1, "name": "y", "steps": training})
    known = plan.steps[1].expected.model
    assert known is not None
    assert known.info["kv"] == [1.0, 2.0]


def test_a_damaged_model_is_refused() -> None:
    model = VirtualStacks(**PARAMS).as_model()
    model.info["instrument"] = {"plugin": "adapter/acquisition"}  # type: ignore[index]
    with pytest.raises(FibError, match="does not fit source/virtual_stacks: instrument"):
        VirtualStacks.from_model(model)


def test_inputs_of_a_training_are_checked_through_the_source() -> None:
    def fit(inputs: dict[str, Any], params: dict[str, Any] | None = None) -> str:
        steps = [
            {"id": "endless", "run": "source/virtual_stacks", "params": PARAMS},
            {"id": "unet", "fit": "segmenter/unet", "inputs": inputs,
             "params": {"patch": 32} | (params or {})},
        ]  # fmt: skip
        with pytest.raises(PipelineError) as caught:
            check_pipeline({"version": 1, "name": "x", "steps": steps})
        return str(caught.value)

    both = fit({"images": "endless", "labels": "endless"})
    assert "leave the input labels out; its pairs have labels of their own" in both
    assert "too small for a patch of 64" in fit({"images": "endless"}, {"patch": 64})
    assert "'model' of 'endless' is a source model" in fit(
        {"images": {"from": "endless", "kv": [1]}}
    )
    assert "a list stacks images" in fit({"images": ["endless", "endless"]})


def test_parameters_are_the_same_after_conversion_to_json_and_back() -> None:
    source = VirtualStacks(**PARAMS)
    again = VirtualStacks(**json.loads(json.dumps(source.model_dump(mode="json"))))
    assert again == source
    assert again.as_model().params == source.as_model().params


def test_the_example_alone_logs_what_the_steps_of_a_pair_warn_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    waves = {**WAVES, "voxel_size_nm": 3.26}
    simulator = {
        "plugin": "simulator/surrogate",
        "params": {"energies_kev": [2], "electrons_per_pixel": 100, "referee_share": 0},
    }
    structures = [{"plugin": "generator/leveled_wave", "params": waves}]
    source = VirtualStacks(structures=structures, simulator=simulator)
    source.sample(Context(1))
    assert "count as unchecked" in caplog.text
    caplog.clear()
    source.pair("training", 1, Context(1))
    source.pair("validation", 0, Context(1))
    assert not caplog.text


ELECTRODE = {
    "shape": [8, 32, 32],
    "voxel_size_nm": 60,
    "diameter_nm": {"between": [300, 500]},
    "diameter_std_nm": 100,
    "fraction": "expected",
    "solid_fraction": {"between": [0.5, 0.65]},
}


def electrodes(**changes):
    structures = [{"plugin": "generator/electrode", "params": ELECTRODE}]
    simulator = {"plugin": "simulator/weighted_projection", "params": {"energies_kev": [2]}}
    return VirtualStacks(structures=structures, simulator=simulator, **changes)


def test_a_phase_that_counts_as_another_is_in_the_images_and_not_in_the_labels():
    three, two = electrodes(), electrodes(count_phase_as={2: 0})
    (images, labels), (same, counted) = three.pair("training", 0), two.pair("training", 0)
    assert np.array_equal(images.data, same.data)
    assert set(np.unique(labels.data)) == {0, 1, 2}
    assert np.array_equal(counted.data, np.where(labels.data == 2, 0, labels.data))
    assert counted.spec.phases == two.forecast("sample", {}).kept["labels"].phases
    assert counted.spec.phases == {0: "vacuum", 1: "LiCoO2"}


@pytest.mark.parametrize(
    ("counted", "message"),
    [({3: 0}, "names phase 3"), ({2: 1, 1: 0}, "name a phase that stays")],
)
def test_phases_that_cannot_be_counted_are_refused(counted, message):
    with pytest.raises(FibError, match=message):
        electrodes(count_phase_as=counted).forecast("sample", {})


# -- a fitted structure --------------------------------------------------------------------------


def resembling(shape: tuple[int, int, int] = (16, 24, 24)) -> Resembling:
    """Return a generator fitted to a small leveled wave."""
    labels = LeveledWave(
        shape=32, voxel_size_nm=5, solid_fraction=0.4, ligament_diameter_nm=25
    ).generate(seed=1)
    fitted = Resembling(families=("leveled_wave",), candidates=10).fit(labels)
    return Resembling.from_model(fitted.as_model(), shape=shape)


def test_structures_come_from_a_fitted_generator_which_the_source_keeps() -> None:
    params = {name: value for name, value in PARAMS.items() if name != "structures"}
    source = VirtualStacks(**params)
    structure = resembling()
    forecast = source.forecast("sample", {"structure": structure})
    images = source.sample(Context(3), structure=structure)
    assert forecast.output is not None
    assert images.shape == forecast.output.shape == (16, 24, 24)
    pairs = [source.pair("training", number, Context(3)) for number in range(2)]
    assert (pairs[0][1].data != pairs[1][1].data).any()
    assert abs(np.mean([labels.data.mean() for _, labels in pairs]) - 0.4) < 0.05
    again = VirtualStacks.from_model(source.as_model())
    assert again.pair("training", 1, Context(3))[1].data.tobytes() == pairs[1][1].data.tobytes()


def test_structures_are_given_once() -> None:
    structure = resembling()
    with pytest.raises(FibError, match="the structure is given as a parameter and as an input"):
        VirtualStacks(**PARAMS).forecast("sample", {"structure": structure})
    params = {name: value for name, value in PARAMS.items() if name != "structures"}
    with pytest.raises(FibError, match="there is no structure: give the parameter structures"):
        VirtualStacks(**params).sample()


def test_a_pipeline_fits_a_structure_and_makes_pairs_of_it(tmp_path: Path) -> None:
    params = {name: value for name, value in PARAMS.items() if name != "structures"}
    wave = {"shape": 32, "voxel_size_nm": 5, "solid_fraction": 0.4, "ligament_diameter_nm": 25}
    fit = {"families": ["leveled_wave"], "candidates": 10, "shape": SHAPE}
    steps = [
        {"id": "gold", "run": "generator/leveled_wave", "params": wave},
        {"id": "like", "fit": "generator/resembling", "params": fit, "inputs": {"labels": "gold"}},
        {
            "id": "world",
            "run": "source/virtual_stacks",
            "params": params,
            "inputs": {"structure": "like"},
        },
    ]
    document = {"version": 1, "name": "x", "seed": 2, "steps": steps}
    plan = check_pipeline(document)
    expected = plan.steps[2].expected.specs["images"]
    run_pipeline(plan, out=tmp_path / "runs", cache=tmp_path / "cache")
    folder = next((tmp_path / "runs").rglob("03-world"))
    source = VirtualStacks.from_model(read_model(folder / "model.safetensors"))
    images, _ = source.pair("training", 0, Context(1))
    assert images.shape == expected.shape == tuple(SHAPE)
