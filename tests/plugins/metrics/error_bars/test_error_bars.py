"""Error bars on stacks whose truth is known, of segmenters whose errors are known."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from fib_plugins import ErrorBars, Morphology, Overlap, WeightedProjection
from fib_plugins.metrics.error_bars.plugin import with_probability
from fib_plugins.testing import check_plugin
from fibcore import Context, FibError, Labels, check_pipeline, run_pipeline

TRUE_NAMES = {
    "solid_fraction": "solid_fraction",
    "specific_surface": "specific_surface_per_nm",
    "ligament_diameter": "mean_ligament_diameter_nm",
    "pore_diameter": "mean_pore_diameter_nm",
    "connectivity": "largest_solid_component_fraction",
}
QUIET = logging.Logger("quiet", logging.CRITICAL)


def measured(world, images, prediction, segmenter, **options):
    context = Context(5, threads=options.pop("threads", 2), scratch=options.pop("scratch", None))
    twins = options.pop("twins", 12)
    table = ErrorBars(twins=twins).measure(prediction, images, segmenter, world, context, **options)
    return {row["quantity"]: row for row in table.rows()}, context.kept


@pytest.fixture(scope="module")
def stacks(larger, too_low):
    """Four stacks with truth and prediction."""
    found = []
    for number in range(4):
        images, truth = larger.pair("hidden", number, Context(77))
        found.append((images, truth, too_low.predict(images)))
    return found


@pytest.fixture(scope="module")
def bars(world, too_low, stacks):
    images, _, prediction = stacks[0]
    return measured(world, images, prediction, too_low)


def test_the_contract_is_kept():
    assert check_plugin(ErrorBars) == []


def test_values_are_those_of_the_morphology(bars, stacks):
    figures = Morphology().measure(stacks[0][2]).rows()[0]
    for name, column in TRUE_NAMES.items():
        assert bars[0][name]["value"] == pytest.approx(figures[column], rel=2e-5)


def test_a_known_bias_is_removed_and_the_interval_holds_the_truth(world, too_low, stacks, tmp_path):
    """A level of 0.35 in place of 0.5 thickens the solid, by an amount that depends on the glow."""
    covered, of = 0, 0
    for images, truth, prediction in stacks:
        rows, _ = measured(world, images, prediction, too_low, twins=24, scratch=tmp_path)
        figures = Morphology().measure(truth).rows()[0]
        for name in ("solid_fraction", "specific_surface", "ligament_diameter", "pore_diameter"):
            row, true = rows[name], figures[TRUE_NAMES[name]]
            if name in ("solid_fraction", "ligament_diameter"):  # others are hardly biased
                assert abs(row["corrected"] - true) < 0.4 * abs(row["value"] - true)
            covered += row["volume_low"] <= true <= row["volume_high"]
            of += 1
        scores = Overlap().measure(prediction, truth).rows()[0]
        assert rows["mp"]["value"] == pytest.approx(scores["mp_percent"], rel=0.3)
        for name, column in (("mp", "mp_percent"), ("mgp", "mgp_percent"), ("mds", "mds")):
            covered += rows[name]["low"] <= scores[column] <= rows[name]["high"]
            of += 1
    assert covered >= 0.75 * of


def test_intervals_of_the_material_hold_those_of_the_volume(bars):
    for row in bars[0].values():
        assert row["low"] <= row["volume_low"] < row["corrected"] < row["volume_high"]
        assert row["volume_high"] <= row["high"]
        assert row["bias"] == pytest.approx(row["value"] - row["corrected"])
        half = (row["volume_high"] - row["volume_low"]) / 2
        parts = row["segmentation"], row["structure_and_instrument"]
        assert half == pytest.approx(np.hypot(*parts), rel=0.1)
    assert bars[0]["solid_fraction"]["sampling"] > 0


def test_twins_are_listed_with_truth_measurement_and_statistics(bars):
    table = bars[1]["twins"]
    rows = [row for row in table if row["quantity"] == "solid_fraction"]
    assert [row["twin"] for row in rows] == list(range(12))
    for row in rows:
        assert row["measured"] > row["truth"]
        assert abs(row["corrected"] - row["truth"]) < row["measured"] - row["truth"]
    names = set(table["quantity"])
    assert {"mp", "mds", "chord_solid_xy_nm", "autocovariance_z_2"} <= names
    assert len(table) == 12 * len(names)


def test_curves_begin_with_the_solid_fraction_and_have_limits(bars):
    rows, kept = bars
    curves = kept["curves"]
    first = curves.rows()[0]
    fraction = rows["solid_fraction"]
    assert first["distance_nm"] == 0
    assert first["s2_solid"] == pytest.approx(fraction["value"])
    assert first["s2_solid_corrected"] == pytest.approx(fraction["corrected"], rel=1e-6)
    assert first["lineal_path_pore"] == pytest.approx(1 - fraction["value"])
    for name in ("s2_solid", "lineal_path_solid", "lineal_path_pore"):
        assert np.all(curves[f"{name}_low"] < curves[f"{name}_corrected"])
        assert np.all(curves[f"{name}_corrected"] < curves[f"{name}_high"])


def test_probabilities_show_how_many_voxels_are_wrong(bars):
    indicators = {row["indicator"]: row for row in bars[1]["indicators"]}
    assert indicators["expected_mp"]["rank_correlation_with_mp"] > 0.7
    assert indicators["expected_mp"]["value"] == bars[0]["mp"]["value"]
    assert set(indicators) == {
        "expected_mp", "separation", "doubt", "e_tpcf", "e_lpf", "e_diameter"
    }  # fmt: skip
    for row in indicators.values():
        assert -1 <= row["rank_correlation_with_mp"] <= 1


@pytest.mark.long
def test_a_simulator_adds_what_reprojection_is_worth(world, too_low):
    images, _ = world.pair("hidden", 0, Context(77))
    _, kept = measured(
        world, images, too_low.predict(images), too_low, twins=8,
        simulator=WeightedProjection(energies_kev=(2.0,), slices=6),
    )  # fmt: skip
    assert "unexplained_percent" in kept["indicators"]["indicator"]


def test_a_segmenter_without_probabilities_gets_expected_scores_as_well(world, too_low):
    class Silent(type(too_low)):
        save_probability: bool | None = None

    images, truth = world.pair("hidden", 1, Context(77))
    rows, kept = measured(world, images, too_low.predict(images), Silent(), twins=24)
    true = Overlap().measure(too_low.predict(images), truth).rows()[0]["mp_percent"]
    assert rows["mp"]["low"] <= true <= rows["mp"]["high"]
    assert "doubt" not in kept["indicators"]["indicator"]


def test_probabilities_are_asked_for_without_a_change_of_the_segmenter(too_low):
    asked = with_probability(too_low)
    assert asked.save_probability
    assert not too_low.save_probability
    assert with_probability(asked) is asked


def test_finished_twins_are_not_made_again(world, too_low, tmp_path, monkeypatch):
    images, _ = world.pair("hidden", 0, Context(77))
    prediction = too_low.predict(images)
    wanted, kept = measured(world, images, prediction, too_low, twins=8)
    made = []
    original = type(world).pair

    def pair(self, purpose, number, context=None):
        made.append(number)
        if made == [0, 1, 2, 3]:
            raise KeyboardInterrupt
        return original(self, purpose, number, context)

    monkeypatch.setattr(type(world), "pair", pair)
    with pytest.raises(KeyboardInterrupt):
        measured(world, images, prediction, too_low, twins=8, scratch=tmp_path)
    found, again = measured(world, images, prediction, too_low, twins=8, scratch=tmp_path)
    assert made == [0, 1, 2, 3, 3, 4, 5, 6, 7]
    assert found == wanted
    for name in ("twins", "curves", "indicators"):
        assert again[name].to_csv() == kept[name].to_csv()


@pytest.mark.long
def test_what_is_kept_of_another_segmenter_or_stack_is_not_used(world, too_low, tmp_path):
    images, _ = world.pair("hidden", 0, Context(77))
    prediction = too_low.predict(images)
    measured(world, images, prediction, too_low, twins=8, scratch=tmp_path)
    other = type(too_low)(level=0.5)
    first = measured(world, images, other.predict(images), other, twins=8, scratch=tmp_path)[0]
    assert first == measured(world, images, other.predict(images), other, twins=8)[0]
    files = set(tmp_path.rglob("*.json"))
    further, _ = world.pair("hidden", 1, Context(77))
    measured(world, further, too_low.predict(further), too_low, twins=8, scratch=tmp_path)
    new = {path.name.split("-")[0] for path in set(tmp_path.rglob("*.json")) - files}
    assert new == {"part", "stack"}


@pytest.mark.long
def test_results_do_not_depend_on_threads(world, too_low):
    images, _ = world.pair("hidden", 2, Context(77))
    prediction = too_low.predict(images)
    one, kept = measured(world, images, prediction, too_low, twins=8, threads=1)
    three, same = measured(world, images, prediction, too_low, twins=8, threads=3)
    assert one == three
    assert kept["twins"].to_csv() == same["twins"].to_csv()


def test_a_stack_unlike_the_twins_is_reported(world, too_low, caplog):
    sparse = type(world)(shape=(16, 32, 32), fractions=(0.12, 0.13), widest=1.9)
    images, _ = sparse.pair("hidden", 0, Context(77))
    with caplog.at_level(logging.WARNING):
        rows, _ = measured(world, images, too_low.predict(images), too_low, twins=8)
    assert rows["solid_fraction"]["outside_twins"]
    assert "the twins hardly show values like those of the stack (solid_fraction" in caplog.text


def test_the_prediction_of_another_segmenter_is_reported(world, too_low, caplog):
    images, _ = world.pair("hidden", 0, Context(77))
    other = type(too_low)(level=0.6)
    with caplog.at_level(logging.WARNING):
        measured(world, images, other.predict(images), too_low, twins=8)
    assert "differs from the prediction" in caplog.text


def test_inputs_that_do_not_belong_together_are_refused(world, too_low):
    images, _ = world.pair("hidden", 0, Context(77))
    prediction = too_low.predict(images)
    with pytest.raises(FibError, match=r"prediction has shape \(15, 32, 32\), images \(16, 32"):
        measured(world, images, prediction.with_data(prediction.data[1:]), too_low)
    flat = images.with_data(images.data[:, :2]), prediction.with_data(prediction.data[:2])
    with pytest.raises(FibError, match="at least 4 along each axis"):
        measured(world, *flat, too_low)
    coarse = Labels(prediction.data, (10.0, 5.0, 5.0))
    with pytest.raises(FibError, match="voxels of the prediction are"):
        measured(world, images, coarse, too_low)


def test_a_prediction_of_one_phase_is_refused(world, too_low):
    images, _ = world.pair("hidden", 0, Context(77))
    empty = Labels(np.zeros(images.shape, np.uint8), images.voxel_size_nm)
    with pytest.raises(FibError, match="the prediction is all pore"):
        measured(world, images, empty, too_low, twins=8)


def test_twins_that_are_segmented_as_one_phase_are_refused(world, too_low):
    images, _ = world.pair("hidden", 0, Context(77))
    blind = type(too_low)(level=9.0)
    with pytest.raises(FibError, match="only 0 of 8 twins have solid and pore"):
        measured(world, images, too_low.predict(images), blind, twins=8)


def test_the_forecast_holds_what_is_needed_to_make_segment_and_measure(world, too_low):
    images, _ = world.pair("hidden", 0, Context(77))
    prediction = too_low.predict(images)
    inputs = {"prediction": prediction.spec, "images": images.spec}
    alone = ErrorBars().forecast("measure", inputs)
    with_world = ErrorBars().forecast("measure", {**inputs, "world": world, "segmenter": too_low})
    assert 0 < alone.memory_bytes < with_world.memory_bytes
    assert with_world.memory_bytes >= world.forecast("sample", {}).memory_bytes
    small = prediction.with_data(prediction.data[:8]).spec
    warned = ErrorBars().forecast("measure", {"prediction": small, "world": world})
    assert "smaller twins would represent it better" in warned.warnings[0]


def test_a_pipeline_gives_a_world_and_a_fitted_segmenter(tmp_path):
    voxel = {"shape": [12, 32, 32], "voxel_size_nm": 5}
    wave = {**voxel, "waves": 60, "ligament_diameter_nm": {"between": [30, 40]}}
    projection = {"plugin": "simulator/weighted_projection", "params": {"energies_kev": [2]}}
    steps = [
        {"id": "world", "run": "source/virtual_stacks", "params": {
            "structures": [{"plugin": "generator/leveled_wave", "params": {
                **wave, "solid_fraction": {"between": [0.3, 0.5]}}}],
            "simulator": projection}},
        {"id": "forest", "fit": "segmenter/random_forest",
         "inputs": {"images": "world", "labels": {"from": "world", "artefact": "labels"}},
         "params": {"trees": 5, "sample_voxels": 2000, "sigma_max": 2}},
        {"id": "gold", "run": "generator/leveled_wave", "params": {
            "shape": [20, 48, 48], "voxel_size_nm": 5, "waves": 60, "ligament_diameter_nm": 35,
            "solid_fraction": 0.4}},
        {"id": "sem", "run": "simulator/weighted_projection", "inputs": {"labels": "gold"},
         "params": {"energies_kev": [2]}},
        {"id": "solid", "apply": "forest", "inputs": {"images": "sem"}},
        {"id": "bars", "run": "metric/error_bars", "params": {"twins": 8}, "inputs": {
            "prediction": "solid", "images": "sem", "segmenter": "forest", "world": "world"}},
    ]  # fmt: skip
    pipeline = {"version": 1, "name": "bars", "seed": 2, "steps": steps}
    result = run_pipeline(check_pipeline(pipeline), out=tmp_path / "runs", cache=tmp_path / "cache")
    rows = {row["quantity"]: row for row in result["bars"]}
    assert list(rows) == [*TRUE_NAMES, "mp", "mgp", "mds"]
    true = result["gold"].solid.mean()
    assert rows["solid_fraction"]["volume_low"] < true < rows["solid_fraction"]["volume_high"]
    assert len(result["bars.twins"]) % 8 == 0
    assert result["bars"].roles["corrected"].limits == ("low", "high")
