"""`reader/model`: models as written by fib, safetensors with a JSON file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fib_plugins.hollow import check_content
from fib_plugins.readers.slices.regular import fetched
from fibcore.artefacts import Artefact
from fibcore.errors import FibError, faults, sized
from fibcore.jsontext import read_json
from fibcore.models import Model
from fibcore.reader import Opened, Reader
from fibcore.text import described, shown

FORMAT = 1


class SavedModel(Reader):
    """Models: weights as safetensors, all other values in a .json file of the same name.

    No code in the files is executed.
    """

    name: ClassVar[str] = "model"
    result_version: ClassVar[int] = 2
    key_name: ClassVar[str] = "load"
    suffixes: ClassVar[tuple[str, ...]] = (".safetensors",)
    holds: ClassVar[tuple[type[Artefact], ...]] = (Model,)
    writes: ClassVar[tuple[type[Artefact], ...]] = (Model,)

    def open(self, source: str | Path, base: Path = Path(), *, trusted: bool = False) -> Opened:
        """Read the model.

        Raises:
            FibError: a file is missing or does not hold a model.
        """
        path = fetched(source, base, ".json")
        model = read_model(path)
        return Opened(Model, _files(path), lambda context: model, model=model)

    @classmethod
    def write(cls, artefact: Any, path: Path) -> None:
        """Write the weights and the .json file."""
        from safetensors.numpy import save_file

        header_file, weights_file = _files(path)
        weights = {name: np.ascontiguousarray(array) for name, array in artefact.weights.items()}
        save_file(weights, weights_file)
        header = {
            "format": FORMAT,
            "plugin": artefact.plugin,
            "params": dict(artefact.params),
            "info": dict(artefact.info),
        }
        text = json.dumps(header, indent=1, sort_keys=True, allow_nan=False)
        header_file.write_text(text + "\n", encoding="utf-8")


class Header(BaseModel):
    """The .json file of a model."""

    model_config = ConfigDict(strict=True)

    format: Annotated[int, Field(ge=1)]
    plugin: Annotated[str, Field(pattern=r"^[a-z_]+/[\w.-]+$", max_length=200)]
    params: dict[str, Any]
    info: dict[str, Any]


def read_model(path: Path) -> Model:
    """Read a model; raises the errors of `SavedModel.open`."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    files = _files(path)
    try:
        content = read_json(files[0])
        if isinstance(content, dict) and content.get("format") not in (None, FORMAT):
            raise FibError(
                f"{shown(path)} is a model of format {shown(content['format'], 20)}; this "
                f"version of fib reads up to {FORMAT}: update fib"
            )
        header = Header.model_validate(content)
        _check_room(files[1])
        weights = load_file(files[1])
    except FibError:
        raise
    except ValidationError as error:
        raise FibError(
            f"{shown(path)} is not a model that fib wrote: {shown(files[0].name)}: {faults(error)}"
        ) from None
    except (OSError, ValueError, LookupError, TypeError, AttributeError, SafetensorError) as error:
        # safetensors asks numpy for types of 8 bits that it does not have
        raise FibError(
            f"{shown(path)} is not a model that fib wrote ({described(error)}); a model is a "
            f".safetensors file and a .json file of the same name"
        ) from error
    return Model(header.plugin, header.params, weights, header.info)


def _files(path: Path) -> tuple[Path, Path]:
    return path.with_suffix(".json"), path.with_suffix(".safetensors")


def _check_room(path: Path) -> None:
    """Reject a path that is not a file, or a file larger than the free memory."""
    import psutil

    size, free = check_content(path), psutil.virtual_memory().available
    if size > free:
        raise FibError(
            f"{shown(path)} has {sized(size)}, {sized(free)} of memory are free; check that it is "
            f"a model"
        )
