"""What raw recording costs a segmentation, and whether to correct its defects or to teach them.

``python -m benchmarks.correctors.chain``. A virtual stack of hidden truth is recorded raw by a
twin (drift, jitter, jumps, uneven slices, tilt, curtains, streaks, data bar) and corrected by the
steps of `examples/raw_stack.json`, which carry the truth along. MP (misplaced pixels, %) is
compared with that on a twin recorded without drift, stripes and uneven slices, at the same angle.

Two networks are trained on another structure, recorded by random variants of an instrument: one
that has seen drift, uneven slices and stripes (taught), and one that has not (untaught). Everything
goes through fib's cache in ``--out``: after a change of a corrector only what depends on it is
computed.
"""

from __future__ import annotations

import argparse
import os
import statistics
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from fib_plugins.adapters.twin import Twin
from fibcore import FibError, Table
from fibcore.pipeline import check_pipeline, run_pipeline
from fibcore.pipeline.result import RunResult

from ..adaptation.setting import Params, Step, apply, fit, run
from ..pages import spread, table

PRESETS = ("typical", "bad")
TARGET = 1.15
"""Most MP on the corrected raw twin, as a multiple of the reference's."""

TRAINING: Params = {
    "shape": [64, 128, 128],
    "voxel_size_nm": 5.0,
    "ligament_diameter_nm": 60,
    "solid_fraction": 0.4,
}
TRUTH: Params = {
    "shape": [144, 320, 256],
    "voxel_size_nm": [2.5, 5.0, 5.0],
    "ligament_diameter_nm": 64,
    "solid_fraction": 0.38,
}
"""The structure of the twin, in slices of half the distance at which it is recorded."""
VOXEL_NM = 5.0
PHYSICS: Params = {"energies_kev": [2]}
UNET: Params = {
    "dimensions": "2.5d",
    "slices_above": 2,
    "slices_below": 3,
    "base_channels": 8,
    "patch": 48,
    "batch_size": 16,
    "patches_per_epoch": 256,
    "epochs": 8,
    "early_stopping_patience": 8,
    "learning_rate": 0.003,
    "normalization": "slice",
    "augment_offset": 0.3,
    "augment_gain": 0.3,
    "instrument_spread": 1.0,
}
TRANSMISSION = {"method": "transmission"}
"""Curtains of these twins are a factor on the signal of the solid, and last for several slices."""
NOMINAL: Params = {"mean_nm": VOXEL_NM}
"""Curtains that are left make slices resemble each other less: the mean is the nominal one."""
EVEN: Params = {"voxel_size_nm": VOXEL_NM, "interpolation": "cubic"}
STRIPES = ["charging", "curtaining", "line_noise", "shading"]
"""Effects that correctors remove within slices; the untaught network has not seen them."""
TAUGHT: Params = {"curtaining": 0.06, "curtain_length_nm": 300.0}
"""Stripes that the taught network has seen, half to twice as strong, and others in addition."""
MOVED: Params = {"drift_nm": 4.0, "thickness_variation": 0.2}
"""What the taught network has seen of displaced and uneven slices, with labels that fit."""

CURTAINS = ("curtains_per_um", "curtain_depth", "curtain_width_nm", "curtain_reach_nm")
FAINT: dict[str, Params] = {
    preset: {name: getattr(Twin(preset=preset), name) for name in CURTAINS} for preset in PRESETS
}
"""preset -> its curtains without raw."""

CASES = {
    "facing": ("facing", "untaught", "reference, but seen along the normal; untaught"),
    "reference": ("reference", "untaught", "reference; untaught"),
    "reference_taught": ("reference", "taught", "reference; taught"),
    "raw": ("cropped", "untaught", "raw, cropped; untaught"),
    "teach": ("cropped", "taught", "raw, cropped; taught"),
    "correct": ("corrected", "untaught", "corrected; untaught"),
    "both": ("corrected", "taught", "corrected; taught"),
}
"""case -> (stack, network, caption)."""


def labels_of(step: str) -> dict[str, str]:
    """Return the labels that a step keeps, as an input."""
    return {"from": step, "artefact": "labels"}


def correct(
    step: str, name: str, stack: str, params: Params | None = None, **inputs: str | dict[str, str]
) -> Step:
    """Return a step that applies a corrector to a stack and the labels that belong to it.

    Args:
        step: its id.
        name: of the corrector.
        stack: the step that makes the images, and the labels unless `inputs` has others.
        params: of the corrector.
        inputs: further inputs.
    """
    given: dict[str, str | dict[str, str]] = {"images": stack, "labels": labels_of(stack), **inputs}
    return {"id": step, "run": f"corrector/{name}", "inputs": given, "params": params or {}}


def chain() -> list[Step]:
    """Return the correctors of a raw stack, those of `examples/raw_stack.json`."""
    shifts = {"from": "aligned", "artefact": "corrections"}
    places = {"from": "measured", "artefact": "corrections"}
    return [
        correct("cropped", "crop", "raw"),
        correct("upright", "tilt", "cropped"),
        correct("aligned", "align", "upright", {"remove": "all"}),
        correct("shared", "crop", "aligned", {"find": []}, shifts=shifts),
        correct("levelled", "level", "shared", {"repair": "leave_out"}),
        run("destriped", "corrector/destripe", TRANSMISSION, images="levelled"),
        run("measured", "corrector/thickness", NOMINAL, images="destriped"),
        correct(
            "corrected",
            "resample",
            "measured",
            EVEN,
            labels=labels_of("levelled"),
            positions=places,
        ),
    ]


