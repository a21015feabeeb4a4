from __future__ import annotations

import json
import pickle

import numpy as np
import pytest

from fibcore import FibError, Model, Table
from fibcore.formats import read_model, read_table, write_model, write_table
from fibcore.roles import Abscissa, Curve, Figure


def test_a_table_survives_csv_exactly(tmp_path):
    table = Table(
        {
            "name": np.array(["a, b", 'quo"te', "ü"], object),
            "count": [1, 2, 3],
            "value_nm": [0.1, 1e-300, float("nan")],
            "good": [True, False, True],
        }
    )
    write_table(table, tmp_path / "t.csv")
    again = read_table(tmp_path / "t.csv")
    assert again.names == table.names
    for name in table.names:
        np.testing.assert_array_equal(again[name], table[name])
    assert again["count"].dtype == np.int64
    assert again["good"].dtype == bool
    assert again.to_csv() == table.to_csv()


def test_cells_may_be_missing(tmp_path):
    table = Table.from_rows([{"a": "x", "b": None}, {"a": "y", "b": "z"}])
    write_table(table, tmp_path / "t.csv")
    assert read_table(tmp_path / "t.csv").rows() == table.rows()


def test_rows_and_columns_agree():
    table = Table.from_rows([{"a": 1, "b": 2.5}, {"a": 2, "b": 3}])
    assert table["b"].dtype == np.float64
    assert len(table) == 2
    assert "a" in table
    assert table.rows()[1] == {"a": 2, "b": 3.0}
    assert len(Table({})) == 0
    assert Table.from_rows([]).names == []


def test_a_table_is_iterated_by_rows():
    table = Table.from_rows([{"a": 1, "b": 2.5}, {"a": 2, "b": 3}])
    assert list(table) == table.rows()
    assert [row["b"] for row in table] == [2.5, 3.0]
    assert repr(table) == "<Table: 2 x 2 (rows, columns): a, b>"


def test_a_table_becomes_a_data_frame():
    table = Table({"z_nm": [0.0, 5.0], "name": np.array(["x", None], object), "ok": [True, False]})
    frame = table.to_pandas()
    assert list(frame.columns) == table.names
    assert frame["z_nm"].dtype == np.float64
    assert frame["ok"].dtype == bool
    assert frame["name"].isna().tolist() == [False, True]


def test_what_is_no_table_is_refused(tmp_path):
    with pytest.raises(FibError, match="one length"):
        Table({"a": [1], "b": [1, 2]})
    with pytest.raises(FibError, match="one-dimensional"):
        Table({"a": [[1]]})
    with pytest.raises(FibError, match="every row needs the columns"):
        Table.from_rows([{"a": 1}, {"b": 1}])
    with pytest.raises(FibError, match="Did you mean 'energy_kev'"):
        Table({"energy_kev": [1]})["energy_ev"]
    with pytest.raises(FibError, match="cannot read the table"):
        read_table(tmp_path / "none.csv")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(FibError, match="is empty"):
        read_table(tmp_path / "empty.csv")


def test_a_model_survives_the_disk(tmp_path):
    weights = {"w": np.arange(6, dtype=np.float32).reshape(2, 3).T, "b": np.zeros((), np.int64)}
    model = Model("segmenter/x", {"epochs": 3}, weights, {"mean": 0.5})
    write_model(model, tmp_path / "m.safetensors")
    again = read_model(tmp_path / "m.safetensors")
    assert (again.plugin, again.kind) == ("segmenter/x", "segmenter")
    assert again.params == {"epochs": 3}
    assert again.info == {"mean": 0.5}
    np.testing.assert_array_equal(again.weights["w"], weights["w"])
    first = (tmp_path / "m.safetensors").read_bytes()
    write_model(model, tmp_path / "n.safetensors")
    assert (tmp_path / "n.safetensors").read_bytes() == first


def test_what_is_no_model_is_refused(tmp_path):
    with pytest.raises(FibError, match="is not a model that fib wrote"):
        read_model(tmp_path / "none.safetensors")
    (tmp_path / "p.json").write_text(json.dumps({"format": 1}))
    (tmp_path / "p.safetensors").write_bytes(pickle.dumps({"evil": 1}))
    with pytest.raises(FibError, match="is not a model that fib wrote"):
        read_model(tmp_path / "p.safetensors")
    model = Model("segmenter/x", {})
    write_model(model, tmp_path / "new.safetensors")
    header = json.loads((tmp_path / "new.json").read_text())
    (tmp_path / "new.json").write_text(json.dumps({**header, "format": 99}))
    with pytest.raises(FibError, match="update fib"):
        read_model(tmp_path / "new.safetensors")


@pytest.mark.parametrize(
    ("column", "name", "unit"),
    [
        ("mp_percent", "mp", "%"),
        ("specific_surface_per_nm", "specific surface", "nm⁻¹"),
        ("diameter_xy_nm", "diameter xy", "nm"),
        ("energy_kev", "energy", "keV"),
        ("mds", "mds", ""),
        ("nm", "nm", ""),
    ],
)
def test_the_unit_of_a_column_is_the_end_of_its_name(column, name, unit):
    table = Table({column: [1.0]})
    assert (table.caption(column), table.unit(column)) == (name, unit)


def test_a_declared_caption_and_unit_win_over_the_name():
    table = Table({"dose_nm": [1.0]}, {"dose_nm": Figure(caption="electron dose", unit="C/m²")})
    assert (table.caption("dose_nm"), table.unit("dose_nm")) == ("electron dose", "C/m²")
    bare = Table({"level_nm": [1.0]}, {"level_nm": Figure(unit="")})
    assert (bare.caption("level_nm"), bare.unit("level_nm")) == ("level", "")


@pytest.mark.parametrize("roles", [{"b": Abscissa()}, {"a": Curve(error="b")}])
def test_a_role_of_a_column_that_is_not_there_is_refused(roles):
    with pytest.raises(FibError, match="no column 'b' in the table"):
        Table({"a": [1.0]}, roles)


def test_roles_are_no_part_of_the_file(tmp_path):
    table = Table({"z": [0, 1], "mds": [0.5, 0.6]}, {"z": Abscissa(best=1), "mds": Curve()})
    assert table.to_csv() == Table(table.columns).to_csv()
    write_table(table, tmp_path / "t.csv")
    assert read_table(tmp_path / "t.csv").roles == {}
