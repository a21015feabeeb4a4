from __future__ import annotations

import numpy as np
import pytest

from fib_plugins.metrics.curves import roles_along_axes
from fib_plugins.report.curves import is_drawn, is_flat, panels, values_of
from fib_plugins.report.declared import best_of
from fib_plugins.report.panels import draw
from fib_plugins.training.history import LOSSES, history_table
from fibcore import Table
from fibcore.roles import Abscissa, Curve, Flag, Key

X = np.arange(20) * 5.0


def drawn(columns, x, **curves):
    """A table whose columns are curves over `x`, those given with roles of their own."""
    return Table(columns, {**{name: Curve() for name in columns}, x: Abscissa(), **curves})


def test_curves_that_keep_one_value_are_written_not_drawn():
    columns = {"slice": X, "start_px": 0 * X + 17, "shift_px": np.sin(X)}
    start, shift = panels(drawn(columns, "slice"))
    assert is_flat(start)
    assert float(values_of(start)) == 17
    assert not is_flat(shift)


def test_columns_of_one_quantity_share_their_axes():
    names = [f"{curve}_{axis}" for curve in ("s2", "lineal_path") for axis in "xyz"]
    columns = {prefix + name: X for prefix in ("", "truth_") for name in names}
    roles = roles_along_axes(names) | roles_along_axes(names, "truth_")
    found = panels(drawn({"distance_nm": X, **columns}, "distance_nm", **roles))
    assert [panel.y_label for panel in found] == ["s2", "lineal path"]
    assert found[0].x_label == "distance (nm)"
    labels = [series.label for series in found[0].series]
    assert labels == ["x", "y", "z", "truth x", "truth y", "truth z"]
    assert [series.style for series in found[0].series] == ["-"] * 3 + ["--"] * 3
    colours = [series.colour for series in found[0].series]
    assert colours[:3] == colours[3:]
    assert len(set(colours)) == 3


def test_names_of_columns_have_no_effect():
    columns = {"epoch": X, "train_loss": X, "validation_loss": X, "s2_x": X, "s2_y": X}
    assert not is_drawn(Table(columns))
    assert panels(Table(columns)) == []
    found = panels(drawn(columns, "s2_y"))
    assert [panel.x_label for panel in found] == ["s2 y"] * 4
    assert [panel.y_label for panel in found] == ["epoch", "train loss", "validation loss", "s2 x"]
    assert not any(panel.logarithmic for panel in found)


def test_captions_and_units_that_are_declared_stand_on_the_axes():
    table = Table(
        {"t": X, "i": X},
        {"t": Abscissa(caption="dwell time", unit="µs"), "i": Curve(caption="current", unit="nA")},
    )
    (panel,) = panels(table)
    assert (panel.x_label, panel.y_label) == ("dwell time (µs)", "current (nA)")


def test_columns_without_a_role_are_not_drawn():
    (panel,) = panels(Table({"z": X, "a": X, "b": X}, {"z": Abscissa(), "b": Curve()}))
    assert panel.y_label == "b"


def history(*losses, best=3):
    rows = [
        {"epoch": n, "train_loss": a, "validation_loss": b, "learning_rate": 10.0**-n}
        for n, (a, b) in enumerate(losses, 1)
    ]
    return history_table(rows, best, LOSSES)


def test_a_training_history_has_losses_together_and_a_logarithmic_learning_rate():
    table = history((0.9, 0.9), (0.5, 0.6), (0.3, 0.5), (0.2, 0.7))
    assert is_drawn(table)
    losses, rate = panels(table)
    assert [series.label for series in losses.series] == ["train", "validation"]
    assert [series.style for series in losses.series] == ["--", "-"]
    assert rate.logarithmic
    assert best_of(table) == ("best epoch", 3)
    assert "best epoch: 3" in draw(losses, best_of(table))
    assert "0.001" in draw(rate)
    assert not is_drawn(history((0.9, 0.9), (0.5, 0.6)))


