"""Fetch the wheels that a GPU machine without a network lacks: ``make gpu-wheels``.

Runs where fib is installed and pip has an index. Versions are those of ``constraints.txt``.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Collection
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from .bootstrap import ROOT, normalised, project

THERE = [
    "annotated-doc", "click", "cuda-bindings", "cuda-core", "cuda-toolkit", "filelock",
    "hypothesis", "jinja2", "lightning", "llvmlite", "markupsafe", "matplotlib", "numba",
    "numba-cuda", "numpy", "packaging", "pillow", "pip", "pluggy", "psutil", "pytest", "pytest-cov",
    "pytest-timeout", "pytest-xdist", "rich", "safetensors", "scikit-image", "scikit-learn",
    "scipy", "setuptools", "threadpoolctl", "tifffile", "torch", "typer", "typing-extensions",
    "wheel",
]  # fmt: skip
"""Distributions that such a machine already has, with their requirements."""

PLATFORMS = [f"manylinux_2_{n}_x86_64" for n in (35, 34, 31, 28, 27, 24, 17, 12, 5)]
PLATFORMS += ["manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64"]
"""Pip accepts wheels for exactly these platforms."""

MOST_MB = 60.0


def lacking(there: Collection[str], python: str) -> list[str]:
    """Return the sorted names of the distributions to copy.

    These are the missing requirements of fib, and their requirements. The latter are included even
    if the machine has them, unless fib requires them itself, since their versions are not known.

    Args:
        there: names of the distributions on the machine.
        python: its version of Python, for instance ``3.12``.
    """
    surroundings = {
        "extra": "", "python_version": python, "python_full_version": f"{python}.0",
        "sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64",
        "implementation_name": "cpython", "platform_python_implementation": "CPython",
        "os_name": "posix",
    }  # fmt: skip
    own = {normalised(Requirement(line).name) for line in project()["project"]["dependencies"]}
    waiting = deque(own - set(there))
    found: set[str] = set()
    while waiting:
        name = waiting.popleft()
        if name in found:
            continue
        found.add(name)
        for line in metadata.requires(name) or []:
            requirement = Requirement(line)
            needed = requirement.marker is None or requirement.marker.evaluate(surroundings)
            if needed and (other := normalised(requirement.name)) not in own.intersection(there):
                waiting.append(other)
    return sorted(found)


def versions() -> dict[str, str]:
    """Return the version of each distribution in ``constraints.txt``, by normalised name."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.split("==") for line in lines if "==" in line)
    return {normalised(name): version.strip() for name, version in pairs}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "gpu-wheels")
    parser.add_argument("--python", default="3.12", help="version of Python on that machine")
    args = parser.parse_args()
    known = versions()
    wanted = [f"{name}=={known[name]}" for name in lacking(THERE, args.python)]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary=:all:", "--implementation", "cp"]
    command += ["--python-version", args.python]
    command += [word for platform in PLATFORMS for word in ("--platform", platform)]
    args.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=args.out) as fetched:
        subprocess.run([*command, "--dest", fetched, *wanted], check=True)
        for old in args.out.glob("*.whl"):
            old.unlink()
        for wheel in Path(fetched).glob("*.whl"):
            wheel.rename(args.out / wheel.name)
    megabytes = {path.name: path.stat().st_size / 1e6 for path in sorted(args.out.glob("*.whl"))}
    for name, size in megabytes.items():
        print(f"{size:6.2f} MB  {name}")
    total = sum(megabytes.values())
    print(f"{total:6.2f} MB  in {args.out}")
    if total > MOST_MB:
        sys.exit(f"that is more than {MOST_MB:g} MB")


if __name__ == "__main__":
    main()
