import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numbered_pairs import NumberedPairs, noted
from scipy.ndimage import binary_erosion

from fib_plugins.adapters.cut import CUT
from fib_plugins.adapters.cyclegan import CycleGAN
from fib_plugins.adapters.translation import batches, training
from fib_plugins.adapters.translation.translator import Translator
from fibcore import Context, FibError, Images, Labels

BOTH = pytest.mark.parametrize("cls", [CycleGAN, CUT])

Tiny = Callable[..., Translator]


def same_weights(one: Translator, other: Translator) -> bool:
    a, b = one.model.weights, other.model.weights
    return a.keys() == b.keys() and all(a[n].tobytes() == b[n].tobytes() for n in a)


# -- what is learned -----------------------------------------------------------------------------


def look(images: Images, structure: Labels) -> np.ndarray:
    """Mean and deviation of the grey values well inside pores and solid."""
    window = np.ones((1, 5, 5))
    parts = [binary_erosion(structure.data == phase, window) for phase in (0, 1)]
    grey = [images.data[0][part].astype(float) for part in parts]
    return np.array([(part.mean(), part.std()) for part in grey])


@BOTH
def test_a_structure_never_seen_gets_the_look_of_the_target(
    tiny: Tiny, cls: type[Translator], source: Images, structure: Labels, target: Images,
    new_structure: Labels, make: Any,
) -> None:  # fmt: skip
    # The structure's weight, because networks of this size begin with phases inverted as often as
    # not, and have no time to learn better.
    learned = tiny(cls, steps_per_epoch=25, learning_rate=5e-4, structure_weight=3.0)
    learned.fit(source, target, context=Context(1), labels=structure)
    info = learned.model.info
    assert sum(info["distances"].values()) < 0.6 * sum(info["distances_before"].values())
    assert info["problems"] == []

    made = learned.transform(make.simulated(new_structure), Context(2), labels=new_structure)
    found = look(made, new_structure)
    wanted = look(make.measured(new_structure, 7), new_structure)
    assert made.data.dtype == np.uint8
    np.testing.assert_allclose(found[:, 0], wanted[:, 0], atol=25)  # of 90 between the phases
    np.testing.assert_allclose(np.log2(found[:, 1]), np.log2(wanted[:, 1]), atol=1.0)
    assert np.corrcoef(made.data.ravel(), new_structure.data.ravel())[0, 1] > 0.7


@BOTH
def test_the_history_tells_each_epoch(
    tiny: Tiny, cls: type[Translator], source: Images, target: Images
) -> None:
    context = Context(1)
    fitted = tiny(cls, epochs=2, steps_per_epoch=2).fit(source, target, context=context)
    history, samples = context.kept["history"], context.kept["samples"]
    assert history["epoch"].tolist() == [1, 2]
    assert history["learning_rate"].tolist() == [1e-4] * 2
    own = "cycle_loss" if cls is CycleGAN else "contrastive_loss"
    for name in ("adversarial_loss", own, "identity_loss", "generator_loss", "discriminator_loss",
                 "contrast", "edge_shift_pixels", "information_ratio", "labels_kept"):  # fmt: skip
        assert np.isfinite(history[name]).all(), name
    distances = ("scaled_grey_distance", "spectrum_distance", "patch_distance", "noise_distance")
    total = sum(history[name] for name in distances)
    np.testing.assert_allclose(history["validation_score"], total)
    best = fitted.model.info["best_epoch"]
    for name in distances:
        assert fitted.model.info["distances"][name] == pytest.approx(history[name][best - 1])
    assert samples.shape == (2, 32, 96)
    assert 0.0 <= samples.data.min() < samples.data.max() <= 1.0


def test_losses_of_the_history_are_means_over_the_steps(
    tiny: Tiny, source: Images, target: Images, play: Any
) -> None:
    play([{"generator_loss": value} for value in (1.0, 2.0, 6.0, 4.0, 4.0, 5.5)])
    context = Context(1)
    tiny(epochs=2, steps_per_epoch=3).fit(source, target, context=context)
    assert context.kept["history"]["generator_loss"].tolist() == [3.0, 4.5]


