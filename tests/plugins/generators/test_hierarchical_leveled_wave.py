import numpy as np
import pytest
from pydantic import ValidationError

from fib_plugins.generators.hierarchical_leveled_wave import HierarchicalLeveledWave
from fibcore.context import Context
from fibcore.errors import FibError
from fibcore.materials import EPOXY, GOLD


def hierarchical(**changes):
    params = {
        "shape": (80, 84, 88),
        "voxel_size_nm": 2.0,
        "ligament_diameters_nm": (40.0, 8.0),
        "solid_fractions": (0.5, 0.3),
        "waves": (400, 400),
        "materials": (EPOXY, GOLD),
    }
    return HierarchicalLeveledWave(**{**params, **changes})


def test_solid_fraction_is_the_product_of_both_levels():
    labels = hierarchical().generate(seed=1)
    upper = round(0.5 * labels.data.size)
    assert int(labels.data.sum()) == round(0.3 * upper)


def test_expected_level_meets_the_product_on_average():
    fractions = [
        hierarchical(level="expected", shape=64).generate(seed=s).data.mean() for s in range(12)
    ]
    assert np.mean(fractions) == pytest.approx(0.15, abs=0.015)


def test_lower_level_lies_inside_the_upper():
    upper = hierarchical(solid_fractions=(0.5, 0.9999)).generate(seed=1).data
    both = hierarchical().generate(seed=1).data
    assert np.count_nonzero(both > upper) < 2e-4 * both.size
    # Only a third of the upper ligaments is solid, and that third everywhere alike.
    halves = [both[:, :44][upper[:, :44] > 0].mean(), both[:, 44:][upper[:, 44:] > 0].mean()]
    assert halves == pytest.approx([0.3, 0.3], abs=0.05)


def test_levels_have_their_own_sizes():
    structure = hierarchical()
    upper, lower = structure.wave_numbers
    crossings = [
        np.mean(np.diff(s.generate(seed=1).data, axis=0) != 0)
        for s in (structure, hierarchical(solid_fractions=(0.5, 0.9999)))
    ]
    assert lower > 3 * upper
    assert crossings[0] > 2 * crossings[1]


def test_same_seed_same_bytes_for_any_number_of_threads():
    one, two = (hierarchical().generate(Context(4, threads=n)).data.tobytes() for n in (1, 2))
    assert one == two
    assert one != hierarchical().generate(seed=5).data.tobytes()


def test_larger_ligaments_come_first():
    with pytest.raises(ValidationError, match=r"write \[40, 8\]"):
        hierarchical(ligament_diameters_nm=(8.0, 40.0))


def test_periodic_box_too_small_for_the_upper_level_is_refused():
    with pytest.raises(FibError, match="`periodic`: false"):
        hierarchical(periodic=True, ligament_diameters_nm=(110.0, 8.0)).forecast("generate", {})


def test_forecast_covers_the_finer_level():
    coarse = hierarchical(shape=384, ligament_diameters_nm=(200.0, 100.0)).forecast("generate", {})
    fine = hierarchical(shape=384, ligament_diameters_nm=(200.0, 10.0)).forecast("generate", {})
    assert fine.memory_bytes > coarse.memory_bytes > 384**3


def test_a_large_structure_is_a_file_and_no_memory():
    large = hierarchical(shape=(8000, 512, 512), ligament_diameters_nm=(200.0, 100.0))
    forecast = large.forecast("generate", {})
    assert forecast.output.nbytes > 2 * 10**9
    assert forecast.memory_bytes < 2**29
