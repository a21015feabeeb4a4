from __future__ import annotations

import numpy as np
import pytest

from fibcore import Context, FibError
from fibcore.devices import resolve_device
from fibcore.errors import UsageError, did_you_mean, listed


def test_noise_on_other_data_is_other_noise():
    plane, context = np.arange(12.0).reshape(3, 4), Context(5)
    noise = context.rng_on(plane, "noise", 3).standard_normal(8)
    again = Context(5).rng_on(np.asfortranarray(plane), "noise", 3).standard_normal(8)
    np.testing.assert_array_equal(noise, again)
    for other in (
        context.rng_on(plane + 1, "noise", 3),
        context.rng_on(plane, "noise", 4),
        Context(6).rng_on(plane, "noise", 3),
    ):
        assert np.all(noise != other.standard_normal(8))


def test_a_context_on_data_draws_other_numbers_on_other_data_and_leaves_the_first_alone():
    stack, context = np.arange(24.0).reshape(2, 3, 4), Context(5)
    plain = context.rng_for("drift").random(4)
    drawn = context.on(stack).rng_for("drift").random(4)
    np.testing.assert_array_equal(
        Context(5).on(np.asfortranarray(stack)).rng_for("drift").random(4), drawn
    )
    np.testing.assert_array_equal(context.rng_for("drift").random(4), plain)
    for other in (context, context.on(stack + 1), context.on(stack).on(stack)):
        assert np.all(other.rng_for("drift").random(4) != drawn)


def test_the_same_seed_gives_the_same_numbers_and_parts_do_not_depend_on_order():
    one, two = Context(5), Context(5)
    assert one.rng.random() == two.rng.random()
    a, b = one.rng_for("slice", 3).random(), one.rng_for("slice", 4).random()
    assert (b, a) == (two.rng_for("slice", 4).random(), two.rng_for("slice", 3).random())
    assert a != b
    assert a != Context(6).rng_for("slice", 3).random()


def test_a_context_or_a_seed_but_not_both():
    given = Context(3)
    assert Context.of(given) is given
    assert Context.of(None, 9).seed == 9
    assert Context.of(None).seed == 0
    with pytest.raises(FibError, match="not both"):
        Context.of(given, 3)


def test_large_arrays_are_files_in_the_scratch_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("fibcore.context.MEMORY_MAP_ABOVE_BYTES", 1000)
    context = Context(scratch=tmp_path / "scratch")
    small = context.empty("small", (10,), np.uint8)
    large = context.empty("large", (20, 20, 20), np.float32)
    assert not isinstance(small, np.memmap)
    assert isinstance(large, np.memmap)
    assert (tmp_path / "scratch" / "large.npy").stat().st_size > 32000


def test_a_context_of_its_own_has_a_temporary_scratch_folder():
    context = Context()
    (context.scratch / "x").write_text("y")
    assert (context.scratch / "x").exists()


def test_progress_is_reported_after_each_item():
    told = []
    context = Context(report=lambda *args: told.append(args))
    assert list(context.track([1, 2], "things")) == [1, 2]
    assert list(context.track(iter([3]), "more")) == [3]
    assert told == [("things", 1, 2), ("things", 2, 2), ("more", 1, None)]


def test_devices_are_named_and_there():
    assert resolve_device("cpu") == "cpu"
    assert Context(device="auto").device in ("cpu", "cuda", "mps")
    with pytest.raises(UsageError, match="Did you mean 'cuda'"):
        resolve_device("cuda9x")
    with pytest.raises(UsageError, match="PyTorch finds"):
        resolve_device("cuda:17")


def test_near_names_are_found_by_their_last_part_too():
    names = ["segmenter/unet", "segmenter/threshold", "metric/overlap"]
    assert did_you_mean("unet", names) == " Did you mean 'segmenter/unet'?"
    assert did_you_mean("adapter/unet", names) == " Did you mean 'segmenter/unet'?"
    assert did_you_mean("xyz", names) == ""
    assert listed([]) == "none"
    assert listed(map(str, range(20)), 3) == "0, 1, 2, ... (17 more)"
