"""JSON Schemas of parameters that JSON has no word for."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel, ConfigDict, Field

from fib_plugins.commands.json_schema import schema_of


class Odd(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    function: Callable[[int], int] = abs
    array: np.ndarray | None = None
    number: float = float("nan")
    text: bytes = b"\xff"
    plain: int = Field(default=3, description="as usual")


class Failing(BaseModel):
    @classmethod
    def __get_pydantic_json_schema__(cls, *given: Any) -> Any:
        raise SystemExit(0)


def test_parameters_without_a_schema_may_be_anything():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = schema_of(Odd)
    assert found is not None
    json.dumps(found, allow_nan=False)
    assert set(found["properties"]) == {"function", "array", "number", "text", "plain"}
    assert found["properties"]["plain"]["default"] == 3
    assert "default" not in found["properties"]["number"]
    assert "type" not in found["properties"]["function"]


def test_a_model_whose_own_way_fails_has_no_schema():
    assert schema_of(Failing) is None
    with pytest.raises(SystemExit):
        Failing.model_json_schema()
