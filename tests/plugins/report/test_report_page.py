from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest

from fib_plugins.report import ReportWriter, write_report
from fib_plugins.report.collect import collect
from fib_plugins.report.grids import metric_grids
from fib_plugins.report.page import RUN_FILES
from fibcore import FibError, Images, Labels, Metric, Table, hookimpl, keeps
from fibcore.formats import write_volume
from fibcore.pipeline import StepError, check_pipeline, run_pipeline
from fibcore.registry import registry
from fibcore.roles import Abscissa, Curve, Figure

VOID = {"meta", "link", "img", "input", "br"}


class Page(HTMLParser):
    """A parsed page: its elements with their attributes, its text, whether tags are balanced."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("script", "style"):
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

    def values(self, attribute):
        return [attrs[attribute] for _, attrs in self.elements if attribute in attrs]


def report(folder) -> Page:
    return Page(write_report(folder).read_text(encoding="utf-8"))


STEPS = [
    {"id": "gold", "run": "generator/toy_blocks",
     "params": {"voxel_size_nm": [10, 5, 5], "block": 2}},
    {"id": "sem", "run": "simulator/toy_camera", "inputs": {"labels": "gold"}},
    {"id": "level", "fit": "segmenter/toy_level", "inputs": {"images": "sem", "labels": "gold"}},
    {"id": "solid", "apply": "level", "inputs": {"images": "sem"}, "params": {"offset": 0.45}},
    {"id": "score", "run": "metric/toy_score", "inputs": {"prediction": "solid", "truth": "gold"}},
]  # fmt: skip


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    """A finished toy run with voxels that are no cubes and a prediction with errors."""
    folder = tmp_path_factory.mktemp("report")
    document = {"version": 1, "name": "toy", "seed": 7, "steps": STEPS}
    plan = check_pipeline(document, base=folder)
    command = ["fib", "run", "toy.json"]
    return run_pipeline(plan, out=folder / "runs", cache=folder / "cache", command=command)


@pytest.fixture(scope="module")
def text(result):
    """The page of the finished run."""
    return write_report(result.folder).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(text):
    """The page of the finished run, parsed."""
    return Page(text)


@pytest.fixture
def copy(result, tmp_path):
    """A copy of the finished run, to be damaged."""
    return shutil.copytree(result.folder, tmp_path / "copy")


def test_the_page_shows_every_step_and_its_place_in_the_pipeline(result, page):
    assert not page.open
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    for step in result.plan.steps:
        assert f"step-{step.id}" in ids
        assert step.identifier in page.text or step.verb == "apply"
        assert f"#step-{step.id}" in page.values("href")
    assert "finished" in page.text
    assert "fib run toy.json" in page.text


def test_the_page_has_the_figures_of_the_tables_with_their_units(result, page):
    wrong = float(result["score"]["wrong_percent"][0])
    assert 1 < wrong < 50
    assert f"{wrong:#.4g}" in page.text
    assert str(wrong) in page.values("title")
    assert "wrong_percent" in page.values("title")
    assert "%" in page.words
    for level in result["level.history"]["level"]:
        assert f"{level:#.4g}" in page.text


def test_the_page_loads_nothing_from_anywhere(result, page, text):
    assert all(src.startswith("data:") for src in page.values("src"))
    names = {file.name for file in result.folder.iterdir()}
    for href in page.values("href"):
        assert href == "data:," or href.startswith("#") or href.split("/")[0] in names, href
    assert not re.search(r"https?://|@import|url\((?!#)", text)
    assert not {tag for tag, _ in page.elements} & {"iframe", "object", "embed", "base"}
    (policy,) = (a["content"] for t, a in page.elements if a.get("http-equiv"))
    assert policy.startswith("default-src 'none'")


def test_links_lead_to_files_that_are_there(result, page):
    files = [href for href in page.values("href") if "/" in href]
    assert "01-gold/labels.tif" in files
    assert "03-level/model.safetensors" in files
    assert all((result.folder / href).is_file() for href in files)


def test_panes_have_the_physical_aspect_of_the_voxels(page):
    panes = [a["style"] for _, a in page.elements if a.get("class") == "frame"]
    ratios = {tuple(map(float, re.findall(r"[\d.]+", style))) for style in panes}
    assert ratios == {(80.0, 80.0)}  # 8 slices of 10 nm, 16 rows and columns of 5 nm


def test_every_slice_of_every_layer_has_its_picture(page, text):
    (waiting,) = re.findall(r'id="pictures">(.*?)</script>', text, re.DOTALL)
    there = {*json.loads(waiting), *page.values("data-key")}
    viewers = re.findall(r'<script type="application/json">(.*?)</script>', text, re.DOTALL)
    assert len(viewers) == 5  # gold, images with and without noise, solid, errors
    for viewer in map(json.loads, viewers):
        for layer in viewer["bases"] + viewer["overlays"]:
            assert len(layer["xy"]) == len(viewer["slices"]) == len(viewer["at"]) == 8
            assert there >= {key for plane in layer.values() for key in plane}


def test_prediction_and_truth_are_laid_over_the_images_they_belong_to(result, page):
    for words in ("missed solid", "false solid", "truth outline", "prediction outline"):
        assert words in page.text
    wrong = np.sum(result["solid"].data != result["gold"].data)
    correct = result["gold"].data.size - wrong
    assert f"{correct} voxels" in page.text
    assert "The best single threshold at 2 kV" in page.text


def test_phases_are_named_with_their_volume_fractions(result, page):
    part = 100 * float(np.mean(result["gold"].data == 1))
    assert "phase 1 · Au" in page.text
    assert f"{part:#.4g} %" in page.text


def test_parameters_that_the_file_sets_stand_apart_from_defaults(page):
    text = page.text
    first = text.index("Parameters set")
    assert first < text.index("voxel_size_nm [10.0, 5.0, 5.0]", first)
    assert "parameters with default values" in text


def test_names_and_notes_never_become_markup(copy):
    attack = "<script>alert('x')</script><img src=//evil onerror=alert(1)>"
    files = {name: json.loads((copy / name).read_text()) for name in RUN_FILES[:3]}
    files["pipeline.json"]["steps"][0]["note"] = attack
    files["resolved.json"] |= {"description": attack, "name": attack}
    files["resolved.json"]["steps"][4]["plugin"] = "metric/" + attack
    files["provenance.json"]["warnings"] = ["</script>" + attack]
    for name, content in files.items():
        (copy / name).write_text(json.dumps(content))
    (copy / "05-score" / "table.csv").write_text(f'"{attack}"\n1.5\n')
    page = report(copy)
    assert page.text.count("alert('x')") >= 5
    assert sum(tag == "script" for tag, _ in page.elements) == 2 + 5
    assert not any("evil" in src for src in page.values("src"))
    assert not page.values("onerror")


def test_a_failed_run_has_a_page_with_the_step_and_the_reason(bench, steps):
    trouble = {"id": "broken", "run": "adapter/toy_trouble", "inputs": {"images": "sem"},
               "params": {"trouble": "fib"}}  # fmt: skip
    steps.insert(2, trouble)
    with pytest.raises(StepError) as caught:
        bench.run(steps, observers=[ReportWriter()])
    page = Page((caught.value.folder / "report.html").read_text(encoding="utf-8"))
    assert "the images are upside down; turn them" in page.text
    assert "Step broken (adapter/toy_trouble) failed." in page.text
    assert "not run" in page.text
    assert "gold-labels" in page.values("id")


def test_warnings_of_a_step_are_shown_also_when_it_is_reused(bench, steps):
    steps.insert(2, {"id": "same", "run": "adapter/toy_trouble", "inputs": {"images": "sem"}})
    bench.run(steps)
    page = report(bench.run(steps).folder)
    assert "nothing was changed" in page.text
    assert "reused" in page.text


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: (folder / "labels.tif").unlink(), "labels cannot be read"),
        (lambda folder: (folder / "labels.tif").write_bytes(b"II*\0nonsense"), "labels cannot be"),
        (lambda folder: (folder / "step.json").write_text("{"), "results of this step cannot be"),
        (lambda folder: shutil.rmtree(folder), "results of this step cannot be"),
    ],
)
def test_what_is_missing_or_damaged_is_reported_in_its_place(copy, damage, said):
    damage(copy / "01-gold")
    page = report(copy)
    assert said in page.text
    assert "sem-images" in page.values("id")


def test_damaged_tables_and_models_are_reported_in_their_place(copy):
    (copy / "03-level" / "history.csv").write_text("a,b\n1\n")
    (copy / "03-level" / "model.safetensors").write_bytes(b"?")
    page = report(copy)
    assert "history cannot be read" in page.text
    assert "model cannot be shown" in page.text


@pytest.mark.parametrize("name", ["provenance.json", "pipeline.json"])
def test_a_run_without_one_of_its_files_still_has_a_page(copy, name):
    (copy / name).unlink()
    page = report(copy)
    assert f"{name} cannot be read" in page.text


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(FibError, match="not the folder of a run"):
        write_report(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_page_that_cannot_be_written_is_an_error_that_names_the_place(copy):
    (copy / "report.html").unlink()
    (copy / "report.html").mkdir()
    with pytest.raises(FibError, match=r"report\.html cannot be written"):
        write_report(copy)
    assert not list(copy.glob("*.part"))


def test_the_same_run_gives_the_same_bytes(result, text):
    assert write_report(result.folder).read_text(encoding="utf-8") == text
    assert {path.name for path in result.folder.glob("*report*")} == {"report.html"}


class Shape(Metric):
    """Figures of the prediction and of the truth."""

    name = "toy_shape"

    @keeps(curves=Table)
    def measure(self, prediction: Labels, truth: Labels | None = None, context=None) -> Table:
        row = {"solid_fraction": float(prediction.solid.mean()), "count": 3}
        if truth is not None:
            row["truth_solid_fraction"] = 0.25
        x = np.arange(30.0)
        along = {f"s2_{axis}": Curve("s2", along=axis) for axis in "xz"}
        columns = {"distance_nm": x, "s2_x": x, "s2_z": x / 2}
        context.keep("curves", Table(columns, {"distance_nm": Abscissa(), **along}))
        truths = {name: Figure(of_truth=name[6:]) for name in row if name.startswith("truth_")}
        return Table.from_rows([row], truths)


class ShapePackage:
    """Registers the metric."""

    @hookimpl
    def fib_register_metrics(self, register):
        register(Shape)


@pytest.fixture(scope="session", autouse=True)  # registered once, in any order of tests
def _shape() -> None:
    registry().add_module(ShapePackage(), "shape = tests", "fib-toy-shape")


def test_figures_of_one_metric_stand_side_by_side_and_those_of_the_truth_below(bench, steps):
    for name, truth in (("shape", "gold"), ("shape2", "gold"), ("alone", None)):
        inputs = {"prediction": "solid"} | ({"truth": truth} if truth else {})
        steps.append({"id": name, "run": "metric/toy_shape", "inputs": inputs})
    result = bench.run(steps)
    grids = {grid.title: grid for grid in metric_grids(collect(result.folder))}
    grid = grids["metric/toy_shape"]
    assert [cell.text for cell in grid.head] == [
        "step", "prediction", "truth", "solid fraction", "count",
    ]  # fmt: skip
    assert [row[0].text for row in grid.rows] == ["shape", "shape2", "alone", "truth"]
    assert [row[2].text for row in grid.rows] == ["gold", "gold", "", ""]
    assert grid.rows[-1][1].text == "gold"
    assert grid.rows[-1][3].text == "0.2500"
    page = report(result.folder)
    assert "distance (nm)" in page.text
    assert "The errors of this prediction are shown at score" in page.text


def test_many_channels_of_16_bit_and_gaps_can_be_shown(bench, steps):
    rng = np.random.default_rng(1)
    data = rng.integers(300, 60_000, (3, 6, 20, 20)).astype(np.uint16)
    write_volume(Images(data, (20.0, 5.0, 5.0), kv=(1.0, 2.0, 4.0)), bench.folder / "a.tif")
    result = bench.run([{"id": "real", "load": "a.tif"}])
    page = report(result.folder)
    assert "uint16" in page.text
    for name in ("1 kV", "2 kV", "4 kV"):
        assert f"grey value, {name}" in page.text


def test_what_a_table_is_comes_back_with_it_and_is_kept_in_the_record_of_the_step(bench, steps):
    steps.append({"id": "shape", "run": "metric/toy_shape", "inputs": {"prediction": "solid"}})
    result = bench.run(steps)
    curves = result["shape.curves"]
    assert curves.roles["s2_x"] == Curve("s2", along="x")
    assert curves.roles["distance_nm"] == Abscissa()
    record = json.loads((result.entries["shape"].folder / "step.json").read_text())
    assert record["roles"] == {
        "curves": {
            "distance_nm": {"role": "abscissa"},
            "s2_x": {"quantity": "s2", "along": "x", "role": "curve"},
            "s2_z": {"quantity": "s2", "along": "z", "role": "curve"},
        }
    }
    assert (
        (result.entries["shape"].folder / "curves.csv").read_text().startswith("distance_nm,s2_x")
    )
    step = next(step for step in collect(result.folder).steps if step.id == "shape")
    assert step.artefacts["curves"].value.roles == curves.roles
