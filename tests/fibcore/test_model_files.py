"""Files of models that are not what the plugin that they name has learned."""

from __future__ import annotations

import json
import os
import re
from typing import Any, ClassVar

import numpy as np
import pytest
from pydantic import Field
from safetensors.numpy import save_file

from fibcore import (
    Context,
    FibError,
    Forecast,
    Images,
    Labels,
    Model,
    Segmenter,
    Trainable,
    hookimpl,
)
from fibcore.errors import PipelineError
from fibcore.models import ModelInfo
from fibcore.pipeline import run_pipeline
from fibcore.registry import registry


class CutInfo(ModelInfo):
    kv: list[float]
    scale: float = Field(gt=0)


class Cuts(Trainable, Segmenter):
    """Learns as many grey levels as it is said to."""

    name: ClassVar[str] = "toy_cuts"
    info_type: ClassVar[type[CutInfo]] = CutInfo
    learner: ClassVar[str] = "cutter"

    cuts: int = Field(default=3, ge=1, description="number of levels")

    def fit(self, images: Images, labels: Labels, context: Context | None = None) -> Cuts:
        self._model = Model(
            self.identifier(),
            self.model_dump(mode="json"),
            {"levels": np.linspace(0.2, 0.8, self.cuts), "count": np.array(self.cuts)},
            {"kv": [2.0], "scale": 1.5},
        )
        return self

    def weight_shapes(self) -> dict[str, tuple[int | None, ...]]:
        return {"levels": (self.cuts,), "count": ()}

    def forecast(self, method: str, inputs: Any) -> Forecast:
        if method == "fit":
            info = {"kv": list(inputs["images"].kv)}
            return Forecast(model=Model(self.identifier(), {"cuts": self.cuts}, info=info))
        return super().forecast(method, inputs)

    def predict(self, images: Images, context: Context | None = None) -> Labels:
        middle = float(np.median(self.model.weights["levels"])) * self.model.info["scale"]
        return Labels((images.data[0] > middle).astype(np.uint8), images.voxel_size_nm)


class Package:
    @hookimpl
    def fib_register_segmenters(self, register: Any) -> None:
        register(Cuts)


@pytest.fixture(scope="session", autouse=True)  # registered once, in any order of tests
def _cuts() -> None:
    registry().add_module(Package(), "cuts = tests", "fib-toy-cuts", "0.1")


HEADER = {"format": 1, "plugin": "segmenter/toy_cuts", "params": {"cuts": 3},
          "info": {"kv": [2.0], "scale": 1.5, "more": {"of": "it"}}}  # fmt: skip
WEIGHTS = {"levels": np.array([0.2, 0.5, 0.8]), "count": np.array([3])}


@pytest.fixture
def check(bench, steps):
    """A function that writes a model's files and checks a pipeline that applies it."""

    def write_and_check(header: Any = HEADER, weights: Any = WEIGHTS) -> Any:
        text = header if isinstance(header, str) else json.dumps(header)
        (bench.folder / "m.json").write_text(text)
        if isinstance(weights, bytes):
            (bench.folder / "m.safetensors").write_bytes(weights)
        else:
            save_file(weights, bench.folder / "m.safetensors")
        load = {"id": "model", "load": "m.safetensors"}
        apply = {"id": "found", "apply": "model", "inputs": {"images": "sem"}}
        return bench.plan([*steps[:2], load, apply])

    return write_and_check


def only(caught):
    assert caught.value.exit_code == 2
    (problem,) = caught.value.problems
    assert str(problem).startswith("steps[2].load: ")
    assert len(str(problem)) < 700
    return problem.message


def test_a_sound_model_is_applied(bench, check):
    plan = check()
    result = run_pipeline(plan, out=bench.folder / "runs", cache=bench.folder / "cache")
    assert result["found"].data.max() == 1


def test_a_step_that_fits_and_one_that_applies_go_together(bench, steps):
    fit = {"id": "cuts", "fit": "segmenter/toy_cuts", "inputs": {"images": "sem", "labels": "gold"}}
    apply = {"id": "found", "apply": "cuts", "inputs": {"images": "sem"}}
    assert bench.run([*steps[:2], fit, apply])["found"].data.max() == 1


