"""Coverage and width of the error bars of `metric/error_bars` on stacks of hidden truth.

    python -m benchmarks.error_bars [--stacks 12] [--twins 24]

Hidden stacks are leveled waves and spinodal structures, recorded by the instrument of
`adapter/twin`, which no other step uses. Their worlds are leveled waves alone, around estimates
that are off by 3 points of the solid fraction and 10 % of the ligament diameter (standard
deviations), with an `adapter/acquisition` fitted to the stack. A random forest learns from each
world. Intervals of the imaged volume are compared with the hidden truth.
"""

from __future__ import annotations

import argparse
from typing import Any, Literal

import numpy as np
from scipy.stats import spearmanr, t

from fib_plugins import (
    Acquisition,
    ErrorBars,
    LeveledWave,
    Morphology,
    Overlap,
    RandomForest,
    Spinodal,
    Twin,
    VirtualStacks,
    WeightedProjection,
)
from fib_plugins.metrics.error_bars.quantities import QUANTITIES
from fib_plugins.metrics.error_bars.quantities import SCORES as SCORES_OF_TWINS
from fib_plugins.metrics.error_bars.scales import LOGIT
from fibcore import Context, Images, Labels, Table

STACK, TWIN, VOXEL_NM = (48, 128, 128), (24, 80, 80), 5.0
TRAINING_PAIRS = 4
ENERGY = 2.0
SIMULATOR = {"energies_kev": [ENERGY], "electrons_per_pixel": {"between": [60, 200]}}
TRUE_NAMES = {
    "solid_fraction": "solid_fraction",
    "specific_surface": "specific_surface_per_nm",
    "ligament_diameter": "mean_ligament_diameter_nm",
    "pore_diameter": "mean_pore_diameter_nm",
    "connectivity": "largest_solid_component_fraction",
}
SCORES = {"mp": "mp_percent", "mgp": "mgp_percent", "mds": "mds"}
RELATIVE = ("specific_surface", "ligament_diameter", "pore_diameter")


def preset_of(number: int) -> Literal["typical", "bad"]:
    """Return the preset of the instrument that records a stack."""
    return "bad" if number // 2 % 2 else "typical"


def hidden_stack(number: int) -> tuple[Images, Labels, float, float]:
    """Return images and truth of a stack, its solid fraction and its ligament diameter in nm."""
    rng = np.random.default_rng([19, number])
    fraction, diameter = float(rng.uniform(0.3, 0.5)), float(rng.uniform(45, 75))
    family = (LeveledWave, Spinodal)[number % 2]
    truth = family(
        shape=STACK, voxel_size_nm=VOXEL_NM, ligament_diameter_nm=diameter, solid_fraction=fraction
    ).generate(seed=number)
    simulator = WeightedProjection(
        energies_kev=(ENERGY,), electrons_per_pixel=int(rng.integers(60, 201))
    )
    images = simulator.simulate(truth, context=Context(number))
    return (
        Twin(preset=preset_of(number)).transform(images, Context(number)),
        truth,
        fraction,
        diameter,
    )


def world_of(images: Images, fraction: float, diameter: float, number: int) -> VirtualStacks:
    """Return the source of a stack, given its true parameters, which are estimated with errors."""
    rng = np.random.default_rng([20, number])
    middle = fraction + 0.03 * rng.standard_normal()
    size = diameter * np.exp(0.1 * rng.standard_normal())
    wave = {
        "shape": list(TWIN),
        "voxel_size_nm": VOXEL_NM,
        "waves": 1000,
        "solid_fraction": {"between": [middle - 0.06, middle + 0.06]},
        "ligament_diameter_nm": {"between": [0.8 * size, 1.2 * size]},
    }
    world = VirtualStacks(
        structures=[{"plugin": "generator/leveled_wave", "params": wave}],
        simulator={"plugin": "simulator/weighted_projection", "params": SIMULATOR},
    )
    ideal = world.sample(Context(number))
    instrument = Acquisition(preset="typical").fit(images, ideal, Context(number))
    world.sample(Context(number), instrument=instrument)
    return world


def trained(world: VirtualStacks, number: int) -> RandomForest:
    """Return a random forest that has seen some pairs of a world."""
    pairs = [world.pair("training", k, Context(number)) for k in range(TRAINING_PAIRS)]
    grey = np.concatenate([images.data for images, _ in pairs], axis=1)
    phases = np.concatenate([labels.data for _, labels in pairs])
    images, labels = pairs[0][0].with_data(grey), pairs[0][1].with_data(phases)
    return RandomForest(trees=30, sample_voxels=40000).fit(images, labels, Context(number))


