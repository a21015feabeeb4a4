import logging
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from fib_plugins.electrons import layers
from fib_plugins.electrons.layers import layered_yield
from fib_plugins.physics.monte_carlo_table import MonteCarloTable
from fib_plugins.testing import check_plugin
from fibcore import Context, FibError
from fibcore.formats import read_table, write_table
from fibcore.materials import EPOXY, GOLD, VACUUM

SMALL: dict[str, Any] = {
    "materials": ["C", "Au"],
    "energies_kev": [1.0, 2.0],
    "depths_nm": [0.0, 20.0],
    "electrons": 500,
}


def small(**changes: Any) -> MonteCarloTable:
    return MonteCarloTable(**SMALL | changes)


class Interruption(Exception):
    pass


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, float, float]]:
    """What is simulated: (material, energy in keV, thickness in nm)."""
    calls: list[tuple[str, float, float]] = []

    def counted(film: Any, bulk: Any, thickness: float, energy: float, *args: Any, **more: Any):
        calls.append((bulk.name, energy, thickness))
        return layered_yield(film, bulk, thickness, energy, *args, **more)

    monkeypatch.setattr(layers, "layered_yield", counted)
    return calls


def test_keeps_the_contract():
    assert check_plugin(MonteCarloTable) == []


def test_every_material_energy_and_depth_has_a_row_with_its_error():
    table = small().tabulate(Context(1))
    assert table.names == [
        "material", "atomic_number", "overlayer", "energy_kev", "depth_nm", "eta",
        "standard_error",
    ]  # fmt: skip
    points = [(r["material"], r["energy_kev"], r["depth_nm"]) for r in table.rows()]
    assert points == [(m, e, d) for m in ("C", "Au") for e in (1.0, 2.0) for d in (0.0, 20.0)]
    assert set(table["overlayer"]) == {"epoxy"}
    assert table["atomic_number"].tolist() == 4 * [6.0] + 4 * [79.0]
    eta = table["eta"]
    assert table["standard_error"] == pytest.approx(np.sqrt(eta * (1 - eta) / 500), rel=0.01)


def test_by_default_the_overlayer_is_that_of_the_paper():
    depths = MonteCarloTable()._depths
    assert depths == tuple(range(0, 200, 10))
    assert MonteCarloTable().overlayer == EPOXY


def test_gold_disappears_below_epoxy():
    depths = {"start": 0, "stop": 60, "step": 30}
    table = small(materials=["Au"], energies_kev=[2], depths_nm=depths, electrons=20_000)
    eta = table.tabulate(Context(1))["eta"]
    # Mott and Joy-Luo: 0.445, 0.21 to 0.23, and what bare epoxy gives, 0.06; counting error 0.0035
    assert eta == pytest.approx([0.445, 0.22, 0.06], abs=0.03)


def test_rows_do_not_depend_on_what_else_is_in_the_table():
    whole = small().tabulate(Context(1)).rows()
    part = small(materials=["Au"], energies_kev=[2.0]).tabulate(Context(1)).rows()
    assert part == whole[-2:]


def test_every_row_has_random_numbers_of_its_own():
    # Epoxy under epoxy is bulk epoxy, however thick: only chance tells these rows apart.
    same = small(materials=["epoxy"], energies_kev=[2.0], depths_nm={"stop": 40})
    one, two = (same.tabulate(Context(seed))["eta"].tolist() for seed in (1, 2))
    assert len(set(one)) > 2
    assert one != two


@pytest.mark.parametrize("threads", [1, 3])
def test_the_number_of_threads_changes_nothing(threads):
    table = small().tabulate(Context(1, threads=threads))
    assert table.to_csv() == small().tabulate(Context(1, threads=2)).to_csv()


def test_an_interrupted_table_goes_on_where_it_was(tmp_path, simulated):
    reports: list[float] = []

    def stop(what: str, done: float, total: float | None) -> None:
        reports.append(done)
        if done == 3:
            raise Interruption

    whole = small().tabulate(Context(1)).to_csv()
    simulated.clear()
    with pytest.raises(Interruption):
        small().tabulate(Context(1, threads=1, scratch=tmp_path, report=stop))
    assert len(simulated) == 3
    again = small().tabulate(Context(1, threads=1, scratch=tmp_path))
    assert again.to_csv() == whole
    assert len(simulated) == 8
    assert len(set(simulated)) == 8


