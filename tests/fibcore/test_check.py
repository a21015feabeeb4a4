from __future__ import annotations

import json

import numpy as np
import pytest

from fibcore import Forecast, Labels
from fibcore.errors import PipelineError
from fibcore.formats import write_model, write_volume
from fibcore.pipeline import check_pipeline, read_pipeline
from fibcore.registry import registry


def problems_of(bench, steps, **fields):
    with pytest.raises(PipelineError) as caught:
        bench.plan(steps, **fields)
    assert caught.value.exit_code == 2
    return [str(problem) for problem in caught.value.problems]


def only_problem(bench, steps, **fields):
    found = problems_of(bench, steps, **fields)
    assert len(found) == 1, found
    return found[0]


def step_of(steps, step_id):
    return next(step for step in steps if step["id"] == step_id)


def test_a_sound_pipeline_is_planned_with_shapes_and_types(bench, steps):
    plan = bench.plan(steps)
    gold, sem, level, solid, _score = plan.steps
    assert gold.expected.specs["labels"].shape == (8, 16, 16)
    assert sem.expected.specs["images"].kv == (2.0,)
    assert level.expected.specs == {}
    assert solid.expected.specs["labels"].shape == (8, 16, 16)
    assert gold.folder == "01-gold"
    assert gold.expected.disk_bytes == 8 * 16 * 16


def test_an_unknown_plugin_names_the_nearest(bench, steps):
    step_of(steps, "gold")["run"] = "generator/toy_block"
    assert "Did you mean 'generator/toy_blocks'" in only_problem(bench, steps)


def test_an_unknown_kind_names_the_kinds(bench, steps):
    step_of(steps, "gold")["run"] = "zzz/qqq"
    assert "The kinds are: generator, physics" in only_problem(bench, steps)


def test_an_unknown_parameter_names_the_nearest(bench, steps):
    step_of(steps, "gold")["params"] = {"blok": 3}
    said = only_problem(bench, steps)
    assert said.startswith("steps[0].params.blok: unknown name 'blok'")
    assert "Did you mean 'block'" in said


def test_a_wrong_value_is_reported_with_what_is_allowed(bench, steps):
    step_of(steps, "gold")["params"] = {"block": 0, "shape": [8, 8], "voxel_size_nm": "wide"}
    shape, voxel_size, block = problems_of(bench, steps)
    assert "steps[0].params.shape: give one number, or three for [z, y, x]" in shape
    assert "'wide'" in voxel_size
    assert "must be greater than or equal to 1, not 0" in block


@pytest.mark.parametrize("params", [{"block": True}, {"shape": [True, 4, 4]}, {"shape": True}])
def test_true_and_false_are_no_numbers(bench, steps, params):
    steps[0]["params"] = params
    with pytest.raises(PipelineError, match="must be a number, not true or false") as caught:
        bench.plan(steps)
    assert len(caught.value.problems) == 1
    document = {"version": 1, "name": "toy", "seed": True, "steps": steps[1:2]}
    with pytest.raises(PipelineError, match="seed: must be a number"):
        check_pipeline(document, base=bench.folder)


def test_a_list_whose_only_member_is_wrong_is_not_called_too_short_as_well(bench, steps):
    step_of(steps, "sem")["params"] = {"energies_kev": [70.0]}
    assert "energies_kev[0]: must be less than or equal to 50" in only_problem(bench, steps)


def test_a_wrong_choice_names_the_nearest(bench, steps):
    bad = {"id": "bad", "run": "adapter/toy_trouble", "params": {"trouble": "intterupt"}}
    steps.append({**bad, "inputs": {"images": "sem"}})
    assert "Did you mean 'interrupt'" in only_problem(bench, steps)


def test_an_unknown_material_names_the_nearest(bench, steps):
    step_of(steps, "gold")["params"] = {"materials": ["epoxy", "toyum"]}
    assert "no material 'toyum'. Did you mean 'toyium'" in only_problem(bench, steps)


