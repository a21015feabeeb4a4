from __future__ import annotations

import numpy as np
import pytest

from fibcore import FibError, Images, Labels, Volume
from fibcore.grid import voxel_size_zyx


def test_voxel_size_is_one_number_or_three():
    assert voxel_size_zyx(3) == (3.0, 3.0, 3.0)
    assert voxel_size_zyx([10, 3.26, 3.26]) == (10.0, 3.26, 3.26)
    for wrong in ([1, 2], 0, -1, float("nan"), [1, 2, float("inf")], [[1, 2, 3]]):
        with pytest.raises(FibError, match="one positive number in nm, or three"):
            voxel_size_zyx(wrong)


def test_shape_and_extent_are_z_y_x():
    volume = Volume(np.zeros((2, 4, 5, 6)), (10, 3, 2))
    assert volume.shape == (4, 5, 6)
    assert volume.extent_nm == (40, 15, 12)


@pytest.mark.parametrize("shape", [(3, 3), (0, 3, 3), (1, 1, 1, 1, 1)])
def test_a_volume_has_three_or_four_axes_none_empty(shape):
    with pytest.raises(FibError, match="none of them empty"):
        Volume(np.zeros(shape), 1)


def test_labels_are_uint8_in_three_axes_and_know_their_materials():
    labels = Labels(np.eye(3, dtype=bool)[None], 1)
    assert labels.data.dtype == np.uint8
    assert labels.solid.sum() == 3
    assert {phase: m.name for phase, m in labels.phases.items()} == {0: "epoxy", 1: "Au"}
    assert labels.spec.phases == {0: "epoxy", 1: "Au"}
    with pytest.raises(FibError, match="uint8 phase numbers"):
        Labels(np.zeros((2, 2, 2)), 1)
    with pytest.raises(FibError, match="axes"):
        Labels(np.zeros((2, 2, 2, 2), np.uint8), 1)


def test_images_have_one_voltage_and_one_name_per_channel():
    grey = np.zeros((2, 3, 4, 5), np.uint16)
    images = Images(grey, 1, kv=(1, 2.5))
    assert images.names == ("1 kV", "2.5 kV")
    assert Images(grey[0], 1, kv=(None,)).names == ("channel 0",)
    with pytest.raises(FibError, match="2 channels but 1 accelerating voltages"):
        Images(grey, 1, kv=(1,))
    with pytest.raises(FibError, match="2 channels but 1 channel names"):
        Images(grey, 1, kv=(1, 2), names=("a",))
    with pytest.raises(FibError, match="images are uint8, uint16, float32; this array is float64"):
        Images(grey.astype(float), 1, kv=(1, 2))


def test_a_cut_is_a_view_of_the_fraction_asked_for():
    data = np.arange(10 * 8 * 6, dtype=np.float32).reshape(10, 8, 6)
    images = Images(data, 1, kv=(2,))
    part = images.cut({"z": (0, 0.8), "x": (0.5, 1)})
    assert part.shape == (8, 8, 3)
    assert np.shares_memory(part.data, data)
    rest = images.cut({"z": (0.8, 1)})
    assert part.shape[0] + rest.shape[0] == 10
    assert images.spec.cut({"z": (0, 0.8), "x": (0.5, 1)}, None).shape == part.shape


def test_a_cut_that_leaves_nothing_is_refused():
    images = Images(np.zeros((10, 8, 6), np.uint8), 1, kv=(2,))
    with pytest.raises(FibError, match="leaves nothing"):
        images.cut({"z": (0.5, 0.51)})
    with pytest.raises(FibError, match="0 <= start < stop <= 1"):
        images.cut({"z": (0.8, 0.2)})


def test_channels_are_chosen_by_voltage():
    data = np.arange(3, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 2), np.uint8)
    images = Images(data, 1, kv=(1, 2, 4))
    assert images.select([4, 1]).data[:, 0, 0, 0].tolist() == [2, 0]
    assert np.shares_memory(images.select([2, 4]).data, data)
    with pytest.raises(FibError, match="no channel at 3 kV; the images have: 1 kV BSE, 2 kV BSE"):
        images.select([3])


