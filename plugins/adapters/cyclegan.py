"""Unpaired image translation by a CycleGAN: the look of one image set, the structure of another."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from fib_plugins.adapters.translation.parameters import CycleParameters
from fib_plugins.adapters.translation.translator import Translator

if TYPE_CHECKING:
    from fib_plugins.adapters.translation.method import Method


class CycleGAN(CycleParameters, Translator):
    """Gives images the look of others that show something else (CycleGAN).

    Zhu et al., ICCV 2017 (arXiv:1703.10593), as the paper uses it: for Monte-Carlo-like images
    (section 2.3) and for the look of a real microscope (section 2.4). Two generators translate
    there and back, two PatchGAN discriminators tell translations from real images by least
    squares; images must survive the way there and back (cycle loss), and images of the target
    stay what they are (identity loss).

    Where it departs from Zhu et al. and why:

    - Layers are normalised pixel by pixel (`norm`), so that translations depend neither on tiles
      nor on how much solid a slice holds.
    - The generator's output has no tanh, which would cut bright pixels off, and white noise is
      added to it whose strength at each grey value is that of the target (`noise`). Cycle and
      identity loss compare images without it.
    - The discriminators' weights are normalised in place of their features
      (`discriminator_norm`), so that grey values and the strength of noise count.
    - The learning rate falls when the validation score no longer does (table 1), not on a fixed
      schedule.
    """

    name: ClassVar[str] = "cyclegan"
    result_version: ClassVar[int] = 2

    def method(self) -> type[Method]:
        """Return how the networks learn."""
        from fib_plugins.adapters.translation.cycle_steps import CycleSteps

        return CycleSteps
