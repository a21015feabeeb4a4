"""Compact the Mott cross sections into the file that fib ships, and print the errors.

    python tools/compact_mott.py elastic_cross_sections.npz [--out mott.npz]

The input holds Z (n,), energy_ev (m,), theta_deg (k,), total_cm2 and transport_cm2 (n, m), and
dcs_cm2_per_sr (n, m, k), computed with ELSEPA. The output is read by `fib_plugins.electrons.mott`,
whose docstring describes the form. Errors are those of the values read back, relative to splines
through the input (totals and transport: relative to its values).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.integrate import cumulative_trapezoid
from scipy.interpolate import CubicSpline

from fib_plugins.electrons import mott

FINE_ANGLES = 6001
"""Angles of the reference distributions; twice as many do not change the printed errors."""


def compact(full: dict[str, np.ndarray], out: Path) -> None:
    """Write the compact file."""
    arrays = {"energy_ev": full["energy_ev"], "total_cm2": full["total_cm2"]}
    ends = []
    for z, total, u in zip(full["Z"], full["total_cm2"], at_angles(full, mott.NODES), strict=True):
        levels, end = mott.compacted(u / total[:, None])
        arrays[f"levels_{z:02d}"] = levels
        ends.append(end)
    arrays["log_ends"] = np.stack(ends)
    np.savez_compressed(out, **arrays)  # type: ignore[arg-type]


def at_angles(full: dict[str, np.ndarray], count: int) -> Iterator[np.ndarray]:
    """Yield u of each element at `count` angles, from cubic splines through the full tables."""
    flattened = (mott.mu_of(full["theta_deg"]) + mott.SCREENING) ** 2
    variable = mott.angle_variable(full["theta_deg"])
    at = mott.angle_variable(mott.angles_deg(count))
    for dcs in full["dcs_cm2_per_sr"].astype(np.float64):
        yield CubicSpline(variable, dcs * flattened, axis=1)(at)


def errors(full: dict[str, np.ndarray]) -> dict[str, tuple[float, float]]:
    """Return the largest and the root mean square error over all Z and energies, by quantity."""
    mu = mott.mu_of(mott.angles_deg(FINE_ANGLES))
    right_angle = int(np.searchsorted(mu, 0.5))
    found: dict[str, list[np.ndarray]] = {}
    rows = zip(
        full["Z"],
        full["total_cm2"],
        full["transport_cm2"],
        at_angles(full, FINE_ANGLES),
        strict=True,
    )
    for z, true_total, true_transport, u in rows:
        true = cumulative_trapezoid(u / (mu + mott.SCREENING) ** 2, mu, axis=1, initial=0.0)
        true /= true[:, -1:]
        ours = np.stack([mott.cumulative(z, float(e), mu) for e in full["energy_ev"]])
        total = mott.total_cm2(z, full["energy_ev"])
        transport = 2.0 * total * mott.mean_mu(z, full["energy_ev"])
        ratios = {
            "total cross section": total / true_total,
            "transport cross section": transport / true_transport,
            "P(theta > 90 deg)": (1.0 - ours[:, right_angle]) / (1.0 - true[:, right_angle]),
        }
        for name, ratio in ratios.items():
            found.setdefault(name, []).append(ratio - 1.0)
        found.setdefault("cumulative (absolute)", []).append(ours - true)
    return {
        name: (float(np.abs(e).max()), float(np.sqrt(np.mean(np.square(e)))))
        for name, e in ((name, np.stack(parts)) for name, parts in found.items())
    }


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("full", type=Path, help="the full tables, .npz")
    parser.add_argument("--out", type=Path, default=mott.DATA, help="file to write")
    options = parser.parse_args()
    with np.load(options.full, allow_pickle=False) as data:
        full = {name: data[name] for name in data.files}
    compact(full, options.out)
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.2f} MB")
    print(f"{'':26}{'largest':>10}{'rms':>10}")
    for name, (largest, rms) in errors(full).items():
        print(f"{name:26}{largest:10.1e}{rms:10.1e}")


if __name__ == "__main__":
    main()
