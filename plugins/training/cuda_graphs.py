"""Training steps recorded as CUDA graphs, which a GPU replays by itself.

A step of a small network is thousands of short operations. Launched one by one, they leave a GPU
mostly waiting for the host. A CUDA graph holds them all: recorded once, it is started with one
call. It does exactly the operations that were recorded, so that results are those of the step
itself. Recording takes about as long as a step; compiling the networks (``torch.compile``) takes
minutes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

import torch

Tensors = dict[str, torch.Tensor]

WARM_UP = 3
"""Steps launched operation by operation before recording: libraries choose their algorithms, and
optimisers create their state."""


class Replayed:
    """A step that is recorded on a GPU after a few calls, and replayed from then on.

    On other devices it is called unrecorded. The same holds for inputs of other shapes than those
    of the first call, such as the last batch of an epoch, and where recording fails, which is
    logged.

    Args:
        step: takes tensors by name and returns others. It may change tensors in place; it must not
            depend on anything else that changes, nor read anything back to the host.
        device: where it is computed.
        log: where it is logged that a step cannot be recorded.
    """

    def __init__(
        self, step: Callable[[Tensors], Tensors], device: torch.device, log: logging.Logger
    ) -> None:
        self._step, self._device, self._log = step, device, log
        self._calls, self._recordable = 0, device.type == "cuda"
        self._graph: torch.cuda.CUDAGraph | None = None
        self._inputs: Tensors = {}
        self._outputs: Tensors = {}

    def __call__(self, inputs: Tensors) -> Tensors:
        """Take a step; the returned tensors are valid until the next call.

        Args:
            inputs: tensors on the device, with the same names at every call.
        """
        if not self._recordable:
            return self._step(inputs)
        self._inputs = self._inputs or {n: torch.empty_like(t) for n, t in inputs.items()}
        if _shapes(inputs) != _shapes(self._inputs):
            return self._step(inputs)
        if self._calls < WARM_UP:
            self._calls += 1
            return self._aside(inputs)
        for name, tensor in inputs.items():
            self._inputs[name].copy_(tensor, non_blocking=True)
        if self._graph is None and not self._record():
            return self._step(inputs)
        assert self._graph is not None
        self._graph.replay()
        return self._outputs

    def _aside(self, inputs: Tensors) -> Tensors:
        """Take a step on a side stream, which CUDA requires of steps before recording."""
        here, aside = torch.cuda.current_stream(self._device), torch.cuda.Stream(self._device)
        aside.wait_stream(here)
        with torch.cuda.stream(aside):
            outputs = self._step(inputs)
        here.wait_stream(aside)
        return outputs

    def _record(self) -> bool:
        """Record the step without taking it; return whether that succeeded."""
        graph = torch.cuda.CUDAGraph()
        try:
            # thread_local: threads that prepare batches may allocate pinned memory meanwhile
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                self._outputs = self._step(self._inputs)
        except RuntimeError as error:
            reason = str(error).partition("\n")[0]
            self._log.warning(
                "training steps cannot be recorded as a CUDA graph (%s): the host launches each "
                "operation, which is slower",
                reason,
            )
            self._recordable = False
            return False
        self._graph = graph
        return True


def _shapes(tensors: Mapping[str, torch.Tensor]) -> dict[str, tuple[torch.Size, torch.dtype]]:
    return {name: (tensor.shape, tensor.dtype) for name, tensor in tensors.items()}
