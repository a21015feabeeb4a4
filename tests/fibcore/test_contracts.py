from __future__ import annotations

from typing import ClassVar

import pytest

from fibcore import (
    Adapter,
    Context,
    FibError,
    Images,
    Labels,
    Model,
    Segmenter,
    Source,
    Volume,
)
from fibcore.contracts import Product, products, slots
from fibcore.registry import registry


def test_signatures_define_inputs_and_results():
    level = registry().plugin("segmenter/toy_level")
    found = slots(level, "fit")
    assert list(found) == ["images", "labels"]
    assert found["images"].takes(Product(Images))
    assert not found["images"].takes(Product(Labels))
    assert list(products(level, "fit")) == ["model", "history"]
    assert products(level, "predict") == {"labels": Product(Labels)}


def test_a_plugin_as_input_takes_a_model_of_its_kind():
    camera = registry().plugin("simulator/toy_camera")
    physics = slots(camera, "simulate")["physics"]
    assert physics.takes(Product(Model, "physics"))
    assert not physics.takes(Product(Model, "segmenter"))
    assert not physics.required
    assert str(physics) == "a physics model"


def test_truth_is_required_where_the_metric_declares_it():
    assert slots(registry().plugin("metric/toy_score"), "measure")["truth"].required


class Odd(Adapter):
    """Takes what cannot be given."""

    name: ClassVar[str] = "odd"

    def transform(self, images: Images, context: Context | None = None) -> Images:
        return images

    def takes_anything(self, **images: Images) -> Images: ...

    def takes_bare(self, images, context: Context | None = None) -> Images: ...

    def takes_number(self, images: int) -> Images: ...

    def gives_number(self, images: Images) -> int: ...

    def takes_unknown(self, images: Nowhere) -> Images: ...  # noqa: F821

    def takes_volume(self, images: Volume) -> Images: ...


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ("takes_anything", "takes \\*images; name each input"),
        ("takes_bare", "annotate the input 'images'"),
        ("takes_number", "inputs are Labels, Images, Table"),
        ("takes_unknown", "must be imported where fib can see them"),
        ("nothing", "has no method"),
    ],
)
def test_signatures_that_cannot_be_read_are_explained(method, said):
    with pytest.raises(FibError, match=said):
        slots(Odd, method)


def test_a_result_that_is_no_artefact_is_explained():
    with pytest.raises(FibError, match="must be annotated to return Labels, Images or Table"):
        products(Odd, "gives_number")


def test_a_volume_slot_takes_labels_and_images():
    slot = slots(Odd, "takes_volume")["images"]
    assert slot.takes(Product(Labels))
    assert slot.takes(Product(Images))


def test_an_input_may_take_a_volume_or_a_plugin_and_prefers_the_plugin():
    class Learner(Segmenter):
        name = "learner"

        def fit(self, images: Images | Source, context: Context | None = None):
            return self

    slot = slots(Learner, "fit")["images"]
    assert str(slot) == "images or a source model"
    assert slot.as_plugin
    left = {"images": Product(Images), "model": Product(Model, "source"), "labels": Product(Labels)}
    assert slot.fitting(left) == ["model", "images"]
    assert slot.fitting({"model": Product(Model, "segmenter")}) == []
