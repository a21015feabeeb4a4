import json
import subprocess
import sys

import pytest
from pydantic import ValidationError

from fib_plugins.readers.tiff.reader import Tiff


def test_a_pipeline_file_uses_the_word_as() -> None:
    params = Tiff.model_validate(
        json.loads('{"as": "labels", "voxel_size_nm": 5, "materials": ["C", "Au"]}')
    )
    assert params.as_ == "labels"
    assert params.voxel_size_nm == (5, 5, 5)
    assert params.materials is not None
    assert [material.name for material in params.materials] == ["C", "Au"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"as": "labels", "kv": 2}, "no accelerating voltage"),
        ({"as": "images", "materials": ["C"]}, "no materials"),
        ({"region": {"z": [4, 4]}}, "is empty"),
        ({"as": "images", "phase_of_value": {"1": 0}}, "no phases"),
        ({"phase_of_value": {"1": 256}}, "less than or equal to 255"),
        ({"phase_of_value": {"one": 1}}, "valid integer"),
        ({"region": {"t": [0, 4]}}, "'z', 'y' or 'x'"),
        ({"kv": 2000}, "less than or equal to 50"),
        ({"kv": [0]}, "greater than 0"),
        ({"voxel_size_nm": [1, 2]}, "voxel_size_nm"),
        ({"voxel_size_nm": -1}, "greater than 0"),
        ({"voxelsize": 1}, "Extra inputs"),
        ({"as": "label"}, "'images' or 'labels'"),
    ],
)
def test_what_cannot_be_meant_is_refused(given: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Tiff.model_validate(given)


def test_every_parameter_is_described() -> None:
    assert all(field.description for field in Tiff.model_fields.values())
    schema = Tiff.model_json_schema()
    assert set(schema["properties"]) == {
        "voxel_size_nm", "kv", "detector", "as", "materials", "phase_of_value", "region"
    }  # fmt: skip


def test_the_parameters_are_there_without_importing_tifffile() -> None:
    code = "import sys, fib_plugins.readers.tiff.reader; sys.exit('tifffile' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
