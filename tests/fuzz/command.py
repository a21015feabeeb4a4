"""The command line that the fuzzing scripts share."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from tests.fuzz.harness import Outcome, failures, summary


def run_from_command_line(
    check: Callable[[int, int, int], list[Outcome]], description: str | None, what: str
) -> int:
    """Judge cases as the command line says; return 1 where one has failed.

    Args:
        check: takes the number of cases, the seed and the number of workers.
        description: what the script does.
        what: what the cases are, in the plural.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--count", type=int, default=5000, help=f"number of {what}")
    parser.add_argument("--seed", type=int, default=1, help=f"which {what}")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    given = parser.parse_args()
    outcomes = check(given.count, given.seed, given.workers)
    print(summary(outcomes))
    return 1 if failures(outcomes) else 0
