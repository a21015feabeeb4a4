import multiprocessing
import os
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from team_work import Small, descend, lose, meet

from fib_plugins.training.runtime import cpu_threads
from fib_plugins.training.team import in_team
from fibcore import Context, FibError

forked = pytest.mark.usefixtures("forked_helpers")


class On(Context):
    """A context whose device need not be there."""

    @property
    def device(self) -> str:
        return self.device_asked


def samples(count: int) -> np.ndarray:
    return np.random.default_rng(4).normal(size=(count, 2, 3, 3))


def left_behind(scratch: Path) -> tuple[list[str], list[object], bool]:
    return (
        os.listdir(scratch),
        multiprocessing.active_children(),
        torch.distributed.is_initialized(),
    )


@forked
def test_a_mean_over_patches_is_learned_as_by_one_process(tmp_path: Path) -> None:
    # Batches of 5, 5 and 1: shares differ, and in the last batch one process alone has any.
    one, two = (
        in_team(descend, Small(devices=number), Context(scratch=tmp_path), samples(11))
        for number in (1, 2)
    )
    assert one.keys() == two.keys()
    for name, array in one.items():
        assert two[name] == pytest.approx(array, rel=1e-9, abs=1e-12), name
    assert left_behind(tmp_path) == ([], [], False)


def test_all_have_the_inputs_and_seed_and_follow_the_first(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    given = {"large": samples(20000)}
    context = Context(8, scratch=tmp_path, threads=4)
    with cpu_threads(1):
        members = in_team(meet, Small(devices=3), context, given)
    assert [member["rank"] for member in members] == [0, 1, 2]
    assert len({member["process"] for member in members}) == 3
    assert {member["first"] for member in members} == {os.getpid()}
    assert {member["threads"] for member in members} == {1}
    assert {member["seed"] for member in members} == {8}
    assert {member["bytes"] for member in members} == {given["large"].tobytes()}
    # Files of the first, checkpoints among them, are safe from the others.
    scratch = [Path(member["scratch"]) for member in members]
    assert scratch[0] == tmp_path
    assert len(set(scratch)) == 3
    assert all(tmp_path in folder.parents for folder in scratch[1:])
    assert left_behind(tmp_path) == ([], [], False)
    assert capfd.readouterr() == ("", "")


@forked
@pytest.mark.parametrize(
    ("how", "text"),
    [
        ("its", "^wrong in another$"),
        ("mine", "^wrong in the first$"),
        ("killed", "a training process ended before the training did .signal 9.*run again"),
    ],
)
def test_whatever_goes_wrong_in_one_ends_all_in_time(tmp_path: Path, how: str, text: str) -> None:
    began = time.monotonic()
    with pytest.raises(FibError, match=text):
        in_team(lose, Small(devices=2), Context(scratch=tmp_path), how)
    assert time.monotonic() - began < 60
    assert left_behind(tmp_path) == ([], [], False)


@pytest.mark.parametrize(
    ("device", "there", "advice"),
    [
        ("cuda", 2, "devices 3: there are 2 GPUs from cuda:0 on; use at most 2"),
        ("cuda:2", 4, "devices 3: there are 2 GPUs from cuda:2 on; use at most 2"),
        ("mps", 0, "a training on mps takes one device"),
    ],
)
def test_devices_that_are_not_there_are_refused(
    monkeypatch: pytest.MonkeyPatch, device: str, there: int, advice: str
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: there)
    with pytest.raises(FibError, match=advice):
        in_team(meet, Small(devices=3), On(device=device), {})


def test_a_precision_that_the_devices_do_not_have_is_refused_before_processes_start() -> None:
    with pytest.raises(FibError, match="use '32' or 'bf16'"):
        in_team(meet, Small(devices=2, precision="16"), Context(), {})


def test_a_batch_has_a_share_for_each() -> None:
    with pytest.raises(ValidationError, match="use a batch_size of at least 6, or at most 5 dev"):
        Small(devices=6)
    assert Small(devices=5).devices == 5
