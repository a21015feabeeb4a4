import pytest

from fibcore.registry import registry


@pytest.mark.parametrize(
    ("name", "density_g_cm3"),
    [
        ("Au", 19.3), ("Ag", 10.5), ("Cu", 8.96), ("Al", 2.70), ("Si", 2.33), ("C", 2.0),
        ("Pt", 21.45), ("Pd", 12.02), ("Ni", 8.90), ("epoxy", 1.2), ("vacuum", 0.0),
        ("alumina", 3.99), ("silica", 2.2), ("LiCoO2", 5.05), ("NMC811", 4.78), ("YSZ", 5.96),
    ],
)  # fmt: skip
def test_materials_of_the_field_go_by_name(name, density_g_cm3):
    assert registry().material(name).density_g_cm3 == pytest.approx(density_g_cm3, rel=3e-3)
