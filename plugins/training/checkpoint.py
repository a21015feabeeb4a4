"""The file from which a training goes on after an interruption."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Protocol

import torch
from torch import nn

from fib_plugins.training.progress import Progress
from fib_plugins.training.weights import set_tensors, tensors_of
from fibcore import Context

DIGEST_BYTES = 32

State = dict[str, Any]
"""What a checkpoint holds, or a part of it: tensors and plain values by name."""


class Stateful(Protocol):
    """What can tell its state, in tensors and plain values, and take it up again."""

    def state_dict(self) -> State:
        """Return the state."""

    def load_state_dict(self, state: State, /) -> Any:
        """Take up a state."""


class Checkpoint:
    """The state of a training on disk; replaced as a whole with every `save`.

    The file ends with the SHA-256 of what comes before: with a bit that has flipped, training would
    go on, to other weights than those that the step's key stands for.

    Args:
        path: the file.
        fingerprint: a digest of what decides the course of the training, to know its file by.
        parts: what changes while training, each part under a name of its own (not `progress`):
            networks, optimisers, schedulers, and whatever else keeps a state.
    """

    def __init__(self, path: Path, fingerprint: str, **parts: nn.Module | Stateful) -> None:
        self.path, self.fingerprint, self.parts = path, fingerprint, parts

    def save(self, progress: Progress) -> None:
        """Write the state; a kill at any moment leaves the old file or the new one."""
        beside = self.path.with_suffix(".part")
        state = {
            "fingerprint": self.fingerprint,
            "progress": vars(progress),
            **{name: _state_of(part) for name, part in self.parts.items()},
        }
        with beside.open("wb") as file:
            hashed: Any = _Hashed(file)  # has what torch asks of a file
            torch.save(state, hashed)
            file.write(hashed.digest.digest())
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self.path)

    def load(
        self,
        context: Context,
        shared: Callable[[Callable[[], State | None]], State | None] = lambda read: read(),
    ) -> Progress:
        """Set all parts to the saved state; return the progress.

        Where there is no checkpoint, or it belongs to another training, that is the beginning.

        Args:
            context: where it is logged if a checkpoint is of no use.
            shared: returns what the first of the processes that train together reads
                (`Team.by_first`); by default there is one process.
        """
        state = shared(lambda: self._read(context))
        if state is None:
            return Progress()
        for name, part in self.parts.items():
            _set_state(part, state[name])
        return Progress(**state["progress"])

    def _read(self, context: Context) -> State | None:
        """Return the saved state, if there is one of this training."""
        if not self.path.exists():
            return None
        whole = self.path.read_bytes()  # what the disk refuses is no fault of it
        content, digest = whole[:-DIGEST_BYTES], whole[-DIGEST_BYTES:]
        if hashlib.sha256(content).digest() != digest:
            context.log.warning(
                "checkpoint %s cannot be read (it is damaged: its content does not match its "
                "digest): training begins anew",
                self.path,
            )
            return None
        # weights_only: tensors and plain values are read, code in the file is not run.
        state: State = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        if state["fingerprint"] != self.fingerprint:
            context.log.warning(
                "checkpoint %s belongs to a training with other parameters or data: training "
                "begins anew",
                self.path,
            )
            return None
        return state


class _Hashed:
    """A file to write into, and the digest of what was written."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def write(self, data: Any) -> int:
        """Write bytes."""
        self.digest.update(data)
        return self._file.write(data)

    def flush(self) -> None:
        """Hand on what is waiting."""
        self._file.flush()


def _state_of(part: nn.Module | Stateful) -> State:
    # A network's own state_dict holds a tensor once for each of its names.
    return tensors_of(part) if isinstance(part, nn.Module) else part.state_dict()


def _set_state(part: nn.Module | Stateful, state: State) -> None:
    if isinstance(part, nn.Module):
        set_tensors(part, state)
    else:
        part.load_state_dict(state)
