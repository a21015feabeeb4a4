"""The tables of the study page in Markdown: our results and the paper's."""

from __future__ import annotations

import statistics

from ..pages import spread, table
from . import published
from .cells import VOLTAGES, Cell
from .results import Study, ratio, together
from .simulations import ML, MONTE_CARLO, Published

OVERLAP = {"mp_percent": 2, "mgp_percent": 2, "mds": 4}
"""Columns of metric/overlap, and digits."""
ISOTROPY = {"e_tpcf": 3, "e_lpf": 3, "e_diameter": 3}

ON_TWIN = {
    "smc": "Monte Carlo images (only ML)",
    "smcda": "the same, adapted by CycleGAN (ML + DA)",
    "sml": "sML",
    "smlda": "sML, adapted by CycleGAN",
    "smc_varied": "Monte Carlo images, brightness and contrast varied",
    "random": "Monte Carlo images, domain randomisation",
    "oracle": "oracle: recorded by the twin's own instrument",
}
SEGMENTERS = {
    "threshold": "Otsu",
    "kmeans": "k-means",
    "forest": "random forest on local features",
    "2d": "U-Net, slice alone",
    "smc": "U-Net, with neighbours (2.5-D)",
    "3d": "U-Net, volume",
}
VOLUMES = {"eighth": "1/8", "quarter": "1/4", "half": "1/2", "smc": "1"}


def figures(study: Study, cells: list[Cell], step: str, columns: dict[str, int]) -> list[str]:
    """Return columns of a step's table as cells: means and deviations over runs."""
    return [spread(study.values(cells, step, name), digits) for name, digits in columns.items()]


def known(study: Study, pipeline: str) -> list[int]:
    """Return the voltages at which a pipeline was run."""
    return [kv for kv in VOLTAGES if study.cells(pipeline, kv)]


def synthetic(study: Study) -> str:
    """Return tables 2 and 3 of the paper: networks on test data like those of their training."""
    rows = []
    parts: list[tuple[str, str, str, Published | None]] = [
        ("sMC (only ML)", "simulation", MONTE_CARLO.by_itself, MONTE_CARLO.paper),
        ("sMC, trained for longer", "simulation", MONTE_CARLO.by_itself + "_long",
         MONTE_CARLO.paper),
        ("sMC with as little solid as the paper's, trained for longer", "solid_share",
         "sparse_by_sparse_long", MONTE_CARLO.paper),
    ]  # fmt: skip
    for words, suffix in (("", ""), (", trained for longer", "_long")):
        parts.append((ML.words + words, "simulation", ML.by_itself + suffix, ML.paper))
    parts.append(("sMCDA (ML + DA)", "adaptation", "smcda_by_smcda", published.TABLE_3_ADAPTED))
    for words, pipeline, step, paper in parts:
        for kv in known(study, pipeline):
            cells = study.cells(pipeline, kv)
            ours = figures(study, cells, step + "_error", OVERLAP)
            theirs = [f"{value:.3f}" for value in paper[kv]] if paper else ["-"] * 3
            rows.append([f"{words}, {kv} kV", *ours, *theirs])
    head = ["trained and tested on", "MP (%)", "misplaced solid (%)", "MDS"]
    return table([*head, "paper MP", "paper MGP", "paper MDS"], rows)


def adapted(study: Study, kv: int, preset: str = "typical") -> str:
    """Return table 4 of the paper at one voltage, with the errors against the hidden truth."""
    cells = study.cells("adaptation", kv, preset)
    reference = study.values(cells, "twin_by_smc_error", "mp_percent")
    paper = {
        "smc": published.TABLE_4_PLAIN[kv],
        "smcda": published.TABLE_4_ADAPTED[kv],
    }
    rows = []
    for name, words in ON_TWIN.items():
        step = "twin_by_" + name
        mp = study.values(cells, step + "_error", "mp_percent")
        rows.append(
            [
                words,
                *figures(study, cells, step + "_error", OVERLAP),
                f"{ratio(mp, reference):.2f}",
                *figures(study, cells, step + "_isotropy", ISOTROPY),
                ", ".join(f"{value:.3f}" for value in paper[name]) if name in paper else "-",
                spread(study.values(cells, step + "_reprojection", "unexplained_percent"), 1),
            ]
        )
    rows.append(
        [
            "the truth itself", "0", "0", "1", "0",
            *figures(study, cells, "truth_isotropy", ISOTROPY),
            "-",
            spread(study.values(cells, "truth_reprojection", "unexplained_percent"), 1),
        ]
    )  # fmt: skip
    head = ["trained on", "MP (%)", "misplaced solid (%)", "MDS", "MP, to only ML"]
    return table(
        [*head, "e TPCF", "e LPF", "e D", "paper: e TPCF, e LPF, e D", "unexplained (%)"], rows
    )


def segmenters(study: Study) -> str:
    """Return thresholds, forests and networks, on test data and on the twins."""
    rows = []
    typical, bad = (study.cells("segmenters", 2, preset) for preset in ("typical", "bad"))
    for name, words in SEGMENTERS.items():
        rows.append(
            [
                words,
                *figures(study, typical, f"mc_by_{name}_error", OVERLAP),
                spread(study.values(typical, f"twin_by_{name}_error", "mp_percent")),
                spread(study.values(bad, f"twin_by_{name}_error", "mp_percent")),
            ]
        )
    head = [
        "",
        "MP on sMC (%)",
        "misplaced solid (%)",
        "MDS",
        "MP, typical twin (%)",
        "MP, bad twin (%)",
    ]
    return table(head, rows)


def training_volume(study: Study) -> str:
    """Return the error by training volume."""
    cells = study.cells("training_volume")
    rows = [
        [share, *figures(study, cells, f"mc_by_{name}_error", OVERLAP)]
        for name, share in VOLUMES.items()
    ]
    return table(["training volume", "MP (%)", "misplaced solid (%)", "MDS"], rows)


def voltages(study: Study) -> str:
    """Return one voltage against all three."""
    cells = study.cells("voltages")
    names = {"1kv": "1 kV", "2kv": "2 kV", "4kv": "4 kV", "all": "1 + 2 + 4 kV"}
    rows = [
        [
            words,
            *figures(study, cells, f"mc_by_{name}_error", OVERLAP),
            *figures(study, cells, f"twin_by_{name}_error", OVERLAP),
        ]
        for name, words in names.items()
    ]
    head = ["images", "MP on sMC (%)", "misplaced solid (%)", "MDS"]
    return table([*head, "MP on the twin (%)", "misplaced solid (%)", "MDS"], rows)


def rankings(study: Study) -> str:
    """Return how well scores without a truth rank methods."""
    rows = []
    for score, found in study.rankings().items():
        if found:
            each = [ranking.correlation for ranking in found]
            rows.append(
                [
                    score,
                    spread(each),
                    f"{min(each):+.2f}",
                    f"{sum(value > 0.5 for value in each)} of {len(each)}",
                    f"{together(found).correlation:.2f}",
                    f"{statistics.mean(ranking.lost for ranking in found):.2f}",
                ]
            )
    head = ["score", "rank correlation", "lowest", "above 0.5", "all twins together"]
    return table([*head, "error of the preferred method, to the best"], rows)
