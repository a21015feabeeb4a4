"""The instruments of a training: the given one, and others drawn at random around it.

Domain randomisation (Tobin et al., IROS 2017): to a network that was trained on images of many
instruments, the real one is just one more.
"""

from __future__ import annotations

import logging
from typing import Any

from fibcore import Adapter, Context, FibError, Images, Labels
from fibcore.contracts import slots


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

    def record(self, images: Images, labels: Labels) -> Images:
        """Return the images as the given instrument records them, with its warnings.

        Raises:
            FibError: the result has another shape.
        """
        recorded = self._recorded(self.given, images, labels, 0, self.context.log)
        if recorded.data.shape != images.data.shape:
            raise FibError(
                f"{self.given.identifier()} makes images of shape {recorded.data.shape} of "
                f"{images.data.shape} (channel, z, y, x); the instrument of a training must keep "
                f"the shape, so that labels fit"
            )
        return recorded

    def record_variant(self, images: Images, labels: Labels, purpose: str, number: int) -> Images:
        """Return the images as another instrument records them.

        The instrument and its noise depend only on seed, purpose and number. Number 0 of the
        purpose ``validation`` has the parameters of the given one.
        """
        rng = self.context.rng_for("instrument", purpose, number)
        centre = purpose == "validation" and number == 0
        variant = self.given.randomised(rng, 0.0 if centre else self.spread)
        return self._recorded(variant, images, labels, int(rng.integers(2**63)), self._silent)

    def _recorded(
        self,
        instrument: Adapter,
        images: Images,
        labels: Labels,
        seed: int,
        log: logging.Logger,
    ) -> Images:
        around = self.context
        inner = Context(
            seed,
            device=around.device_asked,
            threads=around.threads,
            scratch=around.scratch / "recording",
            log=log,
        )
        if "labels" in slots(type(instrument), instrument.main_method):
            recording: Any = instrument
            recorded: Images = recording.transform(images, context=inner, labels=labels)
            return recorded
        return instrument.transform(images, context=inner)