def test_a_material_can_be_defined_in_place(bench, steps):
    mine = {"name": "mine", "composition": {"Au": 1, "Ag": 3}, "density_g_cm3": 12.5}
    step_of(steps, "gold")["params"] = {"materials": ["vacuum", mine]}
    labels = bench.run(steps)["gold"]
    assert labels.phases[1].name == "mine"
    assert labels.phases[1].mean_atomic_number == pytest.approx(
        (196.966569 * 79 + 3 * 107.8682 * 47) / (196.966569 + 3 * 107.8682)
    )


def test_a_forward_reference_a_cycle_and_an_unknown_step_are_distinguished(bench, steps):
    step_of(steps, "sem")["inputs"]["labels"] = "solid"
    assert "comes later in the file" in problems_of(bench, steps)[0]
    step_of(steps, "sem")["inputs"]["labels"] = "sem"
    assert "cannot read its own result" in problems_of(bench, steps)[0]
    step_of(steps, "sem")["inputs"]["labels"] = "golt"
    assert "Did you mean 'gold'" in problems_of(bench, steps)[0]


def test_a_broken_step_is_reported_once_and_not_again_by_those_that_read_it(bench, steps):
    step_of(steps, "gold")["run"] = "generator/nothing_like_it"
    assert "steps[0].run" in only_problem(bench, steps)


def test_an_artefact_of_the_wrong_type_is_refused(bench, steps):
    step_of(steps, "sem")["inputs"]["labels"] = {"from": "gold"}
    step_of(steps, "solid")["inputs"]["images"] = "gold"
    said = only_problem(bench, steps)
    assert "takes images; step 'gold' leaves labels" in said


def test_unknown_and_missing_inputs_are_reported(bench, steps):
    step_of(steps, "score")["inputs"] = {"prediktion": "solid"}
    found = problems_of(bench, steps)
    assert "Did you mean 'prediction'" in found[0]
    assert any("needs the input 'truth'" in text for text in found)


def test_an_artefact_can_be_asked_for_by_name(bench, steps):
    step_of(steps, "solid")["inputs"]["images"] = {"from": "sem", "artefact": "clean"}
    bench.plan(steps)
    step_of(steps, "solid")["inputs"]["images"] = {"from": "sem", "artefact": "clear"}
    assert "Did you mean 'clean'" in only_problem(bench, steps)


def test_verbs_are_exactly_one_and_fit_the_plugin(bench, steps):
    steps.append({"id": "both", "run": "a/b", "fit": "a/b"})
    steps.append({"id": "none"})
    steps.append({"id": "fitted", "fit": "generator/toy_blocks"})
    steps.append({"id": "ran", "run": "segmenter/toy_level", "inputs": {"images": "sem"}})
    steps.append({"id": "applied", "apply": "gold", "inputs": {"images": "sem"}})
    found = "\n".join(problems_of(bench, steps))
    assert "this one has run and fit" in found
    assert "this one has none" in found
    assert "is not trainable" in found
    assert "must be fitted first" in found
    assert "step 'gold' makes labels, no model" in found


def test_apply_may_not_change_what_training_settled(bench, steps):
    step_of(steps, "solid")["params"] = {"rounds": 5}
    assert "fixed when segmenter/toy_level is fitted" in only_problem(bench, steps)


def test_ids_are_unique_and_plain(bench, steps):
    steps[1]["id"] = "gold"
    assert any("id 'gold' is taken by steps[0]" in text for text in problems_of(bench, steps))
    steps[1]["id"] = "../evil"
    assert any("steps[1].id" in text for text in problems_of(bench, steps))


def test_cuts_must_leave_something(bench, steps):
    step_of(steps, "solid")["inputs"]["images"] = {"from": "sem", "z": [0.5, 0.5]}
    assert "not a range of fractions" in only_problem(bench, steps)
    step_of(steps, "solid")["inputs"]["images"] = {"from": "sem", "z": [0, 1.5]}
    assert "less than or equal to 1" in problems_of(bench, steps)[0]


