import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fibcore import FibError, Model
from fibcore.formats import read_model
from fibcore.registry import registry
from tests.fuzz import models
from tests.fuzz.harness import failures, summary

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")


def test_no_changed_model_ends_in_anything_but_a_result_or_a_message() -> None:
    outcomes = models.check(80, seed=7, workers=1)
    assert not failures(outcomes), summary(outcomes)
    refused = [outcome.text for outcome in outcomes if outcome.kind == "refused"]
    assert len(refused) > 30
    assert all("nothing was run" in text for text in refused if "problem" in text)
    done = [outcome.text for outcome in outcomes if outcome.kind == "accepted"]
    assert len(done) > 10


@pytest.fixture(scope="module")
def sound() -> dict[str, Model]:
    """A sound model of every plugin that learns something."""
    found = {
        path.stem: read_model(path) for path in sorted(models.sound_models().glob("*.safetensors"))
    }
    return {name: model for name, model in found.items() if name not in ("law", "source")}


NAMES = ["cut", "cyclegan", "forest", "histogram", "instrument", "lookup", "network", "unet"]


@pytest.mark.parametrize("name", NAMES)
def test_every_part_that_a_plugin_needs_of_its_model_is_missed(
    sound: dict[str, Model], name: str
) -> None:
    model = sound[name]
    plugin: Any = registry().plugin(model.plugin)
    assert plugin.from_model(model).fitted
    needed = [key for key, field in plugin.info_type.model_fields.items() if field.is_required()]
    assert needed or name == "instrument"
    for key in needed:
        for value in (None, [[]], -1.5, True, {"a": [1]}):
            with pytest.raises(FibError, match="info of the model"):
                plugin.from_model(replace(model, info={**model.info, key: value}))
        info = {other: value for other, value in model.info.items() if other != key}
        with pytest.raises(FibError, match=f"{key}: field required"):
            plugin.from_model(replace(model, info=info))
    for key, array in model.weights.items():
        rest = {other: value for other, value in model.weights.items() if other != key}
        with pytest.raises(FibError):
            plugin.from_model(replace(model, weights=rest))
        for other in (array[..., None], np.repeat(array, 2, axis=0), np.zeros(0, array.dtype)):
            with pytest.raises(FibError):
                plugin.from_model(replace(model, weights={**rest, key: other}))
        if array.dtype.kind == "f":
            nothing = np.full_like(array, np.nan)
            with pytest.raises(FibError, match=r"not finite numbers|forest"):
                plugin.from_model(replace(model, weights={**rest, key: nothing}))
    with pytest.raises(FibError, match=r"foreign weights|forest|table"):
        plugin.from_model(replace(model, weights={**model.weights, "evil": np.zeros(2)}))
