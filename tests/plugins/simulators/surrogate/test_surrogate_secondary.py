"""Surrogates of secondary electrons: range of yields, counting noise, referee."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fib_plugins import Surrogate
from fib_plugins.simulators.surrogate.counting import Counts, count_pixels, variances_of
from fib_plugins.simulators.surrogate.referee import compare, draw_pixels
from fib_plugins.simulators.surrogate.signals import activated, counted, loss_of
from fibcore import Context, FibError, Labels
from fibcore.materials import GOLD, VACUUM

OPEN = {
    "detectors": ("bse", "se"),
    "materials": ("vacuum", "Au"),
    "energies_kev": (1.0,),
    "voxel_size_nm": 4.0,
}


@pytest.fixture(scope="module")
def both(tiny):
    """A surrogate of open gold that has learned next to nothing of two detectors."""
    return Surrogate(**tiny | OPEN).fit(context=Context(1, threads=1))


def open_gold(shape=(5, 20, 20)):
    data = (np.random.default_rng(0).random(shape) < 0.6).astype(np.uint8)
    return Labels(data, 4.0, {0: VACUUM, 1: GOLD})


def test_yields_of_secondary_electrons_have_no_upper_limit():
    logits = torch.full((1, 2, 3, 3), 3.0)
    fast, slow = activated(logits, np.array([False, True]))[0]
    assert fast.max() < 1 < slow.min()
    assert torch.equal(activated(logits, np.array([False, False])), logits.sigmoid())


def test_errors_weigh_by_the_variance_of_the_signal():
    zero, one = torch.zeros(1, 2, 4, 4), torch.zeros(1, 2, 4, 4)
    one[:, 0] = 0.1
    slow = one.flip(1)
    mixed = np.array([False, True])
    assert loss_of(zero, one, mixed) == pytest.approx(10 * loss_of(zero, slow, mixed).item())
    assert loss_of(zero, one) == pytest.approx(loss_of(zero, one, np.array([False] * 2)).item())


@pytest.mark.parametrize("spread", [1.0, 3.0])
def test_counts_have_the_mean_and_variance_asked_for(spread):
    image = np.full((300, 300), 1.4, np.float32)
    found = counted(image, 20, spread, np.random.default_rng(1))
    assert found.mean() == pytest.approx(1.4, rel=0.01)
    assert found.var() == pytest.approx(spread * 1.4 / 20, rel=0.03)
    dark = counted(0 * image, 20, spread, np.random.default_rng(1))
    assert not dark.any()


def test_the_variance_is_that_between_halves_without_bias(tiny):
    params = Surrogate(**tiny | OPEN)
    flat = Labels(np.ones((2, 60, 60), np.uint8), 4.0, {0: VACUUM, 1: GOLD})
    pixels = np.argwhere(flat.data[:1])
    counts = count_pixels(params, flat, [0, 1], pixels, 9, Context(2))
    estimated = variances_of(counts, np.array([False, True]), 9).mean(axis=1)
    true = counts.yields.var(axis=1)
    np.testing.assert_allclose(estimated, true, rtol=0.15)
    plain = Counts(counts.yields, counts.depths_nm)
    assert np.all(variances_of(plain, np.array([False, True]), 9) >= 0)


def test_a_fit_measures_the_spread_and_noise_has_it(both):
    none, spread = both.model.info["spread"]
    assert none == 0
    assert 1 <= spread < 20
    labels = open_gold((2, 64, 64))
    expected, noisy = (
        Surrogate.from_model(both.model, electrons_per_pixel=n, referee_share=0.0)
        .simulate(labels, Context(3))
        .data
        for n in (None, 10)
    )
    assert noisy.shape == expected.shape == (2, 2, 64, 64)
    deviation = (noisy - expected)[1]
    found = (deviation**2).mean() / expected[1].mean() * 10
    assert found == pytest.approx(spread, rel=0.15)
    assert noisy[0].max() <= 1


def test_images_name_their_detectors_and_the_referee_checks_both(both):
    labels = open_gold()
    untaught = Surrogate.from_model(both.model, referee_share=0.5)
    with pytest.raises(FibError, match="1 kV SE"):
        untaught.simulate(labels, Context(1))
    warned = Surrogate.from_model(both.model, referee_share=0.5, on_failure="warn")
    context = Context(1)
    images = warned.simulate(labels, context)
    assert images.detectors == ("bse", "se")
    channels = set(context.kept["referee"]["channel"])
    assert channels == {"1 kV BSE", "1 kV SE"}


@pytest.mark.parametrize(("error", "wrong"), [(0.0, False), (0.3, True)])
def test_the_referee_accepts_counting_noise_of_any_spread_but_no_bias(tiny, error, wrong):
    params = Surrogate(**tiny | OPEN | {"detectors": ("se",)})
    labels = open_gold((10, 40, 40))
    for seed in range(10):
        rng = np.random.default_rng(seed)
        pixels = draw_pixels([(0, n) for n in labels.shape], 0.05, rng)
        truth = 1.0 + 0.5 * (labels.data[tuple(pixels.T)] > 0)
        halves = [counted(truth, 10, 3.0, rng) for _ in range(2)]
        found = np.mean(halves, axis=0)[None].astype(np.float32)
        variances = ((halves[0] - halves[1]) ** 2 / 4)[None]
        counts = Counts(found, found, variances.astype(np.float32))
        predicted = (truth + error)[None].astype(np.float32)
        comparison = compare(params, labels, pixels, predicted, counts)
        assert bool(comparison.faults) == wrong
    assert comparison.rows[0]["chi_square"] == pytest.approx(1.0, abs=0.4) or wrong
