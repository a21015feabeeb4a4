"""Statistics of labels that candidates are compared with: corrected, coarse, with deviations."""

from __future__ import annotations

import logging
import math
from dataclasses import replace

import numpy as np
import pytest

from fib_plugins.generators.leveled_wave import LeveledWave
from fib_plugins.generators.resembling.candidates import Candidate, Place, Yardstick, moved
from fib_plugins.generators.resembling.observed import (
    TOLERANCE,
    coarsened,
    corrections_of,
    observed,
    sample_deviation,
    transformed,
    without_speckles,
)
from fibcore import FibError, Labels, Table

LOG = logging.getLogger("fib")


def wave(**changes):
    params = {"shape": 40, "voxel_size_nm": 5, "solid_fraction": 0.4, "ligament_diameter_nm": 30}
    return LeveledWave(**params | changes).generate(seed=1)


def twins(quantity: str, truth, measured) -> Table:
    rows = zip(truth, measured, strict=True)
    return Table.from_rows(
        [
            {"twin": n, "quantity": quantity, "truth": float(t), "measured": float(m)}
            for n, (t, m) in enumerate(rows)
        ]
    )


def test_every_second_voxel_is_the_structure_at_voxels_twice_as_large():
    labels = coarsened(wave(shape=(64, 64, 64), ligament_diameter_nm=90), 90.0)
    assert labels.voxel_size_nm == (10, 10, 10)
    assert labels.shape == (32, 32, 32)
    kept = wave(shape=(64, 64, 64), ligament_diameter_nm=90).data[::2, ::2, ::2]
    assert np.array_equal(labels.data, kept)


def test_thick_slices_are_all_kept_and_short_volumes_stay_fine():
    labels = Labels(np.zeros((48, 128, 128), np.uint8), (10.0, 3.26, 3.26))
    assert coarsened(labels, 60.0).shape == (48, 64, 64)
    assert coarsened(labels, 600.0).shape == (48, 32, 32)


def test_independent_voxels_have_the_scatter_of_a_binomial():
    rng = np.random.default_rng(0)
    labels = Labels((rng.random((64, 64, 64)) < 0.3).astype(np.uint8), (1, 1, 1))
    assert sample_deviation(labels) == pytest.approx(math.sqrt(0.21 / 64**3), rel=0.3)


def test_a_structure_of_its_own_scatters_more_where_it_is_coarser():
    fine, coarse = (sample_deviation(wave(ligament_diameter_nm=d)) for d in (15, 45))
    assert coarse > 2 * fine


def test_twins_correct_a_factor_of_lengths():
    rng = np.random.default_rng(1)
    truth = rng.uniform(30, 60, 12)
    measured = 0.8 * truth * np.exp(0.01 * rng.standard_normal(12))
    table = twins("ligament_diameter_nm", truth, measured)
    shift, spread = corrections_of(table, {"ligament_diameter_nm": math.log(40)}, LOG)[
        "ligament_diameter_nm"
    ]
    assert shift == pytest.approx(-math.log(0.8), abs=0.015)
    assert 0.004 < spread < 0.03


def test_twins_correct_an_error_that_depends_on_the_measured_value():
    truth = np.linspace(0.3, 0.5, 16)
    measured = 0.35 + 0.5 * (truth - 0.35)
    table = twins("chord_solid_xy_variation", truth, measured)
    for value in (0.36, 0.41):
        shift, spread = corrections_of(table, {"chord_solid_xy_variation": value}, LOG)[
            "chord_solid_xy_variation"
        ]
        assert value + shift == pytest.approx(0.35 + 2 * (value - 0.35), abs=0.012)
        assert spread < 0.03


def test_few_twins_correct_nothing_and_a_warning_says_so(caplog):
    table = twins("solid_fraction", [0.3, 0.4], [0.35, 0.45])
    assert corrections_of(table, {"solid_fraction": 0.0}, LOG) == {}
    assert "nothing is corrected" in caplog.text


