"""Validate the Monte Carlo and write docs/explanation/validation.md with its pictures.

``python -m benchmarks.validation``, or ``make validation``. With names of sections only these are
computed, and with ``--quick`` a tenth of the electrons are followed; both need another ``--out``.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fibcore

from ..pages import EXPLANATION, front_matter, machine, versions, write
from . import (
    bulk,
    convergence,
    deviations,
    gallery,
    geometry,
    models,
    overlayer,
    secondary,
    spectra,
    surrogate,
    symmetry,
)
from .page import Check, Section, checks_table
from .simulations import Bench

PAGE = EXPLANATION / "validation.md"

SECTIONS: dict[str, Callable[[Bench], Section]] = {
    "gallery": gallery.section,
    "bulk": bulk.section,
    "overlayer": overlayer.section,
    "spectra": spectra.section,
    "secondary": secondary.section,
    "models": models.section,
    "convergence": convergence.section,
    "geometry": geometry.section,
    "symmetry": symmetry.section,
    "surrogate": surrogate.section,
}

HEAD = front_matter(
    "Validation of the Monte Carlo",
    """
This page compares `simulator/monte_carlo` with measurements, with a second implementation, and with
itself, and `simulator/surrogate` with `simulator/monte_carlo`.
""",
    "validation",
    "half an hour on two cores",
)

ABOUT = """
**The engine** is the code of `simulator/monte_carlo` and `physics/monte_carlo_table`: single
precision, compact tables, exact ranges. **The oracle** is `fib_plugins.electrons.reference`: the
same physics as in a textbook, in double precision and without the engine's optimisations; its
tests compare it with closed forms of transport theory. Errors given as ± are standard errors,
and so is the unit \N{GREEK SMALL LETTER SIGMA}; bars in figures show two standard errors.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sections", nargs="*", metavar="section", help=", ".join(SECTIONS))
    parser.add_argument("--quick", action="store_true", help="follow a tenth of the electrons")
    parser.add_argument("--out", type=Path, default=PAGE, help="the page; pictures go beside it")
    options = parser.parse_args()
    if unknown := set(options.sections) - set(SECTIONS):
        sys.exit(f"no section {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
    if options.out.suffix != ".md":
        sys.exit(f"--out {options.out}: give the page a name that ends in .md")
    if (options.sections or options.quick) and options.out == PAGE:
        sys.exit("only a full run writes the page of the documentation; give --out")

    bench = Bench(options.out.with_suffix(""), options.quick)
    for stale in bench.pictures.glob("*.png"):
        stale.unlink()
    start = time.perf_counter()
    sections = []
    for name in options.sections or SECTIONS:
        begin = time.perf_counter()
        sections.append(SECTIONS[name](bench))
        print(f"{name:<12}{time.perf_counter() - begin:>7.0f} s", flush=True)
    if not options.sections:
        facts: dict[str, Any] = {}
        for section in sections:
            facts |= section.facts
        sections.append(deviations.section(facts))
    checks = [check for section in sections for check in section.checks]
    minutes = (time.perf_counter() - start) / 60
    found = (section.markdown for section in sections)
    write(options.out, [HEAD, ABOUT, _at_a_glance(checks), *found, _made(minutes, bench)])
    missed = [check.what for check in checks if not check.passed]
    print(f"{options.out} in {minutes:.1f} min; {len(missed)} missed: {missed}")


def _at_a_glance(checks: list[Check]) -> str:
    met = sum(check.passed for check in checks)
    return f"## At a glance\n\n{met} of {len(checks)} met.\n\n{checks_table(checks)}"


def _made(minutes: float, bench: Bench) -> str:
    quick = " with a tenth of the electrons (`--quick`)" if bench.quick else ""
    return (
        f"## How this page was made\n\nBy `make validation`{quick}, in {minutes:.0f} minutes on "
        f"{machine()}: fib {fibcore.__version__}, {versions('numpy', 'numba', 'scipy', 'torch')}. "
        f"Numbers of electrons are given with each figure. "
        f"`python -m benchmarks.validation --quick --out trial.md` follows a tenth of them. "
        f"Random numbers are seeded: the same versions give the same page, except for this "
        f"paragraph."
    )


if __name__ == "__main__":
    main()