def steps(preset: str, faint: bool = False) -> list[Step]:
    """Return all steps for twins of a preset; `faint` as `main` describes."""
    wave, simulator = "generator/leveled_wave", "simulator/weighted_projection"
    acquisition, twin = "adapter/acquisition", "adapter/twin"
    recording = {"preset": preset, "slice_nm": VOXEL_NM}
    still = recording | {"curtains_per_um": 0.0}
    angle = {"tilt_deg": 38.0, "untracked": 0.0}
    free = {"preset": "typical", "removed_effects": STRIPES}
    ideal = {"images": "ideal", "labels": "truth"}
    made = [
        run("train_structure", wave, TRAINING),
        run("train_ideal", simulator, PHYSICS, labels="train_structure"),
        run("moved", acquisition, MOVED, images="train_ideal", labels="train_structure"),
        fit("instrument", acquisition, {"preset": "typical"} | TAUGHT),
        fit("instrument_free", acquisition, free),
        _trained("taught", "moved", labels_of("moved"), "instrument"),
        _trained("untaught", "train_ideal", "train_structure", "instrument_free"),
        run("truth", wave, TRUTH),
        run("ideal", simulator, PHYSICS, labels="truth"),
        run("facing", twin, still, **ideal),
        run("tilted", twin, still | angle, **ideal),
        correct("tilted_upright", "tilt", "tilted"),
        correct("reference", "resample", "tilted_upright", EVEN),
        run("raw", twin, recording | {"raw": True} | (FAINT[preset] if faint else {}), **ideal),
        *chain(),
    ]
    for case, (stack, network, _) in CASES.items():
        made.append(apply(f"by_{case}", network, images=stack))
        truth = {"prediction": f"by_{case}", "truth": labels_of(stack)}
        made.append({"id": f"mp_{case}", "run": "metric/overlap", "inputs": truth})
    return made


def _trained(step: str, images: str, labels: str | dict[str, str], instrument: str) -> Step:
    inputs = {"images": images, "labels": labels, "instrument": instrument}
    return {"id": step, "fit": "segmenter/unet", "inputs": inputs, "params": UNET}


PLACES = {
    "displaced_px": "slices displaced after alignment, y and x together (px rms)",
    "mean_thickness_percent": "mean thickness, estimate above truth (%)",
    "thickness_rms_percent": "thickness of single slices over the mean (% rms)",
}


def places(done: RunResult) -> dict[str, float]:
    """Return what correctors have left of displacements and uneven slices, by the twin's table."""
    true, moved = _table(done, "raw.slices"), _table(done, "aligned.corrections")
    left = np.stack([true[name] + moved[name] for name in ("shift_y_px", "shift_x_px")])
    left -= left.mean(axis=1, keepdims=True)
    kept = _table(done, "levelled.corrections")["kept"] > 0
    thick = np.diff(true["position_nm"][kept])
    found = np.diff(_table(done, "measured.corrections")["position_nm"])
    single = found / found.mean() - thick / thick.mean()
    return {
        "displaced_px": float(np.sqrt(np.mean(np.sum(left**2, axis=0)))),
        "mean_thickness_percent": float(100 * (found.mean() / thick.mean() - 1)),
        "thickness_rms_percent": float(100 * np.sqrt(np.mean(single**2))),
    }


def _table(done: RunResult, name: str) -> Table:
    found = done[name]
    assert isinstance(found, Table)
    return found


def measured(preset: str, seed: int, out: Path, faint: bool = False) -> dict[str, float]:
    """Return MP in percent of each case, and what `places` returns.

    Raises:
        FibError: a step failed.
    """
    document = {"version": 1, "name": "chain", "seed": seed, "steps": steps(preset, faint)}
    plan = check_pipeline(document, base=out)
    done = run_pipeline(plan, out=out / "runs", cache=out / "cache")
    found = {case: float(_table(done, f"mp_{case}")["mp_percent"][0]) for case in CASES}
    return found | places(done)


def report(preset: str, results: Mapping[int, Mapping[str, float]]) -> str:
    """Return the table of one preset: MP of each case, and its ratio to the reference."""
    rows = []
    for case, (_, _, caption) in CASES.items():
        values = [each[case] for each in results.values()]
        ratios = [each[case] / each["reference"] for each in results.values()]
        target = f"at most {TARGET}" if case == "correct" else ""
        rows.append([caption, spread(values), f"{statistics.mean(ratios):.2f}", target])
    for name, caption in PLACES.items():
        rows.append([caption, spread([each[name] for each in results.values()]), "", ""])
    return table([f"twin {preset}", "MP (%)", "to reference", "target"], rows)


def main() -> None:
    """Measure and print a table for each preset."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--out", type=Path, default=Path("chain"), help="results and cache")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--presets", nargs="+", choices=PRESETS, default=list(PRESETS))
    parser.add_argument(
        "--faint", action="store_true", help="curtains as faint as those of the presets without raw"
    )
    args = parser.parse_args()
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # as the command does, before torch comes in
    args.out.mkdir(parents=True, exist_ok=True)
    results: dict[str, dict[int, dict[str, float]]] = {preset: {} for preset in args.presets}
    for seed in args.seeds:
        for preset in args.presets:
            try:
                results[preset][seed] = measured(preset, seed, args.out, args.faint)
            except FibError as error:
                print(f"failed: {preset}, seed {seed}: {error}", flush=True)
    for preset, of_seeds in results.items():
        if of_seeds:
            print(report(preset, of_seeds), end="\n\n")


if __name__ == "__main__":
    main()