def test_a_tidy_table_gets_a_curve_for_each_key():
    rows = [
        {"material": m, "atomic_number": z, "energy_kev": e, "depth_nm": d, "eta": z / e + d}
        for m, z in (("C", 6.0), ("Au", 79.0))
        for e in (1.0, 2.0, 4.0, 10.0, 20.0)
        for d in range(0, 100, 10)
    ]
    roles = {"material": Key(), "atomic_number": Key(), "energy_kev": Key(), "depth_nm": Abscissa()}
    found = panels(Table.from_rows(rows, roles | {"eta": Curve()}))
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
    roles = {
        "material": Key(),
        "energy_kev": Key(),
        "depth_nm": Abscissa(),
        "simulated_eta": Curve("eta", of="simulated", error="standard_error"),
        "network_eta": Curve("eta", of="network"),
        "hunger_kuchler_eta": Curve("eta", of="hunger kuchler"),
    }
    flags = {name: Flag() for name in columns if name == "held_out"}
    return Table(told | columns, roles | flags)


def test_one_quantity_from_several_sources_shares_axes_and_differs_in_style():
    (panel,) = panels(comparison())
    assert (panel.x_label, panel.y_label) == ("depth (nm)", "eta")
    told = [(series.label, series.owner, series.style) for series in panel.series]
    owners = [("simulated", "o"), ("network", "-"), ("hunger kuchler", "--")]
    assert told == [(f"{e} keV", *owner) for e in (1, 2) for owner in owners]
    assert len({series.colour for series in panel.series}) == 2
    assert panel.series[0].error.tolist() == [0.01] * 10
    assert panel.series[1].error is None
    svg = draw(panel)
    for word in ("1 keV", "2 keV", "simulated", "network", "hunger kuchler"):
        assert svg.count(f">{word}<") == 1


def test_a_column_of_true_and_false_opens_points():
    flags = np.arange(20) % 3 == 0
    (panel,) = panels(comparison(held_out=flags))
    assert panel.flag == "held out"
    assert panel.series[3].flagged.tolist() == flags[10:].tolist()
    assert ">held out<" in draw(panel)
    (panel,) = panels(comparison(held_out=np.zeros(20, bool)))
    assert ">held out<" not in draw(panel)


def test_one_curve_from_several_sources_has_a_colour_for_each():
    table = comparison()
    single = Table({name: values[:10] for name, values in table.columns.items()})
    rows = {name: np.concatenate([v, v]) for name, v in single.columns.items()}
    rows["depth_nm"] = np.arange(20) * 5.0
    rows["depth_nm"][1], rows["depth_nm"][0] = 0.0, 5.0  # in no order, or it would be a wide table
    (panel,) = panels(Table(rows, table.roles))
    assert [series.owner for series in panel.series] == ["simulated", "network", "hunger kuchler"]
    assert len({series.colour for series in panel.series}) == 3
    assert panel.series[0].x.tolist() == sorted(rows["depth_nm"])


def test_values_that_repeat_are_values_nevertheless():
    table = comparison(network_eta=np.tile([0.4, 0.1], 10))
    (panel,) = panels(table)
    assert len(panel.series) == 6
    assert panel.series[1].y.tolist() == [0.4, 0.1] * 5


def test_losses_that_fall_far_are_drawn_on_a_logarithmic_scale():
    for last, logarithmic in ((0.3, False), (1e-4, True)):
        losses = np.geomspace(0.9, last, 4).tolist()
        panel, _ = panels(history(*zip(losses, losses, strict=True)))
        assert panel.logarithmic is logarithmic


def test_curves_of_text_and_with_missing_values_are_left_out():
    text = np.array([None, *range(19)], dtype=object)
    assert panels(drawn({"z": X, "a": text}, "z")) == []
    assert panels(drawn({"name": text, "a": X}, "name")) == []


def test_short_tables_are_read_as_numbers():
    assert not is_drawn(drawn({"z": X[:12], "a": X[:12]}, "z"))
    assert is_drawn(drawn({"z": X[:13], "a": X[:13]}, "z"))


@pytest.mark.parametrize("values", [np.full(20, np.nan), np.zeros(20), np.full(20, -3.0)])
def test_curves_without_a_range_can_be_drawn(values):
    (panel,) = panels(drawn({"z": X, "mds": values}, "z"))
    assert "<svg" in draw(panel)


def test_column_names_are_text_not_markup_nor_mathematics():
    name = "<b>$x^2$</b>"
    (panel,) = panels(drawn({"z": X, name: X}, "z"))
    svg = draw(panel)
    assert "<b>" not in svg
    assert "$x^2$" in svg
