from __future__ import annotations

import json
import os

import numpy as np
import pytest

from fibcore import FibError, Images, Labels, Table, hookimpl
from fibcore.errors import PipelineError, UsageError
from fibcore.events import RunFinished, StepFinished, StepProgress
from fibcore.formats import write_model, write_table
from fibcore.pipeline import StepError


def files_of(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def artefacts(cache):
    """Bytes of every artefact of every finished step; what tells of times is left out."""
    return {
        name: data
        for name, data in files_of(cache).items()
        if name.name != "step.json" and "locks" not in name.parts
    }


def edit(steps, step_id, **changes):
    step = next(s for s in steps if s["id"] == step_id)
    step.setdefault("params", {}).update(changes)
    return steps


def test_a_run_leaves_what_the_design_promises(bench, steps):
    result = bench.run(steps)
    names = {path.name for path in result.folder.iterdir()}
    assert {"pipeline.json", "resolved.json", "provenance.json"} <= names
    assert {"01-gold", "02-sem", "03-level", "04-solid", "05-score"} <= names
    assert (result.folder / "01-gold" / "labels.tif").is_file()
    assert (result.folder / "02-sem" / "clean.tif").is_file()
    assert (result.folder / "03-level" / "model.safetensors").is_file()
    assert (result.folder / "03-level" / "history.csv").is_file()
    assert result["score"]["wrong_percent"][0] < 1
    assert isinstance(result["gold"], Labels)
    assert len(result["level.history"]) == 3


def test_asking_a_result_for_a_step_that_is_not_there_names_the_steps(bench, steps):
    result = bench.run(steps)
    with pytest.raises(FibError, match="gold, sem, level"):
        result["silver"]


def test_plans_and_results_have_a_short_repr(bench, steps):
    result = bench.run(steps)
    assert repr(result.plan).endswith(": gold, sem, level, solid, score>")
    assert repr(result) == f"<RunResult of gold, sem, level, solid, score in {result.folder}>"


def test_a_second_run_reuses_every_step(bench, steps, calls):
    bench.run(steps)
    calls.clear()
    again = bench.run(steps)
    assert calls == []
    record = json.loads((again.folder / "provenance.json").read_text())
    assert [step["outcome"] for step in record["steps"]] == ["reused"] * 5
    assert (again.folder / "01-gold" / "labels.tif").is_file()


def test_a_changed_parameter_reruns_only_what_depends_on_it(bench, steps, calls):
    bench.run(steps)
    calls.clear()
    bench.run(edit(steps, "level", rounds=2))
    assert calls == ["round 0", "round 1", "predict", "measure"]


def test_an_inserted_step_changes_no_other(bench, steps, calls):
    bench.run(steps)
    calls.clear()
    steps.insert(0, {"id": "other", "run": "generator/toy_blocks", "params": {"block": 2}})
    bench.run(steps)
    assert calls == ["generate"]


def test_another_seed_gives_another_result(bench, steps):
    first = bench.run(steps)["gold"].data
    second = bench.run(steps, seed=8)["gold"].data
    assert (first != second).any()


def test_two_undisturbed_runs_leave_the_same_bytes(bench, steps, tmp_path):
    bench.run(steps, cache=tmp_path / "one", threads=1)
    bench.run(steps, cache=tmp_path / "two", threads=2)
    assert artefacts(tmp_path / "one") == artefacts(tmp_path / "two")


def test_an_apply_step_may_change_what_the_plugin_allows(bench, steps):
    edit(steps, "solid", offset=100.0)
    assert bench.run(steps)["solid"].data.max() == 0


def test_provenance_records_what_made_each_result(bench, steps):
    result = bench.run(steps, command=["fib", "run", "x.json"])
    record = json.loads((result.folder / "provenance.json").read_text())
    assert record["status"] == "finished"
    assert record["command"] == ["fib", "run", "x.json"]
    assert record["packages"]["numpy"]
    solid = record["steps"][3]
    assert set(solid["inputs"]) == {"level.model", "sem.images"}
    assert solid["outputs"]["labels"]["sha256"]
    assert solid["peak_memory_bytes"] > 0
    assert solid["device"] == "cpu"
    assert record["steps"][4]["inputs"]["solid.labels"] == solid["outputs"]["labels"]["sha256"]


def test_warnings_of_a_plugin_are_recorded(bench, steps):
    steps.append({"id": "x", "run": "adapter/toy_trouble", "inputs": {"images": "sem"}})
    result = bench.run(steps)
    record = json.loads((result.folder / "provenance.json").read_text())
    assert record["steps"][5]["warnings"] == ["nothing was changed"]


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        ("fib", "upside down"),
        ("bug", "ZeroDivisionError: oops .*adapter/toy_trouble of fib-toys 1.0"),
        ("memory", "not enough memory"),
        ("disk", "the disk is full; finished steps are kept"),
        ("wrong type", "transform returned memmap, not Images"),
        ("undeclared", "'surprise' was kept but is not declared"),
    ],
)
def test_a_failing_step_keeps_what_was_finished(bench, steps, calls, trouble, said):
    steps.insert(
        2,
        {
            "id": "bad",
            "run": "adapter/toy_trouble",
            "inputs": {"images": "sem"},
            "params": {"trouble": trouble},
        },
    )
    with pytest.raises(StepError, match=said) as caught:
        bench.run(steps)
    assert caught.value.exit_code == 1
    record = json.loads((caught.value.folder / "provenance.json").read_text())
    assert record["status"] == "failed"
    assert [step["outcome"] for step in record["steps"]] == ["finished", "finished", "failed"]
    calls.clear()
    del steps[2]
    bench.run(steps)
    assert "generate" not in calls
    assert "simulate" not in calls


