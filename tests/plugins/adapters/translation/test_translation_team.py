"""Translators trained by several processes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fib_plugins.adapters.cut import CUT
from fib_plugins.adapters.cyclegan import CycleGAN
from fib_plugins.adapters.translation.translator import Translator
from fibcore import Context, Images

pytestmark = pytest.mark.usefixtures("forked_helpers")

BOTH = pytest.mark.parametrize("cls", [CycleGAN, CUT])

Tiny = Callable[..., Translator]


class Interruption(Exception):
    pass


def trained(
    translator: Translator, source: Images, target: Images, **surroundings: Any
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return history and weights of a training."""
    context = Context(3, **surroundings)
    translator.fit(source, target, context=context)
    return context.kept["history"].columns, dict(translator.model.weights)


@BOTH
def test_two_processes_learn_what_one_does(
    tiny: Tiny, cls: type[Translator], source: Images, target: Images
) -> None:
    # Three patches a step, so that shares differ; a pool that is full after two of six steps.
    settings = {
        "batch_size": 3, "steps_per_epoch": 3, "epochs": 2, "pool_size": 5, "learning_rate": 1e-3,
    }  # fmt: skip
    history, weights = trained(tiny(cls, **settings), source, target)
    shared_history, shared = trained(tiny(cls, **settings, devices=2), source, target)
    for name in (name for name in history if name.endswith("loss")):
        np.testing.assert_allclose(shared_history[name], history[name], rtol=2e-3, err_msg=name)
    for name, array in weights.items():
        np.testing.assert_allclose(shared[name], array, atol=2e-3, err_msg=name)


def test_interrupted_training_by_two_goes_on_to_the_same_bytes(
    tiny: Tiny, source: Images, target: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fib_plugins.adapters.translation import training

    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)  # after each step

    def stop(what: str, done: float, total: float | None) -> None:
        if done == 6:  # in the second epoch
            raise Interruption

    settings = {
        "batch_size": 2, "steps_per_epoch": 4, "epochs": 3, "pool_size": 3, "devices": 2,
        "learning_rate": 1e-3,
    }  # fmt: skip
    history, weights = trained(tiny(CycleGAN, **settings), source, target)
    with pytest.raises(Interruption):
        trained(tiny(CycleGAN, **settings), source, target, scratch=tmp_path, report=stop)
    resumed_history, resumed = trained(tiny(CycleGAN, **settings), source, target, scratch=tmp_path)
    for name, column in history.items():
        np.testing.assert_array_equal(resumed_history[name], column, name)
    for name, array in weights.items():
        assert resumed[name].tobytes() == array.tobytes(), name


@BOTH
def test_a_step_has_a_patch_for_each_device(tiny: Tiny, cls: type[Translator]) -> None:
    with pytest.raises(ValueError, match="devices"):
        tiny(cls, batch_size=1, devices=2)
