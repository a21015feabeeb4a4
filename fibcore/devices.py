"""The choice of the device for heavy computations."""

from __future__ import annotations

from functools import cache

from fibcore.errors import UsageError, did_you_mean

DEVICES = ("auto", "cpu", "cuda", "mps")


@cache
def resolve_device(device: str) -> str:
    """Return the device to use; ``auto`` is the first of ``cuda``, ``mps``, ``cpu`` that exists.

    Raises:
        UsageError: the name is unknown, or this machine does not have the device.
    """
    name, _, index = device.partition(":")
    if name not in DEVICES or (index and not (name == "cuda" and index.isdigit())):
        raise UsageError(
            f"device {device!r}: the devices are {', '.join(DEVICES)} (or cuda:N for GPU number N)."
            + did_you_mean(device, DEVICES)
        )
    if name == "cpu":
        return device
    import torch  # slow to import

    cuda = torch.cuda.device_count() if torch.cuda.is_available() else 0
    mps = torch.backends.mps.is_available()
    if name == "auto":
        return "cuda" if cuda else "mps" if mps else "cpu"
    if name == "cuda" and int(index or 0) >= cuda:
        raise UsageError(
            f"device {device!r}: PyTorch finds {cuda} NVIDIA GPUs here; use `--device cpu`, or "
            f"install a CUDA build of PyTorch and a driver"
        )
    if name == "mps" and not mps:
        raise UsageError("device 'mps': PyTorch finds no Apple GPU here; use `--device cpu`")
    return device