def test_only_volumes_can_be_cut_and_only_images_have_kv(bench, steps):
    step_of(steps, "score")["inputs"]["truth"] = {"from": "gold", "kv": [2]}
    assert "kv chooses image channels" in only_problem(bench, steps)
    step_of(steps, "score")["inputs"]["truth"] = "gold"
    step_of(steps, "solid")["inputs"]["images"] = {"from": "sem", "kv": [3]}
    assert "no channel at 3 kV; the images have: 2 kV" in only_problem(bench, steps)
    law = {"id": "law", "run": "physics/toy_law"}
    cut = {"table": {"from": "law", "z": [0, 1]}}
    steps[3]["inputs"]["images"] = "sem"
    steps += [law, {"id": "net", "fit": "physics/toy_learned_law", "inputs": cut}]
    assert "only volumes can be cut" in only_problem(bench, steps)


def test_a_list_is_for_channels_only(bench, steps):
    step_of(steps, "score")["inputs"]["truth"] = ["gold", "gold"]
    assert "a list stacks images into channels" in only_problem(bench, steps)


def test_a_list_of_labels_goes_to_who_asks_for_several(bench, steps):
    votes = {"id": "votes", "run": "metric/toy_votes", "inputs": {"labels": ["gold", "solid"]}}
    plan = bench.plan([*steps, votes])
    assert [ref.step.id for ref in plan.steps[-1].inputs["labels"]] == ["gold", "solid"]
    assert str(plan.steps[-1].work.slots["labels"]) == "a list of labels"
    votes["inputs"]["labels"] = ["gold", {"from": "solid", "z": [0, 0.5]}]
    assert "shapes (8, 16, 16) and (4, 16, 16)" in only_problem(bench, [*steps, votes])
    votes["inputs"]["labels"] = ["gold", "sem"]
    assert "takes a list of labels" in only_problem(bench, [*steps, votes])


def test_stacks_of_different_shapes_cannot_become_channels(bench, steps):
    step_of(steps, "solid")["inputs"]["images"] = ["sem", {"from": "sem", "z": [0, 0.5]}]
    assert "must agree in shape" in only_problem(bench, steps)


def test_prediction_and_truth_of_different_shapes_are_refused(bench, steps):
    step_of(steps, "score")["inputs"]["truth"] = {"from": "gold", "z": [0, 0.5]}
    said = only_problem(bench, steps)
    assert "prediction has shape (8, 16, 16), truth (4, 16, 16)" in said


def test_structure_of_the_file_is_checked_together_with_its_steps(bench, steps):
    steps[0]["parms"] = {}
    steps[1]["run"] = "simulator/nothing"
    with pytest.raises(PipelineError) as caught:
        check_pipeline({"version": 2, "steps": steps, "sede": 1}, base=bench.folder)
    text = str(caught.value)
    assert "5 problems" in text
    assert "Did you mean 'params'" in text
    assert "Did you mean 'seed'" in text
    assert "'name' is missing" in text
    assert "must be 1, not 2" in text
    assert "simulator/nothing" in text


@pytest.mark.parametrize("steps", [None, {}, [], [3], "gold"])
def test_steps_that_are_no_list_of_objects_are_one_problem(bench, steps):
    with pytest.raises(PipelineError):
        bench.plan(steps)


def test_loaded_files_are_looked_at_before_the_run(bench, tmp_path):
    assert "no file" in only_problem(bench, [{"id": "real", "load": "nothing/*.tif"}]).lower()
    (tmp_path / "text.tif").write_text("no image")
    only_problem(bench, [{"id": "real", "load": "text.tif"}])
    (tmp_path / "t.csv").write_text("a,b\n1\n")
    assert "1 cells, but 2 columns" in only_problem(bench, [{"id": "t", "load": "t.csv"}])
    (tmp_path / "m.safetensors").write_bytes(b"junk")
    assert "is not a model" in only_problem(bench, [{"id": "m", "load": "m.safetensors"}])


def test_load_steps_take_no_inputs_and_only_their_parameters(bench, tmp_path, steps):
    labels = Labels(np.eye(9, dtype=np.uint8)[None].repeat(4, 0), 5.0)
    write_volume(labels, tmp_path / "truth.tif")
    load = {"id": "truth", "load": "truth.tif"}
    assert bench.plan([load]).steps[0].expected.specs["labels"].shape == (4, 9, 9)
    misspelt = {**load, "params": {"voxelsize_nm": 3}}
    assert "Did you mean 'voxel_size_nm'" in only_problem(bench, [*steps, misspelt])
    given = {**load, "inputs": {"images": "gold"}}
    assert "takes no input 'images'; it takes none" in only_problem(bench, [*steps, given])