def test_stacks_become_channels_only_if_they_agree():
    one = Images(np.zeros((2, 2, 2), np.uint8), 1, kv=(1,))
    two = Images(np.ones((2, 2, 2), np.uint8), 1, kv=(2,))
    both = Images.stack([one, two])
    assert both.kv == (1, 2)
    assert both.data.mean() == 0.5
    assert Images.stack([one]) is one
    for other in (
        Images(np.ones((2, 2, 3), np.uint8), 1, kv=(2,)),
        Images(np.ones((2, 2, 2), np.uint8), 2, kv=(2,)),
        Images(np.ones((2, 2, 2), np.uint16), 1, kv=(2,)),
    ):
        with pytest.raises(FibError, match="must agree in shape, voxel size and type"):
            Images.stack([one, other])


def test_a_channel_is_a_voltage_and_a_detector():
    grey = np.arange(4, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 2), np.uint8)
    images = Images(grey, 1, kv=(2, 5, 2, 5), detectors=("bse", "bse", "se", "in_lens"))
    assert images.names == ("2 kV BSE", "5 kV BSE", "2 kV SE", "5 kV in-lens")
    assert images.spec.channels == images.channels
    assert images[2:].detectors == ("se", "in_lens")

    def numbers(part):
        return part.data[:, 0, 0, 0].tolist()

    assert numbers(images.select([2])) == [0, 2]
    assert numbers(images.select([5, 2])) == [1, 3, 0, 2]
    assert numbers(images.select(detectors=["se", "bse"])) == [2, 0, 1]
    assert numbers(images.select([5], ["bse"])) == [1]
    assert images.spec.cut({}, [5], ["bse"]).channels == ((5.0, "bse"),)
    with pytest.raises(FibError, match=r"no channel at 5 kV SE; the images have: 2 kV BSE, 5 kV"):
        images.select([5], ["se"])
    with pytest.raises(FibError, match=r"no channel at . kV ebsd"):
        images.select(detectors=["ebsd"])
    with pytest.raises(FibError, match="4 channels but 1 detectors"):
        Images(grey, 1, kv=(2, 5, 2, 5), detectors=("se",))


def test_channels_without_a_detector_are_bse_and_those_without_a_voltage_have_none():
    grey = np.zeros((2, 2, 2, 2), np.uint8)
    assert Images(grey, 1, kv=(2, None)).detectors == ("bse", None)
    secondary = Images(grey[:1], 1, kv=(2,), detectors=("se",))
    both = Images.stack([Images(grey[:1], 1, kv=(2,)), secondary])
    assert both.names == ("2 kV BSE", "2 kV SE")
    assert both.detectors == ("bse", "se")


def test_channels_equally_far_apart_are_a_view():
    data = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 2), np.uint8)
    images = Images(data, 1, kv=(1, 2, 3, 4, 5), quantity="yield")
    for wanted in ([1, 3, 5], [5, 3, 1], [4], [3, 2, 1], [2, 5]):
        part = images.select(wanted)
        assert np.shares_memory(part.data, data)
        assert part.kv == tuple(wanted)
        assert (part.data[:, 0, 0, 0] + 1).tolist() == wanted
        assert part.quantity == "yield"
        assert part.shape == images.shape


def test_other_channels_are_copied_into_an_array_that_the_caller_makes():
    data = np.arange(3, dtype=np.uint16)[:, None, None, None] * np.ones((1, 2, 2, 2), np.uint16)
    images = Images(data, 1, kv=(1, 2, 4))
    made = []

    def empty(shape, dtype):
        made.append(np.empty(shape, dtype))
        return made[-1]

    for wanted in ([1, 4, 2], [4, 1, 2], [2, 2]):
        part = images.select(wanted, empty=empty)
        assert part.data is made[-1]
        assert [images.kv[n] for n in part.data[:, 1, 1, 1]] == wanted
    stacked = Images.stack([images, images.select([4])], empty)
    assert stacked.data is made[-1]
    assert stacked.data[:, 0, 0, 0].tolist() == [0, 1, 2, 2]
