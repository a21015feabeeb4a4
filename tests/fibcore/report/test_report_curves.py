from __future__ import annotations

import numpy as np
import pytest

from fibcore import Table
from fibcore.report.curves import best_epoch, draw, is_drawn, panels

X = np.arange(20) * 5.0


def test_columns_of_one_quantity_share_their_axes():
    curves = ("s2", "lineal_path", "truth_s2", "truth_lineal_path")
    columns = {f"{curve}_{axis}": X for curve in curves for axis in "xyz"}
    found = panels(Table({"distance_nm": X, **columns}))
    assert [panel.y_label for panel in found] == ["s2", "lineal path"]
    assert found[0].x_label == "distance (nm)"
    labels = [series.label for series in found[0].series]
    assert labels == ["x", "y", "z", "truth x", "truth y", "truth z"]
    assert [series.dashed for series in found[0].series] == [False] * 3 + [True] * 3
    colours = [series.colour for series in found[0].series]
    assert colours[:3] == colours[3:]
    assert len(set(colours)) == 3


def test_the_unit_tells_quantities_apart():
    found = panels(Table({"z": X, "diameter_x_nm": X, "diameter_y_nm": X, "diameter_percent": X}))
    assert [panel.y_label for panel in found] == ["diameter (nm)", "diameter (%)"]


def test_a_training_history_has_losses_together_and_a_logarithmic_learning_rate():
    history = Table(
        {
            "epoch": np.arange(1, 5),
            "train_loss": np.array([0.9, 0.5, 0.3, 0.2]),
            "validation_loss": np.array([0.9, 0.6, 0.5, 0.7]),
            "learning_rate": np.array([1e-3, 1e-3, 1e-3, 1e-4]),
        }
    )
    assert is_drawn(history)
    losses, rate = panels(history)
    assert [series.label for series in losses.series] == ["train", "validation"]
    assert rate.logarithmic
    assert best_epoch(history) == 3
    assert "best epoch: 3" in draw(losses, best_epoch(history))
    assert "0.001" in draw(rate)


def test_a_tidy_table_gets_a_curve_for_each_key():
    rows = [
        {"material": m, "atomic_number": z, "energy_kev": e, "depth_nm": d, "eta": z / e + d}
        for m, z in (("C", 6.0), ("Au", 79.0))
        for e in (1.0, 2.0, 4.0, 10.0, 20.0)
        for d in range(0, 100, 10)
    ]
    found = panels(Table.from_rows(rows))
    assert [panel.title for panel in found] == ["C", "Au"]
    assert found[1].x_label == "depth (nm)"
    assert found[1].y_label == "eta"
    assert [series.label for series in found[1].series] == [
        "1 keV", "2 keV", "4 keV", "10 keV", "20 keV",
    ]  # fmt: skip
    assert found[1].series[2].y[3] == pytest.approx(79 / 4 + 30)


def test_short_tables_and_tables_of_text_are_not_drawn():
    assert not is_drawn(Table({"phase": np.array([0, 1]), "dice": np.array([0.9, 0.8])}))
    assert panels(Table({"name": np.array([str(i) for i in range(20)], dtype=object)})) == []


@pytest.mark.parametrize("values", [np.full(20, np.nan), np.zeros(20), np.full(20, -3.0)])
def test_curves_without_a_range_can_be_drawn(values):
    (panel,) = panels(Table({"z": X, "mds": values}))
    assert "<svg" in draw(panel)


def test_column_names_are_text_not_markup_nor_mathematics():
    name = "<b>$x^2$</b>"
    (panel,) = panels(Table({"z": X, name: X}))
    drawn = draw(panel)
    assert "<b>" not in drawn
    assert "$x^2$" in drawn
