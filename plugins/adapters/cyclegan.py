"""Unpaired image translation by a CycleGAN: gives one image set the look of another."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from fib_plugins.adapters.translation.parameters import CycleParameters
from fib_plugins.adapters.translation.translator import Translator

if TYPE_CHECKING:
    from fib_plugins.adapters.translation.method import Method


class CycleGAN(CycleParameters, Translator):
    """Gives images the look of others that show something else (CycleGAN).

    Zhu et al., ICCV 2017 (arXiv:1703.10593), as the paper uses it: for Monte-Carlo-like images
    (section 2.3) and for the look of a real microscope (section 2.4). Two generators translate in
    either direction; two PatchGAN discriminators separate translations from real images, with
    least-squares losses. Images translated there and back must be restored (cycle loss), and images
    of the target must stay unchanged (identity loss).

    Differences from Zhu et al.:

    - Layers are normalised pixel by pixel (`norm`), so that translations depend neither on tiles
      nor on how much solid a slice holds.
    - The generator's output has no tanh, which would clip bright pixels. White noise is added to
      it, as strong at each grey value as in the target (`noise`). Cycle and identity loss compare
      images without it.
    - The discriminators' weights are normalised instead of their features
      (`discriminator_norm`), so that grey values and the strength of noise count.
    - The learning rate is lowered when the validation score stops improving (table 1), not on a
      fixed schedule.
    """

    name: ClassVar[str] = "cyclegan"
    result_version: ClassVar[int] = 2

    def method(self) -> type[Method]:
        """Return how the networks learn."""
        from fib_plugins.adapters.translation.cycle_steps import CycleSteps

        return CycleSteps