def test_a_line_cut_short_by_a_kill_is_simulated_again(tmp_path, simulated):
    whole = small().tabulate(Context(1, scratch=tmp_path)).to_csv()
    (file,) = tmp_path.iterdir()
    text = file.read_text()
    file.write_text(text[: len(text) - 5])
    simulated.clear()
    assert small().tabulate(Context(1, scratch=tmp_path)).to_csv() == whole
    assert len(simulated) == 1


def test_rows_of_another_table_are_not_taken(tmp_path, simulated):
    small().tabulate(Context(1, scratch=tmp_path))
    simulated.clear()
    other = small(electrons=400).tabulate(Context(1, scratch=tmp_path))
    assert len(simulated) == 8
    assert other.to_csv() == small(electrons=400).tabulate(Context(1)).to_csv()


def test_progress_counts_every_row_once():
    seen: list[tuple[float, float | None]] = []
    lock = threading.Lock()

    def report(what: str, done: float, total: float | None) -> None:
        with lock:
            seen.append((done, total))

    small().tabulate(Context(1, threads=2, report=report))
    assert sorted(seen) == [(i, 8) for i in range(1, 9)]


def test_as_a_physics_model_it_simulates_what_it_is_asked():
    law = small(materials=["C"], electrons=20_000)
    eta = law.coefficient(GOLD, [[2.0], [4.0]], [0.0, 30.0])
    assert eta.shape == (2, 2)
    assert eta == pytest.approx(np.array([[0.445, 0.22], [0.451, 0.40]]), abs=0.03)
    assert law.coefficient(GOLD, [4.0, 2.0], 30.0).tolist() == [eta[1, 1], eta[0, 1]]
    assert law.coefficient(VACUUM, [1.0, 2.0]).tolist() == [0.0, 0.0]


def test_the_overlayer_and_the_cutoff_count():
    epoxy, silica = (
        small(overlayer=name, electrons=20_000).coefficient(GOLD, 2.0, 20.0)
        for name in ("epoxy", "silica")
    )
    assert silica < epoxy - 0.05
    early = small(energies_kev=[2.0], cutoff_ev=1900, electrons=20_000).coefficient(GOLD, 2.0)
    assert early < 0.5 * small(electrons=20_000).coefficient(GOLD, 2.0)


@pytest.mark.parametrize(
    ("energy", "depth", "message"),
    [
        (0.05, 0.0, "from above 0.05 keV"),
        (31.0, 0.0, "to 30 keV"),
        (2.0, -1.0, "from 0 nm upwards"),
    ],
)
def test_what_cannot_be_simulated_is_refused(energy, depth, message):
    with pytest.raises(FibError, match=message):
        small().coefficient(GOLD, energy, depth)


@pytest.mark.parametrize(
    ("wrong", "advice"),
    [
        ({"materials": []}, "at least 1"),
        ({"materials": ["Au", "gold"]}, "has Au twice"),
        ({"materials": ["vacuum"]}, "does not scatter"),
        ({"materials": ["Aurum"]}, "Aurum"),
        ({"energies_kev": [0.05]}, "greater than 0.05"),
        ({"energies_kev": [30.5]}, "less than or equal to 30"),
        ({"energies_kev": [1, 1]}, "has 1.0 twice"),
        ({"depths_nm": {"start": 20, "stop": 10}}, "swap them"),
        ({"depths_nm": [-1]}, "greater than or equal to 0"),
        ({"depths_nm": {"stop": 20, "steps": 10}}, "steps"),
        ({"electrons": 0}, "greater than or equal to 100"),
        ({"cutoff_ev": 10}, "greater than or equal to 50"),
        ({"cutoff_ev": 1000}, "not below the smallest beam energy"),
        ({"elastic": "mot"}, "'mott'"),
    ],
)
def test_settings_that_make_no_table_are_refused(wrong, advice):
    with pytest.raises(ValidationError, match=advice):
        small(**wrong)


def test_depths_come_as_a_list_or_a_range(caplog: pytest.LogCaptureFixture):
    ranged = small(depths_nm={"start": 5, "stop": 12, "step": 2.5})
    assert ranged._depths == (5.0, 7.5, 10.0)
    assert small(depths_nm=[30, 10])._depths == (30.0, 10.0)
    again = MonteCarloTable.model_validate(ranged.model_dump(mode="json"))
    assert again == ranged
    with caplog.at_level(logging.WARNING):
        ranged.coefficient(GOLD, 1.0)
    assert caplog.text == ""


def test_a_table_survives_the_disk(tmp_path: Path):
    table = small().tabulate(Context(1))
    write_table(table, tmp_path / "table.csv")
    assert read_table(tmp_path / "table.csv").to_csv() == table.to_csv()
