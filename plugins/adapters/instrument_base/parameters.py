"""Parameters of every model of an instrument, and presets for them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal, Self, get_args

import numpy as np
from pydantic import BaseModel, Field, model_validator

from fib_plugins.adapters.instrument_base.per_channel import PerChannel
from fibcore import FibError

PresetName = Literal["clean", "typical", "bad"]
Presets = Mapping[PresetName, Mapping[str, Any]]

PRESET_PIXEL_NM = 3.0
"""Size of the pixels for which the lengths of presets were chosen."""
FAR = 4.0
"""Ratio of the sizes of pixels from which a preset does not look as intended."""


class InstrumentParameters(BaseModel):
    """Preset and grey levels; a subclass adds its effects, all off by default.

    In the docstring of a subclass, a line ``{presets}`` or ``{raw_presets}`` is replaced with a
    table of the values of these presets.
    """

    presets: ClassVar[Presets]
    """The values of each preset; parameters that are not named keep their defaults."""
    effects: ClassVar[tuple[str, ...]]
    """Parameters whose default is off; the others define the form of an effect."""
    lengths: ClassVar[Mapping[str, int]]
    """Parameters that are proportional to this power of the size of pixels, in images that look
    alike: 1 for lengths, -1 for numbers per length."""
    per_channel: ClassVar[tuple[str, ...]] = ("black_level", "white_level")
    """Parameters that take one number for all channels, or one for each."""

    preset: PresetName = Field(
        default="clean",
        description="sets the parameters that are not given: clean (every effect off), typical or "
        "bad; given parameters take precedence, and the record of a run lists all values",
    )
    preset_pixel_nm: float = Field(
        default=PRESET_PIXEL_NM,
        gt=0,
        le=500,
        description="size of the pixels that the preset is for, nm: lengths that are not given "
        "are proportional to it. Set it to that of the images where an operator would have chosen "
        "their field of view for the structure, and the beam for the pixel",
    )
    black_level: PerChannel[float] | None = Field(
        default=None,
        description="grey value of the ideal images that is signal 0, one number or one for each "
        "channel; default: 0",
    )
    white_level: PerChannel[float] | None = Field(
        default=None,
        description="grey value of the ideal images that is signal 1 (every electron comes back), "
        "one number or one for each channel; default: 1 for float32, 255 for uint8, 65535 for "
        "uint16 images",
    )

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        for name in ("presets", "raw_presets"):
            place = f"{{{name}}}"
            indented = re.search(f"^( *){re.escape(place)}$", cls.__doc__ or "", re.MULTILINE)
            if indented:
                table = f"\n{indented[1]}".join(_preset_table(cls, getattr(cls, name)))
                cls.__doc__ = (cls.__doc__ or "").replace(place, table)

    @model_validator(mode="before")
    @classmethod
    def _fill_from_preset(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        preset = values.get("preset", "clean")
        known = isinstance(preset, str) and preset in get_args(PresetName)
        filled = cls.preset_values(preset, values) if known else {}
        pixel_nm = values.get("preset_pixel_nm", PRESET_PIXEL_NM)
        if not isinstance(pixel_nm, (int, float)) or pixel_nm == PRESET_PIXEL_NM:
            return {**filled, **values}
        return {**filled, **cls._lengths_of(filled, pixel_nm), **values}

    @classmethod
    def _lengths_of(cls, filled: Mapping[str, Any], pixel_nm: float) -> dict[str, float]:
        """Return lengths of a preset, and those by default, for pixels of some size."""
        found = {name: filled.get(name, cls.model_fields[name].default) for name in cls.lengths}
        scale = pixel_nm / PRESET_PIXEL_NM if pixel_nm > 0 else 1.0  # which the field refuses
        return {
            name: value * scale ** cls.lengths[name]
            for name, value in found.items()
            if isinstance(value, (int, float))
        }

    @classmethod
    def preset_values(cls, preset: PresetName, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values that a preset sets besides the parameters that are given."""
        return dict(cls.presets[preset])

    def warnings_of(self, voxel_size_nm: tuple[float, float, float]) -> tuple[str, ...]:
        """Return a warning if the preset is for pixels of another size, and no length is given."""
        pixel_nm = float(np.sqrt(voxel_size_nm[1] * voxel_size_nm[2]))
        ratio = pixel_nm / self.preset_pixel_nm
        filled = self.preset_values(self.preset, dict(self))
        lengths = self._lengths_of(filled, self.preset_pixel_nm)
        given = any(getattr(self, n) not in (length, (length,)) for n, length in lengths.items())
        if self.preset == "clean" or given or 1 / FAR < ratio < FAR:
            return ()
        return (
            f"lengths of the preset {self.preset} are for pixels of {self.preset_pixel_nm:g} nm, "
            f"those of the images are {pixel_nm:g} nm: set preset_pixel_nm to {pixel_nm:g} for an "
            f"instrument of this look, or give the lengths",
        )

    @model_validator(mode="after")
    def _channels_agree(self) -> Self:
        counts = {name: self.channels_of(name) for name in self.per_channel}
        several = {name: count for name, count in counts.items() if count > 1}
        if len(set(several.values())) > 1:
            given = ", ".join(f"{name} for {count}" for name, count in several.items())
            raise ValueError(
                f"parameters are given for different numbers of channels ({given}): give one "
                f"number for all, or one for each channel"
            )
        return self

    @model_validator(mode="after")
    def _white_is_above_black(self) -> Self:
        for channel in range(max(map(self.channels_of, ("black_level", "white_level")))):
            black = self.of_channel("black_level", channel) or 0.0
            white = self.of_channel("white_level", channel)
            if white is not None and white <= black:
                raise ValueError(
                    f"white_level {white:g} is not above black_level {black:g}; give the grey "
                    f"value of full signal, or invert the images"
                )
        return self

    def channels_of(self, name: str) -> int:
        """Return how many channels a parameter is given for; 1 means any number."""
        value = getattr(self, name)
        return 1 if value is None else len(value)

    def of_channel(self, name: str, channel: int) -> Any:
        """Return a parameter's value for a channel; None where it has none."""
        value = getattr(self, name)
        if value is None:
            return None
        return value[0] if len(value) == 1 else value[channel]

    def check_channels(self, channels: int) -> None:
        """Refuse parameters for another number of channels than that of the images.

        Raises:
            FibError: a parameter has several numbers, but not one for each channel.
        """
        for name in self.per_channel:
            given = self.channels_of(name)
            if given not in (1, channels):
                raise FibError(
                    f"{name} is given for {given} channels, the images have {channels}: give one "
                    f"number for all, or one for each channel"
                )

    @property
    def is_clean(self) -> bool:
        """Whether every effect is off."""
        fields = type(self).model_fields
        return all(getattr(self, name) == fields[name].default for name in self.effects)


def _preset_table(instrument: type[InstrumentParameters], presets: Presets) -> Iterator[str]:
    """Yield the lines of a Markdown table of the presets' values, in the order of the fields."""
    names = get_args(PresetName)
    yield f"| parameter | {' | '.join(names)} |"
    yield f"|{'---|' * (1 + len(names))}"
    for name, field in instrument.model_fields.items():
        if any(name in values for values in presets.values()):
            cells = [_shown(presets[preset].get(name, field.default)) for preset in names]
            yield f"| {name} | {' | '.join(cells)} |"


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, tuple):  # a range, or a number for all channels
        return " to ".join(f"{one:g}" for one in value)
    return f"{value:g}"
