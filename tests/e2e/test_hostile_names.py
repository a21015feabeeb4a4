"""Names and values are shown as the text that they are."""

from __future__ import annotations

import json
import os

import pytest

NAMES = [
    "q[/b].json", "q[a].json", "[red]x[/red].json", "[link=file:etc]x.json", "\x1b[31mred.json",
    "bell\x07\x08.json", "new\nline.json", "evil\u202enosj.json", "half\udce9.json", "a" * 200,
    "-rf.json", "%s %d {0}.json", "µ 金 ±.json", ":warning:.json",
]  # fmt: skip
SHOWN = {
    "\x1b[31mred.json": r"\x1b[31mred.json",
    "bell\x07\x08.json": r"bell\x07\x08.json",
    "evil\u202enosj.json": r"evil\u202enosj.json",
    "half\udce9.json": r"half\udce9.json",
    "new\nline.json": "new",
}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
@pytest.mark.parametrize("name", NAMES)
def test_a_pipeline_of_any_name_is_run_and_named_as_it_is(shell, otsu, name):
    path = shell.folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({**otsu, "steps": otsu["steps"][:1]}))
    argument = f"./{name}" if name.startswith("-") else name
    done = shell("check", argument)
    assert SHOWN.get(name, name) in done.out
    assert not any(c in done.out for c in "\x1b\x07\x08\u202e")
    assert "no problems; 1 steps" in done.out
    path.write_text("{")
    done = shell("check", argument, code=2)
    assert SHOWN.get(name, name) in done.err
    assert "1 problem, nothing was run" in done.err


VALUES = ["[/]", "[/b]", "[bold]", "\x1b]0;title\x07", "a[b", "\\[x]", "x" * 60_000, "{0} %s %(a)s"]


PLACES = ["params", "run", "inputs", "load", "key", "name", "set"]


@pytest.mark.parametrize(
    ("place", "value"),
    [*zip(PLACES * 2, VALUES, strict=False), *((place, "\x1b[/b]") for place in PLACES)],
)
def test_a_value_of_any_text_is_named_in_one_message_as_it_is(shell, otsu, value, place):
    first, second = otsu["steps"][:2]
    match place:
        case "params":
            first["params"]["shape"] = value
        case "run":
            first["run"] = value
        case "inputs":
            second["inputs"]["labels"] = value
        case "load":
            otsu["steps"].insert(0, {"id": "file", "load": f"{value}.csv"})
        case "key":
            first["params"][value] = 1
        case "name":
            otsu["name"] = value
    options = ("--set", f"gold.shape={value}") if place == "set" else ()
    done = shell("check", shell.write("p.json", otsu), *options, code=2)
    assert "problem" in done.err
    assert len(done.err) < 6000
    assert "\x1b" not in done.err
    assert "\x07" not in done.err
    assert value[:20].replace("\x1b", r"\x1b").replace("\x07", "")[:8] in done.err.replace(
        r"\\x1b", r"\x1b"
    ).replace("\\\\", "\\")


@pytest.mark.parametrize("argument", ["--[/b]", "--thre[red]ads", "--x\x1b[31m", "extra[/]"])
def test_a_command_line_that_makes_no_sense_is_one_message(shell, otsu, argument):
    done = shell("check", shell.write("p.json", otsu), argument, code=2)
    assert argument.replace("\x1b", r"\x1b") in done.err
    assert "\x1b" not in done.err


def test_what_a_step_says_is_shown_as_it_is_on_the_page(shell, otsu):
    note = "<script>alert(1)</script>\x1b[31m\u202e" + "x" * 30_000
    otsu["steps"][0]["note"] = note
    otsu["description"] = note
    shell("run", shell.write("p.json", otsu))
    (page,) = shell.folder.glob("runs/otsu/*/report.html")
    text = page.read_text(encoding="utf-8")
    assert "<script>alert" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "&lt;script&gt;alert(1)" in text
