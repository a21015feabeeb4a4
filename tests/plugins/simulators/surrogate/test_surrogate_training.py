"""What training learns, and that training does not depend on what it should not."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fib_plugins import Surrogate
from fib_plugins.simulators.surrogate.geometry import Geometry
from fib_plugins.simulators.surrogate.lessons import Lesson
from fib_plugins.simulators.surrogate.network import build_network
from fib_plugins.simulators.surrogate.teaching import Pool
from fib_plugins.simulators.surrogate.training import Trainer, symmetries_of, turned
from fibcore import Context

GEOMETRY = Geometry.of(4, (4.0, 4.0, 4.0), 30.0)


@pytest.fixture
def params(tiny):
    return Surrogate(**tiny | {"steps": 100, "learning_rate": 0.03})


def trainer_of(params, **changes):
    network = build_network(GEOMETRY, media=2, features=8, outputs=2, seed=1)
    return Trainer(params.model_copy(update=changes), network, range(2), [], Context(1, threads=1))


def test_the_mean_of_counts_of_two_electrons_is_learned(params):
    """Uniform matter has one yield: a network that sees counts 0, 1, 2 of 2 predicts it."""
    rng = np.random.default_rng(1)
    truth = np.array([[0.06, 0.15], [0.3, 0.55]])  # channel, medium
    pool = Pool(params, GEOMETRY)
    for medium in (0, 1):
        shape = (2, 8, 16, 16)
        yields = rng.binomial(2, truth[:, medium, None, None, None], shape).astype(np.float32) / 2
        data = np.full((8, 16, 16), medium, np.uint8)
        pool.add(Lesson("uniform", data, np.arange(8), yields, yields * 0))
    trainer = trainer_of(params)
    for step, batch in enumerate(pool.batches(rng, params.steps)):
        trainer.step(batch, rng, step, params.steps)
    for medium in (0, 1):
        found = trainer.predicted(pool.whole(medium)).mean((0, 2, 3))
        np.testing.assert_allclose(found, truth[:, medium], atol=0.015)


def random_pool(params):
    rng = np.random.default_rng(5)
    pool = Pool(params, GEOMETRY)
    data = rng.integers(0, 2, (8, 16, 16), dtype=np.uint8)
    yields = rng.random((2, 8, 16, 16), np.float32)
    pool.add(Lesson("blocks", data, np.arange(8), yields, yields))
    return pool


def test_batches_show_every_slice_before_any_comes_again(params):
    pool = random_pool(params)
    batches = [batch.yields for batch in pool.batches(np.random.default_rng(1), 4)]
    whole = pool.whole(0).yields
    for half in (batches[:2], batches[2:]):
        found = torch.cat(half).mean((1, 2, 3)).sort().values
        torch.testing.assert_close(found, whole.mean((1, 2, 3)).sort().values)


def test_parts_of_a_batch_give_the_gradient_of_the_whole(params):
    batch = random_pool(params).whole(0)
    gradients = []
    for threads in (1, 3):
        trainer = trainer_of(params, cpu_threads=threads)
        trainer.step(batch, np.random.default_rng(1), 0, 10)
        gradients.append([p.grad for p in trainer.network.parameters()])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize(
    ("changes", "allowed"),
    [
        ({}, list(range(8))),
        ({"tilt_deg": 10.0}, [0, 1]),
        ({"voxel_size_nm": (4.0, 3.0, 5.0)}, [0, 1, 2, 3]),
    ],
    ids=str,
)
def test_batches_are_turned_only_as_the_beam_and_the_voxels_allow(tiny, changes, allowed):
    assert symmetries_of(Surrogate(**tiny | changes)) == allowed


def test_planes_and_images_are_turned_alike(params):
    batch = random_pool(params).whole(0)
    ways = set()
    for symmetry in range(8):
        found = turned(batch, symmetry, torch.device("cpu"))
        images = all_turns(batch.yields[0, 0].numpy())
        planes = all_turns(batch.planes[0][0, 0].numpy())
        (way,) = (n for n, a in enumerate(images) if np.array_equal(a, found.yields[0, 0]))
        np.testing.assert_array_equal(found.planes[0][0, 0], planes[way])
        ways.add(way)
    assert ways == set(range(8))


def all_turns(image):
    """Return an image in all orientations."""
    return [np.rot90(a, k) for a in (image, image.T) for k in range(4)]
