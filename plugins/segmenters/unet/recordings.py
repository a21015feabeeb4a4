"""The images that a training uses: a stack as given, or recorded by ever new instruments.

Domain randomisation (Tobin et al., IROS 2017): to a network that was trained on images of many
instruments, the real one is just one more. Each recording is made by an instrument of its own,
drawn at random around the given one. Patches of a batch come from several recordings, and every
epoch replaces some of them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch

from fib_plugins.image_statistics.grey_scale import GreyScale
from fibcore import Adapter, Context, FibError, Images

if TYPE_CHECKING:
    from fib_plugins.segmenters.unet.parameters import UNetParameters


class Instruments:
    """The instruments of a training: the given one, and others drawn around it.

    Args:
        given: the given instrument.
        spread: spread of the others around it; see `Adapter.randomised`.
        context: surroundings of the training.
    """

    def __init__(self, given: Adapter, spread: float, context: Context) -> None:
        self.given, self.spread, self.context = given, spread, context
        if type(given).randomised is Adapter.randomised:
            context.log.warning(
                "%s has no random variants: training uses recordings of this one instrument only",
                given.identifier(),
            )
        # Variants need not repeat the warnings of the given instrument.
        self._silent = logging.Logger("fib.instrument", logging.CRITICAL)

    def record(self, images: Images) -> Images:
        """Return the images as the given instrument records them, with its warnings.

        Raises:
            FibError: the result has another shape.
        """
        recorded = self._recorded(self.given, images, 0, self.context.log)
        if recorded.data.shape != images.data.shape:
            raise FibError(
                f"{self.given.identifier()} makes images of shape {recorded.data.shape} of "
                f"{images.data.shape} (channel, z, y, x); the instrument of a training must keep "
                f"the shape, so that labels fit"
            )
        return recorded

    def record_variant(self, images: Images, purpose: str, number: int) -> Images:
        """Return the images as another instrument records them.

        The instrument and its noise depend only on seed, purpose and number. Number 0 of the
        purpose ``validation`` has the parameters of the given one.
        """
        rng = self.context.rng_for("instrument", purpose, number)
        centre = purpose == "validation" and number == 0
        variant = self.given.randomised(rng, 0.0 if centre else self.spread)
        return self._recorded(variant, images, int(rng.integers(2**63)), self._silent)

    def _recorded(
        self, instrument: Adapter, images: Images, seed: int, log: logging.Logger
    ) -> Images:
        around = self.context
        inner = Context(
            seed,
            device=around.device_asked,
            threads=around.threads,
            scratch=around.scratch / "recording",
            log=log,
        )
        return instrument.transform(images, context=inner)


class Recordings:
    """Z-scores of some slices of a stack on the device, in one or several recordings.

    Attributes:
        volume: float32 in axes (channel, recording, z, y, x); without instruments there is one
            recording, the given images.

    Args:
        unet: the parameters.
        images: the stack.
        slices: the slices.
        grey_scale: that of the images, or with instruments, of the given one's recording.
        device: device of the volume.
        instruments: the instruments that record the images; None: images as given.
        purpose: name of the purpose of the recordings.
    """

    def __init__(
        self,
        unet: UNetParameters,
        images: Images,
        slices: range,
        grey_scale: GreyScale,
        device: torch.device,
        instruments: Instruments | None,
        purpose: str,
    ) -> None:
        self.unet, self.instruments, self.purpose = unet, instruments, purpose
        self.grey_scale = grey_scale
        self.images, self.slices = images, slices
        count = 1 if instruments is None else unet.instrument_variants
        shape = (len(images.data), count, len(slices), *images.shape[1:])
        self.volume = torch.empty(shape, dtype=torch.float32, device=device)
        self._held: list[int | None] = [None] * count

    def __len__(self) -> int:
        """Return the number of recordings."""
        return len(self._held)

    def hold(self, numbers: Iterable[int], context: Context) -> None:
        """Fill the volume with the recordings of these numbers; make those that are missing.

        The place of a recording is its number modulo their count. Recordings do not depend on the
        order in which they are made.
        """
        missing = [number for number in numbers if self._held[number % len(self)] != number]
        reported = context.track(missing, "stacks recorded") if len(missing) > 1 else missing
        for number in reported:
            place = number % len(self)
            self._make(number, place)
            self._held[place] = number

    def _make(self, number: int, place: int) -> None:
        images, slices, grey_scale = self.images, self.slices, self.grey_scale
        if self.instruments is not None:
            images = images.with_data(images.data[:, slices.start : slices.stop])
            images = self.instruments.record_variant(images, self.purpose, number)
            slices = range(len(slices))
            if self.unet.normalization != "training":
                per_slice = self.unet.normalization == "slice"
                grey_scale = GreyScale.of(images, per_slice=per_slice)
        for own, z in enumerate(slices):
            self.volume[:, place, own] = torch.from_numpy(grey_scale.apply(images, [z])[:, 0])
