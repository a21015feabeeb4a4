"""Pairs of a source are the same wherever they are made, and no process outlives the training."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from numbered_pairs import NumberedPairs, noted

from fib_plugins.training.pairs import pairs_of
from fib_plugins.training.runtime import fabric_on
from fib_plugins.training.team import Team
from fibcore import Context, FibError

LARGE = (8, 256, 256)
"""Images and labels of this shape become files."""


def alone() -> Team:
    return Team(fabric_on("cpu", "32"))


def digest(pairs: Any) -> list[bytes]:
    return [images.data.tobytes() + labels.data.tobytes() for images, labels in pairs]


def gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


def in_time(happened: Any, seconds: float = 20.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end and not happened():
        time.sleep(0.05)
    return bool(happened())


@pytest.mark.parametrize("shape", [(8, 64, 64), LARGE])
def test_another_process_makes_the_same_pairs_and_those_of_the_next_epoch_ahead(
    tmp_path: Path, shape: tuple[int, int, int]
) -> None:
    made = {}
    for threads in (1, 2):
        file = tmp_path / f"{threads}.txt"
        source = NumberedPairs(shape=shape, pairs_per_epoch=2, file=str(file))
        context = Context(3, threads=threads, scratch=tmp_path / str(threads))
        with pairs_of(source, context, alone()) as pairs:
            made[threads] = digest(pairs.fixed(1))
            made[threads] += digest(pairs.of_epoch(1, 2))
            if threads == 2:
                assert in_time(lambda file=file: len(noted(file)[1]) == 5)  # before they are taken
            made[threads] += digest(pairs.of_epoch(2, 2))
        processes, numbers = noted(file)
        assert numbers == ["validation 0", *(f"training {n}" for n in range(4))]
        assert (set(processes) == {os.getpid()}) == (threads == 1)
        assert not (tmp_path / str(threads) / "pairs").exists()
    assert made[1] == made[2]
    assert len(set(made[1])) == 5


def test_files_of_at_most_two_epochs_are_there_at_a_time(tmp_path: Path) -> None:
    source = NumberedPairs(shape=LARGE, pairs_per_epoch=2)
    with pairs_of(source, Context(threads=2, scratch=tmp_path), alone()) as pairs:
        for epoch in range(1, 5):
            held = list(pairs.of_epoch(epoch, 4))
            files = list(tmp_path.rglob("*.npy"))
            assert len(files) <= 2 * 2 * 2  # images and labels
            assert held[0][0].data.any()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    ("trouble", "message"),
    [
        ("error", "^no such structure$"),
        ("shape", r"images of shape \(8, 64, 72\) as training pair 1, not \(8, 64, 64\) as before"),
    ],
)
def test_errors_of_a_source_are_those_of_the_training(
    tmp_path: Path, threads: int, trouble: str, message: str
) -> None:
    source = NumberedPairs(trouble=trouble, trouble_at=1)
    context = Context(threads=threads, scratch=tmp_path)
    with pairs_of(source, context, alone()) as pairs, pytest.raises(FibError, match=message):
        list(pairs.of_epoch(1, 1))


def test_a_lost_process_is_an_error(tmp_path: Path) -> None:
    source = NumberedPairs(trouble="crash", trouble_at=1)
    context = Context(threads=2, scratch=tmp_path)
    match = r"the process that makes training data ended \(exit code 7\)"
    with pairs_of(source, context, alone()) as pairs, pytest.raises(FibError, match=match):
        list(pairs.of_epoch(1, 1))


def test_a_source_that_another_process_cannot_import_makes_its_pairs_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import numbered_pairs

    helpers = str(Path(numbered_pairs.__file__).parent)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path != helpers])
    file = tmp_path / "made.txt"
    source = NumberedPairs(file=str(file))
    with pairs_of(source, Context(threads=2, scratch=tmp_path), alone()) as pairs:
        assert len(list(pairs.of_epoch(1, 2))) == 4
    assert set(noted(file)[0]) == {os.getpid()}


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_the_process_ends_with_the_training_however_that_ends(
    tmp_path: Path, end: signal.Signals
) -> None:
    file = tmp_path / "made.txt"
    program = (
        f"import sys; sys.path[:] = {sys.path!r}\n"
        "from numbered_pairs import NumberedPairs\n"
        "from pathlib import Path\n"
        "from fibcore import Context\n"
        "from fib_plugins.training.pairs import pairs_of\n"
        "class Team:\n"
        "    rank = 0\n"
        "    def by_first(self, work): return work()\n"
        f"source = NumberedPairs(file={str(file)!r}, trouble='wait', trouble_at=0)\n"
        f"context = Context(threads=2, scratch=Path({str(tmp_path)!r}))\n"
        "with pairs_of(source, context, Team()) as pairs:\n"
        "    list(pairs.of_epoch(1, 1))\n"
    )
    training = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.DEVNULL)
    try:
        assert in_time(lambda: file.exists() and noted(file)[0])
        training.send_signal(end)
        training.wait(20)
    finally:
        training.kill()
    (process,) = noted(file)[0]
    assert process != training.pid
    assert in_time(lambda: gone(process))
