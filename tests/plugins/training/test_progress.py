import torch
from torch import nn

from fib_plugins.training.progress import Progress


def after(losses: list[float]) -> Progress:
    """Return the progress of epochs with these losses; in epoch n all weights are n."""
    progress, network = Progress(), nn.Linear(1, 1)
    for number, loss in enumerate(losses, start=1):
        with torch.no_grad():
            network.weight.fill_(number)
        progress.add({"loss": loss}, loss, network)
    return progress


def test_the_history_has_a_row_for_each_epoch() -> None:
    progress = after([0.5, 0.25])
    assert progress.history == [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}]
    assert list(progress.history[0]) == ["epoch", "loss"]
    assert progress.epoch == 2


def test_the_weights_of_the_best_epoch_are_kept_whatever_follows() -> None:
    progress = after([0.5, 0.2, 0.4, 0.3])
    assert (progress.best_epoch, progress.best_loss) == (2, 0.2)
    assert progress.best["weight"].item() == 2


def test_a_loss_that_hardly_falls_is_no_better() -> None:
    assert after([0.5, 0.49996]).best_epoch == 1
    assert after([0.5, 0.49994]).best_epoch == 2


def test_patience_is_counted_from_the_best_epoch() -> None:
    assert not Progress().exhausted(1)
    assert not after([0.5, 0.2, 0.3]).exhausted(2)
    assert after([0.5, 0.2, 0.3, 0.4]).exhausted(2)
