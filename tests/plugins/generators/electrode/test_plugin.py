import numpy as np

from fib_plugins.generators.electrode.plugin import Electrode
from fibcore.context import Context


def electrode(**changes):
    params = {"shape": (40, 64, 72), "voxel_size_nm": 60.0, "diameter_nm": 900.0}
    return Electrode(**{"diameter_std_nm": 300.0, **params, **changes})


def test_shares_are_exact_to_one_voxel():
    context = Context(1)
    labels = electrode(solid_fraction=0.55, binder_fraction=0.15).generate(context)
    counts = np.bincount(labels.data.ravel(), minlength=3)
    voxels = labels.data.size
    assert counts.tolist() == [
        voxels - round(0.55 * voxels) - round(0.15 * voxels),
        round(0.55 * voxels),
        round(0.15 * voxels),
    ]
    solid = context.kept["solid"]
    assert np.array_equal(solid.data, labels.data == 1)
    assert [solid.phases[i].name for i in solid.phases] == ["vacuum", "LiCoO2"]


def test_same_seed_same_bytes_for_any_number_of_threads(monkeypatch):
    one = electrode().generate(Context(1, threads=1)).data.tobytes()
    monkeypatch.setattr("fib_plugins.generators.slabs.SLAB_VOXELS", 30_000)
    assert one == electrode().generate(Context(1, threads=2)).data.tobytes()
    assert one != electrode().generate(seed=2).data.tobytes()
