"""Images by a surrogate: expected yields and counts, parts of a volume, what is below, resuming."""

from __future__ import annotations

import numpy as np
import pytest

from fib_plugins import Surrogate
from fib_plugins.electrons.finished_slices import FinishedSlices
from fib_plugins.simulators.surrogate import imaging
from fibcore import Context, Labels
from fibcore.materials import EPOXY, GOLD

SAME = {"atol": 2e-6, "rtol": 0}
"""Convolutions of windows of other sizes differ in their last bits."""


def simulate(taught, labels, scratch=None, threads=1, seed=1, **changes):
    """Return images and context; without a referee unless asked for one."""
    changes = {"referee_share": 0.0, "on_failure": "warn"} | changes
    surrogate = Surrogate.from_model(taught.model, **changes)
    forecast = surrogate.forecast("simulate", {"labels": labels.spec})
    context = Context(seed, threads=threads, scratch=scratch)
    images = surrogate.simulate(labels, context=context)
    assert images.spec == forecast.output
    kept = {name: image.spec for name, image in context.kept.items() if name == "depth"}
    assert kept == forecast.kept
    return images, context


def test_yields_do_not_depend_on_threads_and_hardly_on_windows(taught, structure):
    labels = structure((5, 75, 90))
    whole, _ = simulate(taught, labels)
    assert float(whole.data.std()) > 0.01
    by_two, _ = simulate(taught, labels, threads=2)
    np.testing.assert_array_equal(by_two.data, whole.data)
    by_windows, _ = simulate(taught, labels, window=32, threads=2)
    again, _ = simulate(taught, labels, window=32)
    np.testing.assert_array_equal(by_windows.data, again.data)
    np.testing.assert_allclose(by_windows.data, whole.data, **SAME)


def test_parts_of_a_volume_are_those_of_the_whole(taught, structure, monkeypatch):
    monkeypatch.setattr(imaging, "SLAB", 2)
    labels = structure((7, 40, 35))
    whole, _ = simulate(taught, labels)
    part, _ = simulate(taught, labels, slices=(2, 7), region=((3, 22), (11, 34)), window=32)
    np.testing.assert_allclose(part.data, whole.data[:, 2:7, 3:22, 11:34], **SAME)


def test_channels_are_chosen_by_voltage(taught, structure):
    both, _ = simulate(taught, structure())
    one, _ = simulate(taught, structure(), energies_kev=(2.0,))
    swapped, _ = simulate(taught, structure(), energies_kev=(2.0, 1.0))
    np.testing.assert_array_equal(one.data[0], both.data[1])
    np.testing.assert_array_equal(swapped.data, both.data[::-1])
    assert swapped.names == ("2 kV", "1 kV")


def test_counts_have_the_mean_and_variance_of_a_binomial(taught, structure):
    labels = structure((6, 40, 40))
    expected, _ = simulate(taught, labels)
    counted, _ = simulate(taught, labels, electrons_per_pixel=50)
    p = expected.data.astype(np.float64)
    counts = counted.data * 50
    np.testing.assert_allclose(counts, counts.round(), atol=1e-4)
    normal = (counted.data - p) / np.sqrt(p * (1 - p) / 50)
    assert abs(normal.mean()) < 4 / normal.size**0.5
    assert normal.var() == pytest.approx(1.0, abs=0.05)
    same, _ = simulate(taught, labels, electrons_per_pixel=50, threads=2)
    np.testing.assert_array_equal(same.data, counted.data)
    other, _ = simulate(taught, labels, electrons_per_pixel=50, seed=2)
    assert (other.data != counted.data).mean() > 0.5
    assert (counted.data[0, 0] != counted.data[0, 1]).mean() > 0.5


def test_only_the_last_slices_depend_on_what_is_below(taught, structure):
    depth = 4 * 8  # planes times the largest voxels
    labels = structure((depth + 3, 8, 8))
    found = {
        below: simulate(taught, labels, below=below)[0].data for below in ("mirror", "repeat", 0, 1)
    }
    deeper = Labels(
        np.concatenate([labels.data, np.ones((depth, 8, 8), np.uint8)]), 4.0, labels.phases
    )
    on_gold, _ = simulate(taught, deeper, slices=(0, depth + 3))
    np.testing.assert_allclose(found[1], on_gold.data, **SAME)
    for image in found.values():
        np.testing.assert_array_equal(image[:, :4], found["mirror"][:, :4])
    last = [image[:, -1] for image in found.values()]
    assert len({image.tobytes() for image in last}) == 4


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 9, 13), (4, 1, 33), (2, 3, 2)], ids=str)
@pytest.mark.parametrize("lateral", ["periodic", "mirror"])
def test_volumes_smaller_than_the_pyramid_are_imaged(taught, structure, shape, lateral):
    labels = structure(shape)
    images, _ = simulate(taught, labels, lateral=lateral, referee_share=1.0)
    how = {"periodic": "wrap", "mirror": "symmetric"}[lateral]
    sides = [(0, 0), (0, shape[1]), (0, shape[2])]
    larger = Labels(np.pad(labels.data, sides, how), 4.0, labels.phases)
    again, _ = simulate(taught, larger, lateral=lateral)
    np.testing.assert_allclose(again.data[:, :, : shape[1], : shape[2]], images.data, **SAME)


