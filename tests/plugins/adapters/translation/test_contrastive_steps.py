import numpy as np
import pytest
import torch

from fib_plugins.adapters.cut import CUT
from fib_plugins.adapters.cyclegan import CycleGAN
from fib_plugins.adapters.translation.contrastive_steps import Embedding, patch_nce_loss
from fib_plugins.adapters.translation.method import Method
from fib_plugins.training.runtime import fabric_on
from fib_plugins.training.team import Team


def unit_vectors(seed: int, *shape: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=shape)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def test_places_are_told_apart_by_the_formula_of_park_et_al() -> None:
    queries, keys = unit_vectors(0, 2, 6, 5), unit_vectors(1, 2, 6, 5)
    losses = []
    for patch in range(2):  # places are contrasted within each patch
        for place in range(6):
            likeness = np.exp([queries[patch, place] @ key / 0.2 for key in keys[patch]])
            losses.append(-np.log(likeness[place] / likeness.sum()))
    found = patch_nce_loss(torch.from_numpy(queries), torch.from_numpy(keys), 0.2)
    assert float(found) == pytest.approx(np.mean(losses))


def test_places_cost_nothing_if_each_is_like_itself_alone_and_most_if_all_are_alike() -> None:
    apart = torch.eye(7)[None]
    assert float(patch_nce_loss(apart, apart, 0.05)) == pytest.approx(0.0, abs=1e-6)
    alike = torch.ones(1, 7, 1)
    assert float(patch_nce_loss(alike, alike, 0.05)) == pytest.approx(np.log(7))


def test_embeddings_are_unit_vectors_of_the_chosen_places() -> None:
    embedding = Embedding([4, 8], seed=0)
    levels = [torch.randn(2, 4, 6, 6), torch.randn(2, 8, 3, 3)]
    places = [torch.tensor([35, 0, 7]), torch.tensor([4])]
    found = embedding(levels, places)
    assert [vectors.shape for vectors in found] == [(2, 3, 256), (2, 1, 256)]
    for vectors in found:
        torch.testing.assert_close(vectors.norm(dim=-1), torch.ones(vectors.shape[:2]))
    changed = levels[0].clone()
    changed[:, :, 1, 1] += 1.0  # place 7
    again = embedding([changed, levels[1]], places)
    assert torch.equal(again[0][:, :2], found[0][:, :2])
    assert not torch.equal(again[0][:, 2], found[0][:, 2])


PARAMS = {
    "base_channels": 4, "depth": 1, "blocks": 0, "discriminator_channels": 4, "patch": 32,
    "batch_size": 2,
}  # fmt: skip


def begin(adapter: CUT | CycleGAN) -> Method:
    return adapter.method()(adapter, 1, lambda name: len(name), Team(fabric_on("cpu", "32")))


def images(seed: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(2, 1, 32, 32))).float()


def learn(method: Method, source: torch.Tensor, target: torch.Tensor) -> dict[str, torch.Tensor]:
    """Take a first step."""
    drawn = method.draw(np.random.default_rng(0), 0)
    return method.learn({"source": source, "target": target, **drawn})


@pytest.mark.parametrize("cls", [CycleGAN, CUT])
@pytest.mark.parametrize("norm", ["pixel", "instance"])
def test_a_step_changes_every_weight_that_counts(cls: type[CUT | CycleGAN], norm: str) -> None:
    method = begin(cls(**PARAMS, norm=norm))
    before = {
        name: [weights.detach().clone() for weights in network.parameters()]
        for name, network in method.networks.items()
    }
    learn(method, images(0), images(1))
    for name, network in method.networks.items():
        # Biases that a normalisation takes away again need not change.
        same = [torch.equal(a, b) for a, b in zip(before[name], network.parameters(), strict=True)]
        assert np.mean(same) < 0.3, name
    assert all(w.requires_grad for n in method.networks.values() for w in n.parameters())


