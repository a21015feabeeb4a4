import hashlib
import logging
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from fib_plugins.training.checkpoint import Checkpoint
from fib_plugins.training.progress import Progress
from fib_plugins.training.weights import weights_of
from fibcore import Context


class Pool:
    """Something of a training's own that keeps a state."""

    def __init__(self) -> None:
        self.images: list[torch.Tensor] = []

    def state_dict(self) -> dict[str, Any]:
        return {"images": self.images}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.images = state["images"]


class Game:
    """A training of two networks against each other, in which everything has a state."""

    def __init__(self, path: Path, fingerprint: str = "game", seed: int = 0) -> None:
        torch.manual_seed(seed)
        self.generator = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 3))
        self.discriminator = nn.Linear(3, 1)
        self.networks = self.generator, self.discriminator
        self.optimizers = [torch.optim.Adam(net.parameters(), lr=0.1) for net in self.networks]
        self.plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(self.optimizers[0], patience=0)
        self.pool = Pool()
        self.checkpoint = Checkpoint(
            path,
            fingerprint,
            generator=self.generator,
            discriminator=self.discriminator,
            generator_optimizer=self.optimizers[0],
            discriminator_optimizer=self.optimizers[1],
            plateau=self.plateau,
            pool=self.pool,
        )

    def train(self, progress: Progress, epochs: int) -> Progress:
        while progress.epoch < epochs:
            noise = torch.Generator().manual_seed(progress.epoch)
            fake = self.generator(torch.randn(8, 3, generator=noise))
            self.pool.images.append(fake.detach())
            apart = sum((self.discriminator(image) ** 2).mean() for image in self.pool.images)
            for optimizer, loss in zip(
                self.optimizers, (self.discriminator(fake).abs().mean(), apart), strict=True
            ):
                optimizer.zero_grad()
                loss.backward(retain_graph=True, inputs=optimizer.param_groups[0]["params"])
            for optimizer in self.optimizers:
                optimizer.step()
            value = float(apart.detach())
            self.plateau.step(value)
            progress.add({"loss": value}, value, self.generator)
            self.checkpoint.save(progress)
        return progress

    def state(self) -> list[dict[str, bytes]]:
        weights = [weights_of(network) for network in self.networks]
        return [{name: array.tobytes() for name, array in each.items()} for each in weights]


@pytest.fixture(autouse=True)
def _random_state_is_left_alone() -> Any:
    with torch.random.fork_rng(devices=[]):
        yield


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "checkpoint.pt"


def test_several_networks_and_what_belongs_to_them_go_on_to_the_same_bytes(
    path: Path, tmp_path: Path
) -> None:
    whole = Game(tmp_path / "undisturbed.pt")
    undisturbed = whole.train(Progress(), 6)
    Game(path).train(Progress(), 3)
    resumed = Game(path, seed=1)
    progress = resumed.checkpoint.load(Context())
    assert progress.epoch == 3

    progress = resumed.train(progress, 6)

    assert resumed.state() == whole.state()
    assert progress.history == undisturbed.history
    assert (progress.best_epoch, progress.best_loss) == (
        undisturbed.best_epoch,
        undisturbed.best_loss,
    )
    assert progress.best.keys() == undisturbed.best.keys()
    assert all(torch.equal(progress.best[name], undisturbed.best[name]) for name in progress.best)


def test_without_a_checkpoint_training_begins_in_silence(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert Game(path).checkpoint.load(Context()) == Progress()
    assert caplog.text == ""


def test_a_kill_while_writing_leaves_the_checkpoint_before(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    game = Game(path)
    progress = game.train(Progress(), 2)
    saved = game.state()

    def killed(state: Any, file: Any) -> None:
        file.write(b"half a checkpo")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", killed)
    with pytest.raises(KeyboardInterrupt):
        game.train(progress, 3)
    assert game.state() != saved

    again = Game(path, seed=1)
    assert again.checkpoint.load(Context()).epoch == 2
    assert again.state() == saved


def empty(path: Path) -> None:
    path.write_bytes(b"")


def cut_short(path: Path) -> None:
    whole = path.read_bytes()
    assert len(whole) > 4096  # a shorter one makes torch complain otherwise
    path.write_bytes(whole[: len(whole) // 2])


def blank(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def flip(path: Path, part: float) -> None:
    """Change one bit; torch itself checks none of the numbers of a tensor."""
    content = bytearray(path.read_bytes())
    content[int(part * (len(content) - 1))] ^= 1
    path.write_bytes(bytes(content))


FLIPS = [partial(flip, part=part / 7) for part in range(8)]


def without_digest(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-32])


def hold_code(path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (path.with_name("boom"),))

    torch.save({"fingerprint": Bomb()}, path)


def endless(path: Path) -> None:
    os.truncate(path, 10**13)


def with_digest(path: Path) -> None:
    """Another file of somebody who knows about the digest."""
    hold_code(path)
    path.write_bytes(path.read_bytes() + hashlib.sha256(path.read_bytes()).digest())


def of_nothing(path: Path) -> None:
    torch.save([1, 2], path)
    path.write_bytes(path.read_bytes() + hashlib.sha256(path.read_bytes()).digest())


HOSTILE = (endless, with_digest, of_nothing, hold_code)


@pytest.mark.parametrize("damage", [empty, cut_short, blank, without_digest, *HOSTILE, *FLIPS])
def test_a_file_that_is_no_checkpoint_is_told_and_its_code_not_run(
    path: Path, caplog: pytest.LogCaptureFixture, damage: Callable[[Path], None]
) -> None:
    Game(path).train(Progress(), 1)
    damage(path)
    game = Game(path, seed=1)
    before = game.state()
    with caplog.at_level(logging.WARNING):
        assert game.checkpoint.load(Context()) == Progress()
    assert "cannot be read" in caplog.text
    assert "training starts again" in caplog.text
    assert game.state() == before
    assert not path.with_name("boom").exists()


def test_the_checkpoint_of_another_training_is_left_alone(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Game(path).train(Progress(), 1)
    game = Game(path, "another game", seed=1)
    before = game.state()
    with caplog.at_level(logging.WARNING):
        assert game.checkpoint.load(Context()) == Progress()
    assert "belongs to a training with other parameters or data" in caplog.text
    assert game.state() == before
