"""Models: what a trainable plugin learned, kept as safetensors and JSON (never as code)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from fibcore.errors import FibError

FORMAT = 1


@dataclass(frozen=True, eq=False)
class Model:
    """Weights, the parameters of the plugin that made them, and what it must remember.

    Attributes:
        plugin: ``kind/name`` of the plugin.
        params: its parameters, as JSON values.
        weights: name -> array; empty for a plugin that learns nothing (an analytic law).
        info: JSON values besides: grey-value scaling, voltages and voxel size trained on, ...
    """

    plugin: str
    params: Mapping[str, Any]
    weights: Mapping[str, np.ndarray] = field(default_factory=dict)
    info: Mapping[str, Any] = field(default_factory=dict)

    artefact: ClassVar[str] = "model"

    @property
    def kind(self) -> str:
        """Kind of the plugin, e.g. ``segmenter``."""
        return self.plugin.split("/", 1)[0]

    def write(self, path: Path) -> None:
        """Write ``<path>.safetensors`` and ``<path>.json`` (suffix of `path` is replaced)."""
        from safetensors.numpy import save_file

        weights = {name: np.ascontiguousarray(array) for name, array in self.weights.items()}
        save_file(weights, path.with_suffix(".safetensors"))
        header = {
            "format": FORMAT,
            "plugin": self.plugin,
            "params": dict(self.params),
            "info": dict(self.info),
        }
        text = json.dumps(header, indent=1, sort_keys=True, allow_nan=False)
        path.with_suffix(".json").write_text(text + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Model:
        """Read a model written by `write`; nothing in the files is executed.

        Raises:
            FibError: if a file is missing or is not such a model.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            header = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
            weights = load_file(path.with_suffix(".safetensors"))
            if header["format"] > FORMAT:
                raise FibError(
                    f"{path} is a model of format {header['format']}; this version of fib reads "
                    f"up to {FORMAT}: update fib"
                )
            return cls(header["plugin"], header["params"], weights, header["info"])
        except FibError:
            raise
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise FibError(
                f"{path} is not a model that fib wrote ({error}); a model is a .safetensors file "
                f"with a .json file of the same name beside it"
            ) from error
