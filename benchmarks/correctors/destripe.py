"""Curtains: what is left of them, and what their removal does to a stack without any.

    python -m benchmarks.correctors.destripe [--seeds 3]

Figures are the rms difference between the corrected and the clean stack, in units of the standard
deviation of the clean one, noise included. Curtains have a profile across x of 2 px (standard
deviation), independent in each slice. Part of it varies along y over 60 px, part does not, and
some curtains begin at an edge and fade. Added are 0, .23 and .46 standard deviations: what a trial
outside the product has left uncorrected of stripes called 0, .3 and .6. FIB-25 is real and has
curtains of its own; it is left out where it is absent. Columnar: structure stretched along y by 4,
and structure that does not change along y at all.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from fib_plugins import Acquisition, Destripe, LeveledWave, Twin, WeightedProjection
from fib_plugins.adapters.hidden_instrument.presets import RAW_PRESETS
from fibcore import Context, Images, Labels

from ..pages import table
from .wavelet_fft import without_stripes

FIB25 = Path(__file__).parents[3] / "shared/data/fib25_medulla/grayscale.tif"
SHAPE, VOXEL_NM, LIGAMENT_NM, SOLID = (64, 224, 224), 5.0, 60.0, 0.35
STRIPES = {"0": 0.0, ".3": 0.23, ".6": 0.46}
"""Name -> standard deviation."""
TARGETS = {"porous": ".05 / .10 / .17", "FIB-25": ".08 / .12 / .17"}
WIDTH_PX, ALONG_PX = 2.0, 60.0

Correct = Callable[[np.ndarray], np.ndarray]


def by(**parameters: object) -> Correct:
    """Return `corrector/destripe` as a function of an array (z, y, x)."""

    def correct(stack: np.ndarray) -> np.ndarray:
        images = Images(stack, (VOXEL_NM,) * 3, kv=(2.0,))
        return Destripe(**parameters).correct(images, Context(0, threads=2)).data[0]

    return correct


METHODS: dict[str, Correct] = {
    "nothing": lambda stack: stack,
    "slopes": by(),
    "variational (VSNR)": by(method="variational"),
    "column median": by(method="column_median"),
    "wavelet-FFT": lambda stack: np.stack([without_stripes(plane) for plane in stack]),
}


@cache
def structure(seed: int) -> Labels:
    """Return ligaments in slices thin against them."""
    wave = LeveledWave(
        shape=SHAPE, voxel_size_nm=VOXEL_NM, ligament_diameter_nm=LIGAMENT_NM, solid_fraction=SOLID
    )
    return wave.generate(Context(seed, threads=2))


@cache
def ideal(seed: int) -> Images:
    """Return ideal images at 2 kV."""
    context = Context(seed, threads=2)
    return WeightedProjection(energies_kev=[2]).simulate(structure(seed), context=context)


@cache
def porous(seed: int) -> np.ndarray:
    """Return images as a typical instrument records them, without stripes of any kind, float32."""
    instrument = Acquisition(
        preset="typical",
        drift_nm=0,
        thickness_variation=0,
        curtaining=0,
        charging=0,
        line_noise=0,
        brightness_drift=0,
        contrast_drift=0,
        exposure_range=(0.3, 0.7),
    )
    recorded = instrument.transform(ideal(seed), Context(seed + 100, threads=2))
    return recorded.data[0].astype(np.float32)


def curtains(solid: np.ndarray, seed: int) -> np.ndarray:
    """Return curtains of standard deviation 1, float32, of the shape of a structure."""
    rng = np.random.default_rng(seed)
    _, rows, width = solid.shape
    return np.stack([_curtains_of(plane, rng, rows, width) for plane in solid])


def _curtains_of(solid: np.ndarray, rng: np.random.Generator, rows: int, width: int) -> np.ndarray:
    changing = gaussian_filter(rng.standard_normal((rows, width)), (ALONG_PX, WIDTH_PX))
    constant = gaussian_filter1d(rng.standard_normal(width), WIDTH_PX)
    found = changing / changing.std() + 2.0 * constant
    line = np.arange(width)
    for _ in range(width // 12):
        x = int(rng.integers(width))
        edges = np.flatnonzero(np.diff(solid[:, x].astype(int)))
        if len(edges):
            y = int(rng.choice(edges)) + 1
            fading = np.exp(-np.arange(rows - y) / rng.exponential(150.0))
            profile = np.exp(-0.5 * ((line - x) / WIDTH_PX) ** 2)
            found[y:] += 2.5 * rng.standard_normal() * fading[:, None] * profile
    found -= found.mean()
    return (found / found.std()).astype(np.float32)


def stacks(seeds: int) -> dict[str, list[tuple[np.ndarray, np.ndarray]]]:
    """Return name -> clean stack and curtains of standard deviation 1 of each seed."""
    made: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {"porous": []}
    for seed in range(1, seeds + 1):
        solid = structure(seed).solid
        made["porous"].append((porous(seed), curtains(solid, seed)))
        made.setdefault("columnar, 4", []).append((_stretched(seed, 4), curtains(solid, seed)))
        made.setdefault("columnar, all", []).append((_stretched(seed, 224), curtains(solid, seed)))
    if FIB25.exists():
        from skimage.io import imread

        grey = imread(FIB25)[: SHAPE[0]].astype(np.float32)
        edges = grey > np.median(grey)
        made["FIB-25"] = [(grey, curtains(edges, seed)) for seed in range(1, seeds + 1)]
    return made


def _stretched(seed: int, factor: int) -> np.ndarray:
    stack = gaussian_filter(porous(seed), (0, 0, 0.5))
    tall = np.repeat(stack[:, : SHAPE[1] // factor], factor, axis=1)
    noise = np.random.default_rng(seed).normal(0, 0.07 * tall.std(), tall.shape)
    return (tall + noise).astype(np.float32)


def left(clean: np.ndarray, stripes: np.ndarray, deviation: float, correct: Correct) -> float:
    """Return the rms error after correction, in standard deviations of the clean stack."""
    spread = clean.std()
    recorded = clean + np.float32(deviation * spread) * stripes
    recorded = np.clip(np.rint(recorded), 0, 255).astype(np.uint8)
    error = correct(recorded).astype(np.float32) - clean
    return float(error.std() / spread)


def rows(seeds: int) -> list[list[str]]:
    """Return stack, method, rms errors of each strength, target.

    Those of ``slopes`` are means of all seeds; others are of the first.
    """
    found = []
    for name, cases in stacks(seeds).items():
        for method, correct in METHODS.items():
            count = seeds if method == "slopes" else 1
            errors = [
                np.mean([left(*case, deviation, correct) for case in cases[:count]])
                for deviation in STRIPES.values()
            ]
            figures = " / ".join(f"{error:.3f}" for error in errors)
            target = TARGETS.get(name, "") if method == "slopes" else ""
            found.append([name, method, figures, target])
    return found


def preset_rows() -> list[list[str]]:
    """Return instrument, preset, curtains before and after, in standard deviations of the stack.

    Curtains are the difference to a recording without them, both without noise.
    """
    found = []
    quiet = {
        "acquisition": {"electrons_per_pixel": None, "read_noise": 0, "line_noise": 0},
        "twin": {"beam_electrons": None, "amplifier_noise": 0, "flicker": 0},
    }
    still = {"drift_nm": 0, "thickness_variation": 0}
    off = {"acquisition": {"curtaining": 0}, "twin": {"curtains_per_um": 0}}
    for name, plugin in (("acquisition", Acquisition), ("twin", Twin)):
        for preset in ("typical", "bad"):
            common = {"preset": preset, **(still if name == "acquisition" else {})}

            def record(**changes: object) -> np.ndarray:
                instrument = plugin(**common, **changes)  # noqa: B023
                return instrument.transform(ideal(1), Context(51, threads=2)).data[0]

            stripes = record(**quiet[name]).astype(np.float32)
            stripes -= record(**quiet[name], **off[name])
            recorded = record()
            removed = recorded.astype(np.float32) - by()(recorded)
            spread = recorded.std()
            before, after = stripes.std() / spread, (stripes - removed).std() / spread
            found.append([name, preset, f"{before:.3f}", f"{after:.3f}"])
    return found


@cache
def ligaments(seed: int) -> Images:
    """Return ideal images of thicker porous material, in which the twin's curtains begin."""
    wave = LeveledWave(
        shape=(48, 200, 200), voxel_size_nm=VOXEL_NM, ligament_diameter_nm=60, solid_fraction=0.38
    )
    context = Context(seed, threads=2)
    made = wave.generate(context)
    return WeightedProjection(energies_kev=[2]).simulate(made, context=context)


