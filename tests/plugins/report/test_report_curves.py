from __future__ import annotations

import numpy as np
import pytest

from fib_plugins.report.curves import best_epoch, is_drawn, panels
from fib_plugins.report.panels import draw
from fibcore import Table

X = np.arange(20) * 5.0


def test_columns_of_one_quantity_share_their_axes():
    curves = ("s2", "lineal_path", "truth_s2", "truth_lineal_path")
    columns = {f"{curve}_{axis}": X for curve in curves for axis in "xyz"}
    found = panels(Table({"distance_nm": X, **columns}))
    assert [panel.y_label for panel in found] == ["s2", "lineal path"]
    assert found[0].x_label == "distance (nm)"
    labels = [series.label for series in found[0].series]
    assert labels == ["x", "y", "z", "truth x", "truth y", "truth z"]
    assert [series.style for series in found[0].series] == ["-"] * 3 + ["--"] * 3
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


def comparison(**columns) -> Table:
    """A table of coefficients told by a simulation with errors and by two models."""
    energy, depth = np.repeat([1.0, 2.0], 10), np.tile(np.arange(10) * 10.0, 2)
    eta = 0.4 / (energy + depth)
    told = {
        "material": np.array(["Au"] * 20, dtype=object),
        "energy_kev": energy,
        "depth_nm": depth,
        "simulated_eta": eta,
        "standard_error": np.full(20, 0.01),
        "network_eta": eta + 0.01,
        "hunger_kuchler_eta": eta + 0.02,
    }
    return Table(told | columns)


def test_what_several_say_of_one_quantity_shares_axes_and_differs_in_style():
    (panel,) = panels(comparison())
    assert (panel.x_label, panel.y_label) == ("depth (nm)", "eta")
    told = [(series.label, series.owner, series.style) for series in panel.series]
    owners = [("simulated", "o"), ("network", "-"), ("hunger kuchler", "--")]
    assert told == [(f"{e} keV", *owner) for e in (1, 2) for owner in owners]
    assert len({series.colour for series in panel.series}) == 2
    assert panel.series[0].error.tolist() == [0.01] * 10
    assert panel.series[1].error is None
    drawn = draw(panel)
    for word in ("1 keV", "2 keV", "simulated", "network", "hunger kuchler"):
        assert drawn.count(f">{word}<") == 1


def test_a_column_of_true_and_false_opens_points():
    flags = np.arange(20) % 3 == 0
    (panel,) = panels(comparison(held_out=flags))
    assert panel.flag == "held out"
    assert panel.series[3].flagged.tolist() == flags[10:].tolist()
    assert ">held out<" in draw(panel)
    (panel,) = panels(comparison(held_out=np.zeros(20, bool)))
    assert ">held out<" not in draw(panel)


def test_one_curve_told_by_several_has_a_colour_for_each():
    table = comparison()
    single = Table({name: values[:10] for name, values in table.columns.items()})
    rows = {name: np.concatenate([v, v]) for name, v in single.columns.items()}
    rows["depth_nm"] = np.arange(20) * 5.0
    rows["depth_nm"][1], rows["depth_nm"][0] = 0.0, 5.0  # in no order, or it would be a wide table
    (panel,) = panels(Table(rows))
    assert [series.owner for series in panel.series] == ["simulated", "network", "hunger kuchler"]
    assert len({series.colour for series in panel.series}) == 3
    assert panel.series[0].x.tolist() == sorted(rows["depth_nm"])


def test_values_that_repeat_are_values_nevertheless():
    table = comparison(network_eta=np.tile([0.4, 0.1], 10))
    (panel,) = panels(table)
    assert len(panel.series) == 6
    assert panel.series[1].y.tolist() == [0.4, 0.1] * 5


def test_losses_that_fall_far_are_drawn_on_a_logarithmic_scale():
    epoch = np.arange(1, 5)
    for last, logarithmic in ((0.3, False), (1e-4, True)):
        loss = np.geomspace(0.9, last, 4)
        (panel,) = panels(Table({"epoch": epoch, "train_loss": loss, "validation_loss": loss}))
        assert panel.logarithmic is logarithmic


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