@pytest.mark.parametrize(
    ("adapter", "weights"),
    [
        (CycleGAN(**PARAMS), {"cycle_loss": 10.0, "identity_loss": 5.0}),
        (CycleGAN(**PARAMS, cycle_weight=2.0, identity_weight=0.0), {"cycle_loss": 2.0}),
        (
            CycleGAN(**PARAMS, structure_weight=3.0),
            {"cycle_loss": 10.0, "identity_loss": 5.0, "structure_loss": 3.0},
        ),
        (CUT(**PARAMS), {"contrastive_loss": 1.0, "identity_loss": 1.0}),
        (
            CUT(**PARAMS, identity_weight=0.0, contrast_weight=4.0, structure_weight=3.0),
            {"contrastive_loss": 4.0, "structure_loss": 3.0},
        ),
    ],
)
def test_the_generators_loss_is_the_weighted_sum_of_its_parts(
    adapter: CUT | CycleGAN, weights: dict[str, float]
) -> None:
    losses = learn(begin(adapter), images(0), images(1))
    assert losses.keys() == {
        "generator_loss", "discriminator_loss", "adversarial_loss", *weights
    }  # fmt: skip
    total = losses["adversarial_loss"] + sum(w * losses[n] for n, w in weights.items())
    assert float(losses["generator_loss"]) == pytest.approx(float(total), rel=1e-5)
    assert not any(loss.requires_grad for loss in losses.values())


def test_cycle_and_identity_loss_are_what_the_networks_make_of_images() -> None:
    method = begin(CycleGAN(**PARAMS, noise="none", pool_size=0))
    there, back = method.networks["generator"], method.networks["backward"]
    source, target = images(0), images(1)
    with torch.no_grad():
        cycle = (back(there(source).mean).mean - source).abs().mean()
        cycle += (there(back(target).mean).mean - target).abs().mean()
        identity = (there(target).mean - target).abs().mean()
        identity += (back(source).mean - source).abs().mean()
    losses = learn(method, source, target)
    assert float(losses["cycle_loss"]) == pytest.approx(float(cycle), rel=1e-4)
    assert float(losses["identity_loss"]) == pytest.approx(float(identity), rel=1e-4)


def test_the_cycle_is_of_images_with_noise_but_is_held_against_those_without() -> None:
    method = begin(CycleGAN(**PARAMS, identity_weight=0.0))
    there, back = method.networks["generator"], method.networks["backward"]
    source, target = images(0), images(1)
    rng = np.random.default_rng(0)
    noise = [torch.from_numpy(rng.standard_normal((2, 1, 32, 32), np.float32)) for _ in range(2)]
    with torch.no_grad():
        one, two = there(source), back(target)
        cycle = (back(one.mean + one.deviation * noise[0]).mean - source).abs().mean()
        cycle += (there(two.mean + two.deviation * noise[1]).mean - target).abs().mean()
    losses = learn(method, source, target)
    assert float(losses["cycle_loss"]) == pytest.approx(float(cycle), rel=1e-4)


@pytest.mark.parametrize("identity_weight", [0.0, 1.0])
def test_places_are_drawn_from_all_of_a_patch_at_each_resolution(identity_weight: float) -> None:
    adapter = CUT(**PARAMS | {"depth": 2}, places=300, identity_weight=identity_weight)
    drawn = begin(adapter).draw(np.random.default_rng(0), 0)
    stacks = ["source", "target"] if identity_weight else ["source"]
    assert sorted(drawn) == [
        "noise",
        *(f"{s}_places_{level}" for s in stacks for level in range(3)),
    ]
    for stack in stacks:
        for level, pixels in enumerate((32**2, 16**2, 8**2)):
            places = drawn[f"{stack}_places_{level}"].numpy()
            assert len(np.unique(places)) == len(places) == min(300, pixels)
            assert 0 <= places.min() < 0.1 * pixels
            assert 0.9 * pixels <= places.max() < pixels
