import sys

import pytest

from tests.fuzz import pipelines
from tests.fuzz.harness import failures, summary

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")


def test_no_changed_pipeline_ends_in_anything_but_a_result_or_a_message() -> None:
    outcomes = pipelines.check(250, seed=7, workers=1)
    assert not failures(outcomes), summary(outcomes)
    kinds = {outcome.kind for outcome in outcomes}
    assert kinds == {"accepted", "refused"}
    assert {outcome.text for outcome in outcomes if outcome.kind == "accepted"} >= {"run"}


def test_the_same_number_is_the_same_pipeline() -> None:
    assert pipelines.mutant(11) == pipelines.mutant(11)
    assert len({pipelines.mutant(case) for case in range(50)}) == 50