def test_an_epoch_shows_each_patch_that_is_not_kept_for_validation_once(
    tiny: Tiny, source: Images, target: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: dict[int, list[tuple[int, ...]]] = {id(source.data): [], id(target.data): []}
    held_out: list[np.ndarray] = []
    cut, begin = training.Patches.cut, training.Validation.__init__

    def noted(self: Any, corners: np.ndarray) -> np.ndarray:
        shown[id(self.images.data)].extend(tuple(corner) for corner in corners.tolist())
        return cut(self, corners)

    def kept_out(self: Any, before: Images, wanted: Images, *rest: Any) -> None:
        held_out.append(wanted.data)
        begin(self, before, wanted, *rest)

    monkeypatch.setattr(training.Patches, "cut", noted)
    monkeypatch.setattr(training.Validation, "__init__", kept_out)
    tiny(steps_per_epoch=None, batch_size=4).fit(source, target, context=Context(1))
    # Two of eight slices are kept out; 48 pixels hold patches at 0 and 16.
    corners = [(z, y, x) for z in range(6) for y in (0, 16) for x in (0, 16)]
    _, *trained_on = shown[id(source.data)]  # the first patch is for `set_upright`
    assert sorted(trained_on) == corners
    assert len(shown[id(target.data)]) == len(corners)
    assert max(z for z, _, _ in shown[id(target.data)]) <= 5
    assert np.array_equal(held_out[0], target.data[:, 6:])


# -- the same bytes ------------------------------------------------------------------------------


@BOTH
def test_the_same_seed_gives_the_same_bytes_and_another_others(
    tiny: Tiny, cls: type[Translator], source: Images, target: Images
) -> None:
    def fit(seed: int, threads: int) -> Translator:
        return tiny(cls, steps_per_epoch=2).fit(
            source, target, context=Context(seed, threads=threads)
        )

    state = torch.random.get_rng_state()
    one, again, other = fit(1, 1), fit(1, 3), fit(2, 1)
    assert same_weights(one, again)
    assert one.model.info == again.model.info
    assert not same_weights(one, other)
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize(
    ("when", "cls", "changes"),
    [
        (2, CycleGAN, {"pool_size": 2, "norm": "instance"}),  # amid the first epoch
        (5, CUT, {"pool_size": 2, "batch_size": 2}),  # amid the second
        (4, CycleGAN, {"pool_size": 2, "generator": "resnet"}),  # at its first step
    ],
)
def test_interrupted_training_goes_on_to_the_same_bytes(
    tiny: Tiny, source: Images, target: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    when: int, cls: type[Translator], changes: dict[str, Any],
) -> None:  # fmt: skip
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    translator = tiny(cls, epochs=2, steps_per_epoch=3, learning_rate_patience=0, **changes)
    steps: list[float] = []

    def stop(what: str, done: float, total: float | None) -> None:
        steps.append(done)
        assert total == 6
        if done == when:
            raise KeyboardInterrupt

    undisturbed = Context(3)
    whole = translator.model_copy().fit(source, target, context=undisturbed)
    with pytest.raises(KeyboardInterrupt):
        translator.model_copy().fit(
            source, target, context=Context(3, scratch=tmp_path, report=stop)
        )
    assert steps == list(range(1, when + 1))
    steps.clear()
    resumed = Context(3, scratch=tmp_path, report=lambda what, done, total: steps.append(done))
    again = translator.model_copy().fit(source, target, context=resumed)

    assert steps == list(range(when, 7))  # no step that was saved is done again
    assert same_weights(whole, again)
    assert again.model.info == whole.model.info
    assert resumed.kept["history"].to_csv() == undisturbed.kept["history"].to_csv()
    assert np.array_equal(resumed.kept["samples"].data, undisturbed.kept["samples"].data)


def test_training_that_is_interrupted_during_validation_resumes_as_well(
    tiny: Tiny, source: Images, target: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    translator = tiny(epochs=2, steps_per_epoch=2)
    whole = translator.model_copy().fit(source, target, context=Context(3))
    measure, calls = training.Validation.measure, []

    def stop(self: Any, images: Images) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return measure(self, images)

    with monkeypatch.context() as patched:
        patched.setattr(training.Validation, "measure", stop)
        with pytest.raises(KeyboardInterrupt):
            translator.model_copy().fit(source, target, context=Context(3, scratch=tmp_path))
    again = translator.model_copy().fit(source, target, context=Context(3, scratch=tmp_path))
    assert same_weights(whole, again)


def test_finished_training_is_not_repeated(
    tiny: Tiny, source: Images, target: Images, tmp_path: Path
) -> None:
    first = tiny(epochs=2).fit(source, target, context=Context(3, scratch=tmp_path))
    steps: list[float] = []
    context = Context(3, scratch=tmp_path, report=lambda what, done, total: steps.append(done))
    second = tiny(epochs=2).fit(source, target, context=context)
    assert steps == []
    assert same_weights(first, second)
    assert first.model.info == second.model.info
    assert len(context.kept["history"]) == 2


@pytest.mark.parametrize(
    ("change", "anew"),
    [
        ({"cycle_weight": 3.0}, True),
        ({"on_label_change": "warn", "tile": 64}, False),
    ],
)
def test_a_checkpoint_of_another_training_is_not_continued(
    tiny: Tiny, source: Images, target: Images, tmp_path: Path, caplog: pytest.LogCaptureFixture,
    change: dict[str, Any], anew: bool,
) -> None:  # fmt: skip
    tiny().fit(source, target, context=Context(3, scratch=tmp_path))
    steps: list[float] = []
    context = Context(3, scratch=tmp_path, report=lambda what, done, total: steps.append(done))
    with caplog.at_level(logging.WARNING):
        tiny(**change).fit(source, target, context=context)
    assert ("training starts again" in caplog.text) is anew
    assert bool(steps) is anew


def test_nor_one_of_other_images(
    tiny: Tiny, source: Images, target: Images, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tiny().fit(source, target, context=Context(3, scratch=tmp_path))
    data = target.data.copy()
    data[0, 3, 10, 10] += 1
    tiny().fit(source, target.with_data(data), context=Context(3, scratch=tmp_path))
    assert "training starts again" in caplog.text


def test_nor_one_that_an_older_version_has_left(
    tiny: Tiny, source: Images, target: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    with monkeypatch.context() as patched:
        patched.setattr(training, "LAYOUT", training.LAYOUT - 1)
        tiny().fit(source, target, context=Context(3, scratch=tmp_path))
    tiny().fit(source, target, context=Context(3, scratch=tmp_path))
    assert "training starts again" in caplog.text


@BOTH
def test_batches_made_ahead_change_nothing(
    tiny: Tiny, cls: type[Translator], source: Images, target: Images,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    translator = tiny(cls, epochs=2, steps_per_epoch=4, pool_size=2, batch_size=2)
    plain = translator.model_copy().fit(source, target, context=Context(3))
    monkeypatch.setattr(training, "depth_for", lambda device: 3)
    assert same_weights(translator.model_copy().fit(source, target, context=Context(3)), plain)


# -- when it ends, and with what -----------------------------------------------------------------


def test_a_training_that_diverges_says_what_to_change(
    tiny: Tiny, source: Images, target: Images, play: Any
) -> None:
    play([{}, {}, {}, {"generator_loss": float("nan")}])
    with pytest.raises(FibError, match=r"diverged in epoch 2.*lower learning_rate"):
        tiny(epochs=5, steps_per_epoch=2).fit(source, target, context=Context(1))


NEAR, FAR = {"noise": 0.25}, {"gain": 0.7}
"""Translations with the noise of the target, and with none and less contrast."""


def test_the_best_epoch_is_kept_and_training_ends_when_nothing_gets_better(
    tiny: Tiny, source: Images, target: Images, play: Any, make: Any
) -> None:
    play([FAR, NEAR, FAR, FAR, FAR, FAR])
    context = Context(1)
    params = {"early_stopping_patience": 3, "learning_rate_patience": 1, "epochs": 50}
    fitted = tiny(**params).fit(source, target, context=context)
    history = context.kept["history"]
    assert len(history) == 5
    assert fitted.model.info["best_epoch"] == 2
    assert history["validation_score"].argmin() == 1
    assert history["learning_rate"].tolist() == pytest.approx([1e-4] * 4 + [1e-5])
    for name, weights in make.set_by_hand(fitted, **NEAR).items():
        assert np.array_equal(fitted.model.weights[name], weights)


def test_an_epoch_that_keeps_labels_is_better_than_any_that_does_not(
    tiny: Tiny, source: Images, target: Images, play: Any
) -> None:
    inverted = NEAR | {"gain": -1.0}
    play([inverted, FAR, inverted])
    context = Context(1)
    fitted = tiny(epochs=3).fit(source, target, context=context)
    history = context.kept["history"]
    assert history["labels_kept"].tolist() == [0.0, 1.0, 0.0]
    assert history["validation_score"].argmin() != 1, "this test needs a tempting inversion"
    assert fitted.model.info["best_epoch"] == 2


@pytest.mark.parametrize("labelled", [True, False])
def test_a_training_in_which_no_epoch_keeps_the_labels_says_so(
    tiny: Tiny, source: Images, structure: Labels, target: Images, play: Any,
    caplog: pytest.LogCaptureFixture, labelled: bool,
) -> None:  # fmt: skip
    play([{"gain": -1.0, "noise": 0.2}])
    fitted = tiny().fit(source, target, context=Context(1), labels=structure if labelled else None)
    assert "do not keep their labels: phases are inverted" in caplog.text
    assert "phases are inverted" in fitted.model.info["problems"][0]


def test_a_collapsed_generator_is_validated_without_an_error(
    tiny: Tiny, source: Images, target: Images, play: Any
) -> None:
    play([{"gain": 0.0}, FAR])
    context = Context(1)
    fitted = tiny(epochs=2, noise="none").fit(source, target, context=context)
    assert context.kept["history"]["labels_kept"].tolist() == [0.0, 1.0]
    assert fitted.model.info["best_epoch"] == 2


# -- doubts --------------------------------------------------------------------------------------


def warnings_of(
    tiny: Tiny, source: Images, target: Images, caplog: pytest.LogCaptureFixture
) -> str:
    with caplog.at_level(logging.WARNING):
        tiny().fit(source, target, context=Context(1))
    return caplog.text


def test_a_translator_that_hands_its_input_on_is_not_called_success(
    tiny: Tiny, source: Images, target: Images, play: Any, caplog: pytest.LogCaptureFixture
) -> None:
    play([{"cycle_loss": 0.004, "discriminator_loss": 0.01}])
    text = warnings_of(tiny, source, target, caplog)
    assert "identity trap: the cycle loss is 0.004" in text
    assert "Lower cycle_weight" in text
    assert "no closer to the target than the source was" in text


@pytest.mark.parametrize("losses", [(0.3, 0.01), (0.004, 0.2)])
def test_a_winning_discriminator_or_a_small_cycle_loss_alone_are_no_trap(
    tiny: Tiny, source: Images, target: Images, play: Any, caplog: pytest.LogCaptureFixture,
    losses: tuple[float, float],
) -> None:  # fmt: skip
    play([NEAR | {"cycle_loss": losses[0], "discriminator_loss": losses[1]}])
    assert warnings_of(tiny, source, target, caplog) == ""


# -- what is given -------------------------------------------------------------------------------


def test_target_patches_are_never_turned(
    tiny: Tiny, source: Images, target: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []
    turned = batches.turned

    def noted(patches: np.ndarray, rng: Any, square: bool) -> np.ndarray:
        assert patches.min() > -1.5
        seen.append(square)
        return turned(patches, rng, square)

    monkeypatch.setattr(batches, "turned", noted)
    tiny(steps_per_epoch=3).fit(source, target, context=Context(1))
    oblong = Images(source.data, (5.0, 5.0, 4.0), kv=(2.0,))
    tiny(steps_per_epoch=2).fit(oblong, target, context=Context(1))
    tiny(steps_per_epoch=2, augment=False).fit(source, target, context=Context(1))
    assert seen == [True] * 3 + [False] * 2


def test_nothing_is_left_behind(
    tiny: Tiny, source: Images, target: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    tiny(precision="bf16").fit(source, target, context=Context(1, scratch=tmp_path / "scratch"))
    assert [path.name for path in tmp_path.iterdir()] == ["scratch"]
    assert [path.name for path in (tmp_path / "scratch").iterdir()] == ["checkpoint.pt"]
    out, _ = capfd.readouterr()
    assert out == ""


# -- a source that never ends --------------------------------------------------------------------


@BOTH
def test_patches_come_from_new_pairs_in_each_epoch_wherever_they_are_made(
    tiny: Tiny, cls: type[Translator], target: Images, tmp_path: Path
) -> None:
    made = []
    for threads in (1, 2):
        file = tmp_path / f"{threads}.txt"
        source = NumberedPairs(pairs_per_epoch=2, file=str(file))
        learned = tiny(cls, epochs=2, steps_per_epoch=3)
        learned.fit(source, target, context=Context(3, threads=threads))
        assert noted(file)[1] == ["validation 0", *(f"training {n}" for n in range(4))]
        made.append(learned)
    assert same_weights(*made)
    once = tiny(cls, epochs=2, steps_per_epoch=3)
    images, labels = source.pair("validation", 0, Context(3))
    once.fit(images, target, context=Context(3), labels=labels)
    assert once.model.info["source_range"] == made[0].model.info["source_range"]
    assert not same_weights(once, made[0])


def test_labels_beside_a_source_are_refused(tiny: Tiny, target: Images, structure: Labels) -> None:
    with pytest.raises(FibError, match="leave the input labels out"):
        tiny(CycleGAN).fit(NumberedPairs(), target, labels=structure)
