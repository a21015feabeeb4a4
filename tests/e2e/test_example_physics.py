"""The example of the coefficient models, small."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from fibcore.formats import read_table

EXAMPLE = Path(__file__).parents[2] / "examples" / "physics.json"

SMALL = [
    'table.materials=["Au","Cu","epoxy"]',
    "table.energies_kev=[1,2,4]",
    "table.electrons=1000",
    "table.depths_nm=[0,10,20,40,60,100,150,190]",
    "network.epochs=25",
    "network.learning_rate=0.02",
    "gold.shape=[12,32,32]",
    "gold.waves=200",
]


def test_a_network_and_a_table_take_the_place_of_the_analytic_law(processes):
    settings = [word for setting in SMALL for word in ("--set", setting)]
    processes("run", str(EXAMPLE), *settings)
    (provenance,) = (processes.folder / "runs" / "physics").glob("*/provenance.json")
    run = provenance.parent
    assert json.loads(provenance.read_text())["status"] == "finished"
    table = read_table(run / "01-table" / "table.csv")
    assert len(table) == 3 * 3 * 8
    comparison = read_table(run / "03-network" / "comparison.csv")
    apart = comparison["network_eta"] - table["eta"]
    assert np.sqrt(np.mean(apart**2)) < 0.04
    report = (run / "report.html").read_text(encoding="utf-8")
    for words in (">simulated<", ">hunger kuchler<", ">held out<"):
        assert report.count(words) == 3  # a chart for each material
    assert report.count(">best epoch") == 1  # in the chart of the loss; the learning rate is kept
    assert "the same in all rows" in report
