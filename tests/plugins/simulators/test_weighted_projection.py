from typing import ClassVar

import numpy as np
import pytest
from scipy import stats

import fibcore.context
from fib_plugins.materials import YSZ
from fib_plugins.physics.hunger_kuchler import HungerKuchler
from fib_plugins.physics.monte_carlo import MonteCarloLookup
from fib_plugins.simulators import weighted_projection
from fib_plugins.simulators.weighted_projection import WeightedProjection
from fibcore import Context, FibError, Labels, Material, Physics
from fibcore.elements import elements
from fibcore.materials import EPOXY, GOLD, VACUUM

COPPER = Material.of_element(elements()["Cu"])
CARBON = Material.of_element(elements()["C"])
DEPTHS_SEEN: list[np.ndarray] = []


class Linear(Physics):
    """Test physics: eta = Z / 100 at the face, falling by 0.01 a nm to 0.07, that of epoxy."""

    name: ClassVar[str] = "linear"

    def coefficient(self, material, energy_kev, depth_nm=0.0):
        DEPTHS_SEEN.append(np.asarray(depth_nm))
        eta = material.mean_atomic_number / 100 - 0.01 * np.asarray(depth_nm)
        return np.maximum(eta + 0 * np.asarray(energy_kev), 0.07)


class Broken(Physics):
    """Test physics that gives no coefficients."""

    name: ClassVar[str] = "broken"
    value: float

    def coefficient(self, material, energy_kev, depth_nm=0.0):
        return np.full(np.broadcast(energy_kev, depth_nm).shape, self.value)


def random_labels(shape=(21, 9, 17), phases=None, voxel_size_nm=(3.0, 3.0, 3.0)):
    phases = phases or {0: EPOXY, 1: GOLD}
    numbers = np.array(sorted(phases), dtype=np.uint8)
    data = np.random.default_rng(3).choice(numbers, size=shape)
    return Labels(data, voxel_size_nm, phases)


def column(phases: str) -> Labels:
    data = np.array([int(p) for p in phases], dtype=np.uint8).reshape(-1, 1, 1)
    return Labels(data, (1.0, 1.0, 1.0), {0: EPOXY, 1: GOLD, 2: COPPER})


def reference_sum(labels, weights, below="mirror"):
    """Sum of weights[phase][k], slice by slice, with numpy alone."""
    slices = len(next(iter(weights.values())))
    mode = {"mirror": "symmetric", "repeat": "edge", "pore": "constant"}[below]
    padded = np.pad(labels.data, ((0, slices - 1), (0, 0), (0, 0)), mode=mode)
    image = np.zeros(labels.shape)
    for k in range(slices):
        part = padded[k : k + labels.shape[0]]
        for phase, weight in weights.items():
            image += weight[k] * (part == phase)
    return image


@pytest.mark.parametrize("below", ["mirror", "repeat", "pore"])
def test_sum_agrees_with_plain_numpy(below):
    labels = random_labels(phases={0: EPOXY, 1: GOLD, 5: COPPER})
    energies = (5.0, 10.0)
    images = WeightedProjection(energies_kev=energies, slices=12, below=below).simulate(labels)
    assert images.data.shape == (2, *labels.shape)
    assert images.data.dtype == np.float32
    for channel, energy in enumerate(energies):
        weights = {}
        for phase in (1, 5):
            eta = MonteCarloLookup().coefficient(labels.phases[phase], energy, 3.0 * np.arange(12))
            weights[phase] = eta / eta.sum()
        expected = reference_sum(labels, weights, below)
        np.testing.assert_allclose(images.data[channel], expected, atol=1e-6)


def test_grey_values_run_from_pore_to_solid():
    labels = Labels(np.zeros((6, 2, 2), dtype=np.uint8), 3.0)
    labels.data[:, 0, 0] = 1
    image = WeightedProjection(energies_kev=[5]).simulate(labels).data[0]
    np.testing.assert_allclose(image[:, 0, 0], 1.0, atol=1e-6)
    assert np.all(image[:, 1, 1] == 0.0)


