"""Translations that are wrong about their labels are caught, and good ones pass."""

import logging
from collections.abc import Callable

import numpy as np
import pytest

from fib_plugins.adapters.cyclegan import CycleGAN
from fibcore import Context, FibError, Images, Labels

ByHand = Callable[..., CycleGAN]

WRONG = [
    ({"gain": -1.0}, "phases are inverted"),
    ({"gain": -0.4, "noise": 0.2}, "phases are inverted"),
    ({"shift": (0, 3)}, "edges have moved"),
    ({"shift": (2, -2), "noise": 0.1}, "edges have moved"),
    ({"gain": 0.05, "noise": 1.0}, "structure was lost"),
]


@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize(("weights", "problem"), WRONG)
def test_a_translation_that_does_not_keep_its_labels_fails(
    by_hand: ByHand, source: Images, structure: Labels, labelled: bool,
    weights: dict[str, object], problem: str,
) -> None:  # fmt: skip
    with pytest.raises(FibError, match=f"does not keep its labels: .*{problem}") as raised:
        by_hand(**weights).transform(source, Context(1), labels=structure if labelled else None)
    advice = str(raised.value)
    assert "Set structure_weight of adapter/cyclegan to 1" in advice
    assert "set on_label_change to 'warn'" in advice


def test_one_can_go_on_all_the_same(
    by_hand: ByHand, source: Images, structure: Labels, caplog: pytest.LogCaptureFixture
) -> None:
    inverting = by_hand({"on_label_change": "warn"}, gain=-1.0)
    with caplog.at_level(logging.WARNING):
        made = inverting.transform(source, Context(1), labels=structure)
    assert "does not keep its labels: phases are inverted" in caplog.text
    assert np.corrcoef(made.data.ravel(), structure.data.ravel())[0, 1] < -0.9


@pytest.mark.parametrize(
    "weights", [{}, {"noise": 0.2}, {"gain": 0.5, "noise": 0.1}, {"gain": 1.3}]
)
@pytest.mark.parametrize("labelled", [True, False])
def test_a_translation_that_changes_contrast_and_noise_passes(
    by_hand: ByHand, source: Images, structure: Labels, labelled: bool,
    weights: dict[str, float], caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    with caplog.at_level(logging.WARNING):
        made = by_hand(**weights).transform(
            source, Context(1), labels=structure if labelled else None
        )
    assert caplog.text == ""
    assert np.corrcoef(made.data.ravel(), structure.data.ravel())[0, 1] > 0.6


def test_labels_of_another_volume_are_refused(
    by_hand: ByHand, source: Images, structure: Labels
) -> None:
    with pytest.raises(FibError, match="must show the same volume"):
        by_hand().transform(source, labels=structure.cut({"z": (0, 0.5)}))
