import numpy as np
import pytest
from pydantic import ValidationError
from scipy import ndimage

from fib_plugins.generators.foam.plugin import Foam
from fibcore.context import Context
from fibcore.errors import FibError
from fibcore.materials import EPOXY, GOLD


def foam(**changes):
    params = {
        "shape": 64,
        "voxel_size_nm": 1.0,
        "cell_diameter_nm": 25.0,
        "relaxation": 3,
        "materials": (EPOXY, GOLD),
    }
    return Foam(**{**params, **changes})


@pytest.mark.parametrize("cells", ["open", "closed", "grains"])
@pytest.mark.parametrize("arrangement", ["random", "packed"])
def test_exact_solid_fraction_is_right_to_one_voxel(cells, arrangement):
    labels = foam(cells=cells, arrangement=arrangement, solid_fraction=0.4).generate(seed=2)
    assert int(labels.data.sum()) == round(0.4 * labels.data.size)
    assert labels.phases[1] == GOLD


def test_thin_struts_take_their_length_times_their_section():
    structure = foam(
        cells="open",
        arrangement="random",
        cell_diameter_nm=40.0,
        thickness_nm=2.5,
        periodic=True,
        shape=110,
    )
    fractions = [structure.generate(seed=seed).data.mean() for seed in range(2)]
    # Poisson-Voronoi: edge length per volume 5.832 n^(2/3). Four struts share each corner.
    density = 1 / (np.pi / 6 * 40.0**3)
    expected = np.pi * 1.25**2 * 5.832 * density ** (2 / 3)
    assert 0.86 * expected < np.mean(fractions) < expected


def test_walls_and_gaps_of_equal_thickness_are_complements():
    given = {"thickness_nm": 3.0, "arrangement": "random"}
    walls = foam(cells="closed", **given).generate(seed=3)
    grains = foam(cells="grains", **given).generate(seed=3)
    differ = walls.data == grains.data
    assert differ.mean() < 1e-4  # only voxels exactly on the border could be in both
    density = 1 / (np.pi / 6 * 25.0**3)
    thin = foam(cells="closed", thickness_nm=1.0, arrangement="random", shape=90, periodic=True)
    expected = 2.910 * density ** (1 / 3) * 1.0
    assert thin.generate(seed=4).data.mean() == pytest.approx(expected, rel=0.08)


def test_thickened_struts_have_the_volume_of_their_sections():
    given = {"arrangement": "random", "cell_diameter_nm": 40.0, "thickness_nm": 3.0, "shape": 90}
    plain, thick = (
        foam(cells="open", periodic=True, node_thickening=n, **given).generate(seed=9).data
        for n in (0.0, 2.0)
    )
    assert (plain <= thick).all()
    # The mean of 1 + n (2 s)^4 along a strut is 1 + n / 5; struts overlap more at their ends.
    assert 1.15 < thick.sum() / plain.sum() < 1.4


def test_grains_are_separate_and_have_the_volumes_of_the_table():
    context = Context(5)
    structure = foam(
        cells="grains",
        arrangement="packed",
        cell_diameter_std_nm=5.0,
        thickness_nm=2.0,
        periodic=True,
        shape=72,
    )
    labels = structure.generate(context)
    table = context.kept["cells"]
    volumes = np.pi / 6 * table["diameter_nm"] ** 3
    assert volumes.sum() == pytest.approx(72**3)
    assert np.std(table["diameter_nm"]) == pytest.approx(5.0, rel=0.35)
    numbered, _ = ndimage.label(labels.data)
    at = np.floor(np.stack([table[f"{axis}_nm"] for axis in "zyx"], axis=1)).astype(int) % 72
    found = numbered[tuple(at.T)]
    assert (found > 0).all()
    numbers = context.kept["grain_numbers"].data[0]
    assert ((numbers > 0) == (labels.data > 0)).all()
    assert numbers[tuple(at.T)].tolist() == list(range(1, len(volumes) + 1))
    (spec,) = structure.forecast("generate", {}).kept.values()
    assert spec == context.kept["grain_numbers"].spec
    large = table["diameter_nm"] > 20
    # A grain is its cell without half the gap on every face.
    inner = np.bincount(numbered.ravel())[found[large]]
    assert (inner < volumes[large]).all()


