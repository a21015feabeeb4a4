"""What corrections leave and harm, against defects of known size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import fourier_shift, gaussian_filter

from fib_plugins import CorrectionHarm, LeveledWave
from fibcore import Context, FibError, Images, Table

RNG = np.random.default_rng(5)
Z = np.arange(24)


@pytest.fixture(scope="module")
def clean() -> Images:
    structure = LeveledWave(
        shape=(24, 72, 80), voxel_size_nm=5, ligament_diameter_nm=40, solid_fraction=0.4, waves=100
    ).generate(seed=1)
    grey = 60 + 120 * gaussian_filter(structure.data.astype(float), (0, 1, 1))
    return Images(
        (grey + RNG.normal(0, 5, grey.shape)).astype(np.float32), structure.voxel_size_nm, kv=(2.0,)
    )


def moved(images: Images, shifts: np.ndarray) -> Images:
    data = [
        np.fft.ifft2(fourier_shift(np.fft.fft2(plane), shift)).real
        for plane, shift in zip(images.data[0], shifts, strict=True)
    ]
    return images.with_data(np.array(data, np.float32)[np.newaxis])


def measured(corrected: Images, reference: Images, **others) -> tuple[dict, Table]:
    structure = others.pop("structure", False)
    context = Context(threads=2)
    row = CorrectionHarm(structure=structure).measure(
        corrected, reference, **others, context=context
    )
    found = row.rows()[0]
    for stack in context.kept["stacks"].rows():
        name = stack.pop("stack")
        prefix = "" if name == "corrected" else f"{name}_"
        figures = {prefix + figure: value for figure, value in stack.items()}
        assert all(figures[figure] == found[figure] for figure in figures.keys() & found.keys())
        found |= figures
    return found, context.kept["slices"]


def test_a_stack_without_a_defect_has_none(clean):
    row, _ = measured(clean, clean, before=clean, clean=clean, structure=True)
    assert set(row.values()) == {0.0}


def test_drift_is_measured_slice_by_slice(clean):
    shifts = np.stack([0.5 * np.sin(Z), RNG.normal(0, 0.7, len(Z))], axis=1)
    row, slices = measured(clean, clean, before=moved(clean, shifts))
    assert row["drift_px"] == 0.0
    found = np.stack([slices["before_shift_y_px"], slices["before_shift_x_px"]], axis=1)
    np.testing.assert_allclose(found, shifts - shifts.mean(axis=0), atol=0.06)
    assert row["before_drift_px"] == pytest.approx(np.sqrt(np.mean(shifts.var(axis=0))), abs=0.03)
    steps = np.diff(shifts, axis=0)
    assert row["before_step_px"] == pytest.approx(np.sqrt(np.square(steps).mean()), abs=0.04)


def test_shifts_are_found_in_spite_of_curtains(clean):
    shifts = np.stack([np.zeros(len(Z)), 0.25 * (Z - Z.mean())], axis=1)
    stripes = RNG.normal(0, 0.5 * clean.data.std(), (1, len(Z), 1, 80))
    drifted = moved(clean, shifts)
    striped = drifted.with_data((drifted.data + stripes).astype(np.float32))
    _, slices = measured(striped, clean)
    assert slices["corrected_shift_x_px"] == pytest.approx(shifts[:, 1], abs=0.15)
    assert slices["corrected_shift_y_px"] == pytest.approx(0.0, abs=0.1)


@pytest.mark.parametrize("common", [(3.0, -2.0), (0.4, 1.3)])
def test_a_displacement_that_all_slices_share_is_no_error(clean, common):
    row, _ = measured(moved(clean, np.tile(common, (len(Z), 1))), clean)
    assert row["drift_px"] == pytest.approx(0.0, abs=0.02)
    assert row["error"] < 0.06


def test_errors_are_in_standard_deviations_of_the_reference(clean):
    deviation = float(clean.data.std())
    stripes = RNG.normal(0, 0.3 * deviation, (1, len(Z), 1, 80))
    noise = RNG.normal(0, 0.2 * deviation, clean.data.shape)
    row, _ = measured(clean.with_data((clean.data + stripes + noise).astype(np.float32)), clean)
    inner = stripes[..., 8:-8]
    assert row["error"] == pytest.approx(np.sqrt(np.square(inner).mean()) / deviation, rel=0.03)
    row, _ = measured(clean.with_data((clean.data + noise).astype(np.float32)), clean)
    assert row["error"] < 0.05
    assert row["brightness"] < 0.01
    offset = 0.3 * deviation * np.sin(Z)[:, None, None]
    row, _ = measured(clean.with_data((clean.data + offset).astype(np.float32)), clean)
    assert row["error"] == pytest.approx(0.3 * np.sqrt(np.mean(np.sin(Z) ** 2)), rel=0.01)
    assert row["brightness"] == pytest.approx(0.3 * np.std(np.sin(Z)), rel=0.01)


def test_edges_that_a_shift_bares_do_not_count(clean):
    data = clean.data.copy()
    data[..., :8] = 0
    data[..., -8:, :] = 0
    row, _ = measured(clean.with_data(data), clean)
    assert row["error"] < 0.001  # bared edges displace the slice by next to nothing


@pytest.mark.parametrize("offset", [(0, 0), (5, 9), (-4, 6)])
def test_edges_that_were_cut_off_are_left_out(clean, offset):
    """The place of each field in the other is found; also if neither holds the other."""
    y, x = offset
    corrected = clean.with_data(clean.data[:, :, max(y, 0) : 60, x:70])
    reference = clean.with_data(clean.data[:, :, max(-y, 0) :])
    row, _ = measured(corrected, reference, structure=True)
    assert {name: value for name, value in row.items() if value} == {}


def test_a_straightened_structure_changes_what_is_measured_along_z(clean):
    """Jitter makes the sections along z look finer; solid fraction and plane xy stay."""
    shifts = RNG.normal(0, 3, (len(Z), 2)).round()
    rolled = [np.roll(p, s.astype(int), (0, 1)) for p, s in zip(clean.data[0], shifts, strict=True)]
    jittered = clean.with_data(np.array(rolled)[np.newaxis])
    row, _ = measured(clean, clean, before=jittered, structure=True)
    assert row["before_solid_points"] == pytest.approx(0.0, abs=0.3)
    assert row["before_diameter_xy_percent"] == pytest.approx(0.0, abs=4.0)
    assert row["before_diameter_z_percent"] < -8.0
    assert row["before_e_tpcf_change"] > 0.02
    assert row["diameter_z_percent"] == 0.0


def test_brightness_that_drifts_changes_the_solid_fraction(clean):
    brighter = clean.with_data(clean.data + np.float32(30))
    row, _ = measured(brighter, clean, structure=True)
    assert row["solid_points"] > 3.0


def test_thicknesses_are_compared_with_those_recorded(clean):
    true = 5 + RNG.normal(0, 1, len(Z))
    row, _ = measured(
        clean, clean,
        corrections=Table({"slice": Z, "thickness_nm": 1.1 * true}),
        recorded=Table({"slice": Z, "thickness_nm": true}),
    )  # fmt: skip
    assert row["thickness_mean_percent"] == pytest.approx(10)
    assert row["thickness_rms_percent"] == pytest.approx(0, abs=1e-9)


def test_the_result_does_not_depend_on_threads(clean):
    other = moved(clean, RNG.normal(0, 1, (len(Z), 2)))
    rows = [
        CorrectionHarm(structure=False).measure(other, clean, context=Context(threads=n)).rows()
        for n in (1, 3)
    ]
    assert rows[0] == rows[1]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: {"corrected": s.cut({"z": (0, 0.5)})}, "before slices are left out"),
        (lambda s: {"corrected": replace(s, voxel_size_nm=(5, 5, 6))}, "one size first"),
        (lambda s: {"reference": s.with_data(np.ones_like(s.data))}, "constant"),
        (lambda s: {"corrections": Table({"slice": Z})}, "no column thickness_nm"),
        (
            lambda s: {
                "corrections": Table({"thickness_nm": np.ones(3)}),
                "recorded": Table({"thickness_nm": np.ones(4)}),
            },
            "3 slices, recorded 4",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_refused(clean, change, said):
    with pytest.raises(FibError, match=said):
        CorrectionHarm(structure=False).measure(
            **{"corrected": clean, "reference": clean} | change(clean)
        )


def test_a_margin_that_leaves_nothing_is_refused_before_the_run(clean):
    specs = {"corrected": clean.spec, "reference": clean.spec}
    with pytest.raises(FibError, match="make it smaller"):
        CorrectionHarm(margin_px=40).forecast("measure", specs)
