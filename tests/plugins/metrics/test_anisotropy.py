import numpy as np
import pytest

from fib_plugins.metrics.anisotropy import Anisotropy, curve_error, diameter_error
from fib_plugins.structure_statistics.lineal_path import lineal_path
from fib_plugins.structure_statistics.two_point import two_point_correlation
from fib_plugins.testing import check_plugin
from fibcore import Context, FibError, Labels


def measure(labels, truth=None, **params):
    context = Context(threads=params.pop("threads", 1))
    row = Anisotropy(**params).measure(labels, truth, context).rows()[0]
    return row, context.kept["curves"]


def test_anisotropy_keeps_the_contract():
    assert check_plugin(Anisotropy) == []


def test_curve_error_follows_equation_7():
    curves = {"x": np.array([3.0, 4.0]), "y": np.array([0.0, 5.0]), "z": np.array([0.0, 10.0])}
    x, y = 2 * np.sqrt(9 + 36) / (5 + 10), 2 * 5 / (5 + 10)
    assert curve_error(curves) == pytest.approx((x + y) / 2)
    assert curve_error({axis: curves["x"] for axis in "xyz"}) == 0


def test_diameter_error_follows_equation_8():
    assert diameter_error({"xy": 10.0, "xz": 12.0, "yz": 7.0}) == pytest.approx((0.2 + 0.3) / 2)


def test_columns_are_the_curves_of_their_axes_and_their_error(blobs):
    labels = Labels(blobs((40, 44, 48)), (2.0, 2.0, 2.0))
    row, curves = measure(labels, max_distance_nm=30)
    np.testing.assert_allclose(curves["distance_nm"], np.arange(16) * 2.0)
    for axis, name in enumerate("zyx"):
        s2 = two_point_correlation(labels.data, axis, 15)
        path = lineal_path(labels.data, axis, 15)
        np.testing.assert_allclose(curves[f"s2_{name}"], s2, rtol=1e-12)
        np.testing.assert_allclose(curves[f"lineal_path_{name}"], path, rtol=1e-12)
    s2 = {axis: curves[f"s2_{axis}"] for axis in "xyz"}
    assert row["e_tpcf"] == pytest.approx(curve_error(s2))
    path = {axis: curves[f"lineal_path_{axis}"] for axis in "xyz"}
    assert row["e_lpf"] == pytest.approx(curve_error(path))
    diameters = {plane: row[f"diameter_{plane}_nm"] for plane in ("xy", "xz", "yz")}
    assert row["e_diameter"] == pytest.approx(diameter_error(diameters))
    assert row["max_distance_nm"] == 30


def test_a_lattice_of_cubes_is_isotropic_and_stretching_it_is_noticed():
    period = np.arange(60) % 10 < 6
    cubes = period[:, None, None] & period[:, None] & period
    row, _ = measure(Labels(cubes, (1.0, 1.0, 1.0)))
    assert row["e_tpcf"] == row["e_lpf"] == row["e_diameter"] == 0
    stretched, _ = measure(Labels(np.repeat(cubes, 2, axis=0), (1.0, 1.0, 1.0)))
    assert min(stretched["e_tpcf"], stretched["e_lpf"], stretched["e_diameter"]) > 0.05


def test_thick_slices_do_not_pass_for_anisotropy(blobs):
    fine = blobs((96, 96, 96), sigma=4.0, seed=8)
    of_fine, _ = measure(Labels(fine, (2.0, 2.0, 2.0)))
    of_thick, curves = measure(Labels(fine[::3], (6.0, 2.0, 2.0)))
    assert curves["distance_nm"][1] == 6
    for error in ("e_tpcf", "e_lpf", "e_diameter"):
        assert of_thick[error] == pytest.approx(of_fine[error], abs=0.05)
    said_wrong, _ = measure(Labels(fine[::3], (2.0, 2.0, 2.0)), max_distance_nm=60)
    for error in ("e_tpcf", "e_lpf", "e_diameter"):
        assert said_wrong[error] > of_thick[error] + 0.1


