"""Training by several processes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fib_plugins.adapters.acquisition import Acquisition
from fib_plugins.segmenters.unet.plugin import UNet
from fibcore import Context, Images, Labels

pytestmark = pytest.mark.usefixtures("forked_helpers")


def test_two_processes_learn_as_well_as_one(
    small: Callable[..., UNet],
    images: Images,
    structure: Labels,
    fitted: UNet,
    history: dict[str, np.ndarray],
    other_images: Images,
    other_structure: Labels,
) -> None:
    context = Context(1)
    unet = small(devices=2).fit(images, structure, context)
    found = context.kept["history"].columns
    assert found["validation_dice"][-1] > history["validation_dice"][-1] - 0.02
    assert found["train_loss"] == pytest.approx(history["train_loss"], rel=0.1)
    wrong = [np.mean(u.predict(other_images).data != other_structure.data) for u in (fitted, unet)]
    assert wrong[1] < 1.2 * wrong[0]


class Interruption(Exception):
    pass


def test_interrupted_training_by_two_goes_on_to_the_same_bytes(
    small: Callable[..., UNet], images: Images, structure: Labels, tmp_path: Path
) -> None:
    # Batches of 8, 8 and 1: in the last, one process has no patch.
    tiny = {"base_channels": 4, "patches_per_epoch": 17, "batch_size": 8, "augment_noise": 0.1}
    unet = small(**tiny, epochs=4, learning_rate_patience=0, devices=2, instrument_variants=2)
    instrument = Acquisition(blur_fwhm_nm=15.0, read_noise=0.12, curtaining=0.3, gain=0.6)

    def stop(what: str, done: float, total: float | None) -> None:
        if done == 14:  # in the third epoch
            raise Interruption

    undisturbed = Context(3)
    whole = unet.model_copy().fit(images, structure, undisturbed, instrument=instrument)
    first = Context(3, scratch=tmp_path, report=stop)
    with pytest.raises(Interruption):
        unet.model_copy().fit(images, structure, first, instrument=instrument)
    assert "checkpoint.pt" in os.listdir(tmp_path)
    resumed = Context(3, scratch=tmp_path)
    again = unet.model_copy().fit(images, structure, resumed, instrument=instrument)

    assert resumed.kept["history"].to_csv() == undisturbed.kept["history"].to_csv()
    for name, array in whole.model.weights.items():
        assert array.tobytes() == again.model.weights[name].tobytes(), name


def test_each_process_needs_memory_for_its_stack(
    small: Callable[..., UNet], images: Images, structure: Labels
) -> None:
    inputs = {"images": images.spec, "labels": structure.spec}
    one, two = (small(devices=n).forecast("fit", inputs).memory_bytes for n in (1, 2))
    assert two == one + (4 + 1) * images.data.size
