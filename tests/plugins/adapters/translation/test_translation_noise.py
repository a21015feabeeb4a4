import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from fib_plugins.adapters.translation.grey_range import GreyRange
from fib_plugins.adapters.translation.noise import NoiseLaw
from fibcore import Images

VOXEL_NM = (5.0, 5.0, 5.0)
ELECTRONS = 60
UNSCALED = GreyRange(np.array([-1.0]), np.array([1.0]))
"""Leaves grey values as they are."""


def smooth(seed: int = 0) -> np.ndarray:
    """Levels between 0.1 and 0.6, with structures of some ten pixels."""
    field = gaussian_filter(np.random.default_rng(seed).normal(size=(8, 128, 128)), (0, 6, 6))
    return np.asarray(0.1 + 0.5 * (field - field.min()) / np.ptp(field))


def counted(levels: np.ndarray) -> Images:
    """Share of the electrons that come back."""
    share = np.random.default_rng(1).binomial(ELECTRONS, levels) / ELECTRONS
    return Images(share.astype(np.float32), VOXEL_NM, kv=(2.0,))


def test_the_law_of_counting_noise_is_found() -> None:
    law = NoiseLaw.of(counted(smooth()), UNSCALED)
    grey = np.linspace(0.2, 0.5, 7)
    found = np.polynomial.polynomial.polyval(grey, law.coefficients[0])
    assert np.sqrt(found) == pytest.approx(np.sqrt(grey * (1.0 - grey) / ELECTRONS), rel=0.12)
    mean = np.sqrt(np.mean(smooth() * (1.0 - smooth()) / ELECTRONS))
    assert law.level[0] == pytest.approx(mean, rel=0.1)
    low, high = law.span[0]
    assert 0.1 < low < 0.25
    assert 0.4 < high < 0.65


def test_each_channel_has_a_law_of_its_own_and_grey_values_are_scaled() -> None:
    one = counted(smooth())
    data = np.concatenate([one.data, 3.0 * one.data])
    images = Images(data, VOXEL_NM, kv=(1.0, 2.0))
    scale = GreyRange(np.array([-1.0, -1.0]), np.array([1.0, 1.0]))
    law = NoiseLaw.of(images, scale)
    assert law.level[1] == pytest.approx(3.0 * law.level[0], rel=1e-4)
    half = NoiseLaw.of(one, GreyRange(np.array([-2.0]), np.array([2.0])))
    assert half.level[0] == pytest.approx(0.5 * law.level[0], rel=1e-4)


def test_images_without_noise_have_none() -> None:
    images = Images(np.round(smooth(), 1).astype(np.float32), VOXEL_NM, kv=(2.0,))
    law = NoiseLaw.of(images, UNSCALED)
    assert law.level[0] == 0.0
    assert not law.coefficients.any()


@pytest.mark.parametrize(("brought", "left"), [(0.0, 0.05), (0.03, 0.04), (0.05, 0.0), (0.2, 0.0)])
def test_what_images_bring_along_is_taken_off(brought: float, left: float) -> None:
    wanted, own = (
        NoiseLaw(
            np.array([[level**2, 0.0, 0.0]], np.float32),
            np.array([[-1.0, 1.0]], np.float32),
            np.array([level], np.float32),
        )
        for level in (0.05, brought)
    )
    missing = wanted.without(own)
    assert missing.level[0] == pytest.approx(left, abs=1e-6)
    assert missing.coefficients[0, 0] == pytest.approx(left**2, abs=1e-8)
