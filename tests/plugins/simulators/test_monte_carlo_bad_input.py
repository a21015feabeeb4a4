"""The Monte Carlo simulator: bad input, and what a pipeline check learns before a run."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from fib_plugins.simulators.monte_carlo import MonteCarlo
from fibcore import Context, FibError, Labels
from fibcore.devices import resolve_device
from fibcore.errors import UsageError
from fibcore.materials import EPOXY, GOLD
from fibcore.volumes import VolumeSpec

PHASES = {0: EPOXY, 1: GOLD}
QUICK = {"energies_kev": (1.0,), "electrons_per_pixel": 25}


@pytest.fixture(scope="module")
def labels():
    data = np.random.default_rng(2).integers(0, 2, (6, 12, 15), dtype=np.uint8)
    return Labels(data, (4.0, 3.0, 3.0), PHASES)


def simulate(labels, **settings):
    return MonteCarlo(**QUICK | settings).simulate(labels, context=Context(5))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"energies_kev": ()}, "at least 1 item"),
        ({"energies_kev": (0.02,)}, "greater than 0.05"),
        ({"energies_kev": (1.0, 31.0)}, "less than or equal to 30"),
        ({"energies_kev": (2.0, 1.0, 2.0)}, "has duplicates"),
        ({"electrons_per_pixel": 0}, "greater than or equal to 1"),
        ({"electrons_per_pixel": -5}, "greater than or equal to 1"),
        ({"electrons_per_pixel": 2.5}, "valid integer"),
        ({"tilt_deg": 90.0}, "less than 90"),
        ({"tilt_deg": -95.0}, "greater than -90"),
        ({"beam_diameter_nm": -1.0}, "greater than or equal to 0"),
        ({"cutoff_ev": 20.0}, "greater than or equal to 50"),
        ({"cutoff_ev": 1000.0}, "at or above the beam energy 1 keV.*lower it"),
        ({"detector_energy": (0.0, 0.04)}, "excludes every electron: raise it"),
        ({"detector_energy": (0.7, 0.7)}, r"detector_energy is \[0.7, 0.7\]: give \[low, high\]"),
        ({"detector_energy": (0.2, 1.2)}, "less than or equal to 1"),
        ({"detector_polar_deg": (90.0, 180.0)}, "nothing leaves the face beyond 90.*lower it"),
        ({"detector_polar_deg": (60.0, 30.0)}, r"detector_polar_deg is \[60, 30\]"),
        ({"elastic": "mot"}, "'mott', 'browning' or 'rutherford'"),
        ({"below": "nothing"}, "'mirror' or 'repeat'"),
        ({"below": -1}, "greater than or equal to 0"),
        ({"lateral": "open"}, "'periodic' or 'mirror'"),
        ({"slices": (3, 3)}, r"slices: \[3, 3\] is empty"),
        ({"region": ((0, 4), (5, 2))}, r"x: \[5, 2\] is empty"),
        ({"energies": (1.0,)}, "Extra inputs"),
        ({"tilt_deg": float("nan")}, "finite number"),
    ],
    ids=str,
)
def test_parameters_that_make_no_sense_are_refused(settings, said):
    with pytest.raises(ValidationError, match=said):
        MonteCarlo(**QUICK | settings)


def test_what_is_possible_at_a_tilt_or_at_the_lowest_voltage_is_not_refused():
    MonteCarlo(**QUICK, detector_polar_deg=(95.0, 180.0), tilt_deg=-30.0)
    MonteCarlo(energies_kev=(0.051, 30.0))


def test_a_phase_without_a_material_is_refused(labels):
    data = labels.data.copy()
    data[1, 2, 3] = 7
    strange = Labels(data, 3.0, PHASES)
    with pytest.raises(FibError, match="phase 7, whose material is not known; known are 0, 1"):
        simulate(strange)


def test_an_unknown_phase_below_is_refused_before_and_during_a_run(labels):
    said = "below is phase 4, which the labels do not have; give mirror, repeat or one of 0, 1"
    with pytest.raises(FibError, match=said):
        simulate(labels, below=4)
    with pytest.raises(FibError, match=said):
        MonteCarlo(**QUICK, below=4).forecast("simulate", {"labels": labels.spec})


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ({"slices": (0, 7)}, "slices ends at 7, but the labels have 6 voxels there"),
        ({"region": ((0, 13), (0, 5))}, "region along y ends at 13, but the labels have 12"),
        ({"region": ((0, 5), (0, 16))}, "region along x ends at 16, but the labels have 15"),
    ],
    ids=str,
)
def test_parts_outside_the_volume_are_refused_before_and_during_a_run(labels, part, said):
    with pytest.raises(FibError, match=said):
        simulate(labels, **part)
    with pytest.raises(FibError, match=said):
        MonteCarlo(**QUICK | part).forecast("simulate", {"labels": labels.spec})


@pytest.fixture
def gpus(monkeypatch):
    """Let PyTorch see so many GPUs."""

    def pretend(count):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        resolve_device.cache_clear()

    yield pretend
    resolve_device.cache_clear()


def test_cuda_without_a_gpu_is_refused_and_says_what_was_found(labels, gpus):
    gpus(0)
    with pytest.raises(UsageError, match="PyTorch finds 0 NVIDIA GPUs here; use `--device cpu`"):
        MonteCarlo(**QUICK).simulate(labels, context=Context(device="cuda"))


def test_cuda_that_numba_cannot_use_is_refused_and_says_what_to_install(labels, gpus, monkeypatch):
    from numba import cuda

    gpus(1)
    monkeypatch.setattr(cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match=r"PyTorch sees a GPU, but Numba.*fibtomo\[cuda\]"):
        MonteCarlo(**QUICK).simulate(labels, context=Context(device="cuda"))


def forecast(simulator, shape=(6, 12, 15), phases=None):
    spec = VolumeSpec(Labels, shape, (4.0, 3.0, 3.0), phases=phases or {0: "epoxy", 1: "Au"})
    return simulator.forecast("simulate", {"labels": spec})


def test_auto_goes_on_without_a_gpu_that_numba_cannot_use(labels, gpus, monkeypatch, caplog):
    from numba import cuda

    gpus(1)
    monkeypatch.setattr(cuda, "is_available", lambda: False)
    context = Context(5, device="auto")
    images = MonteCarlo(**QUICK).simulate(labels, context=context)
    assert "The CPU is used instead" in caplog.text
    assert context.device_used == "cpu"
    assert np.array_equal(images.data, simulate(labels).data)


def test_the_forecast_is_what_is_made(labels):
    settings = {"energies_kev": (1.0, 2.0), "slices": (1, 3), "region": ((0, 5), (2, 9))}
    simulator = MonteCarlo(**QUICK | settings, mean_depth=True)
    told = forecast(simulator)
    context = Context(1)
    made = simulator.simulate(labels, context=context)
    assert told.output == made.spec
    assert told.kept == {"depth": context.kept["depth"].spec}
    assert told.warnings == ()
    assert forecast(MonteCarlo(**QUICK)).kept == {}
    assert MonteCarlo(**QUICK).forecast("simulate", {"labels": None}).output is None


def test_the_forecast_stays_below_400_mb_for_a_volume_of_512():
    told = forecast(MonteCarlo(energies_kev=(2.0,)), (400, 400, 400))
    assert 400**3 < told.memory_bytes < 400e6
    assert forecast(MonteCarlo(energies_kev=(2.0,)), (512, 512, 512)).memory_bytes < 400e6


def test_a_long_run_is_told_beforehand(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    (hours,) = forecast(MonteCarlo(energies_kev=(1.0, 2.0, 4.0)), (512, 512, 512)).warnings
    assert "134217728 pixels" in hours
    assert "hours on 2 CPU cores" in hours
    assert "fewer electrons_per_pixel" in hours
    (minutes,) = forecast(MonteCarlo(energies_kev=(2.0,)), (128, 512, 512)).warnings
    assert "minutes" in minutes
    assert forecast(MonteCarlo(energies_kev=(2.0,)), (32, 64, 64)).warnings == ()
