from __future__ import annotations

import copy
import json

import numpy as np
import pytest

from fib_plugins.commands.overrides import override
from fib_plugins.commands.run import plan_of
from fibcore import Model
from fibcore.errors import PipelineError, UsageError
from fibcore.formats import write_model


@pytest.fixture
def document(steps):
    """Two cameras, two networks, and what they see."""
    gold, sem, level, solid, score = steps
    other = {
        "id": "level_b", "fit": "segmenter/toy_level", "inputs": copy.deepcopy(level["inputs"]),
    }  # fmt: skip
    seen = {"id": "level_seen", "apply": "level_b", "inputs": {"images": "sem"}}
    many = {"id": "sem_many", "run": "simulator/toy_camera", "inputs": {"labels": "gold"}}
    steps = [gold, sem, many, level, other, solid, seen, score]
    return {"version": 1, "name": "toy", "seed": 7, "steps": steps}


@pytest.fixture
def settings(tmp_path):
    """Write a file of settings, as JSON or as the text it is."""

    def write(content, name="small.json"):
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content, indent=1))
        return path

    return write


@pytest.fixture
def changed(document, tmp_path):
    """Apply settings; return the parameters that steps have then, and what else came of it."""

    def apply(*files, options=(), seed=None):
        result = override(document, base=tmp_path, files=files, options=options, seed=seed)
        params = {step["id"]: step.get("params", {}) for step in result.document["steps"]}
        return {step_id: given for step_id, given in params.items() if given}, result

    return apply


def test_a_file_sets_parameters_by_step_and_by_pattern(changed, settings):
    params, result = changed(settings({"gold.block": 2, "sem*.noise": 0.2, "*.rounds": 1}))
    assert params == {
        "gold": {"block": 2},
        "sem": {"noise": 0.2},
        "sem_many": {"noise": 0.2},
        "level": {"rounds": 1},
        "level_b": {"rounds": 1},
    }
    assert result.remarks == []


def test_the_pipeline_that_was_read_is_left_as_it_was(document, changed, settings):
    before = copy.deepcopy(document)
    changed(settings({"*.energies_kev": [1, 4], "seed": 3}))
    assert document == before


def test_steps_that_one_pattern_sets_do_not_share_their_value(changed):
    params, _ = changed(options=["*.energies_kev=[1]"])
    params["sem"]["energies_kev"].append(2)
    assert params["sem_many"]["energies_kev"] == [1]


def test_a_pattern_gives_an_apply_step_only_what_may_change_once_fitted(changed):
    params, _ = changed(options=["level*.rounds=2", "*.offset=0.1"])
    assert params == {
        "level": {"rounds": 2, "offset": 0.1},
        "level_b": {"rounds": 2, "offset": 0.1},
        "solid": {"offset": 0.1},
        "level_seen": {"offset": 0.1},
    }


def test_a_pattern_knows_the_plugin_of_a_loaded_model(document, changed, tmp_path):
    weights = {"level": np.array([0.5])}
    write_model(Model("segmenter/toy_level", {"rounds": 1}, weights), tmp_path / "net.safetensors")
    document["steps"][4] = {"id": "level_b", "load": "net.safetensors"}
    params, _ = changed(options=["level_*.offset=0.3"])
    assert params == {"level_seen": {"offset": 0.3}}


def test_a_pattern_sets_the_files_of_load_steps(document, changed, settings, tmp_path):
    document["steps"] += [{"id": "real_a", "load": "a.tif"}, {"id": "real_b", "load": "b.csv"}]
    folder = tmp_path / "sizes"
    folder.mkdir()
    params, result = changed(
        settings({"real_a.load": "x.tif", "*.kv": 2}, "sizes/s.json"), options=["real_b.load=y.csv"]
    )
    loaded = [step["load"] for step in result.document["steps"] if "load" in step]
    assert loaded[0] == str(folder / "x.tif")  # beside the settings
    assert loaded[1].endswith("/y.csv")
    assert not loaded[1].startswith(str(tmp_path))  # in the working folder
    assert params == {"real_a": {"kv": 2}}  # a table has no voltage


def test_case_counts_in_patterns(changed):
    with pytest.raises(UsageError, match="no step matches 'SEM"):
        changed(options=["SEM*.noise=0"])


def test_later_files_win_and_set_wins_over_all_of_them(changed, settings):
    first = settings({"gold.block": 2, "sem.noise": 0.2, "sem_many.noise": 0.2}, "first.json")
    second = settings({"sem*.noise": 0.3}, "second.json")
    params, _ = changed(first, second, options=["sem.noise=0.4"])
    assert params == {"gold": {"block": 2}, "sem": {"noise": 0.4}, "sem_many": {"noise": 0.3}}


def test_the_seed_of_a_file_takes_the_place_of_the_pipelines_and_gives_way_to_the_option(
    changed, settings
):
    file = settings({"seed": 11, "description": "small", "$schema": "x"})
    assert changed(file)[1].document["seed"] == 11
    assert changed(file, seed=0)[1].document["seed"] == 0


