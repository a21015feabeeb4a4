"""The parameters that all GAN translators share, and their checks."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from fib_plugins.training.schedule import Computing, Schedule

MOST_WORKERS = 8
"""Number of slices translated at a time on the CPU, and of batches on a GPU, for memory."""
INFERENCE_BYTES = 40
"""Memory of translation per pixel of a tile and feature channel at full resolution."""


class TranslationParameters(Schedule, Computing):
    """The networks, their training, and their application.

    Defaults are those of the paper's table 1 where it gives a value.
    """

    generator: Literal["unet", "resnet"] = Field(
        default="unet",
        description="unet: the paper's encoder with residual blocks and skip connections; resnet: "
        "the reference of Zhu et al. (theirs: base_channels 64, depth 2, blocks 9, norm instance)",
    )
    base_channels: int = Field(
        default=16,
        ge=4,
        le=256,
        description="feature channels of the generator at full resolution; they double with each "
        "halving",
    )
    depth: int = Field(default=2, ge=1, le=5, description="number of halvings of the resolution")
    blocks: int = Field(
        default=3, ge=0, le=32, description="residual blocks at the lowest resolution"
    )
    norm: Literal["pixel", "instance"] = Field(
        default="pixel",
        description="normalisation layers of the generator. pixel: over the channels of each "
        "pixel; instance: over each patch, as Zhu et al., and in inference the mean statistics of "
        "patches of the stack. Tiles are invisible with both",
    )
    noise: Literal["measured", "none"] = Field(
        default="measured",
        description="measured: white noise is added to translations, as strong at each grey value "
        "as in the target, minus that of the source; none: as Zhu et al., which cannot make noise "
        "from images without noise",
    )
    discriminator_channels: int = Field(
        default=32,
        ge=4,
        le=256,
        description="feature channels of the discriminator's first convolution (Zhu et al.: 64)",
    )
    discriminator_norm: Literal["spectral", "instance"] = Field(
        default="spectral",
        description="spectral: the discriminator's weights are kept small, and grey values and "
        "noise count; instance: as Zhu et al., which removes mean and contrast from its features",
    )
    patch: int = Field(
        default=128, ge=32, description="edge of training patches in y and x, pixels"
    )
    stride: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="step of the patch grid, as a fraction of the patch",
    )
    batch_size: int = Field(default=1, ge=1, description="patches per training step")
    steps_per_epoch: int | None = Field(
        default=None,
        ge=1,
        description="training steps of an epoch; default: as many as show every patch of the "
        "source's grid once",
    )
    learning_rate: float = Field(
        default=1e-4,
        gt=0,
        le=1,
        description="of the Adam optimisers at the start; short trainings need 3e-4 to 1e-3 (the "
        "paper gives 1e-4 in table 1, 1e-3 in section 2.6)",
    )
    averaging: float = Field(
        default=0.999,
        ge=0,
        lt=1,
        description="translate with a running mean of the weights, with a decay of up to this "
        "value per step (lower in the first thousands of steps, so that early weights are "
        "forgotten); 0: the weights of the last step, as in the paper",
    )
    structure_weight: float = Field(
        default=0.0,
        ge=0,
        description="weight of a loss that keeps structure in place: 1 minus the correlation, in "
        "windows of 9 pixels, of images before and after. 0 (off), as in the paper; 1 to 10 if "
        "labels are not kept",
    )
    pool_size: int = Field(
        default=50,
        ge=0,
        description="translations of earlier steps that each discriminator is shown half the time",
    )
    augment: bool = Field(
        default=True,
        description="mirror and rotate source patches at random (by quarters only where pixels are "
        "square). Target patches are not changed: stripes and shadows have a direction",
    )
    validation_slices: int = Field(
        default=8,
        ge=1,
        le=64,
        description="slices at the end of either stack that are kept out of training, for the "
        "validation score; at most a quarter of the stack, and none of a single slice",
    )
    tile: int = Field(
        default=512,
        ge=32,
        description="edge of the tiles that are translated at a time, in pixels, without a margin; "
        "sets memory and speed, not the result",
    )
    fast: bool = Field(
        default=False,
        description="translate with 16-bit numbers in convolutions (bfloat16) on any device",
    )
    on_label_change: Literal["fail", "warn"] = Field(
        default="fail",
        description="action if a translation swaps bright and dark or loses structure: fail the "
        "step that translates, or warn",
    )

    @model_validator(mode="after")
    def _patch_can_be_halved(self) -> Self:
        factor = 2**self.depth
        if self.patch % factor:
            near = max(1, round(self.patch / factor)) * factor
            raise ValueError(
                f"patch {self.patch} cannot be halved {self.depth} times (depth): use {near}, or "
                f"a smaller depth"
            )
        if self.patch == factor:
            raise ValueError(
                f"patch {self.patch} halved {self.depth} times (depth) is a single pixel, which "
                f"cannot be convolved with its mirrored surroundings: use at least {2 * factor}, "
                f"or a smaller depth"
            )
        return self


class CycleParameters(TranslationParameters):
    """The weights of the losses of a CycleGAN."""

    cycle_weight: float = Field(
        default=10.0, ge=0, description="weight of the cycle loss, relative to the adversarial loss"
    )
    identity_weight: float = Field(default=5.0, ge=0, description="weight of the identity loss")


class ContrastiveParameters(TranslationParameters):
    """The weights of the losses of CUT, and its contrastive loss."""

    contrast_weight: float = Field(
        default=1.0,
        ge=0,
        description="weight of the contrastive loss, relative to the adversarial loss",
    )
    identity_weight: float = Field(
        default=1.0, ge=0, description="weight of the contrastive loss of images of the target"
    )
    places: int = Field(
        default=256, ge=2, description="places of a patch that are contrasted, per resolution"
    )
    temperature: float = Field(
        default=0.07, gt=0, description="temperature of the contrastive loss; lower is sharper"
    )
    pool_size: int = Field(
        default=0,
        ge=0,
        description="translations of earlier steps that the discriminator is shown half the time",
    )
