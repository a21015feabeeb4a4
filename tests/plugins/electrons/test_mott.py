import importlib.util
from pathlib import Path

import numpy as np
import pytest

from fib_plugins.electrons import mott

REPOSITORY = Path(__file__).parents[3]
FULL = REPOSITORY / "../shared/references/elastic_cross_sections.npz"
needs_full_tables = pytest.mark.skipif(
    not FULL.exists(), reason="the full cross section tables (../shared/references) are absent"
)


@pytest.fixture(scope="module")
def tool():
    path = REPOSITORY / "tools" / "compact_mott.py"
    specification = importlib.util.spec_from_file_location("compact_mott", path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def full():
    with np.load(FULL, allow_pickle=False) as data:
        return {name: data[name] for name in data.files}


@needs_full_tables
def test_shipped_tables_meet_the_full_ones(tool, full, monkeypatch):
    monkeypatch.setattr(tool, "FINE_ANGLES", 3001)
    rows = [z - 1 for z in (1, 2, 6, 8, 14, 29, 36, 47, 54, 79, 92)]
    grids = {name: full[name] for name in ("energy_ev", "theta_deg")}
    some = {name: values[rows] for name, values in full.items() if name not in grids}
    largest = {name: error[0] for name, error in tool.errors({**grids, **some}).items()}
    assert largest["total cross section"] < 1e-12
    assert largest["transport cross section"] < 1e-3
    assert largest["P(theta > 90 deg)"] < 1e-3
    assert largest["cumulative (absolute)"] < 3e-4


@needs_full_tables
def test_a_spoilt_table_would_be_seen(tool, full, monkeypatch):
    monkeypatch.setattr(tool, "FINE_ANGLES", 1501)
    spoilt = {name: values[:1] if len(values) == 92 else values for name, values in full.items()}
    tilted = 1 + 0.01 * full["theta_deg"] / 180
    spoilt["dcs_cm2_per_sr"] = spoilt["dcs_cm2_per_sr"] * tilted
    assert tool.errors(spoilt)["P(theta > 90 deg)"][1] > 2e-3


@needs_full_tables
def test_shipped_file_is_what_the_tool_makes_of_the_full_tables(tool, full, tmp_path):
    tool.compact(full, tmp_path / "mott.npz")
    with np.load(tmp_path / "mott.npz") as made, np.load(mott.DATA) as shipped:
        assert set(made.files) == set(shipped.files)
        for name in ("levels_01", "levels_79", "total_cm2"):
            assert np.allclose(made[name], shipped[name], rtol=1e-6, atol=1)


@pytest.mark.parametrize("z", range(1, 93))
def test_every_element_has_a_whole_table(z):
    element = mott.mott(z)
    assert element.mu[[0, -1]].tolist() == [0.0, 1.0]
    assert np.all(np.diff(element.mu) > 0)
    assert np.all(element.density >= 0)
    assert np.all(element.cumulative[:, 0] == 0.0)
    assert np.all(element.cumulative[:, -1] == 1.0)
    assert np.all(np.diff(element.cumulative, axis=1) >= 0)
    assert np.all((element.mean_mu > 0) & (element.mean_mu < 1))
    assert np.exp(element.log_energy[[0, -1]]) == pytest.approx([50.0, 30_000.0], rel=1e-12)


def test_heavier_atoms_scatter_fast_electrons_more():
    total = [mott.total_cm2(z, np.array([20_000.0]))[0] for z in (1, 6, 14, 29, 47, 79)]
    assert np.all(np.diff(total) > 0)


def test_between_two_energies_their_distributions_are_mixed():
    element = mott.mott(29)
    low, high = np.exp(element.log_energy[30:32])
    mu = np.linspace(0, 1, 50)
    middle = mott.cumulative(29, float(np.sqrt(low * high)), mu)
    ends = [mott.cumulative(29, float(energy), mu) for energy in (low, high)]
    assert middle == pytest.approx(np.mean(ends, axis=0), abs=1e-12)
    total = mott.total_cm2(29, np.array([low, np.sqrt(low * high), high]))
    assert total[1] == pytest.approx(np.sqrt(total[0] * total[2]), rel=1e-12)


def test_a_density_linear_in_mu_is_read_back_and_integrated():
    nodes = mott.mu_of(mott.angles_deg(mott.NODES))
    u = np.tile((nodes + mott.SCREENING) ** 2 * (1 + 3 * nodes), (2, 1))
    element = mott.MottElement(np.array([50.0, 30_000.0]), np.ones(2), u)
    mu = element.mu
    assert element.cumulative[0] == pytest.approx((mu + 1.5 * mu**2) / 2.5, abs=3e-7)
    assert element.mean_mu[0] == pytest.approx((1 / 2 + 1) / 2.5, rel=1e-5)


def test_compacted_logarithms_keep_four_digits():
    u = np.random.default_rng(3).lognormal(sigma=3.0, size=(5, mott.NODES))
    levels, ends = mott.compacted(u)
    assert levels.dtype == np.uint16
    back = np.exp(ends[:, :1] + levels / mott.LEVELS * (ends[:, 1:] - ends[:, :1]))
    assert back == pytest.approx(u, rel=3e-4)
