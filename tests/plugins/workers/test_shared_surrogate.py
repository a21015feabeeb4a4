"""Slabs that a surrogate images on workers: images are the same bytes as in one process."""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from shared_parts import Backwards
from tiny_surrogates import TINY

from fib_plugins import Surrogate
from fib_plugins.electrons.finished_slices import Deposits
from fib_plugins.simulators.surrogate import imaging, run
from fibcore import Context, FibError, Labels
from fibcore.materials import EPOXY, GOLD

WITH_DEPTH: dict[str, Any] = {**TINY, "mean_depth": True}
IMAGING = [
    {"mean_depth": True, "referee_share": 0.02, "on_failure": "warn"},
    {"electrons_per_pixel": 20, "referee_share": 0, "slices": [1, 7], "region": [[3, 15], [2, 19]]},
]


@pytest.fixture(scope="module")
def taught() -> Surrogate:
    """A surrogate of gold in epoxy that has learned next to nothing."""
    return Surrogate(**WITH_DEPTH).fit(context=Context(1, threads=1))


@pytest.fixture
def labels(monkeypatch) -> Labels:
    """Gold blocks in epoxy, in slabs of two slices that are shared."""
    monkeypatch.setattr(imaging, "SLAB", 2)
    monkeypatch.setattr(run, "SHARED_ABOVE_PIXELS", 100)
    blocks = np.random.default_rng(0).integers(0, 2, (3, 7, 7)).astype(np.uint8)
    data = np.kron(blocks, np.ones((3, 3, 3), np.uint8))
    return Labels(data, voxel_size_nm=4.0, phases={0: EPOXY, 1: GOLD})


@pytest.mark.parametrize("settings", IMAGING, ids=["depth", "noise"])
def test_images_do_not_depend_on_the_order_of_slabs(taught, labels, settings, tmp_path):
    surrogate = Surrogate.from_model(taught.model, **settings)
    spread = Backwards(tmp_path)
    one = Context(3, threads=1)
    shared = Context(3, threads=1, scratch=tmp_path / "scratch", spread=spread)
    expected, found = (surrogate.simulate(labels, context) for context in (one, shared))
    assert_array_equal(found.data, expected.data)
    assert spread.count == -(-found.shape[0] // 2)
    assert sorted(one.kept) == sorted(shared.kept)
    if "mean_depth" in settings:
        assert_array_equal(shared.kept["depth"].data, one.kept["depth"].data)
        mine, theirs = one.kept["referee"], shared.kept["referee"]
        for name in mine.columns:
            assert_array_equal(theirs[name], mine[name])
    assert not list((tmp_path / "scratch").glob("slices-*/*"))


def test_an_interrupted_simulation_resumes_with_the_slab_that_is_missing(taught, labels, tmp_path):
    surrogate = Surrogate.from_model(taught.model, **IMAGING[0])
    expected = surrogate.simulate(labels, Context(3, threads=1))

    def some(work: Any, items: Any) -> Any:
        for item in [items[0], items[3], items[1]]:
            yield item, work(item)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        surrogate.simulate(labels, Context(3, scratch=tmp_path / "scratch", spread=some))
    spread = Backwards(tmp_path)
    context = Context(3, scratch=tmp_path / "scratch", spread=spread)
    assert_array_equal(surrogate.simulate(labels, context).data, expected.data)
    assert spread.count == 3  # slabs 2 to 4 of 0 to 4


def test_slices_that_cannot_be_read_are_an_error(taught, labels, tmp_path, monkeypatch):
    surrogate = Surrogate.from_model(taught.model, **IMAGING[1])
    monkeypatch.setattr(Deposits, "put", lambda self, channel, z, planes: None)
    context = Context(3, scratch=tmp_path / "scratch", spread=Backwards(tmp_path))
    with pytest.raises(FibError, match="slices that a worker imaged cannot be read"):
        surrogate.simulate(labels, context)


def test_images_are_the_same_bytes_as_in_one_process(bench, workers):
    shape = [34, 128, 128]
    assert np.prod(shape) > run.SHARED_ABOVE_PIXELS
    waves = {"shape": shape, "voxel_size_nm": 4, "ligament_diameter_nm": 40, "waves": 20}
    settings = {"electrons_per_pixel": 20, "mean_depth": True, "referee_share": 0}
    steps = [
        {"id": "gold", "run": "generator/leveled_wave", "params": {**waves, "solid_fraction": 0.4}},
        {"id": "taught", "fit": "simulator/surrogate", "params": WITH_DEPTH},
        {"id": "images", "apply": "taught", "params": settings, "inputs": {"labels": "gold"}},
    ]
    bench.run(steps[:2], cache=bench.folder / "one", device="cpu")
    shutil.copytree(bench.folder / "one", bench.folder / "two")  # both use the same network
    one = bench.run(steps, cache=bench.folder / "one", device="cpu")
    two = bench.run(steps, cache=bench.folder / "two", device="cpu", workers=workers)
    for name in ("images", "depth"):
        expected = one.entries["images"].hash_of(name)
        assert expected
        assert two.entries["images"].hash_of(name) == expected
