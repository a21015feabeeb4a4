import numpy as np
import pytest

from fib_plugins.generators.electrode.binder import Binder
from fib_plugins.generators.electrode.plugin import Electrode
from fibcore.context import Context


def binder(**changes):
    gap = np.linspace(0, 800, 40**3, dtype=np.float32).reshape(40, 40, 40)
    params = {"porosity": 0.4, "texture_nm": 120.0, "wetting": 0.5, "diameter_nm": 800.0}
    return Binder(gap, 400.0, (20.0, 20.0, 20.0), **{**params, **changes}, context=Context(2))


def test_texture_has_its_porosity_and_length():
    fields = [binder(texture_nm=length).solid((0, 40)) for length in (100.0, 200.0)]
    edges = []
    for solid in fields:
        assert solid.mean() == pytest.approx(0.6, abs=0.03)
        edges.append(np.count_nonzero(np.diff(solid.astype(np.int8), axis=2)))
    assert edges[0] / edges[1] == pytest.approx(2, rel=0.12)


def test_a_dense_binder_has_no_pores():
    assert binder(porosity=0.0).solid((3, 9)).all()


def test_wetting_orders_by_the_gap_and_clusters_do_not():
    films, clusters = (binder(wetting=wetting, porosity=0.0) for wetting in (1.0, 0.0))
    assert (np.diff(films.order((0, 40)).ravel()) >= 0).all()
    gap = np.linspace(0, 1, 40**3)
    assert abs(np.corrcoef(clusters.order((0, 40)).ravel(), gap)[0, 1]) < 0.5


def test_thick_strands_reach_further_than_thin_ones():
    dense, porous = binder(porosity=0.0), binder(porosity=0.4)
    further = porous.order((0, 40)) - dense.order((0, 40))
    solid = porous.solid((0, 40))
    assert further[solid].max() < further[~solid].min() + 1e-4
    assert further.std() > 0.1


def test_slabs_are_those_of_the_whole():
    one = binder()
    assert np.array_equal(one.order((0, 40))[7:9], one.order((7, 9)))
    assert np.array_equal(one.solid((0, 40))[7:9], one.solid((7, 9)))


def test_binder_that_wets_lies_nearer_to_particles():
    from scipy.ndimage import distance_transform_edt

    distances = []
    for wetting in (0.0, 1.0):
        structure = Electrode(
            shape=(32, 80, 80),
            voxel_size_nm=50.0,
            diameter_nm=900.0,
            diameter_std_nm=300.0,
            binder_wetting=wetting,
            solid_fraction=0.5,
        )
        data = structure.generate(seed=1).data
        distances.append(distance_transform_edt(data != 1)[data == 2].mean())
    assert distances[1] < 0.8 * distances[0]
