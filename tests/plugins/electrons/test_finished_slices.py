"""Files of finished slices, through interruptions and damage."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fib_plugins.electrons.finished_slices import FinishedSlices

SHAPE = (2, 3, 4, 5)


def opened(folder, fingerprint="a", shape=SHAPE, names=("images", "depth")):
    return FinishedSlices(folder, fingerprint, names, shape, np.float32)


def filled(folder, slices=((0, 0), (0, 2), (1, 1))):
    """Finish some slices, with numbers of their own."""
    finished = opened(folder)
    for channel, z in slices:
        finished.add(channel, z, images=plane(channel, z), depth=-plane(channel, z))
    return finished


def plane(channel, z):
    return np.arange(20.0).reshape(4, 5) + 100 * channel + 1000 * z


def test_nothing_is_done_at_the_beginning(tmp_path):
    finished = opened(tmp_path)
    assert finished.done == set()
    assert [array.shape for array in finished.arrays.values()] == [SHAPE, SHAPE]
    assert all(array.dtype == np.float32 for array in finished.arrays.values())


def test_finished_slices_are_there_again(tmp_path):
    filled(tmp_path)
    again = opened(tmp_path)
    assert again.done == {(0, 0), (0, 2), (1, 1)}
    for channel, z in again.done:
        np.testing.assert_array_equal(again.arrays["images"][channel, z], plane(channel, z))
        np.testing.assert_array_equal(again.arrays["depth"][channel, z], -plane(channel, z))
    again.add(1, 2, images=plane(1, 2), depth=-plane(1, 2))
    assert len(opened(tmp_path).done) == 4


def test_a_slice_is_done_only_once_it_is_in_the_file(tmp_path):
    finished = filled(tmp_path)
    finished.arrays["images"][0, 1] = 7.0  # a kill before it is noted
    assert (0, 1) not in opened(tmp_path).done
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize(
    "other",
    [{"fingerprint": "b"}, {"shape": (2, 3, 4, 6)}, {"names": ("images", "other")}],
    ids=str,
)
def test_slices_of_another_simulation_are_dropped(tmp_path, other):
    filled(tmp_path)
    fresh = opened(tmp_path, **other)
    assert fresh.done == set()
    assert not (tmp_path / "finished.json").exists()
    shape = other.get("shape", SHAPE)
    assert all(array.shape == shape for array in fresh.arrays.values())
    assert not fresh.arrays["images"].any()


def cut_short(folder):
    file = folder / "images.npy"
    file.write_bytes(file.read_bytes()[:-100])


def emptied(folder):
    (folder / "depth.npy").write_bytes(b"")


def deleted(folder):
    (folder / "images.npy").unlink()


def overwritten(folder):
    (folder / "depth.npy").write_bytes(b"not an array" * 100)


def unreadable_note(folder):
    (folder / "finished.json").write_text('{"fingerprint": "a", "done": [[0,')


def another_note(folder):
    (folder / "finished.json").write_text(json.dumps(["a"]))


def binary_note(folder):
    (folder / "finished.json").write_bytes(b"\xff\xfe\x00")


@pytest.mark.parametrize(
    "damage",
    [cut_short, emptied, deleted, overwritten, unreadable_note, another_note, binary_note],
)
def test_damaged_files_are_begun_afresh(tmp_path, damage):
    filled(tmp_path)
    damage(tmp_path)
    fresh = opened(tmp_path)
    assert fresh.done == set()
    assert all(array.shape == SHAPE for array in fresh.arrays.values())
    fresh.add(0, 0, images=plane(5, 5), depth=plane(6, 6))
    again = opened(tmp_path)
    assert again.done == {(0, 0)}
    np.testing.assert_array_equal(again.arrays["depth"][0, 0], plane(6, 6))


def test_a_slice_with_a_flipped_bit_is_simulated_again(tmp_path, caplog):
    filled(tmp_path)
    path = tmp_path / "depth.npy"
    damaged = bytearray(path.read_bytes())
    damaged[-4 * 4 * 5 * 2 - 1] ^= 1  # the last slice but two: channel 1, z 0 is not done,
    path.write_bytes(damaged)
    assert opened(tmp_path).done == {(0, 0), (0, 2), (1, 1)}
    damaged[-4 * 4 * 5 - 1] ^= 1  # the last but one, channel 1, z 1, is
    path.write_bytes(damaged)
    again = opened(tmp_path)
    assert again.done == {(0, 0), (0, 2)}
    assert "1 of 3 finished slices are damaged" in caplog.text
    again.add(1, 1, images=plane(1, 1), depth=-plane(1, 1))
    assert opened(tmp_path).done == {(0, 0), (0, 2), (1, 1)}


@pytest.mark.parametrize("done", [[[0, 0]], [[9, 9, "x"]], [[0, 0, 5]], [[0, 0, None]]], ids=str)
def test_notes_of_another_form_and_of_slices_that_do_not_exist(tmp_path, done):
    filled(tmp_path)
    (tmp_path / "finished.json").write_text(json.dumps({"fingerprint": "a", "done": done}))
    assert opened(tmp_path).done == set()
