"""The look of a stack: estimated from images whose structure is known, and given to others."""

import functools
import logging

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import ndimage

from fib_plugins.adapters.acquisition import Acquisition
from fib_plugins.adapters.instrument.look import ChannelLook, Look
from fib_plugins.adapters.instrument.pore_texture import PoreTexture, correlation, correlations
from fib_plugins.adapters.instrument.render_look import Ranks, smoothed
from fib_plugins.adapters.instrument.rims import Distances, edge_blur, fitted
from fib_plugins.sources.virtual_stacks import VirtualStacks
from fibcore import Context, FibError, Images, Labels
from fibcore.formats import read_model, write_model

VOXEL_NM = (20.0, 20.0, 20.0)
SHAPE = (9, 112, 112)
FACE, NOISE, RIM, GRAIN = 140.0, 4.0, 30.0, 1.5
LOOK = Look(
    channels=(
        ChannelLook(
            face=0.55,
            rest=tuple(np.linspace(0.1, 0.5, 11)),
            texture_nm=40.0,
            shading_nm=150.0,
            shading_share=0.4,
            rim_upper=0.1,
        ),
    )
)


@functools.cache
def structure(seed: int = 0) -> Labels:
    smooth = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal(SHAPE), (3, 7, 7))
    return Labels((smooth > np.quantile(smooth, 0.4)).astype(np.uint8), VOXEL_NM)


@functools.cache
def stack(seed: int = 0, curtains: float = 0.0) -> Images:
    """A face of 140 with rims of 30 at all edges, and pores from 20 to 120 with a texture."""
    solid, rng = structure(seed).solid, np.random.default_rng(seed + 1)
    field = ndimage.gaussian_filter(rng.standard_normal(SHAPE), (0, 2, 2))
    rank = np.argsort(np.argsort(field, axis=None)).reshape(SHAPE) / field.size
    within = np.stack([ndimage.distance_transform_edt(plane) for plane in solid])
    face = FACE + GRAIN * rng.standard_normal(SHAPE) + RIM * np.exp(-(within - 0.5) / 1.5)
    grey = np.where(solid, face, 20.0 + 100.0 * rank)
    stripes = ndimage.gaussian_filter(rng.standard_normal((len(grey), 1, SHAPE[2])), (0, 0, 2))
    grey = grey * (1 + curtains * stripes / stripes.std() * np.where(solid, 1.0, 0.5))
    grey = ndimage.gaussian_filter(grey, (0, 0.8, 0.8)) + NOISE * rng.standard_normal(SHAPE)
    return Images(np.rint(grey.clip(0, 255)).astype(np.uint8)[np.newaxis], VOXEL_NM, kv=(2.0,))


def fitted_look(images: Images, **params) -> Acquisition:
    names = ("output", "blur", "noise", "curtaining", "look")
    return Acquisition(estimate=names, **params).fit(images, None, Context(0)).estimated


@functools.cache
def example() -> Acquisition:
    return fitted_look(stack())


def test_share_noise_and_levels_are_those_of_the_stack() -> None:
    found = example()
    assert found.look is not None
    look = found.look.channels[0]
    share = structure().solid.mean()
    assert found.look.solid_share == pytest.approx(share, abs=0.03)
    assert found.look.uncertainty is not None
    assert 0 < found.look.uncertainty < 0.1
    assert look.face == pytest.approx(FACE / 255, abs=0.01)
    quantiles = np.interp([0.1, 0.5, 0.9], np.linspace(0, 1, len(look.rest)), look.rest)
    np.testing.assert_allclose(255 * quantiles, [30, 70, 110], atol=10)
    np.testing.assert_allclose(found.blur_fwhm_nm, 0.8 * 2.355 * 20, rtol=0.3)
    electrons = found.electrons_per_pixel
    signal = look.face * (1 - look.face) / electrons[0] if electrons else 0.0
    noise = 255 * np.sqrt(found.read_noise[0] ** 2 + signal)
    assert noise == pytest.approx(NOISE, rel=0.05)


def test_rims_are_measured() -> None:
    assert example().look is not None
    look = example().look.channels[0]
    for height in (look.rim_upper, look.rim_lower):
        assert 255 * height == pytest.approx(RIM, rel=0.4)
    assert look.rim_nm == pytest.approx(30, rel=0.4)


def test_curtains_of_face_and_pores_are_told_apart() -> None:
    found = fitted_look(stack(0, 0.06))
    assert found.look is not None
    assert found.curtaining == pytest.approx(0.05, rel=0.3)
    look = found.look.channels[0]
    assert look.face_curtains == pytest.approx(1.0, rel=0.05)
    assert 0.2 < look.rest_curtains < 0.9