def test_without_normalisation_phases_keep_their_contrast():
    labels = column("111222")
    simulator = WeightedProjection(energies_kev=[5], slices=1, normalize=False)
    image = simulator.simulate(labels, Linear()).data[0, :, 0, 0]
    np.testing.assert_allclose(image, [1, 1, 1] + 3 * [29 / 79], rtol=1e-6)
    alike = WeightedProjection(energies_kev=[5], slices=1).simulate(labels, Linear())
    np.testing.assert_allclose(alike.data, 1.0, rtol=1e-6)


def test_subtracting_the_pore_leaves_no_weight_where_solid_is_not_seen():
    labels = column("0" * 10 + "1" * 10)  # gold fades into epoxy (0.79 - 0.07) / 0.01 = 72 nm deep
    labels = Labels(labels.data, (10.0, 1.0, 1.0), labels.phases)
    seen = dict(energies_kev=[5], slices=11)
    plain = WeightedProjection(**seen).simulate(labels, Linear()).data[0, :, 0, 0]
    net = WeightedProjection(**seen, subtract_pore=True).simulate(labels, Linear())
    net = net.data[0, :, 0, 0]
    assert plain[0] > 0  # 100 nm above the gold
    assert np.all(net[:3] == 0)  # 80 nm and more above
    assert net[3] > 0  # 70 nm
    # weights of gold k slices deep: 0.72 - 0.1 k, down to 0.02 for k = 7
    total = sum(0.72 - 0.1 * k for k in range(8))
    assert net[3] == pytest.approx(0.02 / total, rel=1e-5)
    assert net[12] == pytest.approx(1.0, rel=1e-5)


def test_subtracting_a_pore_that_outshines_the_solid_is_refused():
    labels = Labels(np.ones((3, 2, 2), dtype=np.uint8), 3.0, {0: GOLD, 1: CARBON})
    with pytest.raises(FibError, match="subtract_pore=false"):
        WeightedProjection(energies_kev=[5], subtract_pore=True).simulate(labels)


def test_a_phase_that_the_pore_outshines_weighs_nothing_where_the_pore_is_subtracted():
    labels = column("2" * 8 + "1" * 8)
    labels = Labels(labels.data, (30.0, 1.0, 1.0), {0: COPPER, 1: GOLD, 2: CARBON})
    simulator = WeightedProjection(energies_kev=[5], slices=8, subtract_pore=True)
    image = simulator.simulate(labels).data[0, :, 0, 0]  # at last carbon fades into copper
    assert image[0] == 0.0
    assert image[8] > 0.9


def test_first_hit_takes_the_uppermost_solid_at_its_depth():
    labels = column("0012100000")
    image = WeightedProjection(energies_kev=[5], slices=4, mode="first_hit", below="pore")
    gold, copper, epoxy = 0.79, 0.29, 0.07
    np.testing.assert_allclose(
        image.simulate(labels, Linear()).data[0, :, 0, 0],
        [gold - 0.02, gold - 0.01, gold, copper, gold, *5 * [epoxy]],
        rtol=1e-6,
    )


def test_first_hit_looks_no_deeper_than_its_slices():
    labels = column("00010000")
    simulator = WeightedProjection(energies_kev=[5], slices=3, mode="first_hit", below="pore")
    image = simulator.simulate(labels, Linear()).data[0, :, 0, 0]
    np.testing.assert_allclose(image[:4], [0.07, 0.77, 0.78, 0.79], rtol=1e-6)


