from pathlib import Path

import pytest
from reading import probe, read

from fib_plugins.readers.tiff.reader import Tiff
from fibcore import FibError

DATA = Path(__file__).parents[3] / "../shared/data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data is not there")


def test_an_imagej_stack_gives_its_voxel_size() -> None:
    volume = read("bicontinuous_metal/reconstruction.tif", Tiff(kv=2), base=DATA)
    assert volume.shape == (130, 150, 150)
    assert volume.voxel_size_nm == pytest.approx((46.18, 40.0, 40.0), rel=1e-3)


def test_a_compressed_stack_without_voxel_size_needs_the_user() -> None:
    with pytest.raises(FibError, match="do not give a voxel size"):
        probe("fib25_medulla/grayscale.tif", Tiff(kv=1), base=DATA)
    params = Tiff(kv=1, voxel_size_nm=10)
    volume = read("fib25_medulla/*.tif", params, base=DATA)
    assert volume.shape == (128, 250, 250)
    assert (int(volume.data.min()), int(volume.data.max())) == (31, 217)
