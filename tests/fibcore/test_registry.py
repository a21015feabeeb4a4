from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import ClassVar

import pytest

import fibcore
from fibcore import Adapter, Context, FibError, Images, Material
from fibcore.registry import Registry, registry


def install(folder, distribution, entry_points, files, version="0.3"):
    """Lay out an installed distribution as pip would."""
    info = folder / f"{distribution}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Name: {distribution}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(entry_points)
    for name, text in files.items():
        (folder / name).write_text(text)


GOOD = """
from typing import ClassVar
import fibcore
from fibcore import Adapter, Context, Images

class Invert(Adapter):
    "Turns dark into bright."
    name: ClassVar[str] = "{name}"
    def transform(self, images: Images, context: Context | None = None) -> Images:
        return images.with_data(255 - images.data)

@fibcore.hookimpl
def fib_register_adapters(register):
    register(Invert)
"""


@pytest.fixture
def discover(tmp_path, monkeypatch):
    """A function that discovers what is installed in a folder."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def discover():
        found = Registry()
        found.discover([str(tmp_path)])
        return found

    yield discover
    for path in tmp_path.glob("*.py"):
        sys.modules.pop(path.stem, None)


def test_installed_plugins_are_found_with_their_distribution(tmp_path, discover):
    install(
        tmp_path,
        "negative",
        "[fib.plugins]\nneg = neg_one\n",
        {"neg_one.py": GOOD.format(name="neg")},
    )
    found = discover()
    (entry,) = found.entries("adapter")
    assert (entry.identifier, entry.distribution, entry.version) == (
        "adapter/neg",
        "negative",
        "0.3",
    )
    assert found.broken == []


def test_a_plugin_that_fails_to_import_is_reported_and_stops_nothing(tmp_path, discover):
    install(tmp_path, "bad", "[fib.plugins]\nbad = bad_one\n", {"bad_one.py": "import no_such"})
    install(
        tmp_path, "exits", "[fib.plugins]\nx = exits_one\n", {"exits_one.py": "raise SystemExit"}
    )
    install(
        tmp_path, "good", "[fib.plugins]\ng = good_one\n", {"good_one.py": GOOD.format(name="g")}
    )
    found = discover()
    assert [e.identifier for e in found.entries()] == ["adapter/g"]
    reasons = {b.distribution: b.reason for b in found.broken}
    assert "No module named 'no_such'" in reasons["bad"]
    assert "SystemExit" in reasons["exits"]
    with pytest.raises(FibError, match=r"bad \(bad = bad_one\): import failed"):
        found.entry("adapter/from_bad")


def test_one_that_raises_while_registering_is_reported(tmp_path, discover):
    text = GOOD.format(name="half").replace("register(Invert)", "register(Invert); 1 / 0")
    install(tmp_path, "half", "[fib.plugins]\nhalf = half_one\n", {"half_one.py": text})
    found = discover()
    assert [e.identifier for e in found.entries()] == ["adapter/half"]
    assert "fib_register_adapters failed: ZeroDivisionError" in found.broken[0].reason


def test_two_plugins_of_one_name_are_an_error_that_names_both(tmp_path, discover):
    for number in ("one", "two"):
        install(
            tmp_path,
            f"dist_{number}",
            f"[fib.plugins]\np = twin_{number}\n",
            {f"twin_{number}.py": GOOD.format(name="twin")},
        )
    found = discover()
    with pytest.raises(
        FibError, match=r"registered twice, by dist_(one|two) .* and dist_(one|two)"
    ):
        found.plugin("adapter/twin")
    assert found.broken[0].clash == "adapter/twin"


def test_a_near_miss_of_the_group_is_pointed_out(tmp_path, discover):
    install(
        tmp_path, "typo", "[fib.plugin]\np = typo_one\n", {"typo_one.py": GOOD.format(name="t")}
    )
    (broken,) = discover().broken
    assert "'fib.plugin'" in broken.reason
    assert "'fib.plugins'" in broken.reason


def test_a_misspelt_hook_is_reported(tmp_path, discover):
    text = GOOD.format(name="h").replace("fib_register_adapters", "fib_register_adapter")
    install(tmp_path, "hooks", "[fib.plugins]\np = hook_one\n", {"hook_one.py": text})
    found = discover()
    assert found.entries() == []
    assert "fib_register_adapter" in found.broken[0].reason


def test_a_broken_entry_point_line_stops_nothing(tmp_path, discover):
    install(tmp_path, "line", "[fib.plugins]\np = not a module!\n", {})
    install(
        tmp_path, "fine", "[fib.plugins]\nf = fine_one\n", {"fine_one.py": GOOD.format(name="f")}
    )
    found = discover()
    assert [e.identifier for e in found.entries()] == ["adapter/f"]
    assert "BadEntryPoint" in found.broken[0].reason


def test_what_is_no_plugin_of_its_kind_is_refused():
    class Nameless(Adapter):
        def transform(self, images: Images, context: Context | None = None) -> Images:
            return images

    class Registers:
        def __init__(self, *items):
            self.items = items

        @fibcore.hookimpl
        def fib_register_adapters(self, register):
            for item in self.items:
                register(item)

    for item, said in [
        (Nameless, "has no name"),
        (int, "not a class derived from"),
        (3, "3 is not"),
    ]:
        found = Registry()
        found.add_module(Registers(item), "x")
        assert said in found.broken[0].reason


def test_materials_are_found_by_name_element_symbol_and_element_name():
    assert registry().material("toyium").density_g_cm3 == 4.5
    assert registry().material("TOYIUM").name == "toyium"
    assert registry().material("Fe").mean_atomic_number == 26
    assert registry().material("iron").name == "Fe"
    with pytest.raises(FibError, match="Did you mean 'toyium'"):
        registry().material("toyim")


def test_a_material_that_is_none_is_refused():
    class Registers:
        @fibcore.hookimpl
        def fib_register_materials(self, register):
            register(SimpleNamespace(name="x"))

    found = Registry()
    found.add_module(Registers(), "x")
    assert "is not a fibcore.Material" in found.broken[0].reason


def test_a_name_that_is_a_material_is_no_step():
    with pytest.raises(FibError, match="not a plugin that a step can run"):
        registry().plugin("material/toyium")


def test_the_core_and_the_list_of_plugins_import_no_heavy_library():
    code = (
        "import sys, fibcore, fibcore.cli.app\n"
        "from fibcore.registry import registry\n"
        "assert registry().entries(), registry().broken\n"
        "heavy = {'torch', 'numba', 'matplotlib', 'scipy', 'skimage', 'sklearn'}\n"
        "heavy |= {'lightning', 'monai', 'zarr', 'ome_zarr_models', 'numcodecs'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_core_imports_no_plugin():
    code = "import sys, fibcore.cli.app, fibcore.pipeline; print('fib_plugins' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_material_registers_once_for_one_distribution():
    class Registers:
        material: ClassVar[Material] = Material(name="x", composition={"C": 1}, density_g_cm3=2.0)

        @fibcore.hookimpl
        def fib_register_materials(self, register):
            register(self.material)
            register(self.material)

    found = Registry()
    found.add_module(Registers(), "x")
    with pytest.raises(FibError, match="registered twice"):
        found.material("x")


CLASS = """
from fibcore import Adapter, Context, Images