def raw_rows(seeds: int) -> list[list[str]]:
    """Return preset, method, error before and after, and that on the twin without curtains.

    The twin has the curtains of `raw`: wide, a fraction of the signal, alike in some slices. Errors
    are those that remain after a gain and an offset of each slice, without noise, in standard
    deviations of the twin without curtains.
    """
    found = []
    quiet = {"beam_electrons": None, "amplifier_noise": 0, "flicker": 0}
    for preset in ("typical", "bad"):
        own = {name: v for name, v in RAW_PRESETS[preset].items() if name.startswith("curtain")}
        errors: dict[str, list[tuple[float, float, float]]] = {"slopes": [], "transmission": []}
        for seed in range(1, min(seeds, 2) + 1):

            def record(**changes: object) -> np.ndarray:
                twin = Twin(**{"preset": preset, **own, **changes})  # noqa: B023
                context = Context(seed + 50, threads=2)  # noqa: B023
                made = twin.transform(ligaments(seed), context)  # noqa: B023
                return made.data[0].astype(np.float32)

            recorded, clean = record(), record(curtains_per_um=0)
            dark, wanted = record(**quiet), record(**quiet, curtains_per_um=0)
            for method, each in errors.items():
                correct = by(method=method)
                after = dark + correct(recorded.astype(np.uint8)) - recorded
                harm = correct(clean.astype(np.uint8)) - clean
                each.append((misfit(dark, wanted), misfit(after, wanted), harm.std() / clean.std()))
        for method, each in errors.items():
            figures = [f"{figure:.3f}" for figure in np.mean(each, axis=0)]
            found.append([preset, method, *figures])
    return found


