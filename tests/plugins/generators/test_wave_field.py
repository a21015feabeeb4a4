import os
import subprocess
import sys

import numpy as np
import pytest
from scipy.special import jv

from fib_plugins.generators.plane_waves import isotropic_waves
from fib_plugins.generators.slabs import in_threads, slabs_of
from fib_plugins.generators.wave_field import (
    WaveField,
    direct_sum,
    memory_bytes,
    node_count,
    voxel_centres,
)
from fibcore.context import Context

UNSTRETCHED = (1.0, 1.0, 1.0)


def waves_of(wavelength, count=150, seed=0, stretch=UNSTRETCHED):
    return isotropic_waves(count, 2 * np.pi / wavelength, stretch, np.random.default_rng(seed))


def grid_points(shape, voxel_size_nm):
    axes = [voxel_centres(n, size) for n, size in zip(shape, voxel_size_nm, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)


@pytest.mark.parametrize("bandwidth", [0.0, 0.3, 1.0, 5.0, 20.0, 75.0, 150.0, 400.0, 1500.0])
def test_nodes_suffice_for_the_bessel_coefficients(bandwidth):
    nodes = node_count(bandwidth)
    left_out = jv(np.arange(nodes, nodes + 200), bandwidth)
    assert 4 * np.abs(left_out).sum() < 1e-9
    assert nodes % 2 == 0


def test_direct_sum_is_the_definition():
    waves = waves_of(7.0, count=3)
    point = np.array([1.0, -2.0, 0.5])
    terms = [np.cos(q @ point + p) for q, p in zip(waves.vectors, waves.phases, strict=True)]
    assert direct_sum(waves, point[None])[0] == pytest.approx(np.sqrt(2 / 3) * sum(terms))


@pytest.mark.parametrize(
    ("shape", "voxel_size_nm", "wavelength"),
    [
        ((48, 48, 48), (1.0, 1.0, 1.0), 30.0),  # interpolated along every axis
        ((41, 64, 37), (2.0, 0.5, 1.0), 25.0),  # odd edges, anisotropic voxels
        ((30, 31, 32), (1.0, 1.0, 1.0), 2.5),  # summed at the voxels themselves
        ((1, 90, 2), (5.0, 1.0, 1.0), 40.0),  # a section
        ((9, 8, 120), (1.0, 1.0, 1.0), 3.0),  # some axes one way, some the other
    ],
)
def test_fast_field_agrees_with_the_direct_sum(shape, voxel_size_nm, wavelength):
    waves = waves_of(wavelength)
    fast = WaveField(waves, shape, voxel_size_nm, Context(threads=2)).slab((0, shape[0]))
    direct = direct_sum(waves, grid_points(shape, voxel_size_nm)).reshape(shape)
    assert fast.dtype == np.float32
    assert np.abs(fast - direct).max() < 1e-6


def test_more_waves_than_one_chunk_are_all_summed():
    shape = (12, 13, 14)
    waves = waves_of(20.0, count=2500)
    fast = WaveField(waves, shape, UNSTRETCHED, Context()).slab((0, 12))
    direct = direct_sum(waves, grid_points(shape, UNSTRETCHED)).reshape(shape)
    assert np.abs(fast - direct).max() < 1e-6


def test_large_box_agrees_at_sampled_voxels():
    shape = (300, 280, 320)
    waves = waves_of(15.0, count=300)
    field = WaveField(waves, shape, UNSTRETCHED, Context(threads=2))
    rng = np.random.default_rng(3)
    for z in (0, 150, 299):
        yx = rng.integers(0, shape[1:], (50, 2))
        yx[0] = 0, 0
        yx[1] = shape[1] - 1, shape[2] - 1
        zyx = np.column_stack([np.full(50, z), yx])
        points = zyx - (np.array(shape) - 1) / 2
        fast = field.slab((z, z + 1))[0][tuple(yx.T)]
        assert np.abs(fast - direct_sum(waves, points)).max() < 1e-6


def test_field_has_mean_0_and_variance_1():
    shape = (100, 100, 100)
    field = WaveField(waves_of(6.0, count=5000), shape, UNSTRETCHED, Context()).slab((0, 100))
    assert abs(field.mean()) < 0.02
    assert field.var() == pytest.approx(1.0, abs=0.03)


def test_slabs_join_without_a_seam():
    shape = (20, 30, 30)
    field = WaveField(waves_of(20.0), shape, UNSTRETCHED, Context())
    parts = np.concatenate([field.slab((0, 7)), field.slab((7, 20))])
    assert np.abs(parts - field.slab((0, 20))).max() < 1e-6


def test_forecast_memory_covers_the_nodes():
    shape, voxel = (64, 200, 33), (2.0, 1.0, 1.0)
    field = WaveField(waves_of(30.0), shape, voxel, Context())
    told = memory_bytes(shape, voxel, (2 * np.pi / 30,) * 3)
    assert 8 * np.prod(field.nodes) <= told <= 1.3 * 8 * np.prod(field.nodes)


def test_bytes_do_not_depend_on_the_number_of_threads():
    shape = (70, 200, 210)
    waves = waves_of(20.0, count=1500)
    volumes = []
    for threads in (1, 2, 5):
        context = Context(threads=threads)
        field = WaveField(waves, shape, UNSTRETCHED, context)
        volumes.append(
            b"".join(s.tobytes() for s in in_threads(field.slab, slabs_of(shape), context))
        )
    assert volumes[0] == volumes[1] == volumes[2]


HASH_OF_A_STRUCTURE = """
import hashlib
from fib_plugins.generators.leveled_wave import LeveledWave
from fibcore.context import Context
from fibcore.materials import EPOXY, GOLD
labels = LeveledWave(shape=(60, 70, 80), voxel_size_nm=1, wavelength_nm=12, solid_fraction=0.4,
                     waves=1500, materials=(EPOXY, GOLD)).generate(Context(5, threads={threads}))
print(hashlib.sha256(labels.data.tobytes()).hexdigest())
"""


def test_bytes_do_not_depend_on_the_threads_of_blas():
    hashes = set()
    for threads in (1, 2):
        environment = os.environ | {"OPENBLAS_NUM_THREADS": str(threads)}
        program = HASH_OF_A_STRUCTURE.format(threads=threads)
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        hashes.add(done.stdout)
    assert len(hashes) == 1


def test_in_threads_keeps_order_and_passes_errors_on():
    context = Context(threads=3)
    assert list(in_threads(lambda n: n * n, range(20), context)) == [n * n for n in range(20)]

    def fail(n):
        raise ZeroDivisionError(n)

    with pytest.raises(ZeroDivisionError):
        list(in_threads(fail, range(5), context))
