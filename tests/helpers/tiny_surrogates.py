"""Parameters of surrogates that learn in a second and are not accurate."""

from __future__ import annotations

from typing import Any

TINY: dict[str, Any] = {
    "energies_kev": (1.0, 2.0),
    "voxel_size_nm": 4.0,
    "teaching_structures": 8,
    "teaching_shape": (8, 16, 16),
    "teaching_slices": 2,
    "teaching_electrons": 4,
    "rounds": 2,
    "steps": 6,
    "features": 4,
    "planes": 4,
    "batch_size": 4,
    "cpu_threads": 1,
}
