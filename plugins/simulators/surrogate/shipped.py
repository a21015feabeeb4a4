"""The surrogates that come with the package, and which of them fits a simulation."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from fib_plugins.simulators.surrogate.parameters import IMAGING, SurrogateParameters
from fibcore import FibError, Model
from fibcore.errors import listed

FOLDER = "data"
NAMES = ("gold_in_epoxy_3nm", "gold_in_epoxy_10nm")
"""Voxels of 3.26 nm, and of 10 x 3.26 x 3.26 nm; both for 1, 2 and 4 kV."""

PHYSICS = (
    "beam_diameter_nm",
    "tilt_deg",
    "elastic",
    "energy_loss",
    "atomic_electrons",
    "cutoff_ev",
    "detector_energy",
    "detector_polar_deg",
    "detector_weighting",
    "detectors",
)
"""Parameters that images depend on, and that a trained surrogate cannot change."""

REFINING = frozenset({"learning_rate", "batch_size", "cpu_threads"})
"""Parameters of training that matter in a refinement."""


@cache
def shipped_models() -> tuple[Model, ...]:
    """Return all of them."""
    from safetensors.numpy import load

    found = []
    for name in NAMES:
        folder = files(__package__) / FOLDER
        facts = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        weights = load((folder / f"{name}.safetensors").read_bytes())
        arrays = {key: np.asarray(array, np.float32) for key, array in weights.items()}
        found.append(Model(facts["plugin"], facts["params"], arrays, facts["info"]))
    return tuple(found)


def shipped_model(params: SurrogateParameters, voxel_size_nm: tuple[float, ...]) -> Model:
    """Return the one for voxels of a size, and the voltages and physics of the parameters.

    Raises:
        FibError: there is none; the message has the reason.
    """
    asked = params.model_dump(mode="json")
    reasons = []
    for model in shipped_models():
        size = model.info["voxel_size_nm"]
        name = " x ".join(f"{edge:g}" for edge in size) + " nm"
        unknown = [e for e in params.energies_kev if e not in model.info["kv"]]
        other = [p for p in PHYSICS if not _same(asked[p], model.params.get(p))]
        if not np.allclose(size, voxel_size_nm, rtol=0.02, atol=0):
            reasons.append(f"that for {name} is for other voxels")
        elif unknown:
            reasons.append(f"that for {name} has no {listed([f'{e:g}' for e in unknown])} kV")
        elif other:
            reasons.append(f"that for {name} has another {listed(other)}")
        elif teaching := _teaching(params, asked, model):
            raise FibError(
                f"{listed(teaching)} given for the training of a surrogate, but this step uses one "
                f"of the package and trains none: leave that out, or fit one (a step with "
                f'"fit": "simulator/surrogate")'
            )
        else:
            return model
    size = " x ".join(f"{edge:g}" for edge in voxel_size_nm)
    raise FibError(
        f"no surrogate of the package fits voxels of {size} nm at "
        f"{listed([f'{e:g}' for e in params.energies_kev])} kV: {'; '.join(reasons)}. They are for "
        f'gold in epoxy at 1, 2 and 4 kV. Fit one (a step with "fit": "simulator/surrogate"), '
        f"or use simulator/monte_carlo"
    )


def _teaching(params: SurrogateParameters, asked: dict[str, Any], model: Model) -> list[str]:
    """Return parameters of training that were given, in vain: not those of the model."""
    used = IMAGING | {"voxel_size_nm"}  # which is compared with tolerance
    if params.on_failure == "refine":
        used |= REFINING
    defaults = {name: field.default for name, field in SurrogateParameters.model_fields.items()}
    return sorted(
        name
        for name in defaults.keys() - used
        if getattr(params, name) != defaults[name]
        and not _same(asked[name], model.params.get(name))
    )


def _same(one: Any, other: Any) -> bool:
    return bool(json.dumps(one) == json.dumps(other))
