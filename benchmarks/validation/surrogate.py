"""The surrogate of the Monte Carlo: errors by shape, voltage and depth; spectra; counts."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from scipy import stats

from fib_plugins import Surrogate
from fib_plugins.generators.hierarchical_leveled_wave import HierarchicalLeveledWave
from fib_plugins.metrics.domain_gap import DomainGap
from fib_plugins.simulators.surrogate.referee import first_other_nm
from fibcore import Context, Images, Labels

from ..pages import signed
from ..surrogate.errors import ELECTRONS, ENERGIES_KEV, PIXELS, Errors, Sample, errors_of, samples
from ..surrogate.methods import QUIET, expected
from ..surrogate.structures import CUBIC_NM, KINDS, PER_KIND, REAL, SHAPE, Shape, Size
from .page import Section
from .simulations import Bench
from .style import COLOURS, PALE, SERIES, panels

THICK_NM: Size = (10.0, 3.26, 3.26)
THICK_SHAPE: Shape = (32, 80, 80)
THICK_PIXELS = 500
MODELS: dict[str, tuple[Size, Shape, int]] = {
    "3.26 nm": (CUBIC_NM, SHAPE, PIXELS),
    "10 x 3.26 x 3.26 nm": (THICK_NM, THICK_SHAPE, THICK_PIXELS),
}
DEPTHS_NM = (0.0, 5.0, 10.0, 20.0, 40.0, 80.0)
IMAGE_SHAPE = (72, 128, 128)
IMAGED_SLICES = 6
IMAGE_ELECTRONS = 100
SHOWN_ELECTRONS = 1000
SHOWN = 72
"""Edge of the region of a slice that is shown, pixels."""
REQUIRED = {"samples": 0.010, "simple": 0.015, "bias": 0.002, "spectrum": 0.020}

Pairs = list[tuple[Sample, np.ndarray]]
"""Samples with the yields that the surrogate predicts for their pixels."""


def section(bench: Bench) -> Section:
    """Return the section."""
    page = Section("The surrogate against the Monte Carlo")
    share = 10 if bench.quick else 1
    page.text(
        f"""`simulator/surrogate` predicts the expected yields of `simulator/monte_carlo`. Here the
        models that come with fib image structures that no training has seen: {PER_KIND} of each
        kind, drawn without the code and the seeds of the training. Yields are compared with
        {ELECTRONS:,} electrons of the Monte Carlo in each of {PIXELS // share:,} random pixels of a
        structure ({THICK_PIXELS // share} for voxels of 10 nm), and the variance of counting is
        subtracted. Whether the Monte Carlo is right is the subject of the other sections."""
    )
    found = {
        name: {
            kind: [
                (sample, sample.at(expected(sample.labels)))
                for sample in samples(kind, pixels // share, ELECTRONS, size, shape)
            ]
            for kind in KINDS
        }
        for name, (size, shape, pixels) in MODELS.items()
    }
    _by_shape(page, found)
    _by_depth(page, bench, [pair for pairs in found["3.26 nm"].values() for pair in pairs])
    _images(page, bench)
    return page


def _by_shape(page: Section, found: dict[str, dict[str, Pairs]]) -> None:
    page.heading("By shape and voltage")
    page.text(
        """Root mean square error of the yield, and in brackets the signed bias in epoxy and in
        gold, in thousandths."""
    )
    for model, kinds in found.items():
        errors = {kind: errors_of(pairs) for kind, pairs in kinds.items()}
        page.table(
            [f"voxels of {model}", *(f"{kev:g} kV" for kev in ENERGIES_KEV)],
            [[kind, *(_cell(error) for error in each)] for kind, each in errors.items()],
        )
        for title, limit, chosen in (
            ("structures like samples", REQUIRED["samples"], set(REAL)),
            ("simple shapes", REQUIRED["simple"], set(KINDS) - set(REAL)),
        ):
            worst = max(error.rms for kind in chosen for error in errors[kind])
            page.check(
                f"surrogate, voxels of {model}: error of the yield, {title}",
                f"at most {limit:.3f} for each kind and voltage",
                f"at most {worst:.4f}",
                worst <= limit,
            )
        # Over all kinds of a group: the bias of one kind is partly chance.
        pooled = errors_of([pair for kind in REAL for pair in kinds[kind]])
        bias = max((b for error in pooled for b in error.bias.values()), key=abs)
        page.check(
            f"surrogate, voxels of {model}: bias of a phase, structures like samples",
            f"at most {REQUIRED['bias']:.3f} at each voltage",
            signed(bias, 4),
            abs(bias) <= REQUIRED["bias"],
        )


def _cell(error: Errors) -> str:
    biases = ", ".join(signed(1000 * bias) for _, bias in sorted(error.bias.items()))
    return f"{error.rms:.4f} ({biases})"


def _by_depth(page: Section, bench: Bench, pairs: Pairs) -> None:
    page.heading("By depth")
    depth = np.concatenate([first_other_nm(s.labels, s.pixels, DEPTHS_NM[-1]) for s, _ in pairs])
    phase = np.concatenate([sample.phases for sample, _ in pairs])
    deviation = np.concatenate([predicted - s.counted for s, predicted in pairs], axis=1)
    squared = deviation**2 - np.concatenate([sample.noise for sample, _ in pairs], axis=1)
    edges = [*DEPTHS_NM, np.inf]
    names = [f"{low:g}\N{EN DASH}{high:g}" for low, high in pairwise(DEPTHS_NM)]
    names.append(f"> {DEPTHS_NM[-1]:g}")
    places = np.arange(len(names))
    worst = 0.0
    with panels(2, 2, 4.4, sharex=True) as (figure, axes):
        for number, (title, other) in enumerate((("epoxy", "gold"), ("gold", "epoxy"))):
            groups = [
                (phase == number) & (depth >= low) & ((depth < high) | np.isinf(high))
                for low, high in pairwise(edges)
            ]
            for channel, kev in enumerate(ENERGIES_KEV):
                bias = np.array([deviation[channel, here].mean() for here in groups])
                error = [deviation[channel, here].std() / np.sqrt(here.sum()) for here in groups]
                rms = [np.sqrt(max(squared[channel, here].mean(), 0.0)) for here in groups]
                worst = max(worst, *abs(bias))
                shift = 0.16 * (channel - 1)
                colour = SERIES[channel]
                axes[0, number].errorbar(
                    places + shift, bias, yerr=2 * np.array(error), fmt="o", color=colour,
                    markerfacecolor="white", elinewidth=1.0, label=f"{kev:g} kV",
                )  # fmt: skip
                axes[1, number].plot(places, rms, "o-", color=colour)
            axes[0, number].axhline(0, color=PALE, linewidth=1)
            axes[0, number].set_title(f"bias in {title}")
            axes[1, number].set_title(f"rms error in {title}")
            axes[1, number].set_xticks(places, names)
            axes[1, number].set_xlabel(f"depth of the first {other} below / nm")
            axes[0, number].set_ylim(-0.012, 0.012)
            axes[1, number].set_ylim(0, 0.025)
        axes[0, 0].legend(ncols=3, loc="upper left")
        page.figure(
            figure,
            bench.pictures / "surrogate_depth.png",
            """Bias and root mean square error of the surrogate against the depth at which the
            first voxel of the other phase lies below a pixel""",
        )
    page.text(
        f"""All structures of the table for voxels of 3.26 nm together. Bars are two standard
        errors. The largest bias of a class is {worst:.4f}."""
    )


def _images(page: Section, bench: Bench) -> None:
    page.heading("Images, spectra, counts")
    gold = HierarchicalLeveledWave(
        shape=IMAGE_SHAPE, voxel_size_nm=3.26, ligament_diameters_nm=(60, 15)
    ).generate(seed=21)
    _shown(page, bench, gold)
    shared: dict[str, Any] = {"slices": (0, IMAGED_SLICES), "below": "mirror"}
    yields = np.asarray(expected(gold))[:, :IMAGED_SLICES]
    first, second = (
        bench.images(gold, ENERGIES_KEV, IMAGE_ELECTRONS, seed=seed, **shared) for seed in (1, 2)
    )
    counting = Surrogate(
        energies_kev=ENERGIES_KEV,
        electrons_per_pixel=IMAGE_ELECTRONS,
        referee_share=0,
        **shared,
    )
    counted = np.asarray(counting.simulate(gold, context=Context(3, log=QUIET)).data)
    rows = []
    for channel, kev in enumerate(ENERGIES_KEV):
        expectation = yields[channel].astype(float)
        variance = expectation * (1 - expectation) / IMAGE_ELECTRONS
        chi = [
            float(((image[channel] - expectation) ** 2 / variance).mean())
            for image in (first, counted)
        ]
        rows.append([f"{kev:g} kV", *(f"{value:.4f}" for value in chi)])
    pixels = expectation.size
    page.table(
        ["χ² per pixel about the yields of the surrogate", "counts of the Monte Carlo",
         "counts of the surrogate"],
        rows,
    )  # fmt: skip
    page.text(
        f"""One is expected of counts whose yields are the surrogate's, with a standard error of
        {np.sqrt(2 / pixels):.4f} ({pixels:,} pixels, {IMAGE_ELECTRONS} electrons each). The counts
        of the surrogate are drawn from a binomial; those of the Monte Carlo also deviate by the
        error of the surrogate."""
    )
    chance = 2 * stats.norm.sf(abs(chi[-1] - 1) / np.sqrt(2 / pixels))
    page.check(
        "surrogate: counts of the pixels at 4 kV",
        "binomial (chance > 0.001)",
        f"chance {chance:.2f}",
        chance > 0.001,
    )
    _spectra(page, bench, gold, first, {"surrogate": counted, "Monte Carlo, again": second})


def _shown(page: Section, bench: Bench, gold: Labels) -> None:
    """Draw a slice by the Monte Carlo and by the surrogate, and the deviation in its noise."""
    electrons = bench.electrons(SHOWN_ELECTRONS)
    region = ((0, SHOWN), (0, SHOWN))
    truth = bench.images(
        gold, ENERGIES_KEV, electrons, seed=4, slices=(0, 1), region=region, below="mirror"
    )[:, 0]
    found = np.asarray(expected(gold))[:, 0, :SHOWN, :SHOWN]
    edge = SHOWN * gold.voxel_size_nm[2]
    extent = (0.0, edge, edge, 0.0)
    with panels(len(ENERGIES_KEV), 3, 7.4) as (figure, axes):
        for row, kev in enumerate(ENERGIES_KEV):
            low, high = np.quantile(truth[row], [0.002, 0.998])
            noise = np.sqrt(found[row] * (1 - found[row]) / electrons)
            deviation = (truth[row] - found[row]) / noise
            grey: dict[str, Any] = {"cmap": "gray", "vmin": low, "vmax": high}
            axes[row, 0].imshow(truth[row], extent=extent, **grey)
            axes[row, 1].imshow(found[row], extent=extent, **grey)
            shown = axes[row, 2].imshow(deviation, cmap="RdBu_r", vmin=-4, vmax=4, extent=extent)
            figure.colorbar(shown, ax=axes[row, 2], shrink=0.85)
            axes[row, 0].set_title(f"{kev:g} kV, Monte Carlo")
            axes[row, 1].set_title("surrogate")
            axes[row, 2].set_title("deviation / counting noise")
        for axis in axes.flat:
            axis.set_axis_off()
        page.figure(
            figure,
            bench.pictures / "surrogate_images.png",
            """A slice imaged by the Monte Carlo and by the surrogate at 1, 2 and 4 kV, and the
            difference between them in units of the counting noise""",
        )
    page.text(
        f"""A slice of a hierarchical leveled wave, {SHOWN} x {SHOWN} pixels of
        {gold.voxel_size_nm[2]:g} nm: {electrons:,} electrons per pixel of the Monte Carlo,
        expected yields of the surrogate, and the difference in standard deviations of the counts.
        Edges and shine-through would show in it if the surrogate missed them."""
    )


def _spectra(
    page: Section, bench: Bench, gold: Labels, reference: np.ndarray, found: dict[str, np.ndarray]
) -> None:
    kept: dict[str, Any] = {}
    distances: dict[str, float] = {}
    for name, images in found.items():
        context = Context(0, log=QUIET)
        stack, wanted = (
            Images(part, gold.voxel_size_nm, ENERGIES_KEV) for part in (images, reference)
        )
        (row,) = DomainGap().measure(stack, wanted, context=context).rows()
        distances[name] = float(str(row["spectrum_distance"]))
        kept[name] = context.kept["spectra"].rows()
    with panels(1, len(ENERGIES_KEV), 2.6, sharey=True) as (figure, axes):
        for axis, kev in zip(axes, ENERGIES_KEV, strict=True):
            for name, colour, wide in (("reference", COLOURS["Au"], 4.0), ("images", "black", 1.0)):
                points = [
                    (float(row["frequency_per_nm"]), float(row["log10_power"]))
                    for row in kept["surrogate"]
                    if row["channel"] == f"{kev:g} kV" and row["stack"] == name
                ]
                label = {"reference": "Monte Carlo", "images": "surrogate"}[name]
                axis.plot(*zip(*points, strict=True), color=colour, linewidth=wide, label=label)
            axis.set_title(f"{kev:g} kV")
            axis.set_xlabel("frequency / (1/nm)")
        axes[0].set_ylabel("log10 of the power / nm²")
        axes[0].legend()
        page.figure(
            figure,
            bench.pictures / "surrogate_spectra.png",
            "Power spectra of images by the Monte Carlo and by the surrogate",
        )
    own, floor = distances["surrogate"], distances["Monte Carlo, again"]
    page.text(
        f"""Power spectra of {IMAGED_SLICES} slices with {IMAGE_ELECTRONS} electrons per pixel. The
        distance between Monte Carlo and surrogate is {own:.4f}, between two simulations by Monte
        Carlo with other electrons {floor:.4f} (`spectrum_distance` of `metric/domain_gap`)."""
    )
    page.check(
        "surrogate: distance of the power spectrum",
        f"at most {REQUIRED['spectrum']:.3f}",
        f"{own:.4f}",
        own <= REQUIRED["spectrum"],
    )