def test_entries_for_other_pipelines_are_skipped_and_reported_in_one_line(changed, settings):
    file = settings({"gold.block": 2, "gan.epochs": 3, "translator_*.epochs": 4})
    params, result = changed(file)
    assert params == {"gold": {"block": 2}}
    (remark,) = result.remarks
    assert remark == (
        f"settings {file}: 2 of 3 entries concern no step of this pipeline: "
        f"gan.epochs, translator_*.epochs"
    )


def test_patterns_whose_steps_lack_the_parameter_are_all_reported_at_once(changed, settings):
    file = settings({"gold.block": 2, "sem*.nois": 0.1, "*_seen.rounds": 1})
    with pytest.raises(UsageError) as caught:
        changed(file)
    said = str(caught.value).splitlines()
    assert said[0] == f"settings {file}: 2 problems, nothing was run"
    assert said[1].startswith("  line 3, sem*.nois: none of the steps that match 'sem*' (sem, sem_")
    assert said[1].endswith("Did you mean 'noise'?")
    assert said[2].startswith("  line 4, *_seen.rounds: ")
    assert said[2].endswith("Their parameters: offset.")


def test_a_pattern_over_steps_of_unknown_plugins_is_left_to_the_check(changed, document, tmp_path):
    document["steps"][1]["run"] = document["steps"][2]["run"] = "simulator/toy_kamera"
    params, _ = changed(options=["sem*.nois=0.1"])
    assert params == {}
    file = tmp_path / "p.json"
    file.write_text(json.dumps(document))
    with pytest.raises(PipelineError, match="Did you mean 'simulator/toy_camera'"):
        plan_of(file, [], ["sem*.noise=0.1"], None)


@pytest.mark.parametrize(
    "broken",
    [
        {"id": "sem_x"},
        {"id": "sem_x", "run": "simulator/toy_camera", "fit": "segmenter/toy_level"},
        {"id": "sem_x", "run": ["simulator/toy_camera"]},
        {"id": "sem_x", "apply": "sem_x"},
        {"id": "sem_x", "apply": "nothing"},
        {"id": "sem_x", "load": 5},
        {"run": "simulator/toy_camera"},
        "sem_x",
    ],
)
def test_a_pattern_passes_over_steps_that_are_not_sound(document, tmp_path, broken):
    document["steps"].append(broken)
    *sound, last = override(document, base=tmp_path, options=["*.noise=0.5"]).document["steps"]
    assert last == broken
    assert [step["id"] for step in sound if "params" in step] == ["sem", "sem_many"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"gold.block": 2,\n "sem.noise": }', "line 2, file: not valid JSON"),
        ("[1, 2]", "line 1, file: settings are a JSON object"),
        ('{\n "gold.block": 2,\n "epochs": 3}', 'line 3, epochs: write "STEP.PARAM": value'),
        ('{".block": 2}', 'line 1, .block: write "STEP.PARAM": value'),
        ('{"gold.": 2}', 'line 1, gold.: write "STEP.PARAM": value'),
        ('{"sead": 2}', "Did you mean 'seed'"),
        ('{"seed": "3"}', "line 1, seed: must be a whole number, 0 or above, not '3'"),
        ('{"seed": true}', "not True"),
        ('{"seed": -1}', "not -1"),
        ('{"gold.block": 2,\n "gold.block": 3}', "line 2, gold.block: duplicate key 'gold.block'"),
        ('{"gold.block": NaN}', "NaN is not a number in JSON"),
    ],
)
def test_a_file_that_cannot_be_used_is_reported_with_its_place(changed, settings, text, said):
    file = settings(text)
    with pytest.raises(UsageError) as caught:
        changed(file)
    assert str(caught.value).startswith(f"settings {file}: 1 problem, nothing was run\n  ")
    assert said in str(caught.value)
    assert caught.value.exit_code == 2


def test_all_wrong_keys_are_reported_at_once(changed, settings):
    with pytest.raises(UsageError, match="2 problems") as caught:
        changed(settings({"epochs": 3, "gold.block": 2, "noise": 1}))
    assert "line 2, epochs" in str(caught.value)
    assert "line 4, noise" in str(caught.value)


def test_a_missing_file_names_the_nearest(changed, settings, tmp_path):
    settings({}, "small.json")
    with pytest.raises(UsageError, match=r"Did you mean 'small\.json'"):
        changed(tmp_path / "smal.json")


def test_a_wrong_value_is_reported_with_where_it_was_set(document, settings, tmp_path):
    file = tmp_path / "p.json"
    file.write_text(json.dumps(document, indent=1))
    small = settings({"sem*.noise": -1, "gold.blok": 3})
    with pytest.raises(PipelineError) as caught:
        plan_of(file, [small], ["level.rounds=0"], None)
    said = [str(problem) for problem in caught.value.problems]
    assert len(said) == 4
    assert said[0].startswith(f"steps[0].params.blok (settings {small}, line 3): unknown name")
    assert said[1].startswith(f"steps[1].params.noise (settings {small}, line 2): must be")
    assert said[2].startswith(f"steps[2].params.noise (settings {small}, line 2): must be")
    assert said[3].startswith("steps[3].params.rounds (--set level.rounds): must be")