def measured(number: int, twins: int) -> dict[str, Any]:
    """Return the error bars of a stack beside its truth."""
    images, truth, fraction, diameter = hidden_stack(number)
    world = world_of(images, fraction, diameter, number)
    forest = trained(world, number)
    prediction = forest.predict(images, Context(number))
    context = Context(number)
    table = ErrorBars(twins=twins).measure(prediction, images, forest, world, context)
    (figures,) = Morphology().measure(truth).rows()
    (scores,) = Overlap().measure(prediction, truth).rows()
    known = {name: figures[column] for name, column in TRUE_NAMES.items()}
    known |= {name: scores[column] for name, column in SCORES.items()}
    return {
        "truth": known,
        "bars": {row["quantity"]: row for row in table.rows()},
        "indicators": context.kept["indicators"],
        "twins": context.kept["twins"],
    }


def held_of_twins(table: Table, name: str) -> np.ndarray:
    """Return whether an interval from the other twins of a world holds the truth of each.

    These are stacks that the world resembles: it is the world from which they were drawn.
    """
    truth, corrected = (
        np.array([row[column] for row in table if row["quantity"] == name])
        for column in ("truth", "corrected")
    )
    score = next((each for each in SCORES_OF_TWINS if each.name == name), None)
    if score is not None:
        truth, corrected = (np.array([score.error(v) for v in each]) for each in (truth, corrected))
    scale = next((each.scale for each in QUANTITIES if each.name == name), LOGIT)
    squares = (scale.to(truth) - scale.to(corrected)) ** 2
    count = len(squares)
    others = (squares.sum() - squares) / (count - 1) * (1 + 1 / count)
    return np.sqrt(squares) <= t.ppf(0.95, count - 3) * np.sqrt(others)


def show(found: list[dict[str, Any]]) -> None:
    """Print coverage, errors and half-widths of each quantity."""
    print(f"{len(found)} stacks, recorded by a typical and a bad instrument\n")
    print(
        "| quantity | covered: twins, typical, bad | error as measured | corrected "
        "| half-width | for the material |"
    )
    print("|---|---|---|---|---|---|")
    bad = np.array([preset_of(number) == "bad" for number in range(len(found))])
    for name in (*TRUE_NAMES, *SCORES):
        truth = np.array([one["truth"][name] for one in found])
        column = {
            key: np.array([one["bars"][name][key] for one in found])
            for key in ("value", "corrected", "volume_low", "volume_high", "low", "high")
        }
        held = (column["volume_low"] <= truth) & (truth <= column["volume_high"])
        twins = np.concatenate([held_of_twins(one["twins"], name) for one in found])
        shares = [f"{100 * np.mean(each):.0f} %" for each in (twins, held[~bad], held[bad])]
        unit = 100 / column["corrected"] if name in RELATIVE else 100.0
        if name in ("mp", "mgp"):
            unit = 1.0
        before = np.sqrt(np.mean((unit * (column["value"] - truth)) ** 2))
        after = np.sqrt(np.mean((unit * (column["corrected"] - truth)) ** 2))
        half = np.median(unit * (column["volume_high"] - column["volume_low"]) / 2)
        whole = np.median(unit * (column["high"] - column["low"]) / 2)
        end = " %" if name in RELATIVE else " points"
        print(
            f"| {name} | {', '.join(shares)} | {before:.2f}{end} | {after:.2f}{end} | "
            f"{half:.2f}{end} | {whole:.2f}{end} |"
        )
    expected = [one["bars"]["mp"]["value"] for one in found]
    true = [one["truth"]["mp"] for one in found]
    correlation = spearmanr(expected, true)[0]
    print(f"\nExpected and true MP of the stacks: rank correlation {correlation:.2f}")
    names = found[0]["indicators"]["indicator"]
    ranks = [one["indicators"]["rank_correlation_with_mp"] for one in found]
    print("Rank correlation of indicators with MP on the twins, mean over the worlds:")
    means = np.nanmean(ranks, axis=0)
    print(", ".join(f"{name} {mean:.2f}" for name, mean in zip(names, means, strict=True)))


def main() -> None:
    """Measure the stacks and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stacks", type=int, default=12)
    parser.add_argument("--twins", type=int, default=24)
    chosen = parser.parse_args()
    show([measured(number, chosen.twins) for number in range(chosen.stacks)])


if __name__ == "__main__":
    main()
