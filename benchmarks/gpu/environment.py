"""The machine: versions, imports, and first computations on the GPU."""

from __future__ import annotations

import importlib
import re
import subprocess
from importlib import metadata

import numpy as np

from fibcore import FibError

from . import bootstrap
from .part import Part
from .result import Result

BESIDE = ("numba-cuda", "cuda-bindings", "llvmlite", "pydantic-core", "pytest")
"""Distributions whose versions are relevant, though the package does not require them."""


def measure(part: Part) -> None:
    """Report versions, import everything, and multiply and add on the GPU."""
    names = [
        bootstrap.normalised(re.split(r"[^\w.-]", line)[0])
        for line in bootstrap.project()["project"]["dependencies"]
    ]
    part.machine(**{name: bootstrap.installed(name) or "none" for name in (*names, *BESIDE)})
    part.result(_imports(names))
    part.result(_torch(part))
    part.result(_numba(part))


def _imports(names: list[str]) -> Result:
    """Import the modules of distributions, the package's own among them."""
    from fibcore.registry import registry

    failed = [f"{broken.entry_point}: {broken.reason}" for broken in registry().broken]
    owners = metadata.packages_distributions()
    wanted = {
        module
        for module, of in owners.items()
        if {bootstrap.normalised(name) for name in of} & set(names) and module.isidentifier()
    }
    for module in sorted(module for module in wanted if not module.startswith("_")):
        try:
            importlib.import_module(module)
        except Exception as error:  # other parts may work without it
            failed.append(f"{module}: {type(error).__name__}: {error}")
    plugins = len(registry().entries())
    check = "; ".join(failed) or f"{len(wanted)} modules, {plugins} plugins and materials"
    return Result("imports", check=check, passed=not failed)


def _torch(part: Part) -> Result:
    """Multiply matrices in PyTorch, and report the GPU."""
    import torch

    if part.device == "cuda":
        if not torch.cuda.is_available():
            return Result("PyTorch", check="PyTorch finds no GPU", passed=False)
        about = torch.cuda.get_device_properties(0)
        part.machine(
            GPU=f"{about.name}, {about.total_memory / 2**30:.0f} GB, compute capability "
            f"{about.major}.{about.minor}, {about.multi_processor_count} multiprocessors",
            driver=_driver(),
            CUDA=f"{torch.version.cuda} (of PyTorch)",
        )
    edge = part.size(1024, 16)
    one, other = torch.randn((2, edge, edge), generator=torch.Generator().manual_seed(0))
    made = (one.to(part.device) @ other.to(part.device)).cpu()
    expected = one.double() @ other.double()
    error = float((made - expected).norm() / expected.norm())
    return Result("PyTorch", check=f"a matrix product is off by {error:.1e}", passed=error < 1e-2)


def _numba(part: Part) -> Result:
    """Add two arrays in a kernel of Numba."""
    from numba import cuda

    from fib_plugins.electrons.cuda import check_gpu

    from .addition import add

    name = "a kernel of Numba"
    try:
        check_gpu()
    except FibError as error:
        return Result(name, check=str(error), passed=False)
    one, other = np.random.default_rng(0).random((2, part.size(1 << 20, 8)), np.float32)
    total = cuda.device_array_like(one)
    add[-(-len(one) // 128), 128](cuda.to_device(one), cuda.to_device(other), total)
    right = np.array_equal(total.copy_to_host(), one + other)
    return Result(name, check="sums of two arrays are those of NumPy", passed=right)


def _driver() -> str:
    """Return the version of the driver, as its own tool reports it."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return found.stdout.strip()
