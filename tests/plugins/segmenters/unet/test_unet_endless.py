"""Training on a source, with pairs that no epoch has seen before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numbered_pairs import NumberedPairs, noted

from fib_plugins.adapters.identity import Identity
from fib_plugins.segmenters.unet.plugin import UNet
from fibcore import Context, FibError, Images, Labels

TINY: dict[str, Any] = {"base_channels": 4, "patches_per_epoch": 16, "batch_size": 8}


class Interruption(Exception):
    pass


def test_a_network_learns_from_new_pairs_in_each_epoch(
    small: Callable[..., UNet], tmp_path: Path
) -> None:
    file = tmp_path / "made.txt"
    source = NumberedPairs(pairs_per_epoch=3, file=str(file))
    unet = small(batch_size=8, epochs=4, learning_rate=1e-2, patches_per_epoch=128)
    unet.fit(source, context=Context(1, threads=1))
    images, labels = source.pair("test", 0, Context(1))
    assert np.mean(unet.predict(images).data == labels.data) > 0.97
    _, made = noted(file)
    assert made == ["validation 0", *(f"training {n}" for n in range(12)), "test 0"]
    assert unet.model.info["phases"].keys() == {"0", "1"}


@pytest.mark.parametrize("params", [{}, {"normalization": "training"}])
def test_interrupted_training_goes_on_to_the_same_bytes_wherever_pairs_are_made(
    small: Callable[..., UNet], tmp_path: Path, params: dict[str, Any]
) -> None:
    unet = small(**TINY | params, epochs=3, learning_rate_patience=0)
    source = NumberedPairs(pairs_per_epoch=2)
    batches: list[str] = []

    def stop(what: str, done: float, total: float | None) -> None:
        batches.append(what)
        if what.startswith("epoch 2"):
            raise Interruption

    whole = Context(3, threads=1)
    undisturbed = unet.model_copy().fit(source, context=whole)
    with pytest.raises(Interruption):
        unet.model_copy().fit(source, context=Context(3, threads=2, scratch=tmp_path, report=stop))
    assert not (tmp_path / "pairs").exists()
    resumed = Context(3, threads=2, scratch=tmp_path)
    again = unet.model_copy().fit(source, context=resumed)
    assert resumed.kept["history"].to_csv() == whole.kept["history"].to_csv()
    for name, array in undisturbed.model.weights.items():
        assert array.tobytes() == again.model.weights[name].tobytes(), name


@pytest.mark.usefixtures("forked_helpers")
def test_the_processes_of_a_team_share_pairs_that_are_made_once(
    small: Callable[..., UNet], tmp_path: Path
) -> None:
    file = tmp_path / "made.txt"
    found = []
    for devices, note in ((1, ""), (2, str(file))):
        source = NumberedPairs(pairs_per_epoch=2, file=note)
        context = Context(3, threads=2)
        small(**TINY, epochs=1, devices=devices).fit(source, context=context)
        found.append(context.kept["history"]["train_loss"][0])
    processes, made = noted(file)
    assert made == ["validation 0", "training 0", "training 1"]
    assert len(set(processes)) == 1
    assert found[1] == pytest.approx(found[0], rel=0.1)


def test_patches_come_from_all_pairs_with_their_own_labels(small: Callable[..., UNet]) -> None:
    import torch

    from fib_plugins.segmenters.unet.patches import Patches, Variation

    unet = small(batch_size=30, augment_gain=0.0, augment_offset=0.0)
    number = torch.arange(3.0)[None, :, None, None, None].expand(1, 3, 8, 64, 64)
    patches = Patches(unet, number, number[0].to(torch.uint8))
    rng = np.random.default_rng(0)
    drawn = Variation.draw(unet, rng, 30, 1, 3)
    ((inputs, targets),) = patches.batches(patches.at_random(rng, 30), drawn)
    assert set(drawn.stack) == {0, 1, 2}
    assert inputs.mean(dim=(1, 2, 3)).tolist() == drawn.stack.tolist()
    assert targets.float().mean(dim=(1, 2, 3)).tolist() == drawn.stack.tolist()


def test_wrong_inputs_are_errors_before_the_run(
    small: Callable[..., UNet], images: Images, structure: Labels
) -> None:
    source = NumberedPairs()
    for given, message in (
        ({"labels": structure}, "come from source/numbered_pairs: leave the input labels out"),
        ({"instrument": Identity()}, "leave the input instrument out; give the instrument to the"),
    ):
        with pytest.raises(FibError, match=message):
            small().fit(source, **given)
    with pytest.raises(FibError, match="images need labels"):
        small().fit(images)
    with pytest.raises(FibError, match="too small for a patch of 128"):
        small(patch=128).forecast("fit", {"images": source})


def test_memory_is_that_of_the_pairs_held(small: Callable[..., UNet]) -> None:
    def memory(**params: Any) -> int:
        source = NumberedPairs(shape=(32, 256, 256), pairs_per_epoch=params.pop("pairs", 4))
        return small(**params).forecast("fit", {"images": source}).memory_bytes

    pair = 32 * 256 * 256 * (4 + 1)
    assert memory(pairs=8) - memory(pairs=4) == pytest.approx(5 * pair)  # one more to validate
    assert memory(epochs=100) == memory(epochs=1)
