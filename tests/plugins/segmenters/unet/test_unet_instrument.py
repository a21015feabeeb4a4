"""Training on images as random variants of an instrument record them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from pydantic import Field

from fib_plugins.adapters.acquisition import Acquisition
from fib_plugins.adapters.identity import Identity
from fib_plugins.image_statistics.grey_scale import GreyScale
from fib_plugins.segmenters.unet.instruments import Instruments
from fib_plugins.segmenters.unet.plugin import UNet
from fib_plugins.segmenters.unet.stacks import HeldStacks, Recordings, Stack
from fibcore import Adapter, Context, FibError, Images, Labels
from fibcore.errors import PipelineError

TINY: dict[str, Any] = {"base_channels": 4, "patches_per_epoch": 16, "batch_size": 8}

MADE: list[float] = []
"""The levels of the toy instruments that have recorded, in order."""


class ToyInstrument(Adapter):
    """Adds a level to images."""

    name: ClassVar[str] = "toy_instrument"

    level: float = Field(default=10.0, description="what is added")

    def transform(self, images: Images, context: Context | None = None) -> Images:
        context = Context.of(context)
        MADE.append(self.level)
        noise = context.rng.normal(0, 1e-3, images.data.shape)
        return images.with_data((images.data + self.level + noise).astype(np.float32))

    def randomised(self, rng: np.random.Generator, spread: float = 0.5) -> ToyInstrument:
        return ToyInstrument(level=self.level + spread * rng.uniform(-1, 1))


@pytest.fixture
def made() -> list[float]:
    """Levels of the toy instruments that have recorded since the test began."""
    MADE.clear()
    return MADE


def bad_instrument() -> Acquisition:
    return Acquisition(
        blur_fwhm_nm=15.0, read_noise=0.12, curtaining=0.3, curtain_width_nm=15.0, gain=0.6, bits=8
    )


def share_wrong(prediction: Labels, truth: Labels) -> float:
    return float(np.mean(prediction.data != truth.data))


def test_it_beats_training_on_ideal_images_by_far(
    small: Callable[..., UNet],
    images: Images,
    structure: Labels,
    other_images: Images,
    other_structure: Labels,
) -> None:
    target = bad_instrument().transform(other_images, Context(8))
    estimated = Acquisition().fit(target, images, Context(9))
    ideal = small(epochs=5).fit(images, structure, context=Context(1))
    robust = small(epochs=5).fit(images, structure, Context(1), instrument=estimated)
    wrong = [share_wrong(unet.predict(target), other_structure) for unet in (ideal, robust)]
    assert wrong[1] < 0.7 * wrong[0]


@pytest.mark.parametrize("dimensions", ["2d", "2.5d", "3d"])
def test_an_instrument_that_changes_nothing_teaches_the_same(
    small: Callable[..., UNet], images: Images, structure: Labels, dimensions: str
) -> None:
    one = {"dimensions": dimensions, "patch_depth": 8, "instrument_variants": 1, "epochs": 2}
    unet = small(**TINY | one | {"batch_size": 4, "normalization": "slice"})
    plain = unet.model_copy().fit(images, structure, context=Context(3))
    seen = unet.model_copy().fit(images, structure, Context(3), instrument=Identity())
    assert plain.model.weights.keys() == seen.model.weights.keys()
    for name, array in plain.model.weights.items():
        assert np.array_equal(array, seen.model.weights[name]), name


def test_variants_leave_structure_where_it_is(images: Images) -> None:
    instrument = Acquisition(drift_nm=50.0, thickness_variation=0.4)
    ideal = images.data[0]
    moves = [(0, 1), (0, -1), (1, 1), (1, -1)]
    for spread in (0.0, 0.5):
        variant = instrument.randomised(np.random.default_rng(0), spread)
        recorded = variant.transform(images, Context(0)).data[0]
        for z in range(1, len(ideal) - 1):
            others = [np.roll(ideal[z], step, axis) for axis, step in moves]
            others += [ideal[z - 1], ideal[z + 1]]
            alike = [np.corrcoef(recorded[z].flat, other.flat)[0, 1] for other in others]
            assert np.corrcoef(recorded[z].flat, ideal[z].flat)[0, 1] > max(alike)


def recordings(
    unet: UNet, images: Images, instrument: Adapter, purpose: str = "training", seed: int = 0
) -> HeldStacks:
    context = Context(seed)
    instruments = Instruments(instrument, unet.instrument_spread, context)
    labels = Labels(np.zeros(images.shape, np.uint8), images.voxel_size_nm)
    grey_scale = GreyScale.of(instruments.record(images, labels))
    stack = Stack(images, labels, grey_scale, range(images.shape[0]))
    supply = Recordings(unet, stack, instruments, purpose, context)
    classes, cpu = np.zeros(256, np.uint8), torch.device("cpu")
    return HeldStacks(supply, len(images.kv), classes, cpu, context.empty)


def test_a_recording_is_the_same_however_it_came_to_be_held(
    small: Callable[..., UNet], images: Images
) -> None:
    one, two = (recordings(small(), images, bad_instrument()) for _ in range(2))
    for epoch in range(1, 5):
        one.hold(epoch)
    two.hold(4)
    assert torch.equal(one.volume, two.volume)
    volumes = two.volume[0].flatten(1)
    alike = np.corrcoef(volumes)[np.triu_indices(4, 1)]
    assert alike.max() < 0.97  # each has noise and stripes of its own
    other = recordings(small(), images, bad_instrument(), seed=1)
    other.hold(4)
    assert not torch.equal(other.volume, two.volume)


def test_grey_values_are_normalised_as_inference_does_it(
    small: Callable[..., UNet], images: Images
) -> None:
    by_stack = recordings(small(), images, ToyInstrument())
    by_stack.hold(1)
    assert by_stack.volume.mean(dim=(0, 2, 3, 4)).numpy() == pytest.approx(0.0, abs=1e-3)
    assert by_stack.volume.std(dim=(0, 2, 3, 4)).numpy() == pytest.approx(1.0, abs=1e-3)

    by_slice = recordings(small(normalization="slice"), images, ToyInstrument())
    by_slice.hold(1)
    assert by_slice.volume.mean(dim=(3, 4)).numpy() == pytest.approx(0.0, abs=1e-3)

    MADE.clear()
    in_training = recordings(small(normalization="training"), images, ToyInstrument())
    in_training.hold(1)
    centre, *variants = MADE
    shifts = (np.array(variants) - centre) / images.data.std()
    levels = in_training.volume.mean(dim=(0, 2, 3, 4)).numpy()
    assert levels == pytest.approx(shifts, abs=1e-2)


def test_recordings_are_renewed_in_turn_and_validation_stays(
    small: Callable[..., UNet], images: Images, structure: Labels, made: list[float]
) -> None:
    params = {"instrument_variants": 3, "instrument_renewal": 2, "epochs": 4}
    small(**TINY | params).fit(images, structure, Context(3), instrument=ToyInstrument())
    given, *first = made[:4]
    validation, later = made[4:7], made[7:]
    assert given == 10.0
    assert validation[0] == 10.0  # as the given instrument records, and two others
    assert len(later) == 2 * 3
    assert len({*first, *validation, *later}) == 12
    assert all(abs(level - 10.0) <= 0.5 for level in made)


def test_patches_of_a_batch_come_from_several_recordings(
    small: Callable[..., UNet], images: Images, structure: Labels
) -> None:
    from fib_plugins.segmenters.unet.patches import Patches, Variation

    plain = {"augment_gain": 0.0, "augment_offset": 0.0}
    unet = small(**plain, batch_size=40)
    volume = torch.arange(4.0)[None, :, None, None, None].expand(1, 4, *images.shape)
    patches = Patches(unet, volume, torch.from_numpy(structure.data)[None])
    rng = np.random.default_rng(0)
    drawn = Variation.draw(unet, rng, 40, 1, 4)
    ((inputs, _),) = patches.batches(patches.at_random(rng, 40), drawn)
    of_recording = inputs.mean(dim=(1, 2, 3))
    assert torch.equal(of_recording, torch.from_numpy(drawn.stack).float())
    assert set(drawn.stack.tolist()) == {0, 1, 2, 3}


class Interruption(Exception):
    pass


def test_interrupted_training_goes_on_to_the_same_bytes_on_any_number_of_threads(
    small: Callable[..., UNet], images: Images, structure: Labels, tmp_path: Path
) -> None:
    unet = small(**TINY, epochs=4)
    instrument = bad_instrument()
    whole = unet.model_copy().fit(images, structure, Context(3, threads=1), instrument=instrument)

    def stop(what: str, done: float, total: float | None) -> None:
        if done == 11:  # in the third epoch
            raise Interruption

    first = Context(3, scratch=tmp_path, threads=3, report=stop)
    with pytest.raises(Interruption):
        unet.model_copy().fit(images, structure, first, instrument=instrument)
    again = Context(3, scratch=tmp_path, threads=3)
    resumed = unet.model_copy().fit(images, structure, again, instrument=instrument)
    assert resumed.model.info == whole.model.info
    for name, array in whole.model.weights.items():
        assert array.tobytes() == resumed.model.weights[name].tobytes(), name


def test_a_checkpoint_of_another_instrument_is_not_continued(
    small: Callable[..., UNet],
    images: Images,
    structure: Labels,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    unet = small(**TINY, epochs=1)
    unet.model_copy().fit(
        images, structure, Context(3, scratch=tmp_path), instrument=bad_instrument()
    )
    other = bad_instrument().model_copy(update={"curtain_width_nm": 50.0})
    with caplog.at_level(logging.WARNING):
        unet.model_copy().fit(images, structure, Context(3, scratch=tmp_path), instrument=other)
    assert "training starts again" in caplog.text


def test_what_the_instrument_warns_of_is_said_once(
    small: Callable[..., UNet],
    images: Images,
    structure: Labels,
    caplog: pytest.LogCaptureFixture,
) -> None:
    target = Images(images.data, (5.0, 8.0, 8.0), kv=(4.0,))
    estimated = Acquisition().fit(target, None, Context(0))
    with caplog.at_level(logging.WARNING):
        small(**TINY, epochs=2).fit(images, structure, Context(3), instrument=estimated)
    assert caplog.text.count("estimated on 4 kV BSE") == 1
    assert caplog.text.count("estimated on voxels of") == 1


def test_an_instrument_without_variants_is_pointed_out(
    small: Callable[..., UNet],
    images: Images,
    structure: Labels,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        small(**TINY, epochs=1).fit(images, structure, Context(3), instrument=Identity())
    assert "adapter/identity has no random variants" in caplog.text


def test_an_instrument_that_changes_the_shape_is_refused(
    small: Callable[..., UNet], images: Images, structure: Labels
) -> None:
    class Halves(Adapter):
        """Leaves out every other column."""

        name: ClassVar[str] = "halves"

        def transform(self, images: Images, context: Context | None = None) -> Images:
            return images.with_data(images.data[..., ::2])

    with pytest.raises(FibError, match="must keep the shape"):
        small(**TINY).fit(images, structure, Context(0), instrument=Halves())


def pipeline(voltages: list[float]) -> list[dict[str, Any]]:
    """Return the steps of a small domain randomisation; the instrument is that of two voltages."""
    imaging = {"mode": "first_hit", "slices": 4}
    return [
        {
            "id": "gold",
            "run": "generator/leveled_wave",
            "params": {
                "shape": [16, 40, 40],
                "voxel_size_nm": 5,
                "ligament_diameter_nm": 30,
                "solid_fraction": 0.4,
                "waves": 200,
            },
        },
        {
            "id": "ideal",
            "run": "simulator/weighted_projection",
            "inputs": {"labels": "gold"},
            "params": {"energies_kev": [1, 2], **imaging},
        },
        {
            "id": "real",
            "run": "adapter/acquisition",
            "inputs": {"images": "ideal"},
            "params": {"preset": "bad"},
        },
        {
            "id": "instrument",
            "fit": "adapter/acquisition",
            "inputs": {"target": "real", "source": "ideal"},
        },
        {
            "id": "unet",
            "fit": "segmenter/unet",
            "inputs": {
                "images": {"from": "ideal", "kv": voltages},
                "labels": "gold",
                "instrument": "instrument",
            },
            "params": {**TINY, "patch": 32, "depth": 2, "epochs": 1, "slices_below": 1},
        },
        {
            "id": "solid",
            "apply": "unet",
            "inputs": {"images": {"from": "real", "kv": voltages}},
            "params": {"batch_norm": "stack"},
        },
    ]


def test_it_is_one_line_of_a_pipeline(bench: Any) -> None:
    steps = pipeline([1, 2])
    plan = bench.plan(steps)
    solid = bench.run(steps)["solid"]
    assert solid.spec == plan.steps[-1].expected.specs["labels"]
    assert 0.1 < solid.data.mean() < 0.9


def test_an_instrument_of_other_channels_is_told_before_the_run(bench: Any) -> None:
    with pytest.raises(PipelineError, match="given for 2 channels, the images have 1"):
        bench.plan(pipeline([2]))


def test_recordings_count_in_the_forecast_of_memory(
    small: Callable[..., UNet], images: Images, structure: Labels
) -> None:
    inputs = {"images": images.spec, "labels": structure.spec}

    def memory(**params: Any) -> int:
        return small(**params).forecast("fit", {**inputs, **given}).memory_bytes

    given: dict[str, Any] = {}
    plain = memory()
    given = {"instrument": bad_instrument()}
    stack = 4 * images.data.size
    assert memory(instrument_variants=4) >= plain + 3 * stack
    assert memory(instrument_variants=9) == memory(instrument_variants=4) + 5 * stack
