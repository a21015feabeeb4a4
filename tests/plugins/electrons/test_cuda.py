"""The GPU code: in Numba's simulator everywhere, and on a GPU where there is one."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from fib_plugins.electrons.electron import Detector, make_beam
from fib_plugins.electrons.imaging import Imager, make_lattice, surfaces_in
from fib_plugins.electrons.medium import build_tables
from fib_plugins.electrons.secondary import emissions_of, make_secondary, reach_nm
from fib_plugins.simulators.monte_carlo import MonteCarlo
from fibcore import Context, Labels
from fibcore.materials import EPOXY, GOLD, VACUUM

PHASES = {0: EPOXY, 1: GOLD, 2: VACUUM}
SETTINGS = {
    "plain": {},
    "tilted": {"tilt_deg": 30.0, "lateral": "mirror", "below": "repeat"},
    "wide beam and windows": {
        "diameter_nm": 9.0, "energy_window": (0.3, 0.95), "polar_deg": (10.0, 80.0), "below": 1,
    },
    "secondary electrons": {
        "lateral": "mirror",
        "detectors": (
            Detector(None, secondary_polar_deg=(0.0, 180.0)),
            Detector((0.8, 1.0), (0.0, 60.0), (0.0, 60.0), 10.0),
        ),
    },
}  # fmt: skip


def count(name, *, gpu, edge=3, electrons=10, energy_kev=1.0, dtype=np.float32, key=5):
    """Return counts, sums of energies and of depths of some pixels of a random structure."""
    settings = SETTINGS[name]
    surroundings = {k: settings[k] for k in ("lateral", "below") if k in settings}
    beam = {k: v for k, v in settings.items() if k not in surroundings}
    coarse = np.random.default_rng(8).choice([0, 1, 2], (4, 4, 4), p=[0.4, 0.5, 0.1])
    labels = Labels(np.kron(coarse, np.ones((2, 2, 2))).astype(np.uint8), (4.0, 3.0, 3.5), PHASES)
    media = list(PHASES.values())
    tables, emissions = build_tables(media, energy_kev, dtype=dtype), emissions_of(media, {})
    surfaces = surfaces_in(labels, [0, 1, 2], reach_nm(emissions), **surroundings)
    secondary = make_secondary(emissions, tables, energy_kev, 50.0, surfaces, 3.0)
    imager = Imager(
        make_lattice(labels, [0, 1, 2], dtype=dtype, **surroundings),
        tables,
        make_beam(energy_kev, dtype=dtype, **beam),
        electrons_per_pixel=electrons,
        key=key,
        gpu=gpu,
        secondary=secondary if "detectors" in beam else None,
    )
    slices, tallies = zip(*imager.images([6, 1], (1, 1 + edge), (0, edge)), strict=True)
    assert slices == (6, 1)
    parts = list(zip(*tallies, strict=True))[:3]
    return [np.concatenate(part).ravel().tolist() for part in parts]


SIZES = {
    "as on a GPU": {},
    "threads that take many electrons": {"THREADS_PER_BLOCK": 3, "ELECTRONS_PER_THREAD": 50},
    "many blocks": {"THREADS_PER_BLOCK": 4, "ELECTRONS_PER_THREAD": 3},
    "a launch for each slice": {"MOST_PIXELS": 1},
    "many launches for each slice": {
        "THREADS_PER_BLOCK": 4, "ELECTRONS_PER_THREAD": 4, "ELECTRONS_PER_LAUNCH": 32,
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def simulated() -> dict[str, dict[str, list[list[int]]]]:
    """What the GPU code counts in a process of its own, where it runs as plain Python."""
    plain = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1", "NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", __file__],
        env=plain, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def simulate() -> dict[str, dict[str, list[list[int]]]]:
    """Return what `count` gives in this process, with all settings and all sizes of launches."""
    from fib_plugins.electrons import cuda as gpu_code

    found, usual = {}, vars(gpu_code).copy()
    for case, sizes in SIZES.items():
        vars(gpu_code).update(usual | sizes)
        found[case] = {name: count(name, gpu=True) for name in SETTINGS}
    return found


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("case", SIZES)
def test_the_gpu_code_gives_every_electron_the_fate_that_the_cpu_gives_it(simulated, case, name):
    counts, *sums = np.array(simulated[case][name])
    expected, *expected_sums = np.array(count(name, gpu=False))
    np.testing.assert_array_equal(counts, expected)
    for one, other in zip(sums, expected_sums, strict=True):
        assert np.all(np.abs(one - other) <= counts)  # Python rounds exp otherwise
    assert counts.sum() > 10


@pytest.fixture
def gpu():
    from numba import cuda

    if not cuda.is_available():
        pytest.skip("Numba finds no NVIDIA GPU here")


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("energy_kev", [1.0, 4.0])
@pytest.mark.parametrize("name", SETTINGS)
def test_a_gpu_agrees_with_the_cpu_within_counting_noise(name, energy_kev):
    electrons = 2000
    settings = {"edge": 8, "electrons": electrons, "energy_kev": energy_kev}
    on_gpu, on_cpu = (
        np.array(count(name, gpu=on, key=key, **settings)) for on, key in ((True, 1), (False, 2))
    )
    expect_noise_alone(on_gpu[0] / electrons, on_cpu[0] / electrons, electrons)
    for sums in (1, 2):  # of energies and of depths
        one, other = (counted[sums].sum() / counted[0].sum() for counted in (on_gpu, on_cpu))
        assert one == pytest.approx(other, rel=0.03)


@pytest.mark.usefixtures("gpu")
def test_a_gpu_gives_the_same_electrons_nearly_all_the_same_fates():
    settings = {"edge": 8, "electrons": 500}
    for dtype in (np.float32, np.float64):
        counts = [count("plain", gpu=on, dtype=dtype, **settings)[0] for on in (True, False)]
        assert np.abs(np.subtract(*counts)).sum() < 0.02 * np.sum(counts[1])


@pytest.mark.usefixtures("gpu")
def test_the_simulator_images_on_a_gpu_and_says_so():
    coarse = np.random.default_rng(1).integers(0, 2, (2, 6, 6))
    labels = Labels(np.kron(coarse, np.ones((4, 4, 4))).astype(np.uint8), 3.0, {0: EPOXY, 1: GOLD})
    simulator = MonteCarlo(energies_kev=(1.0, 2.0), electrons_per_pixel=200, mean_depth=True)
    contexts = [Context(1, device="cuda"), Context(2, device="cpu")]
    one, other = (simulator.simulate(labels, context=context).data for context in contexts)
    assert [context.device_used for context in contexts] == ["cuda", "cpu"]
    expect_noise_alone(one, other, 200)
    depths = [context.kept["depth"].data.mean() for context in contexts]
    assert depths[0] == pytest.approx(depths[1], rel=0.02)
    again = simulator.simulate(labels, context=Context(1, device="cuda")).data
    np.testing.assert_array_equal(one, again)


def expect_noise_alone(one, other, electrons):
    both = 0.5 * (one + other)
    noise = np.sqrt(np.maximum(2 * both * (1 - both), 1 / electrons) / electrons)
    deviation = (one - other) / noise
    assert abs(deviation.mean()) < 4 / np.sqrt(deviation.size)
    assert np.sqrt(np.mean(deviation**2)) < 1.0 + 4 / np.sqrt(2 * deviation.size)


if __name__ == "__main__":  # simulated
    print(json.dumps(simulate()))
