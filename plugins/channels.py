"""Channels of two stacks, compared by voltage and detector, and put into one order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from fibcore import Context, Images
from fibcore.channels import Channel, channels_from


def shown(channels: Sequence[Channel]) -> str:
    """Return channels as messages show them: ``2 kV BSE, 2 kV SE``."""
    return ", ".join(map(str, channels))


def counted(channels: Sequence[Channel]) -> str:
    """Return the number of channels, and which: ``2 channels (2 kV BSE, 2 kV SE)``."""
    return f"{len(channels)} channel{'s' if len(channels) > 1 else ''} ({shown(channels)})"


def info_of(channels: Sequence[Channel]) -> dict[str, Any]:
    """Return what the info of a model keeps of channels, as JSON values."""
    return {"kv": [c.kv for c in channels], "detectors": [c.detector for c in channels]}


def channels_of(info: Mapping[str, Any]) -> tuple[Channel, ...]:
    """Return the channels in the info of a model; older models, without detectors, are of BSE.

    Raises:
        FibError: the numbers of voltages and detectors differ.
    """
    return channels_from(info["kv"], info.get("detectors") or ())


def selection(channels: Sequence[Channel]) -> str:
    """Return how an input of a step chooses channels, for messages."""
    kv = ", ".join(f"{c:g}" for c in dict.fromkeys(c.kv for c in channels) if c is not None)
    names = ", ".join(f'"{d}"' for d in dict.fromkeys(c.detector for c in channels) if d)
    return f'"kv": [{kv}], "detector": [{names}]'


def are_same(one: Sequence[Channel], other: Sequence[Channel]) -> bool:
    """Return whether two stacks have the same channels, each once, in any order."""
    known = all(channel.kv is not None for channel in other)
    return known and len(one) == len(other) == len(set(other)) and set(one) == set(other)


def order_of_fit(
    info: Mapping[str, Any], channels: Sequence[Channel], what: str, context: Context
) -> list[int]:
    """Return which of the channels that a plugin was fitted to belongs to each channel of images.

    The numbers are those of the places of channels where the fit was to others, which is warned of,
    or to one channel; also of older models, which do not know their channels.

    Args:
        info: of the model, as `info_of` returns it, and more.
        channels: of the images.
        what: the plugin, in the warning.
        context: takes the warning.
    """
    fitted = channels_of(info) if info.get("kv") else tuple(channels)
    if are_same(channels, fitted):
        return [fitted.index(channel) for channel in channels]
    if tuple(channels) != fitted:
        context.log.warning(
            "%s was fitted to images of %s, these show %s", what, shown(fitted), shown(channels)
        )
    return list(range(len(channels)))


def in_order(
    images: Images, wanted: Sequence[Channel], empty: Callable[..., np.ndarray] = np.empty
) -> Images:
    """Return images with their channels in the order of others; unchanged if these differ."""
    if images.channels == tuple(wanted) or not are_same(images.channels, wanted):
        return images
    return images.take([images.channels.index(channel) for channel in wanted], empty)
