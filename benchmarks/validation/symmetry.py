"""Symmetry, conservation, reproducibility and counting statistics."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from scipy.stats import binom, chi2

from fib_plugins.generators.leveled_wave import LeveledWave
from fibcore import Labels
from fibcore.materials import GOLD

from .page import SIGMA, Section
from .simulations import Bench
from .style import COLOURS, INK, panels

KEV = 2.0
TILT_DEG = 40.0
WINDOWS = ((0.0, 0.3), (0.3, 0.6), (0.6, 0.9), (0.9, 1.0))
CUTOFF_SHARE = 0.5
PIXELS, PER_PIXEL = 64, 400
ELECTRONS, ORACLE_ELECTRONS = 1_000_000, 200_000


def section(bench: Bench) -> Section:
    """Return the section."""
    page = Section("Symmetry, conservation, counting")
    structure = LeveledWave(
        shape=(24, 48, 48), voxel_size_nm=6.0, ligament_diameter_nm=50, solid_fraction=0.5,
        waves=500,
    ).generate(seed=3)  # fmt: skip
    page.heading("Symmetry")
    _mirrors(page, bench, structure)
    page.heading("Conservation")
    _conserved(page, bench, structure)
    page.heading("Reproducibility")
    _tiles(page, bench, structure)
    page.heading("Counting")
    _binomial(page, bench)
    return page


def _mirrors(page: Section, bench: Bench, structure: Labels) -> None:
    per_pixel = bench.electrons(2000)
    turns = {
        "x mirrored": (lambda a: a[..., ::-1], 0.0, 0.0),
        "y mirrored": (lambda a: a[..., ::-1, :], 0.0, 0.0),
        "x and y exchanged": (lambda a: np.swapaxes(a, -1, -2), 0.0, 0.0),
        f"y mirrored, tilt {TILT_DEG:g}° to the other side": (
            lambda a: a[..., ::-1, :], TILT_DEG, -TILT_DEG,
        ),
    }  # fmt: skip
    rows, chances = [], []
    for seed, (name, (turn, before, after)) in enumerate(turns.items()):
        turned = replace(structure, data=np.ascontiguousarray(turn(structure.data)))
        options: dict[str, Any] = {"slices": (0, 1)}
        plain = bench.images(
            structure, (KEV,), per_pixel, seed=2 * seed, tilt_deg=before, **options
        )
        image = bench.images(
            turned, (KEV,), per_pixel, seed=2 * seed + 1, tilt_deg=after, **options
        )
        first, second = plain[0, 0].astype(float), turn(image[0, 0]).astype(float)
        mean = (first + second) / 2
        total = float(np.sum((first - second) ** 2 / (2 * mean * (1 - mean) / per_pixel)))
        chances.append(float(chi2.sf(total, first.size)))
        rows.append([name, f"{total / first.size:.3f}", f"{chances[-1]:.2f}"])
    page.text(
        f"""A leveled wave of {structure.shape[2]} x {structure.shape[1]} pixels, {per_pixel:,}
        electrons per pixel at {KEV:g} keV: a transformation of the structure transforms the
        image. χ² per pixel of the difference between the image and the back-transformed image of
        the transformed structure, simulated with other random numbers; and the chance of a larger
        one."""
    )
    page.table(["", "χ² per pixel", "chance"], rows)
    page.check(
        "images of mirrored and transposed structures",
        "equal within counting noise (chance > 0.001)",
        f"least chance of {len(chances)} {min(chances):.2f}", min(chances) > 0.001,
    )  # fmt: skip


def _conserved(page: Section, bench: Bench, structure: Labels) -> None:
    run = bench.oracle("Au", KEV, ORACLE_ELECTRONS)
    out = run.direction[run.escaped]
    azimuth = out[:, :2] / np.hypot(out[:, 0], out[:, 1])[:, None]
    off = np.abs(azimuth.mean(axis=0)) * np.sqrt(2 * len(out))
    energy = run.energy_ev[run.escaped]
    page.text(
        f"""Oracle, gold at {KEV:g} keV: of {len(run.fate):,} electrons {run.escaped.sum():,} come
        back and {(~run.escaped).sum():,} are absorbed; the energies of the former lie between
        {energy.min():.1f} and {energy.max():.1f} eV, and the mean cosine and sine of their azimuth
        are zero within {off[0]:.1f} and {off[1]:.1f} {SIGMA}."""
    )
    cutoff = CUTOFF_SHARE * 1000 * KEV
    found = bench.histograms("Au", KEV, ELECTRONS, 0.0, cutoff_ev=cutoff)
    below = int(found.energies[: int(CUTOFF_SHARE * found.energies.size)].sum())
    whole, *parts = (
        bench.images(structure, (KEV,), 200, slices=(0, 1), detector_energy=window)[0, 0]
        for window in ((0.0, 1.0), *WINDOWS)
    )
    lost = int(np.rint(200 * np.sum(whole - np.sum(parts, axis=0))))
    page.text(
        f"""Engine, gold at {KEV:g} keV with a cut-off of {cutoff:g} eV: of {found.counts:,}
        backscattered electrons {below} have less energy. On the leveled wave, the sum of the
        counts in {len(WINDOWS)} detector windows that cover all energies differs from the total by
        {abs(lost)} of {int(np.rint(200 * whole.sum())):,} electrons."""
    )
    page.check(
        "energies of escaping electrons", "between cut-off and beam energy",
        f"{below} of {found.counts:,} outside; oracle: {energy.min():.1f} to {energy.max():.1f} eV "
        f"within 50 and {1000 * KEV:.0f} eV",
        below == 0 and energy.min() > 50 and energy.max() < 1000 * KEV,
    )  # fmt: skip
    page.check(
        "counts in detector windows that cover all energies", "add up to all",
        f"{abs(lost)} differ of {int(np.rint(200 * whole.sum())):,}", lost == 0,
    )  # fmt: skip


def _tiles(page: Section, bench: Bench, structure: Labels) -> None:
    options: dict[str, Any] = {"slices": (2, 4)}
    whole, one = (bench.images(structure, (1.0, 4.0), 50, threads=n, **options) for n in (None, 1))
    tile = bench.images(
        structure, (1.0, 4.0), 50, slices=(3, 4), region=((10, 31), (5, 48)), threads=1
    )
    same = np.array_equal(whole, one) and np.array_equal(tile, whole[:, 1:, 10:31, 5:48])
    page.text(
        f"""Two slices of it at 1 and 4 keV on all cores and on one thread, and a tile of one of
        them computed alone: {"the same to the last bit" if same else "they differ"}."""
    )
    page.check("images on any number of threads, in any tiles", "bitwise the same",
               "the same" if same else "they differ", same)  # fmt: skip


def _binomial(page: Section, bench: Bench) -> None:
    gold = Labels(np.ones((1, PIXELS, PIXELS), np.uint8), (5.0,) * 3, phases={1: GOLD})
    image = bench.images(gold, (KEV,), PER_PIXEL, below="repeat")
    counts = np.rint(image[0, 0] * PER_PIXEL).astype(int).ravel()
    eta = counts.mean() / PER_PIXEL
    law = binom(PER_PIXEL, eta)
    # bins of about equal chance, so that every one expects enough pixels
    edges = np.unique(law.ppf(np.linspace(0, 1, 17)[1:-1]))
    expected = counts.size * np.diff(np.concatenate([[0.0], law.cdf(edges), [1.0]]))
    found = np.bincount(np.searchsorted(edges, counts), minlength=expected.size)
    total = float(np.sum((found - expected) ** 2 / expected))
    chance = float(chi2.sf(total, expected.size - 2))
    ratio = counts.var() / (PER_PIXEL * eta * (1 - eta))
    with panels(1, 1, 2.2) as (figure, axis):
        k = np.arange(counts.min(), counts.max() + 1)
        axis.bar(k, np.bincount(counts)[k[0] :], color=COLOURS["Au"], alpha=0.7, label="pixels")
        axis.plot(k, counts.size * law.pmf(k), color=INK, label="binomial law")
        axis.set_xlabel(f"electrons counted out of {PER_PIXEL}")
        axis.set_ylabel("pixels")
        axis.legend()
        page.figure(
            figure, bench.pictures / "binomial.png",
            "Histogram of the counts of all pixels of an image of bare gold, and the binomial law",
        )  # fmt: skip
    page.text(
        f"""Bare gold, {PIXELS} x {PIXELS} pixels, {PER_PIXEL} electrons each: the variance of the
        counts is {ratio:.3f} times N η (1 \N{MINUS SIGN} η) (standard error
        {np.sqrt(2 / counts.size):.3f}); χ² of {expected.size} bins {total:.1f}, chance
        {chance:.2f}."""
    )
    page.check("counts of the pixels", "binomial (chance > 0.001)", f"chance {chance:.2f}",
               chance > 0.001)  # fmt: skip
