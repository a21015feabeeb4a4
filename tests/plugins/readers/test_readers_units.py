import pytest

from fib_plugins.readers.slices.units import is_print_unit, is_unknown, unit_in_nm


@pytest.mark.parametrize(
    ("units", "nm"),
    [
        (["nm", "NM", " nm ", "(nm)", "nm\0", "nanometer", "nanometers", "nanometres"], 1),
        (["um", "µm", "μm", "micron", "Microns", "micrometer", "micrometers", "micrometres"], 1e3),
        (["\\u00B5m", "\\u00b5m", "\\xb5m", "&micro;m", "&#181;m", "Âµm", "Î¼m", "µ m"], 1e3),
        (["Å", "Å", "A\u030a", "Ã…", "\xc3\x85", "angstrom", "Angstroms", "ångström", "A"], 0.1),
        (["mm", "millimeter", "millimetres"], 1e6),
        (["cm", "centimeters"], 1e7),
        (["m", "meter", "metres"], 1e9),
        (["inch", "inches", "in", '"'], 2.54e7),
        (["pm", "picometers"], 1e-3),
    ],
)
def test_a_unit_is_understood_however_it_is_spelt(units: list[str], nm: float) -> None:
    assert [unit_in_nm(unit) for unit in units] == [nm] * len(units)
    assert not any(is_unknown(unit) for unit in units)


@pytest.mark.parametrize("unit", ["pixel", "pixels", "px", "", "voxels", None, 7])
def test_pixels_and_nothing_are_no_unit_and_no_unknown_one(unit: object) -> None:
    assert unit_in_nm(unit) is None
    assert not is_unknown(unit)


@pytest.mark.parametrize("unit", ["furlong", "sec", "\ufffdm", "nanometre per pixel"])
def test_unknown_units_are_distinguished_from_none(unit: str) -> None:
    assert unit_in_nm(unit) is None
    assert is_unknown(unit)


def test_print_units_are_inch_and_centimetre_in_every_spelling() -> None:
    assert all(is_print_unit(unit) for unit in ("inch", "Inches", "cm", "centimeter"))
    assert not any(is_print_unit(unit) for unit in ("mm", "nm", "pixel", None))
