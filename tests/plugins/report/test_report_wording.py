from __future__ import annotations

import pytest

from fib_plugins.report import wording
from fibcore.errors import sized


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.123456, "0.1235"),
        (99.0, "99.00"),
        (1234.4, "1234"),
        (-0.5, "−0.5000"),  # noqa: RUF001
        (1.5e-5, "1.5 × 10⁻⁵"),  # noqa: RUF001
        (123456, "123456"),
        (0.0, "0"),
        (float("nan"), "–"),  # noqa: RUF001
        (None, "–"),  # noqa: RUF001
        ("Au", "Au"),
        (True, "True"),
    ],
)
def test_numbers_have_four_significant_digits(value, text):
    assert wording.number(value) == text


@pytest.mark.parametrize("nm", [0.31, 1.0, 4.99, 5.0, 19.0, 777.0, 1e4, 123456.0])
def test_a_round_length_is_1_2_or_5_times_a_power_of_ten_and_fits(nm):
    length = wording.round_length(nm)
    mantissa = float(f"{length:e}".split("e")[0])
    assert mantissa in (1.0, 2.0, 5.0)
    assert nm / 2.5 - 1e-9 <= length <= nm * (1 + 1e-6)


@pytest.mark.parametrize(
    ("nm", "text"), [(250.0, "250 nm"), (999.0, "999 nm"), (1500.0, "1.5 µm"), (0.5, "0.5 nm")]
)
def test_lengths_choose_their_unit(nm, text):
    assert wording.length(nm) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, ""), (0.042, "0.042 s"), (42.4, "42 s"), (200, "3 min 20 s"), (18420, "5 h 07 min")],
)
def test_durations(seconds, text):
    assert wording.duration(seconds) == text


@pytest.mark.parametrize(("nbytes", "text"), [(12, "12 bytes"), (1530, "1.5 kB"), (64e6, "64 MB")])
def test_sizes(nbytes, text):
    assert sized(nbytes) == text


def test_times_that_are_none_are_left_as_they_are():
    assert wording.moment("2026-02-03T14:05:12+00:00") == "2026-02-03 14:05 UTC"
    assert wording.moment("yesterday") == "yesterday"
    assert wording.seconds_between("2026-02-03T14:05:12+00:00", None) is None


def test_a_material_among_parameters_is_called_by_its_name():
    value = {"phases": {"0": {"name": "epoxy", "composition": {"C": 1}}}, "shape": [1, None]}
    assert wording.value_text(value) == "phases: 0: epoxy, shape: [1, none]"
