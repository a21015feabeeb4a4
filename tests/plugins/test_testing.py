"""``check_plugin`` finds what does not keep the contract."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest
from pydantic import Field

from fib_plugins.testing import check_plugin, example_inputs
from fibcore import (
    Adapter,
    Context,
    Images,
    LabelMetric,
    Labels,
    Metric,
    Model,
    Physics,
    Table,
    Trainable,
)
from fibcore.contracts import slots
from fibcore.registry import registry


@pytest.mark.parametrize("entry", registry().entries(), ids=lambda e: e.identifier)
def test_every_installed_plugin_keeps_the_contract(entry):
    assert check_plugin(entry.item) == []


def test_check_plugin_reports_what_is_wrong():
    class Sloppy(Trainable, LabelMetric):
        name: ClassVar[str] = "Sloppy Metric"
        apply_params: ClassVar[frozenset[str]] = frozenset({"nothing"})

        size: int = Field(default=1)

        def measure(self, prediction: Labels, extra: Labels) -> Table: ...

    found = "\n".join(check_plugin(Sloppy))
    assert "lower case" in found
    assert "no docstring" in found
    assert "apply_params has unknown parameters: nothing" in found
    assert "measure does not take `context`" in found
    assert "requires 'extra'" in found
    assert "has no method 'fit'" in found
    assert "parameter size of Sloppy has no description" in found


class Brightness(Metric):
    """Compares images with others."""

    name: ClassVar[str] = "brightness"

    def measure(
        self, images: Images, reference: Images, context: Context | None = None
    ) -> Table: ...


class Agreement(Metric):
    """Compares labels with a truth, without the help of `LabelMetric`."""

    name: ClassVar[str] = "agreement"

    def measure(
        self, prediction: Labels, truth: Labels | None = None, context: Context | None = None
    ) -> Table:
        return Table.from_rows([{"same": bool(truth is not None and truth is prediction)}])


def test_a_metric_names_its_inputs():
    assert check_plugin(Brightness) == []
    assert all(slot.required for slot in slots(Brightness, "measure").values())


def test_a_metric_that_derives_from_metric_may_compare_labels_with_a_truth():
    labels = example_inputs()["labels"]
    assert check_plugin(Agreement) == []
    assert [slot.required for slot in slots(Agreement, "measure").values()] == [True, False]
    assert Agreement().measure(labels, labels)["same"][0]


def test_check_plugin_compares_signatures_with_those_of_the_kind():
    class Misspelt(LabelMetric):
        """Compares with a truth."""

        name: ClassVar[str] = "misspelt"

        def measure(  # type: ignore[override]
            self, predicted: Labels, truth: Labels, context: Context | None = None
        ) -> Table: ...

    class Blind(Metric):
        """Compares nothing."""

        name: ClassVar[str] = "blind"

        def measure(self, context: Context | None = None) -> Table: ...

    class Translator(Adapter):
        """Takes labels."""

        name: ClassVar[str] = "translator"

        def transform(  # type: ignore[override]
            self, images: Labels, context: Context | None = None
        ) -> Labels: ...

    class Learner(Trainable, Adapter):
        """Returns another than itself."""

        name: ClassVar[str] = "learner"

        def transform(self, images: Images, context: Context | None = None) -> Images: ...

        def fit(self, images: Images, context: Context | None = None) -> Model: ...

    missing, needless = check_plugin(Misspelt)
    assert "does not take 'prediction', as LabelMetric does" in missing
    assert "requires 'predicted', which LabelMetric does not" in needless
    assert "has no inputs" in check_plugin(Blind)[0]
    takes, returns = check_plugin(Translator)
    assert "takes labels as 'images', not images, as Adapter does" in takes
    assert "returns labels, not images, as Adapter does" in returns
    assert "fit must return the plugin itself" in check_plugin(Learner)[0]


def test_check_plugin_refuses_what_is_no_plugin_and_what_is_abstract():
    class Unfinished(Physics):
        """Has no law yet."""

        name: ClassVar[str] = "unfinished"

    assert "does not derive" in check_plugin(int)[0]  # type: ignore[arg-type]
    assert "does not implement coefficient" in check_plugin(Unfinished)[0]


def test_check_plugin_notices_parameters_that_do_not_survive_json():
    class Forgets(Adapter):
        """Writes another value than it read."""

        name: ClassVar[str] = "forgets"
        size: int = Field(default=1, description="edge")

        def transform(self, images: Images, context: Context | None = None) -> Images:
            return images

        def model_dump(self, **options: Any) -> dict[str, Any]:
            return {"size": self.size + 1}

    class Explodes(Forgets):
        """Cannot be made."""

        def model_post_init(self, context: Any) -> None:
            raise KeyError("x")

    assert "change when converted to JSON" in check_plugin(Forgets)[0]
    assert "raises KeyError" in check_plugin(Explodes)[0]


def test_example_inputs_are_small_and_fit_together():
    inputs = example_inputs()
    assert inputs["labels"].shape == inputs["images"].shape
    assert np.corrcoef(inputs["labels"].data.ravel(), inputs["images"].data.ravel())[0, 1] > 0.9
