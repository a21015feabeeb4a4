"""A surrogate that learns from given labels and images."""

from __future__ import annotations

import numpy as np
import pytest

from fib_plugins import MonteCarlo, Surrogate
from fib_plugins.simulators.surrogate import training
from fib_plugins.simulators.surrogate.geometry import Geometry
from fib_plugins.simulators.surrogate.given import Windows, batches_of_images
from fib_plugins.simulators.surrogate.planes import Surroundings
from fibcore import Context, FibError, Images, Labels
from fibcore.materials import EPOXY, GOLD
from fibcore.registry import registry


@pytest.fixture(scope="module")
def images(structure):
    simulator = MonteCarlo(energies_kev=(2.0, 1.0), electrons_per_pixel=4)
    return simulator.simulate(structure(), context=Context(2))


def fit(tiny, labels, images, scratch=None, **changes):
    surrogate = Surrogate(**tiny | changes)
    surrogate.forecast("fit", {"labels": labels.spec, "images": images.spec})
    context = Context(1, threads=1, scratch=scratch)
    return surrogate.fit(labels, images, context), context


def test_images_with_channels_in_any_order_are_learned(tiny, structure, images):
    one, context = fit(tiny, structure(), images)
    assert context.kept["history"].columns.keys() >= {"round", "train_loss", "validation_loss"}
    assert len(context.kept["accuracy"]) == 0
    other, _ = fit(tiny, structure(), images.select((1.0, 2.0)))
    for name, array in one.model.weights.items():
        np.testing.assert_array_equal(array, other.model.weights[name])


def test_an_interrupted_training_ends_with_the_same_bytes(
    tiny, structure, images, tmp_path, monkeypatch
):
    expected, _ = fit(tiny, structure(), images)
    steps, learn = [], training.Trainer.step

    def counted(self, *args):
        if len(steps) == 4:
            raise KeyboardInterrupt
        steps.append(1)
        return learn(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(training.Trainer, "step", counted)
        with pytest.raises(KeyboardInterrupt):
            fit(tiny, structure(), images, tmp_path)
    resumed, _ = fit(tiny, structure(), images, tmp_path)
    for name, array in expected.model.weights.items():
        np.testing.assert_array_equal(array, resumed.model.weights[name])


@pytest.mark.parametrize("shape", [(9, 20, 35), (3, 5, 2)], ids=str)
@pytest.mark.parametrize("lateral", ["periodic", "mirror"])
def test_windows_show_images_and_planes_of_the_same_place(shape, lateral):
    """Images that are the labels themselves have the window's own first plane."""
    data = np.random.default_rng(1).integers(0, 2, shape, dtype=np.uint8)
    labels = Labels(data, 4.0, {0: EPOXY, 1: GOLD})
    around = Surroundings(labels, np.arange(256, dtype=np.uint8), lateral, "mirror")
    geometry = Geometry.of(4, labels.voxel_size_nm, 100.0)
    windows = Windows(geometry, around, 2)
    (batch,) = batches_of_images(
        windows, data[None], range(shape[0]), 12, np.random.default_rng(2), 1
    )
    y, x = geometry.margins[0]
    planes = batch.planes[0][:, 0, y:-y, x:-x]
    np.testing.assert_array_equal((planes.numpy() + 1) / 2, batch.yields[:, 0].numpy())
    for window in windows.at_random(np.random.default_rng(3), range(shape[0]), 5):
        pixels = windows.pixels(window)
        assert (pixels < shape).all()
        assert len(pixels) == np.prod(windows.edges)


def other_images(images, **changes):
    fields = {"data": images.data, "voxel_size_nm": images.voxel_size_nm, "kv": images.kv}
    return Images(**fields | changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"energies_kev": (1.0, 3.0)},
            r"2 channels \(2 kV, 1 kV\), the parameters name 2 \(1 kV, 3",
        ),
        ({"energies_kev": (1.0,)}, "2 channels .* name 1"),
        ({"detectors": ({"name": "a"},)}, "name 2 .1 kV a, 2 kV a.: choose the channels"),
        ({"mean_depth": True}, "images do not show the depth"),
    ],
    ids=str,
)
def test_parameters_that_images_do_not_fit_are_refused_before_the_run(
    tiny, structure, images, changes, message
):
    with pytest.raises(FibError, match=message):
        Surrogate(**tiny | changes).forecast(
            "fit", {"labels": structure().spec, "images": images.spec}
        )


def test_unusable_labels_and_images_are_refused(tiny, structure, images):
    grey = other_images(images, data=images.data * 200)
    for bad in (grey, other_images(images, data=images.data * np.float32("nan"))):
        with pytest.raises(FibError, match="yields, which are 0 to 1"):
            fit(tiny, structure(), bad)
    with pytest.raises(FibError, match="must show the same volume"):
        fit(tiny, structure((5, 21, 19)), images)
    copper = structure(phases={0: EPOXY, 1: registry().material("Cu")})
    with pytest.raises(FibError, match="phase 1 of the labels is Cu"):
        fit(tiny, copper, images)
    with pytest.raises(FibError, match="labels are given without images"):
        Surrogate(**tiny).fit(structure(), context=Context(1))
    with pytest.raises(FibError, match="images are given without labels"):
        Surrogate(**tiny).forecast("fit", {"images": images.spec})
