"""First contact: what README and index tell people to do, in fresh environments."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest
from processes import outside_make

from fibcore import __version__

ROOT = Path(__file__).parents[2]
SOURCES = ("fibcore", "plugins", "pyproject.toml", "setup.py", "README.md", "LICENSE",
           "constraints.txt", "Makefile")  # fmt: skip
IGNORED = shutil.ignore_patterns("__pycache__", "*.egg-info")
DEPENDENCIES = Path(sysconfig.get_path("purelib"))

PIPELINE = {
    "version": 1,
    "name": "tiny",
    "seed": 1,
    "steps": [
        {
            "id": "gold",
            "run": "generator/leveled_wave",
            "params": {
                "shape": [8, 24, 24], "voxel_size_nm": 4.0, "ligament_diameter_nm": 20,
                "solid_fraction": 0.4, "waves": 100,
            },
        },
        {
            "id": "sem",
            "run": "simulator/weighted_projection",
            "inputs": {"labels": "gold"},
            "params": {"energies_kev": [1], "slices": 4},
        },
        {"id": "solid", "run": "segmenter/threshold", "inputs": {"images": "sem"}},
        {"id": "shape", "run": "metric/anisotropy", "inputs": {"prediction": "solid"}},
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """The source of fib as somebody has fetched it."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=IGNORED)
        else:
            shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture(scope="module")
def dist(checkout):
    """What `make dist` leaves; setuptools is not fetched for it, but that of the tests taken."""
    recipe = subprocess.run(
        ["make", "-n", "dist", "VENV=none"],
        cwd=checkout,
        env=outside_make(),  # which would print the folders that it enters
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert recipe[-2:] == ["rm -rf dist", "none/bin/python -m build"]
    run(sys.executable, "-m", "build", "--no-isolation", cwd=checkout)
    return checkout / "dist"


class Environment:
    """A fresh environment with all that fib needs but fib, and an empty folder elsewhere."""

    def __init__(self, folder: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
        self.bin = folder / "venv" / "bin"
        self.elsewhere = folder / "elsewhere"
        self.elsewhere.mkdir()
        others = folder / "others"
        others.mkdir()
        for path in DEPENDENCIES.iterdir():
            if not path.name.startswith(("fibtomo", "__editable__")):
                (others / path.name).symlink_to(path)
        (site,) = (folder / "venv").glob("lib/python*/site-packages")
        (site / "others.pth").write_text(f"{others}\n")

    def python(self, *arguments: str, cwd: Path | None = None, **variables: str) -> str:
        return run(self.bin / "python", *arguments, cwd=cwd or self.elsewhere, **variables)

    def install(self, what: Path) -> None:
        options = ("--quiet", "--no-index", "--no-build-isolation", "--disable-pip-version-check")
        self.python("-m", "pip", "install", *options, str(what))

    def fib(self, *arguments: str) -> str:
        return run(self.bin / "fib", *arguments, cwd=self.elsewhere)


def run(program: str | Path, *arguments: str, cwd: Path, **variables: str) -> str:
    """Run a program without this one's environment; return what it printed."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    done = subprocess.run(
        [program, *arguments], cwd=cwd, env={**kept, "COLUMNS": "160", **variables},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture
def environment(tmp_path):
    return Environment(tmp_path)


def test_a_wheel_built_by_make_dist_is_installed_and_runs_outside_the_checkout(dist, environment):
    environment.install(dist / f"fibtomo-{__version__}-py3-none-any.whl")  # as the pages name it
    assert environment.fib("--version") == f"fib {__version__}\n"
    assert "segmenter/unet" in environment.fib("plugins", "list")
    assert "wrote quickstart.json" in environment.fib("init", "quickstart")
    assert "no problems" in environment.fib("check", "quickstart.json")
    (environment.elsewhere / "tiny.json").write_text(json.dumps(PIPELINE))
    assert "e_tpcf" in environment.fib("run", "tiny.json")
    (report,) = environment.elsewhere.glob("runs/tiny/*/report.html")
    assert "shape" in report.read_text()
    where = environment.python("-c", "import fibcore, fib_plugins; print(fibcore.__path__)")
    assert "site-packages/fibcore" in where


def test_the_source_is_installed_by_pip_install_dot(checkout, environment):
    environment.install(checkout)
    assert environment.fib("--version") == f"fib {__version__}\n"
    assert "metric/morphology" in environment.fib("plugins", "list")


def test_wheel_and_source_distribution_hold_every_file_of_the_packages(checkout, dist):
    wanted = {
        path.relative_to(checkout).as_posix()
        for package in ("fibcore", "plugins")
        for path in (checkout / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert len(wanted) > 200
    (wheel,) = dist.glob("*.whl")
    installed = {f"fib_{name}" if name.startswith("plugins/") else name for name in wanted}
    assert not installed - set(zipfile.ZipFile(wheel).namelist())
    (source,) = dist.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert not wanted - names


def test_make_installs_without_a_word_of_its_tools(checkout, tmp_path, environment):
    offline = {"PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0"}
    said = run("make", "install", f"VENV={environment.bin.parent}", cwd=checkout, **offline)
    python = environment.bin / "python"
    assert all(line.startswith(f"{python} ") for line in said.splitlines()), said
    assert environment.fib("--version") == f"fib {__version__}\n"


@pytest.mark.parametrize("page", ["README.md", "docs/index.md"])
def test_pages_say_first_what_works_before_the_first_release(page):
    text = (ROOT / page).read_text()
    works, wheel, later = (
        text.index(line)
        for line in ("$ pip install .\n", "$ pip install dist/fibtomo-", "pip install fibtomo\n")
    )
    assert works < wheel < later
    assert "first release" in text[wheel:later]
