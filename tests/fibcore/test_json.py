from __future__ import annotations

import json

import pytest

from fib_plugins.commands.settings import read_settings, setting_of_option
from fibcore import FibError
from fibcore.errors import PipelineError, UsageError
from fibcore.jsontext import DEEPEST, JsonError, parse_json, read_json
from fibcore.pipeline import read_pipeline

HOSTILE = {
    "deep lists": "[" * 100_000 + "]" * 100_000,
    "deep objects": '{"a":' * 100_000,
    "just too deep": "[" * (DEEPEST + 2) + "]" * (DEEPEST + 2),
    "half a character": '{"name": "\\ud800"}',
    "half a character as a key": '{"\\udfff": 1}',
    "NUL": '{"load": "a\\u0000.tif"}',
    "raw control character": '{"a": "\x01"}',
    "NaN": '{"a": NaN}',
    "infinite": '{"a": -Infinity}',
    "beyond floats": '{"a": 1e400}',
    "beyond whole numbers": '{"a": 99999999999999999999}',
    "five thousand digits": '{"a": ' + "9" * 5000 + "}",
    "a million digits": '{"a": ' + "9" * 900_000 + "}",
    "twice": '{"a": 1, "a": 2}',
    "cut short": '{"a": [1, 2',
    "two documents": "{} {}",
    "empty": "",
    "comment": '{"a": 1} // b',
    "single quotes": "{'a': 1}",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_json_is_one_message(tmp_path, text):
    with pytest.raises(JsonError) as caught:
        parse_json(text)
    assert 0 < len(str(caught.value)) < 300
    file = tmp_path / "p.json"
    file.write_text(text)
    with pytest.raises(FibError, match=r"p\.json"):
        read_json(file)
    with pytest.raises(PipelineError) as refused:
        read_pipeline(file)
    assert refused.value.exit_code == 2
    with pytest.raises(UsageError):
        read_settings(file)


BYTES = {
    "utf-16": ('{"a": 1}'.encode("utf-16"), "UTF-16"),
    "utf-16 without a mark": ('{"a": 1}'.encode("utf-16-le"), "NUL"),
    "utf-32": ('{"a": 1}'.encode("utf-32"), "UTF-32"),
    "latin-1": ('{"a": "\xe9"}'.encode("latin-1"), "not UTF-8"),
    "zeros after a crash": (bytes(4096), "NUL"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "NUL|UTF-8"),
    "lone surrogate in UTF-8": (b'{"a": "\xed\xa0\x80"}', "not UTF-8"),
    "too large": (b" " * (65 * 2**20), "more than 67 MB"),
}


@pytest.mark.parametrize(("content", "said"), BYTES.values(), ids=BYTES)
def test_what_is_no_utf_8_text_is_reported(tmp_path, content, said):
    file = tmp_path / "p.json"
    file.write_bytes(content)
    with pytest.raises(FibError, match=said):
        read_json(file)
    with pytest.raises(PipelineError, match=said.replace("67", "1.0")):
        read_pipeline(file)


def test_what_is_sound_is_read_as_it_is(tmp_path):
    value = {"a": [1, -2.5, True, None, "µ \U0001f600"], "b": {"c": 2**63 - 1, "d": 1e308}}
    file = tmp_path / "p.json"
    file.write_bytes(b"\xef\xbb\xbf" + json.dumps(value).encode())
    assert read_json(file) == value
    assert read_pipeline(file).data == value
    assert parse_json("[" * DEEPEST + "]" * DEEPEST)


@pytest.mark.parametrize(
    "value", ["[" * 1000, "1e400", "9" * 5000, "\udcff", "[" * 60 + "]" * 60, '{"a":1,"a":2}']
)
def test_hostile_values_on_the_command_line_are_refused_or_text(value):
    try:
        setting = setting_of_option(f"unet.epochs={value}")
    except UsageError:
        pass
    else:
        assert setting.value == value  # no JSON: text, which the check refuses


def test_settings_of_the_command_line_keep_their_types():
    given = {"2": 2, "2.5": 2.5, "true": True, "[1,2]": [1, 2], "otsu": "otsu", '"3"': "3"}
    for text, value in given.items():
        assert setting_of_option(f"a.b={text}").value == value
