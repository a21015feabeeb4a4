"""Make the package importable from the checkout, on a machine without a network.

Nothing is built, and nothing is written outside a temporary folder. Missing libraries are unpacked
from wheels. The package itself consists of links into the checkout, with the entry points declared
in ``pyproject.toml``. Only the standard library is used.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from email.parser import Parser
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

Version = tuple[int, ...]


@dataclass(frozen=True)
class Wheel:
    """A wheel in the folder of wheels."""

    path: Path

    @property
    def name(self) -> str:
        """Name of the distribution, normalised."""
        return normalised(self.path.name.split("-")[0])

    def fits(self) -> bool:
        """Return whether the running Python can use it."""
        python, abi = self.path.stem.split("-")[-3:-1]
        own = f"cp{sys.version_info.major}{sys.version_info.minor}"
        return abi == "abi3" or bool({"py3", own} & set(python.split(".")))

    def requirements(self) -> list[str]:
        """Return its requirements on all machines, that is those without a condition."""
        with zipfile.ZipFile(self.path) as archive:
            (metadata,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
            found = Parser().parsestr(archive.read(metadata).decode()).get_all("Requires-Dist", [])
        return [line for line in found if ";" not in line]

    def unpack(self, folder: Path) -> None:
        """Unpack it: a wheel is an archive of the files of the folder."""
        with zipfile.ZipFile(self.path) as archive:
            for member in archive.infolist():
                # libraries may also lie in a folder of data
                member.filename = re.sub(r"^[^/]+\.data/(pure|plat)lib/", "", member.filename)
                archive.extract(member, folder)


def normalised(name: str) -> str:
    """Return the name of a distribution in normalised form, for comparison."""
    return re.sub(r"[-_.]+", "-", name).lower()


def project() -> dict[str, Any]:
    """Return the content of ``pyproject.toml``."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def version() -> str:
    """Return the version of fib in the checkout."""
    text = (ROOT / "fibcore" / "version.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "(.+)"', text, re.MULTILINE)
    assert found is not None
    return found[1]


def installed(name: str) -> str | None:
    """Return the installed version of a distribution; None if it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def meets(version: str, conditions: str) -> bool:
    """Return whether a version meets conditions like ``>=1.2,<3``; only numbers are compared."""
    own = _numbers(version)
    for operator, bound in re.findall(r"(>=|<=|==|!=|~=|<|>)\s*([\w.*+!-]+)", conditions):
        limit = _numbers(bound)
        start = own[: len(limit)]
        fulfilled = {
            ">=": own >= limit,
            "<=": own <= limit,
            ">": own > limit,
            "<": own < limit,
            "==": start == limit if "*" in bound else own == limit,
            "!=": start != limit if "*" in bound else own != limit,
            "~=": own >= limit and own[: len(limit) - 1] == limit[:-1],
        }
        if not fulfilled[operator]:
            return False
    return True


def _numbers(version: str) -> Version:
    numbers = [int(n) for n in re.match(r"[\d.]*", version)[0].split(".") if n]  # type: ignore[index]
    while numbers and numbers[-1] == 0:
        numbers.pop()  # 2.0 is 2
    return tuple(numbers)


def chosen_wheels(
    requirements: Iterable[str],
    wheels: Mapping[str, Wheel],
    installed: Callable[[str], str | None] = installed,
) -> tuple[list[Wheel], list[str]]:
    """Return the wheels that are needed, and the requirements that are not met.

    Args:
        requirements: as in ``pyproject.toml``; packages that are installed in a suitable version
            are skipped.
        wheels: the available wheels, by name. Their requirements are needed, too.
        installed: returns the installed version of a package.
    """
    waiting = deque(requirements)
    taken: dict[str, Wheel] = {}
    unmet = []
    while waiting:
        requirement = waiting.popleft()
        name = normalised(re.match(r"[\w.-]+", requirement)[0])  # type: ignore[index]
        here = installed(name)
        if name in taken or (here is not None and meets(here, requirement)):
            continue
        if name in wheels:
            taken[name] = wheels[name]
            waiting.extend(wheels[name].requirements())
        else:
            unmet.append(requirement + ("" if here is None else f" (here is {here})"))
    return list(taken.values()), unmet


def wheels_in(folder: Path) -> dict[str, Wheel]:
    """Return the wheels of a folder that the running Python can use, by name."""
    wheels = (Wheel(path) for path in sorted(folder.glob("*.whl")))
    return {wheel.name: wheel for wheel in wheels if wheel.fits()}


def install(wheels: Sequence[Wheel], folder: Path) -> str:
    """Install wheels into a new folder, by pip or else by unpacking; return the method."""
    folder.mkdir()
    paths = [str(wheel.path.resolve()) for wheel in wheels]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
    command += ["--no-compile", "--disable-pip-version-check", "--target", str(folder), *paths]
    if not paths or subprocess.run(command, capture_output=True, check=False).returncode == 0:
        return "pip"
    for wheel in wheels:
        wheel.unpack(folder)
    return "unpacking"


def link_checkout(folder: Path) -> None:
    """Make a folder that acts as an installation of the checkout: links and metadata."""
    content = project()
    tool, own = content["tool"]["setuptools"], content["project"]
    folder.mkdir()
    for package, path in tool["package-dir"].items():
        (folder / package).symlink_to(ROOT / path)
    (folder / "benchmarks").symlink_to(ROOT / "benchmarks")
    metadata = folder / f"{own['name']}-{version()}.dist-info"
    metadata.mkdir()
    lines = ["Metadata-Version: 2.1", f"Name: {own['name']}", f"Version: {version()}"]
    lines += [f"Requires-Dist: {line}" for line in own["dependencies"]]
    (metadata / "METADATA").write_text("\n".join(lines) + "\n", encoding="utf-8")
    groups = {"console_scripts": own["scripts"], **own["entry-points"]}
    text = ""
    for group, points in groups.items():
        text += f"[{group}]\n" + "".join(f"{name} = {at}\n" for name, at in points.items())
    (metadata / "entry_points.txt").write_text(text, encoding="utf-8")


def commit() -> str | None:
    """Return the commit of the checkout, read without git; None if it is not known."""
    folder = ROOT / ".git"
    try:
        if folder.is_file():  # a further work tree
            folder = ROOT / folder.read_text(encoding="utf-8").removeprefix("gitdir:").strip()
        head = (folder / "HEAD").read_text(encoding="utf-8").strip()
        if not head.startswith("ref: "):
            return head
        common = folder / "commondir"
        if common.exists():
            folder = folder / common.read_text(encoding="utf-8").strip()
        name = head.removeprefix("ref: ")
        if (folder / name).exists():
            return (folder / name).read_text(encoding="utf-8").strip()
        packed = (folder / "packed-refs").read_text(encoding="utf-8")
        found = re.search(rf"^(\w+) {re.escape(name)}$", packed, re.MULTILINE)
    except OSError:
        return None
    return found[1] if found else None


def environment(folder: Path) -> dict[str, str]:
    """Return the environment of the parts: the two folders first, all caches in a third.

    All parts share one cache of Numba, so that later parts load code compiled by earlier ones.
    """
    path = [str(folder / "checkout"), str(folder / "wheels"), os.environ.get("PYTHONPATH", "")]
    for name in ("caches", "temporary"):
        (folder / name).mkdir()
    caches = folder / "caches"
    return {
        "GOMP_SPINCOUNT": "1000",  # as the command sets it
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, path)),
        "PYTHONUNBUFFERED": "1",
        "MPLBACKEND": "Agg",
        "MPLCONFIGDIR": str(caches / "matplotlib"),
        "NUMBA_CACHE_DIR": str(caches / "numba"),
        "TORCHINDUCTOR_CACHE_DIR": str(caches / "inductor"),
        "TRITON_CACHE_DIR": str(caches / "triton"),
        "CUDA_CACHE_PATH": str(caches / "cuda"),
        "TMPDIR": str(folder / "temporary"),
    }
