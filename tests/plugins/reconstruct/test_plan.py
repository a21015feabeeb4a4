"""The look at a stack, and the pipeline that follows from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fib_plugins.reconstruct.folder import Folder
from fib_plugins.reconstruct.machine import Machine
from fib_plugins.reconstruct.plan import Plan, plan_for
from fib_plugins.reconstruct.request import Request
from fib_plugins.reconstruct.steps import document
from fibcore.errors import FibError, UsageError
from fibcore.pipeline import check_pipeline

from .conftest import SHAPE, grey, solid

Write = Callable[..., str]
MACHINE = Machine(2, 1.0, 0.5, "cpu", 8 * 2**30, 2**40)


def plan(stacks: str | tuple[str, ...], **given: Any) -> Plan:
    stacks = (stacks,) if isinstance(stacks, str) else stacks
    return plan_for(Request(stacks, **{"solid": "Au", **given}), MACHINE)


def found(seen: Plan, subject: str) -> str:
    return next(line.found for line in seen.findings if line.subject.endswith(subject))


def steps(seen: Plan, folder: Path = Path()) -> dict[str, dict[str, Any]]:
    content = document(seen, "test", folder.absolute())
    check_pipeline(content, base=folder)
    return {step["id"]: step for step in content["steps"]}


def test_a_clean_stack_is_described_and_neither_cropped_nor_aligned(written: Write) -> None:
    phase = solid()
    seen = plan(written(grey(phase)))
    assert seen.solid_fraction == pytest.approx(phase.mean(), abs=0.02)
    assert found(seen, "stack") == "12 slices of 96 x 96 pixels, uint8"
    assert found(seen, "modes of grey values").startswith("2")
    assert found(seen, "data bar, borders") == "none"
    assert seen.warnings == ()
    made = steps(seen)
    assert list(made)[:3] == ["stack", "levelled", "prepared"]
    assert made["first"]["run"] == "segmenter/threshold"
    assert made["first"]["params"]["solid"] == "bright"


def test_drift_and_a_data_bar_are_found_and_corrected(written: Write) -> None:
    phase = solid(shape=(12, 140, 140))
    data = grey(phase)
    moved = np.stack([np.roll(plane, (0, 2 * z), (0, 1)) for z, plane in enumerate(data)])
    moved[:, 128:] = np.random.default_rng(0).integers(0, 2, (12, 140)) * 255
    seen = plan(written(moved[:, :, 22:-22]))
    assert found(seen, "data bar, borders").startswith("12 rows")
    assert float(found(seen, "drift").split()[0]) == pytest.approx(2, abs=0.2)
    assert list(steps(seen))[1:6] == ["face", "aligned", "field", "levelled", "prepared"]


def test_what_the_user_knows_replaces_estimates(written: Write) -> None:
    seen = plan(written(grey(solid())), solid_fraction=0.3, ligament_nm=55.0)
    assert (seen.solid_fraction, seen.ligament_nm) == (0.3, 55.0)
    assert "30 % solid, ligaments of 55 nm, as given" in seen.findings[-1].done
    (structure,) = steps(seen)["world"]["params"]["structures"]
    assert structure["params"]["ligament_diameter_nm"] == {"between": [46.8, 63.2]}


def test_a_solid_of_lower_atomic_number_is_dark(written: Write) -> None:
    phase = solid()
    seen = plan(written(grey(~phase)), solid="alumina", pore="Pt")
    assert steps(seen)["first"]["params"]["solid"] == "dark"
    assert seen.solid_fraction == pytest.approx(phase.mean(), abs=0.02)


def test_the_surrogate_is_taken_where_a_model_of_the_package_fits(written: Write) -> None:
    name = written(grey(solid()), voxel_size_nm=(10, 3.26, 3.26))
    assert plan(name).simulation.plugin == "simulator/surrogate"
    other = plan(name, solid="alumina").simulation
    assert (other.plugin, other.params["slices"]) == ("simulator/weighted_projection", 6)


def test_open_pores_have_a_look_and_labels_by_the_face(written: Write) -> None:
    rng = np.random.default_rng(1)
    phase = solid(shape=(12, 128, 128))
    data = grey(phase).astype(float)
    below = np.clip(rng.normal(80, 25, (12, 16, 16)), 0, 140).repeat(8, 1).repeat(8, 2)
    data = np.where(phase, data, below).astype(np.uint8)
    seen = plan(written(data), solid="LiCoO2", pore="vacuum")
    made = steps(seen)
    assert made["first"]["run"] == "segmenter/milled_face"
    assert "look" in made["look"]["params"]["estimate"]


def test_two_detectors_are_channels_of_one_pipeline(written: Write) -> None:
    phase = solid()
    bse = written(grey(phase), "bse.tif")
    se = written(grey(phase, seed=5), "se.tif", detectors=("se",))
    seen = plan((bse, se))
    made = steps(seen)
    assert made["levelled"]["inputs"]["images"] == ["stack_1", "stack_2"]
    assert seen.simulation.params["detectors"] == ["bse", "se"]
    with pytest.raises(UsageError, match="one voltage and detector"):
        plan((bse, written(grey(phase, seed=6), "more.tif")))


def test_stacks_of_different_shapes_are_refused(written: Write) -> None:
    one = written(grey(solid()), "one.tif")
    other = written(grey(solid())[:-1], "other.tif", detectors=("se",))
    with pytest.raises(UsageError, match="differ in shape"):
        plan((one, other))


def test_missing_calibration_is_one_error_with_the_option(tmp_path: Path, written: Write) -> None:
    import tifffile

    tifffile.imwrite(tmp_path / "plain.tif", grey(solid()))
    with pytest.raises(UsageError, match="--voxel-size-nm Z,Y,X"):
        plan("plain.tif")
    with pytest.raises(UsageError, match="command line: --kv"):
        plan("plain.tif", voxel_size_nm=(10.0, 5.0, 5.0))
    with pytest.raises(UsageError, match="pixel size within slices"):
        plan("plain.tif", slice_thickness_nm=10.0)
    assert plan("plain.tif", voxel_size_nm=(10.0, 5.0, 5.0), kv=(2.0,)).voxel_size_nm == (10, 5, 5)
    tifffile.imwrite(
        tmp_path / "pixel.tif", grey(solid()), imagej=True, resolution=(200.0, 200.0),
        metadata={"unit": "um", "axes": "ZYX"},
    )  # fmt: skip
    assert plan("pixel.tif", slice_thickness_nm=12.0, kv=(2.0,)).voxel_size_nm == (12, 5, 5)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.full(SHAPE, 90, np.uint8), "nothing to see"),
        (grey(np.ones(SHAPE, bool)), "shows no structure"),
        (grey(solid())[:3], "3 slices; at least 5"),
        (grey(solid())[:, :40], "slices of 40 x 96 pixels"),
    ],
)
def test_stacks_that_show_nothing_are_refused(
    written: Write, data: np.ndarray, message: str
) -> None:
    name = written(data)
    with pytest.raises(UsageError, match=message):
        plan(name)


def test_colours_and_folders_without_images_are_refused(tmp_path: Path, written: Write) -> None:
    import tifffile

    colours = np.random.default_rng(0).integers(0, 255, (6, 64, 64, 3), np.uint8)
    tifffile.imwrite(tmp_path / "rgb.tif", colours, photometric="rgb")
    (tmp_path / "empty").mkdir()
    for name in ("rgb.tif", "empty", "nothing.tif"):
        with pytest.raises(FibError, match=name):
            plan(name, voxel_size_nm=(10.0, 5.0, 5.0), kv=(2.0,))


def test_materials_that_look_alike_are_refused(written: Write) -> None:
    name = written(grey(solid()))
    with pytest.raises(UsageError, match="nearly the same backscatter coefficient"):
        plan(name, solid="carbon black", pore="epoxy")


def test_secondary_electrons_alone_are_a_warning_for_filled_pores(written: Write) -> None:
    name = written(grey(solid()), detectors=("se",))
    assert any("only secondary electrons" in text for text in plan(name).warnings)


def test_a_third_mode_of_grey_values_is_a_warning(written: Write) -> None:
    third = solid(3)
    data = np.where(solid(4), 200.0, np.where(third, 120.0, 50.0))
    data += 4 * np.random.default_rng(0).standard_normal(data.shape)
    seen = plan(written(data.astype(np.uint8)))
    assert any("3 modes of grey values, but two phases" in text for text in seen.warnings)


def test_too_little_time_or_memory_says_what_to_leave_out(written: Write) -> None:
    request = Request((written(grey(solid())),), "Au", budget_s=60)
    with pytest.raises(UsageError, match=r"too little time.*--budget .*leave out a part"):
        plan_for(request, replace(MACHINE, slowness=20.0, network_slowness=20.0))
    with pytest.raises(UsageError, match="too little memory"):
        plan_for(replace(request, budget_s=600), replace(MACHINE, memory_bytes=2**28))
    with pytest.raises(UsageError, match="too little room"):
        plan_for(replace(request, budget_s=600), replace(MACHINE, disk_bytes=2**10))


def test_more_time_is_more_training(written: Write) -> None:
    name = written(grey(solid()), voxel_size_nm=(10, 3.26, 3.26))
    short, long = (plan(name, budget_s=s).sizes for s in (180.0, 480.0))
    assert short.total_s < 180
    assert long.total_s < 480
    assert long.epochs * long.effort.base_channels > 1.5 * short.epochs * short.effort.base_channels
    assert long.effort.twins > short.effort.twins


def test_a_run_that_takes_a_little_longer_than_it_may_is_a_warning(written: Write) -> None:
    request = Request((written(grey(solid())),), "Au", budget_s=145)
    seen = plan_for(request, replace(MACHINE, slowness=1.6, network_slowness=0.8))
    assert any("as short as it can be" in text for text in seen.warnings)


def test_labels_of_the_user_move_with_the_stack_and_tune_the_network(
    written: Write, tmp_path: Path
) -> None:
    import tifffile

    phase = solid(shape=(12, 140, 140))
    moved = np.stack([np.roll(plane, 2 * z, 1) for z, plane in enumerate(phase)])
    name = written(grey(moved)[:, :, 22:-22])
    tifffile.imwrite(tmp_path / "drawn.tif", moved[[3, 8], :, 22:-22].astype(np.uint8))
    seen = plan(name, labels="drawn.tif", label_slices=(3, 8))
    Folder(tmp_path).write(seen)
    made = steps(seen, tmp_path)
    assert made["face"]["inputs"]["labels"] == "drawn"
    assert made["field"]["inputs"]["labels"] == {"from": "aligned", "artefact": "labels"}
    assert made["tuned"]["inputs"]["labels"] == {"from": "levelled", "artefact": "labels"}
    assert made["calibrated"]["inputs"]["segmenter"] == "tuned"


def test_the_second_round_starts_from_what_the_first_has_shown(written: Write) -> None:
    made = steps(plan(written(grey(solid()))))
    again = made["structure_2"]["inputs"]
    assert again == {"labels": "by_unet", "twins": {"from": "bars_1", "artefact": "twins"}}
    assert made["unet_2"]["inputs"] == {"images": "world_2", "start": "unet"}
    assert made["bars"]["inputs"]["world"] == made["adequacy"]["inputs"]["world"] == "world_2"
