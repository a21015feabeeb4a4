"""Two detectors at one voltage are two channels wherever stacks are compared or models applied."""

import logging
from typing import Any

import numpy as np
import pytest

from fib_plugins import (
    Acquisition,
    CorrectionHarm,
    DomainGap,
    HistogramMatch,
    LabelConsistency,
    RandomForest,
    Reprojection,
    Twin,
    UNet,
)
from fib_plugins.channels import are_same, channels_of, in_order, info_of, selection, shown
from fib_plugins.segmenters.training_data import TrainingData
from fibcore import Context, FibError, Images, Labels
from fibcore.channels import Channel

SHAPE, VOXEL = (8, 40, 44), (5.0, 5.0, 5.0)
BSE, SE = Channel(2.0, "bse"), Channel(2.0, "se")
BOTH: dict[str, Any] = {"kv": (2, 2), "detectors": ("bse", "se")}
TINY: dict[str, Any] = {
    "dimensions": "2d", "depth": 2, "base_channels": 4, "patch": 16, "batch_size": 4, "epochs": 1,
    "patches_per_epoch": 8,
}  # fmt: skip


def structure(seed: int) -> Labels:
    from scipy.ndimage import gaussian_filter

    field = gaussian_filter(np.random.default_rng(seed).standard_normal(SHAPE), 2)
    return Labels((field > 0).astype(np.uint8), VOXEL)


def imaged(labels: Labels, seed: int = 0) -> Images:
    """Return a noisy BSE channel, and an SE channel of little noise with bright edges."""
    from scipy.ndimage import gaussian_filter, gaussian_gradient_magnitude

    rng = np.random.default_rng(seed)
    solid = labels.data.astype(np.float32)
    bse = 0.2 + 0.3 * gaussian_filter(solid, 1) + 0.05 * rng.standard_normal(SHAPE)
    edges = gaussian_gradient_magnitude(solid, 1)
    se = 0.6 - 0.3 * solid + edges + 0.01 * rng.standard_normal(SHAPE)
    return Images(np.stack([bse, se]).astype(np.float32), VOXEL, **BOTH)


@pytest.fixture(scope="module")
def labels() -> Labels:
    return structure(1)


@pytest.fixture(scope="module")
def images(labels: Labels) -> Images:
    return imaged(labels)


@pytest.fixture(scope="module")
def swapped(images: Images) -> Images:
    return images.select(detectors=["se", "bse"])


def warnings_of(caplog: pytest.LogCaptureFixture) -> str:
    return "\n".join(r.message for r in caplog.records if r.levelno >= logging.WARNING)


def test_channels_are_put_in_order_only_where_they_are_the_same(
    images: Images, swapped: Images
) -> None:
    again = in_order(swapped, images.channels)
    assert again.channels == (BSE, SE)
    assert np.array_equal(again.data, images.data)
    assert in_order(images, (BSE, Channel(4.0, "se"))) is images
    assert not are_same((BSE, BSE), (BSE, BSE))
    assert not are_same((Channel(None, None),), (Channel(None, None),))


def test_what_a_model_keeps_of_channels_and_what_messages_show() -> None:
    info = info_of((BSE, SE))
    assert info == {"kv": [2.0, 2.0], "detectors": ["bse", "se"]}
    assert channels_of(info) == (BSE, SE)
    assert channels_of({"kv": [2.0, None]}) == (BSE, Channel(None, None))  # of an older version
    assert shown((BSE, SE)) == "2 kV BSE, 2 kV SE"
    assert selection((BSE, SE)) == '"kv": [2], "detector": ["bse", "se"]'


@pytest.mark.parametrize("segmenter", [RandomForest(trees=4, sample_voxels=2000), UNet(**TINY)])
def test_a_segmenter_takes_channels_by_detector_and_warns_of_another_signal(
    segmenter, labels, images, swapped, caplog
) -> None:
    fitted = segmenter.fit(images, labels, context=Context(1))
    assert fitted.model.info["detectors"] == ["bse", "se"]
    expected = fitted.predict(images, context=Context(1)).data
    assert np.array_equal(fitted.predict(swapped, context=Context(1)).data, expected)
    assert warnings_of(caplog) == ""
    other = Images(images.data, VOXEL, kv=(2, 2), detectors=("bse", "in_lens"))
    fitted.predict(other, context=Context(1))
    assert "trained on 2 kV BSE, 2 kV SE, these images are 2 kV BSE, 2 kV in-lens" in (
        warnings_of(caplog)
    )
    with pytest.raises(FibError, match=r'choose the channels with "kv": \[2\], "detector"'):
        fitted.predict(images.select(detectors=["se"]), context=Context(1))


def test_models_of_versions_without_detectors_are_of_backscattered_electrons(images) -> None:
    data = TrainingData({"kv": [2.0], "voxel_size_nm": list(VOXEL)}, "network")
    bse = images.select(detectors=["bse"])
    assert data.matched(bse, Context(1)) is bse
    assert data.channels == (BSE,)


