"""The network that a training starts from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fib_plugins.channels import shown
from fib_plugins.image_statistics.grey_scale import GreyScale
from fib_plugins.segmenters.training_data import TrainingData
from fibcore import FibError, Model, Plugin, Trainable, VolumeSpec
from fibcore.channels import Channel

if TYPE_CHECKING:
    from fib_plugins.segmenters.unet.parameters import UNetParameters

UNET = "segmenter/unet"
ARCHITECTURE = ("dimensions", "base_channels", "depth", "norm", "normalization")
NEIGHBOURS = ("slices_above", "slices_below")
"""Parameters that the two networks must share; neighbours in 2.5d only."""


def check_is_unet(start: Plugin) -> None:
    """Refuse what is no U-Net; before a run, its model need not be known.

    Raises:
        FibError: another plugin.
    """
    if start.identifier() != UNET:
        raise FibError(
            f"start is {start.identifier()}; training starts from the weights of another "
            f"segmenter/unet: give a step that fits one"
        )


def check_is_fitted(start: Plugin) -> None:
    """Refuse a U-Net without weights.

    Raises:
        FibError: it is not fitted.
    """
    if not isinstance(start, Trainable) or not start.fitted:
        raise FibError(
            "start is a segmenter/unet that is not fitted, and has no weights: give a step that "
            "fits one"
        )


def check_channels(start: Model, channels: Sequence[Channel]) -> None:
    """Refuse images of other channels, or in another order, than the start was trained on.

    Raises:
        FibError: they differ.
    """
    trained = TrainingData(start.info, "network").channels
    if tuple(channels) != trained:
        raise FibError(
            f"start was trained on {shown(trained)}, these images are {shown(channels)}: give "
            f"images of the same channels in the same order, or train without a start"
        )


def check_phases(start: Model, phases: Mapping[int, str]) -> None:
    """Refuse labels with other phases than the start was trained on.

    Args:
        start: the model of the start.
        phases: phase number -> material name.

    Raises:
        FibError: numbers or materials differ.
    """
    trained = TrainingData(start.info, "network").phase_names
    if dict(sorted(phases.items())) != trained:
        raise FibError(
            f"start finds the phases {_named(trained)}, the labels have {_named(phases)}: give "
            f"labels of the same materials under the same numbers (materials and phase_of_value "
            f"when they are loaded), or train without a start"
        )


def check_start(
    unet: UNetParameters, start: Plugin, images: VolumeSpec | None, phases: Mapping[int, str]
) -> None:
    """Refuse a start that is no network like the one to be trained, for these data.

    Args:
        unet: parameters of the network to be trained.
        start: the plugin to start from.
        images: the images to train on, if known.
        phases: phase number -> material name of the labels; empty if not known.

    Raises:
        FibError: names what differs.
    """
    check_is_unet(start)
    own: Any = start
    names = [*ARCHITECTURE, *(NEIGHBOURS if unet.dimensions == "2.5d" else ())]
    differing = [name for name in names if getattr(own, name) != getattr(unet, name)]
    if differing:
        there = ", ".join(f"{name} {getattr(own, name)}" for name in differing)
        here = ", ".join(f"{name} {getattr(unet, name)}" for name in differing)
        raise FibError(
            f"start is a network with {there}, the one to be trained has {here}: give both the "
            f"same parameters"
        )
    if not own.fitted:
        return
    model = own.model
    if images is not None:
        check_channels(model, images.channels)
    if phases:
        check_phases(model, phases)


def grey_scale_of(start: Model) -> GreyScale:
    """Return the grey scale of the images that the start was trained on."""
    info = start.info
    centre, scale = (np.array(info[name])[:, None] for name in ("grey_centre", "grey_scale"))
    return GreyScale(centre, scale)


def digest_of(start: Model) -> str:
    """Return a digest of the weights."""
    digest = hashlib.sha256()
    for name in sorted(start.weights):
        digest.update(name.encode() + np.ascontiguousarray(start.weights[name]).tobytes())
    return digest.hexdigest()


def _named(phases: Mapping[int, str]) -> str:
    return ", ".join(f"{number} {name}" for number, name in sorted(phases.items()))