def test_a_stack_without_a_face_keeps_its_look_and_warns(caplog: pytest.LogCaptureFixture) -> None:
    data = np.random.default_rng(0).normal(120, 20, (1, *SHAPE)).clip(0, 255).astype(np.uint8)
    with caplog.at_level(logging.WARNING, "fib"):
        assert fitted_look(Images(data, VOXEL_NM, kv=(2.0,))).look is None
    assert "narrow mode" in caplog.text


def test_without_asking_for_a_look_nothing_changes() -> None:
    assert "look" not in Acquisition().estimate
    usual = Acquisition().fit(stack(), None, Context(0)).estimated
    assert usual.look is None
    ideal = ideal_images()
    one = usual.transform(ideal, Context(1)).data
    other = usual.transform(ideal, Context(1), labels=structure()).data
    np.testing.assert_array_equal(one, other)


def ideal_images(seed: int = 0) -> Images:
    """Brighter solid, and pores whose signal falls with the depth of the solid below."""
    solid = structure(seed).solid
    data = np.where(solid, 0.4, 0.0).astype(np.float32)
    for below in range(1, 6):
        shallower = np.concatenate([solid[below:], np.zeros_like(solid[:below])])
        data = np.where((data == 0) & shallower, 0.4 * np.exp(-below / 3), data)
    return Images(data.astype(np.float32)[np.newaxis], VOXEL_NM, kv=(2.0,))


def rendered(seed: int = 3, **params) -> np.ndarray:
    instrument = Acquisition(look=LOOK, **params)
    return instrument.transform(ideal_images(), Context(seed), labels=structure()).data[0]


def test_pores_have_the_distribution_and_the_face_its_level() -> None:
    levels, solid = rendered(), structure().solid
    away = np.stack([ndimage.distance_transform_edt(plane) > 4 for plane in solid])
    np.testing.assert_allclose(levels[away].mean(), 0.55, atol=0.005)
    quantiles = np.quantile(levels[~solid], [0.1, 0.5, 0.9])
    np.testing.assert_allclose(quantiles, [0.14, 0.3, 0.46], atol=0.04)


def test_physics_orders_the_levels_in_pores() -> None:
    ideal = ideal_images().data[0]
    below = (ideal > 0) & ~structure().solid
    for share, least in ((0.0, -0.2), (0.4, 0.3), (1.0, 0.8)):
        channel = LOOK.channels[0].model_copy(update={"shading_share": share})
        look = LOOK.model_copy(update={"channels": (channel,)})
        shown = Acquisition(look=look).transform(ideal_images(), Context(3), labels=structure())
        ranks = [np.argsort(np.argsort(one)) for one in (ideal[below], shown.data[0][below])]
        found = np.corrcoef(*ranks)[0, 1]
        assert least < found < least + 0.5


def test_upper_edges_have_rims() -> None:
    levels, face = rendered(), structure().solid
    upper = face & ~np.roll(face, 1, axis=1)
    lower = face & ~np.roll(face, -1, axis=1) & ~upper
    assert levels[:, 3:-3][upper[:, 3:-3]].mean() > levels[:, 3:-3][lower[:, 3:-3]].mean() + 0.03


def test_the_same_bytes_for_any_number_of_threads_and_other_noise_for_other_seeds() -> None:
    one, two = (
        Acquisition(look=LOOK, read_noise=0.01).transform(
            ideal_images(), Context(5, threads=threads), labels=structure()
        )
        for threads in (1, 2)
    )
    np.testing.assert_array_equal(one.data, two.data)
    assert np.any(rendered(3) != rendered(4))


def test_a_look_estimated_again_is_the_same() -> None:
    """Fit, show another structure with the look, fit again."""
    instrument = example()
    again = fitted_look(instrument.transform(ideal_images(2), Context(7), labels=structure(2)))
    assert instrument.look is not None
    assert again.look is not None
    one, two = instrument.look.channels[0], again.look.channels[0]
    assert again.look.solid_share == pytest.approx(structure(2).solid.mean(), abs=0.04)
    assert two.face == pytest.approx(one.face, abs=0.01)
    np.testing.assert_allclose(two.rest[5:-5], one.rest[5:-5], atol=0.05)


def test_labels_and_channels_are_asked_for() -> None:
    instrument = Acquisition(look=LOOK)
    with pytest.raises(FibError, match="need the labels"):
        instrument.forecast("transform", {"images": ideal_images().spec})
    with pytest.raises(FibError, match="need the labels"):
        instrument.transform(ideal_images(), Context(0))
    both = ideal_images().data.repeat(2, axis=0)
    with pytest.raises(FibError, match="look is that of 1 channels"):
        instrument.transform(Images(both, VOXEL_NM, kv=(1.0, 2.0)), Context(0), labels=structure())
    with pytest.raises(ValidationError, match="ascending"):
        ChannelLook(face=0.5, rest=(0.4, 0.2))


