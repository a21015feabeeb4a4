"""A package written from the template: installed beside fib, listed, run."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.fixture
def installed(shell):
    """A package made by `fib init plugin` and installed where fib finds it."""
    shell("init", "plugin", "my_materials")
    subprocess.run(
        [
            sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation",
            "--disable-pip-version-check", "--target", "site", "./my_materials",
        ],
        cwd=shell.folder, check=True, capture_output=True,
    )  # fmt: skip
    shell.environment["PYTHONPATH"] = str(shell.folder / "site")
    return shell


def test_a_package_from_the_template_is_listed_checked_and_runs(installed):
    out = installed("plugins", "list").out
    assert "generator/lamellae" in out
    assert "my_materials 0.1.0" in out
    assert "WC" in installed("materials").out
    assert "✓ metric/slice_porosity" in installed("plugins", "check").out
    assert "porosity_std" in installed("run", "my_materials/pipeline.json").out
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "my_materials/tests"],
        cwd=installed.folder, env=installed.environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_a_third_party_that_breaks_disturbs_nothing_and_is_named(installed):
    module = installed.folder / "site" / "my_materials" / "plugins.py"
    module.write_text("import not_there\n")
    out = installed("plugins", "list").out
    assert "segmenter/unet" in out
    assert "not usable: my_materials 0.1.0" in out
    assert "No module named 'not_there'" in out
    said = installed("check", "my_materials/pipeline.json", code=2).err
    assert "my_materials" in said
    assert "not_there" in said
    assert "No module named" in installed("plugins", "check", code=1).out
