from __future__ import annotations

import json

import fibcore


def test_version_and_help(shell):
    assert shell("--version").out.strip() == f"fib {fibcore.__version__}"
    for command in ("run", "check", "plugins", "materials", "schema", "init", "report", "compare"):
        assert command in shell("--help").out
    assert "--dry-run" in shell("run", "--help").out


def test_completion_can_be_shown(shell):
    shell.environment["_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION"] = "1"
    assert "_FIB_COMPLETE" in shell("--show-completion", "bash").out


def test_plugins_are_listed_shown_and_checked(shell):
    out = shell("plugins", "list").out
    assert "generator/leveled_wave" in out
    assert "fibtomo" in out
    found = json.loads(shell("plugins", "list", "--json").out)
    names = [plugin["plugin"] for plugin in found["plugins"]]
    assert names == sorted(names)
    assert found["broken"] == []
    only = json.loads(shell("plugins", "list", "metric", "--json").out)["plugins"]
    assert {plugin["plugin"].split("/")[0] for plugin in only} == {"metric"}
    shown = shell("plugins", "show", "segmenter/unet").out
    for word in ("learning_rate", "fit:", "apply:", "images", "history"):
        assert word in shown
    contract = json.loads(shell("plugins", "show", "segmenter/unet", "--json").out)
    assert contract["contract"]["fit"]["inputs"]["labels"] == ["labels", False]
    assert "✓ metric/overlap" in shell("plugins", "check").out
    assert json.loads(shell("plugins", "check", "metric/overlap", "--json").out) == {
        "metric/overlap": []
    }


def test_unknown_names_say_the_nearest(shell):
    assert "Did you mean 'segmenter/unet'" in shell("plugins", "show", "unet", code=2).err
    assert "the kinds: generator" in shell("plugins", "list", "segmentor", code=2).err
    assert "Did you mean 'quickstart'" in shell("init", "quikstart", code=2).err


def test_materials_are_listed(shell):
    out = shell("materials").out
    assert "epoxy" in out
    assert "NMC811" in out
    entries = json.loads(shell("materials", "--json").out)
    assert {"name", "composition", "density_g_cm3"} <= set(entries[0])


def test_the_schema_knows_the_installed_plugins(shell, otsu):
    schema = json.loads(shell("schema").out)
    text = json.dumps(schema)
    assert "segmenter/unet" in text
    assert "ligament_diameter_nm" in text
    shell("schema", "--out", "s.json")
    assert json.loads((shell.folder / "s.json").read_text()) == schema
    assert "cannot write" in shell("schema", "--out", "no/where.json", code=2).err


def test_init_writes_templates_and_never_overwrites_unasked(shell):
    shell("init", "quickstart", "demo")
    shell("check", "demo/quickstart.json")
    assert "--force" in shell("init", "quickstart", "demo", code=2).err
    shell("init", "quickstart", "demo", "--force")
    shell("init", "my-stack", "demo")
    assert "my_stack.json" in shell("check", "demo/my_stack.json", code=2).err


def test_a_report_can_be_written_again(cached):
    (folder,) = (cached.folder / "runs" / "otsu").iterdir()
    before = (folder / "report.html").read_bytes()
    (folder / "report.html").unlink()
    assert "report.html" in cached("report", "runs/otsu").out
    assert (folder / "report.html").read_bytes() == before
    assert "is not the folder of a run" in cached("report", ".", code=2).err
