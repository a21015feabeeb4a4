"""Machine code that is kept: current, and never a reason to fail."""

import json
import os
import sys

import pytest
from restricted import make_read_only, run_restricted

LOOP = """
import json
import numpy as np
from fib_plugins.compiled import compiled
from .parts import add

@compiled
def total(values):
    sum = 0.0
    for i in range(len(values)):
        sum = add(sum, values[i])
    return sum

def show():
    found = total(np.ones(3))
    print(json.dumps({"total": found, "loaded": sum(total.stats.cache_hits.values())}))
"""
PARTS = """
from fib_plugins.compiled import compiled
from loops.numbers import WEIGHT

@compiled(forceinline=True)
def add(sum, value):
    return sum + WEIGHT * value
"""
FILES = {"__init__.py": "", "loop.py": LOOP, "parts.py": PARTS, "numbers.py": "WEIGHT = 1.0\n"}


class Loops:
    """A package with a compiled function, run in processes of its own."""

    def __init__(self, folder):
        self.folder = folder / "site" / "loops"
        self.elsewhere = folder / "elsewhere"
        self.folder.mkdir(parents=True)
        self.elsewhere.mkdir()
        for name, text in FILES.items():
            (self.folder / name).write_text(text)
        self.environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(self.folder.parent), *filter(None, sys.path)]),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        for name in ("NUMBA_CACHE_DIR", "MPLCONFIGDIR"):
            self.environment.pop(name, None)

    def run(self, before=""):
        done = run_restricted(
            ["-c", f"{before}\nfrom loops.loop import show\nshow()"],
            self.elsewhere,
            self.environment,
        )
        assert done.returncode == 0, done.stderr
        return {**json.loads(done.stdout), "warnings": done.stderr}

    def live_in(self, home, temporary):
        self.environment |= {"HOME": str(home), "TMPDIR": str(temporary)}
        for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
            self.environment.pop(name, None)

    def kept(self, ending):
        return list(self.folder.rglob(f"*.{ending}"))


@pytest.fixture
def loops(tmp_path):
    return Loops(tmp_path)


CHANGES = [  # of an inlined function, a constant of a constant's file, and its own file
    ("parts.py", "sum + WEIGHT", "sum - WEIGHT", -3.0),
    ("numbers.py", "1.0", "2.0", -6.0),
    ("loop.py", "sum = 0.0", "sum = 5.0", -1.0),
]


def test_a_change_anywhere_is_noticed_even_if_sizes_and_times_are_the_same(loops):
    loops.run()
    for file, old, new, expected in CHANGES:
        path = loops.folder / file
        status = path.stat()
        path.write_text(path.read_text().replace(old, new))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        assert path.stat().st_size == status.st_size
        assert loops.run() == {"total": expected, "loaded": 0, "warnings": ""}, file
    assert loops.run()["loaded"] == 1


def test_what_was_compiled_is_loaded_by_the_next_process_unless_what_is_compiled_in_changes(loops):
    (loops.folder / "other.py").write_text("THIS = 1\n")
    assert loops.run() == {"total": 3.0, "loaded": 0, "warnings": ""}
    assert loops.kept("nbc")
    (loops.folder / "other.py").write_text("THIS = 2\n")
    assert loops.run() == {"total": 3.0, "loaded": 1, "warnings": ""}


@pytest.mark.parametrize("ending", ["nbi", "nbc"])
def test_what_is_damaged_is_compiled_again_and_mended(loops, ending):
    loops.run()
    for content in (b"", b"\x80\x04garbage"):
        for path in loops.kept(ending):
            path.write_bytes(content)
        assert loops.run() == {"total": 3.0, "loaded": 0, "warnings": ""}
        assert loops.run()["loaded"] == 1


def test_where_nothing_more_can_be_written_functions_work_and_one_warning_states_what_to_do(loops):
    """A limit of file sizes, since a full disk is not to be had without privileges."""
    full = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))"
    for _ in range(2):
        found = loops.run(full)
        assert (found["total"], found["loaded"]) == (3.0, 0)
        (line,) = found["warnings"].splitlines()
        assert line.startswith("compiled functions cannot be cached (File too large: ")
        assert "NUMBA_CACHE_DIR" in line
    assert not loops.kept("nbc")


def test_where_no_folder_can_be_written_functions_work(loops):
    """Which takes a system without temporary files, so Numba is told to look nowhere."""
    found = loops.run("from numba.core import caching\ncaching.CacheImpl._locator_classes = []")
    assert (found["total"], found["loaded"]) == (3.0, 0)
    assert found["warnings"].count("no folder for them can be written") == 1


@pytest.fixture
def closed(tmp_path):
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o500)
    return folder


@pytest.mark.parametrize("home", ["", "missing"])
def test_beside_sources_and_a_home_that_cannot_be_written_temporary_files_keep_it(
    loops, closed, tmp_path, home
):
    make_read_only(loops.folder)
    (tmp_path / "temporary").mkdir()
    loops.live_in(closed / home, tmp_path / "temporary")
    assert loops.run() == {"total": 3.0, "loaded": 0, "warnings": ""}
    assert loops.run() == {"total": 3.0, "loaded": 1, "warnings": ""}
    (folder,) = (tmp_path / "temporary").iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700


def test_code_that_somebody_else_could_have_put_among_temporary_files_is_not_run(
    loops, closed, tmp_path
):
    make_read_only(loops.folder)
    folder = tmp_path / "temporary" / f"fib-{os.getuid()}"
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    loops.live_in(closed, folder.parent)
    assert loops.run()["loaded"] == 0
    assert loops.run() == {"total": 3.0, "loaded": 0, "warnings": ""}
    assert list(folder.parent.iterdir()) == [folder]
    assert not list(folder.iterdir())
