"""Which model images a structure, and what is refused before the run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fib_plugins import Surrogate
from fib_plugins.simulators.surrogate import shipped
from fibcore import Context, FibError, Labels, Material
from fibcore.formats import read_model, write_model
from fibcore.materials import EPOXY, GOLD
from fibcore.pipeline import check_pipeline
from fibcore.registry import registry


@pytest.fixture
def package(taught, monkeypatch):
    """Let the package have two models, for voxels of 4 nm and of 10 x 4 x 4 nm."""
    flat = replace(taught.model, info={**taught.model.info, "voxel_size_nm": [10.0, 4.0, 4.0]})
    monkeypatch.setattr(shipped, "shipped_models", lambda: (taught.model, flat))
    return taught.model, flat


def test_the_model_of_the_package_for_the_voxels_is_chosen(package, structure):
    surrogate = Surrogate(energies_kev=(2.0,), on_failure="warn")
    assert shipped.shipped_model(surrogate, (4.05, 4.0, 4.0)) is package[0]
    assert shipped.shipped_model(surrogate, (10.0, 4.0, 4.0)) is package[1]
    fitted = Surrogate.from_model(package[0], energies_kev=(2.0,), on_failure="warn")
    for one in (surrogate, fitted):
        images = one.simulate(structure(), context=Context(1, threads=1))
        np.testing.assert_array_equal(images.data, fitted.simulate(structure()).data)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"energies_kev": (2.0, 5.0)}, r"fits voxels of 4 x 4 x 4 nm at 2, 5 kV: .* has no 5 kV"),
        ({"tilt_deg": 10.0}, "has another tilt_deg.*simulator/monte_carlo"),
        ({"cutoff_ev": 100.0, "elastic": "browning"}, "has another elastic, cutoff_ev"),
        ({"detectors": ({"name": "a"},)}, "has another detectors"),
        ({"mean_depth": True}, "trained without mean_depth"),
    ],
    ids=str,
)
def test_what_no_model_of_the_package_knows_is_refused(package, structure, changes, message):
    surrogate = Surrogate(**{"energies_kev": (2.0,)} | changes)
    with pytest.raises(FibError, match=message):
        surrogate.forecast("simulate", {"labels": structure().spec})
    with pytest.raises(FibError, match=message):
        surrogate.simulate(structure())


def test_parameters_of_training_are_refused_where_nothing_is_trained(package, structure):
    surrogate = Surrogate(energies_kev=(2.0,), steps=7, features=6)
    with pytest.raises(FibError, match=r"^features, steps given for the training.*fit one"):
        surrogate.forecast("simulate", {"labels": structure().spec})
    rate = {"energies_kev": (2.0,), "learning_rate": 1e-4}
    with pytest.raises(FibError, match=r"^learning_rate given for the training"):
        shipped.shipped_model(Surrogate(**rate), (4.0, 4.0, 4.0))
    refining = Surrogate(**rate, on_failure="refine")
    assert shipped.shipped_model(refining, (4.0, 4.0, 4.0)) is package[0]


@pytest.mark.parametrize(("given", "warned"), [({}, True), ({"below": "mirror"}, False)])
def test_slices_near_the_end_of_the_structure_are_warned_of(
    package, structure, given, warned, caplog
):
    Surrogate(energies_kev=(2.0,), on_failure="warn", **given).simulate(structure())
    assert ("depend on what is below the end" in caplog.text) == warned


def lighter():
    return Material(name="Au", composition={"Au": 1}, density_g_cm3=10.0)


@pytest.mark.parametrize(
    ("fields", "changes", "message"),
    [
        ({"voxel_size_nm": 5.0}, {}, "trained for voxels of 4 x 4 x 4 nm.*labels have 5 x 5 x 5"),
        ({}, {"energies_kev": (1.0, 3.0)}, "trained at 1, 2 kV, not at 3"),
        ({}, {"mean_depth": True}, "trained without mean_depth"),
        ({"phases": {0: EPOXY, 1: registry().material("Cu")}}, {}, "phase 1 of the labels is Cu"),
        ({}, {"below": 7}, "below is phase 7, which the labels do not have"),
        ({}, {"slices": (2, 9)}, "slices ends at 9, but the labels have 6"),
    ],
    ids=str,
)
def test_structures_that_a_model_does_not_know_are_refused(
    taught, structure, fields, changes, message
):
    surrogate = Surrogate.from_model(taught.model, **changes)
    labels = structure(**fields)
    with pytest.raises(FibError, match=message):
        surrogate.forecast("simulate", {"labels": labels.spec})
    with pytest.raises(FibError, match=message):
        surrogate.simulate(labels, context=Context(1, threads=1))


def test_other_compositions_and_phases_without_material_are_refused(taught, structure):
    with pytest.raises(FibError, match="Au with another composition, density"):
        taught.simulate(structure(phases={0: EPOXY, 1: lighter()}))
    strange = Labels(structure().data * 7, 4.0, {0: EPOXY, 1: GOLD})
    with pytest.raises(FibError, match="phase 7, whose material is not known"):
        taught.simulate(strange)


def test_a_model_survives_its_files(taught, structure, tmp_path):
    write_model(taught.model, tmp_path / "model.safetensors")
    model = read_model(tmp_path / "model.safetensors")
    one, other = (
        Surrogate.from_model(m, on_failure="warn").simulate(structure()).data
        for m in (taught.model, model)
    )
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "changes",
    [
        {"kv": [1.0, 3.0]},
        {"kv": [1.0]},
        {"scales": [[1, 1, 1], [3, 3, 3], [6, 6, 6], [12, 12, 12]]},
        {"scales": [[2, 1, 1], [2, 2, 2], [4, 4, 4], [8, 8, 8]]},
        {"scales": [[1, 1, 1]]},
        {"depth_scale_nm": [3.0]},
        {"materials": [{"name": "Au"}]},
        {"materials": []},
        {"voxel_size_nm": [0.0, 1.0, 1.0]},
    ],
    ids=str,
)
def test_models_whose_info_is_damaged_are_refused(taught, changes):
    damaged = replace(taught.model, info={**taught.model.info, **changes})
    with pytest.raises(FibError, match=r"damaged|restore"):
        Surrogate.from_model(damaged)


def test_parameters_that_a_model_file_lacks_have_their_defaults(taught):
    params = {name: value for name, value in taught.model.params.items() if name != "planes"}
    with pytest.raises(FibError, match="weights of the model do not fit"):  # 12 planes, not 4
        Surrogate.from_model(replace(taught.model, params=params))


def pipeline(voxel_size_nm=4.0, materials=("epoxy", "Au"), **params):
    waves = {"shape": [8, 16, 16], "voxel_size_nm": voxel_size_nm, "ligament_diameter_nm": 30,
             "solid_fraction": 0.4, "materials": list(materials)}  # fmt: skip
    return {
        "version": 1,
        "name": "check",
        "steps": [
            {"id": "gold", "run": "generator/leveled_wave", "params": waves},
            {"id": "sem", "run": "simulator/surrogate", "inputs": {"labels": "gold"},
             "params": {"energies_kev": [2], **params}},
        ],
    }  # fmt: skip


def test_a_check_of_a_pipeline_finds_what_the_model_does_not_know(package, tmp_path):
    check_pipeline(pipeline(), base=tmp_path)
    for document, message in (
        (pipeline(5.0), "no surrogate of the package fits voxels of 5 x 5 x 5 nm"),
        (pipeline(energies_kev=[3]), "has no 3 kV"),
        (pipeline(materials=("vacuum", "Au")), "is vacuum, but the surrogate was trained"),
    ):
        with pytest.raises(FibError, match=message):
            check_pipeline(document, base=tmp_path)


def test_a_fit_warns_of_slices_thicker_than_the_depth_of_escape(tiny):
    forecast = Surrogate(**tiny | {"voxel_size_nm": 10.0, "teaching_shape": (8, 32, 32)}).forecast(
        "fit", {}
    )
    (warning,) = forecast.warnings
    assert "slices are 10 nm thick, but electrons of 1 keV return from 7.1 nm of Au" in warning
    assert Surrogate(**tiny).forecast("fit", {}).warnings == ()


def test_a_fit_warns_of_electrons_from_deeper_than_the_largest_pyramid(tiny):
    deep = tiny | {"energies_kev": (30.0,), "teaching_shape": (8, 64, 64)}
    (warning,) = Surrogate(**deep).forecast("fit", {}).warnings
    assert "sees 1024 nm deep at most, but electrons of 30 keV return from up to" in warning


def test_a_simulation_warns_of_thick_slices_too(package, structure):
    thick = structure(voxel_size_nm=(10.0, 4.0, 4.0))
    forecast = Surrogate(energies_kev=(1.0, 2.0)).forecast("simulate", {"labels": thick.spec})
    assert [w[:24] for w in forecast.warnings] == ["slices are 10 nm thick, "]
    fine = Surrogate(energies_kev=(1.0,)).forecast("simulate", {"labels": structure().spec})
    assert fine.warnings == ()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"energies_kev": (31.0,)}, "less than or equal to 30"),
        ({"materials": ("Au", "Au")}, "has duplicates"),
        ({"materials": ()}, "at least 1 item"),
        ({"rounds": 9}, "a round needs at least one of each"),
        ({"teaching_slices": 9}, "teaching_slices is 9, but the structures have 8"),
        ({"detectors": ({"name": "a"}, {"name": "a"})}, "a name of its own"),
        ({"detectors": ({"name": "a", "energy": (0.0, 0.01)},)}, "excludes every electron"),
        ({"detectors": ({"name": "a"},), "detector_energy": (0.5, 1.0)}, "leave the others out"),
        ({"detector_weighting": "energy", "electrons_per_pixel": 9}, "leave electrons_per_pixel"),
        ({"referee_share": 1.1}, "less than or equal to 1"),
        ({"teaching_electrons": 1}, "greater than or equal to 2"),
        ({"featuers": 8}, "Extra inputs"),
    ],
    ids=str,
)
def test_parameters_that_make_no_sense_are_refused(tiny, changes, message):
    with pytest.raises(ValueError, match=message):
        Surrogate(**tiny | changes)


def test_a_fit_of_vacuum_or_of_odd_structures_is_refused_before_the_run(tiny):
    with pytest.raises(FibError, match="all materials are vacuum"):
        Surrogate(**tiny | {"materials": ("vacuum",)}).forecast("fit", {})
    with pytest.raises(FibError, match=r"has 18 pixels along y, .* pixels of 8: use 16 or 24"):
        Surrogate(**tiny | {"teaching_shape": (8, 18, 16)}).forecast("fit", {})