def test_first_hit_agrees_with_a_search_along_every_line_of_sight():
    labels = random_labels(phases={0: EPOXY, 1: GOLD, 2: COPPER}, shape=(30, 5, 6))
    data = np.where(np.random.default_rng(1).random(labels.shape) < 0.7, 0, labels.data)
    labels = labels.with_data(data.astype(np.uint8))
    simulator = WeightedProjection(energies_kev=[5], slices=7, mode="first_hit", below="repeat")
    image = simulator.simulate(labels, Linear()).data[0]
    for z, y, x in np.ndindex(*labels.shape):
        expected = 0.07
        for k in range(7):
            phase = labels.data[min(z + k, 29), y, x]
            if phase:
                expected = float(Linear().coefficient(labels.phases[phase], 5, 3.0 * k))
                break
        assert image[z, y, x] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("below", "last_but_one", "last"),
    [("mirror", [0.0, 1.0, 1.0, 0.0], [1.0, 1.0, 0.0, 1.0]),
     ("repeat", [0.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0]),
     ("pore", [0.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0])],
)  # fmt: skip
def test_what_lies_below_the_stack(below, last_but_one, last):
    labels = column("1101")
    simulator = WeightedProjection(energies_kev=[5], slices=4, below=below)
    weights = 0.79 - 0.01 * np.arange(4)
    weights /= weights.sum()
    image = simulator.simulate(labels, Linear()).data[0, :, 0, 0]
    assert image[2] == pytest.approx(weights @ last_but_one, rel=1e-6)
    assert image[3] == pytest.approx(weights @ last, rel=1e-6)


def test_a_stack_thinner_than_the_slices_is_mirrored_again_and_again():
    labels = column("10")
    simulator = WeightedProjection(energies_kev=[5], slices=7)
    weights = 0.79 - 0.01 * np.arange(7)
    weights /= weights.sum()
    image = simulator.simulate(labels, Linear()).data[0, :, 0, 0]
    # below "1 0" come 0 1 1 0 0 1 1 ...
    assert image[0] == pytest.approx(weights @ [1, 0, 0, 1, 1, 0, 0], rel=1e-6)
    assert image[1] == pytest.approx(weights @ [0, 0, 1, 1, 0, 0, 1], rel=1e-6)


def test_depth_counts_in_slice_thickness_of_anisotropic_voxels():
    DEPTHS_SEEN.clear()
    labels = random_labels(voxel_size_nm=(10.0, 3.26, 3.26))
    images = WeightedProjection(energies_kev=[5], slices=4).simulate(labels, Linear())
    assert images.voxel_size_nm == (10.0, 3.26, 3.26)
    np.testing.assert_array_equal(DEPTHS_SEEN[-1].ravel(), [0, 10, 20, 30])


def test_each_voltage_is_a_channel_that_looks_deeper_than_the_one_before():
    labels = column("0" * 10 + "1" * 5)
    labels = Labels(labels.data, (3.0, 3.0, 3.0), labels.phases)
    simulator = WeightedProjection(energies_kev=[1, 2, 4], mode="first_hit")
    images = simulator.simulate(labels)
    assert images.kv == (1.0, 2.0, 4.0)
    assert images.quantity == "backscatter yield"
    visible = images.data[:, 2, 0, 0]
    bare = [float(MonteCarloLookup().coefficient(EPOXY, kv)) for kv in (1, 2, 4)]
    # gold 24 nm deep: out of sight at 1 kV
    assert visible[0] == pytest.approx(bare[0], abs=0.003)
    assert bare[1] < visible[1] < visible[2]


def test_another_physics_gives_another_image():
    labels = random_labels()
    simulator = WeightedProjection(energies_kev=[5])
    assert not np.allclose(
        simulator.simulate(labels).data, simulator.simulate(labels, Linear()).data
    )


@pytest.mark.parametrize("filler", [EPOXY, CARBON, COPPER])
def test_default_physics_is_the_table_of_fib_under_the_pore_filler_of_the_labels(filler):
    labels = Labels(random_labels().data, 10.0, {0: filler, 1: GOLD})
    simulator = WeightedProjection(energies_kev=[2], mode="first_hit")
    chosen = simulator.simulate(labels, MonteCarloLookup(overlayer=filler))
    np.testing.assert_array_equal(simulator.simulate(labels).data, chosen.data)
    analytic = simulator.simulate(labels, HungerKuchler(overlayer=filler))
    assert 1e-4 < np.abs(analytic.data - chosen.data).max() < 0.1


@pytest.mark.parametrize("filler", [EPOXY, VACUUM])
@pytest.mark.parametrize("mode", ["sum", "first_hit"])
def test_at_the_voltages_of_fib_tomography_the_default_warns_of_nothing(filler, mode, caplog):
    labels = random_labels(phases={0: filler, 1: GOLD, 2: YSZ})
    WeightedProjection(energies_kev=(0.5, 1, 2, 5, 30), mode=mode).simulate(labels)
    assert caplog.text == ""


