"""Detectors of `simulator/monte_carlo`: channels of one simulation, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from fib_plugins.simulators.monte_carlo import MonteCarlo
from fibcore import Context, FibError, Labels
from fibcore.channels import Channel
from fibcore.materials import EPOXY, GOLD, VACUUM

FAST = {"name": "fast", "energy": (0.8, 1.0)}
ALL = ("bse", "se", "in_lens", FAST)
BEAM = {"energies_kev": (1.0, 2.0), "electrons_per_pixel": 30, "below": "repeat"}


@pytest.fixture(scope="module")
def labels():
    data = np.random.default_rng(2).integers(0, 3, (2, 5, 6)).astype(np.uint8)
    return Labels(np.kron(data, np.ones((2, 2, 2), np.uint8)), (4.0, 4.0, 4.0),
                  {0: EPOXY, 1: GOLD, 2: VACUUM})  # fmt: skip


def imaged(labels, **params):
    """Return images and mean depths."""
    context = Context(1, threads=2)
    simulator = MonteCarlo(**BEAM, mean_depth=True, **params)
    return simulator.simulate(labels, context=context), context.kept["depth"]


@pytest.fixture(scope="module")
def images(labels):
    return imaged(labels, detectors=ALL)


def test_channels_are_all_energies_of_a_detector_then_of_the_next(images):
    names = ("bse", "se", "in_lens", "fast")
    for each in images:
        assert each.channels == tuple(Channel(kv, name) for name in names for kv in (1.0, 2.0))
    assert images[0].names[:4] == ("1 kV BSE", "2 kV BSE", "1 kV SE", "2 kV SE")
    assert images[0].quantity == "electron yield"


def test_detectors_of_one_simulation_count_what_each_of_them_counts_alone(labels, images):
    for number, detector in enumerate(ALL):
        channels = slice(2 * number, 2 * number + 2)
        for alone, together in zip(imaged(labels, detectors=(detector,)), images, strict=True):
            np.testing.assert_array_equal(alone.data, together.data[channels])


def test_without_detectors_it_images_with_backscattered_electrons(labels, images):
    plain, depth = imaged(labels)
    assert plain.detectors == ("bse", "bse")
    assert plain.quantity == "backscatter yield"
    np.testing.assert_array_equal(plain.data, images[0].data[:2])
    np.testing.assert_array_equal(depth.data, images[1].data[:2])


def test_the_detector_in_the_lens_counts_some_of_both(labels, images):
    def window(**in_lens):
        return imaged(labels, detectors=("in_lens",), in_lens=in_lens)[0].data

    everything = {"polar_deg": (0.0, 180.0), "depth_nm": None}
    secondary, fast = images[0].data[2:4], images[0].data[6:]
    np.testing.assert_array_equal(window(energy=None, **everything), secondary)
    np.testing.assert_allclose(window(energy=(0.8, 1.0), **everything), secondary + fast, atol=1e-6)
    from_above = window(energy=None, polar_deg=(0.0, 180.0), depth_nm=1e-3)
    assert 0 < from_above.mean() < secondary.mean()
    assert (from_above <= secondary).all()


def test_energies_do_not_weigh_secondary_electrons(labels, images):
    weighed, _ = imaged(labels, detectors=("bse", "se"), detector_weighting="energy")
    np.testing.assert_array_equal(weighed.data[2:], images[0].data[2:4])
    assert (weighed.data[:2] <= images[0].data[:2]).all()


def test_materials_can_be_given_their_emission(labels, images):
    dark = {name: {"epsilon_ev": 1e9, "escape_nm": 1.0} for name in ("Au", "epoxy")}
    assert not imaged(labels, detectors=("se",), secondary=dark)[0].data.any()
    with pytest.raises(FibError, match="secondary has copper, but the phases are Au, epoxy"):
        imaged(labels, detectors=("se",), secondary={"copper": dark["Au"]})


def test_an_interrupted_simulation_resumes_with_all_detectors(labels, images, tmp_path):
    seen: list[int] = []

    def report(what, done, total):
        seen.append(done)
        assert total == 8  # slices at both voltages
        if done == 3 and len(seen) < 5:
            raise KeyboardInterrupt

    simulator = MonteCarlo(**BEAM, mean_depth=True, detectors=ALL)
    with pytest.raises(KeyboardInterrupt):
        simulator.simulate(labels, context=Context(1, scratch=tmp_path, report=report))
    again = Context(1, scratch=tmp_path, report=report)
    np.testing.assert_array_equal(simulator.simulate(labels, context=again).data, images[0].data)
    assert seen == [0, 1, 2, 3, 3, 4, 5, 6, 7, 8]


def test_the_forecast_has_the_channels(labels):
    forecast = MonteCarlo(**BEAM, mean_depth=True, detectors=("bse", "se")).forecast(
        "simulate", {"labels": labels.spec}
    )
    expected = tuple(Channel(kv, name) for name in ("bse", "se") for kv in (1.0, 2.0))
    assert forecast.output.channels == forecast.kept["depth"].channels == expected


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"detectors": ()}, "at least 1 item"),
        ({"detectors": ("se", "se")}, "name of its own"),
        ({"detectors": ("bse", {"name": "bse"})}, "name of its own"),
        ({"detectors": ("etd",)}, "'bse', 'se' or 'in_lens'"),
        ({"detectors": ("se",), "detector_energy": (0.5, 1.0)}, "add bse"),
        ({"detectors": ({"name": "a", "energy": (0.9, 0.1)},)}, "low below high"),
        ({"in_lens": {"polar_deg": (60.0, 10.0)}}, "low below high"),
        ({"secondary": {"Au": {"epsilon_ev": 0, "escape_nm": 1}}}, "greater than 0"),
    ],
    ids=str,
)
def test_detectors_that_cannot_work_are_refused(params, message):
    with pytest.raises(ValidationError, match=message):
        MonteCarlo(energies_kev=(1.0,), **params)
