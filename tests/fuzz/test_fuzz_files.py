import sys

import pytest

from tests.fuzz.files import FORMS, OTHERS, check, judge, mutant
from tests.fuzz.harness import failures, summary

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")


def test_damaged_files_are_read_or_refused_and_nothing_else() -> None:
    outcomes = check(count=1000, seed=3)
    assert not failures(outcomes), summary(outcomes)
    kinds = {outcome.kind for outcome in outcomes}
    assert kinds == {"accepted", "refused"}


def test_the_number_of_a_case_makes_it_again() -> None:
    assert mutant(17) == mutant(17)
    assert len({mutant(case)[1] for case in range(50)}) == 50


@pytest.mark.parametrize("form", [*FORMS, *OTHERS])
def test_every_form_is_sound_before_it_is_damaged(
    form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = form in ("labels", "bilevel", "png1")
    seed = next(case for case in range(1000) if case % 10 and _draws(case) == (labels, False))
    suffix, make = OTHERS.get(form, (".tif", FORMS.get(form)))
    monkeypatch.setattr("tests.fuzz.files.mutant", lambda case: (suffix, make()))
    assert judge(seed).startswith("a volume of")


def _draws(case: int) -> tuple[bool, bool]:
    """Return whether a case reads labels, and whether as one slice or without a voxel size."""
    import numpy as np

    first, second, third = np.random.default_rng([case, 1]).random(3)
    return first < 0.3, second < 0.2 or third < 0.3
