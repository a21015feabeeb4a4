"""Warnings where the names of files contradict the voltage or the detector that is used."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from fib_plugins.readers.slices.detectors import detector_in
from fib_plugins.readers.slices.names import kv_in
from fib_plugins.readers.slices.order import Order
from fib_plugins.readers.stacks.calibration import differ


def warn_of_named_voltage(order: Order, kv: Sequence[float | None], warnings: list[str]) -> None:
    """Warn if the names of all files contain one voltage, and another is used."""
    named = {kv_in(file) for file in order.files}
    value = named.pop() if len(named) == 1 else None
    if value is None or len(kv) != 1 or kv[0] is None or not differ(value, kv[0]):
        return
    warnings.append(
        f"the names contain {value:g} kV ({order.files[0].name}), but {kv[0]:g} kV is used; set "
        f"kv to choose"
    )


def warn_of_named_detector(
    source: str | Path, order: Order, names: Sequence[str | None], warnings: list[str]
) -> None:
    """Warn if the names of files, or their folder, contain one detector, and another is used."""
    found = {detector_in(file.stem) for file in order.files}
    named, where = found.pop() if len(found) == 1 else None, order.files[0].name
    if named is None and not found:
        named, where = detector_in(os.fspath(source)), os.fspath(source)
    if named is None or len(names) != 1 or names[0] in (None, named):
        return
    warnings.append(
        f"the names contain the detector {named} ({where}), but {names[0]} is used; set detector "
        f"to choose"
    )