HEADERS: dict[str, tuple[Any, str]] = {
    "list": ([], "Input should be|it must be|valid dictionary"),
    "number": (3, "is not a model that fib wrote"),
    "empty": ({}, "format: field required"),
    "deep": ("[" * 100_000, "nested more than"),
    "half a character": ('{"format": 1, "plugin": "\\ud800"}', "not a valid character"),
    "NaN": ('{"format": NaN}', "NaN is not a number"),
    "twice": ('{"format": 1, "format": 1}', "duplicate key"),
    "text": ("hello", "not valid JSON"),
    "format of text": ({**HEADER, "format": "1"}, "model of format 1"),
    "format to come": ({**HEADER, "format": 99}, "update fib"),
    "format of a list": ({**HEADER, "format": [1]}, "update fib"),
    "no plugin": ({**HEADER, "plugin": None}, "plugin: it must be a valid string"),
    "plugin of a path": ({**HEADER, "plugin": "../../x/y"}, "plugin: string should match"),
    "unknown plugin": ({**HEADER, "plugin": "segmenter/toy_cut"}, "Did you mean 'segmenter/toy_"),
    "another kind": ({**HEADER, "plugin": "material/Au"}, "no plugin|not a plugin"),
    "another plugin": ({**HEADER, "plugin": "segmenter/toy_level"}, "does not fit segmenter/toy_"),
    "params of a list": ({**HEADER, "params": []}, "params: it must be a valid dictionary"),
    "params unknown": ({**HEADER, "params": {"cutz": 3}}, r"params.cutz: extra inputs"),
    "params out of range": ({**HEADER, "params": {"cuts": 0}}, r"params.cuts: .*greater than"),
    "params of another type": ({**HEADER, "params": {"cuts": "x" * 9999}}, r"params.cuts: "),
    "info of a list": ({**HEADER, "info": []}, "info: it must be a valid dictionary"),
    "no info": ({**HEADER, "info": {}}, r"kv: field required; scale: field required.*cutter"),
    "info of text": ({**HEADER, "info": {"kv": [2], "scale": "1.5"}}, r"scale: .*valid number"),
    "info out of range": ({**HEADER, "info": {"kv": [2], "scale": -1}}, r"scale: .*greater than 0"),
    "info of nothing": ({**HEADER, "info": {"kv": [None], "scale": 1}}, r"kv.0: .*valid number"),
    "cuts that the weights do not have": (
        {**HEADER, "params": {"cuts": 4}}, r"levels of shape \(3,\), not \(4,\)"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("header", "said"), HEADERS.values(), ids=HEADERS)
def test_a_header_that_is_not_what_the_plugin_keeps_is_one_message(check, header, said):
    with pytest.raises(PipelineError) as caught:
        check(header)
    assert re.search(said, only(caught)), only(caught)


ARRAYS: dict[str, tuple[Any, str]] = {
    "none": ({}, "lacks the weights levels, count"),
    "one missing": ({"levels": WEIGHTS["levels"]}, "lacks the weights count"),
    "a foreign one": ({**WEIGHTS, "evil[/b]\x1b": np.zeros(2)}, r"foreign weights evil\[/b\]\\x1b"),
    "too long": ({**WEIGHTS, "levels": np.zeros(4)}, r"shape \(4,\), not \(3,\)"),
    "too deep": ({**WEIGHTS, "levels": np.zeros((3, 1))}, r"shape \(3, 1\), not \(3,\)"),
    "NaN": ({**WEIGHTS, "levels": np.array([0, np.nan, 1])}, "'levels'.* not finite"),
    "infinite": ({**WEIGHTS, "levels": np.array([0, -np.inf, 1])}, "not finite"),
    "no safetensors": (b"PK\x03\x04", "is not a model that fib wrote"),
    "nothing": (b"", "is not a model that fib wrote"),
    "a header without end": (b"\xff" * 16, "is not a model that fib wrote"),
    "a header of another size": (b"\x10" + bytes(7) + b"{}", "is not a model that fib wrote"),
    "a type that numpy lacks": (
        (lambda h: len(h).to_bytes(8, "little") + h + bytes(6))(
            b'{"levels":{"dtype":"BF16","shape":[3],"data_offsets":[0,6]}}'
        ),
        "is not a model|not finite|lacks",
    ),
    "a type of 8 bits that numpy lacks": (
        (lambda h: len(h).to_bytes(8, "little") + h + bytes(3))(
            b'{"levels":{"dtype":"F8_E4M3","shape":[3],"data_offsets":[0,3]}}'
        ),
        "is not a model|not finite|lacks",
    ),
    "overlapping arrays": (
        (lambda h: len(h).to_bytes(8, "little") + h + bytes(24))(
            b'{"levels":{"dtype":"F64","shape":[3],"data_offsets":[0,24]},'
            b'"count":{"dtype":"F64","shape":[3],"data_offsets":[0,24]}}'
        ),
        "is not a model that fib wrote",
    ),
}


@pytest.mark.parametrize(("weights", "said"), ARRAYS.values(), ids=ARRAYS)
def test_weights_that_are_not_what_the_plugin_needs_are_one_message(check, weights, said):
    with pytest.raises(PipelineError) as caught:
        check(weights=weights)
    assert re.search(said, only(caught)), only(caught)


def test_a_plugin_of_parameters_alone_takes_none_that_it_does_not_know(bench, steps):
    (bench.folder / "m.json").write_text(
        json.dumps({"format": 1, "plugin": "physics/toy_law", "params": {"etta": 1}, "info": {}})
    )
    save_file({}, bench.folder / "m.safetensors")
    with pytest.raises(PipelineError, match=r"does not fit physics/toy_law.*params\.etta"):
        bench.plan([{"id": "model", "load": "m.safetensors"}])


def test_files_that_are_missing_or_no_files_are_one_message(bench, check):
    check()
    (bench.folder / "m.json").unlink()
    plan = [{"id": "model", "load": "m.safetensors"}]
    with pytest.raises(PipelineError, match="is not a model that fib wrote"):
        bench.plan(plan)
    (bench.folder / "m.json").mkdir()
    with pytest.raises(PipelineError, match=r"m\.json is not a file but a folder"):
        bench.plan(plan)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes as files here")
@pytest.mark.parametrize("name", ["m.json", "m.safetensors"])
def test_pipes_and_devices_are_refused_and_not_waited_for(bench, check, name):
    check()
    plan = [{"id": "model", "load": "m.safetensors"}]
    (bench.folder / name).unlink()
    os.mkfifo(bench.folder / name)
    with pytest.raises(PipelineError, match="is not a file but a pipe"):
        bench.plan(plan)
    (bench.folder / name).unlink()
    (bench.folder / name).symlink_to("/dev/zero")
    with pytest.raises(PipelineError, match="is not a file but a device"):
        bench.plan(plan)


def test_weights_that_no_memory_could_hold_are_refused_before_they_are_read(
    bench, check, monkeypatch
):
    monkeypatch.setattr("fib_plugins.hollow.HOLLOW_ABOVE_BYTES", 2**62)  # that is another refusal
    check()
    size = 2**42
    header = b'{"levels":{"dtype":"F64","shape":[%d],"data_offsets":[0,%d]}}' % (size // 8, size)
    with (bench.folder / "m.safetensors").open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        try:
            file.truncate(8 + len(header) + size)
        except OSError:
            pytest.skip("this file system has no sparse files of that size")
    with pytest.raises(PipelineError, match=r"TB, .* of memory are free"):
        bench.plan([{"id": "model", "load": "m.safetensors"}])


def test_a_notebook_gets_the_same_message():
    model = Model("segmenter/toy_cuts", {"cuts": 3}, WEIGHTS, {"kv": [2.0]})
    with pytest.raises(FibError, match="scale: field required"):
        Cuts.from_model(model)
    assert Cuts.from_model(Model("segmenter/toy_cuts", {}, forecast=True)).fitted


def test_a_model_of_another_plugin_is_refused():
    model = Model("segmenter/random_forest", {"cuts": 2})
    with pytest.raises(FibError, match="of segmenter/random_forest, not of segmenter/toy_cuts"):
        Cuts.from_model(model)
