from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from fib_plugins.generators.layered import Layered
from fib_plugins.physics.hunger_kuchler import HungerKuchler
from fib_plugins.simulators.weighted_projection import WeightedProjection
from fib_plugins.testing import check_plugin
from fibcore.materials import GOLD


def layered(**changes: Any) -> Layered:
    return Layered(
        **{"shape": (10, 3, 4), "voxel_size_nm": (5, 2, 2), "film_thickness_nm": 20} | changes
    )


def column(generator: Layered) -> list[int]:
    """Return the phase of each slice, having made sure that slices are of one phase."""
    data = generator.generate(seed=1).data
    assert np.all(data == data[:, :1, :1])
    return data[:, 0, 0].tolist()


def test_keeps_the_contract():
    assert check_plugin(Layered) == []


def test_a_film_of_filler_lies_between_the_imaged_face_and_the_bulk():
    labels = layered().generate(seed=1)
    assert column(layered()) == 4 * [0] + 6 * [1]
    assert labels.voxel_size_nm == (5, 2, 2)
    assert {phase: material.name for phase, material in labels.phases.items()} == {
        0: "epoxy",
        1: "Au",
    }


def test_films_are_phases_in_order_from_the_face_downwards():
    films = layered(film_thickness_nm=[10, 5, 15], materials=["epoxy", "Pt", "C", "Si"])
    assert column(films) == [0, 0, 1, 2, 2, 2, 3, 3, 3, 3]


def test_layers_may_share_a_phase_and_a_solid_may_lie_on_top():
    films = layered(film_thickness_nm=[5, 10], layer_phases=[1, 0, 1])
    assert column(films) == [1, 0, 0] + 7 * [1]


def test_no_film_leaves_the_bulk():
    assert column(layered(film_thickness_nm=0)) == 10 * [1]


def test_thicknesses_that_are_whole_voxels_in_decimals_are_taken():
    films = layered(
        voxel_size_nm=0.1,
        shape=(9, 1, 1),
        film_thickness_nm=[0.3, 0.6 - 0.3],
        layer_phases=[0, 1, 0],
    )
    assert column(films) == [0, 0, 0, 1, 1, 1, 0, 0, 0]


@pytest.mark.parametrize(
    ("wrong", "advice"),
    [
        ({"film_thickness_nm": 12}, "give 10 or 15 nm"),
        ({"film_thickness_nm": 50}, "at least 11 slices"),
        ({"film_thickness_nm": []}, "at least 1"),
        ({"film_thickness_nm": -5}, "greater than or equal to 0"),
        ({"layer_phases": [0]}, "2 layers: 1 film and the bulk"),
        ({"layer_phases": [0, 2]}, "need phases up to 2"),
        ({"materials": ["epoxy", "unobtainium"]}, "unobtainium"),
    ],
)
def test_what_cannot_be_drawn_exactly_is_refused(wrong, advice):
    with pytest.raises(ValidationError, match=advice):
        layered(**wrong)


def test_forecast_tells_what_comes_out():
    films = layered()
    forecast, labels = films.forecast("generate", {}), films.generate()
    assert forecast.output == labels.spec


def test_its_images_show_the_bulk_under_every_thickness_of_the_film():
    law = HungerKuchler()
    simulator = WeightedProjection(energies_kev=(4.0,), slices=10, mode="first_hit")
    images = simulator.simulate(layered(film_thickness_nm=20).generate(), law)
    found = images.data[0, :, 0, 0]
    assert found == pytest.approx(law.coefficient(GOLD, 4.0, [20, 15, 10, 5] + 6 * [0]))
