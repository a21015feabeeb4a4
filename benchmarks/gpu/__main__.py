"""The command: ``python -m benchmarks.gpu`` in the checkout, or benchmarks/gpu/start.py.

Nothing is installed permanently. Returns 0 if all parts have finished and all checks have passed,
or if there is no GPU; otherwise 1.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from . import bootstrap
from .machine import cpu, gpus
from .parts import PARTS, Part, chosen
from .record import Record
from .running import run_parts

SIMULATOR = {
    "NUMBA_ENABLE_CUDASIM": "1",
    "NUMBA_DISABLE_JIT": "1",
    "PYTHONWARNINGS": "ignore::RuntimeWarning",  # random numbers overflow on purpose
}


def prepared(wheels: Path, folder: Path) -> dict[str, str]:
    """Make a folder from which parts can be run; return their environment.

    Raises:
        SystemExit: a requirement is not met by any wheel.
    """
    needed = bootstrap.project()["project"]["dependencies"]
    at_hand = bootstrap.wheels_in(wheels)
    taken, unmet = bootstrap.chosen_wheels(needed, at_hand)
    if unmet:
        sys.exit(
            f"missing: {', '.join(unmet)}. `make gpu-wheels` on a machine with a network fetches "
            f"wheels; {wheels} has {', '.join(at_hand) or 'none'} for this Python"
        )
    by = bootstrap.install(taken, folder / "wheels")
    bootstrap.link_checkout(folder / "checkout")
    names = ", ".join(wheel.path.name for wheel in taken)
    print(f"from wheels (by {by}): {names}" if taken else "nothing is missing, no wheels are used")
    return with_toolkit(bootstrap.environment(folder))


def with_toolkit(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which Numba finds the CUDA toolkit of the compiler on the path."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/cuda/bin"])
    if compiler := shutil.which("nvcc", path=path):
        return {"CUDA_HOME": str(Path(compiler).resolve().parents[1]), **environment}
    return dict(environment)


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Measure everything on an NVIDIA GPU.", prog="start.py"
    )
    root = bootstrap.ROOT
    parser.add_argument(
        "--wheels", type=Path, default=root / "build" / "gpu-wheels", help="folder of wheels"
    )
    parser.add_argument("--out", type=Path, help="folder for gpu.md and gpu.json; default: docs/")
    parser.add_argument(
        "--parts", default="", help=f"some of {', '.join(p.name for p in PARTS)}; default: all"
    )
    parser.add_argument("--budget", type=float, default=1.0, help="factor of all time budgets")
    parser.add_argument("--dry", action="store_true", help="tiny sizes, on the CPU")
    args = parser.parse_args()
    try:
        parts = chosen(args.parts)
    except ValueError as error:
        parser.error(str(error))
    out = args.out or root / ("build/gpu-dry" if args.dry else "docs")
    if args.dry and (root / "docs") in (out.resolve(), *out.resolve().parents):
        parser.error("a dry run writes nothing into docs/: give --out another folder")
    found = gpus()
    if not args.dry and not found:
        print("no NVIDIA GPU here: nothing was measured, and nothing written")
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("asked to end"))
    with tempfile.TemporaryDirectory(prefix="fib-gpu-", ignore_cleanup_errors=True) as name:
        record = Record(out, bootstrap.version(), bootstrap.commit(), args.dry)
        record.machine = {} if args.dry else {"GPU": ", ".join(found)}
        record.machine |= {"CPU": cpu(), "Python": platform.python_version()}
        measure(parts, record, args.wheels, Path(name), args.budget)
    print(f"\nwrote {out / 'gpu.md'} and {out / 'gpu.json'}")
    if problems := record.problems():
        sys.exit("\n".join(["", *problems]))


def measure(
    parts: Sequence[Part], record: Record, wheels: Path, folder: Path, factor: float
) -> None:
    """Run parts from a temporary folder, each in a separate process."""
    environment = prepared(wheels, folder)

    def command(part: Part, messages: Path, until: float) -> tuple[list[str], dict[str, str]]:
        line = [sys.executable, "-P", "-m", "benchmarks.gpu.part", part.name]
        line += ["--messages", str(messages), "--until", str(until)]
        if not record.dry:
            return line, environment
        return [*line, "--dry"], environment | (SIMULATOR if part.simulated else {})

    run_parts(parts, record, command, folder, factor)


if __name__ == "__main__":
    main()
