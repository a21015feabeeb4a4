"""The JSON Schema of pipeline files."""

from __future__ import annotations

import re

from fib_plugins.commands.schema import pipeline_schema


def test_the_schema_names_a_plugin_that_works_unfitted_under_both_verbs():
    verbs = pipeline_schema()["$defs"]["Step"]["properties"]

    def named(verb):
        return {choice["const"] for choice in verbs[verb]["oneOf"]}

    assert "adapter/toy_type" in named("run") & named("fit")
    assert "segmenter/toy_level" in named("fit") - named("run")
    assert "generator/toy_blocks" in named("run") - named("fit")


def test_the_schema_gives_each_format_its_parameters():
    schema = pipeline_schema()
    chosen = {}
    for rule in schema["$defs"]["Step"]["allOf"]:
        pattern = rule["if"]["properties"].get("load", {}).get("pattern")
        if pattern is not None:
            name = rule["then"]["properties"]["params"]["$ref"].rsplit("/", 1)[-1]
            for source in ("a.tif", "A.TIFF", "t.csv", "m.safetensors", "s.npz", "x.JPG"):
                if re.search(pattern, source):
                    chosen[source] = name
    assert chosen == {
        "a.tif": "Tiff",
        "A.TIFF": "Tiff",
        "t.csv": "Csv",
        "m.safetensors": "SavedModel",
        "s.npz": "NumPy",
        "x.JPG": "Png",
    }
    assert schema["$defs"]["Csv"]["additionalProperties"] is False
    assert "voxel_size_nm" in schema["$defs"]["Png"]["properties"]
    assert "as" in schema["$defs"]["Tiff"]["properties"]
