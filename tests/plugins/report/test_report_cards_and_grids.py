from __future__ import annotations

import re

import numpy as np
import pytest

from fib_plugins.report.cards import CURVE, card_face
from fib_plugins.report.collect import Artefact, Input, Step
from fib_plugins.report.grids import grid, metric_grid
from fib_plugins.training.history import LOSSES, history_table
from fibcore import Table
from fibcore.formats import write_table
from fibcore.roles import Abscissa, Curve, Figure, roles_to_json

BY_SLICE = {"z": Abscissa(), "mds": Curve()}


def step_with(tmp_path, table):
    write_table(table, tmp_path / "table.csv")
    step = Step(1, "a", "run", "metric/a", "01-a", "", {})
    roles = roles_to_json(table.roles)
    step.artefacts["table"] = Artefact("table", "Table", {}, "", tmp_path, roles=roles)
    return step


def test_the_card_of_a_training_shows_its_last_loss_curve(tmp_path):
    loss = np.array([4.0, 2.0, 3.0, 1.0])
    rows = [
        {"epoch": n, "train_loss": value / 9, "validation_loss": value}
        for n, value in enumerate(loss.tolist(), 1)
    ]
    curves = {name: role for name, role in LOSSES.items() if name in rows[0]}
    history = history_table(rows, 4, curves)
    face = card_face(step_with(tmp_path, history))
    points = np.array(re.findall(r"[\d.]+", face.curve), float).reshape(-1, 2)
    wide, high = CURVE
    assert points[:, 0] == pytest.approx(np.linspace(0, wide, 4), abs=0.06)
    assert points[:, 1] == pytest.approx(high * (4 - loss) / 3, abs=0.06)


def test_the_card_of_a_nearly_constant_curve_is_flat(tmp_path):
    table = Table({"z": np.arange(20), "mds": 3.0 + 0.01 * np.arange(20)}, BY_SLICE)
    points = re.findall(r"[\d.]+", card_face(step_with(tmp_path, table)).curve)
    heights = np.array(points[1::2], float)
    assert np.ptp(heights) == pytest.approx(CURVE[1] * 0.19 / (0.25 * 3.19), abs=0.11)


@pytest.mark.parametrize("values", [np.full(20, 3.0), np.full(20, np.nan)])
def test_the_card_of_a_curve_without_a_range_can_be_drawn(tmp_path, values):
    face = card_face(step_with(tmp_path, Table({"z": np.arange(20), "mds": values}, BY_SLICE)))
    assert "nan" not in face.curve


def test_the_card_of_a_metric_shows_its_first_figures(tmp_path):
    row = {"mp_percent": 1.5, "name": "x", "mds": 0.98761, "a_nm": 3.0, "b_nm": 4.0}
    face = card_face(step_with(tmp_path, Table.from_rows([row])))
    assert face.figures == [("mp", "1.500 %"), ("mds", "0.9876"), ("a", "3.000 nm")]


def test_a_damaged_table_leaves_the_card_empty(tmp_path):
    step = step_with(tmp_path, Table({"a": [1.0]}))
    (tmp_path / "table.csv").write_text("a,b\n1\n")
    assert card_face(step) == card_face(Step(2, "b", "run", "x/b", "02-b", "", {}))


def test_one_row_of_many_figures_is_turned():
    row = {f"figure_{i}_nm": float(i) for i in range(20)}
    made = grid("table", Table.from_rows([row]))
    assert [cell.text for cell in made.head] == ["figure", "value"]
    assert [cell.text for cell in made.rows[7]] == ["figure 7", "7.000"]
    assert made.rows[7][0].unit == "nm"
    assert made.rows[7][0].title == "figure_7_nm"


def test_a_long_table_of_text_is_cut_with_a_note():
    names = np.array([f"name {i}" for i in range(100)], dtype=object)
    made = grid("table", Table({"name": names}))
    assert len(made.rows) + made.left_out == 100
    assert made.left_out > 0


def test_columns_of_numbers_are_set_right_and_columns_of_text_left():
    made = grid("table", Table.from_rows([{"material": "Au", "dice": 0.5, "note": None}]))
    assert [cell.is_number for cell in made.head] == [False, True, True]


def test_beside_figures_is_what_was_measured_whatever_its_inputs_are_called():
    row = Table.from_rows([{"distance": 0.5}])
    step = Step(1, "gap", "run", "metric/gap", "01-gap", "", {})
    step.inputs = {"images": [Input("sml", "images")], "reference": [Input("mc", "images")]}
    made = metric_grid("metric/gap", [(step, row)])
    assert [cell.text for cell in made.head] == ["step", "images", "reference", "distance"]
    assert [cell.text for cell in made.rows[0]][:3] == ["gap", "sml", "mc"]


def test_figures_of_the_truth_stand_on_a_line_of_their_own_where_they_are_declared():
    row = {"mp_percent": 1.5, "truth_mp_percent": 0.5}
    step = Step(1, "score", "run", "metric/a", "01-score", "", {})
    step.inputs = {"prediction": [Input("net", "labels")], "truth": [Input("gold", "labels")]}
    declared = Table.from_rows([row], {"truth_mp_percent": Figure(of_truth="mp_percent")})
    made = metric_grid("metric/a", [(step, declared)])
    assert [cell.text for cell in made.head] == ["step", "prediction", "truth", "mp"]
    assert [[cell.text for cell in line] for line in made.rows] == [
        ["score", "net", "gold", "1.500"], ["truth", "gold", "", "0.5000"],
    ]  # fmt: skip
    plain = metric_grid("metric/a", [(step, Table.from_rows([row]))])
    assert len(plain.rows) == 1
    assert [cell.text for cell in plain.head][3:] == ["mp", "truth mp"]
