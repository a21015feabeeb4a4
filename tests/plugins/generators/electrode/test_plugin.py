import logging

import numpy as np
import pytest
from pydantic import ValidationError

from fib_plugins.generators.electrode.plugin import Electrode
from fibcore.context import Context
from fibcore.errors import FibError


def electrode(**changes):
    params = {"shape": (40, 64, 72), "voxel_size_nm": 60.0, "diameter_nm": 900.0}
    return Electrode(**{"diameter_std_nm": 300.0, **params, **changes})


@pytest.mark.parametrize(
    ("solid", "binder", "changes"),
    [(0.55, 0.15, {}), (0.7, 0.08, {"voxel_size_nm": (90.0, 60.0, 50.0)}), (0.4, 0.0, {})],
)
def test_shares_are_exact_to_one_voxel(solid, binder, changes):
    structure = electrode(solid_fraction=solid, binder_fraction=binder, **changes)
    context = Context(1)
    labels = structure.generate(context)
    counts = np.bincount(labels.data.ravel(), minlength=3)
    voxels = labels.data.size
    wanted = [round(solid * voxels), round(binder * voxels)]
    assert counts.tolist() == [voxels - sum(wanted), *wanted]
    kept = context.kept["solid"]
    assert np.array_equal(kept.data, labels.data == 1)
    assert {phase: each.name for phase, each in kept.phases.items()} == {0: "vacuum", 1: "LiCoO2"}
    forecast = structure.forecast("generate", {})
    assert labels.spec == forecast.output
    assert kept.spec == forecast.kept["solid"]


def test_same_seed_same_bytes_for_any_number_of_threads(monkeypatch):
    one = electrode().generate(Context(1, threads=1)).data.tobytes()
    monkeypatch.setattr("fib_plugins.generators.slabs.SLAB_VOXELS", 30_000)
    assert one == electrode().generate(Context(1, threads=2)).data.tobytes()
    assert one != electrode().generate(seed=2).data.tobytes()


def test_large_arrays_are_files_and_give_the_same_bytes(monkeypatch):
    expected = electrode().generate(seed=1)
    monkeypatch.setattr("fibcore.context.MEMORY_MAP_ABOVE_BYTES", 1000)
    labels = electrode().generate(seed=1)
    assert isinstance(labels.data, np.memmap)
    assert labels.data.tobytes() == expected.data.tobytes()


def test_expected_shares_are_those_of_a_large_volume():
    structure = electrode(
        shape=80, diameter_nm=450.0, diameter_std_nm=100.0, fraction="expected", binder_fraction=0.1
    )
    shares = np.bincount(structure.generate(seed=1).data.ravel(), minlength=3) / 80**3
    assert shares[1] == pytest.approx(0.6, abs=0.02)
    assert shares[2] / (1 - shares[1]) == pytest.approx(0.25, abs=1e-4)


def test_structure_is_isotropic():
    labels = electrode(shape=80, diameter_nm=450.0, diameter_std_nm=150.0).generate(seed=3)
    for phase in (1, 2):
        inside = (labels.data == phase).astype(np.int8)
        edges = [np.count_nonzero(np.diff(inside, axis=axis)) for axis in range(3)]
        assert max(edges) / min(edges) < 1.06


def test_windows_smaller_than_a_particle_show_what_an_electrode_has():
    structure = electrode(shape=(4, 24, 24), voxel_size_nm=20.0, fraction="expected")
    shares = [float((structure.generate(seed=seed).data == 1).mean()) for seed in range(3)]
    assert max(shares) - min(shares) > 0.05
    assert structure.forecast("generate", {}).warnings == ()


def test_an_exact_share_of_a_window_is_reported_or_refused(caplog):
    structure = electrode(shape=(4, 16, 16), voxel_size_nm=15.0, solid_fraction=0.5)
    refused = []
    with caplog.at_level(logging.WARNING, "fib"):
        for seed in range(3):
            try:
                structure.generate(seed=seed)
            except FibError as error:
                refused.append(str(error))
    assert "`fraction`: expected" in caplog.text + " ".join(refused)
    assert "diameters wide" in structure.forecast("generate", {}).warnings[0]


@pytest.mark.parametrize(
    ("changes", "warning"),
    [
        ({"crack_width_nm": 20.0}, "narrower than a voxel"),
        ({"binder_texture_nm": 80.0}, "single voxels of binder and pore"),
        ({"binder_texture_nm": 80.0, "binder_porosity": 0.0}, None),
        ({"crack_width_nm": 20.0, "cracked_fraction": 0.0}, None),
    ],
)
def test_forecast_warns_of_what_voxels_cannot_show(changes, warning):
    warnings = electrode(**changes).forecast("generate", {}).warnings
    assert (warning is None) == (warnings == ())
    assert warning is None or warning in warnings[0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"solid_fraction": 0.7, "binder_fraction": 0.2}, "give a smaller binder_fraction"),
        ({"binder_porosity": 0.95}, "less than or equal to 0.9"),
        ({"diameter_std_nm": 1000.0}, "at most the mean"),
        ({"axis_ratios": (1, 1, 4)}, "at most 3 times"),
        ({"cracked_fraction": 1.2}, "less than or equal to 1"),
    ],
)
def test_parameters_that_cannot_work_are_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        electrode(**changes)


def test_sizes_in_a_wrong_unit_are_refused_before_the_run():
    with pytest.raises(FibError, match="Is diameter_nm in nm"):
        electrode(shape=400, diameter_nm=2.0, diameter_std_nm=1.0).forecast("generate", {})
