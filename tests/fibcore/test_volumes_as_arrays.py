"""Volumes behave like NumPy arrays, and become xarray's."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from fibcore import FibError, Images, Labels, Volume


@pytest.fixture
def labels():
    return Labels(np.random.default_rng(0).integers(0, 2, (4, 6, 8), np.uint8), (10, 5, 2))


@pytest.fixture
def images():
    data = np.random.default_rng(0).integers(0, 999, (2, 4, 6, 8), np.uint16)
    return Images(data, (10, 5, 2), kv=(1, None), names=("1 kV", "in-lens"), quantity="counts")


def test_numpy_takes_a_volume_as_its_voxels_without_a_copy(labels, images):
    assert np.asarray(labels).shape == (4, 6, 8)
    assert np.asarray(images).shape == (2, 4, 6, 8)
    assert np.shares_memory(np.asarray(labels), labels.data)
    assert not np.shares_memory(np.array(labels), labels.data)
    assert np.asarray(labels, dtype="float32").dtype == np.float32
    assert np.mean(labels) == labels.data.mean()
    assert (np.add(images, 1) == images.data + 1).all()


@pytest.mark.skipif(np.lib.NumpyVersion(np.__version__) < "2.0.0", reason="NumPy 2 passes copy")
def test_numpy_2_decides_about_copies(labels):
    assert np.shares_memory(np.asarray(labels, copy=False), labels.data)
    assert not np.shares_memory(np.asarray(labels, copy=True), labels.data)
    with pytest.raises(ValueError, match="copy"):
        np.asarray(labels, dtype="float32", copy=False)


@pytest.mark.parametrize(
    ("key", "voxel_size_nm"),
    [
        (np.s_[1:3], (10, 5, 2)),
        (np.s_[:, ::2, ::3], (10, 10, 6)),
        (np.s_[..., ::-1], (10, 5, 2)),
        (np.s_[::2, ..., 1:2], (20, 5, 2)),
        (np.s_[...], (10, 5, 2)),
        (np.s_[:, :, :, ...], (10, 5, 2)),
    ],
)
def test_slices_give_a_volume_with_its_voxel_size(labels, key, voxel_size_nm):
    part = labels[key]
    assert isinstance(part, Labels)
    assert part.voxel_size_nm == voxel_size_nm
    assert part.phases == labels.phases
    np.testing.assert_array_equal(part.data, labels.data[key])
    assert np.shares_memory(part.data, labels.data)


def test_slices_of_channels_keep_their_voltages_and_names(images):
    assert images[1:].kv == (None,)
    assert images[::-1].names == ("in-lens", "1 kV")
    assert images[:1, :, ::2].voxel_size_nm == (10, 10, 2)
    assert images[..., 2:4].kv == images.kv
    assert images[..., 2:4].quantity == "counts"


@pytest.mark.parametrize(
    "key", [0, (1, 2), (0, 0, 0), np.s_[:, 3], np.s_[..., 0], [0, 2], np.s_[None, :], (2, ..., 1)]
)
def test_any_other_index_gives_what_numpy_gives(labels, key):
    part = labels[key]
    assert not isinstance(part, Volume)
    np.testing.assert_array_equal(part, labels.data[key])


def test_a_mask_picks_voxels(labels, images):
    np.testing.assert_array_equal(images[0][labels.solid], images.data[0][labels.data > 0])


def test_an_index_that_leaves_nothing_or_does_not_fit_is_refused(labels):
    with pytest.raises(FibError, match="none of them empty"):
        labels[9:]
    with pytest.raises(IndexError, match="too many indices"):
        labels[:, :, :, :]
    with pytest.raises(IndexError, match="out of bounds"):
        labels[9]


def test_a_memory_mapped_volume_stays_one(tmp_path, labels):
    np.save(tmp_path / "v.npy", labels.data)
    mapped = Labels(np.load(tmp_path / "v.npy", mmap_mode="r"), 5)
    assert isinstance(mapped[1:].data, np.memmap)
    assert np.shares_memory(np.asarray(mapped), mapped.data)


def test_astype_converts_and_keeps_all_else(images):
    grey = images.astype("float32")
    assert (grey.data.dtype, grey.kv, grey.quantity) == (np.float32, images.kv, "counts")
    assert images.astype("uint16").data is images.data


def test_astype_refuses_values_that_the_type_does_not_hold(images, labels):
    with pytest.raises(FibError, match=r"uint8 holds 0 to 255; the voxels .* Scale them first"):
        images.astype("uint8")
    with pytest.raises(FibError, match="from nan to nan"):
        Images(np.full((2, 2, 2), np.nan, np.float32), 1, kv=(1,)).astype("uint8")
    with pytest.raises(FibError, match="uint8 phase numbers"):
        labels.astype("float32")
    with pytest.raises(FibError, match="images are uint8, uint16, float32"):
        images.astype("int64")


def test_the_repr_is_short_and_has_no_voxels(labels, images):
    assert (
        repr(labels)
        == "<Labels: 4 x 6 x 8 voxels of 10 x 5 x 2 nm (z, y, x), phases 0 epoxy, 1 Au>"
    )
    assert repr(images) == (
        "<Images: 4 x 6 x 8 voxels of 10 x 5 x 2 nm (z, y, x), uint16, 2 channels: 1 kV, in-lens, "
        "counts>"
    )
    assert "of 3 nm" in repr(Volume(np.zeros((2, 2, 2)), 3))


def test_xarray_has_positions_in_nm_and_attributes(images, labels, tmp_path):
    array = images.to_xarray()
    assert array.dims == ("channel", "z", "y", "x")
    assert array.name == "counts"
    assert array.z.values.tolist() == [5, 15, 25, 35]
    assert array.x.attrs["units"] == "nm"
    assert array.sel(channel="1 kV", y=12.5).shape == (4, 8)
    assert np.isnan(array.kv.values[1])
    assert array.attrs["voxel_size_nm"] == [10, 5, 2]
    assert np.shares_memory(array.values, images.data)
    phases = labels.to_xarray()
    assert phases.dims == ("z", "y", "x")
    assert (phases.attrs["flag_values"], phases.attrs["flag_meanings"]) == ([0, 1], "epoxy Au")
    assert Volume(np.zeros((2, 2, 2)), 3).to_xarray().dims == ("z", "y", "x")


def test_a_missing_library_is_named_with_what_installs_it(labels, monkeypatch):
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(FibError, match=r"needs xarray.*pip install 'fibtomo\[notebook\]'"):
        labels.to_xarray()