class Invert(Adapter):
    "Inverted images."
    name = "{name}"
    def transform(self, images: Images, context: Context | None = None) -> Images:
        return images.with_data(255 - images.data)
"""


def test_an_entry_point_may_name_a_class_which_is_imported_when_it_is_used(tmp_path, discover):
    entry_points = "[fib.plugins]\nadapter/neg = class_one:Invert\n"
    install(tmp_path, "minimal", entry_points, {"class_one.py": CLASS.format(name="neg")})
    found = discover()
    (entry,) = found.entries("adapter")
    assert (entry.identifier, entry.distribution, entry.version, entry.imported) == (
        "adapter/neg",
        "minimal",
        "0.3",
        False,
    )
    assert "class_one" not in sys.modules
    assert found.plugin("adapter/neg").summary() == "Inverted images."
    assert "class_one" in sys.modules
    assert found.broken == []


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("adapter/neg", "import no_such", "No module named 'no_such'"),
        ("adapter/neg", "raise SystemExit(3)", "SystemExit: 3"),
        ("adapter/neg", "", "Invert"),
        ("adapter/neg", CLASS.format(name="other"), "but the plugin is adapter/other: give both"),
        ("segmenter/neg", CLASS.format(name="neg"), "not a class derived from fibcore.Segmenter"),
        ("material/neg", CLASS.format(name="neg"), "is not a fibcore.Material"),
        ("adapter/neg", CLASS.format(name=""), "Invert has no name"),
    ],
)
def test_a_named_class_that_cannot_be_used_is_broken_once_it_is_asked_for(
    tmp_path, discover, name, text, reason
):
    entry_points = f"[fib.plugins]\n{name} = class_two:Invert\n"
    install(tmp_path, "minimal", entry_points, {"class_two.py": text})
    found = discover()
    assert found.broken == []
    with pytest.raises(FibError, match=f"{name} of minimal: cannot be used") as refused:
        found.entry(name).load()
    assert reason in str(refused.value)
    (broken,) = found.broken
    assert reason in broken.reason
    assert (broken.entry_point, broken.distribution) == (f"{name} = class_two:Invert", "minimal")
    with pytest.raises(FibError) as again:
        found.entry(name).load()
    assert str(again.value) == str(refused.value)
    assert len(found.broken) == 1


def test_plugins_that_cannot_be_imported_are_left_out_of_the_usable_ones(tmp_path, discover):
    entry_points = "[fib.plugins]\nadapter/neg = class_three:Invert\nadapter/bad = no_such:Bad\n"
    install(tmp_path, "minimal", entry_points, {"class_three.py": CLASS.format(name="neg")})
    found = discover()
    assert [e.identifier for e in found.entries()] == ["adapter/bad", "adapter/neg"]
    for _ in range(2):
        assert [e.identifier for e in found.usable()] == ["adapter/neg"]
    assert [b.entry_point for b in found.broken] == ["adapter/bad = no_such:Bad"]


def test_entry_points_whose_name_does_not_fit_are_pointed_out(tmp_path, discover):
    entry_points = "[fib.plugins]\nadaptor/neg = class_four:Invert\nneg = class_four:Invert\n"
    install(tmp_path, "minimal", entry_points, {"class_four.py": CLASS.format(name="neg")})
    found = discover()
    reasons = {b.entry_point.split(" = ")[0]: b.reason for b in found.broken}
    assert "no kind 'adaptor'" in reasons["adaptor/neg"]
    assert "Did you mean 'adapter'" in reasons["adaptor/neg"]
    assert "Invert is a class: call the entry point by its kind and name" in reasons["neg"]
    assert found.entries() == []


def test_a_material_may_be_named_too(tmp_path, discover):
    made = "Material(name='x', composition={'C': 1}, density_g_cm3=2)"
    text = f"from fibcore import Material\nX = {made}"
    files = {"material_one.py": text}
    install(tmp_path, "one", "[fib.plugins]\nmaterial/x = material_one:X\n", files)
    assert discover().material("X").density_g_cm3 == 2


def test_a_named_class_and_a_registered_one_of_one_name_are_an_error(tmp_path, discover):
    install(tmp_path, "a", "[fib.plugins]\np = five_a\n", {"five_a.py": GOOD.format(name="neg")})
    install(
        tmp_path,
        "b",
        "[fib.plugins]\nadapter/neg = five_b:Invert\n",
        {"five_b.py": CLASS.format(name="neg")},
    )
    with pytest.raises(FibError, match="registered twice"):
        discover().plugin("adapter/neg")


LAZY = """
import fibcore

def __getattr__(name):
    raise SystemExit(f"{name} was loaded")

def __dir__():
    return [*globals(), "Heavy"]

@fibcore.hookimpl
def fib_register_adapters(register):
    pass
"""


def test_what_a_module_loads_at_first_use_is_not_loaded_by_discovery(tmp_path, discover):
    install(tmp_path, "lazy", "[fib.plugins]\nl = lazy_one\n", {"lazy_one.py": LAZY})
    assert discover().broken == []