def test_periodic_structures_continue_beyond_the_box():
    given = {"thickness_nm": 4.0, "cells": "open", "shape": 56}
    whole = foam(periodic=True, **given).generate(seed=6).data
    jumps = [np.mean(whole[0] != whole[-1]), np.mean(whole[30] != whole[31])]
    assert jumps[0] == pytest.approx(jumps[1], abs=0.04)
    cut = foam(periodic=False, **given).generate(seed=6).data
    assert np.mean(cut[0] != cut[-1]) > 0.1


def test_stretched_cells_keep_the_thickness_of_walls():
    given = {"thickness_nm": 4.0, "cells": "closed", "arrangement": "random"}
    plain = foam(shape=(64, 64, 64), **given).generate(seed=7)
    long = foam(
        shape=(128, 64, 64), anisotropy=(2, 1, 1), voxel_size_nm=(1, 1, 1), **given
    ).generate(seed=7)
    # By the distances within solid: a wall's middle is 2 nm from both of its sides.
    inner = [ndimage.distance_transform_edt(each.data)[each.data > 0] for each in (plain, long)]
    assert np.mean(inner[0]) == pytest.approx(np.mean(inner[1]), rel=0.08)
    assert long.data.mean() < plain.data.mean()


def test_voxel_size_does_not_move_the_structure():
    fine = foam(thickness_nm=5.0, shape=(60, 60, 60)).generate(seed=8).data
    coarse = foam(thickness_nm=5.0, shape=(20, 60, 30), voxel_size_nm=(3, 1, 2)).generate(seed=8)
    blocks = fine.reshape(20, 3, 60, 1, 30, 2).mean(axis=(1, 3, 5))
    clear = (blocks == 0) | (blocks == 1)
    assert (coarse.data[clear] == blocks[clear]).all()


def test_threads_and_slabs_do_not_change_a_byte(monkeypatch):
    structure = foam(solid_fraction=0.3, cells="grains")
    whole = structure.generate(Context(9, threads=1))
    monkeypatch.setattr("fib_plugins.generators.slabs.SLAB_VOXELS", 10_000)
    parts = structure.generate(Context(9, threads=2))
    assert whole.data.tobytes() == parts.data.tobytes()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "exactly one of thickness_nm, solid_fraction"),
        ({"thickness_nm": 3, "solid_fraction": 0.3}, "exactly one of"),
        ({"thickness_nm": 24}, "fills cells"),
        ({"thickness_nm": 3, "cells": "closed", "node_thickening": 1}, "for struts"),
        ({"thickness_nm": 3, "cell_diameter_std_nm": 3}, "arrangement: packed"),
        (
            {"thickness_nm": 3, "cell_diameter_std_nm": 20, "arrangement": "packed"},
            "above half",
        ),
    ],
)
def test_what_does_not_fit_is_refused(changes, words):
    with pytest.raises(ValidationError, match=words):
        foam(**changes)


def test_boxes_with_too_few_or_too_many_cells_are_refused():
    with pytest.raises(FibError, match=r"only .* cells"):
        foam(thickness_nm=3, periodic=True, shape=32).forecast("generate", {})
    with pytest.raises(FibError, match="along its shortest edge"):
        foam(thickness_nm=3, periodic=True, shape=(20, 200, 200)).forecast("generate", {})
    with pytest.raises(FibError, match="in nm"):
        foam(thickness_nm=0.3, cell_diameter_nm=0.5).forecast("generate", {})


def test_a_forecast_warns_of_thin_struts():
    (warning,) = foam(thickness_nm=1.5).forecast("generate", {}).warnings
    assert "struts of 1.5 nm are only 1.5 voxels" in warning