def test_an_interrupted_step_goes_on_and_ends_with_the_same_bytes(
    bench, steps, calls, tmp_path, monkeypatch
):
    bench.run(steps, cache=tmp_path / "undisturbed")
    monkeypatch.setattr("fibcore.pipeline.execute.PROGRESS_EVERY_S", 0)

    class Interrupts:
        @hookimpl
        def fib_run_event(self, event):
            if isinstance(event, StepProgress) and event.done == 2:
                raise KeyboardInterrupt

    calls.clear()
    with pytest.raises(KeyboardInterrupt):
        bench.run(steps, observers=[Interrupts()])
    assert calls[-2:] == ["round 0", "round 1"]
    calls.clear()
    bench.run(steps)
    assert calls == ["round 2", "predict", "measure"]
    assert artefacts(tmp_path / "cache") == artefacts(tmp_path / "undisturbed")


def test_force_runs_a_step_again_and_no_other_if_it_comes_out_the_same(bench, steps, calls):
    bench.run(steps)
    calls.clear()
    bench.run(steps, force=["sem"])
    assert calls == ["simulate"]


def test_a_damaged_cache_entry_is_computed_again(bench, steps, calls, tmp_path):
    result = bench.run(steps)
    file = (result.folder / "01-gold").resolve() / "labels.tif"
    file.write_bytes(file.read_bytes()[:100])
    calls.clear()
    bench.run(steps)
    assert calls == ["generate"]


def test_to_stops_after_a_step_and_from_wants_the_earlier_ones(bench, steps, calls):
    with pytest.raises(UsageError, match="the earlier step 'gold' is not finished"):
        bench.run(steps, start="sem")
    bench.run(steps, stop="sem")
    assert calls == ["generate", "simulate"]
    bench.run(steps, start="level", stop="level")
    assert calls[2:] == ["round 0", "round 1", "round 2"]


@pytest.mark.parametrize("option", [{"start": "sam"}, {"stop": "sam"}, {"force": ["sam"]}])
def test_options_that_name_no_step_get_the_nearest(bench, steps, option):
    with pytest.raises(UsageError, match="Did you mean 'sem'"):
        bench.run(steps, **option)


def test_from_after_to_is_refused(bench, steps):
    with pytest.raises(UsageError, match="nothing would run"):
        bench.run(steps, start="solid", stop="sem")


def test_physics_can_be_swapped_by_one_line(bench, steps):
    steps.insert(1, {"id": "law", "run": "physics/toy_law", "params": {"eta": 0.3}})
    steps.insert(2, {"id": "net", "fit": "physics/toy_learned_law", "inputs": {"table": "law"}})
    sem = next(s for s in steps if s["id"] == "sem")
    sem["inputs"]["physics"] = "law"
    assert bench.run(steps)["sem.clean"].data.max() == pytest.approx(0.3)
    sem["inputs"]["physics"] = "net"
    assert bench.run(steps)["sem.clean"].data.max() == pytest.approx(0.15)


def test_several_stacks_become_channels_and_kv_picks_one(bench):
    steps = [
        {"id": "gold", "run": "generator/toy_blocks"},
        {"id": "low", "run": "simulator/toy_camera", "inputs": {"labels": "gold"}},
        {
            "id": "high",
            "run": "simulator/toy_camera",
            "params": {"energies_kev": [4, 5]},
            "inputs": {"labels": "gold"},
        },
        {
            "id": "both",
            "run": "adapter/toy_trouble",
            "inputs": {"images": ["low", {"from": "high", "kv": [5]}]},
        },
    ]
    both = bench.run(steps)["both"]
    assert both.kv == (2.0, 5.0)
    assert both.data.shape == (2, 8, 16, 16)


