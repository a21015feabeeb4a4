import json
import logging
import os
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from fib_plugins.physics.ann import ANN
from fib_plugins.physics.ann_network import InputScale, build_network
from fib_plugins.physics.hunger_kuchler import HungerKuchler
from fib_plugins.simulators.weighted_projection import WeightedProjection
from fib_plugins.testing import check_plugin
from fibcore import Context, FibError, Labels, Material, Model, Table
from fibcore.elements import elements
from fibcore.formats import read_model, write_model
from fibcore.materials import EPOXY, GOLD, VACUUM

SYMBOLS = ("C", "Si", "Cu", "Ag", "Au")
TINY: dict[str, Any] = {"epochs": 3, "batch_size": 64}
"""What makes training take a fraction of a second, for tests that need no good network."""


def pure(symbol: str) -> Material:
    return Material.of_element(elements()[symbol])


def analytic_table() -> Table:
    """A table of a law that is known everywhere."""
    law, depths = HungerKuchler(), np.arange(0.0, 200.0, 20.0)
    return Table.from_rows(
        {
            "material": material.name,
            "atomic_number": material.mean_atomic_number,
            "overlayer": "epoxy",
            "energy_kev": energy,
            "depth_nm": float(depth),
            "eta": float(eta),
            "standard_error": 0.001,
        }
        for material in (*map(pure, SYMBOLS), EPOXY)
        for energy in (4.0, 5.0, 7.0, 10.0)
        for depth, eta in zip(depths, law.coefficient(material, energy, depths), strict=True)
    )


@pytest.fixture(scope="module")
def table() -> Table:
    return analytic_table()


@pytest.fixture(scope="module")
def context() -> Context:
    return Context(5)


@pytest.fixture(scope="module")
def fitted(table: Table, context: Context) -> ANN:
    ann = ANN(epochs=60, batch_size=16, learning_rate=0.01)
    return ann.fit(table, reference=HungerKuchler(), context=context)


def same_weights(one: ANN, other: ANN) -> bool:
    a, b = one.model.weights, other.model.weights
    return a.keys() == b.keys() and all(a[n].tobytes() == b[n].tobytes() for n in a)


def test_keeps_the_contract():
    assert check_plugin(ANN) == []


def test_the_network_is_that_of_the_paper():
    shapes = [tuple(p.shape) for p in build_network(0).parameters() if p.ndim == 2]
    assert shapes == [(16, 3), (32, 16), (32, 32), (32, 32), (1, 32)]


def test_defaults_are_table_1_of_the_paper():
    ann = ANN()
    assert (ann.epochs, ann.batch_size, ann.early_stopping_patience) == (100, 8, 25)
    assert (ann.learning_rate_patience, ann.learning_rate_factor) == (10, 0.1)


def test_it_learns_the_law_behind_a_table(fitted: ANN):
    energies, depths = np.array([[4.5], [6.0], [8.5]]), np.arange(0.0, 190.0, 7.0)
    for symbol in ("Si", "Ni", "Au"):  # nickel is not in the table
        law = HungerKuchler().coefficient(pure(symbol), energies, depths)
        found = fitted.coefficient(pure(symbol), energies, depths)
        assert found.shape == law.shape
        assert np.sqrt(np.mean((found - law) ** 2)) < 0.012


def test_a_compound_is_its_mean_atomic_number(fitted: ANN):
    silica = Material(name="silica", composition={"Si": 1, "O": 2}, density_g_cm3=2.2)
    z = silica.mean_atomic_number
    low, high = (fitted.coefficient(pure(symbol), 5.0, 30.0) for symbol in ("Ne", "Na"))
    assert 10 < z < 11
    assert min(low, high) <= fitted.coefficient(silica, 5.0, 30.0) <= max(low, high)


def test_vacuum_scatters_nothing(fitted: ANN, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING):
        assert fitted.coefficient(VACUUM, [[4.0], [5.0]], [0.0, 10.0]).tolist() == [[0, 0], [0, 0]]
    assert caplog.text == ""


def test_outside_of_the_table_a_warning_says_so(fitted: ANN, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING):
        deep = fitted.coefficient(GOLD, 10.0, [180.0, 500.0])
        fitted.coefficient(pure("U"), 2.0)
    assert deep[0] == deep[1]
    for words in (
        "eta of Au at depths 500 nm is the value at the nearest depth inside",
        "eta of U at energies 2 keV is an extrapolation; the table covers 4 to 10 keV",
        "eta of U at an atomic number 92 is an extrapolation; the table covers 6 to 79",
    ):
        assert words in caplog.text


