import logging
from typing import Any

import numpy as np
import pytest

from fib_plugins.backscatter.coefficient_table import CoefficientTable
from fib_plugins.backscatter.table_range import TableRange, checked
from fib_plugins.physics.hunger_kuchler import HungerKuchler
from fibcore import FibError, Table
from fibcore.materials import GOLD

COLUMNS: dict[str, Any] = {
    "material": np.array(["C", "C", "Au"], dtype=object),
    "atomic_number": np.array([6.0, 6.0, 79.0]),
    "energy_kev": np.array([1, 2, 2]),
    "depth_nm": np.array([0.0, 10.0, 10.0]),
    "eta": np.array([0.08, 0.07, 0.4]),
}


def table(**changes: Any) -> Table:
    return Table({name: c for name, c in (COLUMNS | changes).items() if c is not None})


@pytest.mark.parametrize(
    "eta", [np.array([True, False, True]), np.array(["0.1", "0.2", "0.3"], dtype=object)]
)
def test_truth_values_and_text_that_looks_like_numbers_are_none(eta):
    with pytest.raises(FibError, match=r"eta of the table holds values .* in row 1"):
        CoefficientTable.of(table(eta=eta))


def test_what_physics_plugins_tabulate_is_taken():
    found = CoefficientTable.of(HungerKuchler().tabulate())
    assert list(found.materials) == ["C", "Si", "Cu", "Ag", "Au"]
    assert found.materials["Cu"] == 29
    assert found.overlayer == ""
    assert found.standard_error.tolist() == [0.0] * len(found.eta)


def test_overlayer_and_errors_are_read_where_they_stand():
    errors = np.array([0.01, 0.02, 0.03])
    overlayer = np.array(["epoxy"] * 3, dtype=object)
    found = CoefficientTable.of(table(standard_error=errors, overlayer=overlayer))
    assert found.overlayer == "epoxy"
    assert found.standard_error.tolist() == errors.tolist()
    assert found.energy_kev.tolist() == [1.0, 2.0, 2.0]
    assert found.of_material("C").tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"eta": None}, "no column eta"),
        (
            {"eta": np.array([0.1, np.nan, 0.4])},
            "eta of the table holds values that are no finite numbers",
        ),
        ({"eta": np.array(["a", "b", "c"], dtype=object)}, "eta of the table holds values"),
        ({"eta": np.array([0.1, 1.2, 0.4])}, "eta in row 2 of the table is 1.2; allowed is 0 to 1"),
        ({"energy_kev": np.array([0, 1, 2])}, "energy_kev in row 1 of the table is 0"),
        ({"depth_nm": np.array([0, 0, -1])}, "depth_nm in row 3 of the table is -1"),
        ({"atomic_number": np.array([6, 0, 79])}, "atomic_number in row 2"),
        (
            {"energy_kev": np.array(["1", "2,5", "4"], object)},
            "energy_kev .* finite numbers, in row 2 2,5; write numbers with a decimal point",
        ),
        ({"eta": np.array(["0.4", None, "0.5"], object)}, "eta .* in row 2 nothing"),
        ({"eta": np.array([0.4, 0.5, np.nan])}, "eta .* in row 3 nan"),
        ({"atomic_number": np.array([6, 7, 79])}, "C has several atomic numbers"),
        (
            {"energy_kev": np.ones(3), "depth_nm": np.zeros(3)},
            "C at 1 keV under 0 nm is given twice",
        ),
        ({"overlayer": np.array(["a", "b", "a"], dtype=object)}, "mixes the overlayers a, b"),
    ],
)
def test_tables_that_hold_no_coefficients_are_refused(wrong, message):
    with pytest.raises(FibError, match=message):
        CoefficientTable.of(table(**wrong))


def test_an_empty_table_is_refused():
    with pytest.raises(FibError, match="no rows"):
        CoefficientTable.of(Table({name: np.zeros(0) for name in COLUMNS}))


def test_outside_of_the_table_is_told_with_its_limits(caplog: pytest.LogCaptureFixture):
    covered = TableRange.of(CoefficientTable.of(table()))
    with caplog.at_level(logging.WARNING):
        covered.warn_outside("physics/x", GOLD, np.array([1.0, 2.0]), np.array([0.0, 10.0]))
        assert caplog.text == ""
        covered.warn_outside("physics/x", GOLD, np.array([0.5, 3.0]), np.array([11.0]))
    assert "eta of Au at energies 0.5, 3 keV is an extrapolation; the table covers 1 to 2 keV" in (
        caplog.text
    )
    assert "the table covers 0 to 10 nm" in caplog.text
    assert "atomic number" not in caplog.text


def test_the_range_survives_json():
    covered = TableRange.of(CoefficientTable.of(table()))
    assert TableRange.from_json(covered.to_json()) == covered
    assert covered.depth_nm == (0.0, 10.0)


def test_energies_and_depths_are_broadcast_and_checked():
    energy, depth = checked([[1], [2]], [0.0, 1.0, 2.0])
    assert energy.shape == depth.shape == (2, 3)
    with pytest.raises(FibError, match="above 0 keV"):
        checked([1.0, 0.0], 0.0)
    with pytest.raises(FibError, match="from 0 nm upwards"):
        checked(1.0, [-0.1])
