import logging
from pathlib import Path

import pytest

from fib_plugins.physics.finished_rows import FinishedRows

ROWS = {3: (0.25, 0.001), 0: (1 / 3, 1e-9), 7: (0.5, 0.0)}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with three rows."""
    rows = FinishedRows(tmp_path / "rows.jsonl", "mine")
    for index, row in ROWS.items():
        rows.add(index, row)
    return tmp_path / "rows.jsonl"


def known(path: Path, fingerprint: str = "mine") -> dict[int, tuple[float, ...]]:
    rows = FinishedRows(path, fingerprint)
    return {index: rows[index] for index in range(10) if index in rows}


def test_rows_are_known_again(path: Path) -> None:
    assert known(path) == ROWS
    assert known(path) == ROWS


def test_rows_of_another_table_are_not_taken(path: Path) -> None:
    assert known(path, "other") == {}
    assert known(path) == {}


def test_a_line_that_a_kill_cut_short_is_left_out_in_silence(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.write_bytes(path.read_bytes()[:-5])
    with caplog.at_level(logging.WARNING, logger="fib"):
        assert known(path) == {index: ROWS[index] for index in (3, 0)}
    assert caplog.text == ""


def test_no_altered_number_is_ever_taken_for_the_one_that_was_computed(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = path.read_bytes()
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        path.write_bytes(bytes(damaged))
        found = known(path)
        assert found.items() <= ROWS.items()
        assert len(found) >= 1
    assert "are damaged" in caplog.text
