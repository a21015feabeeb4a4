"""The JSON Schema of pipeline files."""

from __future__ import annotations

from fib_plugins.commands.schema import pipeline_schema


def test_the_schema_names_a_plugin_that_works_unfitted_under_both_verbs():
    verbs = pipeline_schema()["$defs"]["Step"]["properties"]

    def named(verb):
        return {choice["const"] for choice in verbs[verb]["oneOf"]}

    assert "adapter/toy_type" in named("run") & named("fit")
    assert "segmenter/toy_level" in named("fit") - named("run")
    assert "generator/toy_blocks" in named("run") - named("fit")