def test_places_name_the_line_of_the_file(tmp_path):
    file = tmp_path / "p.json"
    file.write_text(
        '{"version": 1, "name": "toy",\n "steps": [\n'
        '  {"id": "gold", "run": "generator/toy_blocks",\n   "params": {"blok": 3}}]}'
    )
    located = read_pipeline(file)
    with pytest.raises(PipelineError) as caught:
        check_pipeline(located.data, base=tmp_path, source="p.json", located=located)
    (problem,) = caught.value.problems
    assert (problem.line, problem.column) == (4, 15)
    assert "p.json: 1 problem, nothing was run" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "line 1, file: not valid JSON"),
        ('{"version": 1,\n "version": 1}', "line 2, version: duplicate key 'version'"),
        ("[1]", "a pipeline is a JSON object"),
        ('{"seed": NaN}', "NaN is not a number in JSON"),
        ("[" * 100000, "not valid JSON"),
    ],
)
def test_files_that_are_no_pipeline_are_reported_with_the_place(tmp_path, text, said):
    file = tmp_path / "p.json"
    file.write_text(text)
    with pytest.raises(PipelineError, match=said.replace("[", r"\[")):
        read_pipeline(file)


def test_a_missing_or_binary_file_is_one_message(tmp_path):
    (tmp_path / "quickstart.json").write_text("{}")
    with pytest.raises(PipelineError, match=r"Did you mean 'quickstart\.json'"):
        read_pipeline(tmp_path / "quikstart.json")
    (tmp_path / "b.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PipelineError, match="not UTF-8"):
        read_pipeline(tmp_path / "b.json")


def test_a_key_depends_on_what_the_result_depends_on(bench, steps):
    before = [step.key for step in bench.plan(steps).steps]
    assert before == [step.key for step in bench.plan(json.loads(json.dumps(steps))).steps]
    step_of(steps, "gold")["params"] = {"block": 4, "shape": 8}
    after = [step.key for step in bench.plan(steps).steps]
    assert all(a != b for a, b in zip(before, after, strict=True))
    step_of(steps, "gold")["params"] = {"block": 4}
    assert before == [step.key for step in bench.plan(steps).steps]
    other = [step.key for step in bench.plan(steps, seed=1).steps]
    assert all(a != b for a, b in zip(before, other, strict=True))


def test_a_pipeline_is_data_and_never_code(bench, steps, tmp_path):
    step_of(steps, "gold")["params"] = {"block": "__import__('os').system('touch hacked')"}
    problems_of(bench, steps)
    assert not (tmp_path / "hacked").exists()


# -- plugins that learn, before they have learned ----------------------------------------------


def test_a_plugin_that_works_unfitted_may_be_run_as_well_as_fitted(bench, steps):
    for verb in ("run", "fit"):
        step = {"id": f"{verb}_type", verb: "adapter/toy_type", "inputs": {"images": "sem"}}
        steps.append(step)
    plan = bench.plan(steps)
    assert plan.steps[-2].work.method == "transform"
    assert list(plan.steps[-1].products) == ["model"]


def test_what_a_model_will_make_is_known_where_the_fit_forecasts_the_model(bench, steps):
    steps += [
        {"id": "type", "fit": "adapter/toy_type", "inputs": {"images": "sem"}},
        {"id": "typed", "apply": "type", "inputs": {"images": "bytes"}},
    ]
    steps.insert(2, {"id": "bytes", "run": "adapter/toy_type", "inputs": {"images": "sem"}})
    plan = {step.id: step for step in bench.plan(steps).steps}
    assert plan["sem"].expected.specs["images"].dtype == "float32"
    assert plan["bytes"].expected.specs["images"].dtype == "uint8"
    assert plan["typed"].expected.specs["images"].dtype == "float32"
    run = bench.run(steps)
    assert run["bytes"].data.dtype == "uint8"
    assert run["typed"].data.dtype == "float32"


def test_what_a_loaded_model_will_make_is_known(bench, steps, tmp_path):
    fit = {"id": "type", "fit": "adapter/toy_type", "inputs": {"images": "sem"}}
    write_model(bench.run([*steps[:2], fit])["type"], tmp_path / "mine.safetensors")
    steps += [
        {"id": "bytes", "run": "adapter/toy_type", "inputs": {"images": "sem"}},
        {"id": "mine", "load": "mine.safetensors"},
        {"id": "typed", "apply": "mine", "inputs": {"images": "bytes"}},
    ]
    assert bench.plan(steps).steps[-1].expected.specs["images"].dtype == "float32"


def test_a_forecast_is_asked_with_the_plugins_among_the_inputs(bench, steps, monkeypatch):
    given = []
    camera = registry().plugin("simulator/toy_camera")

    def forecast(self, method, inputs):
        given.append(inputs)
        return Forecast()

    monkeypatch.setattr(camera, "forecast", forecast)
    (bench.folder / "eta.csv").write_text("eta\n0.4\n")
    laws = [
        {"id": "law", "run": "physics/toy_law", "params": {"eta": 0.25}},
        {"id": "eta", "load": "eta.csv"},
        {"id": "learned", "fit": "physics/toy_learned_law", "inputs": {"table": "eta"}},
    ]
    for law in ("law", "learned"):
        step_of(steps, "sem")["inputs"]["physics"] = law
        bench.plan([*laws, *steps[:2]])
    analytic, learned = (inputs["physics"] for inputs in given)
    assert analytic.eta == 0.25
    assert not learned.fitted  # its fit foretells no model


@pytest.mark.parametrize("shape", [2**21, [2**20, 2**20, 2**20], [2**62, 2, 2], [2**31, 2**31, 4]])
def test_volumes_beyond_all_memory_are_refused_and_do_not_wrap_around(bench, steps, shape):
    step_of(steps, "gold")["params"] = {"shape": shape}
    assert "exceeds any memory" in only_problem(bench, steps)


def test_a_forecast_that_wraps_around_is_refused(bench, steps, monkeypatch):
    wrapped = Forecast(memory_bytes=-(2**40))
    camera = registry().plugin("simulator/toy_camera")
    monkeypatch.setattr(camera, "forecast", lambda *_: wrapped)
    assert "too large to address" in only_problem(bench, steps)


def nonsense(kind):
    known = {"id": "gold", "run": "generator/toy_blocks"}
    steps = {
        "unknown parameters": [{**known, "params": {f"blok{i}": 1 for i in range(8_000)}}],
        "unknown steps": [
            {"id": f"s{i}", "run": "adapter/toy_trouble", "inputs": {"images": f"t{i}"}}
            for i in range(3_000)
        ],
        "unknown inputs": [{**known, "inputs": {f"labels{i}": "t" for i in range(10_000)}}],
        "endless inputs": [{**known, "inputs": {"labels": ["t"] * 50_000}}],
        "no steps": [1] * 100_000,
        "ids alone": [{"id": f"s{i}"} for i in range(10_000)],
    }
    return {"version": 1, "name": "x", "steps": steps[kind]}


@pytest.mark.parametrize(
    "kind",
    [
        "unknown parameters", "unknown steps", "unknown inputs", "endless inputs", "no steps",
        "ids alone",
    ],
)  # fmt: skip
def test_endless_pipelines_are_refused_in_moments_and_in_few_words(tmp_path, kind):
    file = tmp_path / "p.json"
    file.write_text(json.dumps(nonsense(kind), separators=(",", ":")))
    located = read_pipeline(file)
    with pytest.raises(PipelineError) as caught:  # which took minutes to hours
        check_pipeline(located.data, base=tmp_path, source="p.json", located=located)
    assert len(caught.value.problems) <= 2 * 101
    assert len(str(caught.value)) < 60_000


def test_ten_thousand_duplicate_keys_are_no_flood_of_messages(tmp_path):
    file = tmp_path / "p.json"
    file.write_text("{" + ",\n".join(['"a": 1'] * 10_000) + "}")
    with pytest.raises(PipelineError, match="line 2, a: duplicate key 'a'") as caught:
        read_pipeline(file)
    assert len(caught.value.problems) == 100
