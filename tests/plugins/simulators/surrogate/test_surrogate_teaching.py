"""A surrogate teaches itself, and resumes with the same bytes wherever it was interrupted."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from fib_plugins import Surrogate
from fib_plugins.simulators.surrogate import lessons, training
from fibcore import Context, FibError


def digest(surrogate):
    found = hashlib.sha256()
    for name, array in sorted(surrogate.model.weights.items()):
        found.update(name.encode() + array.tobytes())
    return found.hexdigest()


@pytest.fixture
def stopped(monkeypatch):
    """Function that interrupts after so many lessons or training steps."""

    make, learn = lessons.Teacher._make, training.Trainer.step

    def stop(lessons_made=None, steps=None):
        made, learned = [], []

        def making(self, *args):
            if len(made) == lessons_made:
                raise KeyboardInterrupt
            made.append(args)
            return make(self, *args)

        def counted(self, *args):
            if len(learned) == steps:
                raise KeyboardInterrupt
            learned.append(1)
            return learn(self, *args)

        monkeypatch.setattr(lessons.Teacher, "_make", making)
        monkeypatch.setattr(training.Trainer, "step", counted)
        return made, learned

    return stop


def fit(tiny, scratch, seed=1, threads=1, **changes):
    context = Context(seed, threads=threads, scratch=scratch)
    return Surrogate(**tiny | changes).fit(context=context), context


MOMENTS = {
    "in the first round": ({"lessons_made": 2}, 15, 6),
    "in the first training": ({"steps": 1}, 13, 6),
    "between rounds": ({"lessons_made": 4}, 13, 4),
    "in the last training": ({"steps": 4}, 9, 4),
    "in the examination": ({"lessons_made": 10}, 7, 0),
}
"""Moment; lessons of 17 and training steps of 6 that are left to do."""


@pytest.mark.parametrize(("moment", "lessons_left", "steps_left"), MOMENTS.values(), ids=MOMENTS)
def test_an_interrupted_teaching_ends_with_the_same_bytes(
    tiny, taught, tmp_path, stopped, moment, lessons_left, steps_left
):
    stopped(**moment)
    with pytest.raises(KeyboardInterrupt):
        fit(tiny, tmp_path)
    made, learned = stopped()
    resumed, context = fit(tiny, tmp_path, threads=2)
    assert digest(resumed) == digest(taught)
    assert (len(made), len(learned)) == (lessons_left, steps_left)
    assert context.kept["history"]["round"].tolist() == [1, 2]
    assert len(context.kept["accuracy"]) == 9 * 2


def test_damaged_files_are_made_again(tiny, taught, tmp_path, stopped):
    fit(tiny, tmp_path)
    files = sorted(tmp_path.glob("lessons-*/teaching-*.npz"))
    content = bytearray(files[0].read_bytes())
    content[len(content) // 2] ^= 16
    files[0].write_bytes(content)
    files[1].write_bytes(files[1].read_bytes()[:-40])
    files[2].write_bytes(b"")
    checkpoint = tmp_path / "checkpoint.pt"
    checkpoint.write_bytes(checkpoint.read_bytes()[:-1] + b"x")
    made, learned = stopped()
    again, _ = fit(tiny, tmp_path)
    assert (len(made), len(learned)) == (3, 6)
    assert digest(again) == digest(taught)


def test_another_seed_or_parameter_makes_other_lessons(tiny, taught, tmp_path, stopped):
    fit(tiny, tmp_path)
    made, _ = stopped()
    other, _ = fit(tiny, tmp_path, seed=2)
    assert len(made) == 17
    assert digest(other) != digest(taught)


def test_a_training_that_diverges_is_reported(tiny, tmp_path, monkeypatch):
    learn = training.Trainer.step
    monkeypatch.setattr(training.Trainer, "step", lambda *args: learn(*args) * float("nan"))
    with pytest.raises(FibError, match=r"diverged before step.*lower learning_rate"):
        fit(tiny, tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"materials": ("vacuum", "epoxy", "Au"), "voxel_size_nm": (10.0, 3.26, 3.26),
         "energies_kev": (1.0,), "teaching_shape": (6, 16, 16)},
        {"materials": ("Au",), "mean_depth": True, "tilt_deg": 30.0},
    ],
    ids=["three phases with vacuum", "one material"],
)  # fmt: skip
def test_other_samples_are_learned(tiny, tmp_path, changes):
    surrogate, context = fit(tiny, tmp_path, **changes)
    accuracy = context.kept["accuracy"]
    errors = accuracy["rms_error"].astype(float)
    assert np.isfinite(errors).all()
    names = {f"bias_{material.name}" for material in surrogate.materials}
    assert names <= set(accuracy.columns)
