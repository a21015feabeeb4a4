"""Removes curtains, the vertical stripes of the ion beam."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, model_validator

from fib_plugins.channels import info_of, order_of_fit
from fib_plugins.correctors.destripe.parameters import DestripeParameters
from fib_plugins.threads import bytes_in_threads
from fibcore import (
    Context,
    Corrector,
    FibError,
    Forecast,
    Images,
    Model,
    Table,
    Trainable,
    VolumeSpec,
    keeps,
)
from fibcore.channels import Channel
from fibcore.context import held_bytes
from fibcore.models import ModelInfo, Shape

LEAST_PIXELS = 32
"""Shortest edge of slices."""

Numbers = Annotated[list[float], Field(min_length=1)]


class DestripeInfo(ModelInfo):
    """The info of a model of `corrector/destripe`: one number for each channel."""

    kv: list[float | None] | None = None
    detectors: list[str | None] = Field(default_factory=list)
    deviation: Numbers
    gain: Numbers
    noise_across: Numbers
    noise_between: Numbers
    noise_bends: Numbers
    slant_deg: Numbers
    black_level: Annotated[list[float | None], Field(min_length=1)]
    mean_level: Numbers
    transmission: list[list[float]] = Field(default_factory=list)

    @model_validator(mode="after")
    def _numbers_of_all_channels(self) -> Self:
        lists: tuple[list[Any], ...] = (
            self.gain,
            self.noise_across,
            self.noise_between,
            self.noise_bends,
            self.slant_deg,
            self.black_level,
            self.mean_level,
        )
        if any(len(numbers) != len(self.deviation) for numbers in lists):
            raise ValueError("the lists have different lengths")
        return self


NUMBERS = tuple(name for name in DestripeInfo.model_fields if name not in ("kv", "detectors"))


class Destripe(Trainable, DestripeParameters, Corrector):
    """Removes curtains: stripes along y, which the ion beam leaves on each face.

    **What counts as curtains** runs along y (or at a slant to it) and is not there in the
    neighbouring slices. Structure that runs along y persists from slice to slice and is kept, as
    far as slices are thin against it. A single slice does not show the difference: there, structure
    along y without sharp edges is removed as well.

    **Methods.** ``slopes`` (default): offsets of columns that vary along y. They are fitted to the
    slopes along x and to the differences between neighbouring slices, each robustly: slopes that
    are steeper than noise are edges of the structure and count little. The offsets are shrunk to
    what is certain. ``variational``: the filter of Fehrenbach, Weiss, Lorenzo (IEEE Trans. Image
    Process. 21 (2012) 4420), slice by slice: the stripes, made of long filters, whose removal
    leaves the least total variation. ``column_median``: the median, over lines, of the difference
    from the slice smoothed along x. These two look at one slice at a time, know no difference
    between curtains and structure along y, and harm more. ``transmission`` is for wide curtains
    that are a factor on the signal and last for several slices, which slopes hardly show: the grey
    expected of the bright phase next to its surroundings is fitted, and what remains of its
    logarithm along columns, in neighbouring slices alike, is taken for curtains. It is slow.
    Without a black level one is assumed a little below the darkest pixels.

    **Strength.** By default as much is removed as is expected to leave the least error. It is
    found in up to 36 slices: bands of rows that do not touch share curtains, not structure. Where
    no curtains are visible the images are returned as they are. Each channel has a strength and
    offsets of its own.

    Pixels at the least or greatest value of integers are saturated; they do not count and do not
    change. Offsets that all columns of a slice share remain: `corrector/level` is for them.

    The result has the element type of the given images. The table has, for each slice and channel,
    the standard deviation of the curtains found in the stack and of what was removed from the
    slice, in grey values, and the latter as a share of the standard deviation of the slice.
    """

    name: ClassVar[str] = "destripe"
    result_version: ClassVar[int] = 2
    works_unfitted: ClassVar[bool] = True
    info_type: ClassVar[type[DestripeInfo]] = DestripeInfo

    def forecast(self, method: str, inputs: Mapping[str, Any]) -> Forecast:
        """Refuse slices that are too small; return the memory of the slices at work."""
        spec = inputs.get("images")
        if spec is None:
            return Forecast()
        self._check(spec)
        warnings = []
        if spec.shape[0] == 1 and self.strength != 0:
            warnings.append(_SINGLE)
        memory = _sample_bytes(spec, self.method)
        if method == "fit":
            return Forecast(memory_bytes=memory, warnings=tuple(warnings))
        from fib_plugins.correctors.destripe.removal import bytes_each, chunks

        at_work = bytes_in_threads(
            bytes_each(spec, self.method, self.length_px), len(chunks(spec.shape[0]))
        )
        memory = max(memory, at_work) + held_bytes(spec.nbytes)
        return Forecast(spec, memory_bytes=memory, warnings=tuple(warnings))

    def _check(self, spec: VolumeSpec) -> None:
        if min(spec.shape[1:]) < LEAST_PIXELS:
            raise FibError(
                f"the slices have {spec.shape[1]} x {spec.shape[2]} pixels (y, x); at least "
                f"{LEAST_PIXELS} x {LEAST_PIXELS} are needed to find curtains: "
                f"use larger images, or leave corrector/destripe out"
            )
        if self.fitted and not self.model.forecast:
            channels = len(self.model.info["deviation"])
            if channels not in (1, len(spec.kv)):
                raise FibError(
                    f"the curtains were found in a stack of {channels} channels, this one has "
                    f"{len(spec.kv)}: fit corrector/destripe to this stack, or choose channels "
                    f"with kv"
                )

    def fit(self, images: Images, context: Context | None = None) -> Self:
        """Find the strength and the slant of curtains in each channel; return the plugin.

        Applied to other images, it expects curtains as strong as in these, in units of the
        standard deviation of the slices, for each channel those of the same detector and voltage.

        Args:
            images: the stack.
            context: surroundings of the step.

        Raises:
            FibError: slices smaller than 32 x 32 pixels, or values that are not finite.
        """
        context = Context.of(context)
        self._check(images.spec)
        info = {**info_of(images.channels), **self._found(images, context)}
        self._model = Model(self.identifier(), self.model_dump(mode="json"), info=info)
        return self

    def weight_shapes(self) -> Mapping[str, Shape]:
        """Return no shapes: a model is a few numbers."""
        return {}

    def _found(self, images: Images, context: Context) -> dict[str, Any]:
        from fib_plugins.correctors.destripe.estimation import find_curtains

        return find_curtains(self, images, context)

    @keeps(corrections=Table)
    def correct(self, images: Images, context: Context | None = None) -> Images:
        """Return the images without curtains; keeps ``corrections``.

        The table has, for each channel, `<channel>_curtains_grey` (standard deviation of curtains,
        found in the stack), `<channel>_removed_grey` and `<channel>_removed_share`.

        Args:
            images: any number of slices and channels.
            context: surroundings of the step.

        Raises:
            FibError: slices smaller than 32 x 32 pixels, values that are not finite, or a fit to
                another number of channels.
        """
        from fib_plugins.correctors.destripe.removal import remove_curtains

        context = Context.of(context)
        self._check(images.spec)
        if self.fitted:
            info = _in_order(self.model.info, images.channels, context)
        else:
            info = self._found(images, context)
        return remove_curtains(self, images, info, context)


def _in_order(
    info: Mapping[str, Any], channels: Sequence[Channel], context: Context
) -> dict[str, Any]:
    """Return the numbers of a fit in the order of the channels of images."""
    order = order_of_fit(info, channels, "corrector/destripe", context)
    found = {name: info.get(name, []) for name in NUMBERS}
    return {
        name: [numbers[place] for place in order] if len(numbers) > 1 else list(numbers)
        for name, numbers in found.items()
    }


_SINGLE = (
    "a single slice: curtains cannot be distinguished from structure that runs along y, which may "
    "be removed as well"
)


def _sample_bytes(spec: VolumeSpec, method: str) -> int:
    """Return the memory of sampled slices and their levelled copies."""
    pixels = min(spec.shape[1], 768) * min(spec.shape[2], 768)
    return min(spec.shape[0], 36) * pixels * (40 if method == "transmission" else 12)
