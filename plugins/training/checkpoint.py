"""The file from which a training resumes after an interruption."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Protocol

import torch
from torch import nn

from fib_plugins.hollow import check_content
from fib_plugins.training.progress import Progress
from fib_plugins.training.weights import set_tensors, tensors_of
from fibcore import Context, FibError

DIGEST_BYTES = 32

State = dict[str, Any]
"""The content of a checkpoint, or of a part of it: tensors and plain values by name."""


class Stateful(Protocol):
    """An object whose state can be saved, as tensors and plain values, and restored."""

    def state_dict(self) -> State:
        """Return the state."""

    def load_state_dict(self, state: State, /) -> Any:
        """Restore a state."""


class Checkpoint:
    """The state of a training on disk; `save` replaces it as a whole.

    The file ends with the SHA-256 of its content: with a flipped bit, training would resume but
    arrive at other weights than those that the step's key identifies.

    Args:
        path: the file.
        fingerprint: a digest of all that determines the training; a file with another one is not
            used.
        parts: what changes while training, each part under a name of its own (not `progress`):
            networks, optimisers, schedulers, and anything else that keeps a state.
    """

    def __init__(self, path: Path, fingerprint: str, **parts: nn.Module | Stateful) -> None:
        self.path, self.fingerprint, self.parts = path, fingerprint, parts

    def save(self, progress: Progress) -> None:
        """Write the state atomically: a kill leaves either the old file or the new one."""
        beside = self.path.with_suffix(".part")
        state = {
            "fingerprint": self.fingerprint,
            "progress": vars(progress),
            **{name: _state_of(part) for name, part in self.parts.items()},
        }
        with beside.open("wb") as file:
            hashed: Any = _Hashed(file)  # has the methods of a file that torch uses
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
        """Restore all parts to the saved state; return the progress.

        If there is no checkpoint, or it belongs to another training, training starts again.

        Args:
            context: where an unusable checkpoint is logged.
            shared: gives all processes that train together what the first of them reads
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
        try:
            check_content(self.path)
        except FibError as error:
            self._warn_damaged(context, str(error))
            return None
        whole = self.path.read_bytes()  # outside `try`: an error of the disk is no damage
        content, digest = whole[:-DIGEST_BYTES], whole[-DIGEST_BYTES:]
        if hashlib.sha256(content).digest() != digest:
            self._warn_damaged(context, "its content does not match its digest")
            return None
        try:
            # weights_only: tensors and plain values are read, code in the file is not run.
            state: State = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
            fingerprint = state["fingerprint"]
        except Exception as error:  # another file with a digest can make torch raise anything
            self._warn_damaged(context, type(error).__name__)
            return None
        if fingerprint != self.fingerprint:
            context.log.warning(
                "checkpoint %s belongs to a training with other parameters or data: training "
                "starts again",
                self.path,
            )
            return None
        return state

    def _warn_damaged(self, context: Context, reason: str) -> None:
        context.log.warning(
            "checkpoint %s cannot be read (it is damaged: %s): training starts again",
            self.path,
            reason,
        )


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
        """Flush the file's buffer."""
        self._file.flush()


def _state_of(part: nn.Module | Stateful) -> State:
    # A network's own state_dict holds a tensor once for each of its names.
    return tensors_of(part) if isinstance(part, nn.Module) else part.state_dict()


def _set_state(part: nn.Module | Stateful, state: State) -> None:
    if isinstance(part, nn.Module):
        set_tensors(part, state)
    else:
        part.load_state_dict(state)