def test_finer_axes_are_interpolated_between_their_lags(blobs):
    labels = Labels(blobs((20, 40, 40)), (5.0, 2.0, 2.0))
    _, curves = measure(labels)
    x = two_point_correlation(labels.data, 2, 25)
    z = two_point_correlation(labels.data, 0, 8)
    assert curves["s2_x"][1] == pytest.approx((x[2] + x[3]) / 2)
    assert curves["s2_x"][2] == pytest.approx(x[5])
    np.testing.assert_allclose(curves["s2_z"], z)


def test_a_cylinder_has_the_diameter_error_of_its_planes():
    y, x = np.indices((70, 70)) - 34.5
    rod = np.repeat((y**2 + x**2 < 30**2)[None], 70, axis=0)
    row, _ = measure(Labels(rod, (1.0, 1.0, 1.0)))
    assert row["e_diameter"] == pytest.approx(1 - 8 / (3 * np.pi), abs=0.02)


def test_the_truth_is_measured_beside_the_prediction(blobs):
    prediction = Labels(blobs((30, 30, 30), seed=1), (3.0, 3.0, 3.0))
    truth = Labels(blobs((30, 30, 30), seed=2), (3.0, 3.0, 3.0))
    both, curves = measure(prediction, truth)
    alone, _ = measure(truth)
    for name in alone:
        if name != "max_distance_nm":
            assert both[f"truth_{name}"] == alone[name]
    assert set(curves.names) == {"distance_nm"} | {
        f"{prefix}{curve}_{axis}"
        for prefix in ("", "truth_")
        for curve in ("s2", "lineal_path")
        for axis in "xyz"
    }


def test_the_pore_is_the_solid_of_the_inverted_structure(blobs):
    data = blobs((30, 30, 30), sigma=1.5)
    pore, _ = measure(Labels(data, (3.0, 3.0, 3.0)), phase="pore")
    solid, _ = measure(Labels(1 - data, (3.0, 3.0, 3.0)), phase="solid")
    assert pore == solid


def test_any_number_of_threads_gives_the_same_bytes(blobs):
    labels = Labels(blobs((33, 35, 37)), (4.6, 4.0, 4.0))
    (one, one_curves), (two, two_curves) = (measure(labels, threads=n) for n in (1, 2))
    assert one == two
    assert one_curves.to_csv() == two_curves.to_csv()


@pytest.mark.parametrize("value", [0, 1])
def test_one_phase_alone_is_refused(value):
    with pytest.raises(FibError, match="no anisotropy to measure"):
        measure(Labels(np.full((9, 9, 9), value, np.uint8), (1.0, 1.0, 1.0)))


def test_distances_that_do_not_fit_are_refused_before_the_run(blobs):
    labels = Labels(blobs((10, 40, 40)), (10.0, 4.0, 4.0))
    inputs = {"prediction": labels.spec, "truth": None}
    Anisotropy(max_distance_nm=90).forecast("measure", inputs)
    for distance in (91, 9):
        with pytest.raises(FibError, match=r"from 10 .* to 90 nm fits"):
            Anisotropy(max_distance_nm=distance).forecast("measure", inputs)
    thin = Labels(blobs((1, 40, 40)), (10.0, 4.0, 4.0))
    with pytest.raises(FibError, match="along z it is too short"):
        Anisotropy().forecast("measure", {"prediction": thin.spec, "truth": None})


def test_a_truth_of_another_shape_is_refused(blobs):
    one, other = (Labels(blobs((8, 20, n)), (1.0, 1.0, 1.0)) for n in (20, 21))
    with pytest.raises(FibError, match="same volume"):
        measure(one, other)


def test_the_memory_is_estimated(blobs):
    spec = Labels(blobs((64, 64, 64)), (1.0, 1.0, 1.0)).spec
    assert Anisotropy().forecast("measure", {"prediction": spec}).memory_bytes > 64**3
