"""Tables as spreadsheets write them."""

import os
from pathlib import Path

import numpy as np
import pytest

from fib_plugins.readers.tables import csvtext
from fib_plugins.readers.tables.reader import Csv
from fibcore import FibError, Table
from fibcore.formats import read_table

ROWS = [
    {"energy_kev": 1, "eta": 0.5, "material": "Au"},
    {"energy_kev": 2, "eta": -0.25, "material": "C"},
]


def read(tmp_path: Path, content: str | bytes) -> Table:
    data = content if isinstance(content, bytes) else content.encode()
    (tmp_path / "t.csv").write_bytes(data)
    return read_table(tmp_path / "t.csv")


@pytest.mark.parametrize(
    "content",
    [
        "energy_kev,eta,material\n1,0.5,Au\n2,-0.25,C\n",
        "\ufeffenergy_kev,eta,material\n1,0.5,Au\n2,-0.25,C\n",
        "energy_kev, eta, material\n1, 0.5, Au\n2, -0.25, C\n",
        "energy_kev ,eta\t, material \n 1 ,0.5 , Au \n2,-0.25,C",
        'energy_kev, eta, "material"\n1, 0.5, "Au"\n2, -0.25, C\n',
        "energy_kev;eta;material\n1;0,5;Au\n2;-0,25;C\n",
        "energy_kev;eta;material\n1;0.5;Au\n2;-0.25;C\n",
        "energy_kev\teta\tmaterial\n1\t0,5\tAu\n2\t-0,25\tC\n",
        "sep=;\nenergy_kev;eta;material\n1;0,5;Au\n2;-0,25;C\n",
        "energy_kev,eta,material\r\n1,0.5,Au\r\n2,-0.25,C\r\n",
        "energy_kev,eta,material\r1,0.5,Au\r2,-0.25,C\r",
        "energy_kev,eta,material,\n1,0.5,Au,\n2,-0.25,C,\n",
        "energy_kev,eta,material\n1,0.5,Au\n\n2,-0.25,C\n,,\n,,\n",
        "energy_kev,eta,material\n1,0.5,Au\n2,-0.25,C\n".encode("utf-16"),
    ],
)
def test_a_table_is_read_however_a_spreadsheet_wrote_it(
    tmp_path: Path, content: str | bytes
) -> None:
    table = read(tmp_path, content)
    assert table.rows() == ROWS
    assert table["energy_kev"].dtype == np.int64
    assert table["eta"].dtype == np.float64


def test_names_with_commas_do_not_hide_semicolons(tmp_path: Path) -> None:
    table = read(tmp_path, "depth (nm, from top);eta\n1,5;2\n2,5;3\n")
    assert table.names == ["depth (nm, from top)", "eta"]
    assert table["eta"].tolist() == [2, 3]


def test_text_with_commas_stays_text(tmp_path: Path) -> None:
    table = read(tmp_path, "name;x\n1,5 nm;1\n2,5;2\n")
    assert table["name"].tolist() == ["1,5 nm", "2,5"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,a,b\n1,2,3\n", "several columns are named a;"),
        ("a, a ,b\n1,2,3\n", "several columns are named a;"),
        ("a,,b\n1,2,3\n", "column 2 has no name"),
        ("1,2\n3,4\n", "first line has numbers"),
        ("a,b\n1,2,3\n", "line 2: 3 cells, but 2 columns"),
        ("a,b\n\n\n1,2\n1\n", "line 5: 1 cells, but 2 columns"),
        ('a,b\n"x\ny",1\n1,2,3\n', "line 4: 3 cells"),
        ("a,b\n0,5,1,5\n", "decimal commas"),
        ("a;b;c\n1;2;3\n4;5\n", "line 3: 2 cells.*semicolons"),
        ("a;b\n0,5;x\n0.5;y\n", "0,5 has a decimal comma and 0.5 a point"),
        ("a b c\n1 2 3\n4 5 6\n", "separated by blanks"),
        ('a,b\n1,"x\n', "quotation marks are not paired"),
        ("a,b\n99999999999999999999,1\n", "line 2: 99999999999999999999 in the column a is beyond"),
        ("a,b\n1,2\n-9223372036854775809,1\n", "line 3: -9223372036854775809 .*is beyond"),
        ("a,b\n" + "1" * 5000 + ",1\n", "is beyond the range"),
        ("a,b\n1e400,1\n", "1e400 in the column a is beyond"),
        (b"a,b\n1,\xb5\n", r"not UTF-8 text \(byte 6\); save it as CSV UTF-8"),
        ("a,b\n1,\0\n", "NUL"),
        ("a,b\n1,2\n".encode("utf-16-le"), "NUL"),
        ("\n\n", "is empty"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_line(
    tmp_path: Path, content: str | bytes, message: str
) -> None:
    with pytest.raises(FibError, match=message):
        read(tmp_path, content)


def test_the_largest_whole_numbers_are_exact(tmp_path: Path) -> None:
    table = read(tmp_path, "a,b\n9223372036854775807,1\n-9223372036854775808,2\n")
    assert table["a"].tolist() == [2**63 - 1, -(2**63)]
    assert read(tmp_path, "a,b\n1e20,1\n")["a"].tolist() == [1e20]


def test_numbers_are_written_as_in_files_not_as_in_python(tmp_path: Path) -> None:
    assert read(tmp_path, "a,b\n1_000,2\n")["a"].tolist() == ["1_000"]


def test_a_column_of_whole_numbers_beyond_64_bits_is_refused() -> None:
    with pytest.raises(FibError, match="the column 'n' holds whole numbers of more than 64 bits"):
        Table.from_rows([{"n": 10**30}])


def test_a_file_that_is_too_large_or_no_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csvtext, "LARGEST_BYTES", 10)
    with pytest.raises(FibError, match="more than 10 bytes"):
        read(tmp_path, "a,b\n1,2\n3,4\n")
    with pytest.raises(FibError, match=r"is not a file but a folder|cannot read the table"):
        Csv().open(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.csv")
        with pytest.raises(FibError, match="a pipe"):
            read_table(tmp_path / "pipe.csv")


def test_empty_rows_and_marks_written_twice_do_not_count(tmp_path: Path) -> None:
    table = read(tmp_path, "\ufeff\ufeffa;b\n1;2\n   \n;\n3;4\n")
    assert table.rows() == [{"a": 1, "b": 2}, {"a": 3, "b": 4}]


def test_points_of_one_column_are_not_decimal_beside_decimal_commas_of_another(
    tmp_path: Path,
) -> None:
    with pytest.raises(
        FibError, match=r"column b and a: 0,5 has a decimal comma and 1\.234 a point"
    ):
        read(tmp_path, "a;b\n1.234;0,5\n2.345;0,6\n")
    assert read(tmp_path, "v;b\n1.2.3;0,5\n")["b"].tolist() == [0.5]


@pytest.mark.parametrize("number", ["9007199254740993", "-9223372036854775809"])
def test_whole_numbers_that_decimals_beside_them_would_round_are_refused(
    tmp_path: Path, number: str
) -> None:
    with pytest.raises(FibError, match=r"line 3: .* is beyond the range of numbers"):
        read(tmp_path, f"a,b\n0.5,1\n{number},2\n")
    assert read(tmp_path, "a,b\n0.5,1\n9007199254740992,2\n")["a"][1] == 2.0**53