def test_large_stacks_become_channels_in_a_file(bench, monkeypatch):
    monkeypatch.setattr("fibcore.context.MEMORY_MAP_ABOVE_BYTES", 0)
    camera = {"run": "simulator/toy_camera", "inputs": {"labels": "gold"}}
    steps = [
        {"id": "gold", "run": "generator/toy_blocks"},
        {"id": "low", **camera},
        {"id": "high", **camera, "params": {"energies_kev": [3, 4, 5]}},
        {
            "id": "all",
            "run": "adapter/toy_trouble",
            "inputs": {"images": ["low", {"from": "high", "kv": [3, 5, 4]}, "high"]},
        },
    ]
    given = []
    stack = Images.stack
    monkeypatch.setattr(
        Images,
        "stack",
        lambda parts, empty=np.empty: given.append(stack(parts, empty)) or given[-1],
    )
    result = bench.run(steps)
    assert [type(part.data) for part in given] == [np.memmap, np.memmap]
    assert given[0].kv == (3.0, 5.0, 4.0)
    assert result["all"].kv == (2.0, 3.0, 5.0, 4.0, 3.0, 4.0, 5.0)
    channels = [result["low"].data[0], *(result["high"].data[i] for i in (0, 2, 1, 0, 1, 2))]
    for one, other in zip(given[1].data, channels, strict=True):
        assert np.array_equal(one, other)


def test_a_list_of_labels_reaches_the_plugin_one_by_one(bench, steps):
    votes = {"id": "votes", "run": "metric/toy_votes", "inputs": {"labels": ["gold", "solid"]}}
    alone = {"id": "alone", "run": "metric/toy_votes", "inputs": {"labels": "gold"}}
    result = bench.run([*steps, votes, alone])
    both = (result["gold"].data > 0) & (result["solid"].data > 0)
    assert result["votes"].rows() == [{"members": 2, "solid_voxels": both.sum()}]
    assert result["alone"].rows()[0]["members"] == 1


def test_saved_models_and_tables_can_be_loaded(bench, steps, tmp_path):
    first = bench.run(steps)
    write_model(first["level"], tmp_path / "mine.safetensors")
    write_table(Table({"eta": [0.5, 0.7]}), tmp_path / "eta.csv")
    steps = [
        *steps[:2],
        {"id": "mine", "load": "mine.safetensors"},
        {"id": "eta", "load": "eta.csv"},
        {"id": "solid", "apply": "mine", "inputs": {"images": "sem"}},
        {"id": "net", "fit": "physics/toy_learned_law", "inputs": {"table": "eta"}},
    ]
    second = bench.run(steps)
    assert (second["solid"].data == first["solid"].data).all()
    assert second["net"].weights["eta"][0] == pytest.approx(0.3)


def test_observers_get_events_and_one_that_raises_disturbs_nothing(bench, steps):
    heard = []

    class Listens:
        @hookimpl
        def fib_run_event(self, event):
            heard.append(event)

    class Raises:
        @hookimpl
        def fib_run_event(self, event):
            raise RuntimeError("tracker is down")

    result = bench.run(steps, observers=[Raises(), Listens()])
    assert [e.step for e in heard if isinstance(e, StepFinished)] == [s["id"] for s in steps]
    assert isinstance(heard[-1], RunFinished)
    assert json.loads(json.dumps(heard[-1].to_json()))["status"] == "finished"
    warnings = json.loads((result.folder / "provenance.json").read_text())["warnings"]
    assert any("tracker is down" in text for text in warnings)


def test_a_run_that_does_not_fit_is_refused_before_it_starts(bench, steps, calls):
    steps.append(
        {
            "id": "big",
            "run": "adapter/toy_trouble",
            "inputs": {"images": "sem"},
            "params": {"trouble": "greedy"},
        }
    )
    with pytest.raises(PipelineError, match=r"step 'big'.*TB of memory") as caught:
        bench.run(steps)
    assert caught.value.exit_code == 2
    assert calls == []
    bench.run(steps, check_memory_and_disk=False)


@pytest.mark.skipif(os.name == "nt", reason="permissions work otherwise on Windows")
@pytest.mark.parametrize("place", ["out", "cache"])
def test_a_folder_that_cannot_be_made_is_reported_before_anything_runs(
    bench, steps, calls, tmp_path, place
):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UsageError, match="choose another folder"):
        bench.run(steps, **{place: tmp_path / "file" / "inside"})
    assert calls == []


def test_a_run_where_links_cannot_be_made_copies(bench, steps, monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError("no links here")

    monkeypatch.setattr("pathlib.Path.symlink_to", refuse)
    result = bench.run(steps)
    assert (result.folder / "01-gold" / "labels.tif").is_file()
