"""Parameters of every model of an instrument, and presets for them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal, Self, get_args

from pydantic import BaseModel, Field, model_validator

PresetName = Literal["clean", "typical", "bad"]
Presets = Mapping[PresetName, Mapping[str, Any]]


class InstrumentParameters(BaseModel):
    """Preset and grey levels; a subclass adds its effects, all off by default.

    In the docstring of a subclass, a line ``{presets}`` or ``{raw_presets}`` is replaced with a
    table of the values of these presets.
    """

    presets: ClassVar[Presets]
    """The values of each preset; parameters that are not named keep their defaults."""
    effects: ClassVar[tuple[str, ...]]
    """Parameters whose default is off; the others define the form of an effect."""

    preset: PresetName = Field(
        default="clean",
        description="sets the parameters that are not given: clean (every effect off), typical or "
        "bad; given parameters take precedence, and the record of a run lists all values",
    )
    black_level: float | None = Field(
        default=None,
        description="grey value of the ideal images that is signal 0; default: 0",
    )
    white_level: float | None = Field(
        default=None,
        description="grey value of the ideal images that is signal 1 (every electron comes back); "
        "default: 1 for float32, 255 for uint8, 65535 for uint16 images",
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
        return {**(cls.preset_values(preset, values) if known else {}), **values}

    @classmethod
    def preset_values(cls, preset: PresetName, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values that a preset sets besides the parameters that are given."""
        return dict(cls.presets[preset])

    @model_validator(mode="after")
    def _white_is_above_black(self) -> Self:
        black = 0.0 if self.black_level is None else self.black_level
        if self.white_level is not None and self.white_level <= black:
            raise ValueError(
                f"white_level {self.white_level:g} is not above black_level {black:g}; give the "
                f"grey value of full signal, or invert the images"
            )
        return self

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
