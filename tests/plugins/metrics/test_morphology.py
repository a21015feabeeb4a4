import logging

import numpy as np
import pytest

from fib_plugins.metrics.morphology import Morphology
from fib_plugins.structure_statistics.connectivity import connectivity
from fib_plugins.structure_statistics.lineal_path import lineal_path
from fib_plugins.structure_statistics.surface import specific_surface
from fib_plugins.structure_statistics.thickness import local_thickness
from fib_plugins.structure_statistics.two_point import two_point_correlation
from fib_plugins.testing import check_plugin
from fibcore import Context, FibError, Labels

SIZE_NM = (4.0, 4.0, 4.0)


def measure(labels, truth=None, **params):
    context = Context(threads=params.pop("threads", 1))
    return Morphology(**params).measure(labels, truth, context).rows()[0], context.kept


def test_morphology_keeps_the_contract():
    assert check_plugin(Morphology) == []


def test_the_row_gathers_the_figures_of_the_structure(blobs):
    labels = Labels(blobs((40, 36, 44)), SIZE_NM)
    row, _ = measure(labels)
    solid = labels.solid
    assert row["solid_fraction"] == pytest.approx(solid.mean())
    assert row["specific_surface_per_nm"] == specific_surface(labels.data, SIZE_NM)
    ligaments = local_thickness(labels.data, SIZE_NM, "solid")[solid]
    pores = local_thickness(labels.data, SIZE_NM, "pore")[~solid]
    assert row["mean_ligament_diameter_nm"] == pytest.approx(ligaments.mean(dtype=float))
    assert row["mean_pore_diameter_nm"] == pytest.approx(pores.mean(dtype=float))
    for phase in ("solid", "pore"):
        found = connectivity(labels.data, phase)
        assert row[f"largest_{phase}_component_fraction"] == found.largest_fraction
        assert row[f"{phase}_percolates"] == found.percolates


def test_curves_are_those_of_both_phases_along_each_axis(blobs):
    labels = Labels(blobs((40, 36, 44)), SIZE_NM)
    _, kept = measure(labels, thickness=False, max_distance_nm=60)
    curves = kept["curves"]
    assert curves["distance_nm"].tolist() == [4.0 * r for r in range(16)]
    for axis, name in enumerate("zyx"):
        s2 = two_point_correlation(labels.data, axis, 15)
        np.testing.assert_allclose(curves[f"s2_solid_{name}"], s2)
        for phase in ("solid", "pore"):
            path = lineal_path(labels.data, axis, 15, phase)
            np.testing.assert_allclose(curves[f"lineal_path_{phase}_{name}"], path)


def test_the_distribution_of_diameters_agrees_with_their_mean(blobs):
    row, kept = measure(Labels(blobs((40, 36, 44), sigma=3.0), SIZE_NM))
    table = kept["diameters"]
    for what in ("ligament", "pore"):
        assert table[f"{what}_fraction"].sum() == pytest.approx(1)
        mean_nm = np.sum(table["diameter_nm"] * table[f"{what}_fraction"])
        assert mean_nm == pytest.approx(row[f"mean_{what}_diameter_nm"], abs=2)


def test_the_truth_is_measured_beside_the_prediction(blobs):
    prediction = Labels(blobs((20, 24, 24), seed=1), SIZE_NM)
    truth = Labels(blobs((20, 24, 24), seed=2, sigma=1.0), SIZE_NM)
    both, kept = measure(prediction, truth)
    for prefix, labels in (("", prediction), ("truth_", truth)):
        alone, _ = measure(labels)
        assert {name: both[prefix + name] for name in alone} == alone
    assert {"s2_solid_x", "truth_s2_solid_x"} < set(kept["curves"].names)
    assert {"pore_fraction", "truth_pore_fraction"} < set(kept["diameters"].names)


@pytest.mark.parametrize(("value", "missing"), [(0, "solid"), (1, "pore")])
def test_what_a_structure_of_one_phase_lacks_is_nan_with_a_warning(value, missing, caplog):
    labels = Labels(np.full((9, 9, 9), value, np.uint8), SIZE_NM)
    with caplog.at_level(logging.WARNING, logger="fib"):
        row, kept = measure(labels)
    assert f"the prediction has no {missing}" in caplog.text
    assert row["solid_fraction"] == value
    assert row["specific_surface_per_nm"] == 0
    assert np.isnan(row["mean_ligament_diameter_nm"])
    assert np.isnan(row["mean_pore_diameter_nm"])
    assert row[f"{missing}_percolates"] == "none"
    assert "diameters" not in kept


def test_thickness_can_be_left_out(blobs):
    labels = Labels(blobs((20, 24, 24)), SIZE_NM)
    row, kept = measure(labels, thickness=False)
    assert np.isnan(row["mean_ligament_diameter_nm"])
    assert "diameters" not in kept
    without, with_it = (
        Morphology(thickness=t).forecast("measure", {"prediction": labels.spec, "truth": None})
        for t in (False, True)
    )
    assert without.memory_bytes < with_it.memory_bytes


def test_any_number_of_threads_gives_the_same_bytes(blobs):
    labels = Labels(blobs((33, 35, 37)), (4.6, 4.0, 4.0))
    (one, one_kept), (two, two_kept) = (measure(labels, threads=n) for n in (1, 2))
    assert one == two
    for name in ("curves", "diameters"):
        assert one_kept[name].to_csv() == two_kept[name].to_csv()


def test_progress_reaches_its_total(blobs):
    seen = []
    context = Context(report=lambda what, done, total: seen.append((done, total)))
    labels = Labels(blobs((12, 14, 14)), SIZE_NM)
    Morphology().measure(labels, labels, context)
    assert seen == [(i, 10) for i in range(1, 11)]


def test_a_stack_of_one_slice_is_refused(blobs):
    with pytest.raises(FibError, match="along z it is too short"):
        measure(Labels(blobs((1, 20, 20)), SIZE_NM))
