"""Helper processes of trainings that are forks of one that has loaded torch and Lightning."""

from __future__ import annotations

import multiprocessing
from multiprocessing.process import parent_process
from types import SimpleNamespace
from typing import Any

LOADED = [
    "fib_plugins.training.team", "fib_plugins.segmenters.unet.training",
    "fib_plugins.adapters.translation.training", "fib_plugins.segmenters.unet.plugin",
    "fib_plugins.adapters.cut", "fib_plugins.adapters.cyclegan", "monai.losses",
    "monai.networks.nets", "monai.networks.blocks.dynunet_block", "team_work",
]  # fmt: skip


def instead_of_spawning() -> Any:
    """Return what may stand for the module `multiprocessing` where processes are spawned.

    A new process takes five seconds to load the libraries, a fork none. The process that is forked
    has started afresh and does nothing else, so that no thread or lock is inherited.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(LOADED)
    return SimpleNamespace(
        get_context=lambda method: context,
        parent_process=parent_process,
        process=multiprocessing.process,
    )