def test_eta_stays_within_0_and_1_however_far_outside(fitted: ANN):
    found = fitted.coefficient(pure("U"), np.geomspace(0.01, 1000, 30)[:, None], [0.0, 100.0])
    assert np.all((found >= 0) & (found <= 1))


def test_the_comparison_sets_simulation_and_network_side_by_side(
    fitted: ANN, table: Table, context: Context
):
    comparison = context.kept["comparison"]
    assert comparison["simulated_eta"].tolist() == table["eta"].tolist()
    assert np.count_nonzero(comparison["held_out"]) == round(0.2 * len(table))
    gold = comparison["material"] == "Au"
    found = fitted.coefficient(GOLD, comparison["energy_kev"][gold], comparison["depth_nm"][gold])
    assert comparison["network_eta"][gold] == pytest.approx(found, abs=1e-6)
    assert comparison["hunger_kuchler_eta"] == pytest.approx(table["eta"], abs=1e-12)


def test_the_deviation_is_that_of_the_comparison(fitted: ANN, context: Context):
    comparison, deviation = context.kept["comparison"], context.kept["deviation"]
    assert deviation["energy_kev"].tolist() == [4, 5, 7, 10]
    at_5 = comparison["energy_kev"] == 5
    apart = comparison["network_eta"] - comparison["simulated_eta"]
    row = deviation.rows()[1]
    assert row["rows"] == 60
    assert row["network_rms"] == pytest.approx(np.sqrt(np.mean(apart[at_5] ** 2)))
    held_out = at_5 & comparison["held_out"]
    assert row["network_held_out_rms"] == pytest.approx(np.sqrt(np.mean(apart[held_out] ** 2)))
    assert row["hunger_kuchler_rms"] == pytest.approx(0, abs=1e-12)
    assert row["standard_error_rms"] == pytest.approx(0.001)
    assert fitted.model.info["rms_deviation"] == pytest.approx(np.sqrt(np.mean(apart**2)))


def test_held_out_rows_are_not_trained_on(table: Table):
    plain, changed = Context(1), Context(1)
    ANN(**TINY).fit(table, context=plain)
    held_out = plain.kept["comparison"]["held_out"]
    eta = np.where(held_out, 0.5, table["eta"])
    ANN(**TINY).fit(Table({**table.columns, "eta": eta}), context=changed)
    one, two = plain.kept["history"], changed.kept["history"]
    assert one["train_loss"].tolist() == two["train_loss"].tolist()
    assert one["validation_loss"].tolist() != two["validation_loss"].tolist()


def test_history_and_best_epoch(fitted: ANN, context: Context):
    history = context.kept["history"]
    assert history.names == ["epoch", "train_loss", "validation_loss", "learning_rate"]
    assert history["validation_loss"].min() < 1e-4 < history["validation_loss"][0]
    best = fitted.model.info["best_epoch"]
    assert best == 1 + int(np.argmin(history["validation_loss"]))
    assert fitted.model.info["rms_deviation_held_out"] == pytest.approx(
        np.sqrt(history["validation_loss"].min()), rel=1e-4
    )


def test_learning_rate_falls_and_training_stops_when_nothing_gets_better(table: Table):
    context = Context(1)
    patience = {"learning_rate_patience": 1, "early_stopping_patience": 4}
    ANN(epochs=100, batch_size=64, learning_rate=0.3, **patience).fit(table, context=context)
    history = context.kept["history"]
    assert len(history) < 100
    assert int(np.argmin(history["validation_loss"])) == len(history) - 1 - 4
    rates = sorted(set(history["learning_rate"]), reverse=True)
    assert len(rates) > 1
    assert rates == pytest.approx([0.3 * 0.1**i for i in range(len(rates))])


class Interruption(Exception):
    pass


def test_interrupted_training_goes_on_to_the_same_bytes(table: Table, tmp_path):
    def stop(what: str, done: float, total: float | None) -> None:
        if done == 2:
            raise Interruption

    undisturbed, resumed = Context(3), Context(3, scratch=tmp_path)
    whole = ANN(**TINY).fit(table, context=undisturbed)
    with pytest.raises(Interruption):
        ANN(**TINY).fit(table, context=Context(3, scratch=tmp_path, report=stop))
    again = ANN(**TINY).fit(table, context=resumed)
    assert same_weights(whole, again)
    assert again.model.info == whole.model.info
    for name in ("history", "comparison", "deviation"):
        assert resumed.kept[name].to_csv() == undisturbed.kept[name].to_csv()