def test_other_phases_of_a_pore_have_the_look_of_pores() -> None:
    data = structure().data.copy()
    binder = (data == 0) & (np.arange(SHAPE[2]) % 20 < 10)
    labels = structure().with_data(np.where(binder, 2, data).astype(np.uint8))
    shown = [
        Acquisition(look=LOOK, face_phases=phases).transform(
            ideal_images(), Context(3), labels=labels
        )
        for phases in ((1,), (1, 2))
    ]
    assert shown[0].data[0][binder].mean() < 0.45 < shown[1].data[0][binder].mean()


def test_variants_differ_about_the_look_and_no_spread_changes_nothing() -> None:
    centre = Acquisition(look=LOOK)
    same = centre.randomised(np.random.default_rng(0), 0.0).look
    assert same is not None
    np.testing.assert_allclose(same.channels[0].rest, LOOK.channels[0].rest)
    assert same.model_copy(update={"channels": LOOK.channels}) == LOOK
    drawn = [centre.randomised(np.random.default_rng(seed), 0.5).look for seed in range(30)]
    faces = [one.channels[0].face for one in drawn if one is not None]
    textures = [one.channels[0].texture_nm for one in drawn if one is not None]
    assert np.std(faces) > 0.03
    assert 40 / 1.51 < min(textures) < 32 < 50 < max(textures) < 40 * 1.51


def test_a_model_keeps_the_look(tmp_path) -> None:
    fitted_one = Acquisition(estimate=("look",)).fit(stack(), None, Context(0))
    write_model(fitted_one.model, tmp_path / "m.safetensors")
    again = Acquisition.from_model(read_model(tmp_path / "m.safetensors"))
    assert again.look == fitted_one.estimated.look


def test_a_source_gives_labels_to_an_instrument_with_a_look() -> None:
    source = VirtualStacks(
        structures=[
            {
                "plugin": "generator/leveled_wave",
                "params": {
                    "shape": [4, 32, 32],
                    "voxel_size_nm": 20,
                    "waves": 20,
                    "ligament_diameter_nm": 150,
                    "solid_fraction": 0.5,
                },
            }
        ],
        simulator={
            "plugin": "simulator/weighted_projection",
            "params": {"energies_kev": [2.0], "mode": "first_hit"},
        },
        instrument={
            "plugin": "adapter/acquisition",
            "params": {"look": LOOK.model_dump(mode="json")},
        },
        instrument_spread=0.0,
    )
    images, labels = source.pair("training", 0, Context(0))
    assert images.data[0][labels.solid].mean() > images.data[0][~labels.solid].mean() + 0.15


def test_texture_is_measured_as_it_is_made() -> None:
    rng = np.random.default_rng(0)
    planes = [
        sum(
            np.sqrt(0.5) * smoothed(rng.standard_normal((256, 256)).astype(np.float32), size * 2.0)
            for size in (0.5, 1.6)
        )
        for _ in range(4)
    ]
    assert np.var(planes) == pytest.approx(1.0, rel=0.05)
    found = correlations(planes, [np.ones((256, 256), bool)] * 4)
    lags = np.arange(len(found))
    np.testing.assert_allclose(found, correlation(lags / 4.0), atol=0.08)
    texture = PoreTexture.of(found + 0.3 * (lags == 0), 0.3)
    assert texture.coarse_share < 0.3
    assert texture.fine_px == pytest.approx(4.0, rel=0.3)


def test_ranks_are_normal_scores_and_ties_are_ordered_by_the_field() -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate([np.zeros(5000), rng.uniform(1, 2, 5000)])
    field = rng.standard_normal(10_000)
    scores = Ranks.of(values).normal_scores(values, field)
    assert scores.mean() == pytest.approx(0, abs=0.03)
    assert scores.std() == pytest.approx(1, abs=0.03)
    assert np.corrcoef(scores[:5000], field[:5000])[0, 1] > 0.9
    assert scores[:5000].max() <= scores[5000:].min() + 1e-6


def test_rims_and_blur_are_found_in_a_slice_made_with_them() -> None:
    face = structure().solid[0]
    distances = Distances.of(face)
    upper, lower = distances.profiles(1.5)
    for beam in (0.5, 1.1):
        level = np.where(face, 0.5, 0.2) + 0.2 * upper + 0.1 * lower
        level = ndimage.gaussian_filter(level, beam)
        found = fitted([level], [distances], 0.5, beam)
        assert found.upper == pytest.approx(0.2, rel=0.05)
        assert found.lower == pytest.approx(0.1, rel=0.05)
        assert found.width_px == 1.5
        assert edge_blur([level], [distances], 0.5) == pytest.approx(beam, rel=0.25)
