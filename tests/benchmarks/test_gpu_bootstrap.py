"""How the checkout is made importable on a machine without a network."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import zipfile

import pytest

from benchmarks.gpu import bootstrap
from benchmarks.gpu.bootstrap import Wheel, chosen_wheels, install, link_checkout, meets, wheels_in
from benchmarks.gpu.wheels import THERE, lacking, versions


@pytest.fixture
def wheel(tmp_path):
    """Function that writes a wheel with one module into ``tmp_path / "wheels"``."""
    folder = tmp_path / "wheels"
    folder.mkdir()

    def make(name, version, requires=(), tag="py3-none-any", module=None):
        path = folder / f"{name}-{version}-{tag}.whl"
        lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
        lines += [f"Requires-Dist: {line}" for line in requires]
        info = f"{name}-{version}.dist-info"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(module or f"{name}.py", f"version = {version!r}\n")
            archive.writestr(f"{info}/METADATA", "\n".join(lines) + "\n")
            tags = f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n"
            archive.writestr(f"{info}/WHEEL", tags)
            archive.writestr(f"{info}/RECORD", "")
        return Wheel(path)

    return make


@pytest.mark.parametrize(
    ("version", "conditions", "met"),
    [
        ("2.13.0", ">=2.4", True),
        ("2.13.0+cu130", ">=2.13.0", True),
        ("2.4", ">=2.4.0", True),
        ("1.26.4", ">=1.26,<3", True),
        ("3.0.1", ">=1.26,<3", False),
        ("2.50.5", "==2.50.4", False),
        ("2.50.4", "==2.50.4", True),
        ("2024.8.30", ">=2024.12.12", False),
        ("1.5.1", "!=1.5.*", False),
        ("1.4.9", "~=1.4.2", True),
        ("1.5.0", "~=1.4.2", False),
        ("0.20", "", True),
    ],
)
def test_versions_are_compared_by_their_numbers(version, conditions, met):
    assert meets(version, conditions) is met


def test_wheels_are_taken_for_what_is_missing_or_too_old_and_for_what_these_need(wheel):
    here = {"numpy": "2.5", "old": "0.9", "core": "1.1", "typing-extensions": "4.16"}
    at_hand = {
        made.name: made
        for made in (
            wheel("numpy", "1.26"),
            wheel(
                "Missing_One", "1.0", ["core==1.2", "typing-extensions>=4.15", "x; extra == 'y'"]
            ),
            wheel("core", "1.2"),
            wheel("typing_extensions", "4.17"),
            wheel("old", "1.5"),
        )
    }
    needed = ["numpy>=1.26", "missing-one>=1", "old>=1.0", "nowhere>=3"]
    taken, unmet = chosen_wheels(needed, at_hand, here.get)
    assert sorted(made.name for made in taken) == ["core", "missing-one", "old"]
    assert unmet == ["nowhere>=3"]


def test_wheels_for_another_python_are_no_help(wheel, tmp_path):
    own = f"cp{sys.version_info.major}{sys.version_info.minor}"
    wheel("any", "1.0")
    wheel("both", "1.0", tag="py2.py3-none-any")
    wheel("own", "1.0", tag=f"{own}-{own}-manylinux_2_17_x86_64")
    wheel("stable", "1.0", tag="cp39-abi3-manylinux_2_17_x86_64")
    wheel("other", "1.0", tag="cp38-cp38-manylinux_2_17_x86_64")
    assert sorted(wheels_in(tmp_path / "wheels")) == ["any", "both", "own", "stable"]


@pytest.mark.parametrize("pip", [True, False])
def test_wheels_are_installed_with_and_without_pip(pip, wheel, tmp_path, monkeypatch):
    made = [wheel("one", "1.0"), wheel("two", "2.0", module="two-2.0.data/purelib/two.py")]
    python = sys.executable
    if not pip:
        monkeypatch.setattr(bootstrap.sys, "executable", "false")  # a program that fails
    assert install(made, tmp_path / "site") == ("pip" if pip else "unpacking")
    code = "import one, two; print(one.version, two.version)"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    done = subprocess.run(
        [python, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["1.0", "2.0"]


def test_links_stand_for_an_installation_of_the_checkout(tmp_path):
    folder = tmp_path / "checkout"
    link_checkout(folder)
    (distribution,) = importlib.metadata.distributions(path=[str(folder)])
    assert distribution.metadata["Name"] == "fibtomo"
    assert distribution.version == bootstrap.version()
    assert any(line.startswith("torch") for line in distribution.requires or [])
    (plugins,) = distribution.entry_points.select(group="fib.plugins")
    assert plugins.value == "fib_plugins"
    code = (
        "import fibcore, fib_plugins, benchmarks.gpu.parts;"
        "from fibcore.registry import registry;"
        "registry().plugin('segmenter/unet');"
        "print(fibcore.__file__, fib_plugins.__file__)"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], env={**os.environ, "PYTHONPATH": str(folder)},
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert all(path.startswith(str(folder)) for path in done.stdout.split())


def test_the_commit_is_read_from_files_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    assert bootstrap.commit() is None
    git = tmp_path / ".git"
    (git / "refs" / "heads").mkdir(parents=True)
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    (git / "packed-refs").write_text("# pack-refs\nabc123 refs/heads/main\n")
    assert bootstrap.commit() == "abc123"
    (git / "refs" / "heads" / "main").write_text("def456\n")
    assert bootstrap.commit() == "def456"
    (git / "HEAD").write_text("789abc\n")
    assert bootstrap.commit() == "789abc"


def test_the_wheels_to_fetch_are_those_of_what_a_gpu_machine_lacks():
    names = lacking(THERE, "3.12")
    assert {"pydantic", "pydantic-core", "annotated-types", "monai", "entrypoints"} <= set(names)
    assert not {"torch", "numpy", "numba", "lightning"} & set(names), "large, and there"
    assert set(names) <= versions().keys()
    everything = lacking([], "3.12")
    assert {"torch", "numpy", "sympy", *names} <= set(everything)