def test_bytes_do_not_depend_on_threads_and_torch_is_left_as_it_was(table: Table):
    before, state = torch.get_num_threads(), torch.random.get_rng_state()
    try:
        torch.set_num_threads(1)
        one = ANN(**TINY).fit(table, context=Context(3, threads=1))
        torch.set_num_threads(3)
        three = ANN(**TINY).fit(table, context=Context(3, threads=3))
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    assert same_weights(one, three)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_another_seed_gives_another_network(table: Table):
    one, two = (ANN(**TINY).fit(table, context=Context(seed)) for seed in (1, 2))
    assert not same_weights(one, two)


def test_a_model_from_disk_gives_the_same(fitted: ANN, tmp_path):
    write_model(fitted.model, tmp_path / "model.safetensors")
    read = ANN.from_model(read_model(tmp_path / "model.safetensors"))
    depths = np.linspace(0, 100, 11)
    assert np.array_equal(
        read.coefficient(GOLD, 6.0, depths), fitted.coefficient(GOLD, 6.0, depths)
    )


def test_the_model_knows_what_it_was_trained_on(fitted: ANN):
    info = json.loads(json.dumps(fitted.model.info, allow_nan=False))
    assert info["overlayer"] == "epoxy"
    assert info["materials"] == [*SYMBOLS, "epoxy"]
    assert info["range"]["energy_kev"] == [4.0, 10.0]


def test_weights_of_another_network_are_refused(fitted: ANN):
    model = fitted.model
    weights = {**model.weights, "0.weight": np.zeros((4, 3), np.float32)}
    other = Model(model.plugin, model.params, weights, model.info)
    with pytest.raises(FibError, match="do not fit the network"):
        ANN.from_model(other).coefficient(GOLD, 5.0)


def test_it_takes_the_place_of_the_analytic_law_in_a_simulator(fitted: ANN):
    data = (np.indices((12, 8, 8)).sum(axis=0) // 4 % 2).astype(np.uint8)
    labels = Labels(data, (10.0, 5.0, 5.0))
    simulator = WeightedProjection(energies_kev=(5.0,), slices=8, mode="first_hit")
    ours = simulator.simulate(labels, fitted).data
    assert ours == pytest.approx(simulator.simulate(labels, HungerKuchler()).data, abs=0.03)


def test_a_reference_that_does_not_know_a_material_is_left_out(
    table: Table, caplog: pytest.LogCaptureFixture
):
    names = np.where(table["material"] == "Ag", "argentite", table["material"]).astype(object)
    context = Context(1)
    with caplog.at_level(logging.WARNING):
        ANN(**TINY).fit(
            Table({**table.columns, "material": names}), HungerKuchler(), context=context
        )
    assert "argentite is no registered material" in caplog.text
    eta = context.kept["comparison"]["hunger_kuchler_eta"]
    assert np.all(np.isnan(eta) == (names == "argentite"))
    assert np.all(np.isfinite(context.kept["deviation"]["hunger_kuchler_rms"]))


def test_inputs_that_do_not_vary_are_allowed(table: Table):
    rows = (table["material"] == "Au") & (table["energy_kev"] == 5)
    single = Table({name: values[rows] for name, values in table.columns.items()})
    found = ANN(**TINY).fit(single, context=Context(1)).coefficient(GOLD, 5.0, [0.0, 50.0])
    assert np.all(np.isfinite(found))


def test_deeper_than_the_range_inputs_no_longer_change():
    energy, z = np.full(3, 1.0), np.full(3, 79.0)
    inputs = InputScale((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)).apply(
        energy, z, np.array([10.0, 100.0, 190.0])
    )
    assert inputs[0, 2] < inputs[1, 2] == inputs[2, 2] == 1


def test_too_few_rows_are_refused(table: Table):
    few = Table({name: values[:9] for name, values in table.columns.items()})
    with pytest.raises(FibError, match="9 rows; the network needs at least 10"):
        ANN().fit(few)


@pytest.mark.parametrize(
    "wrong",
    [{"epochs": 0}, {"learning_rate": 0}, {"validation_fraction": 0}, {"batch_size": 0}],
)
def test_settings_that_cannot_train_are_refused(wrong):
    with pytest.raises(ValidationError):
        ANN(**wrong)


def test_nothing_is_left_behind(table: Table, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    ANN(**TINY).fit(table, context=Context(3, scratch=tmp_path / "scratch"))
    assert os.listdir(tmp_path) == ["scratch"]
    assert os.listdir(tmp_path / "scratch") == ["checkpoint.pt"]
    assert capfd.readouterr() == ("", "")
