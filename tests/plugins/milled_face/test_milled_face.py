"""The milled face, found without labels in images made with known ones."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from fib_plugins.image_statistics.histogram import Histogram
from fib_plugins.milled_face.face import Face, face_mask
from fib_plugins.milled_face.flattening import flattened
from fib_plugins.milled_face.mode import Mode, blurred_histogram
from fibcore import FibError


def particles(seed: int, shape: tuple[int, int, int] = (3, 128, 128)) -> np.ndarray:
    rng = np.random.default_rng(seed)
    smooth = gaussian_filter(rng.standard_normal(shape), (1, 7, 7))
    return smooth > np.quantile(smooth, 0.4)


def shown(solid: np.ndarray, seed: int, pore: tuple[float, float], noise: float) -> np.ndarray:
    """A face of 150 and pores of uniformly distributed levels with a texture of some pixels."""
    rng = np.random.default_rng(seed)
    field = gaussian_filter(rng.standard_normal(solid.shape), (0, 3, 3))
    rank = np.argsort(np.argsort(field, axis=None)).reshape(solid.shape) / field.size
    grey = np.where(solid, 150.0, pore[0] + (pore[1] - pore[0]) * rank)
    grey = gaussian_filter(grey, (0, 0.7, 0.7))
    return (grey + noise * rng.standard_normal(grey.shape)).astype(np.float32)


def test_mode_has_level_width_and_share_of_the_normal_part_of_a_mixture() -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(150, 3, 60_000), rng.uniform(60, 147, 40_000)])
    counts, edges = np.histogram(values, 2000)
    mode = Mode.of(Histogram(counts, 0.5 * (edges[1:] + edges[:-1])), "bright", "the images")
    assert mode.level == pytest.approx(150, abs=0.5)
    assert mode.deviation == pytest.approx(3, rel=0.1)
    assert mode.share == pytest.approx(0.6, abs=0.05)
    assert not mode.doubtful


def test_a_wide_mode_is_doubtful_and_a_lone_one_refused() -> None:
    rng = np.random.default_rng(0)
    wide = np.concatenate([rng.normal(150, 20, 60_000), rng.uniform(30, 120, 40_000)])
    counts, edges = np.histogram(wide, 2000)
    assert Mode.of(Histogram(counts, edges[1:]), "bright", "the images").doubtful
    counts, edges = np.histogram(rng.normal(100, 20, 100_000), 2000)
    with pytest.raises(FibError, match="no narrow mode"):
        Mode.of(Histogram(counts, edges[1:]), "bright", "the images")


def test_histograms_do_not_depend_on_how_slices_are_held() -> None:
    grey = shown(particles(0), 0, (60, 140), 3)
    one = blurred_histogram(grey, 1.0, "the images")
    other = blurred_histogram(list(grey), 1.0, "the images")
    np.testing.assert_array_equal(one.counts, other.counts)


@pytest.mark.parametrize(("pore", "least"), [((30, 80), 0.98), ((60, 145), 0.95), ((60, 200), 0.9)])
def test_face_is_found_beside_dark_nearly_as_bright_and_brighter_pores(
    pore: tuple[float, float], least: float
) -> None:
    solid = particles(1)
    grey = shown(solid, 1, pore, 3.0)
    face = Face.of(grey, "the images")
    found = np.stack([face_mask([face], [face.flattened(plane)[0]]) for plane in grey])
    assert np.mean(found == solid) > least
    assert found.mean() == pytest.approx(solid.mean(), abs=0.04)


def test_outline_lies_half_way_between_face_and_pore_whatever_the_pore() -> None:
    """A straight edge is found where it is, in front of pores of 30 and of 120."""
    for pore in (30.0, 120.0):
        grey = np.full((1, 80, 80), 150.0)
        grey[:, :, 40:] = pore
        grey = gaussian_filter(grey, (0, 0.7, 0.7))
        grey += np.random.default_rng(0).normal(0, 2, grey.shape)
        face = Face.of(grey, "the images", blur_px=1.0)
        mask = face_mask([face], [grey[0]])
        assert mask.sum(axis=1).mean() == pytest.approx(40, abs=0.6)


def test_curtains_are_divided_out_of_the_face() -> None:
    solid = particles(2)
    rng = np.random.default_rng(0)
    stripes = gaussian_filter(rng.standard_normal((3, 1, 128)), (0, 0, 2))
    stripes = 1 + 0.06 * stripes / stripes.std()
    grey = shown(solid, 2, (30, 100), 2.0) * stripes.astype(np.float32)
    face = Face.of(grey, "the images")
    even = np.stack([face.flattened(plane)[0] for plane in grey])
    inside = gaussian_filter(solid.astype(float), (0, 2, 2)) > 0.99
    before, after = (one[inside].std() for one in (grey, even))
    assert before > 2.5 * after
    assert after == pytest.approx(2.0, rel=0.25)


def test_flattening_leaves_an_even_face_as_it_is() -> None:
    grey = shown(particles(3), 3, (30, 80), 2.0)
    mode = Mode.of(blurred_histogram(grey, 0.7, "the images"), "bright", "the images")
    _, factor = flattened(grey[0], mode, 0.7)
    assert np.abs(factor - 1).max() < 0.02


def test_two_detectors_find_what_one_cannot() -> None:
    """Pores as bright as the face to one detector are dark to the other, and the reverse."""
    solid = particles(4)
    both = [shown(solid, seed, (100, 160), 3.0) for seed in (10, 20)]
    faces = [Face.of(grey, "the images") for grey in both]
    errors = []
    for chosen in ([0], [1], [0, 1]):
        found = np.stack(
            [
                face_mask(
                    [faces[c] for c in chosen], [faces[c].flattened(both[c][z])[0] for c in chosen]
                )
                for z in range(len(solid))
            ]
        )
        errors.append(float(np.mean(found != solid)))
    assert errors[2] < 0.7 * min(errors[:2])
