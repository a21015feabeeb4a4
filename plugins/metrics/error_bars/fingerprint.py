"""Names of what was measured, in a folder that several calls share."""

from __future__ import annotations

import hashlib
import json

import numpy as np

from fibcore import Plugin, Volume


def of_plugins(*parts: Plugin | np.ndarray | int | None) -> str:
    """Return a name that is another one for other plugins, parameters, weights or numbers."""
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        if isinstance(part, Plugin):
            model = part.as_model()
            facts = [model.plugin, dict(model.params), dict(model.info)]
            digest.update(json.dumps(facts, sort_keys=True, default=str).encode())
            for name in sorted(model.weights):
                digest.update(name.encode())
                digest.update(np.ascontiguousarray(model.weights[name]).tobytes())
        elif isinstance(part, np.ndarray):
            digest.update(part.tobytes())
        else:
            digest.update(repr(part).encode())
    return digest.hexdigest()


def of_volumes(*volumes: Volume) -> str:
    """Return a name that is another one for other voxels; they are read plane by plane."""
    digest = hashlib.blake2b(digest_size=8)
    for volume in volumes:
        for place in np.ndindex(volume.data.shape[:-2]):
            digest.update(np.ascontiguousarray(volume.data[place]).data)
    return digest.hexdigest()