@pytest.mark.parametrize("mode", ["sum", "first_hit"])
def test_counts_follow_the_binomial_distribution(mode):
    electrons, shape = 20, (8, 60, 60)
    labels = Labels(np.zeros(shape, dtype=np.uint8), 1.0, {0: EPOXY, 1: COPPER})
    labels.data[:, :, 30:] = 1
    simulator = WeightedProjection(
        energies_kev=[5], mode=mode, slices=1, electrons_per_pixel=electrons
    )
    images = simulator.simulate(labels, Linear(), Context(11))
    assert images.quantity == "backscatter yield"
    counts = np.rint(images.data[0] * electrons).astype(int)
    np.testing.assert_allclose(images.data[0] * electrons, counts, atol=1e-5)
    for side, eta in ((counts[:, :, :30], 0.07), (counts[:, :, 30:], 0.29)):
        law = stats.binom(electrons, eta)
        observed = np.bincount(side.ravel(), minlength=electrons + 1)
        expected = law.pmf(np.arange(electrons + 1)) * side.size
        likely = expected > 5
        chi2 = ((observed - expected)[likely] ** 2 / expected[likely]).sum()
        assert stats.chi2(likely.sum() - 1).sf(chi2) > 1e-4
        assert side.mean() == pytest.approx(law.mean(), abs=5 * law.std() / side.size**0.5)
        assert side.var() == pytest.approx(law.var(), rel=0.1)


def test_noise_differs_between_slices_channels_and_seeds_only():
    labels = Labels(np.ones((3, 16, 16), dtype=np.uint8), 1.0)
    simulator = WeightedProjection(energies_kev=[5, 5.0], slices=2, electrons_per_pixel=50)
    first = simulator.simulate(labels, Linear(), Context(1)).data
    assert not np.array_equal(first[0], first[1])
    assert not np.array_equal(first[0, 0], first[0, 1])
    assert not np.array_equal(first, simulator.simulate(labels, Linear(), Context(2)).data)
    np.testing.assert_array_equal(first, simulator.simulate(labels, Linear(), Context(1)).data)


@pytest.mark.parametrize("mode", ["sum", "first_hit"])
@pytest.mark.parametrize("electrons", [None, 30])
def test_same_bytes_for_any_number_of_threads_and_any_slab(mode, electrons, monkeypatch):
    labels = random_labels(shape=(50, 8, 8))
    simulator = WeightedProjection(energies_kev=[5, 9], mode=mode, electrons_per_pixel=electrons)
    one = simulator.simulate(labels, context=Context(5, threads=1)).data.tobytes()
    assert simulator.simulate(labels, context=Context(5, threads=4)).data.tobytes() == one
    monkeypatch.setattr(weighted_projection, "SLAB", 7)
    assert simulator.simulate(labels, context=Context(5, threads=2)).data.tobytes() == one


def test_memory_mapped_volumes_give_the_same_images(tmp_path, monkeypatch):
    labels = random_labels()
    simulator = WeightedProjection(energies_kev=[5, 9], electrons_per_pixel=30)
    in_memory = simulator.simulate(labels, context=Context(4))
    np.save(tmp_path / "labels.npy", labels.data)
    mapped = labels.with_data(np.load(tmp_path / "labels.npy", mmap_mode="r"))
    monkeypatch.setattr(fibcore.context, "MEMORY_MAP_ABOVE_BYTES", 0)
    on_disk = simulator.simulate(mapped, context=Context(4, scratch=tmp_path))
    assert isinstance(on_disk.data, np.memmap)
    np.testing.assert_array_equal(on_disk.data, in_memory.data)


def test_any_memory_layout_of_the_labels_serves():
    labels = random_labels(shape=(6, 7, 8))
    turned = labels.with_data(np.asfortranarray(labels.data))
    simulator = WeightedProjection(energies_kev=[5])
    np.testing.assert_array_equal(simulator.simulate(turned).data, simulator.simulate(labels).data)


