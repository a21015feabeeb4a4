import sys

import pytest

from tests.fuzz.harness import failures, run_cases, summary
from tests.fuzz.misbehaving import judge

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")


def test_every_way_to_fail_is_told_from_the_others_and_does_not_stop_the_rest() -> None:
    outcomes = run_cases(judge, range(9), seconds=1.0, memory_bytes=256 << 20)
    kinds = [outcome.kind for outcome in outcomes]
    assert kinds == [
        "accepted", "refused", "raised", "memory", "hang", "died", "raised", "accepted", "accepted"
    ]  # fmt: skip
    assert [outcome.case for outcome in failures(outcomes)] == [2, 3, 4, 5, 6]
    assert "ZeroDivisionError: oops" in outcomes[2].text
    assert "exit code 7" in outcomes[5].text
    assert "3 accepted" in summary(outcomes)
    assert "case 4: hang" in summary(outcomes)
