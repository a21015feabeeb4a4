"""The figures that compare simulations: images, spectra, networks."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fibcore import Table

from .drawing import COLOURS, Figure, errors, finish, first, grey, plane, plt
from .results import Study
from .simulations import LEARNED, MONTE_CARLO, SIMULATIONS


def images(study: Study, path: Path) -> str:
    """Draw figure 4 of the paper: projections and simulations."""
    result = first(study, "simulation")
    steps = {"printed_weighted": "projection as printed", "weighted": "our projection"}
    steps |= {simulation.images: simulation.words for simulation in (*LEARNED, MONTE_CARLO)}
    figure, axes = plt.subplots(1, len(steps), figsize=(3 * len(steps), 3.3))
    for axis, (step, words) in zip(axes, steps.items(), strict=True):
        grey(axis, plane(result, step), words)
    finish(figure, path)
    return (
        "One slice (2 kV): weighted projections, as the paper has them and as ours, their "
        "translations by CycleGANs, the surrogate, and Monte Carlo. As figure 4 of the paper."
    )


def spectra(study: Study, path: Path) -> str:
    """Draw power spectra and grey values of all simulations."""
    result = first(study, "simulation")
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.6))
    for number, simulation in enumerate(SIMULATIONS):
        # the whole Monte Carlo stack is the reference of the others
        of = LEARNED[0] if simulation is MONTE_CARLO else simulation
        stack = "reference" if simulation is MONTE_CARLO else "images"
        style = {"color": COLOURS[number], "label": simulation.words}
        spectrum, values = (result[of.gap + kept] for kept in (".spectra", ".scaled_histograms"))
        assert isinstance(spectrum, Table)
        assert isinstance(values, Table)
        chosen = spectrum["stack"] == stack
        power = 10 ** spectrum["log10_power"][chosen]
        axes[0].semilogy(spectrum["frequency_per_nm"][chosen], power, **style)
        chosen = values["stack"] == stack
        # the share up to a grey value does not depend on the bins, which differ
        axes[1].plot(
            values["grey_value_in_deviations"][chosen], np.cumsum(values["share"][chosen]), **style
        )
    axes[0].set_xlabel("frequency (1/nm)")
    axes[0].set_ylabel("power over variance (nm²)")
    axes[1].set_xlabel("grey value (standard deviations)")
    axes[1].set_ylabel("share of the pixels up to it")
    axes[0].legend(frameon=False, fontsize=8)
    finish(figure, path)
    return "Power spectra and grey values of the simulations (2 kV), each in its own grey scale."


def networks(study: Study, path: Path) -> str:
    """Draw figure A1: the twin segmented by the networks of each simulation."""
    result = first(study, "simulation")
    truth = plane(result, "sample")
    figure, axes = plt.subplots(1, 1 + len(SIMULATIONS), figsize=(3 + 3 * len(SIMULATIONS), 3.3))
    grey(axes[0], plane(result, "twin"), "twin")
    for axis, simulation in zip(axes[1:], SIMULATIONS, strict=True):
        found = plane(result, "twin_by_" + simulation.network)
        errors(axis, found, truth, f"trained on {simulation.words}")
    finish(figure, path)
    return (
        "The twin, segmented by networks trained on each simulation: missed solid is red, pore "
        "labelled as solid is blue. As figure A1 of the paper, but with the truth."
    )


FIGURES: dict[str, Figure] = {
    "simulation": images,
    "spectra": spectra,
    "networks": networks,
}
