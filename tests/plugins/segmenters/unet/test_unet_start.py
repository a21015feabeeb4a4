"""Training that starts from another network."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fib_plugins.segmenters.threshold import Threshold
from fib_plugins.segmenters.unet.plugin import UNet
from fib_plugins.sources.virtual_stacks import VirtualStacks
from fibcore import Context, FibError, Images, Labels, Material
from fibcore.elements import elements

SHORT: dict[str, Any] = {"patches_per_epoch": 16, "epochs": 1, "learning_rate": 1e-9}


def largest_change(one: UNet, other: UNet) -> float:
    """Largest change of a weight that is learned."""
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    return max(
        float(np.abs(array - other.model.weights[name]).max())
        for name, array in one.model.weights.items()
        if not name.endswith(statistics)
    )


def test_training_starts_from_the_weights_of_the_start(
    small: Callable[..., UNet], fitted: UNet, images: Images, structure: Labels
) -> None:
    context = Context(2)
    unet = small(**SHORT).fit(images, structure, context, start=fitted)
    assert largest_change(unet, fitted) < 1e-6
    assert largest_change(small(**SHORT).fit(images, structure, Context(2)), fitted) > 1e-2
    loss = context.kept["history"]["train_loss"][0]
    assert loss < 0.2  # an untrained network: 0.5
    assert unet.predict(images).shape == structure.shape


def test_a_start_is_no_part_of_what_a_training_without_one_gives(
    small: Callable[..., UNet], images: Images, structure: Labels, tmp_path: Path, fitted: UNet
) -> None:
    unet = small(**SHORT)
    unet.model_copy().fit(images, structure, Context(2, scratch=tmp_path), start=fitted)
    again = unet.model_copy().fit(images, structure, Context(2, scratch=tmp_path))
    fresh = unet.model_copy().fit(images, structure, Context(2))
    assert largest_change(again, fresh) == 0.0


def test_a_second_round_on_a_source_starts_from_the_first(
    small: Callable[..., UNet], tmp_path: Path
) -> None:
    box = {
        "shape": [16, 32, 32],
        "voxel_size_nm": 5,
        "ligament_diameter_nm": 40,
        "solid_fraction": 0.4,
    }
    world = VirtualStacks.model_validate(
        {
            "pairs_per_epoch": 1,
            "structures": [{"plugin": "generator/leveled_wave", "params": box}],
            "simulator": {
                "plugin": "simulator/weighted_projection",
                "params": {"energies_kev": [2]},
            },
        }
    )
    first = small(**SHORT | {"learning_rate": 1e-2}).fit(world, context=Context(1, threads=1))
    second = small(**SHORT).fit(world, context=Context(2, threads=1), start=first)
    assert largest_change(second, first) < 1e-6


def test_the_grey_scale_of_training_stays_that_of_the_start(
    small: Callable[..., UNet], images: Images, structure: Labels
) -> None:
    first = small(**SHORT, normalization="training").fit(images, structure, Context(1))
    brighter = images.with_data(images.data + np.float32(0.5))
    second = small(**SHORT, normalization="training")
    second.fit(brighter, structure, Context(1), start=first)
    assert second.model.info["grey_centre"] == first.model.info["grey_centre"]
    assert second.model.info["grey_scale"] == first.model.info["grey_scale"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"base_channels": 4}, "base_channels 8, the one to be trained has base_channels 4"),
        ({"dimensions": "2d"}, "dimensions 2.5d"),
        ({"slices_below": 1}, "slices_below 3"),
        ({"depth": 3}, "depth 2"),
        ({"norm": "instance"}, "norm batch"),
        ({"normalization": "slice"}, "normalization stack"),
    ],
)
def test_another_network_is_refused(
    small: Callable[..., UNet],
    fitted: UNet,
    images: Images,
    structure: Labels,
    changes: dict[str, Any],
    message: str,
) -> None:
    with pytest.raises(FibError, match=message):
        small(**SHORT | changes).forecast(
            "fit", {"images": images.spec, "labels": structure.spec, "start": fitted}
        )


def test_other_channels_phases_and_plugins_are_refused(
    small: Callable[..., UNet], fitted: UNet, images: Images, structure: Labels
) -> None:
    unet = small(**SHORT)
    other_voltage = Images(images.data, images.voxel_size_nm, kv=(5.0,))
    two = Images(np.concatenate([images.data] * 2), images.voxel_size_nm, kv=(2.0, 5.0))
    for stack, message in ((other_voltage, "5 kV"), (two, "2 kV BSE, 5 kV|2 kV, 5 kV")):
        with pytest.raises(FibError, match=message):
            unet.fit(stack, structure, start=fitted)
    carbon = {0: structure.phases[0], 1: Material.of_element(elements()["C"])}
    with pytest.raises(FibError, match="labels of the same materials under the same numbers"):
        unet.fit(images, Labels(structure.data, structure.voxel_size_nm, carbon), start=fitted)
    with pytest.raises(FibError, match="start is segmenter/threshold"):
        unet.fit(images, structure, start=Threshold())
    with pytest.raises(FibError, match="not fitted"):
        unet.fit(images, structure, start=small())
