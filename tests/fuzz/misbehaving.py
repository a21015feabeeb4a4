"""A judge that does one thing of each kind, to try the harness with."""

from __future__ import annotations

import os
import sys
import time

from fibcore import FibError


def judge(case: int) -> str:
    """Accept, refuse, or fail in a way that the number of the case picks."""
    match case:
        case 1:
            raise FibError("no such thing; give another")
        case 2:
            raise ZeroDivisionError("oops")
        case 3:
            bytearray(2 << 30)
        case 4:
            time.sleep(60)
        case 5:
            os._exit(7)
        case 6:
            sys.exit(0)
    return "fine"
