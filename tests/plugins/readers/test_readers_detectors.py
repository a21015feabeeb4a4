"""Detectors of channels: from parameters, fib's own metadata, tags of instruments, and names."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from reading import probe, read

from fib_plugins.readers.slices.detectors import detector_in, detector_of
from fib_plugins.readers.stacks import metadata
from fib_plugins.readers.tiff import tags
from fib_plugins.readers.tiff.reader import Tiff
from fibcore import FibError, Images, Labels
from fibcore.formats import read_volume, write_volume
from fibcore.pipeline import check_pipeline

VOXEL = (10.0, 5.0, 5.0)
FEI_TAG, ZEISS_TAG = 34682, 34118
FEI = "[Beam]\nHV=2000\nBeam=EBeam\n[Detectors]\nNumber=1\nName={}\n[{}]\nSignal={}\n"
ZEISS = "0\n0\n0\n1.5e-08\nDP_DETECTOR_CHANNEL\nSignal A = {}\nAP_ACTUALKV\nEHT = 1.50 kV\n"
FIVE_NM = Tiff(voxel_size_nm=VOXEL)


def vendor_tag(code: int, text: str) -> list:
    data = text.replace("\n", "\r\n").encode("cp1252") + b"\0"
    return [(code, 2, len(data), data, True)]


def fei(name: str, signal: str = "") -> list:
    return vendor_tag(FEI_TAG, FEI.format(name, name, signal))


def two_detectors() -> Images:
    grey = np.random.default_rng(0).integers(0, 255, (2, 4, 6, 7)).astype(np.uint8)
    return Images(grey, VOXEL, kv=(2, 2), detectors=("bse", "se"))


@pytest.mark.parametrize(
    ("word", "signal", "detector"),
    [
        ("ETD", "SE", "se"),
        ("ETD", "BSE", "bse"),
        ("TLD", "SE", "in_lens"),
        ("TLD", "BSE", "bse"),
        ("CBS", "", "bse"),
        ("T1", "", "bse"),
        ("T2", "", "in_lens"),
        ("SE2", "", "se"),
        ("InLens", "", "in_lens"),
        ("In-lens", "", "in_lens"),
        ("ESB", "", "bse"),
        ("AsB", "", "bse"),
        ("VPSE G3", "", "se"),
        ("CL", "", None),
        ("", "", None),
    ],
)
def test_makers_names_of_detectors(word: str, signal: str, detector: str | None) -> None:
    assert detector_of(word, signal) == detector


@pytest.mark.parametrize(
    ("name", "detector"),
    [
        ("stack_SE_2kV_003", "se"),
        ("2 kV BSE", "bse"),
        ("slice-InLens-12", "in_lens"),
        ("2 kV in-lens", "in_lens"),
        ("EsB_0012", "bse"),
        ("SE2_slice", "se"),
        ("SE", "se"),
        ("session_base_sediment", None),
        ("SE_and_BSE", None),
        ("se3", None),
    ],
)
def test_names_contain_detectors_as_words(name: str, detector: str | None) -> None:
    assert detector_in(name) == detector


@pytest.mark.parametrize("file", ["both.tif", "both.ome.zarr"])
def test_both_detectors_of_one_voltage_survive_a_file(tmp_path: Path, file: str) -> None:
    images = two_detectors()
    write_volume(images, tmp_path / file)
    again = read_volume(tmp_path / file)
    assert again.channels == images.channels
    assert again.names == ("2 kV BSE", "2 kV SE")
    assert np.array_equal(again.data, images.data)
    alone = again.select(detectors=["se"])
    write_volume(alone, tmp_path / f"se-{file}")
    assert read_volume(tmp_path / f"se-{file}").channels == ((2.0, "se"),)


def test_files_of_backscattered_electrons_are_as_before() -> None:
    grey = np.zeros((1, 2, 3, 4), np.uint8)
    assert "detectors" not in metadata.to_text(Images(grey, VOXEL, kv=(2,)))
    assert "detectors" not in metadata.to_text(Images(grey, VOXEL, kv=(None,)))
    text = metadata.to_text(Images(grey, VOXEL, kv=(2,), detectors=("se",)))
    assert json.loads(text)["detectors"] == ["se"]
    wrong = text.replace('["se"]', '["se", "bse"]')
    assert metadata.from_text(wrong) is None


def test_the_parameter_names_detectors_of_a_foreign_file(tmp_path: Path) -> None:
    grey = np.random.default_rng(1).integers(0, 255, (4, 2, 6, 7)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "s.tif", grey, imagej=True, metadata={"axes": "ZCYX"})
    params = Tiff(voxel_size_nm=VOXEL, kv=(2, 2), detector=("se", "t9"))
    images = read("s.tif", params, base=tmp_path)
    assert images.channels == ((2.0, "se"), (2.0, "t9"))
    default = read("s.tif", Tiff(voxel_size_nm=VOXEL, kv=(2, 4)), base=tmp_path)
    assert default.detectors == ("bse", "bse")
    with pytest.raises(FibError, match="2 channels, but detector gives 1"):
        read("s.tif", Tiff(voxel_size_nm=VOXEL, kv=(2, 2), detector="se"), base=tmp_path)


@pytest.mark.parametrize("name", ["SE", "in-lens", "", "2se"])
def test_names_of_detectors_are_lower_case(name: str) -> None:
    with pytest.raises(ValueError, match="detector"):
        Tiff(detector=name)


def test_labels_have_no_detector(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="labels have no detector"):
        Tiff(as_="labels", detector="se")
    write_volume(Labels(np.eye(4, dtype=np.uint8)[None], VOXEL), tmp_path / "l.tif")
    with pytest.raises(FibError, match="no detector: leave out detector"):
        probe("l.tif", Tiff(detector="se"), base=tmp_path)


@pytest.mark.parametrize(
    ("tag", "detector"),
    [
        (fei("ETD", "SE"), "se"),
        (fei("TLD", "SE"), "in_lens"),
        (fei("CBS"), "bse"),
        (vendor_tag(ZEISS_TAG, ZEISS.format("SE2")), "se"),
        (vendor_tag(ZEISS_TAG, ZEISS.format("InLens")), "in_lens"),
        (vendor_tag(ZEISS_TAG, ZEISS.format("ESB")), "bse"),
    ],
)
def test_tags_of_instruments_give_the_detector(
    tmp_path: Path, write_slices: Callable, tag: list, detector: str
) -> None:
    write_slices(["s1.tif", "s2.tif"], extratags=tag)
    opened = probe(".", FIVE_NM, base=tmp_path)
    assert opened.warnings == ()
    assert opened.output.detectors == (detector,)
    given = probe(".", Tiff(voxel_size_nm=VOXEL, detector="t9"), base=tmp_path)
    assert given.output.detectors == ("t9",)
    assert (
        f"detector t9 is set and used; the {'Thermo' if tag[0][0] == FEI_TAG else 'Zeiss'}"
        in (given.warnings[0])
    )


def test_an_unknown_detector_is_reported(tmp_path: Path, write_slices: Callable) -> None:
    write_slices(["s1.tif", "s2.tif"], extratags=fei("CL7"))
    opened = probe(".", FIVE_NM, base=tmp_path)
    assert opened.output.detectors == ("bse",)
    assert "detector 'CL7'" in opened.warnings[0]
    assert "give detector" in opened.warnings[0]


def test_slices_of_two_detectors_are_no_stack(tmp_path: Path, write_slices: Callable) -> None:
    write_slices(["s1.tif", "s2.tif"], extratags=fei("ETD", "SE"))
    write_slices(["s3.tif"], extratags=fei("CBS"))
    with pytest.raises(FibError, match=r"detector is se in s1\.tif and bse in s3\.tif"):
        probe(".", FIVE_NM, base=tmp_path)
    params = Tiff(voxel_size_nm=VOXEL, detector="bse")
    assert probe(".", params, base=tmp_path).output.detectors == ("bse",)


def test_names_of_files_and_folders_that_contradict_are_reported(
    tmp_path: Path, write_slices: Callable
) -> None:
    params = Tiff(voxel_size_nm=VOXEL, kv=2)
    write_slices(["a_SE_1.tif", "a_SE_2.tif"])
    warnings = probe("a_SE_*.tif", params, base=tmp_path).warnings
    assert "contain the detector se (a_SE_1.tif), but bse is used" in warnings[0]
    se = Tiff(voxel_size_nm=VOXEL, kv=2, detector="se")
    assert probe("a_SE_*.tif", se, base=tmp_path).warnings == ()
    (tmp_path / "InLens").mkdir()
    for i in (1, 2):
        (tmp_path / f"a_SE_{i}.tif").rename(tmp_path / "InLens" / f"s{i}.tif")
    assert "detector in_lens (InLens)" in probe("InLens", params, base=tmp_path).warnings[0]


def test_channel_names_of_other_programs_give_detectors(tmp_path: Path) -> None:
    grey = np.random.default_rng(2).integers(0, 255, (3, 2, 6, 7)).astype(np.uint8)
    labels = [
        f"c:{c + 1}/2 z:{z + 1}/3 - {name}" for z in range(3) for c, name in ((0, "BSE"), (1, "SE"))
    ]
    tifffile.imwrite(
        tmp_path / "fiji.tif", grey, imagej=True, metadata={"axes": "ZCYX", "Labels": labels}
    )
    params = Tiff(voxel_size_nm=VOXEL, kv=(2, 2))
    assert probe("fiji.tif", params, base=tmp_path).output.detectors == ("bse", "se")
    ome = {"axes": "ZCYX", "Channel": {"Name": ["InLens", "depth"]}}
    tifffile.imwrite(tmp_path / "s.ome.tif", grey, metadata=ome)
    assert probe("s.ome.tif", params, base=tmp_path).output.detectors == ("in_lens", "bse")


def test_labels_of_planes_that_disagree_give_no_detector() -> None:
    content = {"Labels": ["SE", "BSE"], "unit": "nm"}
    assert tags.imagej(content, (1.0, 1.0)).detectors == ()


def test_the_key_of_a_load_step_depends_on_detectors_alone_where_there_are_some(
    tmp_path: Path, write_slices: Callable
) -> None:
    write_slices(["s1.tif", "s2.tif"], extratags=fei("ETD", "SE"))

    def step(params: dict) -> dict:
        return {"id": "x", "load": "*.tif", "params": {"voxel_size_nm": list(VOXEL), **params}}

    def planned(params: dict):
        document = {"version": 1, "name": "x", "steps": [step(params)]}
        return check_pipeline(document, base=tmp_path).steps[0]

    tagged, given = planned({}), planned({"detector": "bse"})
    assert "detector" not in tagged.work.params
    assert list(tagged.work.products) == ["images", "channels"]
    assert list(given.work.products) == ["images"]
    assert given.work.params["detector"] == "bse"
    opened = Tiff(voxel_size_nm=VOXEL).open("*.tif", tmp_path)
    assert list(opened.tables["channels"]["detector"]) == ["se"]