def test_reports_progress_to_the_end():
    seen = []
    context = Context(report=lambda what, done, total: seen.append((done, total)))
    WeightedProjection(energies_kev=[5]).simulate(random_labels(shape=(40, 4, 4)), context=context)
    assert seen[-1] == (3, 3)


def test_forecast_tells_the_images_that_come_and_some_memory():
    labels = random_labels()
    simulator = WeightedProjection(energies_kev=[5, 9], electrons_per_pixel=10)
    forecast = simulator.forecast("simulate", {"labels": labels.spec, "physics": None})
    images = simulator.simulate(labels)
    assert forecast.output.shape == images.spec.shape
    assert forecast.output.kv == images.spec.kv
    assert forecast.output.dtype == images.spec.dtype
    assert forecast.memory_bytes >= images.data.nbytes
    assert simulator.forecast("simulate", {"labels": None}).output is None


def test_a_phase_without_a_material_is_named():
    labels = Labels(np.full((40, 3, 3), 3, dtype=np.uint8), 1.0)
    with pytest.raises(FibError, match=r"phase 3, whose material is not known; known are 0, 1"):
        WeightedProjection(energies_kev=[5]).simulate(labels)


def test_a_pore_without_a_material_is_refused():
    labels = Labels(np.ones((3, 3, 3), dtype=np.uint8), 1.0, {1: GOLD})
    with pytest.raises(FibError, match="phase 0"):
        WeightedProjection(energies_kev=[5]).simulate(labels)


@pytest.mark.parametrize("value", [np.nextafter(1, 2), -0.1])
def test_coefficients_outside_zero_to_one_are_refused(value):
    with pytest.raises(FibError, match="physics/broken gives coefficients of"):
        WeightedProjection(energies_kev=[5]).simulate(random_labels(), Broken(value=value))


def test_a_stack_of_pores_is_black():
    labels = Labels(np.zeros((3, 4, 4), dtype=np.uint8), 1.0)
    assert not WeightedProjection(energies_kev=[5]).simulate(labels).data.any()


@pytest.mark.parametrize(("filler", "warned"), [(EPOXY, False), (COPPER, True)])
def test_physics_for_another_pore_filler_is_warned_of(caplog, filler, warned):
    labels = random_labels(phases={0: filler, 1: GOLD})
    WeightedProjection(energies_kev=(5.0,), mode="first_hit").simulate(
        labels, HungerKuchler(overlayer=EPOXY)
    )
    assert ("is for material under epoxy, but Cu fills the pores" in caplog.text) == warned


def test_other_structures_have_other_noise_at_the_same_seed():
    noise = []
    for thickness_nm in (3.0, 4.0):
        labels = random_labels((8, 40, 40), voxel_size_nm=(thickness_nm, 3.0, 3.0))
        if noise:
            labels = labels.with_data(labels.data[:, ::-1, ::-1].copy())
        ideal, noisy = (
            WeightedProjection(energies_kev=[5], slices=1, mode="first_hit", electrons_per_pixel=n)
            .simulate(labels, Linear(), Context(4))
            .data[0]
            for n in (None, 50)
        )
        noise.append((noisy - ideal).ravel())
    assert abs(np.corrcoef(*noise)[0, 1]) < 4 / np.sqrt(noise[0].size)


def test_what_lies_beneath_and_the_energy_make_other_noise_at_the_same_seed():
    def noise(labels, energy_kev):
        stack = {"energies_kev": [energy_kev], "slices": 6}
        ideal, noisy = (
            WeightedProjection(**stack, electrons_per_pixel=n).simulate(
                labels, Linear(), Context(4)
            )
            for n in (None, 50)
        )
        _, group = np.unique(ideal.data[0, 0], return_inverse=True)
        found = noisy.data[0, 0].astype(float).ravel()
        return (
            found - (np.bincount(group.ravel(), found) / np.bincount(group.ravel()))[group.ravel()]
        )

    labels = random_labels((8, 60, 60))
    other = labels.with_data(labels.data.copy())
    other.data[1:] = labels.data[1:, ::-1, ::-1]  # the same face
    first = noise(labels, 5)
    for second in (noise(other, 5), noise(labels, 9)):
        assert abs(np.corrcoef(first, second)[0, 1]) < 4 / np.sqrt(first.size)