def test_phases_have_any_numbers_and_files_any_order(taught, structure, tmp_path):
    labels = structure()
    expected, _ = simulate(taught, labels)
    numbers = np.array([200, 255], np.uint8)[labels.data]
    np.save(tmp_path / "labels.npy", np.asfortranarray(numbers))
    mapped = np.load(tmp_path / "labels.npy", mmap_mode="r")
    images, context = simulate(
        taught, Labels(mapped, 4.0, {200: EPOXY, 255: GOLD}), referee_share=0.01
    )
    np.testing.assert_array_equal(images.data, expected.data)
    assert set(context.kept["referee"]["phase"].tolist()) == {"all", "epoxy", "Au"}


def test_mean_depths_come_with_the_images_of_a_network_that_learned_them(tiny, structure):
    surrogate = Surrogate(**tiny | {"mean_depth": True, "steps": 100}).fit(context=Context(1))
    images, context = simulate(surrogate, structure())
    depths = context.kept["depth"].data
    assert depths.shape == images.data.shape
    assert (depths > 0).all()
    assert (depths[1].mean() > depths[0].mean()).all()  # at 2 kV and 1 kV
    without, context = simulate(surrogate, structure(), mean_depth=False)
    np.testing.assert_array_equal(without.data, images.data)


@pytest.fixture
def stopped(monkeypatch):
    """Function that interrupts after so many slices; it returns a list of those that are done."""
    add = FinishedSlices.add

    def stop(after=None):
        done = []

        def adding(self, channel, z, **slices):
            if len(done) == after:
                raise KeyboardInterrupt
            add(self, channel, z, **slices)
            done.append((channel, z))

        monkeypatch.setattr(FinishedSlices, "add", adding)
        return done

    return stop


@pytest.mark.parametrize("after", [0, 1, 7, 11])
def test_an_interrupted_simulation_resumes_with_the_next_slices(
    taught, structure, tmp_path, stopped, monkeypatch, after
):
    monkeypatch.setattr(imaging, "SLAB", 2)
    settings = {"electrons_per_pixel": 9, "referee_share": 0.05}
    expected, before = simulate(taught, structure(), **settings)
    stopped(after)
    with pytest.raises(KeyboardInterrupt):
        simulate(taught, structure(), tmp_path, **settings)
    done = stopped()
    resumed, context = simulate(taught, structure(), tmp_path, threads=2, **settings)
    np.testing.assert_array_equal(resumed.data, expected.data)
    assert context.kept["referee"].rows() == before.kept["referee"].rows()
    assert len(done) <= 12 - after + 3
    simulate(taught, structure(), tmp_path, **settings)
    assert len(done) <= 12 - after + 3


@pytest.mark.parametrize("file", ["images.npy", "finished.json", "at-pixels-*.npz"])
@pytest.mark.parametrize("how", ["truncated", "a bit", "empty"])
def test_damaged_files_are_made_again(taught, structure, tmp_path, file, how):
    settings = {"electrons_per_pixel": 9, "referee_share": 0.05}
    expected, before = simulate(taught, structure(), tmp_path, **settings)
    data = np.array(expected.data)
    (path,) = tmp_path.glob(file)
    content = bytearray(path.read_bytes())
    content[-200] ^= 2
    damaged = {"truncated": content[:-30], "a bit": content, "empty": b""}[how]
    path.write_bytes(damaged)
    again, context = simulate(taught, structure(), tmp_path, **settings)
    np.testing.assert_array_equal(again.data, data)
    assert context.kept["referee"].rows() == before.kept["referee"].rows()


@pytest.mark.parametrize("electrons", [None, 50])
def test_slabs_in_a_file_give_the_same_images(taught, structure, monkeypatch, electrons):
    labels = structure((37, 40, 30))  # more than two slabs
    held, _ = simulate(taught, labels, threads=2, electrons_per_pixel=electrons)
    monkeypatch.setattr("fibcore.context.MEMORY_MAP_ABOVE_BYTES", 0)
    mapped, _ = simulate(taught, labels, threads=2, electrons_per_pixel=electrons)
    np.testing.assert_array_equal(mapped.data, held.data)
