import json

import pytest
from pydantic import TypeAdapter, ValidationError

from fibcore import Material
from fibcore.materials import EPOXY
from fibcore.params import MaterialParam

ROWS = ((100.0, 40.0), (1000.0, 20.0))
RESIN = {"name": "resin", "composition": {"C": 5, "H": 8, "O": 2}, "density_g_cm3": 1.18}


def test_a_material_has_no_own_table_unless_given():
    assert EPOXY.stopping_ev_per_nm == ()
    assert Material(**RESIN).stopping_ev_per_nm == ()


def test_a_table_goes_through_json_and_comes_back():
    material = Material(**RESIN, stopping_ev_per_nm=ROWS)
    assert Material.model_validate_json(material.model_dump_json()) == material
    assert json.loads(material.model_dump_json())["stopping_ev_per_nm"] == [list(r) for r in ROWS]


def test_a_pipeline_may_define_one_in_place():
    given = {**RESIN, "stopping_ev_per_nm": [[100, 40], [1000, 20]]}
    assert TypeAdapter(MaterialParam).validate_python(given).stopping_ev_per_nm == ROWS


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([(100.0, 40.0)], "at least two"),
        ([(100.0, 40.0), (100.0, 20.0)], "increasing energy"),
        ([(1000.0, 20.0), (100.0, 40.0)], "100.0 eV after 1000.0 eV"),
        ([(0.0, 40.0), (100.0, 20.0)], r"0.0\n.*greater than 0"),
        ([(100.0, -1.0), (200.0, 20.0)], r"0.1\n.*greater than 0"),
        ([(100.0, float("nan")), (200.0, 20.0)], r"0.1\n.*greater than 0|finite"),
        ([(100.0, 1.0), (float("inf"), 20.0)], r"1.0\n.*finite"),
        ([(100.0, 40.0, 1.0), (200.0, 20.0)], "at most 2"),
    ],
)
def test_messages_on_wrong_tables_state_what_to_do(rows, message):
    with pytest.raises(ValidationError, match=message):
        Material(**RESIN, stopping_ev_per_nm=rows)


def test_vacuum_cannot_have_one():
    with pytest.raises(ValidationError, match="without a composition"):
        Material(name="v", composition={}, density_g_cm3=0.0, stopping_ev_per_nm=ROWS)