def test_a_table_that_is_none_of_twins_is_refused():
    with pytest.raises(FibError, match="lacks the column truth; it has quantity"):
        corrections_of(Table({"quantity": np.array(["a"], object)}), {}, LOG)


def test_the_corrected_solid_fraction_is_that_which_is_made():
    labels = wave()
    truth = np.linspace(0.3, 0.4, 10)
    target = observed(labels, twins("solid_fraction", truth, truth + 0.05), 1, LOG)
    assert target.fraction == pytest.approx(labels.data.mean() - 0.05, abs=0.01)
    assert target.corrected == ("solid_fraction",)
    plain = observed(labels, None, 1, LOG)
    assert plain.fraction == pytest.approx(labels.data.mean(), abs=1e-3)
    assert plain.deviations["chord_solid_z_nm"] == 2.5 * plain.deviations["chord_solid_xy_nm"]
    assert plain.deviations["chord_solid_xy_nm"] == TOLERANCE


def test_other_phases_count_as_pore():
    labels = wave()
    binder = labels.data.copy()
    binder[:10][binder[:10] == 0] = 2
    three = replace(labels, data=binder, phases={**labels.phases, 2: labels.phases[0]})
    assert observed(three, None, 1, LOG).values == observed(labels, None, 1, LOG).values


def test_a_structure_of_another_size_is_at_no_distance():
    target = observed(wave(), None, 1, LOG)
    yardstick = Yardstick(target, {})
    larger = {
        name: value + (0.3 if name.endswith("_nm") else -0.3 if name.endswith("_per_um") else 0)
        for name, value in target.values.items()
    }
    candidate = Candidate(Place("leveled_wave", "", ()), 30.0, larger)
    assert yardstick.distance(candidate) == pytest.approx(0, abs=1e-9)
    other = Candidate(candidate.place, 30.0, larger | {"ligament_diameter_nm": 9.0})
    assert yardstick.distance(other) > 1


def test_speckles_do_not_make_ligaments_thinner_unless_twins_have_them():
    labels = wave(ligament_diameter_nm=40)
    rng = np.random.default_rng(2)
    noisy = labels.with_data(labels.data ^ (rng.random(labels.shape) < 0.01).astype(np.uint8))
    clean, found = observed(labels, None, 1, LOG), observed(noisy, None, 1, LOG)
    for name in ("ligament_diameter_nm", "pore_diameter_nm"):
        assert found.values[name] == pytest.approx(clean.values[name], abs=0.08)
    assert found.fraction == pytest.approx(clean.fraction, abs=0.005)
    known = twins("chord_solid_xy_variation", [0.5] * 4, [0.5] * 4)
    raw = observed(noisy, known, 1, LOG)
    assert raw.values["ligament_diameter_nm"] < clean.values["ligament_diameter_nm"] - 0.15


def test_islands_of_both_phases_are_removed():
    data = np.zeros((12, 12, 12), np.uint8)
    data[:6] = 1
    expected = data.copy()
    data[8:10, 3:5, 3:5] = 1
    data[2, 5, 5] = 0
    assert np.array_equal(without_speckles(data), expected)
    data[8:11, 3:6, 3:6] = 1
    assert without_speckles(data)[9, 4, 4] == 1


def test_lengths_are_compared_by_their_logarithms():
    found = transformed({"a_nm": 2.0, "b_per_um": 0.0, "solid_fraction": 0.5, "c": -1.0})
    assert found["a_nm"] == math.log(2)
    assert math.isnan(found["b_per_um"])
    assert found["solid_fraction"] == 0
    assert found["c"] == -1


@pytest.mark.parametrize(("share", "expected"), [(-0.2, 0.2), (1.3, 0.7), (0.4, 0.4)])
def test_shares_are_reflected_at_the_ends_of_a_range(share, expected):
    place = moved(Place("spinodal", "", (0.5,)), np.array([share]))
    assert place.shares == (pytest.approx(expected),)
