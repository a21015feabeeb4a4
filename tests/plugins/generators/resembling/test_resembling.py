"""A generator of structures that resemble given labels."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from fib_plugins.generators.electrode.plugin import Electrode
from fib_plugins.generators.leveled_wave import LeveledWave
from fib_plugins.generators.particles import Particles
from fib_plugins.generators.resembling.candidates import Place
from fib_plugins.generators.resembling.fitting import _kernel
from fib_plugins.generators.resembling.plugin import Resembling
from fib_plugins.structure_statistics.summary import statistics_of
from fibcore import Context, FibError, Labels
from fibcore.materials import EPOXY, GOLD

QUICK = ("leveled_wave", "particles")


def wave(seed: int = 1, **changes) -> Labels:
    params = {"shape": 48, "voxel_size_nm": 5, "solid_fraction": 0.4, "ligament_diameter_nm": 35}
    return LeveledWave(**params | changes).generate(seed=seed)


@pytest.fixture(scope="module")
def context() -> Context:
    return Context(3, threads=1)


@pytest.fixture(scope="module")
def fitted(context) -> Resembling:
    return Resembling(families=QUICK, candidates=20, shape=48).fit(wave(), context=context)


def test_the_family_of_the_labels_is_found(fitted, context):
    families = context.kept["families"].rows()
    assert [row["family"] for row in families] == list(QUICK)
    assert families[0]["verdict"] == "resembles"
    assert families[0]["probability"] > 0.95
    assert families[1]["verdict"] == "does not resemble"
    assert families[1]["least_alike"]


def test_structures_have_the_solid_fraction_and_ligament_diameter_of_the_labels(fitted):
    labels = wave()
    made = [statistics_of(fitted.generate(seed=seed)) for seed in range(6)]
    truth = statistics_of(labels)
    assert np.mean([each["solid_fraction"] for each in made]) == pytest.approx(
        truth["solid_fraction"], abs=0.03
    )
    assert np.mean([each["ligament_diameter_nm"] for each in made]) == pytest.approx(
        truth["ligament_diameter_nm"], rel=0.04
    )


def test_the_posterior_has_parameters_of_generators_and_weights_that_sum_to_one(context):
    rows = context.kept["posterior"].rows()
    assert sum(row["weight"] for row in rows) == pytest.approx(1)
    best = json.loads(rows[0]["parameters"])
    again = LeveledWave(**best, shape=8, voxel_size_nm=5)
    assert again.ligament_diameter_nm == pytest.approx(35, rel=0.12)


@pytest.mark.long
def test_the_result_does_not_depend_on_threads(fitted):
    other = Resembling(families=QUICK, candidates=20, shape=48).fit(
        wave(), context=Context(3, threads=3)
    )
    assert other.model.info == fitted.model.info
    one = fitted.generate(Context(4, threads=1)).data
    assert np.array_equal(other.generate(Context(4, threads=2)).data, one)
    assert not np.array_equal(fitted.generate(Context(5)).data, one)


def test_shape_voxels_and_materials_can_be_chosen_when_it_is_applied(fitted):
    changed = Resembling.from_model(
        fitted.as_model(), shape=(8, 20, 16), voxel_size_nm=(10, 5, 5), materials=("vacuum", "Cu")
    )
    again = Resembling.from_model(changed.as_model())
    labels = again.generate(seed=1)
    assert labels.shape == (8, 20, 16)
    assert labels.voxel_size_nm == (10, 5, 5)
    assert [each.name for each in labels.phases.values()] == ["vacuum", "Cu"]
    assert again.forecast("generate", {}).output == labels.spec


def test_without_spread_sizes_and_fractions_are_those_kept(fitted):
    still = Resembling.from_model(fitted.as_model(), spread=0.0)
    shares = {round(float(still.generate(seed=seed).data.mean()), 4) for seed in range(3)}
    assert len(shares) == 1
    loose = [fitted.generate(seed=seed).data.mean() for seed in range(3)]
    assert np.std(loose) > 0


def test_labels_like_no_family_are_told_and_all_families_are_generated(caplog):
    data = np.zeros((32, 48, 48), np.uint8)
    data[:, :, np.arange(48) % 12 < 5] = 1
    context = Context(1)
    fitted = Resembling(families=QUICK, candidates=12, shape=32).fit(
        Labels(data, (5, 5, 5)), context=context
    )
    assert "no family of structures resembles the labels" in caplog.text
    rows = context.kept["families"].rows()
    assert {row["verdict"] for row in rows} == {"does not resemble"}
    found = {each["family"] for each in fitted.model.info["kept"]}
    assert found == set(QUICK)
    made = [fitted.generate(seed=seed).data.mean() for seed in range(4)]
    assert np.mean(made) == pytest.approx(data.mean(), abs=0.12)


@pytest.mark.long
def test_particles_are_found_with_slices_thicker_than_pixels():
    labels = Particles(
        shape=(32, 64, 64),
        voxel_size_nm=(10, 5, 5),
        solid_fraction=0.45,
        diameter_nm=60,
        diameter_std_nm=10,
    ).generate(seed=2)
    context = Context(1)
    Resembling(families=QUICK, candidates=24).fit(labels, context=context)
    assert context.kept["families"].rows()[0]["family"] == "particles"


@pytest.mark.long
def test_three_materials_give_electrodes_with_binder_and_two_without():
    context = Context(2)
    whole = Electrode(
        shape=40, voxel_size_nm=50, solid_fraction=0.5, diameter_nm=700, diameter_std_nm=200
    ).generate(context)
    fitted = Resembling(families=("electrode",), candidates=10, shape=40).fit(whole)
    made = fitted.generate(seed=1)
    assert [each.name for each in made.phases.values()] == ["vacuum", "LiCoO2", "carbon binder"]
    share = (whole.data == 2).mean() / (whole.data != 1).mean()
    assert (made.data == 2).mean() / (made.data != 1).mean() == pytest.approx(share, abs=0.08)
    two = Resembling.from_model(fitted.as_model(), materials=("vacuum", "LiCoO2"))
    assert set(np.unique(two.generate(seed=1).data)) == {0, 1}


@pytest.mark.parametrize("value", [0, 1])
def test_labels_of_one_phase_are_refused(value):
    labels = Labels(np.full((16, 32, 32), value, np.uint8), (5, 5, 5))
    with pytest.raises(FibError, match="there is no structure to fit to"):
        Resembling().fit(labels)


def test_labels_of_few_slices_are_refused_before_the_run():
    labels = wave(shape=(4, 32, 32))
    with pytest.raises(FibError, match="too few along z"):
        Resembling().forecast("fit", {"labels": labels.spec})


def test_a_solid_fraction_that_no_family_has_is_an_error():
    labels = wave(solid_fraction=0.1)
    with pytest.raises(FibError, match="no structure of the families spinodal is possible"):
        Resembling(families=("spinodal",)).fit(labels)


def test_the_spec_of_structures_is_known_before_the_fit(context):
    labels = wave()
    forecast = Resembling(shape=(8, 9, 10)).forecast("fit", {"labels": labels.spec})
    assert forecast.model is not None
    assert 2**20 < forecast.memory_bytes < 2**30
    known = Resembling.from_model(forecast.model).forecast("generate", {}).output
    assert known is not None
    assert (known.shape, known.voxel_size_nm) == ((8, 9, 10), (5, 5, 5))
    assert known.phases == {0: EPOXY.name, 1: GOLD.name}


def test_draws_around_a_place_have_a_density_of_one():
    place = Place("spinodal", "", (0.05,))
    shares = (np.arange(2000) + 0.5) / 2000
    density = [_kernel(replace(place, shares=(float(s),)), place, 0.2) for s in shares]
    assert np.mean(density) == pytest.approx(1, abs=1e-3)
    assert _kernel(Place("foam", "open random", ()), Place("foam", "open relaxed", ()), 0.1) == 0