def test_histograms_are_matched_detector_by_detector(images, swapped) -> None:
    match = HistogramMatch().fit(images, swapped, Context(1))  # of itself
    made = match.transform(swapped, Context(1))
    assert made.channels == (BSE, SE)
    assert np.abs(made.data - images.data).max() < 0.02
    forecast = match.forecast("transform", {"images": swapped.spec})
    assert forecast.output.channels == made.channels


def test_the_gap_is_between_channels_of_one_detector(images, swapped, caplog) -> None:
    gap = DomainGap(patch_pixels=8, patches=64)
    same = gap.measure(images, images, context=Context(1))
    other = gap.measure(swapped, images, context=Context(1))
    assert [same[name][0] for name in same.columns] == [other[name][0] for name in other.columns]
    assert warnings_of(caplog) == ""
    spec = Images(images.data, VOXEL, kv=(2, 2), detectors=("bse", "in_lens")).spec
    warnings = gap.forecast("measure", {"images": spec, "reference": images.spec}).warnings
    assert "show 2 kV BSE, 2 kV in-lens, the reference 2 kV BSE, 2 kV SE" in warnings[0]


def test_reprojection_compares_channels_of_one_detector(images, swapped) -> None:
    metric = Reprojection()
    one = metric.measure(images, images, Context(1))
    other = metric.measure(images, swapped, Context(1))
    assert one["unexplained_percent"][0] == pytest.approx(other["unexplained_percent"][0])
    alone = images.select(detectors=["se"])
    part = metric.measure(alone, swapped, Context(1))
    assert part["unexplained_percent"][0] < 5


def test_reprojection_by_a_simulator_of_bse_says_which_channel_to_choose(images) -> None:
    bse, se = (images.select(detectors=[name]).spec for name in ("bse", "se"))
    with pytest.raises(
        FibError, match=r'Choose the images\' channels with "kv": \[2\], "detector": \["bse"\]'
    ):
        Reprojection().forecast("measure", {"images": images.spec, "reimaged": bse})
    with pytest.raises(
        FibError, match=r"the images have 1 channel \(2 kV SE\), reimaged 1 channel"
    ):
        Reprojection().forecast("measure", {"images": se, "reimaged": bse})


def test_other_metrics_compare_detectors(labels, images, swapped) -> None:
    consistency = LabelConsistency()
    one = consistency.measure(images, labels, before=images, context=Context(1))
    other = consistency.measure(images, labels, before=swapped, context=Context(1))
    assert one["information_ratio"][0] == pytest.approx(other["information_ratio"][0])
    with pytest.raises(FibError, match="2 kV SE, 2 kV BSE"):
        CorrectionHarm().forecast("measure", {"corrected": swapped.spec, "reference": images.spec})


def test_an_instrument_is_estimated_for_each_detector(images, swapped, caplog) -> None:
    fitted = Acquisition(estimate=("noise",)).fit(images, context=Context(1)).estimated
    bse, se = np.broadcast_to(np.asarray(fitted.read_noise, float), (2,))
    assert se < bse  # secondary electrons are far less noisy
    with pytest.raises(FibError, match="in one order"):
        Acquisition().forecast("fit", {"target": images.spec, "source": swapped.spec})


def test_a_twin_records_each_detector_with_noise_of_its_own(images) -> None:
    made = Twin(preset="typical").transform(images, context=Context(1))
    assert made.channels == images.channels
    assert not np.array_equal(made.data[0], made.data[1])


def test_variants_of_an_instrument_vary_each_detector_by_itself(images) -> None:
    fitted = Acquisition(estimate=("noise", "output")).fit(images, images, Context(1))
    centre = fitted.estimated

    def ratios(name: str, draws: int = 12) -> np.ndarray:
        return np.array(
            [
                np.ravel(getattr(fitted.randomised(np.random.default_rng(n), 0.5), name))
                for n in range(draws)
            ]
        ) / np.ravel(getattr(centre, name))

    noise = ratios("gain")
    assert noise.shape == (12, 2)
    assert np.all((noise >= 1 / 1.5 - 1e-9) & (noise <= 1.5 + 1e-9))
    assert abs(np.corrcoef(noise.T)[0, 1]) < 0.8
    assert np.ptp(noise[:, 1]) > 0.2
    still = fitted.randomised(np.random.default_rng(0), 0.0)
    assert still.gain == pytest.approx(np.broadcast_to(centre.gain, 2))
    # voltages of one detector share their factors, as before
    one = Images(images.data, VOXEL, kv=(1, 2))
    fitted = Acquisition(estimate=("noise", "output")).fit(one, one, Context(1))
    variant = fitted.randomised(np.random.default_rng(3), 0.5)
    factors = np.divide(variant.gain, fitted.estimated.gain)
    assert factors == pytest.approx(factors[0])


def test_a_bright_secondary_signal_is_no_wrong_grey_level(images) -> None:
    bright = images.with_data(3 * images.data)  # several secondary electrons for one of the beam
    assert bright.data[1].max() > 1.5
    made = Twin(preset="typical").transform(bright.select(detectors=["se"]), context=Context(1))
    assert made.detectors == ("se",)
    wrong = Images(bright.data[1:], VOXEL, kv=(2,))
    with pytest.raises(FibError, match="set black_level and white_level"):
        Twin(preset="typical").transform(wrong, context=Context(1))
