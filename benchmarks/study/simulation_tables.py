"""The tables that compare simulations: images, networks, times."""

from __future__ import annotations

from collections.abc import Callable

from ..pages import spread, table
from . import published
from .cells import Cell
from .results import Study
from .simulations import MONTE_CARLO, PRINTED, SIMULATIONS, Simulation
from .tables import ISOTROPY, OVERLAP, figures, known

DISTANCES = {
    "spectrum_distance": 3, "noise_distance": 3, "scaled_grey_distance": 3, "patch_distance": 3,
}  # fmt: skip
"""Columns of metric/domain_gap, and digits."""
ENDLESS = f"{MONTE_CARLO.images}_by_endless_long_error"
"""Step with the errors of a network that was trained on new structures in each epoch."""


def _rows(study: Study, row: Callable[[list[Cell], int, Simulation], list[str]]) -> list[list[str]]:
    """Return a row for each voltage and simulation, with its name."""
    return [
        [f"{kv} kV, {simulation.words}", *row(study.cells("simulation", kv), kv, simulation)]
        for kv in known(study, "simulation")
        for simulation in SIMULATIONS
    ]


def likeness(study: Study) -> str:
    """Return the distances of the images from those of Monte Carlo."""
    rows = _rows(
        study, lambda cells, kv, simulation: figures(study, cells, simulation.gap, DISTANCES)
    )
    return table(["", "power spectrum", "noise", "grey values", "patches"], rows)


def on_monte_carlo(study: Study) -> str:
    """Return the errors of networks on test slices by Monte Carlo."""

    def row(cells: list[Cell], kv: int, simulation: Simulation) -> list[str]:
        step = f"{MONTE_CARLO.images}_by_{simulation.network}"
        short, long = (
            figures(study, cells, step + suffix, OVERLAP) for suffix in ("_error", "_long_error")
        )
        return [*short, *long]

    head = ["MP (%)", "misplaced solid (%)", "MDS"]
    rows = _rows(study, row)
    for kv in known(study, "simulation"):
        longer = figures(study, study.cells("simulation", kv), ENDLESS, OVERLAP)
        rows.append([f"{kv} kV, surrogate, endless data", *["-"] * len(head), *longer])
    return table(["trained on", *head, *(f"{words}, longer" for words in head)], rows)


def on_their_own(study: Study) -> str:
    """Return the errors of networks on test slices like those of their training, and the paper's.

    They are those of tables 2 and 3 of the paper.
    """

    def row(cells: list[Cell], kv: int, simulation: Simulation) -> list[str]:
        paper = simulation.paper
        theirs = [f"{value:.3f}" for value in paper[kv]] if paper else ["-"] * 3
        return [*figures(study, cells, simulation.by_itself + "_long_error", OVERLAP), *theirs]

    head = ["MP (%)", "misplaced solid (%)", "MDS", "paper MP", "paper MGP", "paper MDS"]
    return table(["trained and tested on", *head], _rows(study, row))


def on_twin(study: Study) -> str:
    """Return the agreement of the networks with that of Monte Carlo on the twin, and their MDS."""

    def row(cells: list[Cell], kv: int, simulation: Simulation) -> list[str]:
        found = [f"{published.AGREEMENT_MDS}" if kv == 2 and simulation is PRINTED else "-"]
        for suffix in ("", "_varied"):
            agreement = simulation.agreement and simulation.agreement + suffix
            error = f"twin_by_{simulation.network}{suffix}_error"
            found += [
                spread(study.values(cells, step, "mds"), 3) if step else "-"
                for step in (agreement, error)
            ]
        return found

    head = ["agreement with sMC", "MDS", "agreement, varied", "MDS, varied"]
    return table(["trained on", "paper, agreement", *head], _rows(study, row))


def isotropy(study: Study) -> str:
    """Return the isotropy errors of the twin, as segmented by each network."""
    rows = []
    for kv in known(study, "simulation"):
        steps = {
            f"{simulation.words}{words}": f"twin_by_{simulation.network}{suffix}"
            for words, suffix in (("", ""), (", varied", "_varied"))
            for simulation in SIMULATIONS
        }
        for words, step in {**steps, "the truth itself": "truth"}.items():
            errors = figures(study, study.cells("simulation", kv), step + "_isotropy", ISOTROPY)
            rows.append([f"{kv} kV, {words}", *errors])
    return table(["twin, network trained on", "e TPCF", "e LPF", "e D"], rows)


def times(study: Study) -> str:
    """Return the times of making images, and of learning before."""

    def row(cells: list[Cell], kv: int, simulation: Simulation) -> list[str]:
        learning = study.seconds(cells[0], *simulation.learned_by)
        return [
            f"{study.seconds(cells[0], *simulation.made_by):.0f}",
            f"{learning:.0f}" if simulation.learned_by else "-",
        ]

    return table(["", "images (s)", "training, once (s)"], _rows(study, row))
