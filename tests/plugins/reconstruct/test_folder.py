"""The pipeline in its folder: written once, edited, or for other options."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fib_plugins.reconstruct.folder import Folder
from fib_plugins.reconstruct.plan import plan_for
from fib_plugins.reconstruct.request import Request
from fibcore.errors import UsageError

from .conftest import grey, solid
from .test_plan import MACHINE

Write = Callable[..., str]


@pytest.mark.parametrize(
    ("stack", "name"),
    [
        ("data/gold.tif", "gold-reconstruction"),
        ("data/gold/", "gold-reconstruction"),
        ("data/gold/*.tif", "gold-reconstruction"),
        ("gold.ome.zarr", "gold-reconstruction"),
    ],
)
def test_the_folder_is_named_after_the_stack(stack: str, name: str) -> None:
    assert Folder.of(stack, None).path == Path(name)


def test_a_pipeline_is_new_then_written_then_edited(written: Write, tmp_path: Path) -> None:
    request = Request((written(grey(solid())),), "Au", kv=(2.0,))
    folder = Folder(tmp_path / "out")
    assert folder.state(request) == "new"
    content = folder.write(plan_for(request, MACHINE))
    assert content["steps"][0]["load"] == "../stack.tif"
    assert all(step.get("note") for step in content["steps"] if "run" in step or "fit" in step)
    assert folder.state(request) == "written"
    folder.pipeline.write_text(json.dumps({**content, "seed": 5}))
    assert folder.state(request) == "edited"
    with pytest.raises(UsageError, match=r"kv .2.0. -> .4.0.*To start over, delete"):
        folder.state(replace(request, kv=(4.0,)))


def test_a_pipeline_of_someone_else_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "pipeline.json").write_text("{}")
    with pytest.raises(UsageError, match="not written by fib reconstruct"):
        Folder(tmp_path).state(Request(("a.tif",), "Au"))