def misfit(stack: np.ndarray, wanted: np.ndarray) -> float:
    """Return the rms error of slices after a gain and an offset of each."""
    errors = []
    for one, aim in zip(stack, wanted, strict=True):
        given, target = one - one.mean(), aim - aim.mean()
        gain = float((given * target).sum() / (given * given).sum())
        errors.append(float(np.var(gain * given - target)))
    return float(np.sqrt(np.mean(errors)) / wanted.std())


def speed() -> str:
    """Return the CPU time of removal alone, per voxel."""
    stack = np.clip(np.rint(porous(1) + 6 * curtains(structure(1).solid, 1)), 0, 255)
    images = Images(stack.astype(np.uint8), (VOXEL_NM,) * 3, kv=(2.0,))
    fitted = Destripe().fit(images)
    fitted.correct(images)
    start = time.process_time()
    fitted.correct(images, Context(0, threads=1))
    return f"{(time.process_time() - start) / stack.size * 1e9:.0f} ns of CPU per voxel"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=1)
    seeds = parser.parse_args().seeds
    logging.getLogger("fib").setLevel(logging.ERROR)
    print("rms error with curtains of " + " / ".join(STRIPES) + "\n")
    print(table(["stack", "method", "error (sd)", "at most"], rows(seeds)))
    print("\nCurtains of instruments, of the standard deviation of the recorded stack\n")
    print(table(["instrument", "preset", "before", "after"], preset_rows()))
    print("\nCurtains of raw twins without drift\n")
    print(table(["preset", "method", "before", "after", "none there"], raw_rows(seeds)))
    print(f"\n{speed()}")


if __name__ == "__main__":
    main()
