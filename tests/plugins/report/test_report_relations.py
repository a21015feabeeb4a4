from __future__ import annotations

import shutil
from typing import ClassVar

import numpy as np
import pytest

from fib_plugins.report.collect import collect
from fib_plugins.report.relations import Relations
from fibcore import Context, Corrector, Generator, Images, Labels, Table, hookimpl, keeps
from fibcore.registry import registry


class Clean(Generator):
    """Labels made of labels."""

    name: ClassVar[str] = "toy_clean"

    def generate(
        self, labels: Labels, context: Context | None = None, *, seed: int | None = None
    ) -> Labels:
        return labels


class Roll(Corrector):
    """Images, and their labels, one pixel further along x."""

    name: ClassVar[str] = "toy_roll"

    @keeps(labels=Labels, corrections=Table)
    def correct(
        self, images: Images, labels: Labels | None = None, context: Context | None = None
    ) -> Images:
        context = Context.of(context)
        if labels is not None:
            context.keep("labels", labels.with_data(np.roll(labels.data, 1, axis=-1)))
        context.keep("corrections", Table({"slice": np.arange(images.shape[0])}))
        return images.with_data(np.roll(images.data, 1, axis=-1))


class CleanPackage:
    """Registers it."""

    @hookimpl
    def fib_register_generators(self, register):
        register(Clean)

    @hookimpl
    def fib_register_correctors(self, register):
        register(Roll)


@pytest.fixture(scope="session", autouse=True)  # registered once, in any order of tests
def _clean() -> None:
    registry().add_module(CleanPackage(), "clean = tests", "fib-toy-clean")


def relations(result):
    return Relations(collect(result.folder))


def test_images_and_predictions_lie_on_the_structure(bench, steps):
    found = relations(bench.run(steps))
    assert found.places["gold", "labels"] == found.places["sem", "images"]
    assert found.places["gold", "labels"] == found.places["solid", "labels"]
    ((origin, truth),) = found.truths(found.places["solid", "labels"])
    assert origin.id == "gold"
    assert truth.shape == (8, 16, 16)


def test_a_cut_shifts_what_is_made_of_it(bench, steps):
    steps[3]["inputs"]["images"] = {"from": "sem", "z": [0.5, 1], "x": [0.25, 0.75]}
    steps[4]["inputs"]["truth"] = {"from": "gold", "z": [0.5, 1], "x": [0.25, 0.75]}
    result = bench.run(steps)
    found = relations(result)
    place = found.places["solid", "labels"]
    assert place.frame == ("gold", "labels")
    assert place.offset == (4, 0, 4)
    assert place.shape == (4, 16, 8)
    ((_, truth),) = found.truths(place)
    assert np.array_equal(truth.data, result["gold"].data[4:, :, 4:12])
    (prediction,) = found.volumes_of(found.run.by_id["score"], "prediction")
    assert prediction.shape == truth.shape


def test_a_structure_that_was_loaded_lies_where_a_metric_compares_it(bench, steps):
    first = bench.run(steps)
    for name in ("02-sem/images.tif", "01-gold/labels.tif"):
        shutil.copy(first.folder / name, bench.folder)
    steps[0] = {"id": "gold", "load": "labels.tif"}
    steps[1] = {"id": "sem", "load": "images.tif"}
    found = relations(bench.run(steps))
    ((origin, _),) = found.truths(found.places["sem", "images"])
    assert origin.id == "gold"


def test_structures_of_their_own_are_not_laid_on_each_other(bench, steps):
    steps.insert(1, {"id": "other", "run": "generator/toy_blocks"})
    steps[-1]["inputs"]["truth"] = "other"
    result = bench.run(steps)
    found = relations(result)
    score = found.run.by_id["score"]
    assert found.place_of(score, "prediction") != found.place_of(score, "truth")
    ((origin, _),) = found.truths(found.places["solid", "labels"])
    assert origin.id == "gold"


@pytest.mark.parametrize("axis", ["z", "y", "x"])
def test_a_part_is_no_place_for_the_whole(bench, steps, axis):
    steps[3]["inputs"]["images"] = {"from": "sem", axis: [0, 0.5]}
    steps = steps[:4]
    found = relations(bench.run(steps))
    whole, part = found.places["gold", "labels"], found.places["solid", "labels"]
    assert part.within(whole) is not None
    assert whole.within(part) is None


def test_a_prediction_that_was_cleaned_is_no_truth_but_a_cut_structure_is_one(bench, steps):
    steps.insert(0, {**steps[0], "id": "blocks"})
    steps[1] = {"id": "gold", "run": "generator/toy_clean", "inputs": {"labels": "blocks"}}
    steps.insert(-1, {"id": "clean", "run": "generator/toy_clean", "inputs": {"labels": "solid"}})
    found = relations(bench.run(steps))
    assert found.places["clean", "labels"] == found.places["solid", "labels"]
    truths = found.truths(found.places["solid", "labels"])
    assert [step.id for step, _ in truths] == ["blocks", "gold"]


def rolled(steps, **inputs):
    """Return the steps, with images rolled after the training that the step `solid` then takes."""
    steps.insert(3, {"id": "rolled", "run": "corrector/toy_roll", "inputs": inputs})
    steps[4]["inputs"]["images"] = "rolled"
    return steps


def test_a_step_that_moves_voxels_has_a_frame_of_its_own(bench, steps):
    found = relations(bench.run(rolled(steps, images="sem")[:5]))
    assert found.places["rolled", "images"] == found.places["solid", "labels"]
    assert found.places["rolled", "images"].frame != found.places["sem", "images"].frame
    assert list(found.truths(found.places["solid", "labels"])) == []


def test_labels_that_were_moved_with_the_images_are_their_truth(bench, steps):
    steps = rolled(steps, images="sem", labels="gold")
    steps[5]["inputs"]["truth"] = {"from": "rolled", "artefact": "labels"}
    found = relations(bench.run(steps))
    assert found.places["gold", "labels"] == found.places["sem", "images"]
    ((origin, truth),) = found.truths(found.places["solid", "labels"])
    assert origin.id == "rolled"
    gold = found.run.by_id["gold"].artefacts["labels"].value
    np.testing.assert_array_equal(truth.data, np.roll(gold.data, 1, axis=-1))
